/* EXPECT abort "cairn: free: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block, freed by another thread first: at the call. */
#include <pthread.h>
#include <stdlib.h>

static void *give(void *p)
{
	free(p);
	return NULL;
}
int main(void)
{
	void *volatile p = malloc(100000), *volatile q = malloc(100000);
	pthread_t thread;
	if (pthread_create(&thread, NULL, give, p) != 0)
		return 1;
	pthread_join(thread, NULL);
	free(p);
	free(q);
	_Exit(0);
}
