/* gc/plan/semispace.c - the copying collector: what is reached moves to fresh blocks, and the blocks it left are free.
 *
 *   sweep the rest ─▶ ambiguous roots: PINNED, in place ─▶ exact ones ─▶ copy ─▶ weak ─▶ the left blocks are given back
 *
 * Work is in what lives alone; allocation is into whole blocks, but for those that stay as they are, whose holes are
 * allocated into: where something is pinned (Bartlett, "Compacting garbage collection with ambiguous roots", 1988; by
 * object, not by page), and dense ones. To copy what fills a block frees nothing: where three quarters of it lived the
 * last time, as of all copies, objects are marked in place, and what has become sparse moves (Spoonhower, Blelloch and
 * Harper, "Using page residency to balance tradeoffs in tracing garbage collection", VEE 2005). Zeal "move" moves
 * these, too. Objects of LARGE blocks are marked. Depth first, not Cheney's order: the stack is the marker's, and a
 * list's nodes come to lie behind each other.
 *
 * Where no block can be had for copies, objects are marked where they are: gc/trace.h. */
#include "gc/phases.h"

enum { SEMISPACE_SPARE = 1 << 20, SEMISPACE_DENSE = CAIRN_GC_BLOCK_BYTES / 4 * 3 };

/* At worst all that is in cells is copied. But it is mostly what it was the last time, and a quarter more; where it is
 * more than that the rest stays in place, and there is less to hold until the next collection: so half of max is not
 * set aside for copies that are never made. */
static size_t semispace_headroom(const cairn_gc_heap *h, size_t held)
{
	size_t large = cairn_gc_blocks_large_bytes(&h->blocks);
	size_t cells = held > large ? held - large : 0, copied = h->tracing.copied_bytes;
	size_t expected = copied + copied / 4 + (copied / 4 > SEMISPACE_SPARE ? 0 : SEMISPACE_SPARE);
	return h->collection && expected < cells ? expected : cells;
}

/* Calls visit for each block of CELLS; it may give that one back, but then must not have the slab dropped. */
static void semispace_each_block(cairn_gc_heap *h, void (*visit)(cairn_gc_heap *h, cairn_gc_block *b))
{
	CAIRN_GC_EACH_BLOCK (b, &h->blocks)
		if (b->kind == CAIRN_GC_BLOCK_CELLS)
			visit(h, b);
}

static void semispace_leave(cairn_gc_heap *h, cairn_gc_block *b)
{
	b->is_dense = b->live_bytes > SEMISPACE_DENSE && !h->zeal.moves;
	b->is_from = !b->is_dense;
}

static void semispace_left(cairn_gc_heap *h, cairn_gc_block *b)
{
	if (b->is_from && !b->has_pins)
		cairn_gc_blocks_give(h, b);
	b->is_from = false;
}

static void semispace_collect(cairn_gc_heap *h)
{
	uint8_t colour = cairn_gc_next_colour(h);
	cairn_gc_trace_pin_conservative(h);
	semispace_each_block(h, semispace_leave);
	cairn_gc_trace_begin(h, true, colour);
	cairn_gc_phase_roots(h);
	cairn_gc_phase_closure(h, "copy");
	cairn_gc_look_phase(h, "turn", 0, 0);
	semispace_each_block(h, semispace_left);
	cairn_gc_blocks_turn(h, colour);
}

const cairn_gc_plan cairn_gc_plan_semispace = {
	.name = "semispace",
	.collector = CAIRN_GC_SEMISPACE,
	.is_moving = true,
	.headroom = semispace_headroom,
	.collect = semispace_collect,
};
