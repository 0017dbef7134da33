/* gc/young.h - the young and the old, for collectors that collect the young alone; and which old objects were stored
 * into since.
 *
 *   made ──▶ young ──lives through a collection──▶ old, WATCHED ──a store──▶ written down ──the next one──▶ WATCHED
 *
 * What was made since the last collection is young, by its block: it is_young until then. An old object's header says
 * WATCHED, so that a store into it is told (cairn/gc.h, the barrier): the first takes the bit off and writes the object
 * down, and the next collection scans it. So a store into what is young, or was stored into before, costs what it costs
 * elsewhere. (A log of objects: Hosking, Moss and Stefanović, "A comparative performance evaluation of write barrier
 * implementations", OOPSLA 1992.)
 *
 * Invariants:
 *   (GYO1) An old object that is WATCHED refers to no young one. Checked by cairn_gc_verify.
 *   (GYO2) One that is not is written down, or is_short. Checked, by their number, by cairn_gc_young_validate().
 *
 * Lock: one, rank CAIRN_RANK_GC_PARTS. Failure: where an object cannot be written down, is_short: the next collection
 * is of all, which needs no list. Not here: when which collection is made (gc/plan/generational.c). */
#ifndef CAIRN_GC_YOUNG_H
#define CAIRN_GC_YOUNG_H

#include "gc/blocks.h"
#include "gc/pace.h"
#include "gc/trace.h"

struct cairn_gc_heap;

typedef struct cairn_gc_young {
	cairn_lock lock;
	cairn_gc_chunk *stored; /* old objects that were stored into; sync: lock, or the stop */
	bool is_short;          /* some are missing; sync: lock, or the stop */
	bool is_minor;          /* at work, or the last one: a collection of the young alone; sync: in a stop */
	bool wants_all;         /* the next is to be of all; sync: in a stop */
	size_t lived_bytes;     /* of what was young in the last collection; SIZE_MAX: not known; sync: in a stop */
	cairn_gc_pace pace;
	size_t old_bytes, old_objects; /* that lived when all was collected, and what became old since; sync: in a stop */
} cairn_gc_young;

/* Told before a store into an object that is WATCHED, or may be. Any thread. */
void cairn_gc_young_store(struct cairn_gc_heap *h, void *object);
/* It goes by hand. */
void cairn_gc_young_forget(struct cairn_gc_heap *h, void *object);
/* Calls visit for each that was written down; none is afterwards. In a stop. */
void cairn_gc_young_each_stored(struct cairn_gc_heap *h, void (*visit)(struct cairn_gc_heap *h, void *object));
void cairn_gc_young_validate(struct cairn_gc_heap *h); /* in a stop */
void cairn_gc_young_close(struct cairn_gc_heap *h);

#endif
