/* malloc/visit.c - a walk over all live blocks (cairn/stats.h).
 *
 *   heap held still ──▶ records of some spans: base, and a bit a live slot ──▶ let go ──▶ the visitor, each block
 *        ▲                                                                                      │
 *        └─────────────────────────────── from the next span on ◀───────────────────────────────┘
 *
 * The visitor runs with nothing held, so it may allocate, free and stop. A slot is live when its bit in the slab is 0,
 * it lies in no magazine, and its page is not being purged.
 *
 * Time is linear. Each part looks at all magazines, so the records have eight bytes for each slot that magazines can
 * hold: there are then no more parts than slots in the heap over slots in magazines. Past ROOM_MAX_BYTES a part covers
 * 100 MiB of the densest heap, and looking at magazines is the lesser work.
 *
 * Invariants, of a part:
 *   (K1) Records are in rising order of base, all of one region.
 *   (K2) A span that began at or behind `at` when the part began is in no earlier part.
 *
 * Locks: malloc/still.h's and the page heap's while a part is taken, none while it is told. Failure: no memory for
 * records: the walk does not begin. */
#include <cairn/stats.h>

#include "malloc/slabpurge.h"
#include "malloc/still.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"

enum {
	ROOM_MIN_BYTES = 64 << 10,
	ROOM_MAX_BYTES = 1 << 20,
	CHUNKS_A_PART = 4096, /* looked at, at most: the locks are held meanwhile */
};

/* One span as it was: a block, or a slab and which of its slots are live. */
typedef struct seen_span {
	char *base;
	size_t block_bytes; /* usable */
	void *heap;
	uint64_t *live;      /* in the same room; NULL: one block */
	uint32_t size_class; /* 0: large */
	uint32_t words;      /* of live */
} seen_span;

typedef struct live_walk {
	cairn_page_region *region; /* where the next part begins; NULL: nowhere */
	uintptr_t at;
	seen_span *seen;     /* records from the front of the room, live bits from its end */
	size_t count;
	uint64_t *low;       /* of the bits */
	size_t room_bytes;
} live_walk;

static void add_capacity(cairn_cache *c, void *slots)
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		*(size_t *)slots += c->cold[i].capacity;
}

static bool walk_begin(live_walk *w)
{
	cairn_cache *c;
	size_t slots = 0;
	if (!cairn_still_begin(&c))
		return false;
	cairn_threads_visit_held(add_capacity, &slots);
	cairn_pageheap_lock();
	w->region = cairn_window_newest(); /* one that is made later holds no block that is live now */
	w->at = w->region ? w->region->start : 0;
	cairn_pageheap_unlock();
	cairn_still_end(c);
	w->room_bytes = slots * sizeof(void *);
	w->room_bytes = w->room_bytes < ROOM_MIN_BYTES   ? ROOM_MIN_BYTES
			: w->room_bytes > ROOM_MAX_BYTES ? ROOM_MAX_BYTES
							 : cairn_round_up(w->room_bytes, 4096);
	w->seen = cairn_meta_alloc(w->room_bytes);
	return w->seen;
}

/* ---- a part, under the locks */

/* A new record with so many words; NULL: no room. */
static seen_span *record_add(live_walk *w, uint32_t words)
{
	seen_span *r = &w->seen[w->count];
	if ((size_t)((char *)w->low - (char *)r) < sizeof *r + words * sizeof(uint64_t))
		return NULL;
	w->count++;
	w->low -= words;
	r->words = words;
	r->live = words ? w->low : NULL;
	return r;
}

/* What of a slab's slots is out of it, and not because its page is being purged. */
static void record_bits(seen_span *r, const cairn_span *s, size_t capacity)
{
	uint64_t held = cairn_slabpurge_held_pages(s);
	for (uint32_t w = 0; w < r->words; w++)
		r->live[w] = ~s->free_bits[w];
	if (capacity % 64)
		r->live[r->words - 1] &= (1ull << capacity % 64) - 1;
	for (size_t i = 0; held && i < capacity; i++)
		if (cairn_slab_slot_touches(s, i, held))
			cairn_bit_clear(r->live, i);
}

