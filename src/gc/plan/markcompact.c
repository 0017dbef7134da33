/* gc/plan/markcompact.c - marks, then empties blocks of which little lives.
 *
 *   roots ─▶ mark ─▶ weak ─▶ sweep, and count what lives in each block ─▶ evacuate ─▶ update ─▶ turn
 *
 * Blocks are ordered by what lives in them. The sparsest is evacuated first, into fresh blocks while these can be had,
 * and then into holes: of blocks with pins, and then of the densest, until the two meet. At the limit holes come first,
 * so the heap is compacted even where it may not grow by a block. Each cell takes the hole that fits it best
 * (gc/holes.h). Each object leaves its new address in its old header; then one pass over all that lives, the exact
 * roots, and what is written down beside the heap replaces the old addresses. (Two fingers: Edwards' compactor, by
 * block; order of occupancy: Detlefs and others, "Garbage-first", 2004.)
 *
 * How much: blocks that are half empty, where that frees a sixteenth of all, and holes are not as good (gc/pace.h);
 * when an allocation was refused, every block that is not dense; with zeal "move", everything. What is PINNED stays,
 * and its block with it, which is filled.
 *
 * Where stacks are not looked at little is PINNED, and objects keep their order: gc/plan/slide.c.
 *
 * Failure: where no room can be had an object stays; no more memory is taken than max allows. */
#include "gc/phases.h"

#include "base/assert.h"
#include "gc/grains.h"
#include "gc/holes.h"
#include "gc/move.h"

enum {
	COMPACT_ORDERS = 64,                            /* a KiB of live bytes each */
	COMPACT_SPARSE = CAIRN_GC_BLOCK_BYTES / 2,      /* is evacuated in any compaction */
	COMPACT_DENSE = CAIRN_GC_BLOCK_BYTES / 16 * 15, /* not worth it in any */
	COMPACT_GAIN_ONE_OF = 16,                       /* of all blocks is freed: then it is time */
	COMPACT_TRIED_ONE_OF = 16, /* of all blocks, for a hole that a cell fits */
	COMPACT_ROOM_ONE_OF = 4, /* and of the room: where there is much of it, a little more is not worth the update */
};

typedef struct compaction {
	cairn_gc_heap *h;
	uint8_t colour;
	bool is_whole;      /* all that is not dense; else what is sparse */
	bool moves_all;     /* dense or with pins, too */
	size_t blocks, dead_blocks, sparse_blocks, sparse_bytes; /* dead: where nothing lives; sparse: not those */
	cairn_gc_block *by_live[COMPACT_ORDERS + 1]; /* lists by `next` */
	unsigned sparsest, densest;                  /* of those lists, where to look first */
	cairn_gc_block *pinned; /* those that will not be empty, for their pins; a list, too */
	cairn_gc_block *to;   /* a fresh one, of which this is left: */
	uintptr_t at, end;
	bool is_refused;      /* no fresh blocks are to be had */
	cairn_gc_holes holes; /* of the densest, and of what is pinned */
	bool is_stuck;        /* some cell found no room: its block will not be empty */
	size_t unfit;         /* bytes of a cell: it fitted no hole of many blocks */
	size_t moved_bytes, moved_objects;
	size_t live_bytes;
} compaction;

/* ---- Measuring ---- */

/* Bytes of cells in b that have the colour. */
static size_t compact_measure(const cairn_gc_block *b, uint8_t colour)
{
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t live = 0;
	bool is_in = false;
	for (size_t at = 0; at < CAIRN_GC_BLOCK_GRAINS; at += CAIRN_GC_GRAINS_STEP)
		live += cairn_bits_count(cairn_gc_grains_of(bytes + at, colour, &is_in));
	return live * CAIRN_GC_GRAIN;
}

