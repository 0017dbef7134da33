/* The copying collector: what moves, what stays, and what comes back. */
#include "support/gcwalk.h"

static unsigned workers = 1;
static size_t objects = 20000;

static void begin_with(size_t max, const char *zeal)
{
	walk_open((cairn_gc_config){ .collector = CAIRN_GC_SEMISPACE,
		.workers = workers,
		.min = max / 4,
		.max = max,
		.exact_roots = true,
		.zeal = zeal });
}

/* Dense blocks, too, are copied. */
static void begin(size_t max) { begin_with(max, "move"); }

static void what_is_reached_moves_and_is_the_same(void)
{
	begin((size_t)1 << 30);
	walk_seed = test_seed();
	for (unsigned round = 0; round < 3; round++) {
		walk_build(mutator, &root.cairn_gc_word, objects, 30 + 30 * round);
		EXPECT_EQ(stayed_after_collection(objects + 1), 0);
		EXPECT_EQ(stayed_after_collection(objects + 1), 0);
	}
	end();
}

static void memory_goes_back(void)
{
	begin((size_t)1 << 30);
	walk_build(mutator, &root.cairn_gc_word, objects, 100);
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
	enum { PINS = 50 };
	void *pinned[PINS];
	begin((size_t)1 << 30);
	walk_build(mutator, &root.cairn_gc_word, objects, 0);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < PINS; i++) {
		pinned[i] = cairn_gc_get(mutator, all, item[i * (objects / PINS)]);
		EXPECT(cairn_gc_pin(mutator, pinned[i]));
	}
	size_t stayed = stayed_after_collection(objects + 1), large = 0;
	all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < PINS; i++) {
		EXPECT(cairn_gc_get(mutator, all, item[i * (objects / PINS)]) == pinned[i]);
		EXPECT_EQ(*(uint64_t *)pinned[i], i * (objects / PINS));
		large += is_large(pinned[i]);
	}
	EXPECT_EQ(stayed, PINS - large);
	EXPECT_EQ(heap->looks.stats.pinned_objects, PINS);
	EXPECT(!cairn_list_is_empty(&heap->blocks.partial)); /* their blocks, whose holes are for new ones */
	size_t blocks = heap->blocks.cells_count;
	for (size_t i = 0; i < PINS * 200; i++)
		cairn_gc_new(mutator, walk_pair);
	EXPECT_EQ(heap->blocks.cells_count, blocks);
	for (size_t i = 0; i < PINS; i++)
		cairn_gc_unpin(mutator, pinned[i]);
	EXPECT_EQ(stayed_after_collection(objects + 1), 0);
	end();
}

static void a_refused_block_loses_nothing(void)
{
	begin((size_t)1 << 30);
	walk_build(mutator, &root.cairn_gc_word, objects, 50);
	size_t max = heap->sizing.max;
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	heap->sizing.max = cairn_gc_held(heap) + 3 * CAIRN_GC_BLOCK_BYTES; /* room for two or so */
	uint64_t moved = heap->looks.stats.moved_objects;
	size_t stayed = stayed_after_collection(objects + 1);
	EXPECT(stayed > objects / 20);
	EXPECT(heap->looks.stats.moved_objects > moved);
	heap->sizing.max = cairn_gc_held(heap); /* none at all */
	EXPECT(stayed_after_collection(objects + 1) > stayed);
	heap->sizing.max = max;
	EXPECT_EQ(stayed_after_collection(objects + 1), 0);
	end();
}

static void a_hash_stays_the_same_wherever_its_object_moves(void)
{
	enum { OBJECTS = 3000 };
	static uint64_t hash[OBJECTS];
	begin((size_t)1 << 30);
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
	begin((size_t)1 << 30);
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

typedef struct slim {
	uint64_t key[3];
} slim;
CAIRN_GC_TYPE(slim, .refs = 0);

/* Its copy is larger by its hash; where it lay, nothing was behind it. */
static void a_word_behind_a_hashed_object_is_nobodys(void)
{
	enum { WORDS = 300, CELL = 32 };
	uint64_t hash[WORDS];
	begin((size_t)1 << 30);
	walk_array *top = cairn_gc_new_array(mutator, walk_array, WORDS + 1);
	cairn_gc_root_set(mutator, &root, top);
	cairn_gc_set(mutator, top, item[WORDS], cairn_gc_new_array(mutator, words, WORDS));
	for (size_t i = 0; i < WORDS; i++) {
		slim *s = cairn_gc_new(mutator, slim);
		s->key[2] = i;
		EXPECT(cairn_gc_pin(mutator, s));
		cairn_gc_set(mutator, top, item[i], s);
		cairn_gc_new(mutator, slim)->key[0] = 1; /* lies behind it, and goes */
	}
	walk_collect(mutator);
	top = cairn_gc_root_get(mutator, &root);
	words *w = cairn_gc_get(mutator, top, item[WORDS]);
	for (size_t i = 0; i < WORDS; i++) {
		slim *s = cairn_gc_get(mutator, top, item[i]);
		cairn_gc_unpin(mutator, s);
		hash[i] = cairn_gc_hash(mutator, s);
		w->word[i] = (uintptr_t)s + CELL + i % 3 * 4;
	}
	walk_collect(mutator);
	top = cairn_gc_root_get(mutator, &root);
	EXPECT_EQ(heap->looks.stats.live_objects, WORDS + 2);
	for (size_t i = 0; i < WORDS; i++) {
		slim *s = cairn_gc_get(mutator, top, item[i]);
		EXPECT(s->key[2] == i && cairn_gc_hash(mutator, s) == hash[i]);
	}
	end();
}

enum { PAIR_CELL = CAIRN_GC_HEADER_BYTES + sizeof(walk_pair) }; /* less where references are compressed */

/* No block is held but for the array, and so many bytes in cells, with what a dense block may leave free. */
static bool is_as_small_as(size_t cells_bytes)
{
	return heap->blocks.cells_count <= cells_bytes / 3 * 4 / CAIRN_GC_BLOCK_BYTES + 2 * workers;
}

/* n pairs, in an array that is in the root. */
static walk_array *make_pairs(size_t n)
{
	cairn_gc_root_set(mutator, &root, cairn_gc_new_array(mutator, walk_array, n));
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < n; i++) {
		walk_pair *p = cairn_gc_new(mutator, walk_pair);
		p->key = i;
		cairn_gc_set(mutator, all, item[i], p);
	}
	return all;
}

