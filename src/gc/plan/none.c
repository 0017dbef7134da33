/* gc/plan/none.c - the collector that never collects: the floor that the others are measured against. When max is
 * reached the heap is full. */
#include "gc/managed.h"

static size_t none_headroom(const cairn_gc_heap *h, size_t held)
{
	(void)h, (void)held;
	return 0;
}

static void none_collect(cairn_gc_heap *h) { (void)h; }

const cairn_gc_plan cairn_gc_plan_none = {
	.name = "none",
	.collector = CAIRN_GC_NONE,
	.headroom = none_headroom,
	.collect = none_collect,
};
