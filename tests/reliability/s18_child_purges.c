/* s18: memory still comes back in the child of a program with threads */
#include "support.h"

enum { COUNT = 64 * 1024 };
static void *p[COUNT];

static void *use(void *arg) {
	for (int i = 0; i < COUNT; i++) {
		p[i] = malloc(1000);
		CHECK(p[i]);
		memset(p[i], 1, 1000);
	}
	for (int i = 0; i < COUNT; i++)
		free(p[i]);
	return arg;
}
static void *little(void *arg) {
	free(malloc(100)); /* a thread that never asks for anything cannot be seen */
	return arg;
}

/* Resident bytes over `start` after at most four seconds in which no call of malloc is made. */
static size_t rest(size_t start) {
	size_t over = 0;
	for (int i = 0; i < 40; i++) {
		size_t rss = rss_bytes();
		over = rss > start ? rss - start : 0;
		if (over < 16 * MIB)
			break;
		usleep(100000);
	}
	return over;
}
static int child(void *arg) {
	size_t start = *(size_t *)arg;
	use(NULL);
	size_t single = rest(start);
	pthread_join(thread_start(little, NULL, 0), NULL);
	use(NULL);
	size_t threaded = rest(start);
	NOTE("left of 64 MB in the child: %zu KiB, with a thread %zu KiB\n", single / KIB, threaded / KIB);
	CHECK_SAY(single < 16 * MIB, "%zu MiB", single / MIB);
	CHECK_SAY(threaded < 16 * MIB, "with a thread: %zu MiB", threaded / MIB);
	return 0;
}
int main(void) {
	size_t start = rss_bytes();
	pthread_join(thread_start(little, NULL, 0), NULL);
	use(NULL);
	CHECK(ended_well("the child", in_child(child, &start, 30)));
	return 0;
}
