/* gc/phases.h - what collectors are put together from: gc/collect.c. In a stop, by the collecting thread. */
#ifndef CAIRN_GC_PHASES_H
#define CAIRN_GC_PHASES_H

#include "gc/managed.h"

uint8_t cairn_gc_next_colour(const cairn_gc_heap *h); /* of the mark phase that is about to begin */
/* Every ambiguous word, then every exact root: what they refer to is reached. After cairn_gc_trace_begin. */
void cairn_gc_phase_roots(cairn_gc_heap *h);
/* Marks all that is reached, in a new colour, which is returned; nothing moves. */
uint8_t cairn_gc_phase_mark(cairn_gc_heap *h);
/* What was coloured lives, and the rest is to be swept: the last phase of a plan. */
void cairn_gc_phase_turn(cairn_gc_heap *h, uint8_t colour);
/* Traces all, settles the deaths, ends the tracing. name: "mark" or "copy". */
void cairn_gc_phase_closure(cairn_gc_heap *h, const char *name);
/* gc/update.c: every field of what was reached, every exact root, and every word beside the heap that refers to an
 * object of a block that is_from, is set to where(arg, object), which workers call at once. */
void cairn_gc_update_all(cairn_gc_heap *h, uintptr_t (*where)(void *arg, uintptr_t object), void *arg);
/* gc/plan/markcompact.c: after a mark phase of that colour, what is sparse moves together. */
void cairn_gc_phase_compact(cairn_gc_heap *h, uint8_t colour);
/* gc/plan/slide.c: after a mark phase of that colour. False: nothing was done, for it would need more memory. */
bool cairn_gc_slide(cairn_gc_heap *h, uint8_t colour);

#endif
