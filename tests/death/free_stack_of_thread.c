/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A pointer into the stack of the thread that frees, which is not the main thread: at the call. */
#include <pthread.h>
#include <stdlib.h>

static void *work(void *arg)
{
	char here[64];
	char *volatile p = here;
	free(p);
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
