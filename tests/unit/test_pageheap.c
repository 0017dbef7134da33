/* The page heap's choices: what joins, what serves first, what grows, and huge pages. Cases cite the invariants of
 * page/pageheap.c; tests/model/pages.c tries the rest at random. */
#include "cairn/malloc.h"
#include "os/vm.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/purge.h"
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

/* Takes what is dirty in the chunk of p, as if to purge it: in how many runs it was huge. */
static unsigned huge_runs(const char *p)
{
	cairn_dirty_run run;
	unsigned huge = 0;
	uintptr_t chunk = cairn_round_down((uintptr_t)p, CAIRN_CHUNK_BYTES);
	while (cairn_pageheap_take_dirty(&run, CAIRN_CHUNK_GRANULES)) {
		huge += run.is_huge;
		cairn_pageheap_give_run(&run, false);
		if (cairn_round_down(run.start, CAIRN_CHUNK_BYTES) == chunk)
			break;
	}
	cairn_pageheap_validate();
	return huge;
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
		cairn_huge_tick();
	EXPECT(!cairn_pageheap_forget_huge(sparse->base));
	EXPECT(!cairn_pageheap_forget_huge(untouched->base));
	EXPECT(cairn_pageheap_forget_huge(dense->base));
	EXPECT(!cairn_pageheap_forget_huge(dense->base)); /* it is forgotten */
	for (int i = 0; i < 4; i++)
		cairn_huge_tick();
	give(dense, CAIRN_CHUNK_GRANULES);
	EXPECT_EQ(huge_runs(dense->base), 0);
	EXPECT(cairn_pageheap_forget_huge(dense->base)); /* all of it: it may come back so */
}

static void a_part_of_a_huge_chunk_is_purged_plain(void *unused)
{
	(void)unused;
	cairn_span *s = take(CAIRN_CHUNK_GRANULES);
	memset(s->base, 1, CAIRN_CHUNK_BYTES);
	for (int i = 0; i < 4; i++)
		cairn_huge_tick();
	cairn_pageheap_shrink(s, CAIRN_CHUNK_GRANULES, 100, CAIRN_CHUNK_GRANULES);
	EXPECT_EQ(huge_runs(s->base), 1); /* whoever purges it is told */
	EXPECT(!cairn_pageheap_forget_huge(s->base));
}

/* Grows the heap by that many chunks in blocks of a quarter of one, writing to each page or to each block. */
static size_t grown_huge(size_t chunks, size_t step)
{
	size_t huge = 0;
	for (size_t i = 0; i < 4 * chunks; i++) {
		cairn_span *s = take(CAIRN_CHUNK_GRANULES / 4);
		for (size_t at = 0; at < CAIRN_CHUNK_BYTES / 4; at += step)
			s->base[at] = 1;
		huge += (uintptr_t)s->base % CAIRN_CHUNK_BYTES == 0 &&
		        cairn_window_chunk(cairn_window_of((uintptr_t)s->base), (uintptr_t)s->base)->is_huge;
	}
	return huge;
}

static void growth_is_huge_after_a_dense_witness(void *unused)
{
	(void)unused;
	cairn_huge_begin(true);
	cairn_huge_dear_inject(UINT64_MAX);
	EXPECT_EQ(grown_huge(CAIRN_HUGE_FROM_BYTES / CAIRN_CHUNK_BYTES, 4096), 0);
	size_t huge = grown_huge(40, 4096);
	EXPECT(huge > 30 && huge < 40); /* witnesses stay plain */
}

static void growth_is_plain_after_a_sparse_witness(void *unused)
{
	(void)unused;
	cairn_huge_begin(true);
	cairn_huge_dear_inject(UINT64_MAX);
	EXPECT_EQ(grown_huge(60, 128 << 10), 0);
	EXPECT(grown_huge(40, 4096) > 20); /* and learns */
}

/* A span of whole chunks, an eighth of its pages written or all; how many of its chunks are huge. */
static size_t span_huge(size_t chunks, size_t step, cairn_span **s)
{
	size_t huge = 0;
	*s = take(chunks * CAIRN_CHUNK_GRANULES);
	for (size_t i = 0; i < chunks; i++)
		huge += cairn_window_chunk(cairn_window_of((uintptr_t)(*s)->base), (uintptr_t)(*s)->base)[i].is_huge;
	for (size_t at = 0; at < chunks * CAIRN_CHUNK_BYTES; at += step)
		(*s)->base[at] = 1;
	return huge;
}

