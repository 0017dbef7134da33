/* Magazines of a cache that belongs to no thread, worked by hand. Cases cite the invariants of malloc/cache.h. */
#include "cairn/malloc.h"
#include "malloc/cache.h"
#include "malloc/central.h"
#include "os/meta.h"
#include "os/sys.h"
#include "os/vm.h"
#include "support/child.h"

#include <errno.h>
#include <pthread.h>

enum { MOST = 3000 };

static cairn_cache *cache;
static void *mine[MOST]; /* popped and not pushed back */
static size_t mine_count;
static uint64_t rnd;

static void *pop(unsigned c)
{
	cairn_magazine *m = &cache->magazine[c];
	if (!m->top[-1] && !cairn_cache_refill(cache, c))
		return NULL;
	return *--m->top;
}

static void push(unsigned c, void *p)
{
	cairn_magazine *m = &cache->magazine[c];
	if (m->top < m->limit || cairn_cache_flush(cache, c)) {
		*m->top++ = p;
		return;
	}
	cairn_central *central = cairn_central_lock(c);
	EXPECT_EQ(cairn_central_give(central, &p, 1).slots, 1);
	cairn_central_unlock(central);
}

static void a_new_cache_has_empty_magazines_without_memory(void) /* M1, M3 */
{
	cairn_cache_validate(cache);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		EXPECT_EQ(cairn_cache_fill(cache, c), 0);
		EXPECT(cache->magazine[c].top == cache->magazine[c].limit && !cache->magazine[c].top[-1]);
	}
	for (size_t n = 0; n <= CAIRN_FINE_MAX; n++)
		EXPECT_EQ(cache->fine[(n + 15) / 16], cairn_class_of(n) * sizeof(cairn_magazine));
	for (size_t n = CAIRN_FINE_MAX + 1; n <= CAIRN_SMALL_MAX; n++)
		EXPECT_EQ(cache->coarse[(n + 127) / 128], cairn_class_of(n) * sizeof(cairn_magazine));
}

/* Pops and pushes at random; nothing is handed out twice, nothing lost. */
static void random_walk(unsigned c, size_t most)
{
	uint64_t out_before = cairn_stats_out_of(c);
	for (int i = 0; i < 6000; i++) {
		bool grow = mine_count == 0 ||
			    (mine_count < most && test_random(&rnd) % 100 < (i % 2000 < 1000 ? 60u : 40u));
		if (grow) {
			void *p = pop(c);
			REQUIRE(p);
			for (size_t k = 0; k < mine_count; k++)
				EXPECT(mine[k] != p);
			mine[mine_count++] = p;
		} else {
			size_t k = test_random(&rnd) % mine_count;
			push(c, mine[k]);
			mine[k] = mine[--mine_count];
		}
		if (i % 64 == 0) {
			cairn_cache_validate(cache);
			cairn_central_validate(c);
			EXPECT_EQ(cairn_stats_out_of(c) - out_before, mine_count + cairn_cache_fill(cache, c));
		}
	}
	while (mine_count)
		push(c, mine[--mine_count]);
	cairn_cache_validate(cache);
}

static void no_slot_is_handed_out_twice_or_lost(void) /* M1, M2 */
{
	static const unsigned classes[] = { 1, 4, 16, 40, 49, 60, 72 };
	rnd = test_seed();
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		random_walk(classes[i], 1 + test_random(&rnd) % (classes[i] < 40 ? 1200 : 100));
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		EXPECT(cairn_cache_fill(cache, classes[i]) <= cairn_classes[classes[i]].magazine_max);
}

static void a_magazine_starts_small_and_grows_with_use(void)
{
	enum { CLASS = 10 };
	void *first = pop(CLASS);
	EXPECT(cache->cold[CLASS].capacity <= 14);
	while (mine_count < MOST)
		mine[mine_count++] = pop(CLASS);
	EXPECT_EQ(cache->cold[CLASS].capacity, cairn_classes[CLASS].magazine_max);
	while (mine_count)
		push(CLASS, mine[--mine_count]);
	EXPECT(cache->cold[CLASS].capacity < cairn_classes[CLASS].magazine_max / 4); /* it only freed: it lets go */
	push(CLASS, first);
	cairn_cache_validate(cache);
}

