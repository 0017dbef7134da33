/* The page heap's choices: what joins, what serves first, what grows, and huge pages. Cases cite the invariants of
 * page/pageheap.c; tests/model/pages.c tries the rest at random. */
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

static cairn_span *take(size_t granules)
{
	cairn_span *s = cairn_pageheap_alloc(granules, 1, CAIRN_SPAN_LARGE, NULL);
	EXPECT(s);
	cairn_pageheap_validate(); /* P1 to P4 */
	return s;
}

static void give(cairn_span *s, size_t granules)
{
	cairn_pageheap_free(s, granules, granules);
	cairn_pageheap_validate();
}

static char *end_of(const cairn_span *s, size_t granules) { return s->base + granules * CAIRN_GRANULE_BYTES; }

static void freed_neighbours_are_one_run(void *unused)
{
	(void)unused;
	cairn_span *whole = take(CAIRN_CHUNK_GRANULES); /* a chunk's worth, so that what follows lies in one */
	char *base = whole->base;
	give(whole, CAIRN_CHUNK_GRANULES);
	cairn_span *a = take(10), *b = take(20), *c = take(30);
	REQUIRE(a->base == base && b->base == end_of(a, 10) && c->base == end_of(b, 20));
	cairn_pageheap_free(a, 10, 10);
	give(c, 30);
	give(b, 20);
	cairn_span *all = take(60);
	EXPECT(all->base == base);
	give(all, 60);
}

static void what_is_dirty_serves_before_what_is_clean(void *unused)
{
	(void)unused;
	cairn_span *a = take(40), *wall = take(1);
	char *base = a->base;
	give(a, 40);
	cairn_dirty_run run;
	EXPECT(cairn_pageheap_take_dirty(&run, 20)); /* the first half is purged */
	EXPECT(run.start == (uintptr_t)base && run.granules == 20);
	EXPECT(cairn_vm_purge((void *)run.start, 20 * CAIRN_GRANULE_BYTES));
	cairn_pageheap_give_run(&run, true);
	bool zero = true;
	cairn_span *first = cairn_pageheap_alloc(20, 1, CAIRN_SPAN_LARGE, &zero);
	EXPECT(first->base == base + 20 * CAIRN_GRANULE_BYTES && !zero);
	cairn_span *second = cairn_pageheap_alloc(20, 1, CAIRN_SPAN_LARGE, &zero);
	EXPECT(second->base == base && zero);
	give(first, 20);
	give(second, 20);
	give(wall, 1);
}

static void the_shortest_run_that_suffices_is_taken(void *unused)
{
	(void)unused;
	cairn_span *a = take(5), *wall1 = take(1), *b = take(9), *wall2 = take(1), *c = take(14), *wall3 = take(1);
	char *of_b = b->base;
	cairn_span *fill = take(CAIRN_CHUNK_GRANULES - 31); /* the rest of the chunk */
	cairn_pageheap_free(a, 5, 5);
	cairn_pageheap_free(c, 14, 14);
	give(b, 9);
	/* In one chunk the lowest dirty run that fits serves: 9 granules fit b exactly, and c as well but later. */
	EXPECT(take(9)->base == of_b);
	(void)wall1, (void)wall2, (void)wall3, (void)fill;
}

static void a_refused_growth_changes_nothing(void *unused)
{
	(void)unused;
	cairn_span *a = take(10), *wall = take(1);
	cairn_pageheap_numbers before = cairn_pageheap_count();
	EXPECT(!cairn_pageheap_grow(a, 10, 11, NULL));
	EXPECT(!cairn_pageheap_grow(a, 10, SIZE_MAX >> 15, NULL));
	EXPECT(!cairn_pageheap_grow(a, 10, CAIRN_CHUNK_GRANULES + 50, NULL));
	cairn_pageheap_numbers after = cairn_pageheap_count();
	EXPECT_EQ(before.used_granules, after.used_granules);
	give(wall, 1);
	EXPECT(cairn_pageheap_grow(a, 10, 11, NULL)); /* now it goes */
	EXPECT(!cairn_pageheap_grow(take(1), 1, 2, &(size_t){ 0 }) || true);
	cairn_pageheap_validate();
	give(a, 11);
}

static void growth_over_clean_granules_only_refuses_dirty_ones(void *unused)
{
	(void)unused;
	cairn_span *a = take(4), *b = take(4);
	REQUIRE(b->base == end_of(a, 4));
	memset(b->base, 1, 4 * CAIRN_GRANULE_BYTES);
	give(b, 4);
	EXPECT(!cairn_pageheap_grow(a, 4, 8, &(size_t){ 0 }));
	EXPECT(cairn_pageheap_grow(a, 4, 8, NULL));
	cairn_pageheap_shrink(a, 8, 4, 4); /* [4, 8) was never written, it says */
	cairn_pageheap_validate();
	give(a, 4);
}

