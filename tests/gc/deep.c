/* Structures that break recursion and small buffers: a list of ten million nodes, marked by a thread whose own
 * stack has 64 KiB; arrays of 100 MB; both at once. Release builds alone: they take seconds and up to a gigabyte. */
#include "heaps.h"

#include <limits.h>
#include <pthread.h>

typedef struct link {
	cairn_ref(struct link) next;
	uint64_t number;
} link_t;
CAIRN_GC_TYPE(link_t, .refs = CAIRN_GC_REFS(link_t, next));

enum { NODES = 10000000, ARRAY_BYTES = 100 << 20 };

static void on_small_stack(void *(*body)(void *), void *arg)
{
	pthread_t t;
	pthread_attr_t small;
	size_t bytes = 64 << 10;
	if (bytes < (size_t)PTHREAD_STACK_MIN)
		bytes = (size_t)PTHREAD_STACK_MIN;
	pthread_attr_init(&small);
	EXPECT(pthread_attr_setstacksize(&small, bytes) == 0);
	EXPECT(pthread_create(&t, &small, body, arg) == 0);
	pthread_join(t, NULL);
	pthread_attr_destroy(&small);
}

static uint64_t length_of(cairn_gc_mutator *m, link_t *at)
{
	uint64_t n = 0;
	for (; at; at = cairn_gc_get(m, at, next))
		n++;
	return n;
}

static void *long_list(void *arg)
{
	cairn_gc_collector c = *(cairn_gc_collector *)arg;
	place p = place_open((cairn_gc_config){ .collector = c, .max = 2ull << 30, .min = 64 << 20 });
	link_t *head = NULL;
	for (uint64_t i = 0; i < NODES; i++) {
		link_t *n = cairn_gc_new(p.m, link_t);
		n->number = i;
		cairn_gc_set(p.m, n, next, head);
		head = n;
	}
	double began = test_seconds();
	cairn_gc_collect(p.m);
	NOTE("%s: a list of %d nodes collected in %.2f s", cairn_gc_collector_name(c), NODES, test_seconds() - began);
	cairn_gc_stats s = stats_of(p);
	EXPECT(s.live_objects >= NODES);
	EXPECT_EQ(length_of(p.m, head), NODES);
	/* records of the marking are no more than a part of the heap: a list needs next to none */
	EXPECT(s.record_bytes < s.held_bytes / 16);
	place_close(p);
	return NULL;
}
static void a_list_of_ten_million_is_marked_on_a_stack_of_64_KiB(void)
{
	EACH_COLLECTOR(c)
	on_small_stack(long_list, &c);
}

/* Every element refers to an object of its own: the widest and shallowest. */
static void *wide_array(void *arg)
{
	cairn_gc_collector c = *(cairn_gc_collector *)arg;
	place p = place_open((cairn_gc_config){ .collector = c, .max = 3ull << 30, .min = 64 << 20 });
	size_t n = ARRAY_BYTES / 8, wrong = 0;
	list *all = cairn_gc_new_array(p.m, list, n);
	for (size_t i = 0; i < n; i += 8) {
		link_t *x = cairn_gc_new(p.m, link_t);
		x->number = i;
		for (size_t k = 0; k < 8; k++) /* eight refer to the same */
			cairn_gc_set(p.m, all, items[i + k], (node *)x);
	}
	double began = test_seconds();
	cairn_gc_collect(p.m);
	NOTE("%s: an array of %zu references collected in %.2f s", cairn_gc_collector_name(c), n,
		test_seconds() - began);
	for (size_t i = 0; i < n; i++)
		wrong += ((link_t *)cairn_gc_get(p.m, all, items[i]))->number != (i & ~(size_t)7);
	EXPECT_EQ(wrong, 0);
	EXPECT(stats_of(p).record_bytes < stats_of(p).held_bytes / 8);
	place_close(p);
	return NULL;
}
static void an_array_of_100_MB_of_references_is_marked_on_a_stack_of_64_KiB(void)
{
	EACH_COLLECTOR(c)
	on_small_stack(wide_array, &c);
}

/* A comb: an array of lists, each of which ends in an array of lists. */
static void *comb(void *arg)
{
	cairn_gc_collector c = *(cairn_gc_collector *)arg;
	enum { TEETH = 1000, LENGTH = 1000 };
	place p = place_open((cairn_gc_config){ .collector = c, .max = 1ull << 30, .min = 16 << 20 });
	list *all = cairn_gc_new_array(p.m, list, TEETH);
	for (size_t i = 0; i < TEETH; i++) {
		link_t *head = NULL;
		for (uint64_t k = 0; k < LENGTH; k++) {
			link_t *n = cairn_gc_new(p.m, link_t);
			cairn_gc_set(p.m, n, next, k || !i ? head : (link_t *)cairn_gc_get(p.m, all, items[i - 1]));
			head = n;
		}
		cairn_gc_set(p.m, all, items[i], (node *)head);
	}
	cairn_gc_collect(p.m);
	EXPECT_EQ(length_of(p.m, (link_t *)cairn_gc_get(p.m, all, items[TEETH - 1])), TEETH * LENGTH);
	EXPECT_EQ(length_of(p.m, (link_t *)cairn_gc_get(p.m, all, items[0])), LENGTH);
	place_close(p);
	return NULL;
}
static void lists_that_share_their_ends_are_marked_once(void)
{
	EACH_COLLECTOR(c)
	on_small_stack(comb, &c);
}

int main(void)
{
	if (IS_SLOW || is_emulated())
		SKIP_ALL("not in this build: it takes seconds and up to a gigabyte");
	RUN(a_list_of_ten_million_is_marked_on_a_stack_of_64_KiB);
	RUN(an_array_of_100_MB_of_references_is_marked_on_a_stack_of_64_KiB);
	RUN(lists_that_share_their_ends_are_marked_once);
	DONE();
}
