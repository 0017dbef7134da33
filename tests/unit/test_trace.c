/* Tracing from roots to what they reach, by the collector that moves nothing. Cases cite gc/trace.h. */
#include "support/gcwalk.h"

#include <sys/wait.h>

typedef struct seen { /* an object that weakly refers to another */
	uint64_t key;
	cairn_ref(void) strong, weak;
} seen;
CAIRN_GC_TYPE(seen, .refs = CAIRN_GC_REFS(seen, strong), .weak = CAIRN_GC_REFS(seen, weak));

typedef struct words {
	uint64_t key;
	uintptr_t word[];
} words;
CAIRN_GC_TYPE(words, .flags = CAIRN_GC_CONSERVATIVE, .tail_offset = 8, .tail_stride = 8);

static unsigned workers = 1;
static size_t objects = 20000;

static void begin(void)
{
	walk_open((cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .workers = workers, .exact_roots = true,
		.min = (size_t)256 << 20, .max = (size_t)1 << 30 });
}

/* Collects, and expects that the graph is as it was, and that nothing else lives. */
static void expect_exact(size_t most)
{
	walk before = walk_from(cairn_gc_root_get(mutator, &root), most);
	walk_collect(mutator);
	walk after = walk_from(cairn_gc_root_get(mutator, &root), most);
	EXPECT(before.sum == after.sum);
	EXPECT_EQ(after.count, before.count);
	EXPECT_EQ(heap->looks.stats.live_objects, after.count);
	cairn_gc_trace_validate(heap); /* GT2 */
	cairn_gc_blocks_validate(heap);
	walk_free(&before);
	walk_free(&after);
}

static void what_is_reached_lives_and_nothing_else(void) /* GT1 GT2 */
{
	begin();
	walk_seed = test_seed();
	for (unsigned round = 0; round < 3; round++) {
		walk_build(mutator, &root.cairn_gc_word, objects, 30 + 30 * round);
		expect_exact(objects + 1);
		expect_exact(objects + 1); /* the second time every byte has a colour */
	}
	end();
}

static void a_stack_that_cannot_grow_leaves_nothing_out(void) /* GT1 */
{
	begin();
	walk_build(mutator, &root.cairn_gc_word, objects, 50);
	heap->tracing.parts_most = 0;
	expect_exact(objects + 1);
	heap->tracing.worker[0].room = 2;
	heap->zeal.is_small = true;
	expect_exact(objects + 1);
	heap->zeal.is_small = false;
	end();
}

static void a_long_list_takes_no_stack(void)
{
	enum { NODES = 1000000 };
	begin();
	for (size_t i = 0; i < NODES; i++) {
		walk_pair *p = cairn_gc_new(mutator, walk_pair);
		cairn_gc_set(mutator, p, a, cairn_gc_root_get(mutator, &root));
		cairn_gc_root_set(mutator, &root, p);
	}
	heap->tracing.parts_most = 0;
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, NODES);
	root.cairn_gc_word = 0;
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, 0);
	end();
}

static void a_long_array_is_scanned_in_slices(void)
{
	enum { ITEMS = 1 << 20 };
	begin();
	walk_array *a = cairn_gc_new_array(mutator, walk_array, ITEMS);
	cairn_gc_root_set(mutator, &root, a);
	for (size_t i = 0; i < ITEMS; i += 999)
		cairn_gc_set(mutator, a, item[i], cairn_gc_new(mutator, walk_pair));
	cairn_gc_set(mutator, a, item[ITEMS - 1], a);
	heap->tracing.parts_most = 0;
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, ITEMS / 999 + 2);
	EXPECT(cairn_gc_get(mutator, a, item[ITEMS - 1]) == a);
	end();
}

/* The stack has room for each of the inner arrays but the one in the ring, and none for two items more. */
static void a_slice_that_finds_no_room_is_not_left_out_for_good(void) /* GT1 */
{
	enum { ARRAYS = CAIRN_GC_CHUNK_ITEMS + 1, ITEMS = CAIRN_GC_SLICE_WORDS + 10 };
	begin();
	walk_array *outer = cairn_gc_new_array(mutator, walk_array, ARRAYS);
	cairn_gc_root_set(mutator, &root, outer);
	for (size_t i = 0; i < ARRAYS; i++) {
		walk_array *inner = cairn_gc_new_array(mutator, walk_array, ITEMS);
		cairn_gc_set(mutator, outer, item[i], inner);
		cairn_gc_set(mutator, inner, item[ITEMS - 1], cairn_gc_new(mutator, walk_pair));
	}
	heap->tracing.parts_most = 0;
	heap->zeal.is_small = true;
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, 2 * ARRAYS + 1);
	end();
}

