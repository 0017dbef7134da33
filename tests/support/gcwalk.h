/* support/gcwalk.h - object graphs for tests of collectors: made by chance, and told apart by a walk.
 *
 * The walk numbers objects in the order in which it comes to them, and sums up what each holds and which numbers its
 * fields lead to. So two graphs of the same sum are the same, wherever their objects lie; cycles and sharing count.
 *
 * The collector is told of each collection by walk_collect, which first gives up what the mutator has in hand. */
#ifndef CAIRN_SUPPORT_GCWALK_H
#define CAIRN_SUPPORT_GCWALK_H

#include "cairn/gc.h"
#include "gc/managed.h"
#include "support/test.h"

typedef struct walk_pair {
	uint64_t key;
	cairn_ref(void) a, b;
} walk_pair;
CAIRN_GC_TYPE(walk_pair, .refs = CAIRN_GC_REFS(walk_pair, a, b));

typedef struct walk_array {
	uint64_t key;
	cairn_ref(void) item[];
} walk_array;
CAIRN_GC_TYPE(walk_array, .tail_offset = sizeof(uint64_t), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

typedef struct walk_rows { /* a trailing array whose elements hold two references and a number */
	uint64_t key;
	cairn_ref(void) first;
	struct walk_row {
		cairn_ref(void) a;
		uint64_t number;
		cairn_ref(void) b;
	} row[];
} walk_rows;
CAIRN_GC_TYPE(walk_rows, .refs = CAIRN_GC_REFS(walk_rows, first), .tail_offset = 16,
	.tail_stride = sizeof(struct walk_row), .tail_refs = CAIRN_GC_REFS(struct walk_row, a, b));

typedef struct walk_traced { /* what a bitmap cannot say: has_field says whether `field` is a reference */
	uint64_t key, has_field;
	cairn_ref(void) field;
} walk_traced;
static void walk_trace(cairn_gc_visitor *v, void *object)
{
	walk_traced *t = object;
	if (t->has_field)
		cairn_gc_visit(v, &t->field);
}
CAIRN_GC_TYPE(walk_traced, .trace = walk_trace);

typedef struct walk {
	void **objects; /* in the order of their numbers; stays until walk_free */
	size_t count;
	uint64_t sum;
	struct {
		void *object;
		size_t number;
	} *slots;
	size_t room;
} walk;

static size_t walk_slot(const walk *w, const void *object)
{
	size_t at = (uintptr_t)object / 8 * 0x9e3779b97f4a7c15 >> 20;
	for (at &= w->room - 1; w->slots[at].object && w->slots[at].object != object; at = (at + 1) & (w->room - 1))
		;
	return at;
}

static void walk_edge(walk *w, void *object)
{
	uint64_t number = ~UINT64_C(0);
	if (object) {
		size_t at = walk_slot(w, object);
		if (!w->slots[at].object && w->count < w->room / 2) {
			w->slots[at].object = object;
			w->slots[at].number = w->count;
			w->objects[w->count++] = object;
		}
		number = w->slots[at].number;
	}
	w->sum = (w->sum ^ number) * 0x9e3779b97f4a7c15 + 1;
}

static void walk_field(void *w, void *field)
{
	walk_edge(w, (void *)cairn_gc_slot_get(field, sizeof(cairn_gc_slot) == 4));
}

/* Walks from the object; at most `most` are expected. */
__attribute__((unused)) static walk walk_from(void *root, size_t most)
{
	walk w = { .room = 16 };
	while (w.room < 4 * most)
		w.room *= 2;
	w.slots = calloc(w.room, sizeof *w.slots);
	w.objects = calloc(w.room / 2, sizeof *w.objects);
	walk_edge(&w, root);
	for (size_t i = 0; i < w.count; i++) {
		uint64_t header = cairn_gc_header_of(w.objects[i]);
		size_t size = cairn_gc_header_size(header);
		w.sum = (w.sum ^ cairn_gc_header_type(header) ^ size << 20) * 0x9e3779b97f4a7c15 + 1;
		const unsigned char *bytes = w.objects[i];
		size_t plain = cairn_gc_header_type(header) == CAIRN_GC_TYPE_BYTES ? size : 8; /* else its key */
		for (size_t at = 0; at < plain; at++)
			w.sum = (w.sum ^ bytes[at]) * 0x9e3779b97f4a7c15 + 1;
		cairn_gc_each_field(w.objects[i], CAIRN_GC_FIELD_STRONG | CAIRN_GC_FIELD_TRACED, walk_field, &w);
	}
	return w;
}

__attribute__((unused)) static void walk_free(walk *w)
{
	free(w->slots);
	free(w->objects);
	*w = (walk){ 0 };
}

static uint64_t walk_seed = 1;
static size_t walk_below(size_t n) { return test_random(&walk_seed) % n; }
static void *walk_some(cairn_gc_mutator *m, walk_array *all, size_t below)
{
	return below && walk_below(8) ? cairn_gc_get(m, all, item[walk_below(below)]) : NULL;
}

/* An object of some kind, with fields that refer to earlier ones. all is reachable, and so is what it returns when that
 * is put there before the next safepoint. */
static void *walk_make(cairn_gc_mutator *m, walk_array *all, size_t i)
{
	size_t kind = walk_below(16);
	if (kind < 10) {
		walk_pair *p = cairn_gc_new(m, walk_pair);
		cairn_gc_set(m, p, a, walk_some(m, all, i));
		cairn_gc_set(m, p, b, walk_some(m, all, i));
		return p;
	}
	if (kind == 10) {
		size_t n = walk_below(64) ? walk_below(40) : walk_below(6000);
		walk_array *a = cairn_gc_new_array(m, walk_array, n);
		for (size_t at = 0; at < n; at++)
			cairn_gc_set(m, a, item[at], walk_some(m, all, i));
		return a;
	}
	if (kind == 11) {
		walk_rows *r = cairn_gc_new_array(m, walk_rows, walk_below(10));
		cairn_gc_set(m, r, first, walk_some(m, all, i));
		for (size_t at = 0; at < cairn_gc_length(r); at++) {
			cairn_gc_set(m, r, row[at].a, walk_some(m, all, i));
			cairn_gc_set(m, r, row[at].b, walk_some(m, all, i));
			r->row[at].number = 0xdead0000dead0010; /* no reference, whatever it looks like */
		}
		return r;
	}
	if (kind == 12) {
		walk_traced *t = cairn_gc_new(m, walk_traced);
		t->has_field = walk_below(2);
		if (t->has_field)
			cairn_gc_set(m, t, field, walk_some(m, all, i));
		else
			t->field.cairn_gc_word = 12345;
		return t;
	}
	size_t n = 8 + (walk_below(64) ? walk_below(200) : walk_below(30000));
	unsigned char *bytes = cairn_gc_new_bytes(m, n);
	for (size_t at = 8; at < n; at++)
		bytes[at] = (unsigned char)(at * 7 + n);
	return bytes;
}

/* n objects in an array at *root, which is a root; then links into cycles, and lets `dropped` of 100 go. */
__attribute__((unused)) static void walk_build(cairn_gc_mutator *m, cairn_gc_slot *root, size_t n, unsigned dropped)
{
	cairn_gc_root_store_(m, root, cairn_gc_new_array(m, walk_array, n));
	for (size_t i = 0; i < n; i++) {
		void *object = walk_make(m, cairn_gc_load_(m, root), i);
		*(uint64_t *)object = i;
		walk_array *all = cairn_gc_load_(m, root);
		cairn_gc_set(m, all, item[i], object);
	}
	walk_array *all = cairn_gc_load_(m, root); /* no safepoint from here on */
	for (size_t i = 0; i < n; i++) {
		walk_pair *p = cairn_gc_get(m, all, item[i]);
		if (!strcmp(cairn_gc_type_name(p), "walk_pair") && walk_below(4) == 0)
			cairn_gc_set(m, p, b, cairn_gc_get(m, all, item[walk_below(n)]));
	}
	for (size_t i = 0; i < n; i++)
		if (walk_below(100) < dropped)
			cairn_gc_set(m, all, item[i], NULL);
}

__attribute__((unused)) static void walk_collect(cairn_gc_mutator *m)
{
	cairn_gc_mutator_flush(cairn_gc_thread_of(m));
	cairn_gc_collect(m);
}

/* ---- A heap to walk in, and its one root ---- */

static cairn_ref(void) root;
static cairn_gc_heap *heap;
static cairn_gc_mutator *mutator;

static void walk_open(cairn_gc_config config)
{
	heap = cairn_gc_open(&config);
	mutator = cairn_gc_attach(heap);
	root.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &root);
}

static void end(void)
{
	cairn_gc_root_remove(heap, &root);
	cairn_gc_detach(mutator);
	cairn_gc_close(heap);
}

__attribute__((unused)) static bool is_large(const void *object)
{
	return cairn_gc_size(object) + 8 > CAIRN_GC_CELL_MAX;
}

/* Collects, and expects the same graph; how many of its objects kept their address, large ones not counted. */
__attribute__((unused)) static size_t stayed_after_collection(size_t most)
{
	walk before = walk_from(cairn_gc_root_get(mutator, &root), most);
	walk_collect(mutator);
	walk after = walk_from(cairn_gc_root_get(mutator, &root), most);
	size_t stayed = 0;
	EXPECT(before.sum == after.sum);
	EXPECT_EQ(after.count, before.count);
	EXPECT_EQ(heap->looks.stats.live_objects, after.count);
	for (size_t i = 0; i < after.count && i < before.count; i++)
		stayed += before.objects[i] == after.objects[i] && !is_large(after.objects[i]);
	cairn_gc_trace_validate(heap);
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	walk_free(&before);
	walk_free(&after);
	return stayed;
}

#endif