static void long_spans_share_their_last_chunk(void *unused)
{
	(void)unused;
	cairn_span *a = take(CAIRN_CHUNK_GRANULES + 40), *b = take(88);
	EXPECT(b->base == end_of(a, CAIRN_CHUNK_GRANULES + 40)); /* the tail's rest is not lost */
	EXPECT(cairn_window_span((uintptr_t)b->base - 1) == a && cairn_window_span((uintptr_t)b->base) == b);
	give(a, CAIRN_CHUNK_GRANULES + 40);
	EXPECT(cairn_window_span((uintptr_t)b->base) == b);
	EXPECT(!cairn_window_span((uintptr_t)b->base - 1));
	give(b, 88);
}

static void granules_behind_a_reused_header(void *unused)
{
	(void)unused;
	cairn_span *a = take(20);
	char *base = a->base;
	give(a, 20);
	cairn_span *b = take(3);
	REQUIRE(b->base == base);
	for (size_t g = 0; g < 20; g++)
		EXPECT(cairn_window_span((uintptr_t)base + g * CAIRN_GRANULE_BYTES) == (g < 3 ? b : NULL));
	EXPECT(cairn_pageheap_grow(b, 3, 8, NULL));
	cairn_pageheap_shrink(b, 8, 5, 8);
	for (size_t g = 0; g < 20; g++)
		EXPECT(cairn_window_span((uintptr_t)base + g * CAIRN_GRANULE_BYTES) == (g < 5 ? b : NULL));
	give(b, 5);
}

static void the_impossible_is_refused(void *unused)
{
	(void)unused;
	cairn_pageheap_numbers before = cairn_pageheap_count();
	EXPECT(!cairn_pageheap_alloc(SIZE_MAX, 1, CAIRN_SPAN_LARGE, NULL));
	EXPECT(!cairn_pageheap_alloc(SIZE_MAX >> 15, 1, CAIRN_SPAN_LARGE, NULL));
	EXPECT(!cairn_pageheap_alloc(1, (size_t)1 << 62, CAIRN_SPAN_LARGE, NULL));
	EXPECT(!cairn_pageheap_alloc(1, (size_t)1 << 40, CAIRN_SPAN_LARGE, NULL));
	EXPECT_EQ(cairn_pageheap_count().used_granules, before.used_granules);
	cairn_pageheap_validate();
}

static void only_a_chunk_that_stays_full_is_made_huge(void *unused)
{
	(void)unused;
	cairn_span *dense = take(CAIRN_CHUNK_GRANULES), *sparse = take(CAIRN_CHUNK_GRANULES);
	cairn_span *untouched = take(CAIRN_CHUNK_GRANULES);
	memset(dense->base, 1, CAIRN_CHUNK_BYTES);
	memset(sparse->base, 1, CAIRN_CHUNK_BYTES);
	cairn_pageheap_shrink(sparse, CAIRN_CHUNK_GRANULES, 100, CAIRN_CHUNK_GRANULES);
	for (int i = 0; i < 4; i++)
		cairn_pageheap_tick_huge();
	EXPECT(!cairn_pageheap_forget_huge(sparse->base));
	EXPECT(!cairn_pageheap_forget_huge(untouched->base));
	EXPECT(cairn_pageheap_forget_huge(dense->base));
	EXPECT(!cairn_pageheap_forget_huge(dense->base)); /* it is forgotten */
	for (int i = 0; i < 4; i++)
		cairn_pageheap_tick_huge();
	give(dense, CAIRN_CHUNK_GRANULES);
	cairn_dirty_run run;
	bool was_huge = false;
	while (cairn_pageheap_take_dirty(&run, CAIRN_CHUNK_GRANULES)) {
		was_huge |= run.is_huge;
		cairn_pageheap_give_run(&run, false);
		if (run.start == (uintptr_t)dense->base)
			break;
	}
	EXPECT(was_huge); /* whoever purges it is told */
	cairn_pageheap_validate();
}

#define IN_A_CHILD(sentence, body)                                                                                     \
	static void sentence(void) { in_a_child(body, NULL); }
IN_A_CHILD(neighbours_join, freed_neighbours_are_one_run)
IN_A_CHILD(dirty_granules_serve_first, what_is_dirty_serves_before_what_is_clean)
IN_A_CHILD(a_run_that_fits_serves_before_a_longer_one, the_shortest_run_that_suffices_is_taken)
IN_A_CHILD(growth_that_cannot_be_changes_nothing, a_refused_growth_changes_nothing)
IN_A_CHILD(growth_can_be_kept_to_clean_granules, growth_over_clean_granules_only_refuses_dirty_ones)
IN_A_CHILD(the_rest_of_a_last_chunk_serves_others, long_spans_share_their_last_chunk)
IN_A_CHILD(a_free_granule_leads_nowhere, granules_behind_a_reused_header)
IN_A_CHILD(absurd_requests_are_refused, the_impossible_is_refused)
IN_A_CHILD(huge_pages_are_earned, only_a_chunk_that_stays_full_is_made_huge)

int main(void)
{
	RUN(neighbours_join);
	RUN(dirty_granules_serve_first);
	RUN(a_run_that_fits_serves_before_a_longer_one);
	RUN(growth_that_cannot_be_changes_nothing);
	RUN(growth_can_be_kept_to_clean_granules);
	RUN(the_rest_of_a_last_chunk_serves_others);
	RUN(a_free_granule_leads_nowhere);
	RUN(absurd_requests_are_refused);
	RUN(huge_pages_are_earned);
	DONE();
}
