/* managed.c - programs with managed heaps that know how much of each line of an account they have made.
 *
 *   account-managed KIND
 *
 * Objects are of known cells: a size and 8 bytes, rounded up to 16. */
#include "known.h"

#include <cairn/gc.h>
#include <pthread.h>

enum { MIB = 1 << 20, KIB = 1 << 10 };

typedef struct node {
	cairn_ref(struct node) next;
	char fill[48];
} node; /* a cell of 64 */
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, next));
enum { NODE_CELL = 64 };

typedef struct heap {
	cairn_gc_heap *heap;
	cairn_gc_mutator *m;
	cairn_gc_handle *list;
} heap;

/* min: up to which nothing is collected. */
static heap heap_open(const char *name, cairn_gc_collector collector, size_t min)
{
	cairn_gc_config config = { .name = name, .collector = collector, .min = min, .max = (size_t)256 * MIB };
	heap h = { .heap = cairn_gc_open(&config) };
	h.m = h.heap ? cairn_gc_attach(h.heap) : NULL;
	h.list = h.m ? cairn_gc_handle_new(h.m, NULL) : NULL;
	if (!h.list)
		abort();
	return h;
}

/* So many nodes, of which one in `each` stays. */
static __attribute__((noinline)) void add_nodes(heap *h, size_t count, size_t each)
{
	for (size_t i = 0; i < count; i++) {
		node *n = cairn_gc_new(h->m, node);
		memset(n->fill, 0x5a, sizeof n->fill);
		if (i % each)
			continue;
		cairn_gc_set(h->m, n, next, (node *)cairn_gc_handle_get(h->m, h->list));
		cairn_gc_handle_set(h->m, h->list, n);
	}
}

static __attribute__((noinline)) void *add_bytes(heap *h, size_t bytes)
{
	void *p = cairn_gc_new_bytes(h->m, bytes);
	memset(p, 0x5a, bytes);
	return escape(cairn_gc_handle_new(h->m, p)) ? p : NULL;
}

/* Nothing here is dead when it is told of, but the holes of the second heap: in blocks in which a third lives. */
static void managed(void)
{
	enum { COPIED = 200000, MARKED = 300000, EACH = 3, LARGE = 5, HUGE = 2, EXTERNAL = 4 * MIB, SINCE = 50000 };
	heap copied = heap_open("copied", CAIRN_GC_SEMISPACE, 0);
	heap marked = heap_open("marked", CAIRN_GC_MARKSWEEP, 128 * MIB);
	size_t large = 0;
	add_nodes(&copied, COPIED, 1);
	add_nodes(&marked, MARKED, EACH);
	for (unsigned i = 0; i < LARGE; i++)
		large += resident(add_bytes(&marked, 100 * KIB), 100 * KIB);
	for (unsigned i = 0; i < HUGE; i++)
		large += resident(add_bytes(&copied, 5 * MIB), 5 * MIB);
	void *owner = add_bytes(&copied, 100);
	memset(cairn_gc_external(copied.m, owner, EXTERNAL), 0x5a, EXTERNAL);
	cairn_gc_collect(copied.m);
	cairn_gc_collect(marked.m);
	add_nodes(&copied, SINCE, SINCE); /* dead, which nobody knows yet */
	size_t kept = MARKED / EACH;
	tell("managed_objects", (COPIED + SINCE + kept) * NODE_CELL);
	tell("managed_holes", (MARKED - kept) * NODE_CELL);
	tell("managed_large", large);
	tell("managed_external", EXTERNAL);
	tell("live_copied", COPIED + HUGE + 1);
	tell("live_marked", kept + LARGE);
}

/* Just after a collection that began because the heap was full: nothing is swept, and the dead lie where they lay. */
static void managed_unswept(void)
{
	enum { EACH = 3, TOGETHER = 300 };
	heap h = heap_open("unswept", CAIRN_GC_MARKSWEEP, 32 * MIB);
	cairn_gc_stats stats;
	size_t count = 0;
	do {
		add_nodes(&h, TOGETHER, EACH);
		count += TOGETHER;
		cairn_gc_stats_get(h.heap, &stats);
	} while (!stats.collections);
	tell("managed_objects", count / EACH * NODE_CELL);
	tell("managed_holes", (count - count / EACH) * NODE_CELL);
}

/* Blocks that are empty and were written to. */
static void managed_free(void)
{
	enum { COUNT = 40, BYTES = 500 * KIB };
	heap h = heap_open("free", CAIRN_GC_MARKSWEEP, 128 * MIB);
	void *objects[COUNT];
	size_t sum = 0;
	add_nodes(&h, 100000, 1);
	cairn_gc_collect(h.m);
	for (unsigned i = 0; i < COUNT; i++) {
		objects[i] = cairn_gc_new_bytes(h.m, BYTES);
		memset(objects[i], 0x5a, BYTES);
		sum += resident(objects[i], BYTES);
	}
	for (unsigned i = 0; i < COUNT; i++)
		cairn_gc_free(h.m, objects[i]);
	tell("managed_objects", (size_t)100000 * NODE_CELL);
	tell("managed_free", sum);
}

/* Slabs behind the first 16 MiB are huge pages, unless these are dear just now: of the last one blocks are resident
 * that were never in use. */
static void managed_huge(void)
{
	enum { COUNT = 580 * 1000, SLAB = 2 * MIB, BLOCK = 64 * KIB };
	heap h = heap_open("huge", CAIRN_GC_MARKSWEEP, 128 * MIB);
	add_nodes(&h, COUNT, 1);
	uintptr_t last = (uintptr_t)cairn_gc_handle_get(h.m, h.list);
	uintptr_t behind = (last | (BLOCK - 1)) + 1, end = (last | (SLAB - 1)) + 1;
	tell("managed_objects", (size_t)COUNT * NODE_CELL);
	tell("managed_free", behind < end ? resident((void *)behind, end - behind) : 0);
}

/* Threads that allocate and let go for ever, each with a heap of its own. */
static void *churn(void *collector)
{
	heap h = heap_open("churn", (cairn_gc_collector)(uintptr_t)collector, 0);
	for (size_t i = 0;; i++) {
		add_nodes(&h, 20000, 5);
		void *large = cairn_gc_new_bytes(h.m, (i % 9 + 1) * 300 * KIB);
		cairn_gc_handle_free(h.heap, cairn_gc_handle_new(h.m, large));
		if (i % 20 == 0)
			cairn_gc_handle_set(h.m, h.list, NULL);
	}
	return NULL;
}

static void managed_churn(void)
{
	static const cairn_gc_collector kinds[] = { CAIRN_GC_SEMISPACE, CAIRN_GC_MARKSWEEP, CAIRN_GC_MARKCOMPACT };
	pthread_t thread;
	for (unsigned i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, churn, (void *)(uintptr_t)kinds[i]))
			abort();
	usleep(300 * 1000);
}

/* More than there are rows for, with little in each. */
static void managed_many(void)
{
	for (unsigned i = 0; i < 40; i++) {
		heap h = heap_open("many", i % 2 ? CAIRN_GC_MARKSWEEP : CAIRN_GC_SEMISPACE, 0);
		add_nodes(&h, 2000 * (i + 1), 1);
		cairn_gc_detach(h.m);
	}
}

int main(int argc, char **argv)
{
	static const known_kind kinds[] = { { "managed", managed }, { "managed_free", managed_free },
		{ "managed_unswept", managed_unswept }, { "managed_huge", managed_huge },
		{ "managed_churn", managed_churn }, { "managed_many", managed_many }, { NULL, NULL } };
	return known_main(argc, argv, kinds);
}
