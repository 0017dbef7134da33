/* The walk over live blocks and the owner of an address, against a naive table: cairn/stats.h, malloc/visit.c. */
#include "cairn/stats.h"
#include "malloc/emergency.h"
#include "malloc/still.h"
#include "support/oracle.h"

#include <pthread.h>

enum {
	THREADS = 4, /* the first is main */
	ROUNDS = 24,
	STEPS = 1000,
	OTHERS_MOST = 4096, /* blocks that were there before: libc's, the test's own */
};

static oracle tables[THREADS];
static pthread_barrier_t barrier;
static _Atomic bool is_over;

/* ---- What is expected: addresses in order, with what must be said of each */

typedef struct known_block {
	char *p;
	size_t usable;
	void *heap;
	bool is_told;
} known_block;

static known_block known[OTHERS_MOST + THREADS * ORACLE_BLOCKS], others[OTHERS_MOST];
static size_t known_count, others_count;

static int by_address(const void *a, const void *b)
{
	const known_block *x = a, *y = b;
	return x->p < y->p ? -1 : x->p > y->p;
}

static void know_all(void)
{
	memcpy(known, others, others_count * sizeof *others);
	known_count = others_count;
	for (int t = 0; t < THREADS; t++)
		for (size_t i = 0; i < tables[t].count; i++) {
			const oracle_block *b = &tables[t].blocks[i];
			void *heap = b->heap < 0 ? NULL : tables[t].heaps[b->heap];
			known[known_count++] = (known_block){ b->p, b->usable, heap, false };
		}
	qsort(known, known_count, sizeof *known, by_address);
}

static bool keep_as_other(const cairn_live_block *b, void *arg)
{
	(void)arg;
	EXPECT(others_count < OTHERS_MOST);
	if (others_count < OTHERS_MOST)
		others[others_count++] = (known_block){ b->start, b->usable_bytes, b->heap, false };
	return true;
}

static bool must_be_known(const cairn_live_block *b, void *told)
{
	known_block wanted = { .p = b->start };
	known_block *k = bsearch(&wanted, known, known_count, sizeof *known, by_address);
	++*(size_t *)told;
	EXPECT(k && !k->is_told);
	if (!k)
		return true;
	k->is_told = true;
	EXPECT_EQ(b->usable_bytes, k->usable);
	EXPECT(b->heap == k->heap);
	EXPECT_EQ(b->size_class, class_of_block(b->start, b->usable_bytes));
	return true;
}

static cairn_owner_kind kind_of_live(const known_block *k)
{
	if (k->heap)
		return CAIRN_OWNER_HEAP;
	return class_of_block(k->p, k->usable) ? CAIRN_OWNER_SMALL : CAIRN_OWNER_LARGE;
}

static void owner_is_right(const known_block *k, size_t inside)
{
	cairn_owner o = cairn_owner_of(k->p + inside);
	EXPECT_EQ(o.kind, kind_of_live(k));
	EXPECT(o.start == k->p && o.usable_bytes == k->usable && o.heap == k->heap);
	EXPECT_EQ(o.size_class, class_of_block(k->p, k->usable));
}

/* While all threads stand still. */
static void compare(uint64_t *random)
{
	static cairn_counters counters;
	size_t told = 0;
	know_all();
	EXPECT_EQ(cairn_visit_live(must_be_known, &told), CAIRN_VISIT_ALL);
	EXPECT_EQ(told, known_count);
	for (size_t i = 0; i < known_count; i++)
		EXPECT(known[i].is_told);
	EXPECT(cairn_counters_get(&counters));
	EXPECT_EQ(counters.live_blocks, known_count);
	size_t bytes = 0;
	for (size_t i = 0; i < known_count; i++)
		bytes += known[i].usable;
	EXPECT_EQ(counters.live_bytes, bytes);
	for (size_t i = 0; i < 50 && known_count; i++) {
		const known_block *k = &known[test_random(random) % known_count];
		owner_is_right(k, test_random(random) % k->usable);
	}
}

static void work_a_round(oracle *o)
{
	for (size_t i = 0; i < STEPS && !has_failed(); i++)
		oracle_step(o);
}

static void *work(void *table)
{
	for (;;) {
		pthread_barrier_wait(&barrier); /* begin */
		if (is_over)
			return NULL;
		work_a_round(table);
		pthread_barrier_wait(&barrier); /* parked */
	}
}

