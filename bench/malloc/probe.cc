/* probe.cc - whose malloc is it? Asks the dynamic linker for the file of each function of the malloc family.
 *
 *   probe FILE    exit status 0 when malloc, calloc, realloc, free and the plain operators new and delete come from FILE.
 *                 A malloc that leaves operator new to the C++ library is served through malloc, and that is fine. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <new>

static const char *file_of(void *function)
{
	Dl_info info;
	return dladdr(function, &info) && info.dli_fname ? info.dli_fname : "?";
}

static bool is_from(const char *name, const char *file)
{
	void *function = dlsym(RTLD_DEFAULT, name);
	const char *from = function ? file_of(function) : "nowhere";
	bool library = !strncmp(name, "_Z", 2) && strstr(from, "libstdc++"); /* which calls malloc */
	char a[4096], b[4096];
	bool same = realpath(from, a) && realpath(file, b) && !strcmp(a, b);
	if (!same && !library)
		fprintf(stderr, "probe: %s is from %s, not from %s\n", name, from, file);
	return same || library;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: probe FILE\n", stderr);
		return 2;
	}
	static const char *const names[] = { "malloc", "calloc", "realloc", "free", "posix_memalign", "_Znwm", "_ZdlPv" };
	bool all = true;
	for (const char *name : names)
		all = is_from(name, argv[1]) && all;
	delete new int(argc); /* the C++ library must be loaded */
	return !all;
}
