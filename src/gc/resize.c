/* gc/resize.c - objects that their user frees by hand, or makes smaller or larger where they lie.
 *
 *   cell   ├ header ┼ object ········ ┤            made smaller     ├ header ┼ object ┼ FREED ········ ┤
 *
 * Behind a last cell its mutator's bump takes back what the cell loses; elsewhere that is a FREED cell of its own, so
 * that what lies behind it is still found from header to header (GA1).
 *
 * Others may meanwhile ask for the object's hash, and set bits of its header; a child of fork may find any moment of
 * this. So what is new is in place before the header says that it is. Failure: a size that does not fit is refused, and
 * changes nothing. Locks: none. */
#include "gc/hash.h"
#include "gc/managed.h"

#include <string.h>

/* The bump whose last cell ends there, or NULL: it may have grown there out of the other kind. */
static cairn_gc_bump *bump_that_ends(cairn_gc_thread *t, uintptr_t end)
{
	return t->small.at == end ? &t->small : t->wide.at == end ? &t->wide : NULL;
}

/* Of what lies in some managed heap: cairn_gc_must_be_object, without the question where, which takes as long as the
 * rest of cairn_gc_free. */
static bool is_object_here(const cairn_gc_heap *h, const void *object)
{
	uint64_t header = cairn_gc_header_of(object);
	return cairn_gc_header_is_object(header) && cairn_gc_header_type(header) != CAIRN_GC_TYPE_FREED &&
	       cairn_gc_block_of(object)->kind != CAIRN_GC_BLOCK_EMPTY && cairn_gc_slab_of(object)->heap == h;
}

void cairn_gc_free(cairn_gc_mutator *m, void *object)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	if (!object || !is_object_here(t->heap, object))
		cairn_gc_misuse(t->heap, "cairn_gc_free: no object of this heap, or freed already", object);
	uint64_t header = cairn_gc_header_of(object);
	cairn_gc_block *b = cairn_gc_block_of(object);
	if (header & CAIRN_GC_LISTED)
		cairn_gc_deaths_forget(t->heap, object);
	cairn_gc_shadow_forget(t->heap, object, object, cairn_gc_header_size(header));
	size_t cell = cairn_gc_header_cell(header);
	uintptr_t at = (uintptr_t)object - CAIRN_GC_HEADER_BYTES;
	if (b->kind == CAIRN_GC_BLOCK_LARGE) {
		if (t->heap->plan->has_young)
			cairn_gc_young_forget(t->heap, object);
		cairn_gc_blocks_give(t->heap, b);
		cairn_gc_slabs_purge(cell, false);
		return;
	}
	/* a walk still finds a cell of that length here until it is swept */
	memset(object, 0, cell - CAIRN_GC_HEADER_BYTES);
	*(uint64_t *)at = cairn_gc_header_make(CAIRN_GC_TYPE_FREED, cell - CAIRN_GC_HEADER_BYTES);
	cairn_gc_bump *bump = bump_that_ends(t, at + cell);
	/* relaxed: another thread, which cut what was here before, may just take its END away; zero or not is right */
	if (bump && __atomic_load_n(cairn_gc_byte_of(object), __ATOMIC_RELAXED) == 0) {
		*(uint64_t *)at = 0;
		bump->at = at;
	}
}

/* What a cell loses reads zero, but that another cell takes it, unless a bump does: what was made since, and may lie
 * behind it, is found from header to header. */
static void cell_cut(void *object, size_t cell, size_t new_cell)
{
	uint64_t *rest = (uint64_t *)((uintptr_t)object - CAIRN_GC_HEADER_BYTES + new_cell);
	uint64_t freed = cairn_gc_header_make(CAIRN_GC_TYPE_FREED, cell - new_cell - CAIRN_GC_HEADER_BYTES);
	if (new_cell != cell && cairn_gc_block_of(object)->kind == CAIRN_GC_BLOCK_CELLS)
		__atomic_store_n(rest, freed, __ATOMIC_RELEASE); /* publishes a hash's new place, see gc/hash.h */
}

/* What lies behind an object of that size, but for its hash, which another thread may ask for meanwhile (gc/hash.h): it
 * has two places until cell_clear_hash. */
