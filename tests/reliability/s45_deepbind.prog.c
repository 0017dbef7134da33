/* Frees and grows blocks of a library that was opened with RTLD_DEEPBIND; with a second argument the library frees
 * ours, which no preloaded malloc can help. BUILD: -ldl */
#include "support.h"
#include <dirent.h>
#include <netdb.h>

int main(int argc, char **argv) {
	CHECK(argc >= 2);
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	CHECK_SAY(library, "%s", dlerror());
	char *(*text)(size_t) = (char *(*)(size_t))dlsym(library, "s45_text");
	void *(*large)(size_t) = (void *(*)(size_t))dlsym(library, "s45_large");
	void (*their_free)(void *) = (void (*)(void *))dlsym(library, "s45_free");
	CHECK(text && large && their_free);
	if (argc == 3) {
		for (size_t i = 1; i < 100; i++)
			their_free(malloc(i * 10));
		return 0;
	}
	for (size_t i = 2; i < 300; i++) {
		char *p = text(i), *q = text(100);
		CHECK(strlen(p) == i - 1);
		free(p);
		q = realloc(q, 1000 + i);
		CHECK(q && strlen(q) == 99);
		free(q);
		if (i % 50 == 0)
			free(large(MIB)); /* a mapping of its own */
		churn((uint32_t)i, 100);
	}
	/* Blocks that libc makes for us by the interposed malloc. */
	char *line = NULL, *printed = NULL;
	size_t room = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	CHECK(f && getline(&line, &room, f) > 0 && asprintf(&printed, "%s", line) > 0);
	fclose(f);
	free(line);
	free(printed);
	DIR *d = opendir("/");
	while (readdir(d))
		;
	closedir(d);
	struct addrinfo *list = NULL;
	if (getaddrinfo("127.0.0.1", "80", NULL, &list) == 0)
		freeaddrinfo(list);
	free(realpath("/proc/self/exe", NULL));
	return 0;
}
