/* page/huge.h - which chunks are asked to be huge pages: those of which there is evidence that they will be full.
 *
 * A huge page costs a seventh of what its 512 pages cost one by one, and 2 MiB at the first byte. So none is asked for
 * on trust. Evidence is a witness: memory that was handed out plain, of which mincore tells how much was written.
 *
 *   PLAIN ──opened while the heap grows, last witness dense──▶ HUGE
 *     ▲   ──taken clean by a span as long as dense ones were──▶  │
 *     │   ──full at two looks, a second apart─────────────────▶  │
 *     └───a part is purged, or a span takes it without evidence──┘
 *
 * Growth: once the heap has CAIRN_HUGE_FROM_BYTES a new chunk is opened as a whole, and is huge when the last one that
 * was left plain is full: of slabs, whose slots are written to, or as mincore says. Ever rarer ones are left plain, to
 * be the next witness. So no more than the chunk being filled is resident for nothing.
 * Long spans: each that is taken clean and plain is the witness of the next. Spans up to twice its length follow it.
 * Price: in a guest whose host has taken back what lay free, a huge page costs 9 ms instead of 0.1. So the first that
 * is asked for is touched at once and timed, and again when the last trial is a tenth of a second old; if it was dear
 * nothing is asked for in the next second. Where memory is limited by address or data nothing is asked for either.
 *
 * Invariant, checked by the page heap's validator:
 *   (H1) A huge chunk is open as a whole.
 *
 * Locks: all but try and tick under the pageheap lock, the advice too, as for opening: it comes before the first touch
 * or is worth nothing. Failure: advice cannot fail; where mincore is refused nothing is dense.
 * Not here: taking it back before a purge (page/purge.c, malloc/slabpurge.c). Design: docs/design/pageheap.md. */
#ifndef CAIRN_PAGE_HUGE_H
#define CAIRN_PAGE_HUGE_H

#include "page/window.h"

enum { CAIRN_HUGE_FROM_BYTES = 16 << 20 };

/* Whose word counts: evidence; nobody's (no huge page is asked for, and regions are MADV_NOHUGEPAGE from the first, so
 * that THP=always changes nothing); everybody's: every chunk opened, and every span over chunks but sparse ones
 * (zeroed blocks of 32 MiB and more), from the first. Before the first span. */
typedef enum cairn_huge_mode { CAIRN_HUGE_EARNED, CAIRN_HUGE_NEVER, CAIRN_HUGE_EAGER } cairn_huge_mode;
void cairn_huge_set_mode(cairn_huge_mode mode);
/* May mincore be asked? Until this is called, no: a filter of the program's may kill for it (os/sandbox.h). */
void cairn_huge_begin(bool may_look);
/* How much to open from `from` on instead of bytes, so that the last chunk is whole. */
size_t cairn_huge_step(uintptr_t from, size_t bytes);
/* [from, to) was opened for spans of at most a chunk. */
void cairn_huge_opened(cairn_window *w, uintptr_t from, uintptr_t to);
/* A span over chunks is about to take `granules` free ones from start on, a chunk's first. is_sparse: it will not be
 * written all over, whatever others were. */
void cairn_huge_taking(cairn_window *w, uintptr_t start, size_t granules, bool is_sparse);
/* The chunk at start is about to be written all over, by ourselves: huge, unless never or just found dear. True: so
 * it is, and is to be tried. */
bool cairn_huge_filling(cairn_window *w, uintptr_t start);
/* The span at start is about to be freed. */
void cairn_huge_freeing(uintptr_t start);
/* The chunk to try, or 0; to be passed to cairn_huge_try without the lock. */
uintptr_t cairn_huge_take_trial(void);
/* Touches the chunk, whoever has it by now, and remembers what that cost. A class's lock may be held. */
void cairn_huge_try(uintptr_t chunk);
void cairn_huge_dear_inject(uint64_t ns); /* for tests: from here on a trial is dear */
/* One look at all chunks; about once a second. */
void cairn_huge_tick(void);

#endif