static void cell_clear(void *object, uint64_t header, size_t size)
{
	char *from = (char *)object + size, *old = (char *)cairn_gc_hash_word(object, header);
	char *place = (char *)object + cairn_round_up(size, 8);
	if (~header & CAIRN_GC_HASH_KEPT) {
		memset(from, 0, (size_t)((char *)object - from) + cairn_gc_header_cell(header) - CAIRN_GC_HEADER_BYTES);
		return;
	}
	memset(from, 0, (size_t)(place - from));
	if (place == old)
		return;
	uint64_t hash = *(uint64_t *)old; /* it is the owner's to change */
	__atomic_store_n((uint64_t *)place, hash, __ATOMIC_RELAXED); /* published by what overwrites the other */
	memset(place + sizeof hash, 0, (size_t)(old - place) - sizeof hash);
}

/* After the header says that it has the new place; but where the end of the cell lies there by now. */
static void cell_clear_hash(void *object, uint64_t header, size_t size, bool is_cut)
{
	uint64_t *old = cairn_gc_hash_word(object, header);
	uint64_t *place = (uint64_t *)((char *)object + cairn_round_up(size, 8));
	if ((header & CAIRN_GC_HASH_KEPT) && place != old && !(is_cut && place + 1 == old))
		__atomic_store_n(old, 0, __ATOMIC_RELEASE); /* who reads it sees the header */
}

/* A hash that another thread asks for, or the list of deaths, sets bits below meanwhile; the size is its user's.
 * release: a child of fork that sees the shorter cell finds the one behind it. */
static void header_resize(void *object, uint64_t wanted)
{
	uint64_t *at = cairn_gc_header_at(object), now = __atomic_load_n(at, __ATOMIC_RELAXED), low = 0xff;
	while (!__atomic_compare_exchange_n(
		at, &now, (wanted & ~low) | (now & low), true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void cell_shrink(cairn_gc_thread *t, void *object, uint64_t header, uint64_t wanted)
{
	size_t old = cairn_gc_header_size(header), size = cairn_gc_header_size(wanted);
	size_t cell = cairn_gc_header_cell(header), new_cell = cairn_gc_header_cell(wanted);
	uintptr_t end = (uintptr_t)object - CAIRN_GC_HEADER_BYTES + cell;
	cell_clear(object, header, size);
	cairn_gc_shadow_forget(t->heap, object, (char *)object + size, old - size);
	cairn_gc_bump *bump = bump_that_ends(t, end);
	if (!bump)
		cell_cut(object, cell, new_cell);
	header_resize(object, wanted);
	cell_clear_hash(object, header, size, !bump && cairn_gc_block_of(object)->kind == CAIRN_GC_BLOCK_CELLS);
	cairn_gc_blocks_move_end(t->heap, object, cell, new_cell);
	if (bump)
		bump->at = end - cell + new_cell;
}

static bool cell_lengthen(cairn_gc_thread *t, void *object, uint64_t header, uint64_t wanted)
{
	size_t cell = cairn_gc_header_cell(header), new_cell = cairn_gc_header_cell(wanted);
	uintptr_t at = (uintptr_t)object - CAIRN_GC_HEADER_BYTES;
	cairn_gc_bump *bump = bump_that_ends(t, at + cell);
	if (header & CAIRN_GC_HASH_KEPT) /* its hash is in the way */
		return false;
	if (new_cell != cell && bump && new_cell <= CAIRN_GC_CELL_MAX && at + new_cell <= bump->end)
		bump->at = at + new_cell;
	else if (new_cell != cell)
		return false;
	cairn_gc_blocks_move_end(t->heap, object, cell, new_cell);
	header_resize(object, wanted);
	return true;
}

bool cairn_gc_resize(cairn_gc_mutator *m, void *object, size_t new_size)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	uint64_t header = cairn_gc_header_of(object);
	size_t old = cairn_gc_header_size(header);
	uint64_t low = header & (((uint64_t)1 << CAIRN_GC_SIZE_SHIFT) - 1);
	uint64_t wanted = low | (uint64_t)new_size << CAIRN_GC_SIZE_SHIFT;
	if (new_size < cairn_gc_record_of(header)->size || new_size > CAIRN_GC_SIZE_MAX)
		return false;
	if (new_size > old)
		return cell_lengthen(t, object, header, wanted);
	if (new_size < old)
		cell_shrink(t, object, header, wanted);
	return true;
}
