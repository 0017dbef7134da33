/* malloc/slab.h - a span cut into the slots of one size class, its free slots written down outside it.
 *
 *   span->free_bits   one bit a slot: 1 = free and in nobody's magazine, 0 = a live block or in a magazine
 *
 * Because nothing is written into a free slot, whole OS pages of free slots can be given back to the OS inside a slab
 * that is in use (hold, purge, unhold), and freeing a slot twice is seen exactly.
 *
 * Invariants, checked by cairn_slab_validate():
 *   (B1) free_count is the number of ones in free_bits, and bits past the capacity are 0.
 *   (B2) A page in clean_pages has no live block and no magazine's block in it.
 *   (B3) The pages of a live block, or a magazine's, are open: under a limit on data see page/window.h.
 *
 * Locks: every function is called under the owner's lock (a central list's, or a first-class heap's).
 * Not here: which slab serves next (malloc/central.c), and what is in core files (malloc/slabhide.h). */
#ifndef CAIRN_MALLOC_SLAB_H
#define CAIRN_MALLOC_SLAB_H

#include "base/assert.h"
#include "malloc/sizeclass.h"

typedef enum cairn_give {
	CAIRN_GIVE_OK,
	CAIRN_GIVE_NOT_START,    /* the pointer is inside a slot */
	CAIRN_GIVE_ALREADY_FREE,
} cairn_give;

/* A fresh slab of the class with all slots free; its class bytes are set when kind is SLAB. NULL: the OS refused. */
cairn_span *cairn_slab_create(unsigned size_class, cairn_span_kind kind);
/* Takes an entirely free slab. */
void cairn_slab_destroy(cairn_span *s);

/* Takes up to n free slots, lowest address first, into end[-1], end[-2] ...: popped from there, addresses rise. When n
 * slots share cache lines with none but each other (cairn_class_line_slots), a line that is free goes first. Under a
 * limit on data those whose pages are open go first, and 0 says that a page for one was refused. */
size_t cairn_slab_take(cairn_span *s, void **end, size_t n);
/* Gives slot `index` back, which p should be. False, and nothing has changed: there is something wrong with it. */
static inline bool cairn_slab_give_one(cairn_span *s, const void *p, size_t index, const cairn_class *k)
{
	if (cairn_unlikely(s->base + index * k->bytes != p || index >= k->capacity))
		return false;
	uint64_t *word = &s->free_bits[index / 64], was = *word, bit = 1ull << index % 64;
	if (cairn_unlikely(was & bit))
		return false;
	__atomic_store_n(word, was | bit, __ATOMIC_RELAXED); /* as all of these: see cairn_slab_look */
	s->free_count++;
	return true;
}
/* Gives n slots back; how many. Fewer than n: verdict says what is wrong with the next one. */
size_t cairn_slab_give(cairn_span *s, void **slots, size_t n, cairn_give *verdict);
/* What giving p would say, changing nothing. Needs no lock for a block that the caller holds: nobody changes its
 * bit. */
static inline cairn_give cairn_slab_look(const cairn_span *s, const void *p)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	size_t offset = (size_t)((const char *)p - s->base), i = cairn_class_index(k, offset);
	if (i * k->bytes != offset || i >= k->capacity)
		return CAIRN_GIVE_NOT_START;
	uint64_t word = __atomic_load_n(&s->free_bits[i / 64], __ATOMIC_RELAXED); /* nothing is published by it */
	return word >> i % 64 & 1 ? CAIRN_GIVE_ALREADY_FREE : CAIRN_GIVE_OK;
}

/* OS pages of the slab, as bits, that hold no live block and have not been purged. 0 when an OS page is over a
 * granule. */
uint64_t cairn_slab_empty_pages(const cairn_span *s);
/* Does slot i touch one of pages? */
bool cairn_slab_slot_touches(const cairn_span *s, size_t i, uint64_t pages);
/* Takes the free slots that touch these pages out, so that the pages can be purged without the lock ... */
void cairn_slab_hold(cairn_span *s, uint64_t pages);
/* ... and puts them back; the pages are clean now if purged. */
void cairn_slab_unhold(cairn_span *s, uint64_t pages, bool purged);

void cairn_slab_validate(const cairn_span *s);

#endif