static void a_thread_that_only_frees_gets_a_magazine(void)
{
	enum { CLASS = 11 };
	void *slots[40];
	cairn_central *central = cairn_central_lock(CLASS);
	EXPECT_EQ(cairn_central_take(central, &slots[40], 40), 40);
	cairn_central_unlock(central);
	uint64_t out = cairn_stats_out_of(CLASS);
	push(CLASS, slots[0]);
	EXPECT_EQ(cairn_stats_out_of(CLASS), out - 1); /* the first goes home */
	EXPECT_EQ(cache->cold[CLASS].capacity, 0);
	for (int i = 1; i < 40; i++)
		push(CLASS, slots[i]);
	cairn_cache_validate(cache);
	EXPECT(cache->cold[CLASS].capacity > 0);
}

/* Of a class of 16 bytes four share a line: who begins gets all that are free there, or takes from another line. */
static void a_line_is_not_shared_by_two_that_begin(void)
{
	enum { CLASS = 1, LINE = CAIRN_LINE_BYTES };
	void *line[4], *again[4];
	cairn_central *central = cairn_central_lock(CLASS);
	EXPECT_EQ(cairn_central_take(central, &line[4], 4), 4);
	EXPECT_EQ(cairn_central_give(central, line, 1).slots, 1);
	EXPECT_EQ(cairn_central_take(central, &again[4], 4), 4);
	for (int i = 0; i < 4; i++) {
		EXPECT((uintptr_t)line[i] / LINE == (uintptr_t)line[3] / LINE);
		EXPECT((uintptr_t)again[i] / LINE == (uintptr_t)again[3] / LINE);
	}
	EXPECT((uintptr_t)line[3] / LINE != (uintptr_t)again[3] / LINE);
	EXPECT_EQ(cairn_central_give(central, line + 1, 3).slots, 3);
	EXPECT_EQ(cairn_central_give(central, again, 4).slots, 4);
	cairn_central_unlock(central);
	cairn_central_validate(CLASS);
}

/* Neighbours pin few pages: a thread that only frees them moves to a quarter of the class's maximum, from either
 * side. */
static void a_thread_that_only_frees_neighbours_keeps_some(void) /* M1, M2 */
{
	enum { CLASS = 1, SLOTS = 700000 }; /* so many that a magazine is little beside them */
	static void *slots[SLOTS];
	size_t quarter = (cairn_classes[CLASS].magazine_max + 2u) / 4 - 2;
	for (int from_below = 0; from_below < 2; from_below++) {
		for (size_t i = 0; i < SLOTS; i++)
			REQUIRE(slots[i] = pop(CLASS));
		EXPECT_EQ(cache->cold[CLASS].capacity, cairn_classes[CLASS].magazine_max);
		if (from_below)
			cairn_cache_drain(cache);
		for (size_t i = 0; i < SLOTS; i++) {
			push(CLASS, slots[i]);
			if (i % 50000 == 0) {
				cairn_cache_validate(cache);
				cairn_central_validate(CLASS);
			}
			if (i == SLOTS / 2)
				EXPECT_EQ(cache->cold[CLASS].capacity, quarter);
		}
	}
	cairn_cache_validate(cache);
	cairn_cache_drain(cache);
}

enum { WATCHED = 33 };

static void *grow_watched(void *barrier)
{
	pthread_barrier_wait(barrier); /* the lock is held now */
	EXPECT(cairn_cache_refill(cache, WATCHED));
	return NULL;
}

