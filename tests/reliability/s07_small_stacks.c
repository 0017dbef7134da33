/* s07: threads with 16 KiB stacks work, and no call takes more than 4 KiB of stack */
#include "support.h"
#include <limits.h>

enum { STACK = 64 * 1024 };
static unsigned char stack[STACK] __attribute__((aligned(64)));
static size_t bare, deepest;

static void *nothing(void *arg) {
	volatile int x = 1;
	(void)x;
	return arg;
}
/* First calls, refills, a large block, growth, trimming: the slow paths. */
static void *everything(void *arg) {
	static void *p[300]; /* one thread at a time */
	for (size_t i = 0; i < 300; i++)
		p[i] = malloc(1 + i * i);
	for (size_t i = 0; i < 300; i++)
		p[i] = realloc(p[i], 100 + i * i * 2);
	for (size_t i = 0; i < 300; i++)
		free(p[i]);
	free(calloc(1, 3 * MIB));
	free(aligned_alloc(4096, 8192));
	for (size_t i = 0; i < 20000; i++)
		free(malloc(i));
	malloc_trim(0);
	return arg;
}
static size_t high_water(void *(*run)(void *)) {
	pthread_attr_t attr;
	pthread_t thread;
	memset(stack, 0xA5, STACK);
	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstack(&attr, stack, STACK) == 0);
	CHECK(pthread_create(&thread, &attr, run, NULL) == 0);
	pthread_join(thread, NULL);
	size_t untouched = 0;
	while (untouched < STACK && stack[untouched] == 0xA5)
		untouched++;
	return STACK - untouched;
}
int main(void) {
	for (int i = 0; i < 50; i++)
		pthread_join(thread_start(everything, NULL, 16 * KIB), NULL);
	bare = high_water(nothing);
	deepest = high_water(everything);
	NOTE("%zu bytes of stack above a bare thread\n", deepest - bare);
	CHECK_SAY(deepest - bare <= 4096, "%zu bytes above a bare thread's %zu", deepest - bare, bare);
	return 0;
}
