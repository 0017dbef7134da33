/* The modes of zeal: each does what it says, is silent where all is well, and tells what it is there for. */
#include "gc/managed.h"
#include "os/report.h"
#include "support/child.h"
#include "support/gcnodes.h"

#include <pthread.h>

static char said[16384];

static void begin(cairn_gc_collector c, const char *zeal)
{
	heap = cairn_gc_open(
		&(cairn_gc_config){ .collector = c, .exact_roots = true, .zeal = zeal, .name = "zealous" });
	mutator = cairn_gc_attach(heap);
	root.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &root);
}

static void end(void)
{
	root.cairn_gc_word = 0;
	cairn_gc_root_remove(heap, &root);
	cairn_gc_close(heap);
}

static const cairn_gc_collector collectors[] = { CAIRN_GC_MARKSWEEP, CAIRN_GC_SEMISPACE, CAIRN_GC_MARKCOMPACT,
	CAIRN_GC_GENERATIONAL };
enum { COLLECTORS = sizeof collectors / sizeof collectors[0] };

static bool is_built(cairn_gc_collector c) { return cairn_gc_plan_of(c) && cairn_gc_plan_of(c)->name; }

/* ---- A child's stderr ---- */

static int said_pipe[2];

static int run_and_listen(void (*body)(void *), void *arg)
{
	memset(said, 0, sizeof said);
	if (pipe(said_pipe))
		return -1;
	pid_t child = fork();
	if (!child) {
		dup2(said_pipe[1], 2);
		cairn_report_init();
		body(arg);
		_exit(__atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0);
	}
	close(said_pipe[1]);
	for (size_t n = 0; n < sizeof said - 1;) {
		ssize_t got = read(said_pipe[0], said + n, sizeof said - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(said_pipe[0]);
	int status = -1;
	waitpid(child, &status, 0);
	return status;
}

static bool said_has(const char *what)
{
	if (strstr(said, what))
		return true;
	NOTE("not said: %s", what);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		NOTE("said: %s", line);
	return false;
}

static bool has_aborted(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }

/* ---- Words ---- */

static void the_words_are_read(void)
{
	begin(CAIRN_GC_MARKSWEEP, "collect=7,move, small ,pins=3,poison,delay,verify,shadow,seed=99");
	const cairn_gc_zeal *z = &heap->zeal;
	EXPECT(z->is_on && z->moves && z->is_small && z->poisons && z->delays && z->verifies && z->shadows);
	EXPECT_EQ(z->collect_every, 7);
	EXPECT_EQ(z->pin_one_of, 3);
	end();
	begin(CAIRN_GC_MARKSWEEP, NULL);
	EXPECT(!heap->zeal.is_on);
	end();
	begin(CAIRN_GC_MARKSWEEP, ",,move,");
	EXPECT(heap->zeal.moves && !heap->zeal.is_small);
	end();
}

static void open_with_words(void *arg)
{
	begin(CAIRN_GC_MARKSWEEP, arg);
	EXPECT(heap->zeal.moves);
	EXPECT(!heap->zeal.collect_every && !heap->zeal.pin_one_of && !heap->zeal.poisons);
	end();
}

static void an_unknown_word_is_told_and_ignored(void)
{
	static char words[] = "collect,pins=0,pins=x,move,poisonous,collect=99999999999999999999,mov";
	EXPECT_EQ(run_and_listen(open_with_words, words), 0);
	unsigned lines = 0;
	for (const char *at = said; (at = strstr(at, "is ignored")); at++)
		lines++;
	EXPECT_EQ(lines, 6);
	EXPECT(said_has("cairn: gc: zeal: the word 'poisonous' is ignored"));
}

static uint64_t chance_of(const char *zeal)
{
	begin(CAIRN_GC_MARKSWEEP, zeal);
	uint64_t sum = 0;
	for (unsigned i = 0; i < 100; i++)
		sum = sum * 31 + cairn_gc_chance(heap);
	end();
	return sum;
}

static void first_chance(void *arg)
{
	uint64_t sum = chance_of("delay,seed=5");
	EXPECT(write(*(int *)arg, &sum, sizeof sum) == sizeof sum);
}

static void two_heaps_with_chance(void *arg)
{
	(void)arg;
	chance_of("delay");
	chance_of("pins=5");
}

static void a_seed_repeats_and_a_random_one_is_said_once(void)
{
	int to[2];
	uint64_t sums[2] = { 0, 1 };
	REQUIRE(pipe(to) == 0);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_EQ(run_and_listen(first_chance, &to[1]), 0);
		EXPECT(!said[0]);
		EXPECT(read(to[0], &sums[i], sizeof sums[i]) == sizeof sums[i]);
	}
	EXPECT(sums[0] == sums[1]);
	EXPECT_EQ(run_and_listen(two_heaps_with_chance, NULL), 0);
	EXPECT(said_has("cairn: gc: zeal: seed="));
	char *first = strstr(said, "seed=");
	EXPECT(first && !strstr(first + 1, "seed="));
}

/* ---- A program that is right: its tree is the same at the end ---- */

static node *tree_make(unsigned depth, uint64_t *key)
{
	node *n = cairn_gc_new(mutator, node);
	n->key = ++*key;
	cairn_gc_handle *h = cairn_gc_handle_new(mutator, n);
	if (depth) {
		node *left = tree_make(depth - 1, key);
		n = cairn_gc_handle_get(mutator, h);
		cairn_gc_set(mutator, n, left, left);
		node *right = tree_make(depth - 1, key);
		n = cairn_gc_handle_get(mutator, h);
		EXPECT(cairn_gc_cas(mutator, n, right, NULL, right));
	}
	cairn_gc_handle_free(heap, h);
	return n;
}

static uint64_t tree_sum(const node *n)
{
	return n ? n->key + 3 * tree_sum(cairn_gc_get(mutator, n, left)) + 5 * tree_sum(cairn_gc_get(mutator, n, right))
		 : 0;
}

static void tree_turn(node *n)
{
	if (!n)
		return;
	node *left = cairn_gc_get(mutator, n, left);
	node *right = cairn_gc_swap(mutator, n, right, left);
	cairn_gc_set(mutator, n, left, right);
	tree_turn(left);
	tree_turn(right);
}

static void tree_copy(unsigned count)
{
	vec *v = cairn_gc_new_array(mutator, vec, count);
	node *top = cairn_gc_root_get(mutator, &root);
	for (unsigned i = 0; i < count; i++)
		cairn_gc_store_(mutator, v, &v->item[i].cairn_gc_word, i % 3 ? top : NULL);
	cairn_gc_copy(mutator, v, &v->item[1], &v->item[0], count - 1);
}

static void churn(unsigned depth, unsigned rounds)
{
	uint64_t key = 0;
	node *top = tree_make(depth, &key);
	cairn_gc_root_set(mutator, &root, top);
	uint64_t sum = tree_sum(top);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t other = 0;
		tree_make(depth / 2, &other);
		tree_copy(20 + 40 * i);
		char *bytes = cairn_gc_new_bytes(mutator, 20000 + 1000 * i);
		for (unsigned at = 0; at < 20000; at++)
			EXPECT(bytes[at] == 0);
		memset(bytes, 0x55, 20000);
		cairn_gc_free(mutator, bytes);
		cairn_gc_collect(mutator);
		tree_turn(cairn_gc_root_get(mutator, &root));
		cairn_gc_collect(mutator);
		tree_turn(cairn_gc_root_get(mutator, &root));
	}
	EXPECT(tree_sum(cairn_gc_root_get(mutator, &root)) == sum);
}

