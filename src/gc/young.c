/* gc/young.c - the list of old objects that were stored into. The contract is gc/young.h's. */
#include "gc/young.h"

#include "gc/managed.h"

void cairn_gc_young_store(cairn_gc_heap *h, void *object)
{
	uint8_t *low = (uint8_t *)cairn_gc_header_at(object);
	/* relaxed: who stores into it at the same time takes the bit off, too, and one of them finds it set */
	if (!(__atomic_load_n(low, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED) ||
		!(__atomic_fetch_and(low, (uint8_t)~CAIRN_GC_WATCHED, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	if (!cairn_gc_chunk_push(h, &h->young.stored, (uintptr_t)object))
		h->young.is_short = true;
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_forget(cairn_gc_heap *h, void *object)
{
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	for (cairn_gc_chunk *c = h->young.stored; c; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			if (c->item[i] == (uintptr_t)object)
				c->item[i] = 0;
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_each_stored(cairn_gc_heap *h, void (*visit)(cairn_gc_heap *h, void *object))
{
	for (uintptr_t object; cairn_gc_chunk_pop(h, &h->young.stored, &object);)
		if (object)
			visit(h, (void *)object);
	h->young.is_short = false;
}

void cairn_gc_young_close(cairn_gc_heap *h)
{
	for (uintptr_t object; cairn_gc_chunk_pop(h, &h->young.stored, &object);)
		;
}
