/* Forks at once beside the first threads, as they make their first requests; anew in 100 programs, as each has one such
 * moment. The library's prepare handler makes it longer. */
#include "support.h"

static void *busy(void *arg) {
	for (uint32_t i = (uint32_t)(uintptr_t)arg;; i += 16)
		churn(i, 300);
	return NULL;
}
static int child(void *arg) {
	churn(*(uint32_t *)arg, 50);
	return 0;
}
static int fork_at_once(uint32_t seed) {
	for (uintptr_t i = 0; i < 3; i++)
		thread_start(busy, (void *)(seed + i), 0);
	return !ended_well("a child of the first fork", in_child(child, &seed, 10));
}
static int begin_anew(void *arg) {
	char seed[16], *argv[] = {"s16_first", seed, NULL};
	snprintf(seed, sizeof seed, "%u", *(uint32_t *)arg);
	return execv("/proc/self/exe", argv);
}
int main(int argc, char **argv) {
	if (argc > 1)
		_exit(fork_at_once((uint32_t)atoi(argv[1])));
	for (uint32_t i = 1; i <= 100; i++)
		CHECK(ended_well("a program", in_child(begin_anew, &i, 20)));
	return 0;
}
