/* gc/cells.c - reading a block by the bytes about its grains: sweeping, holes, cells, and what an address points into.
 *
 * The bytes are looked at eight at a time where nothing is expected, for most are zero, and sweeping goes through 64 at
 * once (gc/grains.h). Design and invariants: gc/blocks.h. */
#include "base/assert.h"
#include "gc/grains.h"
#include "gc/managed.h"
#include "page/window.h"

#include <string.h>

enum {
	GRAINS = CAIRN_GC_BLOCK_GRAINS - 1, /* that a cell can begin in: see cairn_gc_block_end */
	IS_START = CAIRN_GC_COLOUR | CAIRN_GC_START,
};

static uintptr_t cell_at(const cairn_gc_block *b, size_t grain)
{
	return cairn_gc_block_first(b) + grain * CAIRN_GC_GRAIN;
}
static size_t grain_at(const cairn_gc_block *b, uintptr_t cell)
{
	return (cell - cairn_gc_block_first(b)) / CAIRN_GC_GRAIN;
}

/* Reads bytes while cairn_gc_blocks_move_end may be at work on them: says what is made of that. */
#define MEANWHILE __attribute__((no_sanitize("thread")))

/* The first grain at or after `from` whose byte is not 0; GRAINS: none. */
MEANWHILE static size_t next_byte(const uint8_t *bytes, size_t from)
{
	for (uint64_t word; from + 8 <= CAIRN_GC_BLOCK_GRAINS; from += 8) {
		memcpy(&word, bytes + from, 8); /* most cells end within the first */
		if (word)
			return from + (unsigned)__builtin_ctzll(word) / 8;
	}
	while (from < GRAINS && !bytes[from])
		from++;
	return from < GRAINS ? from : GRAINS;
}

/* The grain behind the cell that starts at this one, which is coloured. */
static size_t behind(const uint8_t *bytes, size_t grain)
{
	size_t end = bytes[grain] & CAIRN_GC_END ? grain : next_byte(bytes, grain + 1);
	cairn_assert(end < GRAINS && bytes[end] & CAIRN_GC_END); /* GB2 */
	return end + 1;
}

/* Of 64 bytes those of cells that live keep their colour and END; the others become 0. */
static void sweep_bytes(uint8_t *bytes, uint64_t cells)
{
	const uint64_t ones = 0x0101010101010101, each = 0x8040201008040201;
	for (unsigned i = 0; i < CAIRN_GC_GRAINS_STEP; i += 8, cells >>= 8) {
		uint64_t word, bits = (cells & 0xff) * ones & each; /* bit i of them in byte i */
		uint64_t keeps = ((bits + 0x7f * ones) >> 7 & ones) * (CAIRN_GC_COLOUR | CAIRN_GC_END);
		memcpy(&word, bytes + i, sizeof word);
		word &= keeps;
		memcpy(bytes + i, &word, sizeof word);
	}
}

void cairn_gc_block_sweep(cairn_gc_block *b, uint8_t colour)
{
	uint8_t *bytes = cairn_gc_block_bytes(b);
	const uint8_t others = (uint8_t)~(CAIRN_GC_COLOUR | CAIRN_GC_END);
	size_t live = 0;
	bool is_in = false;
	for (size_t at = 0; at < CAIRN_GC_BLOCK_GRAINS; at += CAIRN_GC_GRAINS_STEP) {
		uint64_t cells = cairn_gc_grains_of(bytes + at, colour, &is_in);
		uint64_t said = ~cairn_gc_grains_where(bytes + at, 0xff, 0);
		uint64_t of_collection = ~cairn_gc_grains_where(bytes + at, others, 0);
		if ((said & ~cells) | of_collection)
			sweep_bytes(bytes + at, cells);
		live += cairn_bits_count(cells);
	}
	cairn_assert(!is_in); /* GB2 */
	b->live_bytes = (uint32_t)(live * CAIRN_GC_GRAIN);
	b->is_swept = true;
	b->has_pins = b->has_starts = false;
}

/* The first hole at or after `from`, or 0. False: an END was being moved from right to left where this looks from left
 * to right. It may find the new one, both, or, where it passed the one before it was there and came to the other after
 * it had gone, none: then the next byte that it finds is a start. */
MEANWHILE static bool hole_at(const cairn_gc_block *b, uint8_t colour, uintptr_t from, uintptr_t *start, uintptr_t *end)
{
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t at = grain_at(b, from);
	while (at < GRAINS && (bytes[at] & CAIRN_GC_COLOUR) == colour) {
		size_t last = bytes[at] & CAIRN_GC_END ? at : next_byte(bytes, at + 1);
		if (last != at && (last == GRAINS || (bytes[last] & (CAIRN_GC_COLOUR | CAIRN_GC_END)) != CAIRN_GC_END))
			return false;
		at = last + 1;
	}
	*start = at < GRAINS ? cell_at(b, at) : 0;
	if (!*start)
		return true;
	*end = cell_at(b, next_byte(bytes, at));
	return *end > *start; /* an END that still is where a hole begins */
}