/* By sweeping, which comes sooner or later, where no byte is PINNED: that is still wanted. */
static void compact_count(cairn_gc_block *b, uint8_t colour)
{
	if (b->has_pins) {
		b->live_bytes = (uint32_t)compact_measure(b, colour);
		return;
	}
	cairn_gc_block_sweep(b, colour);
	b->is_counted = true;
}

static void compact_count_slab(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	(void)arg;
	CAIRN_GC_EACH_BLOCK_OF(b, s)
		if (b->kind == CAIRN_GC_BLOCK_CELLS)
			compact_count(b, w->colour);
}

static void compact_order(compaction *c, cairn_gc_block *b)
{
	c->live_bytes += b->live_bytes;
	c->blocks++;
	c->dead_blocks += !b->live_bytes;
	if (b->has_pins && !c->moves_all) {
		b->next = c->pinned;
		c->pinned = b;
		return;
	}
	if (b->live_bytes && b->live_bytes <= COMPACT_SPARSE) {
		c->sparse_blocks++;
		c->sparse_bytes += b->live_bytes;
	}
	unsigned order = b->live_bytes * COMPACT_ORDERS / CAIRN_GC_BLOCK_BYTES;
	b->next = c->by_live[order];
	c->by_live[order] = b;
}

static cairn_gc_block *compact_take_sparsest(compaction *c)
{
	while (c->sparsest <= c->densest && !c->by_live[c->sparsest])
		c->sparsest++;
	cairn_gc_block *b = c->sparsest <= c->densest ? c->by_live[c->sparsest] : NULL;
	if (b)
		c->by_live[c->sparsest] = b->next;
	return b;
}

static cairn_gc_block *compact_take_densest(compaction *c)
{
	while (c->densest > c->sparsest && !c->by_live[c->densest])
		c->densest--;
	cairn_gc_block *b = c->by_live[c->densest];
	if (b)
		c->by_live[c->densest] = b->next;
	return b;
}

/* ---- Evacuating ---- */

static void compact_end_block(compaction *c)
{
	cairn_gc_block *b = c->to;
	c->to = NULL;
	if (!b)
		return;
	b->filled = (uint32_t)(c->at - cairn_gc_block_first(b));
	b->is_packed = true;
	b->is_owned = false;
}

static uintptr_t compact_fresh(compaction *c, size_t cell)
{
	if (!c->to || c->end - c->at < cell) {
		cairn_gc_block *b = c->is_refused ? NULL : cairn_gc_blocks_take(c->h, c->h->tracing.most);
		c->is_refused = !b;
		if (!b)
			return 0;
		compact_end_block(c);
		c->to = b;
		c->at = cairn_gc_block_first(b);
		c->end = cairn_gc_block_end(b);
	}
	uintptr_t at = c->at;
	c->at += cell;
	return at;
}

/* Of one block more: first those with pins, which will not be empty whatever is done. False: there is none. */
static bool compact_add_holes(compaction *c)
{
	cairn_gc_block *b = c->pinned;
	if (b)
		c->pinned = b->next;
	else if (!(b = compact_take_densest(c)))
		return false;
	if (!b->is_counted)
		cairn_gc_block_sweep(b, c->colour);
	b->is_counted = false;
	cairn_gc_holes_put_block(&c->holes, b, c->colour);
	return true;
}

static uintptr_t compact_hole(compaction *c, size_t cell)
{
	uintptr_t at = cairn_gc_holes_take(&c->holes, cell);
	if (at || cell >= c->unfit)
		return at;
	for (size_t tried = 0; !at && tried <= c->blocks / COMPACT_TRIED_ONE_OF && compact_add_holes(c); tried++)
		at = cairn_gc_holes_take(&c->holes, cell);
	if (!at)
		c->unfit = cell;
	return at;
}

/* Where a cell of so many bytes may go to, or 0. At the limit holes come first: fresh blocks are few, and for what fits
 * no hole. */
