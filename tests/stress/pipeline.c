/* Producers allocate and consumers free: every block dies in another thread than it was born in, and consumers never
 * allocate. Afterwards nothing is live, and what is held is bounded by what was ever on its way.
 *
 * CAIRN_TEST_SECONDS says how long, CAIRN_SEED repeats. */
#include "support/crowd.h"
#include "support/oracle.h"

#include <sched.h>

enum { PAIRS = 2, RING = 1024 };

/* One producer's way to one consumer. */
typedef struct ring {
	_Atomic(parcel *) slots[RING];
	_Atomic bool is_closed;
	unsigned put_at, taken_at; /* sync: the producer's, the consumer's */
	uint64_t random;
	uint64_t made;
} ring;

static ring rings[PAIRS];

static void ring_put(ring *r, parcel *p)
{
	_Atomic(parcel *) *slot = &r->slots[r->put_at++ % RING];
	while (atomic_load(slot))
		sched_yield();
	atomic_store(slot, p);
}

static void *produce(void *arg)
{
	ring *r = arg;
	while (!crowd_is_over() && !has_failed()) {
		for (int i = 0; i < 64; i++) {
			parcel *p = parcel_make(crowd_size(&r->random), test_random(&r->random));
			if (!p)
				continue;
			ring_put(r, p);
			r->made++;
		}
	}
	atomic_store(&r->is_closed, true);
	return NULL;
}

static void *consume(void *arg)
{
	ring *r = arg;
	for (;;) {
		bool is_last = atomic_load(&r->is_closed);
		_Atomic(parcel *) *slot = &r->slots[r->taken_at % RING];
		parcel *p = atomic_load(slot);
		if (!p && is_last)
			return NULL;
		if (!p) {
			sched_yield();
			continue;
		}
		atomic_store(slot, NULL);
		r->taken_at++;
		parcel_check_and_free(p);
	}
}

static void every_block_freed_elsewhere_comes_back(void)
{
	static oracle_counts before, after;
	uint64_t seed = test_seed(), made = 0;
	pthread_t threads[2 * PAIRS];
	for (int i = 0; i < PAIRS; i++)
		rings[i].random = seed + (uint64_t)i;
	counts_now(&before);
	crowd_start(test_seconds_to_run(5));
	for (int i = 0; i < 2 * PAIRS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, i % 2 ? consume : produce, &rings[i / 2]), 0);
	for (int i = 0; i < 2 * PAIRS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < PAIRS; i++)
		made += rings[i].made;
	counts_now(&after);
	NOTE("%llu blocks", (unsigned long long)made);
	uint64_t live_before = 0, live_after = 0;
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		live_before += before.live[c];
		live_after += after.live[c];
	}
	EXPECT(live_after <= live_before + 8 * PAIRS); /* libc keeps something of each ended thread */
	cairn_malloc_trim(0);
	cairn_pageheap_numbers pages = cairn_pageheap_count();
	EXPECT(crowd_may_refuse() || pages.dirty_granules * CAIRN_GRANULE_BYTES < 2 << 20);
	EXPECT(pages.used_granules * CAIRN_GRANULE_BYTES <
		(size_t)16 << 20); /* slabs that thread caches keep from emptying */
	validate_all(NULL, 0);
}

int main(void)
{
	RUN(every_block_freed_elsewhere_comes_back);
	DONE();
}