uintptr_t cairn_gc_block_hole(const cairn_gc_block *b, uint8_t colour, uintptr_t from, uintptr_t *end)
{
	uintptr_t start, its_end = 0;
	if (cairn_unlikely(!hole_at(b, colour, from, &start, &its_end))) {
		cairn_lock *lock = &cairn_gc_slab_of(b)->heap->blocks.lock; /* which who moves an END has */
		cairn_lock_take(lock, CAIRN_RANK_GC_BLOCKS);
		bool is_read = hole_at(b, colour, from, &start, &its_end);
		cairn_lock_drop(lock, CAIRN_RANK_GC_BLOCKS);
		cairn_assert(is_read); /* GB2 */
		(void)is_read;
	}
	/* acquire: pairs with cairn_gc_blocks_move_end: who shortened the object before it has cleared what it left */
	if (start > cairn_gc_block_first(b))
		(void)__atomic_load_n(cairn_gc_byte_of_cell(start - CAIRN_GC_GRAIN), __ATOMIC_ACQUIRE);
	if (start)
		*end = its_end;
	return start;
}

/* The first grain at or after `from` that is coloured so. */
static size_t next_of_colour(const uint8_t *bytes, uint8_t colour, size_t from)
{
	size_t at = next_byte(bytes, from);
	while (at < GRAINS && (bytes[at] & CAIRN_GC_COLOUR) != colour)
		at = next_byte(bytes, at + 1);
	return at;
}

uintptr_t cairn_gc_block_next(const cairn_gc_block *b, uint8_t colour, uintptr_t from)
{
	if (b->kind != CAIRN_GC_BLOCK_CELLS) {
		uintptr_t cell = (uintptr_t)cairn_gc_block_large(b) - CAIRN_GC_HEADER_BYTES;
		bool is_there = b->kind == CAIRN_GC_BLOCK_LARGE && from <= cell && *(uint64_t *)cell;
		return is_there ? cell : 0;
	}
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t at = grain_at(b, from), filled = b->filled / CAIRN_GC_GRAIN;
	if (at < GRAINS && (bytes[at] & CAIRN_GC_COLOUR) != colour && !(at < filled && *(uint64_t *)cell_at(b, at)))
		at = next_of_colour(bytes, colour, at);
	return at < GRAINS ? cell_at(b, at) : 0;
}

uintptr_t cairn_gc_block_cell_from(const cairn_gc_block *b, uint8_t colour, uintptr_t at)
{
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t grain = grain_at(b, at), before = grain;
	while (before && !(bytes[before - 1] & CAIRN_GC_END) && (bytes[before] & CAIRN_GC_COLOUR) != colour)
		before--; /* to the start of the cell that leads in, or of the hole */
	if ((bytes[before] & CAIRN_GC_COLOUR) != colour)
		before = next_of_colour(bytes, colour, grain);
	return before < GRAINS ? cell_at(b, before) : 0;
}

void cairn_gc_block_find_starts(cairn_gc_block *b, uint8_t colour)
{
	if (b->has_starts)
		return;
	uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t filled = b->filled / CAIRN_GC_GRAIN;
	for (size_t at = 0; at < filled;) {
		uint64_t header = (bytes[at] & CAIRN_GC_COLOUR) == colour ? 0 : *(uint64_t *)cell_at(b, at);
		if (header) {
			cairn_assert(cairn_gc_header_is_object(header));
			bytes[at] |= CAIRN_GC_START;
			at += cairn_gc_header_cell(header) / CAIRN_GC_GRAIN;
		} else if (bytes[at]) {
			at = behind(bytes, at);
		} else {
			at = next_byte(bytes, at);
		}
	}
	b->has_starts = true;
}

void cairn_gc_block_forget_starts(cairn_gc_block *b)
{
	uint8_t *bytes = cairn_gc_block_bytes(b);
	for (size_t at = next_byte(bytes, 0); at < GRAINS; at = next_byte(bytes, at + 1))
		bytes[at] &= (uint8_t)~CAIRN_GC_START;
	b->has_starts = false;
}

void cairn_gc_blocks_forget_starts(struct cairn_gc_heap *h)
{
	CAIRN_GC_EACH_BLOCK(b, &h->blocks)
		if (b->has_starts)
			cairn_gc_block_forget_starts(b);
}

cairn_gc_slab *cairn_gc_slab_at(uintptr_t p)
{
	const cairn_span *s = cairn_window_span(p);
	/* relaxed: another floor's span may be coming or going; one of this heap is there since before the stop */
	if (!s || __atomic_load_n(&s->kind, __ATOMIC_RELAXED) != CAIRN_SPAN_MANAGED)
		return NULL;
	uintptr_t base = (uintptr_t)__atomic_load_n(&s->base, __ATOMIC_RELAXED); /* likewise */
	bool is_there = base && base <= p && base % CAIRN_GC_SLAB_BYTES == 0 &&
			(!cairn_window_is_lazy((void *)base) || cairn_window_pages_are_open((void *)base, 1));
	return is_there ? (cairn_gc_slab *)base : NULL;
}

