/* gc/plan/slide.c - compaction that keeps the order of addresses: what lives slides down, block after block.
 *
 *   sort slabs ─▶ sweep ─▶ plan ─▶ update every field ─▶ move ─▶ give back the blocks behind the last
 *
 * After the Compressor (Kermany and Petrank, PLDI 2006): a new address is computed, not looked up. Of each KiB it is
 * written down where the cells that start in it go; a cell's new place is that, and what lives before it in its KiB, by
 * the bytes about grains. So no object needs a word for its new address, and 1/128 of the cells is all it takes. Unlike
 * there, cells do not lie across blocks: the cells of a KiB go to one block, as a whole.
 *
 * A KiB stays as it is, and others slide past it, where something in it is PINNED, and where it would lie no lower than
 * it does: an object whose hash is kept from now on takes a word more (gc/hash.h), its byte then says GROWS.
 *
 * Invariants, of a plan, asserted while moving:
 *   (GP1) The place of a cell never lies above it, and places rise as cells do.
 *   (GP2) Places do not overlap, nor lie where a cell stays.
 *
 * For heaps whose stacks are not looked at: gc/plan/markcompact.c has the others. */
#include "gc/phases.h"

#include "base/assert.h"
#include "gc/move.h"

enum {
	SLIDE_KIB_GRAINS = 1024 / CAIRN_GC_GRAIN,
	SLIDE_KIBS = CAIRN_GC_BLOCK_BYTES / 1024,
	SLIDE_GROWS = 64, /* a byte's bit */
	SLIDE_GAIN_ONE_OF = 16,
};

/* What is written down of a KiB that does not move; else where its first cell goes. */
enum { SLIDE_STAYS, SLIDE_PINNED };

typedef struct sliding {
	cairn_gc_heap *h;
	uint8_t colour;
	uintptr_t *places;     /* SLIDE_KIBS for each block of CELLS, in order of addresses */
	size_t blocks, dead_blocks, live_bytes;
	cairn_gc_slab *first;  /* slabs by address; see slide_next_slab */
	cairn_gc_block *to;    /* the next free place: in this block, here */
	uintptr_t at;
	bool moves; /* some KiB does */
	size_t moved_bytes, moved_objects;
} sliding;

/* ---- Blocks in order of addresses ---- */

/* The record of a slab's first block, which there is none of, holds the slab that follows. */
static cairn_gc_slab *slide_next_slab(const cairn_gc_slab *s) { return (cairn_gc_slab *)s->block[0].next; }
static void slide_link(cairn_gc_slab *s, cairn_gc_slab *next) { s->block[0].next = (cairn_gc_block *)next; }

static cairn_gc_slab *slide_merge(cairn_gc_slab *a, cairn_gc_slab *b)
{
	cairn_gc_slab *first = NULL, *last = NULL;
	while (a || b) {
		cairn_gc_slab *next = !b || (a && a < b) ? a : b;
		if (next == a)
			a = slide_next_slab(a);
		else
			b = slide_next_slab(b);
		if (last)
			slide_link(last, next);
		else
			first = next;
		last = next;
	}
	return first;
}

/* Sorts by merging runs of 1, 2, 4 ... slabs. */
static cairn_gc_slab *slide_sort_slabs(cairn_gc_heap *h)
{
	cairn_gc_slab *run[48] = { NULL }, *all = NULL;
	CAIRN_GC_EACH_SLAB(s, &h->blocks) {
		cairn_gc_slab *carry = s;
		unsigned i = 0;
		slide_link(s, NULL);
		for (; run[i]; run[i++] = NULL)
			carry = slide_merge(run[i], carry);
		run[i] = carry;
	}
	for (unsigned i = 0; i < sizeof run / sizeof *run; i++)
		all = slide_merge(run[i], all);
	for (cairn_gc_slab *s = all; s; s = slide_next_slab(s))
		cairn_assert(!slide_next_slab(s) || s < slide_next_slab(s));
	return all;
}

/* The block of CELLS that follows b, or with NULL the first; NULL: none. */
static cairn_gc_block *slide_next_block(const sliding *c, const cairn_gc_block *b)
{
	cairn_gc_slab *s = b ? cairn_gc_slab_of(b) : c->first;
	size_t i = b ? (size_t)(b - s->block) + 1 : CAIRN_GC_FIRST_BLOCK;
	for (; s; s = slide_next_slab(s), i = CAIRN_GC_FIRST_BLOCK)
		for (; i < CAIRN_GC_SLAB_BLOCKS; i++)
			if (s->block[i].kind == CAIRN_GC_BLOCK_CELLS)
				return &s->block[i];
	return NULL;
}

/* ---- Cells of a KiB ---- */

static size_t slide_grain(uintptr_t cell) { return cell % CAIRN_GC_BLOCK_BYTES / CAIRN_GC_GRAIN; }

/* The next cell at or after `from` that starts before `end`, a grain; 0: none. */
static uintptr_t slide_next(const sliding *c, const cairn_gc_block *b, uintptr_t from, size_t end)
{
	if (from - (uintptr_t)cairn_gc_block_start(b) >= CAIRN_GC_BLOCK_BYTES)
		return 0;
	uintptr_t cell = cairn_gc_next_of_colour(b, c->colour, from);
	return cell && slide_grain(cell) < end ? cell : 0;
}