static uintptr_t compact_room(compaction *c, size_t cell)
{
	uintptr_t at = c->is_whole ? compact_hole(c, cell) : 0;
	at = at ? at : compact_fresh(c, cell);
	at = at || c->is_whole ? at : compact_hole(c, cell);
	c->is_stuck = !at && !c->moves_all;
	return at;
}

/* Its address is left in its header; nothing is said of its old cell any more. Or it stays. */
static void compact_evacuate_object(compaction *c, void *object)
{
	uint64_t header = cairn_gc_header_of(object);
	size_t old = cairn_gc_header_cell(header), cell = cairn_gc_cell_when_moved(header);
	uint8_t *byte = cairn_gc_byte_of(object);
	uintptr_t room = *byte & CAIRN_GC_PIN ? 0 : compact_room(c, cell);
	if (!room)
		return;
	*cairn_gc_header_at(object) = (uintptr_t)cairn_gc_move(room, object, header, c->colour);
	byte[0] = byte[old / CAIRN_GC_GRAIN - 1] = 0;
	c->moved_bytes += cell;
	c->moved_objects++;
}

/* Until something finds no room. */
static void compact_evacuate(compaction *c, cairn_gc_block *b)
{
	b->is_from = true;
	b->is_counted = c->is_stuck = false;
	uintptr_t cell = cairn_gc_block_first(b);
	while (!c->is_stuck && (cell = cairn_gc_next_of_colour(b, c->colour, cell))) {
		void *object = cairn_gc_cell_object(cell);
		size_t bytes = cairn_gc_header_cell(cairn_gc_header_of(object));
		compact_evacuate_object(c, object);
		cell += bytes;
	}
}

/* Collections of the young pay, and have too little room though there is enough in holes: these are worth all that it
 * takes. (A cache of 29 MB in 38, beside requests: each collection was one of all, and freed no block.) */
static bool compact_makes_room(const compaction *c)
{
	size_t limit = c->h->sizing.all_limit, blocks = c->blocks - c->dead_blocks;
	size_t held = cairn_gc_held(c->h) - c->dead_blocks * CAIRN_GC_BLOCK_BYTES;
	size_t holes = blocks * CAIRN_GC_BLOCK_BYTES - c->live_bytes, room = limit > held ? limit - held : 0;
	return c->h->plan->has_young && cairn_gc_pace_lacks_room(c->h, room) &&
	       !cairn_gc_pace_lacks_room(c->h, room + holes / 4 * 3);
}

static bool compact_is_wanted(const compaction *c)
{
	size_t taken = (c->sparse_bytes + CAIRN_GC_BLOCK_BYTES - 1) / CAIRN_GC_BLOCK_BYTES;
	size_t gain = c->sparse_blocks > taken ? c->sparse_blocks - taken : 0, least = c->blocks / COMPACT_GAIN_ONE_OF;
	if (c->h->plan->has_young) {
		size_t limit = c->h->sizing.all_limit;
		size_t room = limit > c->live_bytes ? (limit - c->live_bytes) / CAIRN_GC_BLOCK_BYTES : 0;
		least = room / COMPACT_ROOM_ONE_OF > least ? room / COMPACT_ROOM_ONE_OF : least;
	}
	bool is_worth = gain > least && !cairn_gc_pace_can_do_with_holes(c->h, c->dead_blocks);
	return c->is_whole || c->moves_all || is_worth;
}

/* Is there room until collections of the young have looked for holders in all slabs? Each may take a block. */
static bool compact_may_wait(const compaction *c)
{
	size_t held = cairn_gc_held(c->h) - c->dead_blocks * CAIRN_GC_BLOCK_BYTES;
	size_t needed = c->h->zeal.is_on ? 0 : c->h->blocks.slab_count * CAIRN_GC_BLOCK_BYTES;
	return cairn_gc_mixed_is_wanted(c->h) && held + needed <= c->h->sizing.all_limit;
}

