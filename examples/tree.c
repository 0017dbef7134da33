/* A sorted map in a managed heap: nothing is freed by hand. Build: cc tree.c $(pkg-config --cflags --libs cairn) */
#include <cairn/gc.h>

typedef struct node {
	long key, value;
	cairn_ref(struct node) kids[2]; /* those with lesser keys, and with greater ones */
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, kids));

static node *insert(cairn_gc_mutator *m, node *at, long key, long value)
{
	if (!at)
		at = cairn_gc_new(m, node), at->key = key;
	if (at->key == key)
		at->value = value;
	else
		cairn_gc_set(m, at, kids[key > at->key],
			insert(m, cairn_gc_get(m, at, kids[key > at->key]), key, value));
	return at;
}

static node *find(cairn_gc_mutator *m, node *at, long key)
{
	while (at && at->key != key)
		at = cairn_gc_get(m, at, kids[key > at->key]);
	return at;
}

static node *removed(cairn_gc_mutator *m, node *at, long key)
{
	node *less = at ? cairn_gc_get(m, at, kids[0]) : NULL, *more = at ? cairn_gc_get(m, at, kids[1]) : NULL;
	if (!at || (at->key == key && !(less && more)))
		return less ? less : more;
	int side = key >= at->key;
	if (key == at->key) /* the next key takes its place, and is removed there */
		for (node *next = more; next; next = cairn_gc_get(m, next, kids[0]))
			key = at->key = next->key, at->value = next->value;
	cairn_gc_set(m, at, kids[side], removed(m, side ? more : less, key));
	return at;
}

static long print(cairn_gc_mutator *m, node *at) /* in order; returns how many */
{
	long before = at ? print(m, cairn_gc_get(m, at, kids[0])) : 0;
	return at ? printf("%ld=%ld ", at->key, at->value), before + 1 + print(m, cairn_gc_get(m, at, kids[1])) : 0;
}

int main(void)
{
	cairn_gc_heap *h = cairn_gc_open(NULL);
	cairn_gc_mutator *m = cairn_gc_attach(h);
	node *top = NULL; /* a local variable keeps what it points to */
	for (long i = 0; i < 2000000; i++) {
		top = insert(m, top, i * 7919 % 65536, i);
		top = removed(m, top, (i - 1000) * 7919 % 65536);
	}
	long count = print(m, top);
	printf("\n%ld in all, and 38033 is %ld\n", count, find(m, top, 38033)->value);
	cairn_gc_close(h);
}
