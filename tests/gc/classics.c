/* The programs that collectors have been measured by, as users would write them: what they build is there, and
 * what they dropped is not held. Ideas of binary-trees (Hans Boehm, the benchmarks game), GCBench (Ellis, Kovac
 * and Boehm), gcold (Detlefs), and of everyday structures. */
#include "heaps.h"

typedef struct entry {
	uint64_t key, value;
	cairn_ref(struct entry) next;
} entry;
CAIRN_GC_TYPE(entry, .refs = CAIRN_GC_REFS(entry, next));

typedef struct slots {
	size_t used;
	cairn_ref(entry) at[];
} slots;
CAIRN_GC_TYPE(slots, .tail_offset = offsetof(slots, at), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

static node *tree(cairn_gc_mutator *m, int depth)
{
	node *n = cairn_gc_new(m, node);
	n->key = depth;
	if (depth > 0) {
		cairn_gc_set(m, n, left, tree(m, depth - 1));
		cairn_gc_set(m, n, right, tree(m, depth - 1));
	}
	return n;
}
static long nodes_of(cairn_gc_mutator *m, node *n)
{
	return n ? 1 + nodes_of(m, cairn_gc_get(m, n, left)) + nodes_of(m, cairn_gc_get(m, n, right)) : 0;
}

static void binary_trees_count_their_nodes(void)
{
	int most = IS_SLOW ? 10 : 13;
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		node *lasting = tree(p.m, most);
		for (int depth = 4; depth <= most; depth += 2) {
			long count = 0, trees = 1l << (most - depth + 4);
			for (long i = 0; i < trees; i++)
				count += nodes_of(p.m, tree(p.m, depth));
			EXPECT_EQ(count, trees * ((2l << depth) - 1));
		}
		EXPECT_EQ(nodes_of(p.m, lasting), (2l << most) - 1);
		cairn_gc_stats s = stats_of(p);
		unsigned least = sizeof(cairn_gc_slot) == 8 ? 4 : 2; /* there is less of them */
		EXPECT(c == CAIRN_GC_NONE ? s.collections == 0 : s.collections >= least);
		if (c != CAIRN_GC_NONE) /* each tree lives only while it is counted */
			EXPECT(s.held_peak_bytes < (size_t)(2l << most) * 32 * 10 + (8 << 20));
		place_close(p);
	}
}

/* From the top down: an object's fields are stored after younger objects were made. */
static void populate(cairn_gc_mutator *m, node *n, int depth)
{
	if (depth == 0)
		return;
	cairn_gc_set(m, n, left, cairn_gc_new(m, node));
	cairn_gc_set(m, n, right, cairn_gc_new(m, node));
	populate(m, cairn_gc_get(m, n, left), depth - 1);
	populate(m, cairn_gc_get(m, n, right), depth - 1);
}

static void gcbench_keeps_its_long_lived_tree_and_array(void)
{
	int depth = IS_SLOW ? 9 : 12;
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		node *lasting = cairn_gc_new(p.m, node);
		populate(p.m, lasting, depth);
		size_t count = IS_SLOW ? 50000 : 500000;
		double *array = cairn_gc_new_bytes(p.m, count * sizeof *array);
		for (size_t i = 0; i < count; i++)
			array[i] = 1.0 / (double)(i + 1);
		for (int d = 2; d <= depth; d += 2)
			for (int i = 0; i < 1 << (depth - d); i++) {
				node *down = cairn_gc_new(p.m, node);
				populate(p.m, down, d);
				EXPECT_EQ(nodes_of(p.m, down), (2l << d) - 1);
				EXPECT_EQ(nodes_of(p.m, tree(p.m, d)), (2l << d) - 1);
			}
		EXPECT_EQ(nodes_of(p.m, lasting), (2l << depth) - 1);
		for (size_t i = 0; i < count; i += 1000)
			EXPECT(array[i] == 1.0 / (double)(i + 1));
		place_close(p);
	}
}