void cairn_gc_must_be_object(cairn_gc_heap *h, const void *p, const char *called)
{
	const cairn_gc_slab *slab = (uintptr_t)p % CAIRN_GC_GRAIN ? NULL : cairn_gc_slab_at((uintptr_t)p);
	const cairn_gc_block *b = slab ? cairn_gc_block_of(p) : NULL;
	bool is_here = slab && __atomic_load_n(&slab->heap, __ATOMIC_ACQUIRE) == h; /* pairs with slab_take */
	/* an object's block is of one kind while it lives */
	is_here = is_here && b >= &slab->block[CAIRN_GC_FIRST_BLOCK] && b->kind != CAIRN_GC_BLOCK_EMPTY;
	uint64_t header = is_here ? cairn_gc_header_of(p) : 0;
	if (!cairn_gc_header_is_object(header) || cairn_gc_header_type(header) == CAIRN_GC_TYPE_FREED)
		cairn_gc_misuse(h, called, p);
}

static void *large_at(const cairn_gc_block *b, uintptr_t p)
{
	while (b->kind == CAIRN_GC_BLOCK_LARGE_MORE)
		b--;
	void *object = cairn_gc_block_large(b);
	uint64_t header = cairn_gc_header_of(object);
	return header && p - (uintptr_t)object <= cairn_gc_header_size(header) ? object : NULL;
}

void *cairn_gc_object_at(cairn_gc_heap *h, uintptr_t p)
{
	uintptr_t q = p - 8; /* in the cell of the object that p points at, into, or to the end of */
	cairn_gc_slab *slab = cairn_gc_slab_at(q);
	if (!slab || __atomic_load_n(&slab->heap, __ATOMIC_ACQUIRE) != h) /* pairs with slab_take */
		return NULL;
	cairn_gc_block *b = slab->is_huge ? &slab->block[CAIRN_GC_FIRST_BLOCK] : cairn_gc_block_of((void *)q);
	if (b < &slab->block[CAIRN_GC_FIRST_BLOCK] || b->kind == CAIRN_GC_BLOCK_EMPTY)
		return NULL;
	if (b->kind != CAIRN_GC_BLOCK_CELLS)
		return large_at(b, p);
	if (q < cairn_gc_block_first(b) || q >= cairn_gc_block_end(b))
		return NULL;
	cairn_gc_block_find_starts(b, h->blocks.colour);
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t grain = grain_at(b, q), at = grain;
	/* relaxed: other workers may be giving colours, which change one start's byte into another's */
	while (!(__atomic_load_n(&bytes[at], __ATOMIC_RELAXED) & IS_START)) {
		if (!at || grain - at > CAIRN_GC_CELL_MAX / CAIRN_GC_GRAIN)
			return NULL;
		at--;
	}
	if (!b->is_swept && (bytes[at] & CAIRN_GC_COLOUR) != h->blocks.colour)
		return NULL; /* it died: its byte, START too, is of the cycle before. In a collection all is swept */
	void *object = cairn_gc_cell_object(cell_at(b, at));
	uint64_t header = cairn_gc_header_of(object);
	while (cairn_gc_header_is_moved(header)) /* its copy is at least as large */
		header = cairn_gc_header_of((void *)header);
	return (grain - at) * CAIRN_GC_GRAIN < cairn_gc_header_cell(header) ? object : NULL;
}

/* What was made since the last mark phase, in a block that nobody allocates into. */
static void validate_holes(const cairn_gc_block *b, uint8_t colour)
{
	uintptr_t end = cairn_gc_block_first(b), filled = end + b->filled;
	for (uintptr_t at; (at = cairn_gc_block_hole(b, colour, end, &end)) && at < filled;) {
		uintptr_t last = end < filled ? end : filled;
		for (uint64_t header; at < last && (header = *(uint64_t *)at); at += cairn_gc_header_cell(header)) {
			cairn_assert(cairn_gc_header_is_object(header)); /* GA1 */
			cairn_assert(cairn_gc_header_type(header) < cairn_gc_type_count());
			cairn_assert(cairn_gc_header_cell(header) <= last - at); /* GA1 */
		}
	}
}

void cairn_gc_block_validate(const cairn_gc_block *b, uint8_t colour)
{
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t live = 0;
	for (size_t at = next_byte(bytes, 0); b->is_swept && at < GRAINS;) {
		cairn_assert((bytes[at] & ~CAIRN_GC_END) == colour); /* GB2 */
		uint64_t header = *(uint64_t *)cell_at(b, at);
		cairn_assert(cairn_gc_header_is_object(header)); /* GB2 */
		size_t next = behind(bytes, at);
		cairn_assert((next - at) * CAIRN_GC_GRAIN == cairn_gc_header_cell(header)); /* GB2 */
		live += next - at;
		at = next_byte(bytes, next);
	}
	cairn_assert(!b->is_swept || b->is_shortened || live * CAIRN_GC_GRAIN == b->live_bytes); /* GB5 */
	(void)live;
	if (b->is_swept && !b->is_owned)
		validate_holes(b, colour);
	for (const uint64_t *w = (uint64_t *)(cairn_gc_block_first(b) + b->filled); /* GB3 */
		b->is_zero && !b->is_owned && (uintptr_t)w < cairn_gc_block_end(b); w++)
		cairn_assert(!*w);
}
