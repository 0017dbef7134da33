/* gc/plan/marksweep.c - the collector that moves nothing: marks what is reached, and leaves the rest as holes.
 *
 *   sweep the rest ─▶ roots ─▶ mark ─▶ weak ─▶ turn: every block is to be swept by who first wants a hole of it
 *
 * Sweeping is lazy (Hughes, "A semi-incremental garbage collection algorithm", 1982; holes of any length in blocks, not
 * lists of cells: Wingo, "Whippet's Nofl", 2025). Large objects that were not reached go at once. */
#include "gc/phases.h"

static size_t marksweep_headroom(const cairn_gc_heap *h, size_t held)
{
	(void)h, (void)held;
	return 0;
}

static void marksweep_collect(cairn_gc_heap *h)
{
	uint8_t colour = cairn_gc_next_colour(h);
	cairn_gc_trace_begin(h, false, colour);
	cairn_gc_phase_roots(h);
	cairn_gc_phase_closure(h, "mark");
	cairn_gc_look_phase(h, "turn", 0, 0);
	cairn_gc_blocks_turn(h, colour);
}

const cairn_gc_plan cairn_gc_plan_marksweep = {
	.name = "marksweep",
	.collector = CAIRN_GC_MARKSWEEP,
	.headroom = marksweep_headroom,
	.collect = marksweep_collect,
};
