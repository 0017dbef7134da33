/* gc/mixed.c - mixed collections: choosing, walking, taking. The contract is gc/mixed.h's. */
#include "gc/mixed.h"

#include "base/assert.h"
#include "gc/managed.h"
#include "os/clock.h"

enum {
	MIXED_OF_GOAL = 4,    /* that part of the goal is for it */
	MIXED_ZEAL_BLOCKS = 3, /* in a group, under zeal */
};

#define MIXED_BYTE_NS 4.0 /* until it is known: objects lie as strewn */

/* ---- Choosing ---- */

bool cairn_gc_mixed_is_wanted(const cairn_gc_heap *h)
{
	if (!h->plan->has_young || h->cause == CAIRN_GC_CAUSE_LIMIT || h->cause == CAIRN_GC_CAUSE_ASKED)
		return false;
	if (h->zeal.is_on)
		return h->collection / 4 % 2; /* each other one of all: see generational_collect */
	return h->config.pause_goal_ms && !h->mixed.is_cut;
}

bool cairn_gc_mixed_is_pending(const cairn_gc_heap *h) { return h->mixed.taken < h->mixed.groups; }

static void mixed_forget(cairn_gc_heap *h, unsigned group)
{
	for (uintptr_t item; cairn_gc_chunk_pop(h, &h->mixed.holders[group], &item);)
		;
}

void cairn_gc_mixed_drop(cairn_gc_heap *h)
{
	for (unsigned group = 1; group <= h->mixed.groups; group++)
		mixed_forget(h, group);
	if (h->mixed.groups)
		CAIRN_GC_EACH_BLOCK (b, &h->blocks)
			b->group = 0;
	h->mixed = (cairn_gc_mixed){
		.is_cut = cairn_gc_mixed_is_pending(h),
		.in_vain = cairn_gc_mixed_is_pending(h) ? CAIRN_GC_MIXED_IN_VAIN : h->mixed.in_vain,
		.byte_ns = h->mixed.byte_ns,
	};
}

static uint64_t mixed_ns(const cairn_gc_heap *h)
{
	return h->zeal.is_on ? UINT64_MAX : (uint64_t)h->config.pause_goal_ms * 1000000 / MIXED_OF_GOAL;
}

/* So many live bytes are copied in that time. */
static size_t mixed_most(const cairn_gc_heap *h)
{
	double byte_ns = h->mixed.byte_ns > 0 ? h->mixed.byte_ns : MIXED_BYTE_NS;
	return h->zeal.is_on ? MIXED_ZEAL_BLOCKS * CAIRN_GC_BLOCK_BYTES : (size_t)((double)mixed_ns(h) / byte_ns);
}

/* Words of a CONSERVATIVE object pin before it is known whether that lives. */
static bool mixed_may_take(const cairn_gc_heap *h, const cairn_gc_block *b)
{
	uint8_t colour = h->tracing.worker[0].colour; /* it was marked just now */
	uintptr_t cell = h->has_conservative ? cairn_gc_block_first(b) : 0;
	while (cell && (cell = cairn_gc_next_of_colour(b, colour, cell))) {
		uint64_t header = cairn_gc_header_of(cairn_gc_cell_object(cell));
		if (cairn_gc_record_of(header)->flags & CAIRN_GC_CONSERVATIVE)
			return false;
		cell += cairn_gc_header_cell(header);
	}
	return true;
}

bool cairn_gc_mixed_choose(cairn_gc_heap *h, cairn_gc_block *b)
{
	cairn_gc_mixed *m = &h->mixed;
	if (!mixed_may_take(h, b))
		return true;
	if (!m->groups || m->live_bytes + b->live_bytes > mixed_most(h)) {
		if (m->groups == CAIRN_GC_MIXED_GROUPS)
			return false;
		m->groups++;
		m->live_bytes = 0;
	}
	m->live_bytes += b->live_bytes;
	b->group = (uint8_t)m->groups;
	return true;
}

void cairn_gc_mixed_chosen(cairn_gc_heap *h)
{
	h->mixed.is_walking = h->mixed.groups != 0;
	CAIRN_GC_EACH_SLAB (s, &h->blocks) /* what will lie in those that are taken later is scanned before */
		s->is_to_walk = true;
}

/* ---- Holders ---- */

