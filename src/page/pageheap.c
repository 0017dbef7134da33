/* page/pageheap.c - spans out of 2 MiB chunks.
 *
 *   (reserved) ──open──▶ FREE, clean ──alloc──▶ IN A SPAN ──free──▶ FREE, dirty ──take_dirty──▶ PURGING
 *                             ▲                                                                    │
 *                             └──────────────────────────give_run(purged)──────────────────────────┘
 *
 * A chunk's state is two sets of 128 bits: free, and dirty within free. Free neighbours are one run of bits, so
 * coalescing is not an action here. Chunks with something free hang in a list for the length of their longest free
 * run. An allocation first looks at a few chunks that have dirty granules, which cost no fault; otherwise it takes the
 * shortest run that suffices and, among the first few chunks of that list, the one with the fewest free granules, so
 * that sparse chunks empty out (Hunter et al., "Beyond malloc efficiency to fleet efficiency", OSDI 2021, section 4).
 * Inside a chunk dirty granules go before clean ones: they cost no fault.
 *
 * Invariants, checked by cairn_pageheap_validate():
 *   (P1) dirty is a subset of free.
 *   (P2) An open granule is free, in exactly one span, or being purged; the three counts add up to what is open.
 *   (P3) longest is the longest run of free, and the chunk is in lists[longest] when that is not 0; one of the private
 *        region is in private_chunks when that is 128, and else in no list.
 *   (P4) free_granules and dirty_granules are the sums over all chunks.
 *
 * The private region (cairn_pageheap_private) is opened and taken from by itself, in whole chunks; freeing, purging and
 * hiding do not tell it from others. long: these books have one lock, and who changes them is in one file.
 *
 * Lock: one, rank CAIRN_RANK_PAGEHEAP. Nothing is purged under it; opening (mprotect) and showing (MADV_DODUMP) are
 * done under it, because nobody can be served before, and hiding, a few calls at a time.
 * Failure: the OS refuses, alloc returns NULL with the books as they were.
 * Not here: what a span is for (malloc/), when to purge (page/purge.c), huge pages (page/huge.h). */
#include "page/pageheap.h"

#include "base/assert.h"
#include "os/limits.h"
#include "os/lock.h"
#include "os/meta.h"
#include "os/vm.h"
#include "page/corefile.h"
#include "page/huge.h"
#include "page/window.h"

#include <string.h>

enum {
	LOOK_AT = 6,                /* chunks compared in one list before the best of them is taken */
	STEP_MIN_BYTES = 256 << 10, /* opened at once, at least */
	STEP_MAX_BYTES = 4 << 20,   /* at most: under mlockall what is opened is resident at once */
	SPANS_BYTES = CAIRN_CHUNK_GRANULES * sizeof(cairn_span),
};

static cairn_lock pageheap_lock = CAIRN_LOCK_INIT;
static cairn_node lists[CAIRN_CHUNK_GRANULES + 1]; /* sync: pageheap_lock; by longest free run; [0] unused */
static cairn_node dirty_chunks;                    /* sync: pageheap_lock; chunks with dirty granules, oldest first */
static cairn_page_region *private_region;          /* sync: pageheap_lock; const once set */
static cairn_node private_chunks;                  /* sync: pageheap_lock; its wholly free ones, not in lists */
static uint64_t list_has[3];                       /* sync: pageheap_lock; which lists are not empty */
static size_t free_granules, dirty_granules;       /* sync: pageheap_lock; also read without */
static size_t used_granules;                       /* sync: pageheap_lock; also read without */
static size_t managed_granules;                    /* sync: pageheap_lock; of the used ones, in managed heaps */
static size_t highest_used_granules;               /* sync: pageheap_lock; also read without */
static size_t purging_granules;                    /* sync: pageheap_lock; out of the free sets while being purged */
static size_t purged_granules;                     /* sync: pageheap_lock */
static size_t purged_free_granules;                /* sync: pageheap_lock; clean because purged, an upper bound */
static size_t rewanted_granules;                   /* sync: pageheap_lock; also read without */

static void lock_pageheap(void) { cairn_lock_take(&pageheap_lock, CAIRN_RANK_PAGEHEAP); }
static void unlock_pageheap(void) { cairn_lock_drop(&pageheap_lock, CAIRN_RANK_PAGEHEAP); }

/* Only as a whole is one free for anybody. */
static void relist_private(cairn_chunk *c, unsigned longest)
{
	if (c->longest == CAIRN_CHUNK_GRANULES)
		cairn_list_remove(&c->node);
	c->longest = (uint8_t)longest;
	if (longest == CAIRN_CHUNK_GRANULES)
		cairn_list_push(&private_chunks, &c->node);
	else
		cairn_node_init(&c->node);
}

/* Puts c in the list that fits its free set. */
static void chunk_relist(cairn_chunk *c)
{
	unsigned longest = cairn_bits128_longest_run(c->free);
	if (longest == c->longest && c->node.next)
		return;
	if (c->is_private) {
		relist_private(c, longest);
		return;
	}
	if (c->longest) {
		cairn_list_remove(&c->node);
		if (cairn_list_is_empty(&lists[c->longest]))
			cairn_bit_clear(list_has, c->longest);
	}
	c->longest = (uint8_t)longest;
	if (!longest) {
		cairn_node_init(&c->node);
		return;
	}
	if (!lists[longest].next)
		cairn_node_init(&lists[longest]);
	cairn_list_push(&lists[longest], &c->node);
	cairn_bit_set(list_has, longest);
}

static void set_used(size_t granules)
{
	__atomic_store_n(&used_granules, granules, __ATOMIC_RELAXED); /* a hint for purge, no order needed */
	if (granules > highest_used_granules)
		__atomic_store_n(&highest_used_granules, granules, __ATOMIC_RELAXED); /* likewise */
}

