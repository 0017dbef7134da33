/* s10: threads that only free, and a producer whose consumer frees, keep memory bounded */
#include "support.h"

enum { BATCH = 2000, WINDOW = 20000 };
static void *batch[BATCH];
static void *ring[WINDOW];
static unsigned long made, used; /* sync: atomic */
static long total = 3000000;

static void *free_batch(void *arg) {
	for (int i = 0; i < BATCH; i++)
		free(batch[i]);
	return arg;
}
static void *consume(void *arg) {
	for (long i = 0; i < total; i++) {
		while (__atomic_load_n(&made, __ATOMIC_ACQUIRE) == (unsigned long)i)
			sched_yield();
		free(ring[i % WINDOW]);
		__atomic_store_n(&used, (unsigned long)i + 1, __ATOMIC_RELEASE);
	}
	return arg;
}
int main(void) {
	size_t start = rss_bytes();
	for (int round = 0; round < 1000; round++) {
		for (size_t i = 0; i < BATCH; i++)
			batch[i] = malloc(16 + i % 512);
		pthread_join(thread_start(free_batch, NULL, 64 * KIB), NULL);
	}
	size_t first = rss_bytes() - start;
	pthread_t consumer = thread_start(consume, NULL, 0);
	uint32_t seed = 10;
	size_t peak = 0;
	for (long i = 0; i < total; i++) {
		while (__atomic_load_n(&used, __ATOMIC_ACQUIRE) + WINDOW == (unsigned long)i)
			sched_yield();
		ring[i % WINDOW] = malloc(16 + dice(&seed) % 1008);
		*(char *)ring[i % WINDOW] = 1;
		__atomic_store_n(&made, (unsigned long)i + 1, __ATOMIC_RELEASE);
		if (i % 100000 == 0 && rss_bytes() > peak)
			peak = rss_bytes();
	}
	pthread_join(consumer, NULL);
	size_t live = WINDOW * (size_t)528;
	NOTE("free-only threads: %zu KiB for 540 KiB; producer and consumer: %zu KiB for %zu KiB\n", first / KIB,
	     (peak - start) / KIB, live / KIB);
	CHECK_SAY(first <= 8 * MIB, "%zu KiB for 540 KiB live", first / KIB);
	CHECK_SAY(peak - start <= 2 * live + 8 * MIB, "%zu KiB for %zu KiB live", (peak - start) / KIB, live / KIB);
	return 0;
}