/* A fork, which holds every central lock, must find each magazine as it was or as it will be. */
static void a_magazine_changes_only_under_its_classs_lock(void)
{
	pthread_t thread;
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 2);
	EXPECT_EQ(pthread_create(&thread, NULL, grow_watched, &barrier), 0);
	cairn_central *central = cairn_central_lock(WATCHED);
	cairn_magazine before = cache->magazine[WATCHED];
	void **base = cache->cold[WATCHED].base;
	unsigned capacity = cache->cold[WATCHED].capacity;
	pthread_barrier_wait(&barrier);
	usleep(100000);
	EXPECT(cache->magazine[WATCHED].top == before.top && cache->magazine[WATCHED].limit == before.limit);
	EXPECT(cache->cold[WATCHED].base == base && cache->cold[WATCHED].capacity == capacity);
	cairn_central_unlock(central);
	pthread_join(thread, NULL);
	EXPECT(cache->cold[WATCHED].capacity > capacity && cairn_cache_fill(cache, WATCHED) > 0);
	cairn_cache_validate(cache);
}

static void emptied_magazines_keep_their_memory_and_drained_ones_do_not(void)
{
	void *p = pop(3);
	size_t meta = cairn_meta_bytes();
	push(3, p);
	cairn_cache_empty_magazines(cache);
	cairn_cache_validate(cache);
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(cairn_cache_fill(cache, c), 0);
	EXPECT(cache->cold[3].capacity > 0);
	cairn_cache_drain(cache);
	cairn_cache_validate(cache);
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++) {
		EXPECT_EQ(cache->cold[c].capacity, 0);
		EXPECT_EQ(cairn_stats_out_of(c), 0); /* all of it is back */
		cairn_central_validate(c);
	}
	EXPECT(cairn_meta_bytes() <= meta);
	EXPECT(cairn_meta_validate());
	push(3, pop(3)); /* and it works again */
	cairn_cache_drain(cache);
}

static void a_refused_refill_says_so_and_changes_nothing(void)
{
	enum { CLASS = 71 };
	EXPECT(cairn_fault_set("mprotect", 1, ENOMEM));
	EXPECT(cairn_fault_set("mmap", 1, ENOMEM));
	EXPECT(cairn_fault_set("mremap", 1, ENOMEM));
	size_t got = 0;
	while (mine_count < MOST && (mine[mine_count] = pop(CLASS)))
		mine_count++;
	got = mine_count;
	EXPECT(got < MOST); /* or nothing was refused */
	cairn_cache_validate(cache);
	while (mine_count)
		push(CLASS, mine[--mine_count]);
	cairn_fault_set("mprotect", 0, 0);
	cairn_fault_set("mmap", 0, 0);
	cairn_fault_set("mremap", 0, 0);
	for (size_t i = 0; i < got + 8; i++)
		EXPECT((mine[mine_count++] = pop(CLASS)) != NULL);
	while (mine_count)
		push(CLASS, mine[--mine_count]);
	cairn_cache_drain(cache);
	cairn_cache_validate(cache);
}

int main(void)
{
	char *pages = cairn_vm_map(2 * CAIRN_COUNTERS_DISTANCE);
	if (!pages)
		return 1;
	cache = (cairn_cache *)pages;
	cairn_cache_init(cache, 1);
	cairn_limit_set(SIZE_MAX, 0); /* refills are asked for directly here: nobody would make a look */
	RUN(a_new_cache_has_empty_magazines_without_memory);
	RUN(no_slot_is_handed_out_twice_or_lost);
	RUN(a_magazine_starts_small_and_grows_with_use);
	RUN(a_thread_that_only_frees_gets_a_magazine);
	RUN(a_line_is_not_shared_by_two_that_begin);
	RUN(a_thread_that_only_frees_neighbours_keeps_some);
	RUN(emptied_magazines_keep_their_memory_and_drained_ones_do_not);
	if (CAN_REFUSE)
		RUN(a_refused_refill_says_so_and_changes_nothing);
	RUN(a_magazine_changes_only_under_its_classs_lock); /* last: the thread it makes leaves libc's records behind */
	DONE();
}
