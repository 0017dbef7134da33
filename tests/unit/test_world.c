/* Mutators and the stop: who is attached, who is waited for, who may go on. Cases cite the invariants of gc/world.h,
 * gc/world.c and gc/mutators.c. */
#include "gc/managed.h"
#include "support/child.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>

typedef struct node {
	long key;
	cairn_ref(struct node) next;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, next));

static cairn_gc_heap *open_one(void)
{
	cairn_gc_heap *h = cairn_gc_open(&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .name = "test" });
	if (!h)
		_exit(3);
	return h;
}

static uint64_t collections(const cairn_gc_heap *h) { return __atomic_load_n(&h->collection, __ATOMIC_RELAXED); }

static void a_thread_is_attached_once_to_a_heap_and_to_several(void) /* GU1, GU2 */
{
	cairn_gc_heap *h = open_one(), *k = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(h), *n = cairn_gc_attach(k);
	EXPECT(m && n && m != n);
	EXPECT(!cairn_gc_attach(h) && errno == EBUSY);
	EXPECT(cairn_gc_mutator_of(h) == m && cairn_gc_mutator_of(k) == n);
	EXPECT(cairn_gc_heap_of(m) == h && cairn_gc_heap_of(n) == k);
	cairn_gc_mutators_validate();
	cairn_gc_detach(m);
	EXPECT(!cairn_gc_mutator_of(h) && cairn_gc_mutator_of(k) == n);
	cairn_gc_close(h);
	cairn_gc_close(k);
	EXPECT(!cairn_gc_mutator_of(k));
}

static void a_collection_by_the_only_mutator_waits_for_nobody(void) /* GW1 */
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(h);
	node *n = cairn_gc_new(m, node);
	n->key = 42;
	cairn_gc_collect(m);
	EXPECT(collections(h) == 1);
	EXPECT(n->key == 42);
	cairn_gc_close(h);
}

int main(void)
{
	RUN(a_thread_is_attached_once_to_a_heap_and_to_several);
	RUN(a_collection_by_the_only_mutator_waits_for_nobody);
	DONE();
}
