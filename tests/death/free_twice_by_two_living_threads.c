/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* A thread freed it and lives on, then this one does and flushes: when the second magazine is given back. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t given, leave;

static void *give(void *p)
{
	free(p);
	sem_post(&given);
	sem_wait(&leave);
	return NULL;
}
int main(void)
{
	static void *volatile p[6000];
	pthread_t thread;
	sem_init(&given, 0, 0);
	sem_init(&leave, 0, 0);
	for (int i = 0; i < 6000; i++)
		p[i] = malloc(64);
	if (pthread_create(&thread, NULL, give, p[0]) != 0)
		return 1;
	sem_wait(&given);
	for (int i = 0; i < 6000; i++)
		if (i % 10 != 1) /* some stay live */
			free(p[i]);
	sem_post(&leave);
	pthread_join(thread, NULL);
	return 0;
}
