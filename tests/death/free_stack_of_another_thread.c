/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* An array on the stack of another thread, which never called malloc. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t is_there;
static char *volatile theirs;

static void *lend(void *forever)
{
	char array[256];
	theirs = array + 64;
	sem_post(&is_there);
	sem_wait(forever);
	return NULL;
}

int main(void)
{
	sem_t forever;
	pthread_t thread;
	sem_init(&is_there, 0, 0);
	sem_init(&forever, 0, 0);
	pthread_create(&thread, NULL, lend, &forever);
	sem_wait(&is_there);
	free(theirs);
	_Exit(0);
}
