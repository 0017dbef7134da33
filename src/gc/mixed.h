/* gc/mixed.h - mixed collections: of the young, and of a few old blocks with them, within a pause goal.
 *
 *   all: marks, chooses ──▶ young: walks some slabs ──▶ ... all are walked ──▶ young: takes group 1 ──▶ group 2 ──▶ ...
 *
 * Compacting in the stop of a collection of all is to copy, and then to update all that lives. With a pause goal that
 * stop only chooses blocks, the sparsest first, in groups of as many live bytes as a quarter of the goal copies. Who
 * refers to them, a *holder*, is looked for afterwards, a few slabs at the end of each collection of the young; and
 * what is scanned in one, for it was stored into or became old, is looked at as it is scanned. Then each collection of
 * the young takes a group: its blocks become young again, and its holders are scanned as if they had been stored into.
 * (As G1's mixed collections: Detlefs and others, "Garbage-first", ISMM 2004; but without remembered sets of all
 * blocks.)
 *
 * What is chosen is known by the marking just before it, and not before that: copies fill the holes of the old, so that
 * all blocks look full when the next collection of all begins.
 *
 * Young again: an object's byte says START and has no colour, as if it was made since the last collection. So nothing
 * else is asked about such a block than about those of the young: pins, deaths, copies that find no room.
 *
 * A holder is an object, or of a LARGE one with cards its card. It may be freed, and its memory be another's, before it
 * is scanned: what is old and lives there then is scanned for nothing, and what is not is left out.
 *
 * Invariants:
 *   (GMX1) Once the slabs are walked, an old object that refers to one of a chosen block, by a strong or a weak field,
 *          is in the group's holders, or was stored into since, or is in a block of that group. Checked by
 *          cairn_gc_mixed_validate().
 *   (GMX2) Nobody allocates into a chosen block, and it is not young. Checked likewise.
 *
 * Lock: the young's, for holders, while workers trace. Failure: where a holder cannot be written down what is chosen
 * stays where it is, until the next collection of all chooses anew. Not here: which blocks are worth it
 * (gc/plan/markcompact.c). */
#ifndef CAIRN_GC_MIXED_H
#define CAIRN_GC_MIXED_H

#include "gc/blocks.h"
#include "gc/trace.h"

struct cairn_gc_heap;

enum {
	CAIRN_GC_MIXED_GROUPS = 64,
	CAIRN_GC_MIXED_IN_VAIN = 2, /* collections of all: then no room is kept for those of the young after the next */
};

/* sync: in a stop, but what says otherwise */
typedef struct cairn_gc_mixed {
	unsigned groups;  /* that were chosen; from 1 */
	unsigned taken;   /* of them, in that order */
	unsigned at_work; /* the one that this collection takes; 0: none */
	bool is_walking;  /* slabs are left in which holders are to be looked for */
	bool is_scanning; /* holders, whose other references are written down already */
	bool is_short;    /* holders are missing; sync: the young's lock */
	bool is_cut;      /* the last collection of all came before all groups were taken */
	unsigned in_vain; /* so many of all, one after the other, left nothing to the young */
	size_t live_bytes; /* of the group that was chosen last */
	size_t bytes, objects; /* in cells of the one at work */
	uint64_t began_ns, walk_ns; /* of this collection: when it took the group; how long it looked for holders */
	double byte_ns;   /* of a collection that took a group, by bytes: it forgets by half; 0: none yet */
	/* by group: objects; cards: their address + 1; sync: the young's lock */
	cairn_gc_chunk *holders[CAIRN_GC_MIXED_GROUPS + 1];
} cairn_gc_mixed;

/* Is a collection of all to choose blocks, and not to empty them itself? */
bool cairn_gc_mixed_is_wanted(const struct cairn_gc_heap *h);
/* Before blocks are chosen: nothing is. Also where a collection of all begins. */
void cairn_gc_mixed_drop(struct cairn_gc_heap *h);
/* One that is counted, and in which something lives, where it may be taken. After marking, the sparsest first. False:
 * it is one too many. */
bool cairn_gc_mixed_choose(struct cairn_gc_heap *h, cairn_gc_block *b);
/* All are chosen. */
void cairn_gc_mixed_chosen(struct cairn_gc_heap *h);
/* Are there blocks that collections of the young will take? */
bool cairn_gc_mixed_is_pending(const struct cairn_gc_heap *h);
/* In a collection of the young: before anything is pinned the next group's blocks become young; */
void cairn_gc_mixed_leave(struct cairn_gc_heap *h);
/* when roots were followed its holders are scanned; */
void cairn_gc_mixed_trace(struct cairn_gc_heap *h);
/* and when all is done holders are looked for. */
void cairn_gc_mixed_walk(struct cairn_gc_heap *h);
/* This field of an object that is old, or becomes it, refers into a chosen block. Any worker. */
void cairn_gc_mixed_note(struct cairn_gc_heap *h, const void *holder, const void *field, unsigned group);
void cairn_gc_mixed_validate(struct cairn_gc_heap *h); /* in a stop */

#endif