static void the_two_items_of_a_slice_are_given_away_together(void)
{
	begin();
	cairn_gc_tracing *t = &heap->tracing;
	cairn_gc_worker *w = &t->worker[0];
	uintptr_t object = 4096;
	cairn_gc_trace_begin(heap, false, heap->blocks.colour);
	w->top->item[0] = object;
	w->top->item[1] = 5 << 1; /* where to go on, */
	w->top->item[2] = object | 1; /* and with what: above the half of four */
	w->top->item[3] = object;
	w->top->count = 4;
	cairn_gc_worker_share(w);
	cairn_gc_chunk *given = t->shared;
	EXPECT(given && given->count == 3 && given->item[2] == (object | 1) && given->item[1] == 10);
	EXPECT(w->top->count == 1 && w->top->item[0] == object);
	t->shared = NULL;
	w->top->count = 0;
	if (given) {
		given->next = w->spare;
		w->spare = given;
		w->parts++;
	}
	cairn_gc_trace_end(heap);
	end();
}

static void count_field(void *arg, void *field)
{
	(void)field;
	++*(size_t *)arg;
}

static size_t fields_of(void *object, unsigned which)
{
	size_t n = 0;
	cairn_gc_each_field(object, which, count_field, &n);
	return n;
}

static void each_field_knows_strong_weak_and_traced_ones(void)
{
	begin();
	EXPECT_EQ(fields_of(cairn_gc_new(mutator, seen), CAIRN_GC_FIELD_STRONG), 1);
	EXPECT_EQ(fields_of(cairn_gc_new(mutator, seen), CAIRN_GC_FIELD_WEAK), 1);
	EXPECT_EQ(fields_of(cairn_gc_new(mutator, seen), CAIRN_GC_FIELD_EXACT), 2);
	EXPECT_EQ(fields_of(cairn_gc_new_array(mutator, walk_rows, 7), CAIRN_GC_FIELD_STRONG), 15);
	EXPECT_EQ(fields_of(cairn_gc_new_array(mutator, walk_array, 0), CAIRN_GC_FIELD_STRONG), 0);
	walk_traced *t = cairn_gc_new(mutator, walk_traced);
	t->has_field = 1;
	EXPECT_EQ(fields_of(t, CAIRN_GC_FIELD_STRONG), 0);
	EXPECT_EQ(fields_of(t, CAIRN_GC_FIELD_STRONG | CAIRN_GC_FIELD_TRACED), 1);
	end();
}

static size_t weak_seen;
static void count_weak(void *arg, void *object)
{
	weak_seen += object == arg;
}

static void a_weak_field_reaches_nothing_and_its_object_is_listed(void)
{
	begin();
	seen *s = cairn_gc_new(mutator, seen);
	cairn_gc_root_set(mutator, &root, s);
	cairn_gc_set(mutator, s, weak, cairn_gc_new(mutator, walk_pair));
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_trace_begin(heap, false, heap->blocks.colour % 3 + 1);
	cairn_gc_trace_field(heap, &root.cairn_gc_word);
	cairn_gc_trace_all(heap);
	EXPECT_EQ(heap->tracing.worker[0].live_objects, 1);
	EXPECT(cairn_gc_reached(heap, s) == s);
	EXPECT(cairn_gc_reached(heap, (void *)s->weak.cairn_gc_word) == NULL);
	weak_seen = 0;
	cairn_gc_each_weak(heap, count_weak, s);
	EXPECT_EQ(weak_seen, 1);
	heap->tracing.worker[0].has_weak_left_out = true; /* as without memory for the list */
	cairn_gc_each_weak(heap, count_weak, s);
	EXPECT_EQ(weak_seen, 2);
	s->weak.cairn_gc_word = 0;
	cairn_gc_trace_end(heap);
	cairn_gc_blocks_turn(heap, heap->blocks.colour % 3 + 1);
	end();
}

