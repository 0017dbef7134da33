/* support/gckinds.h - the objects of tests/model/gcgraph.c as they lie in a managed heap: eleven kinds, all beginning
 * with an id, whose edges are read and stored by number.
 *
 * What is in an object beside its references follows from its id, so that who meets it can check every byte of it. */
#ifndef CAIRN_SUPPORT_GCKINDS_H
#define CAIRN_SUPPORT_GCKINDS_H

#include "support/test.h"

#include <cairn/gc.h>

typedef enum kind {
	PAIR, /* fixed fields */
	SPARSE, /* references in the first words and at the end of what a bitmap can name, numbers between them */
	TAIL,   /* a trailing array of references */
	ROWS,   /* a trailing array of structs with one */
	LEAF,   /* bytes */
	WEAK,   /* a weak field beside a strong one */
	DROP,   /* a drop function */
	WORDS,  /* conservative: plain addresses, into objects and to their ends */
	TRACED, /* a trace function: slots that are references or numbers */
	FIXED,  /* a type that is pinned */
	ALIGNED, /* to 16 */
	KINDS
} kind;

typedef struct thing {
	uint64_t id;
	uint32_t kind, token; /* token: of what is told when it dies; 0: nothing */
} thing;

typedef struct pair {
	thing is;
	cairn_ref(thing) edges[2];
	uint64_t check;
} pair;
CAIRN_GC_TYPE(pair, .refs = CAIRN_GC_REFS(pair, edges));

enum { SPARSE_NUMBERS = 64 * sizeof(cairn_gc_slot) / 8 - 4 };
typedef struct sparse {
	thing is;
	cairn_ref(thing) first;
	uint64_t numbers[SPARSE_NUMBERS];
	cairn_ref(thing) last;
} sparse;
CAIRN_GC_TYPE(sparse, .refs = CAIRN_GC_REFS(sparse, first, last));

