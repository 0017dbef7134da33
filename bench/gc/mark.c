/* mark SHAPE LOG2 - how long marking takes: 2^LOG2 objects live, of 32 bytes with their headers, as a `tree`, or with
 * edges by `chance`, and are marked five times. Prints the shortest mark phase, in us of the clock. CAIRN_GC_WORKERS
 * says how many threads mark. */
#include "memory.h"

enum { TIMES = 5 };

typedef struct node {
	uint64_t key;
	MEMORY_REF(struct node) left, right;
} node;
MEMORY_TYPE(node, left, right);

typedef struct nodes {
	uint64_t count;
	MEMORY_REF(node) at[];
} nodes;
MEMORY_TAIL(nodes, at, 1);

static node *tree(memory *m, unsigned depth)
{
	node *left = depth ? tree(m, depth - 1) : NULL, *right = depth ? tree(m, depth - 1) : NULL;
	node *n = memory_new(m, node);
	memory_init(m, n, left, left);
	memory_init(m, n, right, right);
	return n;
}

/* Each of the nodes has two edges to any of them; all are in the array that is returned. */
static nodes *chance(memory *m, size_t count)
{
	uint64_t seed = bench_seed(1);
	nodes *all = memory_new_array(m, nodes, at, count);
	for (size_t i = 0; i < count; i++)
		memory_set(m, all, at[i], memory_new(m, node));
	for (size_t i = 0; i < count; i++) {
		node *n = memory_get(m, all, at[i]);
		memory_set(m, n, left, memory_get(m, all, at[bench_below(&seed, count)]));
		memory_set(m, n, right, memory_get(m, all, at[bench_below(&seed, count)]));
	}
	return all;
}

static void listen(const cairn_gc_event *e, void *arg)
{
	uint64_t *best = arg;
	if (!strcmp(e->phase, "mark") && e->ns < *best)
		*best = e->ns;
}

int main(int argc, char **argv)
{
	unsigned log2 = bench_argument(argc, argv, 2, 25);
	const char *shape = argc > 1 ? argv[1] : "tree";
	if (log2 < 1 || log2 > 32 || (strcmp(shape, "tree") && strcmp(shape, "chance")))
		return fprintf(stderr, "mark: SHAPE is tree or chance, LOG2 1 to 32\n"), 2;
	memory *m = memory_open();
	bench_start();
	void *volatile kept = *shape == 't' ? (void *)tree(m, log2 - 1) : (void *)chance(m, (size_t)1 << log2);
	uint64_t best = UINT64_MAX;
	cairn_gc_listen(memory_heap, listen, &best);
	for (unsigned i = 0; i < TIMES; i++)
		cairn_gc_collect(m);
	cairn_gc_listen(memory_heap, NULL, NULL);
	bench_stop();
	static cairn_gc_stats s;
	cairn_gc_stats_get(memory_heap, &s);
	printf("mark_us %llu\n", (unsigned long long)best / 1000);
	memory_close(m);
	return bench_done(kept ? s.live_objects : 0);
}
