/* support/gcdead.h - for tests of what happens when objects die: a heap with exact roots, so that what lives is known
 * to the object, under each collector that is built; and a root to hold objects by.
 *
 * `held` is the one root: an array of slots. A pointer in a C variable is good until the next collection, which comes
 * when the test asks for it. */
#ifndef CAIRN_SUPPORT_GCDEAD_H
#define CAIRN_SUPPORT_GCDEAD_H

#include "gc/hash.h"
#include "gc/managed.h"
#include "support/test.h"

#include <errno.h>

typedef struct box {
	uint64_t id;
	cairn_ref(void) strong;
	cairn_ref(void) weak;
} box;
CAIRN_GC_TYPE(box, .refs = CAIRN_GC_REFS(box, strong), .weak = CAIRN_GC_REFS(box, weak));

typedef struct slots {
	uint64_t pad;
	cairn_ref(void) item[];
} slots;
CAIRN_GC_TYPE(slots, .tail_offset = offsetof(slots, item), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

static cairn_gc_heap *heap;
static cairn_gc_mutator *m;
static cairn_ref(slots) held;

static const cairn_gc_collector dead_collectors[] = { CAIRN_GC_MARKSWEEP, CAIRN_GC_SEMISPACE, CAIRN_GC_MARKCOMPACT,
	CAIRN_GC_GENERATIONAL };

/* False: that collector is not built. */
__attribute__((unused)) static bool dead_open(cairn_gc_config config, size_t held_slots)
{
	config.exact_roots = true;
	config.max = config.max ? config.max : (size_t)1 << 30;
	config.min = config.min ? config.min : config.max / 4;
	heap = cairn_gc_open(&config);
	if (!heap) {
		EXPECT_EQ(errno, ENOTSUP);
		return false;
	}
	m = cairn_gc_attach(heap);
	held.cairn_gc_word = 0;
	EXPECT(m && cairn_gc_root_add(heap, &held));
	cairn_gc_root_set(m, &held, cairn_gc_new_array(m, slots, held_slots));
	return true;
}

__attribute__((unused)) static void dead_close(void)
{
	cairn_gc_root_remove(heap, &held);
	cairn_gc_detach(m);
	cairn_gc_close(heap);
}

#define EACH_COLLECTOR(slots_, ...)                                                                                    \
	for (size_t c_ = 0; c_ < sizeof dead_collectors / sizeof *dead_collectors; c_++)                               \
		if (dead_open((cairn_gc_config){ .collector = dead_collectors[c_], __VA_ARGS__ }, (slots_)))           \
			for (bool is_open_ = true; is_open_; is_open_ = (dead_close(), false))

__attribute__((unused)) static void hold(size_t i, void *object)
{
	slots *s = cairn_gc_root_get(m, &held);
	cairn_gc_set(m, s, item[i], object);
}

__attribute__((unused)) static void *held_at(size_t i)
{
	slots *s = cairn_gc_root_get(m, &held);
	return cairn_gc_get(m, s, item[i]);
}

__attribute__((unused)) static box *new_box(uint64_t id)
{
	box *b = cairn_gc_new(m, box);
	b->id = id;
	return b;
}

/* Collects, and has everything validated and verified. */
__attribute__((unused)) static void collect(void)
{
	cairn_gc_collect(m);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
}

__attribute__((unused)) static size_t live_objects(void) { return heap->looks.stats.live_objects; }

#endif
