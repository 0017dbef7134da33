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

uint8_t cairn_gc_barrier(const cairn_gc_heap *h)
{
	return h->zeal.shadows ? CAIRN_GC_BARRIER_CALL : h->plan->barrier; /* under zeal each store is told */
}

/* Is the next one of all, whatever it is for? With a goal it is of the young if it may; under zeal each fourth is. What
 * refers to blocks that are to be taken with the young is told, too. */
static bool young_is_all_next(const cairn_gc_heap *h)
{
	bool tells = h->config.pause_goal_ms || h->zeal.shadows || h->young.always_tells;
	tells |= cairn_gc_mixed_is_pending(h);
	return h->young.wants_all && !tells && (!h->zeal.is_on || (h->collection + 1) % CAIRN_GC_ZEAL_ALL_ONE_OF == 0);
}

void cairn_gc_young_set_barriers(cairn_gc_heap *h)
{
	bool is_untold = young_is_all_next(h);
	h->young.is_short |= is_untold;
	CAIRN_GC_EACH_MUTATOR(t, &h->world)
		t->public.barrier = is_untold ? CAIRN_GC_BARRIER_NONE : cairn_gc_barrier(h);
}

/* ---- Cards ---- */

bool cairn_gc_young_has_cards(const cairn_gc_heap *h)
{
	return h->plan->has_young && h->config.remember == CAIRN_GC_REMEMBER_CARDS;
}

static bool young_may_have_cards(const cairn_gc_heap *h, const cairn_gc_block *b, uint64_t header)
{
	const cairn_gc_record *r = cairn_gc_record_of(header);
	cairn_gc_remember how = h->config.remember;
	bool is_large = b->kind == CAIRN_GC_BLOCK_LARGE;
	bool is_by_card = is_large ? how != CAIRN_GC_REMEMBER_LOG : how == CAIRN_GC_REMEMBER_CARDS;
	return is_by_card && !r->trace && !r->weak && !(r->flags & CAIRN_GC_CONSERVATIVE);
}

/* Where the card begins that this field is in. */
static uintptr_t young_card_start(const cairn_gc_block *b, const void *object, const void *field)
{
	uintptr_t at = (uintptr_t)field, base = b->kind == CAIRN_GC_BLOCK_LARGE ? (uintptr_t)object : 0;
	return at - (at - base) % CAIRN_GC_CARD_BYTES;
}

/* The card that begins there. NULL: it is of a LARGE object, which has none so far. */
static uint8_t *young_card_at(cairn_gc_block *b, uintptr_t start)
{
	if (b->kind == CAIRN_GC_BLOCK_CELLS)
		return cairn_gc_card_of(start);
	uint8_t *card = __atomic_load_n(&b->card, __ATOMIC_ACQUIRE); /* pairs with young_make_cards */
	size_t i = (start - (uintptr_t)cairn_gc_block_large(b)) / CAIRN_GC_CARD_BYTES;
	return card ? card + i : NULL;
}

/* Under the lock. None: no memory within max. */
static void young_make_cards(cairn_gc_heap *h, cairn_gc_block *b, size_t size)
{
	size_t n = (size + CAIRN_GC_CARD_BYTES - 1) / CAIRN_GC_CARD_BYTES;
	uint8_t *card = cairn_gc_may_hold(h, n) ? cairn_gc_meta_alloc(h, n) : NULL;
	if (!card)
		return;
	b->cards = (uint32_t)n;
	__atomic_store_n(&b->card, card, __ATOMIC_RELEASE); /* publishes them: young_card_at */
}

