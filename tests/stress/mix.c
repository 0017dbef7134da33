/* Threads that do everything at once on one malloc: each runs its own random stream against its own table, hands blocks
 * and whole heaps to others who check and free them, and gives memory back while others take it.
 *
 * CAIRN_TEST_SECONDS says how long, CAIRN_SEED repeats, CAIRN_FAULTS refuses system calls. */
#include "support/crowd.h"
#include "support/oracle.h"

#include <sched.h>

enum { THREADS = 6, HEAP_BLOCKS = 64, STEPS = 32 };

typedef struct worker {
	pthread_t thread;
	oracle table;
	uint64_t random;
} worker;

/* A heap on its way to another thread, with some of its blocks. */
typedef struct heap_parcel {
	cairn_heap *heap;
	parcel *blocks[HEAP_BLOCKS];
} heap_parcel;

static worker workers[THREADS];
static _Atomic(heap_parcel *) heap_shelf;
static _Atomic uint64_t steps_done;

static heap_parcel *heap_parcel_make(uint64_t *random)
{
	heap_parcel *h = cairn_calloc(1, sizeof *h);
	if (!h || !(h->heap = cairn_heap_create())) {
		cairn_free(h);
		return NULL;
	}
	for (int i = 0; i < HEAP_BLOCKS; i++) {
		size_t bytes = sizeof(parcel) + crowd_size(random);
		h->blocks[i] = cairn_heap_alloc(h->heap, bytes);
		if (h->blocks[i])
			parcel_fill(h->blocks[i], bytes, test_random(random));
	}
	return h;
}

/* Checks all, frees some one by one, and destroys the heap with the rest. */
static void heap_parcel_unmake(heap_parcel *h, uint64_t *random)
{
	if (!h)
		return;
	for (int i = 0; i < HEAP_BLOCKS; i++) {
		EXPECT(!h->blocks[i] || parcel_is_whole(h->blocks[i]));
		if (test_random(random) % 3 == 0)
			cairn_heap_free(h->heap, h->blocks[i]);
		else if (test_random(random) % 3 == 0)
			cairn_free(h->blocks[i]);
	}
	cairn_heap_destroy(h->heap);
	cairn_free(h);
}

static void exchange(worker *w)
{
	for (int i = 0; i < 16; i++)
		parcel_check_and_free(
			crowd_swap(&w->random, parcel_make(crowd_size(&w->random), test_random(&w->random))));
	if (test_random(&w->random) % 8 == 0)
		heap_parcel_unmake(atomic_exchange(&heap_shelf, heap_parcel_make(&w->random)), &w->random);
}

static void *work(void *arg)
{
	worker *w = arg;
	while (!crowd_is_over() && !has_failed()) {
		for (int i = 0; i < STEPS; i++)
			oracle_step(&w->table);
		exchange(w);
		atomic_fetch_add(&steps_done, STEPS);
		if (test_random(&w->random) % 2000 == 0)
			oracle_validate(&w->table);
	}
	while (w->table.count && !has_failed())
		do_free(&w->table);
	return NULL;
}

static void every_block_stays_whole_among_threads(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < THREADS; i++) {
		oracle_begin(&workers[i].table, (oracle_source){ .state = seed + (uint64_t)i });
		workers[i].table.live_bytes_max = 12 << 20;
		workers[i].table.largest = 6 << 20;
		workers[i].table.may_refuse = crowd_may_refuse();
		workers[i].random = seed ^ (uint64_t)i << 32;
	}
	crowd_start(test_seconds_to_run(5));
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	NOTE("%llu steps", (unsigned long long)steps_done);
	crowd_clear();
	heap_parcel_unmake(atomic_exchange(&heap_shelf, NULL), &workers[0].random);
	for (int i = 0; i < THREADS; i++)
		oracle_end(&workers[i].table);
}

int main(void)
{
	RUN(every_block_stays_whole_among_threads);
	DONE();
}
