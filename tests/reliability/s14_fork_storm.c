/* s14: a child of fork may allocate and free whatever other threads did at that moment */
#include "support.h"

static void *shared[512]; /* blocks of the parent that the child frees */
static int stop;          /* sync: atomic */

static void *busy(void *arg) {
	for (uint32_t i = (uint32_t)(uintptr_t)arg; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i += 16)
		churn(i, 300);
	return NULL;
}
static void *brief(void *arg) { return busy(arg); }
static int child(void *arg) {
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < 512; i++)
		free(shared[i]);
	churn(*(uint32_t *)arg, 300);
	if (*(uint32_t *)arg % 8 == 0) { /* threads of the child's own */
		pthread_t thread = thread_start(brief, arg, 0);
		usleep(1000);
		__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	return 0;
}
int main(void) {
	pthread_t others[16];
	for (uintptr_t i = 0; i < 16; i++)
		others[i] = thread_start(busy, (void *)(i + 1), 0);
	for (size_t i = 0; i < 512; i++)
		shared[i] = malloc(1 + i * i);
	double end = now() + budget(6);
	uint32_t forks = 1;
	for (; now() < end; forks++)
		CHECK(ended_well("a child of fork", in_child(child, &forks, 15)));
	NOTE("%u forks\n", forks);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 16; i++)
		pthread_join(others[i], NULL);
	return 0;
}
