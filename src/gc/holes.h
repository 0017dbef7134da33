/* gc/holes.h - holes of blocks, by their size: where evacuation finds the one that fits a cell best.
 *
 * A hole is dead memory, so the lists lie in the holes themselves. What a cell leaves of its hole is one again. There
 * is a list for each eighth of a doubling. A hole of one grain is in none.
 *
 * Threads: in a stop, the collecting one. Failure: 0, there is none that fits. Not here: which blocks' (gc/plan). */
#ifndef CAIRN_GC_HOLES_H
#define CAIRN_GC_HOLES_H

#include "gc/blocks.h"

enum {
	CAIRN_GC_HOLES_STEPS = 8, /* of each doubling */
	CAIRN_GC_HOLES_SIZES = CAIRN_GC_HOLES_STEPS * 13, /* from 2 grains to a block's */
};

typedef struct cairn_gc_listed_hole {
	struct cairn_gc_listed_hole *next;
	size_t bytes;
} cairn_gc_listed_hole;

typedef struct cairn_gc_holes {
	cairn_gc_listed_hole *of_size[CAIRN_GC_HOLES_SIZES];
} cairn_gc_holes;

/* The list of holes of so many bytes. */
static inline unsigned cairn_gc_holes_size(size_t bytes)
{
	size_t grains = bytes / CAIRN_GC_GRAIN;
	unsigned doublings = 63 - (unsigned)__builtin_clzll(grains);
	size_t step = (grains * CAIRN_GC_HOLES_STEPS >> doublings) - CAIRN_GC_HOLES_STEPS;
	return (doublings - 1) * CAIRN_GC_HOLES_STEPS + (unsigned)step;
}

static inline void cairn_gc_holes_put(cairn_gc_holes *holes, uintptr_t at, uintptr_t end)
{
	if (end - at < sizeof(cairn_gc_listed_hole))
		return;
	cairn_gc_listed_hole **list = &holes->of_size[cairn_gc_holes_size(end - at)], *hole = (void *)at;
	*hole = (cairn_gc_listed_hole){ *list, end - at };
	*list = hole;
}

/* All of a block that is swept. */
static inline void cairn_gc_holes_put_block(cairn_gc_holes *holes, const cairn_gc_block *b, uint8_t colour)
{
	uintptr_t end = cairn_gc_block_first(b);
	for (uintptr_t at; end < cairn_gc_block_end(b) && (at = cairn_gc_block_hole(b, colour, end, &end));)
		cairn_gc_holes_put(holes, at, end);
}

/* A place for a cell: the first hole of its list, or of one whose holes are larger. */
static inline uintptr_t cairn_gc_holes_take(cairn_gc_holes *holes, size_t cell)
{
	size_t least = cell > sizeof(cairn_gc_listed_hole) ? cell : sizeof(cairn_gc_listed_hole);
	unsigned size = cairn_gc_holes_size(least);
	cairn_gc_listed_hole *hole = holes->of_size[size];
	if (!hole || hole->bytes < cell)
		for (hole = NULL; !hole && ++size < CAIRN_GC_HOLES_SIZES;)
			hole = holes->of_size[size];
	if (!hole)
		return 0;
	uintptr_t at = (uintptr_t)hole, end = at + hole->bytes;
	holes->of_size[size] = hole->next;
	cairn_gc_holes_put(holes, at + cell, end);
	return at;
}

#endif
