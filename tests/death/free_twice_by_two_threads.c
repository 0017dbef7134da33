/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* A thread that has ended freed it, then this one does: at exit. */
#include <pthread.h>
#include <stdlib.h>

static void *give(void *p)
{
	free(p);
	return NULL;
}
int main(void)
{
	void *volatile p = malloc(64), *volatile live = malloc(64);
	pthread_t thread;
	if (pthread_create(&thread, NULL, give, p) != 0)
		return 1;
	pthread_join(thread, NULL);
	free(p);
	return live == p;
}