static void what_was_copied_stays_while_its_block_is_dense(void)
{
	begin_with((size_t)1 << 30, "");
	size_t n = 4 * objects;
	make_pairs(n);
	EXPECT_EQ(stayed_after_collection(n + 1), 0);
	uint64_t moved = heap->looks.stats.moved_objects;
	size_t per_block = CAIRN_GC_BLOCK_BYTES / PAIR_CELL, least = n - per_block * workers * 3 / 4;
	for (unsigned round = 0; round < 3; round++) { /* all but blocks that are copied to again and again */
		EXPECT(stayed_after_collection(n + 1) >= least);
		EXPECT(is_as_small_as(n * PAIR_CELL));
	}
	EXPECT(heap->looks.stats.moved_objects - moved <= 3 * (n - least));
	end();
}

static void what_has_become_sparse_moves_together(void)
{
	begin_with((size_t)1 << 30, "");
	walk_array *all = make_pairs(objects);
	walk_collect(mutator);
	all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < objects; i += 2)
		cairn_gc_set(mutator, all, item[i], NULL);
	EXPECT(stayed_after_collection(objects + 1) > 0); /* that they are sparse is seen by this one */
	EXPECT_EQ(stayed_after_collection(objects + 1), 0);
	EXPECT(is_as_small_as(objects / 2 * PAIR_CELL));
	end();
}

static void what_was_shortened_is_no_longer_dense(void)
{
	enum { BYTES = 232 };
	begin_with((size_t)1 << 30, "");
	size_t n = objects / 5;
	cairn_gc_root_set(mutator, &root, cairn_gc_new_array(mutator, walk_array, n));
	for (size_t i = 0; i < n; i++)
		cairn_gc_set(mutator, (walk_array *)cairn_gc_root_get(mutator, &root), item[i],
			cairn_gc_new_bytes(mutator, BYTES));
	walk_collect(mutator);
	walk_collect(mutator);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	size_t blocks = heap->blocks.cells_count;
	for (size_t i = 0; i < n; i++)
		EXPECT(cairn_gc_resize(mutator, cairn_gc_get(mutator, all, item[i]), 8));
	walk_collect(mutator); /* which finds out, by sweeping */
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, n + 1);
	EXPECT(heap->blocks.cells_count <= blocks / 8 + workers);
	end();
}

static void a_word_alone_keeps_what_is_dense_where_it_is(void)
{
	begin_with((size_t)1 << 30, "");
	walk_array *all = make_pairs(objects);
	walk_collect(mutator);
	all = cairn_gc_root_get(mutator, &root);
	words *w = cairn_gc_new_array(mutator, words, objects / 10);
	for (size_t i = 0; i < objects / 10; i++) {
		w->word[i] = (uintptr_t)cairn_gc_get(mutator, all, item[i * 10]) + i % 3 * 8;
		cairn_gc_set(mutator, all, item[i * 10], NULL);
	}
	cairn_gc_set(mutator, all, item[0], w);
	for (unsigned round = 0; round < 3; round++) {
		walk_collect(mutator);
		all = cairn_gc_root_get(mutator, &root);
		w = cairn_gc_get(mutator, all, item[0]);
		for (size_t i = 0; i < objects / 10; i++)
			EXPECT_EQ(((walk_pair *)(w->word[i] - i % 3 * 8))->key, i * 10);
		EXPECT_EQ(heap->looks.stats.live_objects, objects + 2);
	}
	end();
}

static void several_workers_copy_the_same(void)
{
	objects = 5000;
	for (workers = 2; workers <= 4; workers++) {
		what_is_reached_moves_and_is_the_same();
		what_is_pinned_stays_and_its_holes_are_used();
		a_refused_block_loses_nothing();
		a_hash_stays_the_same_wherever_its_object_moves();
		what_a_conservative_object_points_into_stays();
		a_word_behind_a_hashed_object_is_nobodys();
		what_was_copied_stays_while_its_block_is_dense();
		what_has_become_sparse_moves_together();
		a_word_alone_keeps_what_is_dense_where_it_is();
	}
	objects = 20000;
	workers = 1;
}

int main(void)
{
	RUN(what_is_reached_moves_and_is_the_same);
	RUN(memory_goes_back);
	RUN(what_is_pinned_stays_and_its_holes_are_used);
	RUN(a_refused_block_loses_nothing);
	RUN(a_hash_stays_the_same_wherever_its_object_moves);
	RUN(what_a_conservative_object_points_into_stays);
	RUN(a_word_behind_a_hashed_object_is_nobodys);
	RUN(what_was_copied_stays_while_its_block_is_dense);
	RUN(what_has_become_sparse_moves_together);
	RUN(what_was_shortened_is_no_longer_dense);
	RUN(a_word_alone_keeps_what_is_dense_where_it_is);
	RUN(several_workers_copy_the_same);
	DONE();
}
