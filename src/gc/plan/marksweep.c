/* gc/plan/marksweep.c - the collector that moves nothing: marks what is reached, and leaves the rest as holes.
 *
 *   sweep the rest ─▶ roots ─▶ mark ─▶ weak ─▶ turn: every block is to be swept by who first wants a hole of it
 *
 * Sweeping is lazy (Hughes, "A semi-incremental garbage collection algorithm", 1982; holes of any length in blocks, not
 * lists of cells: Wingo, "Whippet's Nofl", 2025). Large objects that were not reached go at once. */
#include "gc/phases.h"

static void marksweep_collect(cairn_gc_heap *h) { cairn_gc_phase_turn(h, cairn_gc_phase_mark(h)); }

const cairn_gc_plan cairn_gc_plan_marksweep = {
	.name = "marksweep",
	.collector = CAIRN_GC_MARKSWEEP,
	.collect = marksweep_collect,
};
