/* Opens the malloc named on the command line while running, after 1400 bytes of static TLS are gone, and uses it beside
 * libc's own. BUILD: -ldl */
#include "support.h"

static void *(*late_malloc)(size_t);
static void (*late_free)(void *);

static void *use(void *arg) {
	void *p[200];
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < 200; i++) {
			p[i] = late_malloc(1 + i * 17);
			CHECK(p[i]);
			memset(p[i], 1, 1 + i * 17);
		}
		for (size_t i = 0; i < 200; i++)
			late_free(p[i]);
	}
	churn(5, 5000);
	return arg;
}
int main(int argc, char **argv) {
	CHECK(argc == 3);
	void *before = malloc(1000), *library = dlopen(argv[1], RTLD_NOW);
	CHECK_SAY(library, "%s", dlerror());
	char *(*eat)(void) = (char *(*)(void))dlsym(library, "s05_eat");
	CHECK(eat && eat());
	void *late = dlopen(argv[2], RTLD_NOW);
	CHECK_SAY(late, "%s", dlerror());
	late_malloc = (void *(*)(size_t))dlsym(late, "malloc");
	late_free = (void (*)(void *))dlsym(late, "free");
	CHECK(late_malloc && late_free);
	use(NULL);
	pthread_join(thread_start(use, NULL, 0), NULL);
	free(before);
	free(malloc(1000));
	return 0;
}