static uintptr_t slide_cell(const cairn_gc_block *b, size_t grain)
{
	return cairn_gc_block_first(b) + grain * CAIRN_GC_GRAIN;
}

/* Of a live cell, from its byte on, that of its last grain. b is swept. */
static size_t slide_length(const uint8_t *byte)
{
	size_t n = 0;
	while (!(byte[n] & CAIRN_GC_END))
		n++;
	return n + 1;
}

/* ---- Planning ---- */

/* What a KiB's cells take where they go to. */
typedef struct kib {
	uintptr_t first, end; /* of its cells, the last one's end; first 0: none starts in it */
	size_t bytes;         /* that its cells need */
	uintptr_t most;       /* the highest place for it in its own block */
	bool has_holes, grows;
} kib;

static void slide_measure_cell(kib *k, uintptr_t cell)
{
	uint8_t *byte = cairn_gc_byte_of_cell(cell);
	uint64_t header = *(uint64_t *)cell;
	size_t old = cairn_gc_header_cell(header), new = cairn_gc_cell_when_moved(header);
	k->has_holes |= k->first && cell != k->end;
	k->first = k->first ? k->first : cell;
	k->end = cell + old;
	k->bytes += new;
	if (k->end - k->bytes < k->most)
		k->most = k->end - k->bytes;
	if (new != old) {
		*byte |= SLIDE_GROWS;
		k->grows = true;
	}
}

static kib slide_measure(const sliding *c, const cairn_gc_block *b, size_t number)
{
	kib k = { .most = UINTPTR_MAX };
	size_t from = number * SLIDE_KIB_GRAINS, end = from + SLIDE_KIB_GRAINS;
	for (uintptr_t cell = slide_cell(b, from); (cell = slide_next(c, b, cell, end)); cell = k.end)
		slide_measure_cell(&k, cell);
	return k;
}

/* The first cell at or after the free place, in its block, that is of a PINNED KiB; *end: the end of that one's last.
 * 0: none. */
static uintptr_t slide_obstacle(const sliding *c, const cairn_gc_block *b, size_t number, uintptr_t *end)
{
	size_t last = b == c->to ? number : SLIDE_KIBS;
	for (size_t i = slide_grain(c->at) / SLIDE_KIB_GRAINS; i < last && c->to->has_pins; i++) {
		if (c->to->places[i] != SLIDE_PINNED)
			continue;
		kib k = slide_measure(c, c->to, i);
		if (k.first && k.first >= c->at) {
			*end = k.end;
			return k.first;
		}
	}
	return 0;
}

/* Where the KiB goes, or SLIDE_STAYS. The free place is behind it then. */
static uintptr_t slide_place(sliding *c, const cairn_gc_block *b, size_t number, const kib *k)
{
	for (;;) {
		uintptr_t behind = 0, obstacle = slide_obstacle(c, b, number, &behind);
		uintptr_t end = obstacle ? obstacle : cairn_gc_block_end(c->to), at = c->at;
		if (k->bytes <= end - at && (c->to != b || at <= k->most)) {
			c->at = at + k->bytes;
			return at == k->first && !k->has_holes && !k->grows ? SLIDE_STAYS : at;
		}
		if (obstacle) {
			c->at = behind;
		} else if (c->to != b) {
			c->to = slide_next_block(c, c->to);
			c->at = cairn_gc_block_first(c->to);
		} else {
			c->at = k->end;
			return SLIDE_STAYS;
		}
	}
}

static void slide_plan_block(sliding *c, cairn_gc_block *b)
{
	for (size_t i = 0; i < SLIDE_KIBS; i++) {
		if (b->places[i] == SLIDE_PINNED)
			continue;
		kib k = slide_measure(c, b, i);
		b->places[i] = k.first ? slide_place(c, b, i, &k) : SLIDE_STAYS;
		b->is_from |= b->places[i] != SLIDE_STAYS;
	}
	c->moves |= b->is_from;
}

/* Writes down which KiB are PINNED, and sweeps, so that no byte speaks of the dead. */
static void slide_sweep(sliding *c, cairn_gc_block *b)
{
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	bool has_pins = b->has_pins;
	for (size_t i = 0; has_pins && i < CAIRN_GC_BLOCK_GRAINS; i++)
		if (bytes[i] & CAIRN_GC_PIN && (bytes[i] & CAIRN_GC_COLOUR) == c->colour)
			b->places[i / SLIDE_KIB_GRAINS] = SLIDE_PINNED;
	cairn_gc_block_sweep(b, c->colour);
	b->has_pins = has_pins;
	c->live_bytes += b->live_bytes;
	c->dead_blocks += !b->live_bytes;
}