static void words_of_a_conservative_object_keep_what_they_point_into(void)
{
	enum { WORDS = 5000 };
	begin();
	words *w = cairn_gc_new_array(mutator, words, WORDS);
	cairn_gc_root_set(mutator, &root, w);
	for (size_t i = 0; i < WORDS; i += 100) {
		walk_pair *p = cairn_gc_new(mutator, walk_pair);
		cairn_gc_set(mutator, p, a, cairn_gc_new(mutator, walk_pair));
		w->word[i] = (uintptr_t)p + i % 3 * 8;
		w->word[i + 1] = i + 1;
	}
	walk_collect(mutator);
	EXPECT_EQ(heap->looks.stats.live_objects, 2 * WORDS / 100 + 1);
	end();
}

static void several_workers_reach_the_same(void) /* GT1 GT2 */
{
	objects = 5000;
	for (workers = 2; workers <= 4; workers++) {
		what_is_reached_lives_and_nothing_else();
		a_stack_that_cannot_grow_leaves_nothing_out();
		a_long_array_is_scanned_in_slices();
		words_of_a_conservative_object_keep_what_they_point_into();
	}
	objects = 20000;
	workers = 1;
}

/* A tree of that depth, made from its leaves on. */
static walk_pair *tree(unsigned depth)
{
	walk_pair *p = cairn_gc_new(mutator, walk_pair);
	if (depth) {
		cairn_gc_set(mutator, p, a, tree(depth - 1));
		cairn_gc_set(mutator, p, b, tree(depth - 1));
	}
	return p;
}

static void workers_share_a_tree_whose_stack_is_never_long(void)
{
	workers = 2;
	begin();
	cairn_gc_root_set(mutator, &root, tree(17));
	EXPECT_EQ(heap->tracing.workers, 2);
	size_t by_second = 0;
	for (unsigned i = 0; i < 50 && !by_second; i++) { /* its processor may be somebody else's for a while */
		walk_collect(mutator);
		EXPECT_EQ(heap->looks.stats.live_objects, (1 << 18) - 1);
		by_second = heap->tracing.worker[1].live_objects;
	}
	EXPECT(by_second > 0);
	end();
	workers = 1;
}

/* A block's filled, of its slab's first, is nobody's: there the visits are counted. */
static void note_visit(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	size_t *by = arg;
	s->block[0].filled++;
	by[w->index]++;
}

static void each_slab_is_visited_once(void)
{
	for (workers = 1; workers <= 4; workers += 3) {
		begin();
		walk_build(mutator, &root.cairn_gc_word, 200000, 30);
		EXPECT(heap->blocks.slab_count > 8);
		for (uint32_t round = 1; round <= 200; round++) {
			size_t by[4] = { 0 };
			cairn_gc_workers_each_slab(heap, note_visit, by);
			EXPECT_EQ(by[0] + by[1] + by[2] + by[3], heap->blocks.slab_count);
			CAIRN_GC_EACH_SLAB(s, &heap->blocks)
				EXPECT_EQ(s->block[0].filled, round);
		}
		end();
	}
	workers = 1;
}

static void in_the_child_of_a_fork_the_forking_thread_works_alone(void)
{
	workers = 3;
	begin();
	walk_build(mutator, &root.cairn_gc_word, objects, 50);
	pid_t child = fork();
	if (!child) {
		expect_exact(objects + 1);
		end();
		_exit(test_case_failures != 0);
	}
	int status = -1;
	EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_exact(objects + 1);
	end();
	workers = 1;
}

int main(void)
{
	RUN(what_is_reached_lives_and_nothing_else);
	RUN(a_stack_that_cannot_grow_leaves_nothing_out);
	RUN(a_long_list_takes_no_stack);
	RUN(a_long_array_is_scanned_in_slices);
	RUN(a_slice_that_finds_no_room_is_not_left_out_for_good);
	RUN(the_two_items_of_a_slice_are_given_away_together);
	RUN(each_field_knows_strong_weak_and_traced_ones);
	RUN(a_weak_field_reaches_nothing_and_its_object_is_listed);
	RUN(words_of_a_conservative_object_keep_what_they_point_into);
	RUN(several_workers_reach_the_same);
	RUN(workers_share_a_tree_whose_stack_is_never_long);
	RUN(each_slab_is_visited_once);
	RUN(in_the_child_of_a_fork_the_forking_thread_works_alone);
	DONE();
}
