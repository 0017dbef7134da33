/* gc/young.c - the list of old objects that were stored into. The contract is gc/young.h's. */
#include "gc/young.h"

#include "base/assert.h"
#include "gc/managed.h"

/* Under the lock. A part more of the list is within max, or is not taken. */
static bool young_has_room(const cairn_gc_heap *h)
{
	const cairn_gc_chunk *c = h->young.stored;
	return (c && c->count < CAIRN_GC_CHUNK_ITEMS) || cairn_gc_may_hold(h, sizeof *c);
}

void cairn_gc_young_store(cairn_gc_heap *h, void *object)
{
	uint8_t *low = (uint8_t *)cairn_gc_header_at(object);
	/* relaxed: who stores into it at the same time takes the bit off, too, and one of them finds it set */
	if (!(__atomic_load_n(low, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED) ||
		!(__atomic_fetch_and(low, (uint8_t)~CAIRN_GC_WATCHED, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	if (!young_has_room(h) || !cairn_gc_chunk_push(h, &h->young.stored, (uintptr_t)object))
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

static size_t young_unwatched(const cairn_gc_heap *h, const cairn_gc_block *b)
{
	size_t n = 0;
	if (b->is_young || (b->kind != CAIRN_GC_BLOCK_CELLS && b->kind != CAIRN_GC_BLOCK_LARGE))
		return 0;
	for (uintptr_t cell = cairn_gc_block_first(b); (cell = cairn_gc_block_next(b, h->blocks.colour, cell));) {
		uint64_t header = *(uint64_t *)cell;
		n += !(header & CAIRN_GC_WATCHED) && cairn_gc_header_type(header) != CAIRN_GC_TYPE_FREED;
		if (b->kind == CAIRN_GC_BLOCK_LARGE)
			break;
		cell += cairn_gc_header_cell(header);
	}
	return n;
}

void cairn_gc_young_validate(cairn_gc_heap *h)
{
	size_t unwatched = 0, stored = 0;
	if (!h->plan->has_young)
		return;
	CAIRN_GC_EACH_BLOCK(b, &h->blocks)
		unwatched += young_unwatched(h, b);
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	for (const cairn_gc_chunk *c = h->young.stored; c; c = c->next)
		stored += c->count;
	cairn_assert(unwatched <= stored || h->young.is_short); /* GYO2 */
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_close(cairn_gc_heap *h)
{
	for (uintptr_t object; cairn_gc_chunk_pop(h, &h->young.stored, &object);)
		;
}
