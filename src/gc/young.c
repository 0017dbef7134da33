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

/* Under the lock. False: it is not, and the next collection is of all. */
static bool young_write_down(cairn_gc_heap *h, uintptr_t item)
{
	bool is_down = young_has_room(h) && cairn_gc_chunk_push(h, &h->young.stored, item);
	h->young.is_short |= !is_down;
	return is_down;
}

void cairn_gc_young_is_short(cairn_gc_heap *h)
{
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	h->young.is_short = true;
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

/* ---- Cards ---- */

static bool young_may_have_cards(const cairn_gc_block *b, uint64_t header)
{
	const cairn_gc_record *r = cairn_gc_record_of(header);
	return b->kind == CAIRN_GC_BLOCK_LARGE && !r->trace && !r->weak && !(r->flags & CAIRN_GC_CONSERVATIVE);
}

/* Under the lock. NULL: no memory within max. */
static uint8_t *young_make_cards(cairn_gc_heap *h, cairn_gc_block *b, size_t size)
{
	size_t n = (size + CAIRN_GC_CARD_BYTES - 1) / CAIRN_GC_CARD_BYTES;
	uint8_t *card = cairn_gc_may_hold(h, n) ? cairn_gc_meta_alloc(h, n) : NULL;
	if (!card)
		return NULL;
	b->cards = (uint32_t)n;
	__atomic_store_n(&b->card, card, __ATOMIC_RELEASE); /* publishes them: young_store_card */
	return card;
}

static void young_store_card(cairn_gc_heap *h, cairn_gc_block *b, void *object, const void *field)
{
	size_t at = (size_t)((const char *)field - (char *)object) / CAIRN_GC_CARD_BYTES;
	uint8_t *card = __atomic_load_n(&b->card, __ATOMIC_ACQUIRE); /* pairs with young_make_cards */
	/* relaxed, both: who finds it set, or sets it, stores before the next stop */
	if (card && __atomic_load_n(&card[at], __ATOMIC_RELAXED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	if (!b->cards)
		young_make_cards(h, b, cairn_gc_size(object));
	bool may_set = b->cards && at < b->cards;
	if (may_set && !b->card[at]) /* set by who has the lock alone, and only if it is written down */
		__atomic_store_n(&b->card[at],
			young_write_down(h, (uintptr_t)object + at * CAIRN_GC_CARD_BYTES + 1), __ATOMIC_RELAXED);
	if (!may_set || !b->card[at]) { /* not to be asked again: the next collection is of all */
		h->young.is_short = true;
		__atomic_fetch_and((uint8_t *)cairn_gc_header_at(object), (uint8_t)~CAIRN_GC_WATCHED, __ATOMIC_RELAXED);
	}
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_drop_cards(cairn_gc_heap *h, cairn_gc_block *b)
{
	if (b->cards)
		cairn_gc_meta_free(h, b->card, b->cards);
	b->cards = 0;
	b->card = NULL;
}

bool cairn_gc_young_is_told(const void *object, const void *field)
{
	const cairn_gc_block *b = cairn_gc_block_of(object);
	size_t at = (size_t)((const char *)field - (const char *)object) / CAIRN_GC_CARD_BYTES;
	bool has_card = b->kind == CAIRN_GC_BLOCK_LARGE && at < b->cards && b->card[at];
	return !(cairn_gc_header_of(object) & CAIRN_GC_WATCHED) || has_card;
}

/* ---- The list ---- */

void cairn_gc_young_store(cairn_gc_heap *h, void *object, const void *field)
{
	uint8_t *low = (uint8_t *)cairn_gc_header_at(object);
	/* relaxed: who stores into it at the same time takes the bit off, too, and one of them finds it set */
	if (!(__atomic_load_n(low, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_gc_block *b = cairn_gc_block_of(object);
	if (young_may_have_cards(b, cairn_gc_header_of(object))) {
		young_store_card(h, b, object, field);
		return;
	}
	if (!(__atomic_fetch_and(low, (uint8_t)~CAIRN_GC_WATCHED, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	young_write_down(h, (uintptr_t)object);
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_forget(cairn_gc_heap *h, void *object)
{
	uintptr_t from = (uintptr_t)object, to = from + cairn_gc_block_of(object)->cards * (size_t)CAIRN_GC_CARD_BYTES;
	bool may_be_down = to != from || !(cairn_gc_header_of(object) & CAIRN_GC_WATCHED);
	if (cairn_gc_block_of(object)->is_young || !may_be_down)
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	for (cairn_gc_chunk *c = h->young.stored; c; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			if (c->item[i] == from || (c->item[i] > from && c->item[i] < to))
				c->item[i] = 0;
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

/* Its object may have become shorter since. */
static void young_visit_card(cairn_gc_heap *h, uintptr_t card, cairn_gc_young_visit *visit)
{
	cairn_gc_slab *slab = cairn_gc_slab_at(card);
	cairn_gc_block *b = slab->is_huge ? &slab->block[CAIRN_GC_FIRST_BLOCK] : cairn_gc_block_of((void *)card);
	while (b->kind == CAIRN_GC_BLOCK_LARGE_MORE)
		b--;
	size_t from = card - (uintptr_t)cairn_gc_block_large(b);
	cairn_assert(b->cards > from / CAIRN_GC_CARD_BYTES);
	b->card[from / CAIRN_GC_CARD_BYTES] = 0;
	visit(h, cairn_gc_block_large(b), from, from + CAIRN_GC_CARD_BYTES);
}

void cairn_gc_young_each_stored(cairn_gc_heap *h, cairn_gc_young_visit *visit)
{
	cairn_gc_chunk *stored = h->young.stored; /* who still refers to what is young is written down anew meanwhile */
	h->young.stored = NULL;
	h->young.is_short = false;
	for (uintptr_t item; cairn_gc_chunk_pop(h, &stored, &item);)
		if (item & 1)
			young_visit_card(h, item - 1, visit);
		else if (item)
			visit(h, (void *)item, 0, SIZE_MAX);
}

/* ---- Checking, closing ---- */

static size_t young_unwatched(const cairn_gc_heap *h, const cairn_gc_block *b)
{
	size_t n = 0;
	cairn_assert(b->kind != CAIRN_GC_BLOCK_CELLS || !b->is_young ||
		     !cairn_gc_next_of_colour(b, h->blocks.colour, cairn_gc_block_first(b))); /* GYO4 */
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
	size_t unwatched = 0, set = 0, objects = 0, cards = 0;
	if (!h->plan->has_young)
		return;
	CAIRN_GC_EACH_BLOCK (b, &h->blocks) {
		unwatched += young_unwatched(h, b);
		for (size_t i = 0; b->kind == CAIRN_GC_BLOCK_LARGE && i < b->cards; i++)
			set += b->card[i];
	}
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	for (const cairn_gc_chunk *c = h->young.stored; c; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			c->item[i] & 1 ? cards++ : objects++;
	cairn_assert(unwatched <= objects || h->young.is_short); /* GYO2 */
	cairn_assert(set == cards); /* GYO3 */
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_young_close(cairn_gc_heap *h)
{
	for (uintptr_t item; cairn_gc_chunk_pop(h, &h->young.stored, &item);)
		;
	for (cairn_node *n = h->blocks.large.next; n != &h->blocks.large; n = n->next)
		cairn_gc_young_drop_cards(h, cairn_container(n, cairn_gc_block, node));
}
