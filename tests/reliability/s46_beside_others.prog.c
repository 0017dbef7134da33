/* A program with threads, for two mallocs at once. */
#include "support.h"

static void *work(void *arg) {
	churn((uint32_t)(uintptr_t)arg, 5000);
	return NULL;
}
int main(void) {
	pthread_t thread[2];
	for (uintptr_t i = 0; i < 2; i++)
		thread[i] = thread_start(work, (void *)(i + 1), 0);
	work((void *)9);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 1; i < 2000; i++) {
		char *p = realloc(memalign(64, i), i * 2);
		CHECK(p && malloc_usable_size(p) >= i * 2);
		free(p);
	}
	puts("done");
	return 0;
}
