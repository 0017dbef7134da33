/* EXPECT abort "cairn: free: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block that another thread freed and keeps at hand: at the call. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t given, over;

static void *give(void *p)
{
	for (int i = 0; i < 8; i++) {
		void *volatile warm = malloc(100000);
		free(warm);
	}
	free(p);
	sem_post(&given);
	sem_wait(&over);
	return NULL;
}

int main(void)
{
	void *volatile p = malloc(100000), *volatile q = malloc(100000);
	pthread_t thread;
	sem_init(&given, 0, 0);
	sem_init(&over, 0, 0);
	if (pthread_create(&thread, NULL, give, p) != 0)
		return 1;
	sem_wait(&given);
	free(p);
	free(q);
	_Exit(0);
}
