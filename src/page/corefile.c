/* page/corefile.c - hiding free memory from core files. The design and the invariants are in corefile.h. */
#include "page/corefile.h"

#include "base/assert.h"
#include "os/vm.h"

enum {
	HIDE_FROM = (16 << 20) / CAIRN_GRANULE_BYTES,
	HIDE_TO = (8 << 20) / CAIRN_GRANULE_BYTES,
	CALLS_MOST = 16,  /* a step: some 40 us under the lock */
	CHUNKS_MOST = 256, /* looked at in a step */
	AHEAD_CHUNKS = 3, /* shown with what is wanted, as far as they are hidden: up to 8 MiB in one call */
	RUNS_ANY = 1024, RUN_SHORT = 2,
	RUNS_LONG = 3072, RUN_LONG = 8,
	RUNS_MOST = 4096,
};

static size_t hidden_granules; /* sync: pageheap_lock; also read without */
static size_t hidden_runs;     /* sync: pageheap_lock */
static size_t looked_at;       /* sync: pageheap_lock; also read without: shown and clean when a look at all ended */
static cairn_page_region *look_region; /* sync: pageheap_lock; where the last step stopped; NULL: begin anew */
static uintptr_t look_chunk;           /* sync: pageheap_lock */
static bool is_whole_look;             /* sync: pageheap_lock; did it begin with the first chunk? */

size_t cairn_corefile_hidden_granules(void)
{
	return __atomic_load_n(&hidden_granules, __ATOMIC_RELAXED); /* a hint */
}

size_t cairn_corefile_runs(void) { return hidden_runs; }

static size_t shown_granules(size_t clean_granules)
{
	size_t hidden = cairn_corefile_hidden_granules();
	return clean_granules > hidden ? clean_granules - hidden : 0; /* hidden ones may be out with their headers */
}

/* After a look at all chunks that found no more to hide, it takes some change to look again. */
bool cairn_corefile_is_due(size_t clean_granules)
{
	size_t shown = shown_granules(clean_granules), then = __atomic_load_n(&looked_at, __ATOMIC_RELAXED);
	/* relaxed: a hint, like what it is compared with */
	return shown > HIDE_FROM && (shown > then ? shown - then : then - shown) > HIDE_TO;
}

/* ---- the books ---- */

/* Runs that begin in c: the one over its first granule may have begun before. */
static unsigned runs_in(const cairn_window *w, const cairn_chunk *c)
{
	cairn_bits128 before = c > w->chunks ? c[-1].hidden >> (CAIRN_CHUNK_GRANULES - 1) : 0;
	return cairn_bits128_count(c->hidden & ~(c->hidden << 1 | before));
}

static unsigned runs_around(const cairn_window *w, const cairn_chunk *c)
{
	bool is_last = c + 1 == w->chunks + (w->bytes >> CAIRN_CHUNK_SHIFT);
	return runs_in(w, c) + (is_last ? 0 : runs_in(w, c + 1));
}

static void set_hidden(const cairn_window *w, cairn_chunk *c, cairn_bits128 hidden)
{
	size_t granules = hidden_granules - cairn_bits128_count(c->hidden) + cairn_bits128_count(hidden);
	hidden_runs -= runs_around(w, c);
	c->hidden = hidden;
	hidden_runs += runs_around(w, c);
	__atomic_store_n(&hidden_granules, granules, __ATOMIC_RELAXED); /* a hint for is_due, no order needed */
}

/* The granules of c within [from, to), of which some are. */
static cairn_bits128 part_of(cairn_window *w, const cairn_chunk *c, uintptr_t from, uintptr_t to)
{
	uintptr_t start = cairn_window_chunk_start(w, c);
	size_t first = from > start ? (from - start) >> CAIRN_GRANULE_SHIFT : 0;
	size_t end = to - start < CAIRN_CHUNK_BYTES ? (to - start) >> CAIRN_GRANULE_SHIFT : CAIRN_CHUNK_GRANULES;
	return cairn_bits128_run((unsigned)first, (unsigned)(end - first));
}

/* The first run of b; *n its length. b must not be 0. */
static unsigned first_run(cairn_bits128 b, unsigned *n)
{
	unsigned from = cairn_bits128_lowest(b);
	cairn_bits128 behind = ~(b >> from);
	*n = behind ? cairn_bits128_lowest(behind) : CAIRN_CHUNK_GRANULES;
	return from;
}

/* ---- hide ---- */

