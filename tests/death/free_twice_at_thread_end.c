/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* Five other frees lie between, in a thread that ends: at its end. */
#include <pthread.h>
#include <stdlib.h>

static void *work(void *arg)
{
	void *volatile p[7]; /* the last stays live */
	for (int i = 0; i < 7; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 6; i++)
		free(p[i]);
	free(p[0]);
	return arg;
}
int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	_Exit(0);
}
