/* page/window.h - the page map: from an address to what is written down about it.
 *
 * A window is a range of addresses with two maps beside it: one byte per granule, the size class of the slab there (0:
 * none, look further), which is all that a fast free reads; and one cairn_chunk per chunk. Only parts of a window are
 * reserved from the OS, in regions that grow upwards next to each other; the rest of its addresses may be anybody's.
 *
 *   window   base ├── region, open ──┤── region, reserved ──┤   (not ours yet, or never)   ┤ base + span
 *   maps          ├── open up to `bytes` ──────────┤  reserved                             ┤
 *
 * The first window is a global whose base and map the fast free reads directly. When the OS puts a region outside it
 * (its addresses were taken), a further window is made for that region: frees there take the slow path, nothing else
 * differs.
 *
 * Invariants, checked by cairn_window_validate():
 *   (W1) `bytes` is a multiple of CAIRN_WINDOW_STEP in the first window, of a chunk in others, only grows, and the maps
 *        are open that far.
 *   (W2) Regions of one window do not overlap, lie inside its `bytes`, and begin with a chunk.
 *   (W3) A granule's class byte is not 0 only inside a span of kind SLAB, and then it is that slab's class.
 *   (W4) cairn_window_of leads from every address of a region to the region's window.
 *
 * Under a limit on data (RLIMIT_DATA) what is open counts, page by page. There the first 8 MiB of the heap are lazy:
 * "open" says of a granule that it may be handed out, and whoever hands out a block of it first opens the OS pages that
 * the block lies in (cairn_window_open_pages). An OS page, once open, stays open.
 *
 * Locks: changed under the pageheap lock; read without (a caller that holds a block in a window learnt of it after the
 * window was published). Failure: NULL, nothing changed.
 * Not here: which granules are free (page/pageheap.h). */
#ifndef CAIRN_PAGE_WINDOW_H
#define CAIRN_PAGE_WINDOW_H

#include "base/assert.h"
#include "page/chunk.h"

#include <stdatomic.h>

enum { CAIRN_WINDOW_STEP = 64 << 20 }; /* what one OS page of class bytes covers, and the unit in which maps open */

typedef struct cairn_window {
	uintptr_t base;            /* const after init; sync: atomic, relaxed: see cairn_window_offset */
	size_t bytes; /* how far the maps are open; sync: pageheap lock to write; grows, but for tries that failed,
	                              so that a reader without the lock at worst takes the slow path */
	uint8_t *class_map;        /* const after init */
	cairn_chunk *chunks;       /* const after init */
	bool maps_are_reserved;    /* else their addresses, below base, are only meant for them; const after init */
	size_t span_bytes;         /* how far it may grow; const after init */
	_Atomic(struct cairn_window *) next; /* sync: atomic; release-published by window_make, acquired by lookups */
} cairn_window;

/* A contiguous range that we reserved, from a chunk's start on. [start, open_end) is open. */
typedef struct cairn_page_region {
	cairn_window *window;      /* const */
	uintptr_t start;           /* const */
	uintptr_t open_end;        /* sync: pageheap lock; a multiple of the granule */
	uintptr_t end;             /* sync: pageheap lock; grows when the next piece comes to lie right behind */
	struct cairn_page_region *next; /* the older one; a private one is never the first; sync: pageheap lock */
	bool is_private;           /* const; its window has no other region, and is reserved as a whole */
} cairn_page_region;

/* The base of a window that is none yet: NULL lies outside also for a thread that sees its bytes grow and not yet its
 * base, as every address that malloc has not returned. */
#define CAIRN_WINDOW_NOWHERE ((uintptr_t)1 << 63)

extern cairn_page_region *cairn_window_regions; /* the newest; for a reader from outside: malloc/outside.h */
extern const void *cairn_window_managed; /* the list of managed heaps, once there is one: likewise; sync: atomic */
extern cairn_window cairn_window_first; /* nowhere and of no bytes until the first region: every address is outside */

/* How far p lies behind the first window's base. Relaxed: whoever holds a block has seen it. */
static inline uintptr_t cairn_window_offset(const void *p)
{
	return (uintptr_t)p - __atomic_load_n(&cairn_window_first.base, __ATOMIC_RELAXED);
}

/* The window that covers p, or NULL. */
static inline cairn_window *cairn_window_of(uintptr_t p)
{
	for (cairn_window *w = &cairn_window_first; w;
	     w = atomic_load_explicit(&w->next, memory_order_acquire)) /* pairs with window_make */
		if (p - w->base < __atomic_load_n(&w->bytes, __ATOMIC_RELAXED)) /* see there */
			return w;
	return NULL;
}

static inline cairn_chunk *cairn_window_chunk(cairn_window *w, uintptr_t p)
{
	return &w->chunks[(p - w->base) >> CAIRN_CHUNK_SHIFT];
}

static inline uintptr_t cairn_window_chunk_start(cairn_window *w, const cairn_chunk *c)
{
	return w->base + ((uintptr_t)(c - w->chunks) << CAIRN_CHUNK_SHIFT);
}

