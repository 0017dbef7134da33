/* Giving free pages back: how much is kept, and that nothing is lost. Cases cite the invariant of page/purge.h. */
#include "os/sys.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "support/child.h"

enum { SPANS = 200, GRANULES = 16 };

static cairn_span *spans[SPANS];

static void take_and_free(unsigned n, bool keep_every_tenth)
{
	for (unsigned i = 0; i < n; i++) {
		spans[i] = cairn_pageheap_alloc(GRANULES, 1, CAIRN_SPAN_LARGE, NULL);
		EXPECT(spans[i]);
		if (spans[i])
			memset(spans[i]->base, (int)i, (size_t)GRANULES << CAIRN_GRANULE_SHIFT);
	}
	for (unsigned i = 0; i < n; i++)
		if (spans[i] && !(keep_every_tenth && i % 10 == 0)) {
			cairn_pageheap_free(spans[i], GRANULES, GRANULES);
			spans[i] = NULL;
		}
}

static bool survivors_are_whole(void)
{
	for (unsigned i = 0; i < SPANS; i++)
		for (size_t at = 0; spans[i] && at < (size_t)GRANULES << CAIRN_GRANULE_SHIFT; at += 512)
			if (spans[i]->base[at] != (char)i)
				return false;
	return true;
}

static void free_survivors(void)
{
	for (unsigned i = 0; i < SPANS; i++)
		if (spans[i])
			cairn_pageheap_free(spans[i], GRANULES, GRANULES);
	memset(spans, 0, sizeof spans);
}

static void purge_all(size_t keep)
{
	while (cairn_purge_step(keep, 500))
		;
}

static void a_step_goes_down_to_what_is_to_be_kept(void *unused)
{
	(void)unused;
	take_and_free(SPANS, true);
	size_t rss = test_rss_bytes(), dirty = cairn_pageheap_dirty_bytes();
	EXPECT(dirty > 40 << 20);
	purge_all(10 << 20);
	/* a huge chunk goes as a whole */
	EXPECT(cairn_pageheap_dirty_bytes() <= 10 << 20 && cairn_pageheap_dirty_bytes() > 8 << 20);
	EXPECT(IS_SANITIZED || test_rss_bytes() < rss - (25 << 20)); /* they are really gone */
	purge_all(0);
	EXPECT_EQ(cairn_pageheap_dirty_bytes(), 0);
	EXPECT(!cairn_purge_is_due());
	EXPECT(survivors_are_whole());
	cairn_pageheap_validate();
	free_survivors();
}

static void what_is_purged_reads_zero_when_it_is_had_again(void *unused)
{
	(void)unused;
	take_and_free(SPANS, false);
	purge_all(0);
	for (unsigned i = 0; i < SPANS; i++) {
		bool zero = false;
		spans[i] = cairn_pageheap_alloc(GRANULES, 1, CAIRN_SPAN_LARGE, &zero);
		REQUIRE(spans[i]);
		EXPECT(zero);
		for (size_t at = 0; at < (size_t)GRANULES << CAIRN_GRANULE_SHIFT; at += 512)
			EXPECT(!spans[i]->base[at]);
	}
	free_survivors();
}

static void a_small_budget_is_a_small_step(void *unused)
{
	(void)unused;
	take_and_free(SPANS, false);
	size_t before = cairn_pageheap_dirty_bytes();
	EXPECT(cairn_purge_step(0, 1)); /* there is more to do */
	EXPECT(cairn_pageheap_dirty_bytes() < before && cairn_pageheap_dirty_bytes() > before / 2);
}

static void a_refusal_stops_purging_and_loses_nothing(void *unused)
{
	(void)unused;
	take_and_free(SPANS, true);
	size_t dirty = cairn_pageheap_dirty_bytes();
	EXPECT(cairn_fault_set("madvise", 1, ENOMEM));
	EXPECT(!cairn_purge_step(0, 1000));
	EXPECT(!cairn_purge_step(0, 1000));
	EXPECT(cairn_pageheap_dirty_bytes() == dirty && survivors_are_whole());
	cairn_pageheap_validate();
	EXPECT(cairn_fault_set("madvise", 0, 0));
	free_survivors();
	for (unsigned i = 0; i < SPANS; i++)
		EXPECT((spans[i] = cairn_pageheap_alloc(GRANULES, 1, CAIRN_SPAN_LARGE, NULL)) != NULL);
	free_survivors();
}

static void the_hysteresis_follows_demand_within_its_bounds(void *unused) /* U1 */
{
	uint64_t now = 1000000000, second = 1000000000;
	(void)unused;
	EXPECT_EQ(cairn_purge_hysteresis_bytes(), CAIRN_PURGE_KEEP_MIN_BYTES);
	size_t highest = 0;
	for (int i = 0; i < 20; i++) { /* purged, and wanted again at once */
		take_and_free(SPANS, true);
		cairn_purge_learn(now += second / 100);
		free_survivors();
		purge_all(0);
		cairn_purge_learn(now += second / 100);
		cairn_purge_validate();
		size_t h = cairn_purge_hysteresis_bytes();
		highest = h > highest ? h : highest;
	}
	EXPECT(highest > 4u * CAIRN_PURGE_KEEP_MIN_BYTES);
	for (int i = 0; i < 40; i++) { /* rest */
		cairn_purge_learn(now += 2 * second);
		cairn_purge_validate();
	}
	EXPECT_EQ(cairn_purge_hysteresis_bytes(), CAIRN_PURGE_KEEP_MIN_BYTES);
}

static void purging_goes_down_to_what_is_to_be_kept(void) { in_a_child(a_step_goes_down_to_what_is_to_be_kept, NULL); }
static void purged_memory_reads_zero(void) { in_a_child(what_is_purged_reads_zero_when_it_is_had_again, NULL); }
static void a_step_keeps_to_its_budget(void) { in_a_child(a_small_budget_is_a_small_step, NULL); }
static void what_is_kept_is_learnt(void) { in_a_child(the_hysteresis_follows_demand_within_its_bounds, NULL); }

static void a_refused_madvise_stops_purging_and_loses_nothing(void)
{
	in_a_child(a_refusal_stops_purging_and_loses_nothing, NULL);
}

/* A purge may sleep until this very process lets it go on (userfaultfd): whoever comes meanwhile goes on without. */
static void one_thread_purges_at_a_time(void *unused)
{
	(void)unused;
	take_and_free(SPANS, false);
	size_t dirty = cairn_pageheap_dirty_bytes();
	EXPECT(cairn_purge_enter());
	EXPECT(cairn_purge_is_busy() && !cairn_purge_enter());
	EXPECT(!cairn_purge_step(0, 500));
	cairn_purge_self(1 << 20);
	cairn_purge_hold_peak(1 << 20);
	EXPECT_EQ(cairn_pageheap_dirty_bytes(), dirty);
	cairn_purge_leave();
	purge_all(0);
	EXPECT_EQ(cairn_pageheap_dirty_bytes(), 0);
}

static void a_purge_that_waits_keeps_no_other_thread(void) { in_a_child(one_thread_purges_at_a_time, NULL); }

int main(void)
{
	RUN(purging_goes_down_to_what_is_to_be_kept);
	RUN(purged_memory_reads_zero);
	RUN(a_step_keeps_to_its_budget);
	if (CAN_REFUSE)
		RUN(a_refused_madvise_stops_purging_and_loses_nothing);
	RUN(what_is_kept_is_learnt);
	RUN(a_purge_that_waits_keeps_no_other_thread);
	DONE();
}