static void every_mode_leaves_a_right_program_alone(void) /* GZ2 */
{
	static const char *const modes[] = { "collect=20", "collect=1", "move", "small", "pins=3,seed=1", "poison",
		"delay,seed=2", "verify", "shadow", "collect=13,move,small,pins=5,poison,verify,shadow,seed=3" };
	for (unsigned c = 0; c < COLLECTORS; c++)
		for (unsigned i = 0; is_built(collectors[c]) && i < sizeof modes / sizeof modes[0]; i++) {
			begin(collectors[c], modes[i]);
			churn(i == 1 ? 4 : 6, 3);
			end();
		}
}

/* ---- Each mode ---- */

static void collect_makes_a_collection_at_every_nth_allocation(void)
{
	begin(CAIRN_GC_MARKSWEEP, "collect=10");
	for (unsigned i = 0; i < 1000; i++)
		cairn_gc_new(mutator, node);
	EXPECT_EQ(heap->collection, 100);
	end();
}

static void pins_keep_some_objects_where_they_are(void)
{
	static uintptr_t before[300];
	unsigned stayed[2] = { 0 };
	for (unsigned pins = 0; pins < 2; pins++) {
		begin(CAIRN_GC_SEMISPACE, pins ? "pins=4,seed=7" : "move");
		vec *v = cairn_gc_new_array(mutator, vec, 300);
		cairn_gc_root_set(mutator, &root, v);
		for (unsigned i = 0; i < 300; i++) {
			node *n = cairn_gc_new(mutator, node);
			v = cairn_gc_root_get(mutator, &root);
			cairn_gc_store_(mutator, v, &v->item[i].cairn_gc_word, n);
			before[i] = (uintptr_t)n;
		}
		cairn_gc_collect(mutator);
		v = cairn_gc_root_get(mutator, &root);
		for (unsigned i = 0; i < 300; i++)
			stayed[pins] += (uintptr_t)cairn_gc_get(mutator, v, item[i]) == before[i];
		end();
	}
	EXPECT_EQ(stayed[0], 0);
	EXPECT(stayed[1] > 30 && stayed[1] < 150);
}