/* Under the young's lock. A field's neighbour leads to the same card, and often into the same group. */
static void mixed_write_down(cairn_gc_heap *h, unsigned group, uintptr_t item)
{
	cairn_gc_chunk **list = &h->mixed.holders[group], *top = *list;
	bool has_room = top && top->count < CAIRN_GC_CHUNK_ITEMS;
	if (top && top->count && top->item[top->count - 1] == item)
		return;
	if (!(has_room || cairn_gc_may_hold(h, sizeof *top)) || !cairn_gc_chunk_push(h, list, item))
		h->mixed.is_short = true;
}

/* As for stores: gc/young.h. */
static bool mixed_goes_by_card(const cairn_gc_block *b, uint64_t header)
{
	const cairn_gc_record *r = cairn_gc_record_of(header);
	return b->kind == CAIRN_GC_BLOCK_LARGE && !r->trace && !r->weak && !(r->flags & CAIRN_GC_CONSERVATIVE);
}

void cairn_gc_mixed_note(cairn_gc_heap *h, const void *holder, const void *field, unsigned group)
{
	const cairn_gc_block *b = cairn_gc_block_of(holder);
	/* it goes with it; it is scanned once more in any case */
	if (h->mixed.is_scanning || b->group == group || b->is_recent)
		return;
	uintptr_t item = (uintptr_t)holder, at = (uintptr_t)field - item;
	if (mixed_goes_by_card(b, cairn_gc_header_of(holder)))
		item += at / CAIRN_GC_CARD_BYTES * CAIRN_GC_CARD_BYTES + 1;
	cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS);
	mixed_write_down(h, group, item);
	cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
}

typedef struct mixed_look {
	cairn_gc_heap *h;
	void *object;
} mixed_look;

static void mixed_look_at_field(void *arg, void *field)
{
	const mixed_look *look = arg;
	uintptr_t to = cairn_gc_slot_get(field, look->h->is_compressed);
	unsigned group = to ? cairn_gc_block_of((void *)to)->group : 0;
	if (cairn_unlikely(group))
		cairn_gc_mixed_note(look->h, look->object, field, group);
}

static void mixed_look_at(void *arg, void *object)
{
	mixed_look look = { arg, object };
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	if (r->tail_refs || r->trace)
		cairn_gc_each_field(object, CAIRN_GC_FIELD_EXACT, mixed_look_at_field, &look);
	else
		for (uint64_t bits = r->refs | r->weak; bits; bits &= bits - 1)
			mixed_look_at_field(&look,
				cairn_gc_slot_at(object, (size_t)__builtin_ctzll(bits), look.h->is_compressed));
}

void cairn_gc_mixed_walk(cairn_gc_heap *h)
{
	cairn_gc_mixed *m = &h->mixed;
	uint64_t from = cairn_clock_fine_ns(), most = mixed_ns(h), spent = 0;
	if (m->at_work && m->bytes)
		m->byte_ns = (m->byte_ns + (double)(from - m->began_ns) / (double)m->bytes) / (m->byte_ns > 0 ? 2 : 1);
	if (!m->is_walking)
		return;
	m->is_walking = false;
	CAIRN_GC_EACH_SLAB (s, &h->blocks) {
		if (!s->is_to_walk)
			continue;
		m->is_walking = spent > most;
		if (m->is_walking)
			break;
		s->is_to_walk = false;
		cairn_gc_each_reached_in(s, h->blocks.colour, mixed_look_at, h);
		spent = cairn_clock_fine_ns() - from;
	}
	m->walk_ns = spent;
}

/* ---- Taking ---- */

static void mixed_take(cairn_gc_heap *h, cairn_gc_block *b)
{
	uintptr_t cell = cairn_gc_block_first(b);
	while ((cell = cairn_gc_next_of_colour(b, h->blocks.colour, cell))) {
		size_t bytes = cairn_gc_header_cell(cairn_gc_header_of(cairn_gc_cell_object(cell)));
		uint8_t *byte = cairn_gc_byte_of_cell(cell);
		byte[bytes / CAIRN_GC_GRAIN - 1] = 0;
		*byte = CAIRN_GC_START;
		h->mixed.bytes += bytes;
		h->mixed.objects++;
		cell += bytes;
	}
	b->is_young = b->is_from = b->has_starts = true;
	cairn_list_remove(&b->node);
	cairn_list_append(&h->blocks.fresh, &b->node);
	h->looks.stats.young.mixed_blocks++;
}

