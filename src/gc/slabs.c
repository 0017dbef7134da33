/* gc/slabs.c - slabs: taken from the page heap, given back to it. What lies in them is gc/blocks.c's.
 *
 *   page heap ──span, filled as a huge page──▶ ahead ──take──▶ slab ──give──▶ page heap
 *       └─────────────────span───────────────────────────────────▲
 *
 * A huge page is cleared in one go at its first byte: 0.1 ms, and 5 where the host must find the memory first. No stop
 * is to wait for that, nor who wants the blocks lock. So a mutator that will need a slab takes and fills a span aside,
 * out of the heap, and leaves it as `ahead`, where whoever adds the next slab finds it.
 *
 * Lock: the blocks lock, held by who calls, but for ahead. Failure: NULL, refused by the system. */
#include "gc/blocks.h"

#include "gc/managed.h"
#include "os/clock.h"
#include "os/vm.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"

#include <string.h>

enum {
	PURGE_STEP_US = 1000,
	PURGE_MOST_US = 10 * 1000, /* by a mutator that only wanted a block */
	PURGE_ONE_OF = 20,         /* of the time */
	PLAIN_SLABS = CAIRN_HUGE_FROM_BYTES / CAIRN_GC_SLAB_BYTES, /* the first ones: the heap may stay small */
};

/* Of a slab's span: whole chunks where references are compressed. */
static size_t span_granules(const cairn_gc_heap *h, size_t granules)
{
	return h->is_compressed ? cairn_round_up(granules, CAIRN_CHUNK_GRANULES) : granules;
}

static cairn_span *span_take(cairn_gc_heap *h, size_t granules, bool *is_zero)
{
	if (h->is_compressed)
		return cairn_pageheap_alloc_private(span_granules(h, granules), CAIRN_SPAN_MANAGED, is_zero);
	cairn_span *span = cairn_pageheap_alloc(granules, CAIRN_CHUNK_GRANULES, CAIRN_SPAN_MANAGED, is_zero);
	if (!span || cairn_window_open_pages(span->base, granules << CAIRN_GRANULE_SHIFT))
		return span;
	cairn_pageheap_free(span, granules, *is_zero ? 0 : granules);
	return NULL;
}

/* When one is added for CELLS the blocks of all others are in use, so it will be filled: it need not be told by a
 * witness that it is worth a huge page. One that is added for a LARGE object may stay half empty. */
bool cairn_gc_slab_will_fill(const cairn_gc_heap *h)
{
	return (h->blocks.slab_count >= PLAIN_SLABS || h->zeal.is_on) && !h->zeal.poisons;
}

/* fills: before the record, for a page that is there keeps it from being huge. */
static cairn_span *span_take_calmly(cairn_gc_heap *h, size_t granules, bool fills, bool *is_zero)
{
	uint64_t before = cairn_gc_calm();
	cairn_span *span = span_take(h, granules, is_zero);
	if (span && *is_zero && fills)
		cairn_pageheap_will_fill(span);
	cairn_gc_uncalm(before);
	return span;
}

static void span_give_calmly(cairn_gc_heap *h, cairn_span *span, size_t granules)
{
	uint64_t before = cairn_gc_calm();
	size_t whole = span_granules(h, granules); /* where it did not read zero nobody has cleared what lies behind */
	cairn_pageheap_free(span, whole, span->is_zero ? granules : whole);
	cairn_gc_uncalm(before);
}

void cairn_gc_slab_fill_ahead(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	bool is_zero = false;
	cairn_span *span = span_take_calmly(h, CAIRN_CHUNK_GRANULES, true, &is_zero), *extra = span;
	cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS);
	if (!s->ahead) {
		s->ahead = span;
		s->ahead_is_zero = is_zero;
		extra = NULL;
	}
	cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS);
	if (extra)
		span_give_calmly(h, extra, CAIRN_CHUNK_GRANULES);
}

void cairn_gc_slab_ahead_drop(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS);
	cairn_span *span = s->ahead;
	s->ahead = NULL;
	cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS);
	if (span)
		span_give_calmly(h, span, CAIRN_CHUNK_GRANULES);
}

/* In a stop it is filled, too, but where the pause has a goal, which a page may be longer than. */
static cairn_span *span_for_cells(cairn_gc_heap *h, bool *is_zero)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_span *span = s->ahead;
	*is_zero = s->ahead_is_zero;
	s->ahead = NULL;
	bool fills = cairn_gc_slab_will_fill(h) && !h->config.pause_goal_ms;
	return span ? span : span_take_calmly(h, CAIRN_CHUNK_GRANULES, fills, is_zero);
}

