/* gcbench DEPTH - the shape of GCBench (Ellis and Kovac, then Boehm): a tree two deeper than DEPTH is made and dropped;
 * one of DEPTH and an array of 500,000 doubles are kept, while trees of depth 4, 6 ... DEPTH are made and dropped, as
 * many as make up twice the first from the top down (old nodes refer to new ones), and as many from the bottom up. */
#include "memory.h"

enum { ARRAY = 500000, LEAST = 4 };

typedef struct node {
	MEMORY_REF(struct node) left, right;
	int i, j;
} node;
MEMORY_TYPE(node, left, right);

typedef struct doubles {
	size_t count;
	double of[];
} doubles;
MEMORY_LEAF(doubles, of);

static node *new_node(memory *m)
{
	node *n = memory_new(m, node);
	memory_null(m, n, left);
	memory_null(m, n, right);
	n->i = n->j = 0;
	return n;
}

static void populate(memory *m, node *n, unsigned depth)
{
	if (!depth)
		return;
	memory_set(m, n, left, new_node(m));
	memory_set(m, n, right, new_node(m));
	n->i = (int)depth;
	populate(m, memory_get(m, n, left), depth - 1);
	populate(m, memory_get(m, n, right), depth - 1);
}

static node *bottom_up(memory *m, unsigned depth)
{
	if (!depth)
		return new_node(m);
	node *left = bottom_up(m, depth - 1), *right = bottom_up(m, depth - 1);
	node *n = memory_new(m, node);
	memory_init(m, n, left, left);
	memory_init(m, n, right, right);
	n->i = n->j = (int)depth;
	return n;
}

/* The sum of i along the way down on the left: both must have been made. */
static uint64_t left_sum(memory *m, node *n)
{
	uint64_t sum = 0;
	for (; n; n = memory_get(m, n, left))
		sum += (uint64_t)n->i + 1;
	return sum;
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

static __attribute__((noinline)) uint64_t one_from_the_top(memory *m, unsigned depth)
{
	node *n = new_node(m);
	populate(m, n, depth);
	uint64_t sum = left_sum(m, n);
	if (MEMORY_FREES)
		drop(m, n);
	return sum;
}

static __attribute__((noinline)) uint64_t one_from_the_bottom(memory *m, unsigned depth)
{
	node *n = bottom_up(m, depth);
	uint64_t sum = left_sum(m, n);
	if (MEMORY_FREES)
		drop(m, n);
	return sum;
}

static size_t nodes_of(unsigned depth) { return ((size_t)1 << (depth + 1)) - 1; }

static uint64_t all_of_depth(memory *m, unsigned depth, unsigned stretch)
{
	uint64_t sum = 0;
	size_t trees = 2 * nodes_of(stretch) / nodes_of(depth);
	for (size_t i = 0; i < trees; i++)
		sum += one_from_the_top(m, depth);
	for (size_t i = 0; i < trees; i++)
		sum += one_from_the_bottom(m, depth) * 3;
	return sum;
}

int main(int argc, char **argv)
{
	unsigned most = bench_argument(argc, argv, 1, 18);
	if (most < LEAST || most > 40)
		return fprintf(stderr, "gcbench: DEPTH is 4 to 40\n"), 2;
	memory *m = memory_open();
	bench_start();
	uint64_t check = one_from_the_bottom(m, most + 2);
	node *kept = new_node(m);
	populate(m, kept, most);
	doubles *array = memory_new_array(m, doubles, of, ARRAY);
	array->count = ARRAY;
	for (size_t i = 0; i < ARRAY; i++)
		array->of[i] = 1.0 / (double)(i + 1);
	for (unsigned depth = LEAST; depth <= most; depth += 2)
		check = check * 31 + all_of_depth(m, depth, most + 2);
	check = check * 31 + left_sum(m, kept);
	check = check * 31 + (uint64_t)(array->of[1000] * 1e9) + array->count;
	if (MEMORY_FREES) {
		drop(m, kept);
		memory_free(m, array);
	}
	bench_stop();
	memory_close(m);
	return bench_done(check);
}
