/* A program with a few threads, for a malloc beside hooks. */
#include "support.h"

static void *work(void *arg) {
	churn((uint32_t)(uintptr_t)arg, 20000);
	return NULL;
}
int main(void) {
	pthread_t threads[4];
	free(malloc(10));
	for (uintptr_t i = 0; i < 4; i++)
		threads[i] = thread_start(work, (void *)(i + 1), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	malloc_trim(0);
	return 0;
}