static void dirty_chunk_append(cairn_chunk *c)
{
	if (!dirty_chunks.next)
		cairn_node_init(&dirty_chunks);
	cairn_list_append(&dirty_chunks, &c->dirty_node);
}

/* Marks granules [from, from + n) of c as free; dirty when is_dirty. */
static void chunk_give(cairn_chunk *c, unsigned from, unsigned n, bool is_dirty)
{
	cairn_bits128 run = cairn_bits128_run(from, n);
	cairn_assert(!(c->free & run));
	c->free |= run;
	memset(&c->back[from], 0, n);
	__atomic_store_n(&free_granules, free_granules + n, __ATOMIC_RELAXED); /* a hint, no order needed */
	if (is_dirty) {
		if (!c->dirty)
			dirty_chunk_append(c);
		c->dirty |= run;
		__atomic_store_n(
			&dirty_granules, dirty_granules + n, __ATOMIC_RELAXED); /* a hint for purge, no order needed */
	}
	chunk_relist(c);
}

/* Takes granules [from, from + n) of c out of the free set; how many of them were dirty. */
static unsigned chunk_take(cairn_chunk *c, unsigned from, unsigned n)
{
	cairn_bits128 run = cairn_bits128_run(from, n);
	cairn_assert((c->free & run) == run);
	unsigned was_dirty = cairn_bits128_count(c->dirty & run);
	c->free &= ~run;
	c->dirty &= ~run;
	if (was_dirty && !c->dirty)
		cairn_list_remove(&c->dirty_node);
	__atomic_store_n(&free_granules, free_granules - n, __ATOMIC_RELAXED); /* a hint, as above */
	__atomic_store_n(&dirty_granules, dirty_granules - was_dirty, __ATOMIC_RELAXED); /* a hint, as above */
	chunk_relist(c);
	return was_dirty;
}

/* Counts memory that was purged and is wanted again: what page/purge.c learns from. */
static void note_rewanted(size_t clean)
{
	size_t again = clean < purged_free_granules ? clean : purged_free_granules;
	purged_free_granules -= again;
	__atomic_store_n(&rewanted_granules, rewanted_granules + again, __ATOMIC_RELAXED); /* a hint, as above */
}

/* The window of a chunk: the one whose array holds its record. */
static cairn_window *chunk_window(const cairn_chunk *c)
{
	cairn_window *w = &cairn_window_first;
	while (!(c >= w->chunks && c < w->chunks + (w->bytes >> CAIRN_CHUNK_SHIFT)))
		w = atomic_load_explicit(&w->next, memory_order_relaxed); /* written under the lock that we hold */
	return w;
}

static bool chunk_has_spans(cairn_chunk *c)
{
	if (!c->spans)
		c->spans = cairn_meta_alloc(SPANS_BYTES);
	return c->spans;
}

/* The granule in c where n granules aligned to align can begin, dirty ones preferred; -1 when there is none. */
static int chunk_fit(const cairn_chunk *c, unsigned n, unsigned align)
{
	if (align == 1) {
		int at = cairn_bits128_find_run(c->dirty, n);
		return at >= 0 ? at : cairn_bits128_find_run(c->free, n);
	}
	for (unsigned at = 0; at + n <= CAIRN_CHUNK_GRANULES; at += align) {
		cairn_bits128 run = cairn_bits128_run(at, n);
		if ((c->free & run) == run)
			return (int)at;
	}
	return -1;
}