typedef struct tail {
	thing is;
	uint64_t check;
	cairn_ref(thing) items[];
} tail;
CAIRN_GC_TYPE(tail, .tail_offset = offsetof(tail, items), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

typedef struct row {
	uint64_t key;
	cairn_ref(thing) at;
	uint64_t check;
} row;
typedef struct rows {
	thing is;
	row items[];
} rows;
CAIRN_GC_TYPE(
	rows, .tail_offset = offsetof(rows, items), .tail_stride = sizeof(row), .tail_refs = CAIRN_GC_REFS(row, at));

typedef struct leaf {
	thing is;
	uint8_t bytes[];
} leaf;

typedef struct weak {
	thing is;
	cairn_ref(thing) strong, weakly;
} weak;
CAIRN_GC_TYPE(weak, .refs = CAIRN_GC_REFS(weak, strong), .weak = CAIRN_GC_REFS(weak, weakly));

typedef struct drop {
	thing is;
	cairn_ref(thing) edges[2];
	uint64_t check;
} drop;

typedef struct words {
	thing is;
	uintptr_t words[4];
} words;
/* Registered by programs that make some: where no type is CONSERVATIVE, marking is another. */
enum { words_cairn_gc_is_listed = false };
static cairn_gc_type words_cairn_gc_type = { .name = "words", .size = sizeof(words), .flags = CAIRN_GC_CONSERVATIVE };

typedef struct traced {
	thing is;
	uint64_t live; /* bit i: slot i is a reference */
	union {
		cairn_ref(thing) at;
		uint64_t number;
	} slot[4];
} traced;
static void traced_trace(cairn_gc_visitor *v, void *object)
{
	traced *t = object;
	for (int i = 0; i < 4; i++)
		if (t->live >> i & 1)
			cairn_gc_visit(v, &t->slot[i].at);
}
CAIRN_GC_TYPE(traced, .trace = traced_trace);

typedef struct fixed {
	thing is;
	cairn_ref(thing) edge;
} fixed;
CAIRN_GC_TYPE(fixed, .refs = CAIRN_GC_REFS(fixed, edge), .flags = CAIRN_GC_PINNED);

typedef struct aligned {
	thing is;
	cairn_ref(thing) edge;
	_Alignas(16) uint64_t vector[2];
} aligned;
CAIRN_GC_TYPE(aligned, .refs = CAIRN_GC_REFS(aligned, edge));

/* ---- Deaths that are told: a byte for each token ---- */

enum { TOKENS = 1 << 18 };
static uint8_t dropped[TOKENS], cleaned[TOKENS]; /* sync: atomic */
static uint32_t tokens_used;                     /* sync: atomic */
static uint32_t bad_drops;                       /* sync: atomic; drop functions that saw a reference */

static uint32_t new_token(void)
{
	uint32_t token = __atomic_add_fetch(&tokens_used, 1, __ATOMIC_SEQ_CST);
	return token < TOKENS ? token : 0;
}
static void drop_told(void *object)
{
	drop *d = object;
	cairn_gc_slot seen[2];
	memcpy(seen, d->edges, sizeof seen);
	if (seen[0] || seen[1] || d->check != ~d->is.id || d->is.kind != DROP)
		__atomic_fetch_add(&bad_drops, 1, __ATOMIC_SEQ_CST);
	if (d->is.token < TOKENS)
		__atomic_fetch_add(&dropped[d->is.token], 1, __ATOMIC_SEQ_CST);
}
static void cleanup_told(void *arg) { __atomic_fetch_add((uint8_t *)arg, 1, __ATOMIC_SEQ_CST); }
CAIRN_GC_DROP_TYPE(drop, drop_told, .refs = CAIRN_GC_REFS(drop, edges));

/* ---- Edges by number ---- */

static thing *edge_get(cairn_gc_mutator *m, thing *o, uint32_t i)
{
	switch (o->kind) {
	case PAIR: return cairn_gc_get(m, (pair *)o, edges[i]);
	case SPARSE: return i ? cairn_gc_get(m, (sparse *)o, last) : cairn_gc_get(m, (sparse *)o, first);
	case TAIL: return cairn_gc_get(m, (tail *)o, items[i]);
	case ROWS: return cairn_gc_get(m, (rows *)o, items[i].at);
	case WEAK: return cairn_gc_get(m, (weak *)o, strong);
	case DROP: return cairn_gc_get(m, (drop *)o, edges[i]);
	case TRACED: return ((traced *)o)->live >> i & 1 ? cairn_gc_get(m, (traced *)o, slot[i].at) : NULL;
	case FIXED: return cairn_gc_get(m, (fixed *)o, edge);
	case ALIGNED: return cairn_gc_get(m, (aligned *)o, edge);
	default: return NULL;
	}
}

static void traced_set(cairn_gc_mutator *m, traced *t, uint32_t i, thing *value)
{
	if (!value) {
		t->live &= ~(1ull << i);
		t->slot[i].number = t->is.id * 16; /* a number like an address in a slot that is none */
		return;
	}
	if (!(t->live >> i & 1))
		t->slot[i].number = 0;
	t->live |= 1ull << i;
	cairn_gc_set(m, t, slot[i].at, value);
}

/* WORDS apart: see word_set. */
static void edge_set(cairn_gc_mutator *m, thing *o, uint32_t i, thing *value)
{
	switch (o->kind) {
	case PAIR: cairn_gc_set(m, (pair *)o, edges[i], value); break;
	case SPARSE:
		if (i)
			cairn_gc_set(m, (sparse *)o, last, value);
		else
			cairn_gc_set(m, (sparse *)o, first, value);
		break;
	case TAIL: cairn_gc_set(m, (tail *)o, items[i], value); break;
	case ROWS: cairn_gc_set(m, (rows *)o, items[i].at, value); break;
	case WEAK: cairn_gc_set(m, (weak *)o, strong, value); break;
	case DROP: cairn_gc_set(m, (drop *)o, edges[i], value); break;
	case TRACED: traced_set(m, (traced *)o, i, value); break;
	case FIXED: cairn_gc_set(m, (fixed *)o, edge, value); break;
	case ALIGNED: cairn_gc_set(m, (aligned *)o, edge, value); break;
	default: break;
	}
}

static uint32_t edges_of(kind k, uint32_t n)
{
	static const uint32_t fixed_edges[KINDS] = {
		[PAIR] = 2, [SPARSE] = 2, [WEAK] = 1, [DROP] = 2, [WORDS] = 4, [TRACED] = 4, [FIXED] = 1, [ALIGNED] = 1
	};
	return k == TAIL || k == ROWS ? n : fixed_edges[k];
}

static size_t size_of(kind k, uint32_t n)
{
	static const size_t sizes[KINDS] = { sizeof(pair), sizeof(sparse), sizeof(tail), sizeof(rows), sizeof(leaf),
		sizeof(weak), sizeof(drop), sizeof(words), sizeof(traced), sizeof(fixed), sizeof(aligned) };
	return sizes[k] + (k == TAIL ? sizeof(cairn_gc_slot) * n : k == ROWS ? sizeof(row) * n : k == LEAF ? n : 0);
}

static const char *kind_name(kind k)
{
	static const char *const names[KINDS] = { "pair", "sparse", "tail", "rows", "bytes", "weak", "drop", "words",
		"traced", "fixed", "aligned" };
	return names[k];
}

/* ---- Making, and what must be in it ---- */

static thing *kind_new(cairn_gc_mutator *m, kind k, uint32_t n)
{
	switch (k) {
	case PAIR: return &cairn_gc_new(m, pair)->is;
	case SPARSE: return &cairn_gc_new(m, sparse)->is;
	case TAIL: return &cairn_gc_new_array(m, tail, n)->is;
	case ROWS: return &cairn_gc_new_array(m, rows, n)->is;
	case LEAF: return cairn_gc_new_bytes(m, sizeof(leaf) + n);
	case WEAK: return &cairn_gc_new(m, weak)->is;
	case DROP: return &cairn_gc_new(m, drop)->is;
	case WORDS: return &cairn_gc_new(m, words)->is;
	case TRACED: return &cairn_gc_new(m, traced)->is;
	case FIXED: return &cairn_gc_new(m, fixed)->is;
	default: return &cairn_gc_new(m, aligned)->is;
	}
}

static bool is_all_zero(const void *p, size_t bytes)
{
	const uint8_t *at = p;
	for (size_t i = 0; i < bytes; i++)
		if (at[i])
			return false;
	return true;
}

/* The words beside the references: written, or compared. */
static bool contents(thing *o, uint32_t n, bool writes)
{
	uint64_t id = o->id, same = 1;
#define CONTENT(place, value) (writes ? (void)((place) = (value)) : (void)(same &= (place) == (value)))
	switch (o->kind) {
	case PAIR: CONTENT(((pair *)o)->check, ~id); break;
	case SPARSE:
		for (int i = 1; i < SPARSE_NUMBERS; i++) /* the first is kept free for an address */
			CONTENT(((sparse *)o)->numbers[i], id * (uint64_t)i);
		break;
	case TAIL: CONTENT(((tail *)o)->check, ~id); break;
	case ROWS:
		for (uint32_t i = 0; i < n; i++) {
			CONTENT(((rows *)o)->items[i].key, id + i);
			CONTENT(((rows *)o)->items[i].check, ~id - i);
		}
		break;
	case LEAF:
		for (uint32_t i = 0; i < n; i++)
			CONTENT(((leaf *)o)->bytes[i], (uint8_t)(id * 31 + i * 7));
		break;
	case DROP: CONTENT(((drop *)o)->check, ~id); break;
	default: break;
	}
#undef CONTENT
	return same;
}

#endif