void cairn_gc_mixed_leave(cairn_gc_heap *h)
{
	cairn_gc_mixed *m = &h->mixed;
	if (m->is_short)
		cairn_gc_mixed_drop(h);
	m->at_work = 0;
	m->walk_ns = m->bytes = m->objects = 0;
	if (m->is_walking || !cairn_gc_mixed_is_pending(h))
		return;
	m->began_ns = cairn_clock_fine_ns();
	m->at_work = ++m->taken;
	CAIRN_GC_EACH_BLOCK (b, &h->blocks)
		if (b->group == m->at_work) {
			b->group = 0;
			mixed_take(h, b);
		}
	h->looks.stats.young.mixed_bytes += m->bytes;
}

/* What is there now; old, and live as far as is known. NULL: no such object. */
static void *mixed_holder(cairn_gc_heap *h, uintptr_t item)
{
	uintptr_t at = item & ~(uintptr_t)1;
	cairn_gc_slab *slab = cairn_gc_slab_at(at);
	if (!slab || slab->heap != h)
		return NULL;
	cairn_gc_block *b = slab->is_huge ? &slab->block[CAIRN_GC_FIRST_BLOCK] : cairn_gc_block_of((void *)at);
	while (b->kind == CAIRN_GC_BLOCK_LARGE_MORE)
		b--;
	bool is_large = b->kind == CAIRN_GC_BLOCK_LARGE;
	void *object = is_large ? cairn_gc_block_large(b) : (void *)at;
	bool is_there = is_large ? item & 1 || (uintptr_t)object == at : b->kind == CAIRN_GC_BLOCK_CELLS && !(item & 1);
	is_there = is_there && !b->is_young && (*cairn_gc_byte_of(object) & CAIRN_GC_COLOUR) == h->blocks.colour;
	return is_there ? object : NULL;
}

void cairn_gc_mixed_trace(cairn_gc_heap *h)
{
	h->mixed.is_scanning = true;
	for (uintptr_t item; cairn_gc_chunk_pop(h, &h->mixed.holders[h->mixed.at_work], &item);) {
		char *object = mixed_holder(h, item);
		size_t from = (item & ~(uintptr_t)1) - (uintptr_t)object;
		if (object && item & 1)
			cairn_gc_trace_part(h, object, from, from + CAIRN_GC_CARD_BYTES);
		else if (object)
			cairn_gc_trace_old(h, object);
	}
	h->mixed.is_scanning = false;
}

/* ---- Validation ---- */


static bool mixed_has(const cairn_gc_heap *h, unsigned group, uintptr_t object, uintptr_t card)
{
	for (const cairn_gc_chunk *c = h->mixed.holders[group]; c; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			if (c->item[i] == object || c->item[i] == card)
				return true;
	return false;
}

static void mixed_check_field(void *arg, void *field)
{
	const mixed_look *look = arg;
	const cairn_gc_heap *h = look->h;
	uintptr_t to = cairn_gc_slot_get(field, h->is_compressed), object = (uintptr_t)look->object;
	unsigned group = to ? cairn_gc_block_of((void *)to)->group : 0;
	uintptr_t card = object + ((uintptr_t)field - object) / CAIRN_GC_CARD_BYTES * CAIRN_GC_CARD_BYTES + 1;
	bool goes_with_it = cairn_gc_block_of(look->object)->group == group;
	cairn_assert(!group || goes_with_it || cairn_gc_young_is_told(look->object, field) ||
		     mixed_has(h, group, object, card)); /* GMX1 */
	(void)goes_with_it, (void)card, (void)mixed_has;
}

static void mixed_check_object(void *arg, void *object)
{
	mixed_look look = { arg, object };
	cairn_gc_each_field(object, CAIRN_GC_FIELD_EXACT, mixed_check_field, &look);
}

void cairn_gc_mixed_validate(cairn_gc_heap *h)
{
	if (!cairn_gc_mixed_is_pending(h))
		return;
	CAIRN_GC_EACH_BLOCK (b, &h->blocks)
		cairn_assert(!b->group || (b->kind == CAIRN_GC_BLOCK_CELLS && !b->is_owned && !b->is_young)); /* GMX2 */
	if (!h->mixed.is_walking && !h->mixed.is_short)
		CAIRN_GC_EACH_SLAB (s, &h->blocks)
			cairn_gc_each_reached_in(s, h->blocks.colour, mixed_check_object, h);
}
