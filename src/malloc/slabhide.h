/* malloc/slabhide.h - keeps pages that were purged inside slabs in use out of core files.
 *
 * Such a page stays open, and counts in a core file's length as a hole. Up to 24 MiB of them stay so; what is purged
 * beyond is hidden (MADV_DONTDUMP), and shown again before a slot on it is handed out. A slab is hidden or not: hidden,
 * all its clean pages are.
 *
 *   clean pages shown ──purged while more than 24 MiB are shown──▶ hidden ──a slot on them is taken──▶ those in use
 *          ▲                                                          │
 *          └── showing only those was refused: all of the slab's ─────┘
 *
 * Few mappings: each run of hidden pages splits its neighbour, so there are at most 12,288, with those of free memory
 * (page/corefile.h) half of the 65,530 mappings that Linux allows by default. A refused hiding is taken for the end of
 * them: half as many runs from then on.
 *
 * Invariants, checked by cairn_slabhide_validate() while nobody else is at work:
 *   (H1) shown and hidden pages, and runs of hidden ones, are those of all slabs.
 *   (H2) A hidden slab has a clean page, and only clean pages of it may be hidden. (It is never said to be shown what
 *        may be hidden; what is said to be hidden may be shown.)
 *
 * Locks: all under the owner's lock of the slab, but hide (its slots are held). The sums are relaxed atomics.
 * Failure: what cannot be hidden stays shown. Where showing is refused, all of the slab's clean pages are shown, which
 * joins mappings and makes no new one; where that is refused too they are mapped anew, being zero; where a filter
 * forbids that, they are used as they are, and missing in a core file.
 * Not here: which pages are purged (malloc/slabpurge.h). Design: docs/design/pageheap.md. */
#ifndef CAIRN_MALLOC_SLABHIDE_H
#define CAIRN_MALLOC_SLABHIDE_H

#include "page/chunk.h"

/* The books: s has these clean pages now, hidden or not. Under the owner's lock. */
void cairn_slabhide_set(cairn_span *s, uint64_t clean, bool is_hidden);
/* Should s be hidden once pages are purged too? Under the owner's lock. */
bool cairn_slabhide_is_wanted(const cairn_span *s, uint64_t pages);
/* Hides pages of the slab at base. The caller holds them, and says afterwards that they are hidden, whatever came out.
 */
void cairn_slabhide_hide(char *base, uint64_t pages);
/* Before slots on pages, which are clean, are handed out; s may not be hidden afterwards. Under the owner's lock. */
void cairn_slabhide_show(cairn_span *s, uint64_t pages);

size_t cairn_slabhide_shown_bytes(void);  /* clean and shown: a recent value */
size_t cairn_slabhide_hidden_bytes(void); /* clean and hidden: a recent value */
size_t cairn_slabhide_runs(void);         /* runs of hidden pages, counted slab by slab: a recent value */
void cairn_slabhide_limits_inject(size_t shown_bytes, size_t runs); /* for tests: the most of each */
void cairn_slabhide_validate(void);

#endif
