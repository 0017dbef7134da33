/* xmalloc.c - producers and consumers (after Lever and Boreham 2000): two threads only allocate, two only free.
 *
 * Blocks of 64 bytes travel in batches of 1,000, a batch being a block of 8 KB itself, over one list with a mutex.
 * Half of the threads wait at any time on a machine of two processors, as in the classic. */
#include "bench.h"

enum { BATCH = 1000, LIST_MAX = 40, EACH = 2 };
typedef struct batch {
	struct batch *next;
	unsigned char *p[BATCH];
} batch;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER;
static batch *list;                       /* sync: lock */
static size_t listed, batches, to_take;   /* sync: lock (listed, to_take) */

static void *produce(void *argument)
{
	for (size_t n = 0; n < batches; n++) {
		batch *b = malloc(sizeof *b);
		for (unsigned i = 0; i < BATCH; i++)
			*(b->p[i] = malloc(64)) = (unsigned char)(n + i);
		pthread_mutex_lock(&lock);
		while (listed == LIST_MAX)
			pthread_cond_wait(&room, &lock);
		b->next = list;
		list = b;
		listed++;
		pthread_cond_signal(&more);
		pthread_mutex_unlock(&lock);
	}
	return argument;
}

static batch *take(void)
{
	batch *b = NULL;
	pthread_mutex_lock(&lock);
	while (!listed && to_take)
		pthread_cond_wait(&more, &lock);
	if (listed) {
		b = list;
		list = b->next;
		listed--;
		if (!--to_take)
			pthread_cond_broadcast(&more);
		pthread_cond_signal(&room);
	}
	pthread_mutex_unlock(&lock);
	return b;
}

static void *consume(void *sum)
{
	for (batch *b; (b = take());) {
		for (unsigned i = 0; i < BATCH; i++) {
			*(uint64_t *)sum += *b->p[i];
			free(b->p[i]);
		}
		free(b);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[EACH * 2];
	uint64_t sums[EACH] = { 0, 0 };
	batches = bench_scaled(10000);
	to_take = batches * EACH;
	bench_start();
	for (unsigned i = 0; i < EACH; i++) {
		t[i] = bench_thread(produce, NULL);
		t[EACH + i] = bench_thread(consume, &sums[i]);
	}
	for (unsigned i = 0; i < EACH * 2; i++)
		pthread_join(t[i], NULL);
	bench_stop();
	return bench_done(sums[0] + sums[1]);
}