/* Of collections of the young, later: gc/mixed.h. What those cannot take is worth no less the next time. */
static void compact_choose(compaction *c)
{
	size_t most = c->h->zeal.is_on ? CAIRN_GC_BLOCK_BYTES : c->is_whole ? COMPACT_DENSE : COMPACT_SPARSE;
	bool is_chosen = true;
	for (cairn_gc_block *b; is_chosen && (b = compact_take_sparsest(c)) && b->live_bytes <= most;)
		is_chosen = !b->live_bytes || cairn_gc_mixed_choose(c->h, b);
	cairn_gc_mixed_chosen(c->h);
}

static void compact_evacuate_all(compaction *c)
{
	size_t most = c->moves_all ? CAIRN_GC_BLOCK_BYTES : c->is_whole ? COMPACT_DENSE : COMPACT_SPARSE;
	for (cairn_gc_block *b; (b = compact_take_sparsest(c)) && b->live_bytes <= most;)
		compact_evacuate(c, b);
	compact_end_block(c);
}

/* ---- The whole ---- */

static void compact_each_block(compaction *c, void (*visit)(compaction *c, cairn_gc_block *b))
{
	CAIRN_GC_EACH_BLOCK(b, &c->h->blocks)
		if (b->kind == CAIRN_GC_BLOCK_CELLS)
			visit(c, b);
}

static void compact_leave(compaction *c, cairn_gc_block *b)
{
	if (b->is_from && !cairn_gc_next_of_colour(b, c->colour, cairn_gc_block_first(b)))
		cairn_gc_blocks_give(c->h, b);
	b->is_from = false;
}

static uintptr_t compact_where(void *arg, uintptr_t object)
{
	(void)arg;
	uint64_t header = cairn_gc_header_of((void *)object);
	return cairn_gc_header_is_moved(header) ? header : object;
}

static void compact(cairn_gc_heap *h, uint8_t colour)
{
	compaction c = { .h = h, .colour = colour, .densest = COMPACT_ORDERS, .unfit = SIZE_MAX };
	c.is_whole = h->cause == CAIRN_GC_CAUSE_LIMIT;
	c.moves_all = h->zeal.moves;
	cairn_gc_workers_each_slab(h, compact_count_slab, NULL);
	compact_each_block(&c, compact_order);
	c.is_whole |= compact_makes_room(&c);
	bool is_worth = compact_is_wanted(&c), is_left_to_the_young = compact_may_wait(&c);
	h->mixed.in_vain = is_worth && is_left_to_the_young ? 0 : h->mixed.in_vain + 1;
	if (!is_worth && !(is_left_to_the_young && h->zeal.is_on))
		return;
	if (is_left_to_the_young) {
		compact_choose(&c);
		return;
	}
	compact_evacuate_all(&c);
	if (c.moved_objects) {
		cairn_gc_look_phase(h, "update", c.moved_bytes, c.moved_objects);
		cairn_gc_update_all(h, compact_where, NULL);
	}
	compact_each_block(&c, compact_leave);
	h->looks.stats.moved_bytes += c.moved_bytes;
	h->looks.stats.moved_objects += c.moved_objects;
}

void cairn_gc_phase_compact(cairn_gc_heap *h, uint8_t colour)
{
	cairn_gc_look_phase(h, "compact", 0, 0);
	bool may_slide = h->config.exact_roots && !h->zeal.moves && !cairn_gc_mixed_is_wanted(h);
	if (!may_slide || !cairn_gc_slide(h, colour))
		compact(h, colour);
}

static void markcompact_collect(cairn_gc_heap *h)
{
	uint8_t colour = cairn_gc_phase_mark(h);
	cairn_gc_phase_compact(h, colour);
	cairn_gc_phase_turn(h, colour);
}

const cairn_gc_plan cairn_gc_plan_markcompact = {
	.name = "markcompact",
	.collector = CAIRN_GC_MARKCOMPACT,
	.is_moving = true,
	.collect = markcompact_collect,
};