/* The span over the granule of p, which w covers, or NULL. The caller holds a block of it, or the pageheap lock. */
static inline cairn_span *cairn_window_span_in(cairn_window *w, uintptr_t p)
{
	cairn_chunk *c = cairn_window_chunk(w, p);
	size_t g = cairn_granule_in_chunk(p);
	/* Over or under g for as long as the caller's block lives. */
	if (cairn_unlikely(g < __atomic_load_n(&c->lead_granules, __ATOMIC_RELAXED))) {
		const cairn_chunk *first = c - c->lead; /* the span goes to its end, wherever in it it begins */
		return &first->spans[CAIRN_CHUNK_GRANULES - 1 - first->back[CAIRN_CHUNK_GRANULES - 1]];
	}
	if (!c->spans)
		return NULL;
	cairn_span *s = &c->spans[g - c->back[g]];
	/* Relaxed: the caller holds a block of the span, so its kind stands, or asks about nobody's address. */
	return __atomic_load_n(&s->kind, __ATOMIC_RELAXED) == CAIRN_SPAN_NONE ? NULL : s;
}

/* The same, in whatever window. */
static inline cairn_span *cairn_window_span(uintptr_t p)
{
	cairn_window *w = cairn_window_of(p);
	return w ? cairn_window_span_in(w, p) : NULL;
}

/* Does p lie in the open part of a region: in memory that is or was ours to hand out? */
bool cairn_window_is_open(uintptr_t p);

/* Is p reserved for the heap, open or not? Under the pageheap lock. */
bool cairn_window_is_reserved(uintptr_t p);
/* Does p lie in the open part of a window's maps? Under the pageheap lock. */
bool cairn_window_maps_have(uintptr_t p);

/* Brings near what cairn_window_span(p) will read; p lies in a slab, or did. */
static inline void cairn_window_prefetch(uintptr_t p)
{
	if (cairn_window_offset((const void *)p) <
		__atomic_load_n(&cairn_window_first.bytes, __ATOMIC_RELAXED)) { /* relaxed: it only grows */
		const cairn_chunk *c = cairn_window_chunk(&cairn_window_first, p);
		__builtin_prefetch(&c->spans);
		__builtin_prefetch(&c->back[cairn_granule_in_chunk(p)]);
	}
}

/* The span that p lies in if that is a slab, else a header of whatever kind, or NULL. Of its fields only kind can be
 * believed before that is known; nothing of it is read here, so that it can be prefetched. */
static inline cairn_span *cairn_window_header(uintptr_t p)
{
	if (cairn_unlikely(cairn_window_offset((const void *)p) >=
			   __atomic_load_n(&cairn_window_first.bytes, __ATOMIC_RELAXED))) /* relaxed: it only grows */
		return cairn_window_span(p);
	const cairn_chunk *c = cairn_window_chunk(&cairn_window_first, p);
	size_t g = cairn_granule_in_chunk(p);
	return c->spans ? &c->spans[g - c->back[g]] : NULL;
}

/* The slab over the granule that lies `offset` bytes into the first window; there is one. */
static inline cairn_span *cairn_window_slab(uintptr_t offset)
{
	const cairn_chunk *c = &cairn_window_first.chunks[offset >> CAIRN_CHUNK_SHIFT];
	size_t g = cairn_granule_in_chunk(offset);
	return &c->spans[g - c->back[g]];
}

/* How far behind that slab's start this lies. */
static inline size_t cairn_window_slab_offset(uintptr_t offset)
{
	const cairn_chunk *c = &cairn_window_first.chunks[offset >> CAIRN_CHUNK_SHIFT];
	size_t granules = c->back[cairn_granule_in_chunk(offset)];
	return (offset & (CAIRN_GRANULE_BYTES - 1)) + (granules << CAIRN_GRANULE_SHIFT);
}

/* The class byte of every granule of [start, start + granules). sync: the caller owns the span. */
void cairn_window_set_class(uintptr_t start, size_t granules, uint8_t size_class);

/* A region whose reserved part behind open_end has at least bytes: the newest one, extended, or a new one, which then
 * is the newest. Under the pageheap lock. NULL: the OS refused. */
cairn_page_region *cairn_window_reserve(size_t bytes);
cairn_page_region *cairn_window_newest(void); /* returns borrowed, NULL before the first */
/* A private region, which ends where it begins: a window of its own, of so many bytes and aligned to them (a power of
 * two). Under the pageheap lock. NULL: refused. */
cairn_page_region *cairn_window_reserve_private(size_t bytes);
/* Its reserved part behind open_end has at least bytes from now on. False: the window ends before, or refused. */
bool cairn_window_extend_private(cairn_page_region *r, size_t bytes);
/* Moves region->open_end by bytes (a multiple of the granule) and opens them. False: refused. */
bool cairn_window_open(cairn_page_region *r, size_t bytes);
size_t cairn_window_open_bytes(void); /* sum over all regions */

extern size_t cairn_window_lazy_bytes; /* of the first window, from its base on; 0 without a limit; const after init */

/* Must the OS pages of a block at p be opened before it is handed out? A span's first address answers for all of it:
 * pages outside are open. */
static inline bool cairn_window_is_lazy(const void *p)
{
	return cairn_window_offset(p) < cairn_window_lazy_bytes;
}

/* Opens the OS pages that [p, p + bytes) lies in, as far as they are lazy. The caller owns the span. False: the OS
 * refused. */
bool cairn_window_open_lazy(const void *p, size_t bytes);
static inline bool cairn_window_open_pages(const void *p, size_t bytes)
{
	return cairn_likely(!cairn_window_is_lazy(p)) || cairn_window_open_lazy(p, bytes);
}
bool cairn_window_pages_are_open(const void *p, size_t bytes);

void cairn_window_validate(void);

#endif