/* Old trees, of which random parts are replaced by young ones, exchanged between trees, and thrown away. */
static void old_and_young_are_mixed_and_every_tree_stays_whole(void)
{
	enum { TREES = 16, DEPTH = 8 };
	int steps = IS_SLOW ? 800 : 8000;
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		list *all = cairn_gc_new_array(p.m, list, TREES);
		uint64_t rnd = 5;
		for (int i = 0; i < TREES; i++)
			cairn_gc_set(p.m, all, items[i], tree(p.m, DEPTH));
		for (int step = 0; step < steps; step++) {
			node *a = cairn_gc_get(p.m, all, items[test_random(&rnd) % TREES]);
			node *b = cairn_gc_get(p.m, all, items[test_random(&rnd) % TREES]);
			int down = (int)(test_random(&rnd) % (DEPTH - 2));
			uint64_t path = test_random(&rnd);
			for (int i = 0; i < down; i++, path >>= 1) {
				a = path & 1 ? cairn_gc_get(p.m, a, left) : cairn_gc_get(p.m, a, right);
				b = path & 1 ? cairn_gc_get(p.m, b, right) : cairn_gc_get(p.m, b, left);
			}
			if (path & 1) {
				cairn_gc_set(p.m, a, left, tree(p.m, DEPTH - down - 1));
			} else {
				node *was = cairn_gc_swap(p.m, a, right, cairn_gc_get(p.m, b, left));
				cairn_gc_set(p.m, b, left, was);
			}
		}
		for (int i = 0; i < TREES; i++)
			EXPECT_EQ(nodes_of(p.m, cairn_gc_get(p.m, all, items[i])), (2l << DEPTH) - 1);
		cairn_gc_collect(p.m);
		if (c != CAIRN_GC_NONE)
			EXPECT(stats_of(p).live_objects < 3 * TREES * (2 << DEPTH));
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		place_close(p);
	}
}

static void a_queue_of_a_thousand_never_grows(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20, .max = 16 << 20 });
		node *head = cairn_gc_new(p.m, node), *last = head;
		long count = IS_SLOW ? 100000 : 1000000;
		for (long i = 1; i < count; i++) {
			node *n = cairn_gc_new(p.m, node);
			n->key = i;
			cairn_gc_set(p.m, last, right, n);
			last = n;
			/* what is taken out lets go of the next: a stale word would keep all that came after */
			if (i >= 1000)
				head = cairn_gc_swap(p.m, head, right, NULL);
		}
		EXPECT_EQ(head->key, count - 1000);
		long length = 0;
		for (node *n = head; n; n = cairn_gc_get(p.m, n, right))
			length++;
		EXPECT_EQ(length, 1000);
		EXPECT(stats_of(p).held_peak_bytes <= 16 << 20);
		place_close(p);
	}
}

/* A hash map of chains that doubles: trailing arrays die, large ones among them; entries move from one to the next. */
static slots *map_put(cairn_gc_mutator *m, slots *s, uint64_t key, uint64_t value)
{
	size_t length = cairn_gc_length(s);
	if (s->used == length) {
		slots *larger = cairn_gc_new_array(m, slots, length * 2);
		for (size_t i = 0; i < length; i++)
			for (entry *e = cairn_gc_get(m, s, at[i]), *next; e; e = next) {
				next = cairn_gc_get(m, e, next);
				size_t to = e->key * 0x9e3779b97f4a7c15ull >> 20 & (length * 2 - 1);
				cairn_gc_set(m, e, next, cairn_gc_get(m, larger, at[to]));
				cairn_gc_set(m, larger, at[to], e);
			}
		larger->used = s->used;
		s = larger;
		length *= 2;
	}
	entry *e = cairn_gc_new(m, entry);
	size_t to = key * 0x9e3779b97f4a7c15ull >> 20 & (length - 1);
	e->key = key;
	e->value = value;
	cairn_gc_set(m, e, next, cairn_gc_get(m, s, at[to]));
	cairn_gc_set(m, s, at[to], e);
	s->used++;
	return s;
}

