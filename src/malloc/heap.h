/* malloc/heap.h - first-class heaps: blocks of their own spans, freed one by one or all at once (cairn/malloc.h).
 *
 * A heap has its own slabs and large spans and one lock. Its spans carry no class byte, so a plain free of its block
 * takes the slow path and finds the heap by the span.
 *
 * Invariants, checked by cairn_heap_validate():
 *   (H1) A slab is in the list of its class when it has a free slot, otherwise in `full`; a large span in `large`.
 *   (H2) live_bytes is the usable bytes of all blocks.
 *
 * Locks: one a heap, rank HEAP; the list of heaps has one more, rank HEAPS, held together with the others only by fork
 * and by who looks at all of them.
 * Failure: NULL with ENOMEM, nothing changed. */
#ifndef CAIRN_MALLOC_HEAP_H
#define CAIRN_MALLOC_HEAP_H

#include "cairn/malloc.h"
#include "page/chunk.h"

void cairn_heap_free_block(cairn_span *s, void *p, const char *who); /* takes p, a pointer into s, a span of a heap */
void cairn_heap_validate(cairn_heap *h);
void cairn_heaps_lock(void); /* for fork and malloc/still.h */
void cairn_heaps_unlock(void);
void cairn_heaps_fork_child(void);

#endif
