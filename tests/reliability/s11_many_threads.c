/* s11: ten thousand threads at once and a hundred thousand in turn leave few mappings and little memory */
#include "support.h"

static pthread_barrier_t ready, leave;
static pthread_t thread[10000];

static void *hold(void *arg) {
	void *p[8];
	for (size_t i = 0; i < 8; i++) {
		p[i] = malloc(64 + 100 * i);
		CHECK(p[i]);
		memset(p[i], 1, 64 + 100 * i);
	}
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&leave);
	for (size_t i = 0; i < 8; i++)
		free(p[i]);
	return arg;
}
static void *brief(void *arg) {
	churn((uint32_t)(uintptr_t)arg, 20);
	return arg;
}
int main(void) {
	unsigned count = 10000;
	long threads_max = proc_number("/proc/sys/kernel/threads-max", "");
	if (threads_max > 0 && threads_max < 12000)
		skip("the kernel grants fewer than 12000 threads");
	long maps_before = maps_count();
	pthread_barrier_init(&ready, NULL, count + 1);
	pthread_barrier_init(&leave, NULL, count + 1);
	for (unsigned i = 0; i < count; i++)
		thread[i] = thread_start(hold, NULL, MIB);
	pthread_barrier_wait(&ready);
	long maps_at_once = maps_count() - maps_before - 2 * (long)count; /* a stack and its guard page are two */
	pthread_barrier_wait(&leave);
	for (unsigned i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	size_t before = 0, total = is_full() ? 100000 : 20000;
	for (size_t i = 0; i < total; i += 8) {
		for (size_t k = 0; k < 8; k++)
			thread[k] = thread_start(brief, (void *)(i + k + 1), MIB);
		for (int k = 0; k < 8; k++)
			pthread_join(thread[k], NULL);
		if (i == 2000)
			before = rss_bytes();
	}
	size_t after = rss_bytes(), grown = after > before ? after - before : 0;
	long maps_after = maps_count() - maps_before;
	NOTE("at once: %ld mappings beside the stacks; %zu in turn: %zu KiB more, %ld mappings\n", maps_at_once, total,
	     grown / KIB, maps_after);
	CHECK_SAY(maps_at_once <= 1000, "%ld mappings", maps_at_once);
	CHECK_SAY(maps_after <= 1000, "%ld mappings", maps_after);
	CHECK_SAY(grown <= 8 * MIB, "%zu KiB", grown / KIB);
	return 0;
}