/* False: it is not worth it, or nothing would move. */
static bool slide_plan(sliding *c)
{
	uintptr_t *places = c->places;
	for (cairn_gc_block *b = NULL; (b = slide_next_block(c, b)); places += SLIDE_KIBS) {
		b->places = places;
		slide_sweep(c, b);
	}
	size_t needed = c->live_bytes / CAIRN_GC_BLOCK_BYTES + 1;
	bool is_worth = c->blocks >= needed + c->blocks / SLIDE_GAIN_ONE_OF &&
			!cairn_gc_pace_can_do_with_holes(c->h, c->dead_blocks);
	if (c->h->cause != CAIRN_GC_CAUSE_LIMIT && !is_worth)
		return false;
	c->to = slide_next_block(c, NULL);
	c->at = c->to ? cairn_gc_block_first(c->to) : 0;
	for (cairn_gc_block *b = NULL; (b = slide_next_block(c, b));)
		slide_plan_block(c, b);
	return c->moves;
}

/* ---- Updating ---- */

static uintptr_t slide_where(void *arg, uintptr_t object)
{
	(void)arg;
	const cairn_gc_block *b = cairn_gc_block_of((void *)object);
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t grain = slide_grain(object - CAIRN_GC_HEADER_BYTES), i = grain & ~(size_t)(SLIDE_KIB_GRAINS - 1);
	uintptr_t place = b->places[i / SLIDE_KIB_GRAINS];
	if (place <= SLIDE_PINNED)
		return object;
	size_t before = 0; /* grains that the cells before it will take */
	while (i < grain) {
		if (!(bytes[i] & CAIRN_GC_COLOUR)) {
			i++;
			continue;
		}
		size_t length = slide_length(bytes + i);
		before += length + !!(bytes[i] & SLIDE_GROWS);
		i += length;
	}
	return place + before * CAIRN_GC_GRAIN + CAIRN_GC_HEADER_BYTES;
}

/* ---- Moving ---- */

/* Moves a cell down, or not at all; its new length. */
static size_t slide_move(sliding *c, uintptr_t to, uintptr_t from)
{
	uint64_t header = *(uint64_t *)from;
	size_t old = cairn_gc_header_cell(header), new = cairn_gc_cell_when_moved(header);
	uint8_t *byte = cairn_gc_byte_of_cell(from);
	char *object = cairn_gc_cell_object(from), *target = cairn_gc_cell_object(to);
	cairn_assert(to <= from && to + new <= from + old); /* GP1 */
	byte[0] = byte[old / CAIRN_GC_GRAIN - 1] = 0;
	cairn_assert(to == from || !(*cairn_gc_byte_of_cell(to) & CAIRN_GC_COLOUR)); /* GP2 */
	if (to != from)
		cairn_gc_move_bytes(target, object, old);
	if (header & CAIRN_GC_HASHED && !(header & CAIRN_GC_HASH_KEPT))
		*cairn_gc_hash_word(target, header) = cairn_gc_hash_of_address(object);
	*(uint64_t *)to = cairn_gc_header_when_moved(header);
	cairn_gc_say_cell(to, new, c->colour);
	c->moved_bytes += to != from ? new : 0;
	c->moved_objects += to != from;
	return new;
}

static void slide_block(sliding *c, cairn_gc_block *b)
{
	for (size_t i = 0; i < SLIDE_KIBS; i++) {
		size_t end = (i + 1) * SLIDE_KIB_GRAINS;
		uintptr_t to = b->places[i], from = slide_cell(b, i * SLIDE_KIB_GRAINS);
		while (to > SLIDE_PINNED && (from = slide_next(c, b, from, end))) {
			uintptr_t next = from + cairn_gc_header_cell(*(uint64_t *)from);
			to += slide_move(c, to, from);
			from = next;
		}
	}
}

/* ---- The whole ---- */

static void slide_all(sliding *c)
{
	cairn_gc_look_phase(c->h, "update", 0, 0);
	cairn_gc_update_all(c->h, slide_where, c);
	cairn_gc_look_phase(c->h, "slide", 0, 0);
	for (cairn_gc_block *b = NULL; (b = slide_next_block(c, b));)
		if (b->is_from)
			slide_block(c, b);
	c->h->looks.stats.moved_bytes += c->moved_bytes;
	c->h->looks.stats.moved_objects += c->moved_objects;
}

static void slide_end(sliding *c)
{
	for (cairn_gc_block *b = slide_next_block(c, NULL), *next; b; b = next) {
		next = slide_next_block(c, b);
		b->places = NULL;
		b->is_from = b->has_pins = false;
		if (!cairn_gc_next_of_colour(b, c->colour, cairn_gc_block_first(b)))
			cairn_gc_blocks_give(c->h, b);
	}
}

bool cairn_gc_slide(cairn_gc_heap *h, uint8_t colour)
{
	sliding c = { .h = h, .colour = colour, .blocks = h->blocks.cells_count };
	size_t bytes = c.blocks * SLIDE_KIBS * sizeof *c.places;
	if (!bytes)
		return true;
	if (!(c.places = cairn_gc_meta_alloc(h, bytes)))
		return false;
	c.first = slide_sort_slabs(h);
	if (slide_plan(&c))
		slide_all(&c);
	slide_end(&c);
	cairn_gc_meta_free(h, c.places, bytes);
	return true;
}