size_t cairn_gc_slab_record_bytes(const cairn_gc_heap *h)
{
	return CAIRN_GC_RECORD_BYTES + (cairn_gc_young_has_cards(h) ? CAIRN_GC_CARDS_BYTES : 0);
}

cairn_gc_slab *cairn_gc_slab_take(cairn_gc_heap *h, size_t granules, cairn_gc_block_kind kind)
{
	bool is_zero = false;
	cairn_span *span = kind == CAIRN_GC_BLOCK_CELLS ? span_for_cells(h, &is_zero)
							: span_take_calmly(h, granules, false, &is_zero);
	if (!span)
		return NULL;
	cairn_gc_slab *slab = (cairn_gc_slab *)span->base;
	if (!is_zero)
		memset(slab, 0, sizeof *slab);
	if (!is_zero && cairn_gc_young_has_cards(h))
		memset(cairn_gc_card_of((uintptr_t)slab), 0, CAIRN_GC_CARDS_BYTES);
	slab->granules = granules;
	/* its first pages were written to now or before: its last one is there if it is one huge page, or was in use */
	bool is_absent = is_zero && !cairn_vm_is_resident((char *)slab + CAIRN_GC_SLAB_BYTES - CAIRN_GC_META_BYTES);
	CAIRN_GC_EACH_BLOCK_OF(b, slab) {
		cairn_node_init(&b->node);
		b->is_zero = b->bytes_are_clear = is_zero;
		b->is_absent = is_absent;
		b->may_have_frames = !is_absent;
	}
	cairn_list_append(&h->blocks.slabs, &slab->node);
	h->blocks.slab_count++;
	cairn_gc_blocks_add_held(&h->blocks, (ptrdiff_t)cairn_gc_slab_record_bytes(h));
	/* publishes the record, for cairn_gc_slab_at of another thread */
	__atomic_store_n(&slab->heap, h, __ATOMIC_RELEASE);
	return slab;
}

void cairn_gc_slab_give(cairn_gc_heap *h, cairn_gc_slab *slab)
{
	size_t granules = slab->granules;
	cairn_list_remove(&slab->node);
	h->blocks.slab_count--;
	h->blocks.frees++; /* row_from may be it */
	cairn_gc_blocks_add_held(&h->blocks, -(ptrdiff_t)cairn_gc_slab_record_bytes(h));
	__atomic_store_n(&slab->heap, NULL, __ATOMIC_RELAXED); /* for a word that points here: nobody's */
	span_give_calmly(h, cairn_window_span((uintptr_t)slab), granules);
}

bool cairn_gc_slabs_may_purge(size_t unwanted)
{
	bool has_much = cairn_pageheap_dirty_bytes() > CAIRN_PURGE_KEEP_MIN_BYTES;
	return unwanted && has_much && (unwanted == SIZE_MAX || cairn_purge_is_due());
}

void cairn_gc_slabs_purge(size_t freed, bool all)
{
	if (!cairn_purge_is_due() && !(all && cairn_pageheap_dirty_bytes() > CAIRN_PURGE_KEEP_MIN_BYTES))
		return;
	uint64_t before = cairn_gc_calm();
	cairn_purge_self(freed);
	while (all && cairn_purge_step(CAIRN_PURGE_KEEP_MIN_BYTES, PURGE_STEP_US)) {
		cairn_gc_uncalm(before); /* signals wait for a step at most */
		before = cairn_gc_calm();
	}
	cairn_gc_uncalm(before);
}

void cairn_gc_slabs_hold_peak(size_t taken)
{
	if (taken < CAIRN_CHUNK_BYTES)
		return;
	uint64_t before = cairn_gc_calm();
	cairn_purge_hold_peak(taken);
	cairn_gc_uncalm(before);
}

void cairn_gc_slabs_purge_unwanted(size_t unwanted, uint64_t since_ns)
{
	size_t dirty = cairn_pageheap_dirty_bytes();
	if (!unwanted || !cairn_purge_is_due())
		return;
	uint64_t before = cairn_gc_calm(), budget_us = since_ns / PURGE_ONE_OF / 1000;
	cairn_purge_learn(cairn_clock_coarse_ns());
	size_t keep = dirty > unwanted ? dirty - unwanted : 0, least = cairn_purge_hysteresis_bytes() / 2;
	cairn_purge_step(keep > least ? keep : least, budget_us < PURGE_MOST_US ? (unsigned)budget_us : PURGE_MOST_US);
	cairn_gc_uncalm(before);
}
