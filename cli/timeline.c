/* cli/timeline.c - memory and allocation over time. See timeline.h.
 *
 * Invariants:
 *   (L1) count <= CAIRN_TIMELINE_STEPS; step i is [i, i + 1) * step_ns.
 *   (L2) The sum of allocations over the steps is the last sample's: joining and spreading lose none.
 *   (L3) The highest step is the highest sample.
 *
 * Between two samples memory is taken to have stayed, and allocations to have come evenly. */
#include "timeline.h"

#include <string.h>

void cairn_timeline_init(cairn_timeline *t, uint64_t step_ns)
{
	memset(t, 0, sizeof *t);
	t->step_ns = step_ns;
}

static uint64_t timeline_higher(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void timeline_join(cairn_timeline *t)
{
	for (size_t i = 0; i < CAIRN_TIMELINE_STEPS / 2; i++) {
		t->rss_bytes[i] = timeline_higher(t->rss_bytes[2 * i], t->rss_bytes[2 * i + 1]);
		t->live_bytes[i] = timeline_higher(t->live_bytes[2 * i], t->live_bytes[2 * i + 1]);
		t->allocations[i] = t->allocations[2 * i] + t->allocations[2 * i + 1];
	}
	size_t half = CAIRN_TIMELINE_STEPS / 2;
	memset(t->rss_bytes + half, 0, half * sizeof *t->rss_bytes);
	memset(t->live_bytes + half, 0, half * sizeof *t->live_bytes);
	memset(t->allocations + half, 0, half * sizeof *t->allocations);
	t->count = (t->count + 1) / 2;
	t->step_ns *= 2;
}

static void timeline_raise(cairn_timeline *t, size_t i, uint64_t rss_bytes, uint64_t live_bytes)
{
	t->rss_bytes[i] = timeline_higher(t->rss_bytes[i], rss_bytes);
	t->live_bytes[i] = timeline_higher(t->live_bytes[i], live_bytes);
}

/* Spreads `made` over the steps from `first` to `last`, what does not divide into the last. */
static void timeline_spread(cairn_timeline *t, size_t first, size_t last, uint64_t made)
{
	uint64_t each = made / (last - first + 1);
	for (size_t i = first; i < last; i++, made -= each)
		t->allocations[i] += each;
	t->allocations[last] += made;
}

void cairn_timeline_add(cairn_timeline *t, uint64_t at_ns, uint64_t rss_bytes, uint64_t live_bytes,
			uint64_t allocations)
{
	at_ns = timeline_higher(at_ns, t->last_ns);
	while (at_ns / t->step_ns >= CAIRN_TIMELINE_STEPS)
		timeline_join(t);
	size_t last = at_ns / t->step_ns, first = t->last_ns / t->step_ns;
	for (size_t i = t->count; i < last; i++)
		timeline_raise(t, i, t->last_rss_bytes, t->last_live_bytes);
	timeline_raise(t, last, rss_bytes, live_bytes);
	timeline_spread(t, first < last ? first + 1 : first, last,
			allocations > t->last_allocations ? allocations - t->last_allocations : 0);
	t->last_allocations = timeline_higher(allocations, t->last_allocations);
	t->last_ns = at_ns;
	t->last_rss_bytes = rss_bytes;
	t->last_live_bytes = live_bytes;
	t->count = timeline_higher(t->count, last + 1);
	if (rss_bytes > t->peak_rss_bytes) {
		t->peak_rss_bytes = rss_bytes;
		t->peak_rss_ns = at_ns;
	}
	if (live_bytes > t->peak_live_bytes) {
		t->peak_live_bytes = live_bytes;
		t->peak_live_ns = at_ns;
	}
}
