/* support/gcnodes.h - the two types that tests of damage and of zeal have in common, and where they keep them. */
#ifndef CAIRN_SUPPORT_GCNODES_H
#define CAIRN_SUPPORT_GCNODES_H

#include "cairn/gc.h"

typedef struct node {
	uint64_t key;
	cairn_ref(struct node) left, right;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right));

typedef struct vec {
	uint64_t key;
	cairn_ref(node) item[];
} vec;
CAIRN_GC_TYPE(vec, .tail_offset = 8, .tail_stride = sizeof(cairn_gc_slot), .tail_refs = CAIRN_GC_TAIL_REF);

static cairn_ref(void) root;
static cairn_gc_heap *heap;
static cairn_gc_mutator *mutator;

#endif
