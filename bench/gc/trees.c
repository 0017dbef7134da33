/* trees DEPTH [THREADS] - binary-trees, of the Benchmarks Game: a tree one deeper than DEPTH is made and dropped, one
 * of DEPTH is kept, and meanwhile 2^(DEPTH+5) nodes are made and dropped as trees of each depth 4, 6 ... DEPTH. A tree
 * is made children first, and counted by walking it. Threads share the trees of each depth. */
#include "memory.h"

typedef struct node {
	MEMORY_REF(struct node) left, right;
} node;
MEMORY_TYPE(node, left, right);

static node *make(memory *m, unsigned depth)
{
	node *left = depth ? make(m, depth - 1) : NULL, *right = depth ? make(m, depth - 1) : NULL;
	node *n = memory_new(m, node);
	if (left) {
		memory_init(m, n, left, left);
		memory_init(m, n, right, right);
	} else {
		memory_null(m, n, left);
		memory_null(m, n, right);
	}
	return n;
}

static uint64_t count(memory *m, node *n)
{
	node *left = memory_get(m, n, left);
	return left ? 1 + count(m, left) + count(m, memory_get(m, n, right)) : 1;
}

enum { POLL_DEPTH = 10 }; /* of trees so deep, so once in a thousand nodes */

static uint64_t count_and_poll(memory *m, node *n, unsigned depth)
{
	memory_poll(m);
	if (depth <= POLL_DEPTH)
		return count(m, n);
	return 1 + count_and_poll(m, memory_get(m, n, left), depth - 1) +
	       count_and_poll(m, memory_get(m, n, right), depth - 1);
}

static void drop(memory *m, node *n)
{
	node *left = memory_get(m, n, left), *right = memory_get(m, n, right);
	if (left) {
		drop(m, left);
		drop(m, right);
	}
	memory_free(m, n);
}

/* In a frame of its own, so that no word of it is left to keep the tree. */
static __attribute__((noinline)) uint64_t make_count_drop(memory *m, unsigned depth)
{
	node *n = make(m, depth);
	uint64_t nodes = count_and_poll(m, n, depth);
	if (MEMORY_FREES)
		drop(m, n);
	return nodes;
}

typedef struct share {
	unsigned depth;
	size_t trees;
	uint64_t nodes;
} share;

static void make_trees(memory *m, share *s)
{
	for (size_t i = 0; i < s->trees; i++)
		s->nodes += make_count_drop(m, s->depth);
}

static void *make_trees_attached(void *argument)
{
	memory *m = memory_attach();
	make_trees(m, argument);
	memory_detach(m);
	return NULL;
}

static uint64_t all_of_depth(memory *m, unsigned depth, size_t trees, unsigned threads)
{
	share s[64] = { { 0 } };
	uint64_t nodes = 0;
	for (unsigned i = 0; i < threads; i++)
		s[i] = (share){ depth, trees / threads + (i < trees % threads), 0 };
	if (threads == 1)
		make_trees(m, s);
	else
		MEMORY_WAITING(m) { bench_crowd(threads, make_trees_attached, s, sizeof *s); }
	for (unsigned i = 0; i < threads; i++)
		nodes += s[i].nodes;
	return nodes;
}

int main(int argc, char **argv)
{
	unsigned most = bench_argument(argc, argv, 1, 20), threads = bench_argument(argc, argv, 2, 1);
	if (most < 4 || most > 40 || threads < 1 || threads > 64)
		return fprintf(stderr, "trees: DEPTH is 4 to 40, THREADS 1 to 64\n"), 2;
	memory *m = memory_open();
	bench_start();
	uint64_t check = make_count_drop(m, most + 1);
	node *kept = make(m, most);
	for (unsigned depth = 4; depth <= most; depth += 2)
		check = check * 31 + all_of_depth(m, depth, (size_t)1 << (most - depth + 4), threads);
	check = check * 31 + count_and_poll(m, kept, most);
	if (MEMORY_FREES)
		drop(m, kept);
	bench_stop();
	memory_close(m);
	return bench_done(check);
}