static void a_hash_map_that_grows_finds_all_its_keys(void)
{
	uint64_t count = IS_SLOW ? 20000 : 200000;
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		slots *s = cairn_gc_new_array(p.m, slots, 16);
		for (uint64_t i = 0; i < count; i++) {
			s = map_put(p.m, s, i * i, i);
			cairn_gc_new_bytes(p.m, i % 100);
		}
		uint64_t found = 0, right = 0;
		for (size_t i = 0; i < cairn_gc_length(s); i++)
			for (entry *e = cairn_gc_get(p.m, s, at[i]); e; e = cairn_gc_get(p.m, e, next)) {
				found++;
				right += e->key == e->value * e->value;
			}
		EXPECT_EQ(found, count);
		EXPECT_EQ(right, count);
		place_close(p);
	}
}

/* Sizes from 0 to a megabyte come and go, the survivors' bytes stay; what is left over is used again. */
static void bytes_of_every_size_stay_as_written(void)
{
	enum { KEPT = 200 };
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 4 << 20, .max = 200 << 20 });
		unsigned char *kept[KEPT] = { 0 };
		uint64_t rnd = 7;
		int steps = IS_SLOW ? 3000 : 30000;
		for (int step = 0; step < steps; step++) {
			int i = (int)(test_random(&rnd) % KEPT);
			if (kept[i]) {
				size_t n = cairn_gc_size(kept[i]);
				EXPECT(n == 0 ||
					(kept[i][0] == (unsigned char)i && kept[i][n - 1] == (unsigned char)i));
			}
			size_t order = test_random(&rnd) % (step % 50 ? 12 : 20),
			       n = test_random(&rnd) % (2ul << order);
			kept[i] = cairn_gc_new_bytes(p.m, n);
			EXPECT_EQ(cairn_gc_size(kept[i]), n);
			if (n)
				EXPECT(kept[i][0] == 0 && kept[i][n / 2] == 0 && kept[i][n - 1] == 0);
			memset(kept[i], i, n);
		}
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		place_close(p);
	}
}

/* Two heaps with different collectors, in one thread, at once. */
static void two_heaps_do_not_know_each_other(void)
{
	place a = place_open((cairn_gc_config){ .collector = CAIRN_GC_SEMISPACE, .min = 1 << 20, .name = "first" });
	place b = place_open((cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .min = 1 << 20, .name = "second" });
	node *in_a = NULL, *in_b = NULL;
	for (long i = 0; i < (IS_SLOW ? 20000 : 100000); i++) {
		node *x = cairn_gc_new(a.m, node), *y = cairn_gc_new(b.m, node);
		x->key = y->key = i;
		if (i % 100 == 0) {
			cairn_gc_set(a.m, x, left, in_a);
			cairn_gc_set(b.m, y, left, in_b);
			in_a = x, in_b = y;
		}
	}
	long left = 0;
	while (in_a && in_b && in_a->key == in_b->key) {
		left++;
		in_a = cairn_gc_get(a.m, in_a, left);
		in_b = cairn_gc_get(b.m, in_b, left);
	}
	EXPECT_EQ(left, IS_SLOW ? 200 : 1000);
	EXPECT(cairn_gc_mutator_of(a.h) == a.m && cairn_gc_mutator_of(b.h) == b.m);
	place_close(a);
	place_close(b);
}

int main(void)
{
	RUN(binary_trees_count_their_nodes);
	RUN(gcbench_keeps_its_long_lived_tree_and_array);
	RUN(old_and_young_are_mixed_and_every_tree_stays_whole);
	RUN(a_queue_of_a_thousand_never_grows);
	RUN(a_hash_map_that_grows_finds_all_its_keys);
	RUN(bytes_of_every_size_stay_as_written);
	RUN(two_heaps_do_not_know_each_other);
	DONE();
}