static void young_store_card(cairn_gc_heap *h, cairn_gc_block *b, void *object, const void *field)
{
	uintptr_t start = young_card_start(b, object, field);
	uint8_t *card = young_card_at(b, start);
	/* relaxed, both: who finds it set, or sets it, stores before the next stop */
	if (card && __atomic_load_n(card, __ATOMIC_RELAXED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	if (!card && !b->cards)
		young_make_cards(h, b, cairn_gc_size(object));
	card = young_card_at(b, start);
	if (card && !*card) /* set by who has the lock alone, and only if it is written down */
		__atomic_store_n(card, young_write_down(h, start + 1), __ATOMIC_RELAXED);
	if (!card || !*card) { /* not to be asked again: the next collection is of all */
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
	cairn_gc_block *b = cairn_gc_block_of(object);
	bool may_have = young_may_have_cards(cairn_gc_slab_of(object)->heap, b, cairn_gc_header_of(object));
	const uint8_t *card = may_have ? young_card_at(b, young_card_start(b, object, field)) : NULL;
	return !(cairn_gc_header_of(object) & CAIRN_GC_WATCHED) || (card && *card);
}

/* ---- The list ---- */

void cairn_gc_young_store(cairn_gc_heap *h, void *object, const void *field)
{
	uint8_t *low = (uint8_t *)cairn_gc_header_at(object);
	/* relaxed: who stores into it at the same time takes the bit off, too, and one of them finds it set */
	if (!(__atomic_load_n(low, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_gc_block *b = cairn_gc_block_of(object);
	if (young_may_have_cards(h, b, cairn_gc_header_of(object))) {
		young_store_card(h, b, object, field);
		return;
	}
	if (!(__atomic_fetch_and(low, (uint8_t)~CAIRN_GC_WATCHED, __ATOMIC_RELAXED) & CAIRN_GC_WATCHED))
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	young_write_down(h, (uintptr_t)object);
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

/* relaxed: of an object that nobody stores into any more */
static bool young_has_card_set(const cairn_gc_block *b)
{
	for (size_t i = 0; i < b->cards; i++)
		if (__atomic_load_n(&b->card[i], __ATOMIC_RELAXED))
			return true;
	return false;
}

void cairn_gc_young_forget(cairn_gc_heap *h, void *object)
{
	uintptr_t from = (uintptr_t)object, to = from + cairn_gc_block_of(object)->cards * (size_t)CAIRN_GC_CARD_BYTES;
	bool is_stored = !(cairn_gc_header_of(object) & CAIRN_GC_WATCHED);
	bool may_be_down = is_stored || (to != from && young_has_card_set(cairn_gc_block_of(object)));
	if (cairn_gc_block_of(object)->is_young || !may_be_down)
		return;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	for (cairn_gc_chunk *c = h->young.stored; c; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			if (c->item[i] == from || (c->item[i] > from && c->item[i] < to))
				c->item[i] = 0;
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

/* What lies in a card of small objects: each cell that reaches into it, but of what is written down whole. */
static void young_visit_cells(cairn_gc_heap *h, const cairn_gc_block *b, uintptr_t start, cairn_gc_young_visit *visit)
{
	uintptr_t end = start + CAIRN_GC_CARD_BYTES, cell = cairn_gc_block_cell_from(b, h->blocks.colour, start);
	while (cell && cell < end) {
		uintptr_t object = (uintptr_t)cairn_gc_cell_object(cell);
		uint64_t header = cairn_gc_header_of((void *)object);
		if (object < end && young_may_have_cards(h, b, header))
			visit(h, (void *)object, start > object ? start - object : 0, end - object);
		cell = cairn_gc_next_of_colour(b, h->blocks.colour, cell + cairn_gc_header_cell(header));
	}
}

/* A LARGE object may have become shorter since. */
static void young_visit_card(cairn_gc_heap *h, uintptr_t start, cairn_gc_young_visit *visit)
{
	cairn_gc_slab *slab = cairn_gc_slab_at(start);
	cairn_gc_block *b = slab->is_huge ? &slab->block[CAIRN_GC_FIRST_BLOCK] : cairn_gc_block_of((void *)start);
	while (b->kind == CAIRN_GC_BLOCK_LARGE_MORE)
		b--;
	*young_card_at(b, start) = 0;
	if (!visit)
		return;
	size_t from = start - (uintptr_t)cairn_gc_block_large(b);
	if (b->kind == CAIRN_GC_BLOCK_CELLS)
		young_visit_cells(h, b, start, visit);
	else
		visit(h, cairn_gc_block_large(b), from, from + CAIRN_GC_CARD_BYTES);
	h->looks.stats.young.scanned_cards++;
}

static void young_visit_object(cairn_gc_heap *h, void *object, cairn_gc_young_visit *visit)
{
	if (!object || !visit)
		return;
	visit(h, object, 0, SIZE_MAX);
	h->looks.stats.young.scanned_objects++;
}

void cairn_gc_young_each_stored(cairn_gc_heap *h, cairn_gc_young_visit *visit)
{
	cairn_gc_chunk *stored = h->young.stored; /* who still refers to what is young is written down anew meanwhile */
	h->young.stored = NULL;
	h->young.is_short = false;
	for (uintptr_t item; cairn_gc_chunk_pop(h, &stored, &item);)
		if (item & 1)
			young_visit_card(h, item - 1, visit);
		else
			young_visit_object(h, (void *)item, visit);
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

/* Cards of it that are set. */
static size_t young_cards_set(const cairn_gc_heap *h, const cairn_gc_block *b)
{
	bool is_large = b->kind == CAIRN_GC_BLOCK_LARGE, is_cells = cairn_gc_young_has_cards(h) && !is_large;
	const uint8_t *card = is_large ? b->card : cairn_gc_card_of(cairn_gc_block_first(b));
	size_t set = 0, n = is_large ? b->cards : is_cells ? CAIRN_GC_BLOCK_BYTES / CAIRN_GC_CARD_BYTES : 0;
	for (size_t i = 0; i < n; i++)
		set += card[i];
	cairn_assert(!set || is_large || (b->kind == CAIRN_GC_BLOCK_CELLS && !b->is_young)); /* GYO3 */
	cairn_assert(!set || h->config.remember != CAIRN_GC_REMEMBER_LOG); /* GYO3 */
	return set;
}

void cairn_gc_young_validate(cairn_gc_heap *h)
{
	size_t unwatched = 0, set = 0, objects = 0, cards = 0;
	if (!h->plan->has_young)
		return;
	CAIRN_GC_EACH_BLOCK (b, &h->blocks) {
		unwatched += young_unwatched(h, b);
		set += young_cards_set(h, b);
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