static void long_spans_are_huge_after_dense_ones_of_half_the_length(void *unused)
{
	(void)unused;
	cairn_span *s;
	cairn_huge_begin(true);
	EXPECT_EQ(span_huge(4, 4096, &s), 0);
	EXPECT_EQ(span_huge(9, 4096, &s), 0); /* too long, and now a witness itself */
	cairn_huge_dear_inject(UINT64_MAX);
	EXPECT_EQ(span_huge(4, 4096, &s), 1); /* to try */
	EXPECT_EQ(span_huge(8, 32768, &s), 8);
	EXPECT_EQ(span_huge(40, 32768, &s), 0); /* a sparse witness */
	EXPECT_EQ(span_huge(30, 32768, &s), 0);
	give(s, 30 * CAIRN_CHUNK_GRANULES); /* what a witness says is heard when it goes */
	EXPECT_EQ(span_huge(50, 4096, &s), 0);
}

static void after_a_dear_trial_none_is_asked_for(void *unused)
{
	(void)unused;
	cairn_span *s;
	cairn_huge_begin(true);
	cairn_huge_dear_inject(0);
	EXPECT_EQ(span_huge(4, 4096, &s), 0);
	EXPECT_EQ(span_huge(4, 4096, &s), 1);
	EXPECT_EQ(span_huge(4, 4096, &s), 0);
	EXPECT_EQ(grown_huge(60, 4096), 0);
}

static void where_nobody_may_look_only_slabs_are_evidence(void *unused)
{
	(void)unused;
	cairn_span *s;
	cairn_huge_begin(false);
	cairn_huge_dear_inject(UINT64_MAX);
	EXPECT_EQ(span_huge(4, 4096, &s), 0);
	EXPECT_EQ(span_huge(4, 4096, &s), 0);
	EXPECT_EQ(grown_huge(40, 4096), 0);
	for (int i = 0; i < 60000; i++)
		cairn_malloc(1000);
	EXPECT(cairn_window_chunk(&cairn_window_first, (uintptr_t)cairn_malloc(1000))->is_huge);
	cairn_pageheap_validate();
}

static void a_clean_huge_chunk_is_plain_again_for_a_span_without_evidence(void *unused)
{
	(void)unused;
	cairn_span *s, *behind;
	cairn_huge_begin(true);
	span_huge(4, 4096, &s);
	cairn_huge_dear_inject(UINT64_MAX);
	EXPECT_EQ(span_huge(8, 4096, &s), 1);
	EXPECT_EQ(span_huge(8, 4096, &s), 8);
	EXPECT_EQ(span_huge(8, 4096, &behind), 8);
	char *base = s->base;
	give(s, 8 * CAIRN_CHUNK_GRANULES);
	give(behind, 8 * CAIRN_CHUNK_GRANULES);
	while (cairn_purge_step(0, 500))
		;
	EXPECT_EQ(span_huge(9, 32768, &s), 0); /* longer than twice the witness */
	EXPECT_EQ((uintptr_t)s->base, (uintptr_t)base);
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
IN_A_CHILD(purging_a_part_ends_a_huge_page, a_part_of_a_huge_chunk_is_purged_plain)
IN_A_CHILD(a_dense_heap_grows_by_huge_pages, growth_is_huge_after_a_dense_witness)
IN_A_CHILD(a_sparse_heap_does_not, growth_is_plain_after_a_sparse_witness)
IN_A_CHILD(long_spans_follow_their_witness, long_spans_are_huge_after_dense_ones_of_half_the_length)
IN_A_CHILD(without_looking_only_slabs_count, where_nobody_may_look_only_slabs_are_evidence)
IN_A_CHILD(dear_huge_pages_are_not_asked_for, after_a_dear_trial_none_is_asked_for)

static void a_span_without_evidence_is_plain(void)
{
	if (is_emulated())
		SKIP("a trial of huge pages stands for 0.1 s, and it may take longer here to come to the next");
	else
		in_a_child(a_clean_huge_chunk_is_plain_again_for_a_span_without_evidence, NULL);
}

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
	RUN(purging_a_part_ends_a_huge_page);
	RUN(a_dense_heap_grows_by_huge_pages);
	RUN(a_sparse_heap_does_not);
	RUN(long_spans_follow_their_witness);
	RUN(without_looking_only_slabs_count);
	RUN(dear_huge_pages_are_not_asked_for);
	RUN(a_span_without_evidence_is_plain);
	DONE();
}
