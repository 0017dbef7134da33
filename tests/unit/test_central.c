/* Central lists: slabs move between lists as they fill and empty. Cases cite the invariants of malloc/central.h. */
#include "malloc/central.h"
#include "malloc/slabpurge.h"
#include "malloc/stats.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/test.h"

#include <pthread.h>

enum { MOST = 4000, CLASS = 20 }; /* a class that nothing else in this program uses: 320 B */

static void *held[MOST];
static size_t held_count;
static uint64_t rnd;

static void take(size_t n)
{
	cairn_central *c = cairn_central_lock(CLASS);
	EXPECT_EQ(cairn_central_take(c, &held[held_count + n], n), n);
	cairn_central_unlock(c);
	held_count += n;
}

static cairn_give give(void *p)
{
	cairn_central *c = cairn_central_lock(CLASS);
	cairn_given given = cairn_central_give(c, &p, 1);
	cairn_central_unlock(c);
	EXPECT_EQ(given.slots, given.verdict == CAIRN_GIVE_OK);
	return given.verdict;
}

static void give_random(size_t n)
{
	for (; n && held_count; n--) {
		size_t i = test_random(&rnd) % held_count;
		EXPECT_EQ(give(held[i]), CAIRN_GIVE_OK);
		held[i] = held[--held_count];
	}
}

static void lists_follow_every_take_and_give(void) /* C1, C2, C3 */
{
	rnd = test_seed();
	for (int round = 0; round < 60; round++) {
		size_t n = 1 + test_random(&rnd) % 300;
		if (held_count + n <= MOST)
			take(n);
		give_random(test_random(&rnd) % 400);
		cairn_central_validate(CLASS);
		EXPECT_EQ(cairn_stats_out_of(CLASS), held_count);
		if (round % 8 == 0)
			while (cairn_slabpurge_step(1000))
				;
		cairn_central_validate(CLASS);
	}
	give_random(MOST);
	cairn_central_validate(CLASS);
}

static void an_empty_slab_goes_to_the_page_heap_at_once(void)
{
	size_t before = cairn_pageheap_count().used_granules;
	size_t n = 3 * cairn_classes[CLASS].capacity;
	take(n);
	EXPECT(cairn_pageheap_count().used_granules >= before + 3u * cairn_classes[CLASS].granules);
	give_random(n);
	EXPECT_EQ(cairn_pageheap_count().used_granules, before);
}

static void the_fullest_slab_serves_first(void)
{
	size_t capacity = cairn_classes[CLASS].capacity;
	take(3 * capacity);
	cairn_span *sparse = cairn_window_span((uintptr_t)held[0]),
		   *full = cairn_window_span((uintptr_t)held[3 * capacity - 1]);
	EXPECT(sparse != full);
	void *of_full = NULL;
	for (size_t i = held_count; i--;) { /* nearly all of one slab's, one of another's */
		cairn_span *s = cairn_window_span((uintptr_t)held[i]);
		bool go = (s == sparse && sparse->free_count + 1u < capacity) || (s == full && !of_full);
		if (!go)
			continue;
		if (s == full)
			of_full = held[i];
		EXPECT_EQ(give(held[i]), CAIRN_GIVE_OK);
		held[i] = held[--held_count];
	}
	take(1);
	EXPECT(held[held_count - 1] == of_full);
	give_random(MOST);
}

static void what_is_wrong_is_told_and_changes_nothing(void)
{
	take(2);
	char *p = held[0];
	EXPECT_EQ(give(p + 8), CAIRN_GIVE_NOT_START);
	EXPECT_EQ(give(p), CAIRN_GIVE_OK);
	EXPECT_EQ(give(p), CAIRN_GIVE_ALREADY_FREE);
	cairn_central_validate(CLASS);
	EXPECT_EQ(cairn_stats_out_of(CLASS), 1);
	EXPECT_EQ(give(held[1]), CAIRN_GIVE_OK);
	EXPECT_EQ(give(held[1]), CAIRN_GIVE_ALREADY_FREE); /* its slab has gone */
	held_count = 0;
}

static void *wait_for_lock(void *arg)
{
	cairn_central *c = NULL;
	*(bool *)arg = cairn_central_try_lock(CLASS, &c);
	if (c && *(bool *)arg)
		cairn_central_unlock(c);
	return NULL;
}

static void trying_a_lock_that_is_held_says_no(void)
{
	pthread_t thread;
	bool got = true;
	cairn_central *c = cairn_central_lock(CLASS);
	pthread_attr_t attr; /* the stack is ours: creating allocates nothing while the lock is held */
	static char stack[8 << 20] __attribute__((aligned(4096)));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, sizeof stack);
	EXPECT_EQ(pthread_create(&thread, &attr, wait_for_lock, &got), 0);
	pthread_join(thread, NULL);
	cairn_central_unlock(c);
	EXPECT(!got);
	wait_for_lock(&got);
	EXPECT(got);
}

int main(void)
{
	RUN(lists_follow_every_take_and_give);
	RUN(an_empty_slab_goes_to_the_page_heap_at_once);
	RUN(the_fullest_slab_serves_first);
	RUN(what_is_wrong_is_told_and_changes_nothing);
	RUN(trying_a_lock_that_is_held_says_no);
	DONE();
}
