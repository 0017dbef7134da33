/* The compacting collector: what moves, what stays, and what comes back. */
#include "support/gcwalk.h"

static unsigned workers = 1;

static void begin(size_t max, bool moves_all)
{
	walk_open((cairn_gc_config){ .collector = CAIRN_GC_MARKCOMPACT, .workers = workers,
		.exact_roots = moves_all, /* else a stale word of this stack might pin something */
		.min = max / 4, .max = max });
	heap->zeal.moves = moves_all;
	heap->zeal.is_small = workers > 1; /* all of them take part in every walk */
}

static void what_is_reached_moves_and_is_the_same(void)
{
	begin((size_t)1 << 30, true);
	walk_seed = test_seed();
	for (unsigned round = 0; round < 3; round++) {
		walk_build(mutator, &root.cairn_gc_word, 20000, 30 + 30 * round);
		EXPECT_EQ(stayed_after_collection(20001), 0);
		EXPECT_EQ(stayed_after_collection(20001), 0);
	}
	end();
}

static void memory_goes_back(void)
{
	begin((size_t)1 << 30, true);
	walk_build(mutator, &root.cairn_gc_word, 20000, 100);
	size_t full = heap->blocks.cells_count;
	root.cairn_gc_word = 0;
	walk_collect(mutator);
	EXPECT(full > 20 && heap->blocks.cells_count == 0 && heap->blocks.large_blocks == 0);
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, 0);
	end();
}

static void what_is_pinned_stays_and_its_holes_are_used(void)
{
	enum { OBJECTS = 20000, PINS = 50 };
	void *pinned[PINS];
	begin((size_t)1 << 30, true);
	walk_build(mutator, &root.cairn_gc_word, OBJECTS, 0);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < PINS; i++) {
		pinned[i] = cairn_gc_get(mutator, all, item[i * (OBJECTS / PINS)]);
		EXPECT(cairn_gc_pin(mutator, pinned[i]));
	}
	size_t stayed = stayed_after_collection(OBJECTS + 1), large = 0;
	all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < PINS; i++) {
		EXPECT(cairn_gc_get(mutator, all, item[i * (OBJECTS / PINS)]) == pinned[i]);
		EXPECT_EQ(*(uint64_t *)pinned[i], i * (OBJECTS / PINS));
		large += is_large(pinned[i]);
	}
	EXPECT_EQ(stayed, PINS - large);
	EXPECT(!cairn_list_is_empty(&heap->blocks.partial)); /* their blocks, whose holes are for new ones */
	size_t blocks = heap->blocks.cells_count;
	for (size_t i = 0; i < PINS * 200; i++)
		cairn_gc_new(mutator, walk_pair);
	EXPECT_EQ(heap->blocks.cells_count, blocks);
	for (size_t i = 0; i < PINS; i++)
		cairn_gc_unpin(mutator, pinned[i]);
	EXPECT_EQ(stayed_after_collection(OBJECTS + 1), 0);
	end();
}

static size_t count_pairs(void)
{
	size_t n = 0;
	for (walk_pair *p = cairn_gc_root_get(mutator, &root); p; p = cairn_gc_get(mutator, p, a))
		n += p->key == n;
	return n;
}

/* A list whose nodes lie one to `every` pairs. */
static void build_sparse(size_t nodes, size_t every)
{
	for (size_t i = nodes; i--;) {
		walk_pair *p = cairn_gc_new(mutator, walk_pair);
		p->key = i;
		cairn_gc_set(mutator, p, a, cairn_gc_root_get(mutator, &root));
		cairn_gc_root_set(mutator, &root, p);
		for (size_t dead = 1; dead < every; dead++)
			cairn_gc_new(mutator, walk_pair);
	}
}

/* What stale words of the stack may keep, or keep in place: it differs from run to run. */
enum { STALE_OBJECTS = 64, STALE_BLOCKS = 16 };

static void sparse_blocks_are_evacuated_and_given_back(void)
{
	enum { NODES = 10000, EVERY = 40 };
	begin((size_t)1 << 30, false);
	build_sparse(NODES, EVERY);
	size_t full = heap->blocks.cells_count;
	walk_collect(mutator);
	size_t moved = heap->looks.stats.moved_objects;
	EXPECT(full > 4 * STALE_BLOCKS && heap->blocks.cells_count < full / EVERY + 3 + STALE_BLOCKS);
	EXPECT_EQ(count_pairs(), NODES);
	EXPECT(moved > NODES / 2 && moved <= NODES + STALE_OBJECTS);
	walk_collect(mutator); /* nothing is sparse now but what was kept in place */
	EXPECT(heap->looks.stats.moved_objects <= NODES + STALE_OBJECTS);
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	end();
}