/* False: there is no room for it in this part. */
static bool record_span(live_walk *w, const cairn_span *s)
{
	if (cairn_span_is_managed(s->kind))
		return true;
	bool is_slab = s->kind == CAIRN_SPAN_SLAB || s->kind == CAIRN_SPAN_HEAP;
	bool is_of_heap = s->kind == CAIRN_SPAN_HEAP || s->kind == CAIRN_SPAN_HEAP_LARGE;
	const cairn_class *k = &cairn_classes[is_slab ? s->size_class : 0];
	size_t large_bytes = is_slab ? 0 : __atomic_load_n(&s->large_bytes, __ATOMIC_RELAXED); /* see large.c */
	if (s->kind == CAIRN_SPAN_KEPT || (!is_slab && !large_bytes)) /* 0: its thread is about to make it */
		return true;
	seen_span *r = record_add(w, is_slab ? (k->capacity + 63u) / 64 : 0);
	if (!r)
		return false;
	r->base = s->base;
	r->block_bytes = is_slab ? k->bytes : large_bytes;
	r->heap = is_of_heap ? s->heap : NULL;
	r->size_class = is_slab ? s->size_class : 0;
	if (is_slab)
		record_bits(r, s, k->capacity);
	return true;
}

/* Spans that begin in the chunk of w->at, from there on. False: no room, w->at is the one. */
static bool record_chunk(live_walk *w)
{
	cairn_chunk *c = cairn_window_chunk(w->region->window, w->at);
	for (size_t g = cairn_granule_in_chunk(w->at); c->spans && g < CAIRN_CHUNK_GRANULES; g++) {
		if (c->spans[g].kind != CAIRN_SPAN_NONE && !record_span(w, &c->spans[g])) {
			w->at = cairn_window_chunk_start(w->region->window, c) + (g << CAIRN_GRANULE_SHIFT);
			return false;
		}
	}
	w->at = cairn_window_chunk_start(w->region->window, c) + CAIRN_CHUNK_BYTES;
	return true;
}

/* The record of the span that p lies in, or NULL. */
static seen_span *record_of(const live_walk *w, const char *p)
{
	size_t from = 0, to = w->count;
	if (!to || p < w->seen[0].base)
		return NULL;
	while (to - from > 1) {
		size_t middle = (from + to) / 2;
		*(p < w->seen[middle].base ? &to : &from) = middle;
	}
	return &w->seen[from];
}

static void forget_cached(cairn_cache *c, void *arg)
{
	const live_walk *w = arg;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		void **top, **slot = cairn_still_magazine(c, i, &top);
		for (; slot < top; slot++) {
			seen_span *r = record_of(w, *slot);
			/* Of the class, or it lies behind a record's end. */
			size_t offset = r ? (size_t)((char *)*slot - r->base) : 0;
			size_t n = cairn_class_index(&cairn_classes[i], offset);
			if (r && r->size_class == i && n < cairn_classes[i].capacity)
				cairn_bit_clear(r->live, n);
		}
	}
}

/* False: in a signal handler that interrupted malloc. */
static bool walk_take(live_walk *w)
{
	cairn_cache *c;
	if (!cairn_still_begin(&c))
		return false;
	w->count = 0;
	w->low = (uint64_t *)((char *)w->seen + w->room_bytes);
	cairn_pageheap_lock();
	bool is_full = false;
	for (unsigned n = 0; n < CHUNKS_A_PART && w->at < w->region->open_end && !is_full; n++)
		is_full = !record_chunk(w);
	if (w->at >= w->region->open_end) { /* a record's order ends with its region */
		w->region = w->region->next;
		w->at = w->region ? w->region->start : 0;
	}
	cairn_pageheap_unlock();
	cairn_threads_visit_held(forget_cached, w);
	cairn_still_end(c);
	return true;
}

/* ---- a part, with nothing held */

static bool tell_record(const seen_span *r, cairn_visitor visit, void *arg)
{
	cairn_live_block block = {
		.start = r->base, .usable_bytes = r->block_bytes, .size_class = r->size_class, .heap = r->heap
	};
	if (!r->live)
		return visit(&block, arg);
	for (uint32_t w = 0; w < r->words; w++)
		for (uint64_t bits = r->live[w]; bits; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);
			block.start = r->base + i * r->block_bytes;
			if (!visit(&block, arg))
				return false;
		}
	return true;
}

cairn_visit cairn_visit_live(cairn_visitor visit, void *arg)
{
	live_walk w = { 0 };
	cairn_visit result = CAIRN_VISIT_ALL;
	if (!walk_begin(&w))
		return CAIRN_VISIT_REFUSED;
	while (w.region && result == CAIRN_VISIT_ALL) {
		if (!walk_take(&w))
			result = CAIRN_VISIT_REFUSED;
		for (size_t i = 0; i < w.count && result == CAIRN_VISIT_ALL; i++)
			if (!tell_record(&w.seen[i], visit, arg))
				result = CAIRN_VISIT_STOPPED;
	}
	cairn_meta_free(w.seen, w.room_bytes);
	return result;
}
