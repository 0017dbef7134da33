/* s12: malloc and free are no cancellation points, and cancelled threads leave no lock held */
#include "support.h"

static int outlived; /* sync: atomic */

static void *through(void *arg) {
	(void)arg;
	pthread_cancel(pthread_self()); /* pending from here on */
	for (size_t i = 0; i < 3000; i++)
		free(malloc(1 + i * i));
	free(realloc(calloc(100, 1000), 3 * MIB));
	malloc_trim(0);
	__atomic_store_n(&outlived, 1, __ATOMIC_SEQ_CST);
	pthread_testcancel();
	__atomic_store_n(&outlived, 2, __ATOMIC_SEQ_CST);
	return NULL;
}
static void release(void *p) { free(p); }
static void *storm(void *arg) {
	uint32_t seed = (uint32_t)(uintptr_t)arg | 1;
	for (;;) {
		void *p = malloc(any_size(&seed));
		pthread_cleanup_push(release, p);
		pthread_testcancel();
		pthread_cleanup_pop(1);
	}
	return NULL;
}
int main(void) {
	malloc_trim(0); /* where it is libc's own, its first call asks getrandom, which is a cancellation point */
	pthread_t thread[4];
	void *result;
	pthread_join(thread_start(through, NULL, 0), &result);
	CHECK(result == PTHREAD_CANCELED && outlived == 1);
	double end = now() + budget(3);
	for (uintptr_t round = 1; now() < end; round++) {
		for (uintptr_t i = 0; i < 4; i++)
			thread[i] = thread_start(storm, (void *)(round * 4 + i), 0);
		usleep((useconds_t)(round % 13) * 100);
		for (int i = 0; i < 4; i++)
			pthread_cancel(thread[i]);
		for (int i = 0; i < 4; i++) {
			pthread_join(thread[i], &result);
			CHECK(result == PTHREAD_CANCELED);
		}
		churn((uint32_t)round, 200);
	}
	return 0;
}
