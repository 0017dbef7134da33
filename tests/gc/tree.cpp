// The header in C++: types, allocation, fields, roots. A list of 100,000 nodes, its sum, and what did not compile.
#include <cairn/gc.h>

struct node {
	long key;
	cairn_ref(node) next;
};
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, next));

struct list {
	size_t used;
	cairn_ref(node) items[];
};
CAIRN_GC_TYPE(list, .tail_offset = offsetof(list, items), .tail_stride = sizeof(cairn_gc_slot), .tail_refs = CAIRN_GC_TAIL_REF);

struct plain {
	long value;
};
CAIRN_GC_TYPE(plain);

static long dropped;
struct file {
	long number;
};
static void close_file(void *) { dropped++; }
CAIRN_GC_DROP_TYPE(file, close_file);

static cairn_ref(node) top;

int main()
{
	cairn_gc_config config = {};
	config.max = 64 << 20;
	cairn_gc_heap *h = cairn_gc_open(&config);
	cairn_gc_mutator *m = h ? cairn_gc_attach(h) : nullptr;
	if (!m || !cairn_gc_root_add(h, &top))
		return 1;
	for (long i = 0; i < 100000; i++) {
		node *n = cairn_gc_new(m, node);
		n->key = i;
		cairn_gc_set(m, n, next, cairn_gc_root_get(m, &top));
		cairn_gc_root_set(m, &top, n);
		cairn_gc_poll(m);
	}
	list *l = cairn_gc_new_array(m, list, 2);
	cairn_gc_set(m, l, items[1], cairn_gc_root_get(m, &top));
	plain *p = cairn_gc_new(m, plain);
	p->value = 1;
	file *f = cairn_gc_new(m, file);
	f->number = 3;
	CAIRN_GC_BLOCKING(m) { fflush(stdout); }
	cairn_gc_collect(m);
	long sum = p->value - 1;
	for (node *n = cairn_gc_get(m, l, items[1]); n; n = cairn_gc_get(m, n, next))
		sum += n->key;
	node *old = cairn_gc_swap(m, l, items[1], (node *)nullptr);
	bool stored = cairn_gc_cas(m, l, items[0], nullptr, old);
	bool same = cairn_gc_get(m, l, items[0]) == cairn_gc_root_get(m, &top);
	cairn_gc_keep(f);
	cairn_gc_root_remove(h, &top);
	cairn_gc_detach(m);
	cairn_gc_close(h);
	return sum == 100000L * 99999 / 2 && stored && same && dropped == 1 ? 0 : 2;
}
