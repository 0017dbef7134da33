/* support/gcyoung.h - for tests of collecting the young alone: a heap with exact roots, as support/gcdead.h has it.
 * What is held is in the slots of `held`, which is an old object after the first collection. */
#ifndef CAIRN_SUPPORT_GCYOUNG_H
#define CAIRN_SUPPORT_GCYOUNG_H

#include "support/gcdead.h"

#include "gc/young.h"

enum { SLOTS = 64 };

__attribute__((unused)) static void begin(cairn_gc_config config)
{
	config.collector = CAIRN_GC_GENERATIONAL;
	config.cleanups = CAIRN_GC_CLEANUPS_MANUAL;
	REQUIRE(dead_open(config, SLOTS));
	cairn_gc_collect(m);
	heap->young.wants_all = heap->young.is_short = false; /* whatever pays: gc/pace.h */
	heap->young.always_tells = true;
	m->barrier = cairn_gc_barrier(heap);
	heap->young.recent_each = 0;     /* all of the young, but where that is tested */
}

/* A collection of the young, as when what may be made between two of them has been. */
__attribute__((unused)) static void collect_the_young(void)
{
	EXPECT(!heap->young.is_short);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0); /* GYO1, GYO2 */
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(heap->young.is_minor);
	heap->young.wants_all = false;
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
}

__attribute__((unused)) static bool is_young(const void *object) { return cairn_gc_block_of(object)->is_young; }
__attribute__((unused)) static bool is_watched(const void *object)
{
	return cairn_gc_header_of(object) & CAIRN_GC_WATCHED;
}

#endif
