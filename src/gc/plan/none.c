/* gc/plan/none.c - the collector that never collects: the floor that the others are measured against. When max is
 * reached the heap is full. */
#include "gc/managed.h"

static void none_collect(cairn_gc_heap *h) { (void)h; }

const cairn_gc_plan cairn_gc_plan_none = {
	.name = "none",
	.collector = CAIRN_GC_NONE,
	.collect = none_collect,
};