static void the_blocks_told_are_those_of_a_naive_table(void)
{
	pthread_t threads[THREADS];
	uint64_t seed = test_seed();
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (size_t t = 0; t < THREADS; t++) {
		oracle_begin(&tables[t], (oracle_source){ .state = seed + t });
		tables[t].largest = 3 << 20;
		tables[t].live_bytes_max = 16 << 20;
		if (t)
			EXPECT_EQ(pthread_create(&threads[t], NULL, work, &tables[t]), 0);
	}
	EXPECT_EQ(cairn_visit_live(keep_as_other, NULL), CAIRN_VISIT_ALL);
	for (int round = 0; round < ROUNDS && !has_failed(); round++) {
		pthread_barrier_wait(&barrier);
		work_a_round(&tables[0]);
		pthread_barrier_wait(&barrier);
		compare(&seed);
	}
	is_over = true;
	pthread_barrier_wait(&barrier);
	for (size_t t = 1; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (size_t t = 0; t < THREADS; t++)
		oracle_end(&tables[t]);
}

/* ---- What the visitor may do */

enum { MANY = 200000 };
static void *many[MANY];

static bool count_one(const cairn_live_block *b, void *n)
{
	(void)b;
	++*(size_t *)n;
	return true;
}

static size_t live_now(void)
{
	size_t n = 0;
	EXPECT_EQ(cairn_visit_live(count_one, &n), CAIRN_VISIT_ALL);
	return n;
}

static bool stop_at_ten(const cairn_live_block *b, void *n)
{
	(void)b;
	return ++*(size_t *)n < 10;
}

static void a_walk_stops_when_the_visitor_says_so(void)
{
	for (size_t i = 0; i < 100; i++)
		many[i] = cairn_malloc(100);
	size_t n = 0;
	EXPECT_EQ(cairn_visit_live(stop_at_ten, &n), CAIRN_VISIT_STOPPED);
	EXPECT_EQ(n, 10);
	for (size_t i = 0; i < 100; i++)
		cairn_free(many[i]);
}

static bool is_mine(const void *p) /* many is in order of address */
{
	size_t from = 0, to = MANY;
	while (to - from > 1) {
		size_t middle = (from + to) / 2;
		*((uintptr_t)p < (uintptr_t)many[middle] ? &to : &from) = middle;
	}
	return many[from] == p;
}

static int compare_pointers(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
	return x < y ? -1 : x > y;
}

static bool free_mine(const cairn_live_block *b, void *n)
{
	if (!is_mine(b->start))
		return true;
	++*(size_t *)n;
	cairn_free(b->start);
	cairn_free(cairn_malloc(b->usable_bytes / 2)); /* and anything else */
	return true;
}

static void a_visitor_may_allocate_and_free(void)
{
	size_t n = 0, before = live_now();
	for (size_t i = 0; i < MANY; i++)
		many[i] = cairn_malloc(16 + i % 200);
	qsort(many, MANY, sizeof *many, compare_pointers);
	EXPECT_EQ(live_now(), before + MANY);
	EXPECT_EQ(cairn_visit_live(free_mine, &n), CAIRN_VISIT_ALL);
	EXPECT_EQ(n, MANY);
	EXPECT_EQ(live_now(), before);
}

static void a_walk_needs_little_memory_and_gives_it_back(void)
{
	size_t before = live_now(), meta;
	for (size_t i = 0; i < MANY; i++)
		many[i] = cairn_malloc(3000);
	live_now();
	meta = cairn_meta_bytes();
	EXPECT_EQ(live_now(), before + MANY);
	EXPECT_EQ(cairn_meta_bytes(), meta);
	for (size_t i = 0; i < MANY; i++)
		cairn_free(many[i]);
	EXPECT_EQ(live_now(), before);
}

/* ---- Beside a thread that purges inside slabs: its slots are free, though their bits do not say so */

static void *purge_on(void *unused)
{
	(void)unused;
	while (!is_over) {
		cairn_cache *c = cairn_thread_enter(); /* as the library's own callers */
		cairn_slabpurge_step(100);
		cairn_thread_leave(c);
	}
	return NULL;
}

static void slots_that_are_being_purged_are_not_live(void)
{
	enum { BLOCKS = 20000, BYTES = 1000 };
	pthread_t purger;
	is_over = false;
	void *first = cairn_malloc(1);
	EXPECT_EQ(pthread_create(&purger, NULL, purge_on, NULL), 0);
	size_t before = live_now();
	for (int round = 0; round < 5; round++) {
		size_t live = 0;
		for (size_t i = 0; i < BLOCKS; i++)
			many[i] = cairn_malloc(BYTES);
		for (size_t i = 0; i < BLOCKS; i++)
			if (i % 24 == 0)
				live++;
			else
				cairn_free(many[i]);
		for (int i = 0; i < 20; i++)
			EXPECT_EQ(live_now(), before + live);
		for (size_t i = 0; i < BLOCKS; i += 24)
			cairn_free(many[i]);
	}
	is_over = true;
	pthread_join(purger, NULL);
	cairn_free(first);
}

/* ---- Owners */

static cairn_owner_kind kind_at(const void *p) { return cairn_owner_of(p).kind; }

static void a_small_block_is_live_then_cached_then_a_free_slot(void)
{
	enum { SOME = 64 };
	char *some[SOME], *p = NULL, *stays = NULL;
	for (int i = 0; i < SOME; i++)
		some[i] = cairn_malloc(5000);
	for (int i = 0; i < SOME; i++)
		for (int j = 0; j < SOME && !p; j++)
			if (some[j] == some[i] + 5120 &&
				cairn_window_span((uintptr_t)some[i]) == cairn_window_span((uintptr_t)some[j])) {
				stays = some[i];
				p = some[j];
			}
	REQUIRE(p);
	for (int i = 0; i < SOME; i++)
		if (some[i] != p && some[i] != stays)
			cairn_free(some[i]);
	EXPECT_EQ(kind_at(p + 4999), CAIRN_OWNER_SMALL);
	cairn_free(p);
	cairn_owner o = cairn_owner_of(p + 17);
	EXPECT_EQ(o.kind, CAIRN_OWNER_CACHED);
	EXPECT(o.start == p && o.usable_bytes == 5120 && !o.heap);
	cairn_malloc_trim(0);
	o = cairn_owner_of(p);
	EXPECT_EQ(o.kind, CAIRN_OWNER_FREE_SLOT);
	EXPECT(o.start == p && o.usable_bytes == 5120);
	EXPECT_EQ(kind_at(stays), CAIRN_OWNER_SMALL);
	cairn_free(stays);
	cairn_malloc_trim(0);
	EXPECT_EQ(kind_at(p), CAIRN_OWNER_FREE);
}

static void a_large_block_is_live_then_kept_then_free(void)
{
	enum { BYTES = 100000 };
	for (int i = 0; i < 10; i++) /* until a shelf has room */
		cairn_free(cairn_malloc(BYTES));
	char *p = cairn_malloc(BYTES);
	size_t usable = cairn_malloc_usable_size(p);
	EXPECT_EQ(kind_at(p), CAIRN_OWNER_LARGE);
	EXPECT_EQ(kind_at(p + usable - 1), CAIRN_OWNER_LARGE);
	EXPECT_EQ(kind_at(p + usable), CAIRN_OWNER_FREE); /* the rest of its last granule */
	cairn_free(p);
	cairn_owner o = cairn_owner_of(p + 50000);
	EXPECT_EQ(o.kind, CAIRN_OWNER_KEPT);
	EXPECT(o.start == p && o.usable_bytes == usable);
	cairn_malloc_trim(0);
	EXPECT_EQ(kind_at(p), CAIRN_OWNER_FREE);
}

static void a_huge_block_is_found_from_anywhere_inside(void)
{
	size_t bytes = 9 * CAIRN_CHUNK_BYTES + 12345;
	char *p = cairn_malloc(bytes);
	for (size_t at = 0; at < bytes; at += 999983)
		EXPECT(kind_at(p + at) == CAIRN_OWNER_LARGE && cairn_owner_of(p + at).start == p);
	cairn_free(p);
	EXPECT(kind_at(p + 5 * CAIRN_CHUNK_BYTES) == CAIRN_OWNER_FREE);
}

static void blocks_and_free_slots_of_a_heap_are_its(void)
{
	cairn_heap *h = cairn_heap_create();
	char *small = cairn_heap_alloc(h, 200), *other = cairn_heap_alloc(h, 200), *large = cairn_heap_alloc(h, 70000);
	EXPECT(kind_at(small + 100) == CAIRN_OWNER_HEAP && cairn_owner_of(small).heap == h);
	EXPECT(kind_at(large + 69999) == CAIRN_OWNER_HEAP && cairn_owner_of(large).heap == h);
	cairn_heap_free(h, other);
	EXPECT(kind_at(other) == CAIRN_OWNER_FREE_SLOT && cairn_owner_of(other).heap == h);
	cairn_heap_destroy(h);
	EXPECT_EQ(kind_at(small), CAIRN_OWNER_FREE);
	EXPECT_EQ(kind_at(h), CAIRN_OWNER_RECORDS);
}

static void *free_one_and_wait(void *p)
{
	cairn_free(p);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void what_another_threads_cache_has_is_cached(void)
{
	pthread_t thread;
	char *stays = cairn_malloc(300), *p[3];
	for (int i = 0; i < 3; i++)
		p[i] = cairn_malloc(300);
	pthread_barrier_init(&barrier, NULL, 2);
	EXPECT_EQ(pthread_create(&thread, NULL, free_one_and_wait, p[0]), 0);
	pthread_barrier_wait(&barrier);
	cairn_owner_kind kind = kind_at(p[0] + 5); /* a thread's first free of a class goes home */
	EXPECT(kind == CAIRN_OWNER_CACHED || kind == CAIRN_OWNER_FREE_SLOT);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	kind = kind_at(p[0]);
	EXPECT(kind == CAIRN_OWNER_FREE_SLOT || kind == CAIRN_OWNER_FREE); /* its slab may have gone */
	EXPECT_EQ(kind_at(p[1]), CAIRN_OWNER_SMALL);
	cairn_free(p[1]);
	cairn_free(p[2]);
	cairn_free(stays);
}

int main(void);

static void records_are_told_from_what_is_not_cairns(void)
{
	char on_stack;
	cairn_cache *c = cairn_thread_cache();
	EXPECT_EQ(kind_at(c), CAIRN_OWNER_RECORDS);
	EXPECT_EQ(kind_at(cairn_cache_counters(c)), CAIRN_OWNER_RECORDS);
	EXPECT_EQ(kind_at(cairn_window_first.class_map), CAIRN_OWNER_RECORDS);
	EXPECT_EQ(kind_at(cairn_window_first.chunks), CAIRN_OWNER_RECORDS);
	EXPECT_EQ(kind_at(cairn_window_first.chunks[0].spans), CAIRN_OWNER_RECORDS);
	void *of_handler = cairn_emergency_alloc(100, 16);
	EXPECT_EQ(kind_at(of_handler), CAIRN_OWNER_RECORDS);
	cairn_emergency_free(of_handler);
	EXPECT_EQ(kind_at(NULL), CAIRN_OWNER_NONE);
	EXPECT_EQ(kind_at(&on_stack), CAIRN_OWNER_NONE);
	EXPECT_EQ(kind_at((void *)main), CAIRN_OWNER_NONE);
	EXPECT_EQ(kind_at((void *)-1), CAIRN_OWNER_NONE);
	EXPECT_EQ(kind_at((void *)0x7000000000000000), CAIRN_OWNER_NONE);
}

static void no_address_is_a_fault(void)
{
	uint64_t random = test_seed();
	uintptr_t base = cairn_window_first.base;
	for (int i = 0; i < 20000; i++) {
		uintptr_t p = test_random(&random);
		kind_at((void *)p);
		kind_at((void *)(p >> 17));
		kind_at((void *)(base + p % (256 << 20)));
	}
	EXPECT(true);
}

static void inside_malloc_nothing_is_told(void)
{
	size_t n = 0;
	cairn_cache *c = cairn_thread_enter();
	EXPECT_EQ(cairn_visit_live(count_one, &n), CAIRN_VISIT_REFUSED);
	EXPECT_EQ(kind_at(&n), CAIRN_OWNER_UNKNOWN);
	cairn_thread_leave(c);
	EXPECT_EQ(n, 0);
}

int main(void)
{
	RUN(the_blocks_told_are_those_of_a_naive_table);
	RUN(a_walk_stops_when_the_visitor_says_so);
	RUN(a_visitor_may_allocate_and_free);
	RUN(a_walk_needs_little_memory_and_gives_it_back);
	RUN(slots_that_are_being_purged_are_not_live);
	RUN(a_small_block_is_live_then_cached_then_a_free_slot);
	RUN(a_large_block_is_live_then_kept_then_free);
	RUN(a_huge_block_is_found_from_anywhere_inside);
	RUN(blocks_and_free_slots_of_a_heap_are_its);
	RUN(what_another_threads_cache_has_is_cached);
	RUN(records_are_told_from_what_is_not_cairns);
	RUN(no_address_is_a_fault);
	RUN(inside_malloc_nothing_is_told);
	DONE();
}
