/* Forks beside busy threads. */
#include "support.h"

static int stop; /* sync: atomic */

static void *busy(void *arg) {
	for (uint32_t i = (uint32_t)(uintptr_t)arg; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i += 16)
		churn(i, 300);
	return NULL;
}
static int child(void *arg) {
	churn(*(uint32_t *)arg, 500);
	return 0;
}
int main(void) {
	pthread_t others[4];
	for (uintptr_t i = 0; i < 4; i++)
		others[i] = thread_start(busy, (void *)(i + 1), 0);
	for (uint32_t i = 1; i <= 100; i++)
		CHECK(ended_well("a child of fork", in_child(child, &i, 10)));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		pthread_join(others[i], NULL);
	return 0;
}
