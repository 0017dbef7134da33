/* remote.c - blocks freed by another thread than the one that made them.
 *
 *   remote one-way      one thread makes, another frees
 *   remote ping-pong    two threads: each frees what the other made and answers with as many, a batch at a time
 *   remote many-to-one  three threads make, one frees
 *   remote mixed        one-way, of 16..1024 bytes; a random third is freed by the thread that made it
 *
 * Blocks travel in batches of 256 over rings of 64 batches, one ring for each pair of threads. Who waits spins a little
 * and then yields, so that the row measures mallocs and not how fast the kernel wakes a thread. */
#include "bench.h"
#include <sched.h>
#include <stdatomic.h>

enum { BATCH = 256, RING = 64, PRODUCERS_MAX = 3, SPINS = 200 };

typedef struct batch {
	unsigned char *p[BATCH];
} batch;

typedef struct ring {
	_Alignas(128) _Atomic size_t put; /* sync: written by the one producer; its store publishes the slot */
	_Alignas(128) _Atomic size_t taken; /* sync: written by the one consumer; its store gives the slot back */
	_Alignas(128) batch slots[RING];
} ring;

static ring rings[PRODUCERS_MAX + 1];
static size_t batches, producers = 1;
static int mixed;

static void wait_a_little(unsigned *spins)
{
	if (++*spins % SPINS == 0)
		sched_yield();
}

static void ring_put(ring *r, const batch *b)
{
	size_t at = atomic_load(&r->put);
	for (unsigned spins = 0; at - atomic_load(&r->taken) == RING;)
		wait_a_little(&spins);
	r->slots[at % RING] = *b;
	atomic_store(&r->put, at + 1);
}

static int ring_try(ring *r, batch *b)
{
	size_t at = atomic_load(&r->taken);
	if (at == atomic_load(&r->put))
		return 0;
	*b = r->slots[at % RING];
	atomic_store(&r->taken, at + 1);
	return 1;
}

static void ring_take(ring *r, batch *b)
{
	for (unsigned spins = 0; !ring_try(r, b);)
		wait_a_little(&spins);
}

static void batch_make(batch *b, uint64_t *seed, size_t n)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->p[i] = malloc(mixed ? bench_log_uniform(seed, 16, 6) : 64);
		*b->p[i] = (unsigned char)(n + i);
		if (mixed && bench_below(seed, 3) == 0) {
			free(b->p[i]);
			b->p[i] = NULL;
		}
	}
}

static uint64_t batch_free(batch *b)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < BATCH; i++)
		if (b->p[i]) {
			sum += *b->p[i];
			free(b->p[i]);
		}
	return sum;
}

static void *produce(void *number)
{
	uint64_t seed = bench_seed((uintptr_t)number);
	batch b;
	for (size_t n = 0; n < batches / producers; n++) {
		batch_make(&b, &seed, n);
		ring_put(&rings[(uintptr_t)number], &b);
	}
	return NULL;
}

static void *answer(void *sum)
{
	uint64_t seed = bench_seed(9);
	batch b;
	for (size_t n = 0; n < batches; n++) {
		ring_take(&rings[0], &b);
		*(uint64_t *)sum += batch_free(&b);
		batch_make(&b, &seed, n);
		ring_put(&rings[1], &b);
	}
	return NULL;
}

static uint64_t one_way(void)
{
	pthread_t t[PRODUCERS_MAX];
	size_t left = batches / producers * producers;
	uint64_t sum = 0;
	batch b;
	for (size_t i = 0; i < producers; i++)
		t[i] = bench_thread(produce, (void *)(uintptr_t)i);
	for (unsigned spins = 0; left;) {
		size_t before = left;
		for (size_t i = 0; i < producers; i++)
			if (ring_try(&rings[i], &b)) {
				sum += batch_free(&b);
				left--;
			}
		if (left == before)
			wait_a_little(&spins);
	}
	for (size_t i = 0; i < producers; i++)
		pthread_join(t[i], NULL);
	return sum;
}

static uint64_t ping_pong(void)
{
	uint64_t sums[2] = { 0, 0 }, seed = bench_seed(8);
	pthread_t t = bench_thread(answer, &sums[0]);
	batch b;
	for (size_t n = 0; n < batches; n++) {
		batch_make(&b, &seed, n);
		ring_put(&rings[0], &b);
		ring_take(&rings[1], &b);
		sums[1] += batch_free(&b);
	}
	pthread_join(t, NULL);
	return sums[0] + sums[1];
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "one-way";
	batches = bench_scaled(!strcmp(which, "ping-pong") ? 60000 : !strcmp(which, "mixed") ? 80000 : 120000);
	producers = !strcmp(which, "many-to-one") ? PRODUCERS_MAX : 1;
	mixed = !strcmp(which, "mixed");
	bench_start();
	uint64_t sum = !strcmp(which, "ping-pong") ? ping_pong() : one_way();
	bench_stop();
	return bench_done(sum);
}