/* The first list from `longest` on that is not empty, or 0. */
static unsigned next_list(unsigned longest)
{
	for (unsigned w = longest / 64; w < 3; w++) {
		uint64_t bits = list_has[w];
		if (w == longest / 64)
			bits &= ~0ull << longest % 64;
		if (bits)
			return w * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return 0;
}

/* Of the first few chunks with dirty granules, the one with the fewest free that has n of them in a row. */
static cairn_chunk *find_dirty_chunk(unsigned n, int *at)
{
	cairn_chunk *best = NULL;
	unsigned best_free = 0, looked = 0;
	for (cairn_node *node = dirty_chunks.next; node && node != &dirty_chunks && looked < LOOK_AT;
		node = node->next, looked++) {
		cairn_chunk *c = cairn_container(node, cairn_chunk, dirty_node);
		unsigned free = cairn_bits128_count(c->free);
		bool is_better = !c->is_private && (!best || free < best_free);
		int here = is_better ? cairn_bits128_find_run(c->dirty, n) : -1;
		if (here >= 0) {
			best = c;
			best_free = free;
			*at = here;
		}
	}
	return best;
}

/* The chunk to serve n granules from, and where in it. */
static cairn_chunk *find_chunk(unsigned n, unsigned align, int *at)
{
	cairn_chunk *used_before = align == 1 ? find_dirty_chunk(n, at) : NULL;
	if (used_before)
		return used_before;
	for (unsigned l = next_list(n); l; l = l < CAIRN_CHUNK_GRANULES ? next_list(l + 1) : 0) {
		cairn_chunk *best = NULL;
		unsigned best_free = 0, looked = 0;
		for (cairn_node *node = lists[l].next; node != &lists[l] && looked < LOOK_AT;
			node = node->next, looked++) {
			cairn_chunk *c = cairn_container(node, cairn_chunk, node);
			unsigned free = cairn_bits128_count(c->free);
			if ((!best || free < best_free) && (align == 1 || chunk_fit(c, n, align) >= 0)) {
				best = c;
				best_free = free;
			}
		}
		if (best) {
			*at = chunk_fit(best, n, align);
			return best;
		}
	}
	return NULL;
}

/* Gives the open granules [start, end) to their chunks as free and clean. */
static void give_clean(cairn_window *w, uintptr_t start, uintptr_t end)
{
	while (start < end) {
		cairn_chunk *c = cairn_window_chunk(w, start);
		unsigned from = (unsigned)cairn_granule_in_chunk(start);
		size_t n = (end - start) >> CAIRN_GRANULE_SHIFT;
		n = n > CAIRN_CHUNK_GRANULES - from ? CAIRN_CHUNK_GRANULES - from : n;
		chunk_give(c, from, (unsigned)n, false);
		start += n << CAIRN_GRANULE_SHIFT;
	}
}

/* Opens `bytes` at least at the end of r, a whole step when the OS allows it; how many bytes, 0 when refused. */
static size_t open_step(cairn_page_region *r, size_t bytes)
{
	size_t room = r->end - r->open_end;
	size_t step = cairn_round_down(cairn_window_open_bytes() / 8, STEP_MIN_BYTES);
	step = step < STEP_MIN_BYTES ? STEP_MIN_BYTES : step > STEP_MAX_BYTES ? STEP_MAX_BYTES : step;
	step = step < bytes ? bytes : step > room ? room : step;
	step = cairn_limits_are_tight() ? bytes : step;
	size_t whole = cairn_huge_step(r->open_end, step);
	step = whole > room ? step : whole;
	if (cairn_window_open(r, step))
		return step;
	return step > bytes && cairn_window_open(r, bytes) ? bytes : 0;
}

/* Makes at least n <= 128 granules, aligned, free in one chunk: that chunk, and where in it. */
static cairn_chunk *open_small(unsigned n, unsigned align, int *at)
{
	cairn_page_region *r = cairn_window_newest();
	size_t bytes = (size_t)n << CAIRN_GRANULE_SHIFT;
	uintptr_t end = r ? r->open_end : 0;
	uintptr_t base = cairn_round_up(end, (size_t)align << CAIRN_GRANULE_SHIFT);
	if (cairn_granule_in_chunk(base) + n > CAIRN_CHUNK_GRANULES)
		base = cairn_round_up(end, CAIRN_CHUNK_BYTES);
	r = cairn_window_reserve(cairn_huge_step(end, base - end + bytes));
	r = r ? r : cairn_window_reserve(base - end + bytes);
	if (!r)
		return NULL;
	uintptr_t from = r->open_end; /* of a new region: then base is of no use, its start is aligned */
	base = from == end ? base : from;
	size_t opened = open_step(r, base - from + bytes);
	if (!opened)
		return NULL;
	give_clean(r->window, from, from + opened);
	cairn_huge_opened(r->window, from, from + opened);
	cairn_chunk *c = cairn_window_chunk(r->window, base);
	*at = chunk_fit(c, n, align);
	return c;
}

/* Relaxed: cairn_window_span reads it without the lock, and only asks whether a granule that somebody holds is below.
 * */
static void set_lead_granules(cairn_chunk *c, unsigned n)
{
	__atomic_store_n(&c->lead_granules, (uint8_t)n, __ATOMIC_RELAXED);
}

/* Of the places in r where `chunks` chunks in a row are wholly free, the one with the most dirty granules, if it has
 * more than *dirty or none is known yet. */
static uintptr_t find_in_region(cairn_page_region *r, size_t chunks, uintptr_t best, size_t *dirty)
{
	cairn_chunk *c = cairn_window_chunk(r->window, r->start);
	size_t all = (r->open_end - r->start) >> CAIRN_CHUNK_SHIFT, run = 0, sum = 0;
	for (size_t i = 0; i < all; i++) {
		if (c[i].longest != CAIRN_CHUNK_GRANULES) {
			run = sum = 0;
			continue;
		}
		if (++run > chunks)
			sum -= cairn_bits128_count(c[i - chunks].dirty);
		sum += cairn_bits128_count(c[i].dirty);
		if (run >= chunks && (!best || sum > *dirty)) {
			best = r->start + ((i + 1 - chunks) << CAIRN_CHUNK_SHIFT);
			*dirty = sum;
		}
	}
	return best;
}

/* Wholly free chunks in a row, `chunks` of them, in an open part, the place that costs the fewest faults; the first
 * one's start or 0. */
static uintptr_t find_chunks(size_t chunks, cairn_window **window)
{
	uintptr_t best = 0;
	size_t dirty = 0;
	if (free_granules / CAIRN_CHUNK_GRANULES < chunks)
		return 0;
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		if (!r->is_private)
			best = find_in_region(r, chunks, best, &dirty);
	*window = best ? cairn_window_of(best) : NULL;
	return best;
}

/* The same out of memory not opened yet. What lies open before it, up to the chunk's start, stays free. */
static uintptr_t open_chunks(size_t bytes, cairn_window **window)
{
	cairn_page_region *r = cairn_window_newest();
	uintptr_t end = r ? r->open_end : 0;
	size_t gap = cairn_round_up(end, CAIRN_CHUNK_BYTES) - end;
	r = cairn_window_reserve(gap + bytes);
	if (!r)
		return 0;
	if (r->open_end != end)
		gap = 0; /* a new region begins with a chunk */
	uintptr_t from = r->open_end;
	if (!cairn_window_open(r, gap + bytes))
		return 0;
	give_clean(r->window, from, from + gap + bytes);
	*window = r->window;
	return from + gap;
}

static void add_part(cairn_dirty_parts *d, char *from, char *to)
{
	enum { MOST = sizeof d->part / sizeof d->part[0] };
	if (d->count && (d->part[d->count - 1].to == from || d->count == MOST))
		d->part[d->count - 1].to = to;
	else
		d->part[d->count++] = (__typeof__(d->part[0])){ from, to };
}

/* The dirty ones of n granules of c from `from` on. */
static void add_parts(cairn_dirty_parts *d, cairn_window *w, const cairn_chunk *c, unsigned from, unsigned n)
{
	char *start = (char *)cairn_window_chunk_start(w, c);
	for (cairn_bits128 left = c->dirty & cairn_bits128_run(from, n); d && left;) {
		unsigned at = cairn_bits128_lowest(left);
		cairn_bits128 behind = ~(left >> at);
		unsigned end = at + (behind ? cairn_bits128_lowest(behind) : CAIRN_CHUNK_GRANULES);
		end = end > CAIRN_CHUNK_GRANULES ? CAIRN_CHUNK_GRANULES : end;
		add_part(d, start + (size_t)at * CAIRN_GRANULE_BYTES, start + (size_t)end * CAIRN_GRANULE_BYTES);
		left &= ~cairn_bits128_run(at, end - at);
	}
}

/* Takes `granules` from `start` on, across chunks; how many of them were dirty. */
static size_t take_across(cairn_window *w, uintptr_t start, size_t granules, cairn_dirty_parts *parts)
{
	size_t dirty = 0, chunks = 0;
	unsigned from = (unsigned)cairn_granule_in_chunk(start);
	cairn_corefile_show(w, start, start + (granules << CAIRN_GRANULE_SHIFT));
	for (cairn_chunk *c = cairn_window_chunk(w, start); granules; c++, chunks++, from = 0) {
		unsigned room = CAIRN_CHUNK_GRANULES - from, n = granules > room ? room : (unsigned)granules;
		add_parts(parts, w, c, from, n);
		dirty += chunk_take(c, from, n);
		if (chunks) {
			c->lead = (uint32_t)chunks;
			set_lead_granules(c, (unsigned)n);
		}
		granules -= n;
	}
	return dirty;
}

/* The header of the span that begins at `base`, filled in. */
static cairn_span *span_begin(cairn_window *w, uintptr_t base, size_t granules, cairn_span_kind kind, bool is_zero)
{
	cairn_chunk *c = cairn_window_chunk(w, base);
	size_t from = cairn_granule_in_chunk(base);
	size_t here = granules < CAIRN_CHUNK_GRANULES - from ? granules : CAIRN_CHUNK_GRANULES - from;
	for (size_t i = 0; i < here; i++)
		c->back[from + i] = (uint8_t)i;
	cairn_span *s = &c->spans[from];
	*s = (cairn_span){ .base = (char *)base, .kind = (uint8_t)kind, .is_zero = is_zero };
	cairn_node_init(&s->node);
	set_used(used_granules + granules);
	return s;
}

/* ---- Under a limit on address space or data what is left at a chunk's end counts: large blocks may begin there. */

/* Free granules at the chunk's end, or at its open end. */
static unsigned free_before(const cairn_chunk *c, unsigned end)
{
	unsigned n = 0;
	while (n < end && c->free >> (end - 1 - n) & 1)
		n++;
	return n;
}

/* n granules at the end of one chunk and the start of the next, or 0. */
static uintptr_t find_crossing(unsigned n)
{
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		for (uintptr_t p = r->start + CAIRN_CHUNK_BYTES; p < r->open_end; p += CAIRN_CHUNK_BYTES) {
			cairn_chunk *c = cairn_window_chunk(r->window, p);
			if (c->is_private || !(c->free & 1))
				continue;
			unsigned before = free_before(c - 1, CAIRN_CHUNK_GRANULES);
			unsigned behind = ~c->free ? cairn_bits128_lowest(~c->free) : CAIRN_CHUNK_GRANULES;
			before = before < n ? before : n - 1;
			if (before && before + behind >= n)
				return p - ((uintptr_t)before << CAIRN_GRANULE_SHIFT);
		}
	return 0;
}

/* The same at the open end of the newest region: only what is missing is opened. */
static uintptr_t open_crossing(unsigned n)
{
	cairn_page_region *r = cairn_window_newest();
	if (!r || r->open_end == r->start)
		return 0;
	uintptr_t end = r->open_end, last = end - CAIRN_GRANULE_BYTES;
	unsigned at = (unsigned)cairn_granule_in_chunk(last) + 1,
		 there = free_before(cairn_window_chunk(r->window, last), at);
	if (at - there + n <= CAIRN_CHUNK_GRANULES || there >= n)
		return 0; /* it fits into the chunk */
	size_t bytes = (size_t)(n - there) << CAIRN_GRANULE_SHIFT;
	cairn_page_region *at_end = cairn_window_reserve(bytes);
	if (at_end != r || !cairn_window_open(r, bytes))
		return 0;
	give_clean(r->window, end, end + bytes);
	return end - ((uintptr_t)there << CAIRN_GRANULE_SHIFT);
}

static cairn_span *alloc_crossing(unsigned n, cairn_span_kind kind, cairn_dirty_parts *parts)
{
	uintptr_t start = find_crossing(n);
	start = start ? start : open_crossing(n);
	if (!start)
		return NULL;
	cairn_window *w = cairn_window_of(start);
	if (!chunk_has_spans(cairn_window_chunk(w, start)))
		return NULL;
	size_t dirty = take_across(w, start, n, parts);
	note_rewanted(n - dirty);
	return span_begin(w, start, n, kind, !dirty);
}

static cairn_span *alloc_within(unsigned n, unsigned align, cairn_span_kind kind, cairn_dirty_parts *parts)
{
	int at = 0;
	cairn_chunk *c = find_chunk(n, align, &at);
	bool may_cross = !c && align == 1 && (kind == CAIRN_SPAN_LARGE || kind == CAIRN_SPAN_HEAP_LARGE) &&
	                 cairn_limits_are_tight();
	cairn_span *crossing = may_cross ? alloc_crossing(n, kind, parts) : NULL;
	if (crossing)
		return crossing;
	if (!c)
		c = open_small(n, align, &at);
	if (!c || !chunk_has_spans(c))
		return NULL;
	cairn_window *w = chunk_window(c);
	uintptr_t start = cairn_window_chunk_start(w, c) + ((uintptr_t)at << CAIRN_GRANULE_SHIFT);
	cairn_corefile_show(w, start, start + ((uintptr_t)n << CAIRN_GRANULE_SHIFT));
	add_parts(parts, w, c, (unsigned)at, n);
	unsigned dirty = chunk_take(c, (unsigned)at, n);
	note_rewanted(n - dirty);
	return span_begin(w, start, n, kind, !dirty);
}

static cairn_span *alloc_across(size_t n, cairn_span_kind kind, bool is_sparse, cairn_dirty_parts *parts)
{
	cairn_window *w = NULL;
	size_t bytes = n << CAIRN_GRANULE_SHIFT;
	uintptr_t start = find_chunks(cairn_round_up(bytes, CAIRN_CHUNK_BYTES) >> CAIRN_CHUNK_SHIFT, &w);
	if (!start)
		start = open_chunks(bytes, &w);
	if (!start || !chunk_has_spans(cairn_window_chunk(w, start)))
		return NULL;
	cairn_huge_taking(w, start, n, is_sparse);
	size_t dirty = take_across(w, start, n, parts);
	note_rewanted(n - dirty);
	return span_begin(w, start, n, kind, !dirty);
}

/* Frees [start, start + granules), across chunks, clearing leads. */
static void give_across(cairn_window *w, uintptr_t start, size_t granules, bool is_dirty)
{
	while (granules) {
		cairn_chunk *c = cairn_window_chunk(w, start);
		unsigned from = (unsigned)cairn_granule_in_chunk(start);
		unsigned n = granules > CAIRN_CHUNK_GRANULES - from ? CAIRN_CHUNK_GRANULES - from : (unsigned)granules;
		if (from < c->lead_granules) {
			set_lead_granules(c, from);
			if (!from)
				c->lead = 0;
		}
		chunk_give(c, from, n, is_dirty);
		granules -= n;
		start += (uintptr_t)n << CAIRN_GRANULE_SHIFT;
	}
}

/* More than a chunk's alignment: a longer span, its ends cut off. A span over 128 granules begins with a chunk, so the
 * header moves to where the aligned part begins. */
static cairn_span *alloc_far_aligned(
	size_t n, size_t align, cairn_span_kind kind, bool is_sparse, cairn_dirty_parts *parts)
{
	cairn_span *wide = alloc_across(n + align, kind, is_sparse, parts);
	if (!wide)
		return NULL;
	uintptr_t base = (uintptr_t)wide->base, start = cairn_round_up(base, align << CAIRN_GRANULE_SHIFT);
	cairn_window *w = cairn_window_of(base);
	bool zero = wide->is_zero;
	if (!chunk_has_spans(cairn_window_chunk(w, start)))
		start = base; /* no memory for the header: give all back */
	wide->kind = CAIRN_SPAN_NONE;
	set_used(used_granules - n - align);
	give_across(w, base, n + align, true);
	if (start == base && base % (align << CAIRN_GRANULE_SHIFT))
		return NULL;
	parts->count = 0;
	take_across(w, start, n, parts); /* all of it was just given back as dirty */
	if (zero)
		parts->count = 0;
	return span_begin(w, start, n, kind, zero);
}

static void unlock_and_try(void)
{
	uintptr_t trial = cairn_huge_take_trial();
	unlock_pageheap();
	if (cairn_unlikely(trial))
		cairn_huge_try(trial);
}

cairn_span *cairn_pageheap_alloc_parts(
	size_t granules, size_t align_granules, cairn_span_kind kind, bool is_sparse, cairn_dirty_parts *parts)
{
	cairn_span *s;
	parts->count = 0;
	if (granules > SIZE_MAX >> (CAIRN_GRANULE_SHIFT + 1) || align_granules > SIZE_MAX >> (CAIRN_GRANULE_SHIFT + 1))
		return NULL;
	lock_pageheap();
	if (align_granules > CAIRN_CHUNK_GRANULES)
		s = alloc_far_aligned(granules < CAIRN_CHUNK_GRANULES ? CAIRN_CHUNK_GRANULES : granules, align_granules,
			kind, is_sparse, parts);
	else if (granules > CAIRN_CHUNK_GRANULES)
		s = alloc_across(granules, kind, is_sparse, parts);
	else
		s = alloc_within((unsigned)granules, (unsigned)align_granules, kind, parts);
	if (s && cairn_span_is_managed(kind))
		managed_granules += granules;
	unlock_and_try();
	return s;
}

cairn_span *cairn_pageheap_alloc(size_t granules, size_t align_granules, cairn_span_kind kind, bool *is_zero)
{
	cairn_dirty_parts parts;
	cairn_span *s = cairn_pageheap_alloc_parts(granules, align_granules, kind, false, &parts);
	if (is_zero)
		*is_zero = !parts.count;
	return s;
}

/* ---- The private region ---- */

uintptr_t cairn_pageheap_private(size_t bytes)
{
	lock_pageheap();
	if (!private_region) {
		cairn_node_init(&private_chunks);
		private_region = cairn_window_reserve_private(bytes);
	}
	uintptr_t base = private_region ? private_region->start : 0;
	unlock_pageheap();
	return base;
}

/* Makes so many chunks in a row free, those that are so at the open end among them; the first one's start or 0. */
static uintptr_t open_private(size_t chunks)
{
	cairn_page_region *r = private_region;
	cairn_window *w = r->window;
	uintptr_t start = r->open_end, end = start;
	size_t missing = chunks;
	for (; missing > 1 && start > r->start; start -= CAIRN_CHUNK_BYTES, missing--)
		if (cairn_window_chunk(w, start - CAIRN_CHUNK_BYTES)->longest != CAIRN_CHUNK_GRANULES)
			break;
	size_t bytes = missing << CAIRN_CHUNK_SHIFT;
	if (!cairn_window_extend_private(r, bytes) || !cairn_window_open(r, bytes))
		return 0;
	for (uintptr_t at = end; at < r->open_end; at += CAIRN_CHUNK_BYTES)
		cairn_window_chunk(w, at)->is_private = true;
	give_clean(w, end, r->open_end);
	if (chunks == 1)
		cairn_huge_opened(w, end, r->open_end);
	return start;
}

static cairn_span *alloc_private(size_t granules, cairn_span_kind kind)
{
	cairn_window *w = private_region->window;
	size_t chunks = granules / CAIRN_CHUNK_GRANULES, dirty = 0;
	uintptr_t start = 0;
	if (chunks > 1)
		start = find_in_region(private_region, chunks, 0, &dirty);
	else if (!cairn_list_is_empty(&private_chunks))
		start = cairn_window_chunk_start(w, cairn_container(private_chunks.next, cairn_chunk, node));
	if (!start)
		start = open_private(chunks);
	if (!start || !chunk_has_spans(cairn_window_chunk(w, start)))
		return NULL;
	if (chunks > 1) /* else as one of many that are opened in turn */
		cairn_huge_taking(w, start, granules, false);
	dirty = take_across(w, start, granules, NULL);
	note_rewanted(granules - dirty);
	return span_begin(w, start, granules, kind, !dirty);
}

cairn_span *cairn_pageheap_alloc_private(size_t granules, cairn_span_kind kind, bool *is_zero)
{
	cairn_assert(granules && granules % CAIRN_CHUNK_GRANULES == 0 && cairn_span_is_managed(kind));
	lock_pageheap();
	cairn_span *s = alloc_private(granules, kind);
	if (s) {
		managed_granules += granules;
		*is_zero = s->is_zero;
	}
	unlock_and_try();
	return s;
}

void cairn_pageheap_free(cairn_span *s, size_t granules, size_t touched)
{
	lock_pageheap();
	uintptr_t base = (uintptr_t)s->base;
	if (cairn_span_is_managed(s->kind))
		managed_granules -= granules;
	s->kind = CAIRN_SPAN_NONE;
	cairn_huge_freeing(base);
	set_used(used_granules - granules);
	cairn_window *w = cairn_window_of(base);
	give_across(w, base, touched, true);
	give_across(w, base + (touched << CAIRN_GRANULE_SHIFT), granules - touched, false);
	unlock_pageheap();
}

/* Each is tried and timed: where the host must first find the memory 256 huge pages took 3 s, and single ones 0.5. */
static void fill_as_huge(cairn_window *w, uintptr_t chunk)
{
	lock_pageheap();
	bool is_huge = cairn_huge_filling(w, chunk);
	unlock_pageheap();
	if (is_huge)
		cairn_huge_try(chunk);
}

void cairn_pageheap_will_fill(const cairn_span *s)
{
	uintptr_t chunk = (uintptr_t)s->base;
	fill_as_huge(cairn_window_of(chunk), chunk);
}

bool cairn_pageheap_prewarm(size_t granules)
{
	size_t page = cairn_vm_page_bytes(), bytes = granules << CAIRN_GRANULE_SHIFT;
	cairn_window *w = NULL;
	lock_pageheap();
	uintptr_t start = open_chunks(cairn_round_up(bytes, CAIRN_CHUNK_BYTES), &w);
	if (start) {
		take_across(w, start, granules, NULL);
		__atomic_store_n(&used_granules, used_granules + granules, __ATOMIC_RELAXED); /* not the highest use */
	}
	unlock_pageheap();
	if (!start)
		return false;
	for (uintptr_t p = start; p < start + bytes; p += page) {
		if (p % CAIRN_CHUNK_BYTES == 0)
			fill_as_huge(w, p);
		*(volatile char *)p = 0;
	}
	lock_pageheap();
	set_used(used_granules - granules);
	give_across(w, start, granules, true);
	unlock_pageheap();
	return true;
}

/* Are the granules of [from, to) all free? *dirty: how many of them are dirty. */
static bool is_free_range(cairn_window *w, uintptr_t from, uintptr_t to, size_t *dirty)
{
	*dirty = 0;
	while (from < to) {
		if (from - w->base >= w->bytes)
			return false;
		cairn_chunk *c = cairn_window_chunk(w, from);
		unsigned at = (unsigned)cairn_granule_in_chunk(from);
		size_t n = (to - from) >> CAIRN_GRANULE_SHIFT;
		n = n > CAIRN_CHUNK_GRANULES - at ? CAIRN_CHUNK_GRANULES - at : n;
		cairn_bits128 run = cairn_bits128_run(at, (unsigned)n);
		if ((c->free & run) != run)
			return false;
		*dirty += cairn_bits128_count(c->dirty & run);
		from += n << CAIRN_GRANULE_SHIFT;
	}
	return true;
}

/* Opens what lies between the newest region's open end and `to`, when that is where `from` has come to. */
static void open_behind(cairn_window *w, uintptr_t from, uintptr_t to)
{
	cairn_page_region *r = cairn_window_newest();
	uintptr_t end = r->open_end;
	size_t dirty;
	if (r->window != w || end < from || end >= to || !is_free_range(w, from, end, &dirty))
		return;
	if (cairn_window_reserve(to - end) == r && cairn_window_open(r, to - end))
		give_clean(w, end, to);
}

/* Adds the free granules of [from, to) to span s, which ends at from. */
static void take_behind(cairn_window *w, cairn_span *s, uintptr_t from, uintptr_t to)
{
	cairn_chunk *first = cairn_window_chunk(w, (uintptr_t)s->base);
	size_t clean = 0;
	cairn_corefile_show(w, from, to);
	while (from < to) {
		cairn_chunk *c = cairn_window_chunk(w, from);
		unsigned at = (unsigned)cairn_granule_in_chunk(from);
		size_t n = (to - from) >> CAIRN_GRANULE_SHIFT;
		n = n > CAIRN_CHUNK_GRANULES - at ? CAIRN_CHUNK_GRANULES - at : n;
		clean += n - chunk_take(c, at, (unsigned)n);
		if (c != first) {
			c->lead = (uint32_t)(c - first);
			set_lead_granules(c, at + (unsigned)n);
		} else {
			for (size_t g = at; g < at + n; g++)
				c->back[g] = (uint8_t)(g - cairn_granule_in_chunk((uintptr_t)s->base));
		}
		from += n << CAIRN_GRANULE_SHIFT;
	}
	note_rewanted(clean);
}

bool cairn_pageheap_grow(cairn_span *s, size_t from_granules, size_t to_granules, size_t *dirty)
{
	uintptr_t base = (uintptr_t)s->base;
	size_t at = cairn_granule_in_chunk(base);
	if (to_granules > SIZE_MAX >> (CAIRN_GRANULE_SHIFT + 1) || (at && at + to_granules > CAIRN_CHUNK_GRANULES))
		return false; /* a span that crosses chunks begins with one */
	uintptr_t from = base + (from_granules << CAIRN_GRANULE_SHIFT),
		  to = base + (to_granules << CAIRN_GRANULE_SHIFT);
	lock_pageheap();
	cairn_window *w = cairn_window_of(base);
	open_behind(w, from, to);
	size_t there;
	bool ok = is_free_range(w, from, to, &there) && (!dirty || there <= *dirty);
	if (ok) {
		if (dirty)
			*dirty = there;
		take_behind(w, s, from, to);
		set_used(used_granules + to_granules - from_granules);
	}
	unlock_pageheap();
	return ok;
}

void cairn_pageheap_shrink(cairn_span *s, size_t from_granules, size_t to_granules, size_t touched)
{
	cairn_assert(to_granules && to_granules <= from_granules && touched <= from_granules);
	lock_pageheap();
	uintptr_t start = (uintptr_t)s->base + (to_granules << CAIRN_GRANULE_SHIFT);
	set_used(used_granules - (from_granules - to_granules));
	cairn_window *w = cairn_window_of(start);
	size_t dirty = touched > to_granules ? touched - to_granules : 0;
	give_across(w, start, dirty, true);
	give_across(w, start + (dirty << CAIRN_GRANULE_SHIFT), from_granules - to_granules - dirty, false);
	unlock_pageheap();
}

/* The first run of c that is dirty and made of whole OS pages; *n its length, 0 for none. */
static unsigned dirty_run(const cairn_chunk *c, size_t most_granules, unsigned *n)
{
	unsigned unit = (unsigned)(cairn_vm_page_bytes() >> CAIRN_GRANULE_SHIFT), at = 0;
	*n = 0;
	if (unit <= 1) {
		at = cairn_bits128_lowest(c->dirty);
		cairn_bits128 behind = ~(c->dirty >> at);
		*n = behind ? cairn_bits128_lowest(behind) : CAIRN_CHUNK_GRANULES;
		*n = *n > most_granules ? (unsigned)most_granules : *n;
		return at;
	}
	for (unsigned g = 0; g < CAIRN_CHUNK_GRANULES && *n < most_granules; g += unit) {
		cairn_bits128 page = cairn_bits128_run(g, unit);
		bool is_in = (c->free & page) == page && (c->dirty & page);
		if (is_in && !*n)
			at = g;
		if (is_in)
			*n += unit;
		else if (*n)
			break;
	}
	return at;
}

bool cairn_pageheap_take_dirty(cairn_dirty_run *run, size_t most_granules)
{
	lock_pageheap();
	bool found = false;
	for (cairn_node *node = dirty_chunks.next; !found && node && node != &dirty_chunks; node = node->next) {
		cairn_chunk *c = cairn_container(node, cairn_chunk, dirty_node);
		unsigned n = 0, at = dirty_run(c, most_granules, &n);
		if (!n)
			continue; /* dirty granules that share their OS page with used ones */
		bool is_whole = !~c->dirty && c->is_huge; /* gone at once, and may come back so */
		if (is_whole)
			n = CAIRN_CHUNK_GRANULES;
		run->start = cairn_window_chunk_start(chunk_window(c), c) + ((uintptr_t)at << CAIRN_GRANULE_SHIFT);
		run->granules = n;
		run->is_huge = c->is_huge && !is_whole;
		c->is_huge = is_whole;
		chunk_take(c, at, n);
		purging_granules += n;
		found = true;
	}
	unlock_pageheap();
	return found;
}

void cairn_pageheap_give_run(const cairn_dirty_run *run, bool purged)
{
	lock_pageheap();
	cairn_window *w = cairn_window_of(run->start);
	purging_granules -= run->granules;
	if (purged) {
		purged_granules += run->granules;
		purged_free_granules += run->granules;
	}
	chunk_give(cairn_window_chunk(w, run->start), (unsigned)cairn_granule_in_chunk(run->start),
		(unsigned)run->granules, !purged);
	unlock_pageheap();
}

bool cairn_pageheap_take_bare(uintptr_t p, cairn_dirty_run *bare, void **headers)
{
	unsigned per_page = (unsigned)(cairn_vm_page_bytes() / sizeof(cairn_span));
	if (per_page > CAIRN_CHUNK_GRANULES)
		return false;
	lock_pageheap();
	cairn_window *w = cairn_window_of(p);
	cairn_chunk *c = cairn_window_chunk(w, p);
	unsigned from = (unsigned)cairn_round_down(cairn_granule_in_chunk(p), per_page);
	cairn_bits128 all = cairn_bits128_run(from, per_page);
	bool is_bare = c->spans && (c->free & ~c->dirty & all) == all;
	if (is_bare) {
		chunk_take(c, from, per_page);
		purging_granules += per_page;
		uintptr_t start = cairn_window_chunk_start(w, c) + ((uintptr_t)from << CAIRN_GRANULE_SHIFT);
		*bare = (cairn_dirty_run){ .start = start, .granules = per_page };
		*headers = &c->spans[from];
	}
	unlock_pageheap();
	return is_bare;
}

void cairn_pageheap_give_bare(const cairn_dirty_run *bare)
{
	lock_pageheap();
	purging_granules -= bare->granules;
	chunk_give(cairn_window_chunk(cairn_window_of(bare->start), bare->start),
		(unsigned)cairn_granule_in_chunk(bare->start), (unsigned)bare->granules, false);
	unlock_pageheap();
}

cairn_pageheap_numbers cairn_pageheap_count(void)
{
	lock_pageheap();
	cairn_pageheap_numbers n = {
		.open_granules = cairn_window_open_bytes() >> CAIRN_GRANULE_SHIFT,
		.used_granules = used_granules,
		.managed_granules = managed_granules,
		.free_granules = free_granules,
		.dirty_granules = dirty_granules,
		.purged_granules = purged_granules,
	};
	unlock_pageheap();
	return n;
}

static size_t clean_granules(void)
{
	size_t free = __atomic_load_n(&free_granules, __ATOMIC_RELAXED); /* two hints, read one after the other */
	size_t dirty = __atomic_load_n(&dirty_granules, __ATOMIC_RELAXED); /* likewise */
	return free > dirty ? free - dirty : 0;
}

bool cairn_pageheap_hide_is_due(void) { return cairn_corefile_is_due(clean_granules()); }

bool cairn_pageheap_hide_step(void)
{
	lock_pageheap();
	bool more = cairn_corefile_hide(clean_granules());
	unlock_pageheap();
	return more;
}

/* The four below are hints for purging, relaxed: a stale value only shifts when it happens. */
size_t cairn_pageheap_dirty_bytes(void)
{
	return __atomic_load_n(&dirty_granules, __ATOMIC_RELAXED) << CAIRN_GRANULE_SHIFT;
}

size_t cairn_pageheap_used_bytes(void)
{
	return __atomic_load_n(&used_granules, __ATOMIC_RELAXED) << CAIRN_GRANULE_SHIFT;
}

size_t cairn_pageheap_highest_used_bytes(void)
{
	return __atomic_load_n(&highest_used_granules, __ATOMIC_RELAXED) << CAIRN_GRANULE_SHIFT; /* likewise */
}

size_t cairn_pageheap_rewanted_bytes(void)
{
	return __atomic_load_n(&rewanted_granules, __ATOMIC_RELAXED) << CAIRN_GRANULE_SHIFT; /* likewise */
}

/* Calls visit for each span of the chunk that begins in it. */
static void visit_chunk(cairn_chunk *c, void (*visit)(cairn_span *, void *), void *arg)
{
	for (size_t g = 0; c->spans && g < CAIRN_CHUNK_GRANULES; g++)
		if (c->spans[g].kind != CAIRN_SPAN_NONE)
			visit(&c->spans[g], arg);
}

void cairn_pageheap_visit(void (*visit)(cairn_span *s, void *arg), void *arg)
{
	lock_pageheap();
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		for (uintptr_t p = r->start; p < r->open_end; p += CAIRN_CHUNK_BYTES)
			visit_chunk(cairn_window_chunk(r->window, p), visit, arg);
	unlock_pageheap();
}

bool cairn_pageheap_forget_huge(const void *p)
{
	lock_pageheap();
	cairn_window *w = cairn_window_of((uintptr_t)p);
	cairn_chunk *c = cairn_window_chunk(w, (uintptr_t)p);
	bool was = c->is_huge;
	c->is_huge = 0;
	unlock_pageheap();
	return was;
}

void cairn_pageheap_lock(void) { lock_pageheap(); }
void cairn_pageheap_unlock(void) { unlock_pageheap(); }

void cairn_pageheap_fork_child(void)
{
	cairn_lock_renew(&pageheap_lock);
	/* What another thread was purging when the process forked is nobody's here; it stays unused until exit. Its
	 * amount is at most one run a thread. */
}

/* Sums of one chunk, checked on the way. */
static void validate_chunk(cairn_window *w, cairn_chunk *c, uintptr_t end, size_t sums[3])
{
	cairn_assert((c->dirty & ~c->free) == 0);                       /* P1 */
	cairn_assert(c->longest == cairn_bits128_longest_run(c->free)); /* P3 */
	cairn_assert(!c->longest || c->node.next->prev == &c->node);    /* P3 */
	sums[0] += cairn_bits128_count(c->free);
	sums[1] += cairn_bits128_count(c->dirty);
	uintptr_t start = cairn_window_chunk_start(w, c);
	cairn_assert(!c->is_huge || start + CAIRN_CHUNK_BYTES <= end); /* H1 */
	for (size_t g = 0; g < CAIRN_CHUNK_GRANULES && start + (g << CAIRN_GRANULE_SHIFT) < end; g++) {
		bool is_free = c->free >> g & 1;
		cairn_span *s = is_free ? NULL : cairn_window_span(start + (g << CAIRN_GRANULE_SHIFT));
		bool is_used = g < c->lead_granules || s;
		cairn_assert(!is_used || is_free || !(c->hidden >> g & 1)); /* D1 */
		sums[2] += is_used && !is_free;
	}
}

void cairn_pageheap_validate(void)
{
	lock_pageheap();
	size_t sums[3] = { 0 };
	cairn_corefile_validate(); /* D1 to D4 */
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		for (uintptr_t p = r->start; p < r->open_end; p += CAIRN_CHUNK_BYTES)
			validate_chunk(r->window, cairn_window_chunk(r->window, p), r->open_end, sums);
	cairn_assert(sums[0] == free_granules && sums[1] == dirty_granules); /* P4 */
	cairn_assert(free_granules + used_granules + purging_granules ==
		     cairn_window_open_bytes() >> CAIRN_GRANULE_SHIFT); /* P2 */
	unlock_pageheap();
}