static node *lose_a_node(size_t others)
{
	node *n = cairn_gc_new(mutator, node);
	for (size_t i = 0; i < others; i++)
		cairn_gc_new(mutator, node);
	cairn_gc_root_set(mutator, &root, cairn_gc_new(mutator, node)); /* an empty slab may go back to the page heap */
	cairn_gc_collect(mutator);
	return n;
}

static void read_a_dead_object(void *arg)
{
	begin(CAIRN_GC_MARKSWEEP, arg);
	node *n = lose_a_node(5000);
	__asm__ volatile("" : : "r"(*(volatile uint64_t *)&n->key));
}

static void poison_makes_free_blocks_inaccessible(void) /* GZ1 */
{
	static char on[] = "poison", off[] = "move";
	int status = run_and_listen(read_a_dead_object, on);
	EXPECT(IS_SANITIZED ? status != 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EXPECT_EQ(run_and_listen(read_a_dead_object, off), 0);
}

static size_t closed_blocks(void)
{
	size_t closed = 0;
	CAIRN_GC_EACH_BLOCK(b, &heap->blocks) {
		EXPECT(!b->is_closed || b->kind == CAIRN_GC_BLOCK_EMPTY);
		closed += b->is_closed;
	}
	return closed;
}

static void closed_blocks_are_free_ones_and_are_opened_for_use(void) /* GZ1 */
{
	begin(CAIRN_GC_MARKSWEEP, "poison");
	lose_a_node(5000);
	size_t closed = closed_blocks(), whole = CAIRN_GC_BLOCK_BYTES % (size_t)sysconf(_SC_PAGESIZE) == 0;
	EXPECT(closed > 0 || !whole);
	EXPECT_EQ(cairn_gc_verify(mutator, stderr), 0);
	for (unsigned i = 0; i < 5000; i++)
		cairn_gc_new(mutator, node)->key = i;
	EXPECT(closed_blocks() < closed || !whole);
	EXPECT_EQ(cairn_gc_verify(mutator, stderr), 0);
	end();
}

static void say_that_a_used_block_is_closed(void *is_said)
{
	begin(CAIRN_GC_MARKSWEEP, "poison");
	cairn_gc_block_of(cairn_gc_new(mutator, node))->is_closed = is_said != NULL;
	cairn_gc_verify(mutator, stderr);
}

static void a_closed_block_that_is_used_is_noticed(void) /* GZ1 */
{
	EXPECT(!child_aborts(say_that_a_used_block_is_closed, NULL));
	EXPECT(child_aborts(say_that_a_used_block_is_closed, (void *)1));
}

static void poison_fills_holes_and_what_is_new_reads_zero(void) /* GZ2 */
{
	begin(CAIRN_GC_MARKSWEEP, "poison");
	cairn_gc_root_set(mutator, &root, cairn_gc_new(mutator, node)); /* keeps the block */
	node *n = lose_a_node(10);
	EXPECT(n->key == 0xdbdbdbdbdbdbdbdb);
	for (unsigned i = 0; i < 20000; i++) {
		node *fresh = cairn_gc_new(mutator, node);
		EXPECT(!fresh->key && !fresh->left.cairn_gc_word && !fresh->right.cairn_gc_word);
		fresh->key = i + 1;
	}
	end();
}

static void delays_wait_and_only_where_asked(void)
{
	begin(CAIRN_GC_MARKSWEEP, "delay,seed=1");
	double start = test_seconds();
	for (unsigned i = 0; i < 60; i++)
		cairn_gc_zeal_delay(heap);
	EXPECT(test_seconds() - start > 0.002);
	end();
}

/* ---- The shadow ---- */

static void store_past_the_barrier(void *arg)
{
	begin(CAIRN_GC_MARKSWEEP, "shadow");
	node *n = cairn_gc_new(mutator, node), *other = cairn_gc_new(mutator, node);
	cairn_gc_root_set(mutator, &root, n);
	cairn_gc_set(mutator, n, left, other);
	if (*(int *)arg)
		cairn_gc_collect(mutator); /* also of what has lived through one */
	n->right.cairn_gc_word = (uintptr_t)other;
	cairn_gc_collect(mutator);
}

static void a_store_past_the_barrier_is_told_and_aborts(void)
{
	for (int old = 0; old < 2; old++) {
		EXPECT(has_aborted(run_and_listen(store_past_the_barrier, &old)));
		EXPECT(said_has(sizeof(cairn_gc_slot) == 8 ? "cairn: heap verify: node (offset 16) of 0x"
							: "cairn: heap verify: node (offset 12) of 0x"));
		run_and_listen(store_past_the_barrier, &old);
		EXPECT(said_has(", but the last store by cairn_gc_set was 0x0"));
	}
}

static void freed_and_shrunk_memory_has_no_shadow_left(void)
{
	begin(CAIRN_GC_MARKSWEEP, "shadow");
	vec *keep = cairn_gc_new_array(mutator, vec, 4);
	cairn_gc_root_set(mutator, &root, keep);
	node *n = cairn_gc_new(mutator, node);
	cairn_gc_store_(mutator, keep, &keep->item[0].cairn_gc_word, n);
	vec *v = cairn_gc_new_array(mutator, vec, 100);
	for (unsigned i = 0; i < 100; i++)
		cairn_gc_store_(mutator, v, &v->item[i].cairn_gc_word, n);
	cairn_gc_free(mutator, v); /* the newest: its memory is the next one's */
	v = cairn_gc_new_array(mutator, vec, 100);
	cairn_gc_store_(mutator, v, &v->item[7].cairn_gc_word, n);
	EXPECT(cairn_gc_resize(mutator, v, 8 + 8 * 3));
	EXPECT(cairn_gc_resize(mutator, v, 8 + 8 * 20));
	EXPECT_EQ(v->item[7].cairn_gc_word, 0);
	for (unsigned i = 0; i < 3; i++) { /* blocks of their own, and slabs */
		size_t items = (size_t)20000 << 4 * i;
		v = cairn_gc_new_array(mutator, vec, items);
		cairn_gc_store_(mutator, v, &v->item[items - 1].cairn_gc_word, n);
		cairn_gc_free(mutator, v);
		v = cairn_gc_new_array(mutator, vec, items + 10);
		cairn_gc_store_(mutator, v, &v->item[items].cairn_gc_word, n);
	}
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
	cairn_gc_collect(mutator);
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
	end();
}

enum { RACERS = 3, RACES = 20000 };

static void *race(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(heap);
	node *n = arg, *mine = cairn_gc_new(m, node);
	cairn_gc_handle *h = cairn_gc_handle_new(m, mine);
	for (unsigned i = 0; i < RACES; i++) {
		node *was = cairn_gc_get(m, n, left);
		if (i % 3 == 0)
			cairn_gc_set(m, n, left, mine);
		else if (i % 3 == 1)
			cairn_gc_cas(m, n, left, was, NULL);
		else
			cairn_gc_swap(m, n, left, mine);
	}
	cairn_gc_set(m, n, left, NULL);
	cairn_gc_handle_free(heap, h);
	cairn_gc_detach(m);
	return NULL;
}

static void two_threads_that_store_to_one_field_are_no_error(void)
{
	pthread_t threads[RACERS];
	begin(CAIRN_GC_MARKSWEEP, "shadow");
	node *n = cairn_gc_new(mutator, node);
	cairn_gc_root_set(mutator, &root, n);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_create(&threads[i], NULL, race, n);
	cairn_gc_leave(mutator);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	cairn_gc_enter(mutator);
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
	end();
}

static void child_stores_and_collects(void *arg)
{
	node *n = arg;
	cairn_gc_set(mutator, n, right, cairn_gc_new(mutator, node));
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
	cairn_gc_collect(mutator);
	n = cairn_gc_root_get(mutator, &root);
	cairn_gc_swap(mutator, n, right, NULL);
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
}

/* Also when another thread was amid a store. */
static void after_fork_the_shadow_goes_on(void)
{
	pthread_t threads[RACERS];
	begin(CAIRN_GC_MARKSWEEP, "shadow");
	node *n = cairn_gc_new(mutator, node);
	cairn_gc_root_set(mutator, &root, n);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_create(&threads[i], NULL, race, n);
	for (unsigned i = 0; i < 20; i++)
		in_a_child(child_stores_and_collects, n);
	cairn_gc_leave(mutator);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	cairn_gc_enter(mutator);
	EXPECT_EQ(cairn_gc_shadow_compare(heap), 0);
	end();
}

/* ---- verify ---- */

static void break_an_edge(void *arg)
{
	begin(CAIRN_GC_MARKSWEEP, "verify");
	node *n = cairn_gc_new(mutator, node);
	cairn_gc_root_set(mutator, &root, n);
	cairn_gc_collect(mutator);
	n->left.cairn_gc_word = (uintptr_t)arg;
	cairn_gc_collect(mutator);
}

static void verify_aborts_at_the_next_collection(void)
{
	EXPECT(has_aborted(run_and_listen(break_an_edge, &root)));
	EXPECT(said_has(" +8 -> "));
	run_and_listen(break_an_edge, &root);
	EXPECT(said_has("before collection 2: aborted"));
	EXPECT_EQ(run_and_listen(break_an_edge, NULL), 0);
}

int main(void)
{
	RUN(the_words_are_read);
	RUN(an_unknown_word_is_told_and_ignored);
	RUN(a_seed_repeats_and_a_random_one_is_said_once);
	RUN(every_mode_leaves_a_right_program_alone);
	RUN(collect_makes_a_collection_at_every_nth_allocation);
	RUN(pins_keep_some_objects_where_they_are);
	RUN(poison_makes_free_blocks_inaccessible);
	RUN(closed_blocks_are_free_ones_and_are_opened_for_use);
	if (CAN_ASSERT)
		RUN(a_closed_block_that_is_used_is_noticed);
	RUN(poison_fills_holes_and_what_is_new_reads_zero);
	RUN(delays_wait_and_only_where_asked);
	RUN(a_store_past_the_barrier_is_told_and_aborts);
	RUN(freed_and_shrunk_memory_has_no_shadow_left);
	RUN(two_threads_that_store_to_one_field_are_no_error);
	if (!IS_SANITIZED) /* which take threads that are not in a child for lost */
		RUN(after_fork_the_shadow_goes_on);
	RUN(verify_aborts_at_the_next_collection);
	DONE();
}