/* How many granules a run must have now. */
static unsigned shortest_run(void)
{
	if (hidden_runs >= RUNS_MOST)
		return CAIRN_CHUNK_GRANULES + 1;
	return hidden_runs < RUNS_ANY ? RUN_SHORT : hidden_runs < RUNS_LONG ? RUN_LONG : CAIRN_CHUNK_GRANULES;
}

/* What of c may be hidden: free and clean, in whole OS pages. */
static cairn_bits128 hideable(const cairn_chunk *c)
{
	cairn_bits128 clean = c->free & ~c->dirty, whole = 0;
	unsigned unit = (unsigned)(cairn_vm_page_bytes() >> CAIRN_GRANULE_SHIFT);
	if (unit <= 1)
		return clean;
	for (unsigned g = 0; g < CAIRN_CHUNK_GRANULES; g += unit) {
		cairn_bits128 page = cairn_bits128_run(g, unit);
		whole |= (clean & page) == page ? page : 0;
	}
	return whole;
}

/* Hides [from, to), which is free and clean; some of it may be hidden already. */
static bool hide_range(cairn_window *w, uintptr_t from, uintptr_t to)
{
	if (from == to)
		return true;
	if (!cairn_vm_hide((void *)from, to - from))
		return false;
	cairn_chunk *last = cairn_window_chunk(w, to - 1);
	for (cairn_chunk *c = cairn_window_chunk(w, from); c <= last; c++)
		set_hidden(w, c, c->hidden | part_of(w, c, from, to));
	return true;
}

/* A range of free, clean memory that grows as long as the next piece lies right behind. */
typedef struct hide_range_so_far {
	cairn_window *window;
	uintptr_t from, to;
	unsigned calls;
} hide_range_so_far;

static bool hide_add(hide_range_so_far *h, cairn_window *w, uintptr_t from, uintptr_t to)
{
	if (h->window == w && h->to == from) {
		h->to = to;
		return true;
	}
	bool ok = hide_range(h->window, h->from, h->to);
	h->calls += h->from != h->to;
	h->window = w;
	h->from = from;
	h->to = to;
	return ok;
}

static bool hide_chunk(hide_range_so_far *h, cairn_window *w, cairn_chunk *c)
{
	cairn_bits128 left = hideable(c);
	uintptr_t start = cairn_window_chunk_start(w, c);
	bool ok = true;
	while (left && ok) {
		unsigned n, at = first_run(left, &n);
		cairn_bits128 run = cairn_bits128_run(at, n);
		uintptr_t from = start + ((uintptr_t)at << CAIRN_GRANULE_SHIFT);
		if (n >= shortest_run() && (c->hidden & run) != run)
			ok = hide_add(h, w, from, from + ((uintptr_t)n << CAIRN_GRANULE_SHIFT));
		left &= ~run;
	}
	return ok;
}

/* The next chunk of the look, or NULL at its end; a region's last open chunk is left out (D3). */
static cairn_chunk *next_chunk(void)
{
	if (!look_region) {
		look_region = cairn_window_newest();
		is_whole_look = true;
		look_chunk = look_region ? look_region->start : 0;
	}
	while (look_region && look_chunk + CAIRN_CHUNK_BYTES >= look_region->open_end) {
		look_region = look_region->next;
		look_chunk = look_region ? look_region->start : 0;
	}
	if (!look_region)
		return NULL;
	look_chunk += CAIRN_CHUNK_BYTES;
	return cairn_window_chunk(look_region->window, look_chunk - CAIRN_CHUNK_BYTES);
}

bool cairn_corefile_hide(size_t clean_granules)
{
	hide_range_so_far h = { 0 };
	bool ok = true, is_end = false;
	for (unsigned n = 0; ok && n < CHUNKS_MOST && h.calls < CALLS_MOST; n++) {
		size_t soon = (h.to - h.from) >> CAIRN_GRANULE_SHIFT;
		if (shown_granules(clean_granules) <= HIDE_TO + soon) {
			is_whole_look = false; /* the next one begins here */
			break;
		}
		cairn_chunk *c = next_chunk();
		is_end = !c;
		if (is_end)
			break;
		ok = hide_chunk(&h, look_region->window, c);
	}
	ok = ok && hide_range(h.window, h.from, h.to);
	if (ok && !(is_end && is_whole_look))
		return shown_granules(clean_granules) > HIDE_TO;
	__atomic_store_n(&looked_at, shown_granules(clean_granules), __ATOMIC_RELAXED); /* a hint, as above */
	return false;
}

