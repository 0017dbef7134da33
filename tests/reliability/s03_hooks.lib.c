/* A tool that wraps the calls a malloc's start makes, and allocates in each of them. BUILD: -ldl */
#include "support.h"
#include <stdarg.h>

static void *next(const char *name) {
	void *function = dlsym(RTLD_NEXT, name);
	CHECK(function);
	dlsym(RTLD_NEXT, "s03_there_is_no_such_symbol"); /* dlerror's text is allocated */
	free(malloc(64));
	return function;
}
#define NEXT(type, name) ((type)next(name))

void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset) {
	return NEXT(void *(*)(void *, size_t, int, int, int, off_t), "mmap")(at, bytes, prot, flags, fd, offset);
}
int munmap(void *at, size_t bytes) { return NEXT(int (*)(void *, size_t), "munmap")(at, bytes); }
int madvise(void *at, size_t bytes, int advice) {
	return NEXT(int (*)(void *, size_t, int), "madvise")(at, bytes, advice);
}
char *getenv(const char *name) { return NEXT(char *(*)(const char *), "getenv")(name); }
int open(const char *path, int flags, ...) {
	va_list args;
	va_start(args, flags);
	int mode = va_arg(args, int);
	va_end(args);
	return NEXT(int (*)(const char *, int, ...), "open")(path, flags, mode);
}