static void well_filled_blocks_are_left_alone_unless_an_allocation_was_refused(void)
{
	enum { NODES = 40000 };
	begin((size_t)1 << 30, false);
	build_sparse(NODES, 1);
	walk_pair *p = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < NODES / 4; i++) { /* one of four goes */
		walk_pair *third = cairn_gc_get(mutator, (walk_pair *)cairn_gc_get(mutator, p, a), a);
		walk_pair *fifth = cairn_gc_get(mutator, (walk_pair *)cairn_gc_get(mutator, third, a), a);
		cairn_gc_set(mutator, third, a, fifth);
		p = fifth;
	}
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.moved_objects, 0);
	EXPECT(heap->looks.stats.live_objects - NODES / 4 * 3 < STALE_OBJECTS);
	size_t before = heap->blocks.cells_count;
	cairn_gc_collect_now(mutator, CAIRN_GC_CAUSE_LIMIT);
	EXPECT(heap->looks.stats.live_objects - NODES / 4 * 3 < STALE_OBJECTS);
	EXPECT(heap->blocks.cells_count <= before / 4 * 3 + 2 + (before > 4 * STALE_BLOCKS ? STALE_BLOCKS : 1));
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	end();
}

static void a_heap_that_may_not_grow_is_compacted_into_its_holes(void)
{
	enum { NODES = 20000 };
	begin((size_t)1 << 30, false);
	build_sparse(NODES, 3);
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	size_t full = heap->blocks.cells_count, max = heap->sizing.max;
	heap->sizing.max = cairn_gc_held(heap);
	walk_collect(mutator);
	EXPECT(heap->blocks.cells_count <= full / 3 + 2);
	EXPECT_EQ(count_pairs(), NODES);
	heap->sizing.max = max;
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	end();
}

/* Objects of 16 B to 2 KiB, each doubling as likely as the next, until one does not fit; then a quarter is dropped. How
 * many are left, the first ones of the array; where each of every PIN_ONE_OF lies, which is pinned. */
enum { FULL_MAX = 16 << 20, FULL_OBJECTS = FULL_MAX / 192, PIN_ONE_OF = 1000, SPARE_BLOCKS = 64 };
static uintptr_t pinned_at[FULL_OBJECTS / PIN_ONE_OF + 1];

static size_t fill_and_make_holes(void)
{
	size_t n = 0, left = 0;
	walk_array *all = cairn_gc_new_array(mutator, walk_array, FULL_OBJECTS);
	cairn_gc_root_set(mutator, &root, all);
	for (; n < FULL_OBJECTS; n++) {
		size_t least = (size_t)16 << walk_below(7);
		uint64_t *object = cairn_gc_try_new_bytes(mutator, least + walk_below(least));
		if (!object)
			break;
		cairn_gc_set(mutator, all, item[n], object);
	}
	EXPECT(n > FULL_OBJECTS / 4 && n < FULL_OBJECTS);
	for (size_t i = 0; i < n; i++) {
		uint64_t *object = cairn_gc_get(mutator, all, item[i]);
		cairn_gc_set(mutator, all, item[i], NULL);
		if (!walk_below(4))
			continue;
		*object = left;
		if (left % PIN_ONE_OF == 0) {
			EXPECT(cairn_gc_pin(mutator, object));
			pinned_at[left / PIN_ONE_OF] = (uintptr_t)object;
		}
		cairn_gc_set(mutator, all, item[left++], object);
	}
	return left;
}

static void expect_what_is_left(size_t left)
{
	const walk_array *all = cairn_gc_root_get(mutator, &root);
	size_t wrong = 0, moved = 0;
	for (size_t i = 0; i < left; i++) {
		const uint64_t *object = cairn_gc_get(mutator, all, item[i]);
		wrong += *object != i;
		moved += i % PIN_ONE_OF == 0 && (uintptr_t)object != pinned_at[i / PIN_ONE_OF];
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(moved, 0);
}

/* At its limit, full of holes, with pins: four of five bytes of holes come back, as whole blocks. */
static void expect_holes_to_come_back(cairn_gc_collector collector)
{
	walk_open((cairn_gc_config){ .collector = collector, .workers = workers, .growth = 100000, .max = FULL_MAX });
	walk_seed = 1; /* and not the test's: how much comes back goes by it */
	size_t left = fill_and_make_holes();
	cairn_gc_collect(mutator);
	static cairn_gc_stats before, after;
	cairn_gc_stats_get(heap, &before);
	EXPECT(before.hole_bytes > FULL_MAX / 5);
	EXPECT(before.pinned_objects >= left / PIN_ONE_OF);
	size_t blocks = heap->blocks.cells_count;
	void *volatile kept[SPARE_BLOCKS] = { NULL }; /* each fits nowhere but in an empty block */
	for (size_t i = 0; i < SPARE_BLOCKS && heap->cause != CAIRN_GC_CAUSE_LIMIT; i++)
		EXPECT((kept[i] = cairn_gc_try_new_bytes(mutator, CAIRN_GC_BLOCK_BYTES - 1024)));
	EXPECT_EQ(heap->cause, CAIRN_GC_CAUSE_LIMIT);
	cairn_gc_stats_get(heap, &after);
	size_t freed = (blocks - heap->blocks.cells_count) * CAIRN_GC_BLOCK_BYTES;
	NOTE("%zu of %zu bytes of holes freed, %zu pinned", freed, before.hole_bytes, after.pinned_objects);
	EXPECT(freed >= before.hole_bytes / 5 * 4);
	expect_what_is_left(left);
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	end();
}

static void at_the_limit_holes_come_back_though_there_are_pins(void)
{
	expect_holes_to_come_back(CAIRN_GC_MARKCOMPACT);
	expect_holes_to_come_back(CAIRN_GC_GENERATIONAL);
}

static void a_refused_block_loses_nothing(void)
{
	begin((size_t)1 << 30, true);
	walk_build(mutator, &root.cairn_gc_word, 20000, 50);
	size_t max = heap->sizing.max;
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	heap->sizing.max = cairn_gc_held(heap) + 3 * CAIRN_GC_BLOCK_BYTES; /* room for two or so */
	EXPECT(stayed_after_collection(20001) > 1000);
	heap->sizing.max = max;
	EXPECT_EQ(stayed_after_collection(20001), 0);
	end();
}

static void a_hash_stays_the_same_wherever_its_object_moves(void)
{
	enum { OBJECTS = 3000 };
	static uint64_t hash[OBJECTS];
	begin((size_t)1 << 30, true);
	walk_build(mutator, &root.cairn_gc_word, OBJECTS, 0);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < OBJECTS; i += 2)
		hash[i] = cairn_gc_hash(mutator, cairn_gc_get(mutator, all, item[i]));
	for (unsigned round = 0; round < 3; round++) {
		EXPECT_EQ(stayed_after_collection(OBJECTS + 1), 0);
		all = cairn_gc_root_get(mutator, &root);
		for (size_t i = 0; i < OBJECTS; i += 2)
			EXPECT(hash[i] == cairn_gc_hash(mutator, cairn_gc_get(mutator, all, item[i])));
	}
	end();
}