/* ---- show ---- */

static bool is_some_hidden(cairn_window *w, uintptr_t from, uintptr_t to)
{
	const cairn_chunk *last = cairn_window_chunk(w, to - 1);
	for (const cairn_chunk *c = cairn_window_chunk(w, from); c <= last; c++)
		if (c->hidden && c->hidden & part_of(w, c, from, to))
			return true;
	return false;
}

static bool is_hidden(cairn_window *w, uintptr_t p)
{
	return p - w->base < w->bytes && cairn_window_chunk(w, p)->hidden >> cairn_granule_in_chunk(p) & 1;
}

/* Lengthens [*lo, *hi) by what is hidden next to it, as far as the limits. */
static void lengthen(cairn_window *w, uintptr_t *lo, uintptr_t *hi, uintptr_t lo_limit, uintptr_t hi_limit)
{
	while (*lo > lo_limit && is_hidden(w, *lo - CAIRN_GRANULE_BYTES))
		*lo -= CAIRN_GRANULE_BYTES;
	while (*hi < hi_limit && is_hidden(w, *hi))
		*hi += CAIRN_GRANULE_BYTES;
}

/* Where madvise is refused: what is hidden is clean, so a new mapping in its place has the same contents. */
static void renew(cairn_window *w, uintptr_t lo, uintptr_t hi)
{
	for (uintptr_t p = lo, run = lo; p < hi; p = run = run + CAIRN_GRANULE_BYTES) {
		while (run < hi && is_hidden(w, run))
			run += CAIRN_GRANULE_BYTES;
		if (run > p)
			cairn_vm_renew((void *)p, run - p);
	}
}

/* What is shown with [from, to) is hidden as well, so it is nobody's: a program may have hidden memory of its own in
 * the same chunk, and keeps it so. Showing the whole hidden run only joins mappings: that is granted also where the
 * process may have no more of them. */
void cairn_corefile_show(cairn_window *w, uintptr_t from, uintptr_t to)
{
	if (!is_some_hidden(w, from, to))
		return;
	uintptr_t lo = from, hi = to;
	while (!is_hidden(w, lo))
		lo += CAIRN_GRANULE_BYTES;
	while (!is_hidden(w, hi - CAIRN_GRANULE_BYTES))
		hi -= CAIRN_GRANULE_BYTES;
	lengthen(w, &lo, &hi, cairn_round_down(lo, CAIRN_CHUNK_BYTES),
		cairn_round_up(hi, CAIRN_CHUNK_BYTES) + AHEAD_CHUNKS * (uintptr_t)CAIRN_CHUNK_BYTES);
	if (!cairn_vm_show((void *)lo, hi - lo)) {
		uintptr_t wide_lo = lo, wide_hi = hi;
		lengthen(w, &wide_lo, &wide_hi, 0, UINTPTR_MAX);
		if (cairn_vm_show((void *)wide_lo, wide_hi - wide_lo)) {
			lo = wide_lo;
			hi = wide_hi;
		} else {
			renew(w, lo, hi);
		}
	}
	cairn_chunk *last = cairn_window_chunk(w, hi - 1);
	for (cairn_chunk *c = cairn_window_chunk(w, lo); c <= last; c++)
		set_hidden(w, c, c->hidden & ~part_of(w, c, lo, hi));
}

void cairn_corefile_validate(void)
{
	size_t granules = 0, runs = 0;
	size_t unit = cairn_vm_page_bytes() > CAIRN_GRANULE_BYTES ? cairn_vm_page_bytes() >> CAIRN_GRANULE_SHIFT : 1;
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		for (uintptr_t p = r->start; p < r->open_end; p += CAIRN_CHUNK_BYTES) {
			const cairn_chunk *c = cairn_window_chunk(r->window, p);
			cairn_assert(!(c->hidden & c->dirty));                               /* D1 */
			cairn_assert(!c->hidden || p + CAIRN_CHUNK_BYTES < r->open_end); /* D3 */
			for (unsigned g = 0; g < CAIRN_CHUNK_GRANULES; g++) /* D4 */
				cairn_assert((c->hidden >> g & 1) == (c->hidden >> cairn_round_down(g, unit) & 1));
			granules += cairn_bits128_count(c->hidden);
			runs += runs_in(r->window, c);
		}
	cairn_assert(granules == hidden_granules && runs == hidden_runs); /* D2 */
}