typedef struct words {
	uint64_t key;
	uintptr_t word[];
} words;
CAIRN_GC_TYPE(words, .flags = CAIRN_GC_CONSERVATIVE, .tail_offset = 8, .tail_stride = 8);

static void what_a_conservative_object_points_into_stays(void)
{
	enum { WORDS = 300 };
	begin((size_t)1 << 30, true);
	walk_array *top = cairn_gc_new_array(mutator, walk_array, WORDS + 1);
	cairn_gc_root_set(mutator, &root, top);
	words *w = cairn_gc_new_array(mutator, words, WORDS);
	cairn_gc_set(mutator, top, item[WORDS], w);
	for (size_t i = 0; i < WORDS; i++) {
		walk_pair *p = cairn_gc_new(mutator, walk_pair);
		p->key = i;
		walk_pair *q = cairn_gc_new(mutator, walk_pair);
		q->key = i + WORDS;
		cairn_gc_set(mutator, p, a, q);
		cairn_gc_set(mutator, top, item[i], p); /* an exact field, which is come to first */
		w->word[i] = (uintptr_t)p + i % 3 * 8;
	}
	for (unsigned round = 0; round < 3; round++) {
		words *before = cairn_gc_get(mutator, top, item[WORDS]);
		walk_collect(mutator);
		top = cairn_gc_root_get(mutator, &root);
		w = cairn_gc_get(mutator, top, item[WORDS]);
		EXPECT(w != before);
		for (size_t i = 0; i < WORDS; i++) {
			walk_pair *p = cairn_gc_get(mutator, top, item[i]);
			EXPECT(p->key == i && (uintptr_t)p == w->word[i] - i % 3 * 8);
			EXPECT_EQ(((walk_pair *)cairn_gc_get(mutator, p, a))->key, i + WORDS);
		}
		EXPECT_EQ(heap->looks.stats.live_objects, 2 * WORDS + 2);
	}
	end();
}

static void several_workers_compact_the_same(void)
{
	for (workers = 2; workers <= 4; workers++) {
		what_is_reached_moves_and_is_the_same();
		memory_goes_back();
		what_is_pinned_stays_and_its_holes_are_used();
		sparse_blocks_are_evacuated_and_given_back();
		a_heap_that_may_not_grow_is_compacted_into_its_holes();
		a_refused_block_loses_nothing();
		a_hash_stays_the_same_wherever_its_object_moves();
		what_a_conservative_object_points_into_stays();
	}
	workers = 1;
}

int main(void)
{
	RUN(what_is_reached_moves_and_is_the_same);
	RUN(memory_goes_back);
	RUN(what_is_pinned_stays_and_its_holes_are_used);
	RUN(sparse_blocks_are_evacuated_and_given_back);
	RUN(well_filled_blocks_are_left_alone_unless_an_allocation_was_refused);
	RUN(a_heap_that_may_not_grow_is_compacted_into_its_holes);
	RUN(at_the_limit_holes_come_back_though_there_are_pins);
	RUN(a_refused_block_loses_nothing);
	RUN(a_hash_stays_the_same_wherever_its_object_moves);
	RUN(what_a_conservative_object_points_into_stays);
	RUN(several_workers_compact_the_same);
	DONE();
}
