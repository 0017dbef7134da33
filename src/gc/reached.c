/* gc/reached.c - asking what tracing has reached, by the bytes about grains, and walking over it.
 *
 * Declared in gc/trace.h. Threads: in a stop, by the collecting thread; one slab, by who has it. Failure: none.
 * Not here: tracing (gc/trace.c). */
#include "gc/grains.h"
#include "gc/managed.h"

#include <string.h>

void *cairn_gc_reached(cairn_gc_heap *h, void *object)
{
	uint64_t header = cairn_gc_header_of(object);
	if (cairn_gc_header_is_moved(header))
		return (void *)header;
	bool is_reached = (*cairn_gc_byte_of(object) & CAIRN_GC_COLOUR) == h->tracing.worker[0].colour;
	return is_reached || cairn_gc_block_of(object)->is_recent ? object : NULL;
}

uintptr_t cairn_gc_next_of_colour(const cairn_gc_block *b, uint8_t colour, uintptr_t from)
{
	if (b->kind == CAIRN_GC_BLOCK_LARGE) {
		uintptr_t cell = (uintptr_t)cairn_gc_block_large(b) - CAIRN_GC_HEADER_BYTES;
		return from <= cell && (*cairn_gc_byte_of_cell(cell) & CAIRN_GC_COLOUR) == colour ? cell : 0;
	}
	const uint8_t *bytes = cairn_gc_block_bytes(b);
	size_t at = (from - (uintptr_t)cairn_gc_block_start(b)) / CAIRN_GC_GRAIN;
	const uint64_t ones = UINT64_C(0x0101010101010101);
	while (at < CAIRN_GC_BLOCK_GRAINS) {
		uint64_t eight;
		memcpy(&eight, bytes + at / 8 * 8, 8);
		uint64_t other = (eight & ones * CAIRN_GC_COLOUR) ^ ones * colour; /* 0 where the colour is it */
		uint64_t is_it = (other - ones) & ~other & ones * 0x80; /* and perhaps more above the lowest */
		is_it &= ~UINT64_C(0) << at % 8 * 8;
		for (; is_it; is_it &= is_it - 1) {
			size_t found = at / 8 * 8 + (size_t)__builtin_ctzll(is_it) / 8;
			if ((bytes[found] & CAIRN_GC_COLOUR) == colour)
				return (uintptr_t)cairn_gc_block_start(b) + found * CAIRN_GC_GRAIN;
		}
		at = (at / 8 + 1) * 8;
	}
	return 0;
}

static void count_slab(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	size_t bytes = 0, objects = 0;
	(void)arg;
	CAIRN_GC_EACH_BLOCK_OF (b, s) {
		const uint8_t *at = cairn_gc_block_bytes(b), *end = at + CAIRN_GC_BLOCK_GRAINS;
		bool is_in = false;
		for (; b->kind == CAIRN_GC_BLOCK_CELLS && at < end; at += CAIRN_GC_GRAINS_STEP) {
			bytes += CAIRN_GC_GRAIN * cairn_bits_count(cairn_gc_grains_of(at, w->colour, &is_in));
			objects += cairn_bits_count(cairn_gc_grains_where(at, CAIRN_GC_COLOUR, w->colour));
		}
		void *large = b->kind == CAIRN_GC_BLOCK_LARGE ? cairn_gc_block_large(b) : NULL;
		if (large && (*cairn_gc_byte_of(large) & CAIRN_GC_COLOUR) == w->colour) {
			bytes += cairn_gc_header_cell(cairn_gc_header_of(large));
			objects++;
		}
	}
	w->counted_bytes += bytes;
	w->counted_objects += objects;
}

void cairn_gc_count_reached(cairn_gc_heap *h, size_t *bytes, size_t *objects)
{
	const cairn_gc_tracing *t = &h->tracing;
	for (unsigned i = 0; i < t->workers; i++)
		t->worker[i].counted_bytes = t->worker[i].counted_objects = 0;
	cairn_gc_workers_each_slab(h, count_slab, NULL);
	*bytes = *objects = 0;
	for (unsigned i = 0; i < t->workers; i++) {
		*bytes += t->worker[i].counted_bytes;
		*objects += t->worker[i].counted_objects;
	}
}

static void each_reached_of(const cairn_gc_block *b, uint8_t colour, void (*visit)(void *arg, void *object), void *arg)
{
	uintptr_t cell = cairn_gc_next_of_colour(b, colour, cairn_gc_block_first(b));
	while (cell) {
		size_t bytes = cairn_gc_header_cell(cairn_gc_header_of(cairn_gc_cell_object(cell)));
		visit(arg, cairn_gc_cell_object(cell));
		/* by its kind: a cell may have grown past CAIRN_GC_CELL_MAX by its hash */
		bool is_last = b->kind == CAIRN_GC_BLOCK_LARGE;
		cell = is_last ? 0 : cairn_gc_next_of_colour(b, colour, cell + bytes);
	}
}

static void each_reached(
	const cairn_gc_slab *s, uint8_t colour, bool of_all, void (*visit)(void *arg, void *object), void *arg)
{
	CAIRN_GC_EACH_BLOCK_OF (b, s) {
		bool has_objects = b->kind == CAIRN_GC_BLOCK_CELLS || b->kind == CAIRN_GC_BLOCK_LARGE;
		if (has_objects && (of_all || b->has_pins))
			each_reached_of(b, colour, visit, arg);
	}
}

void cairn_gc_each_reached_in(
	const cairn_gc_slab *s, uint8_t colour, void (*visit)(void *arg, void *object), void *arg)
{
	each_reached(s, colour, true, visit, arg);
}

void cairn_gc_each_reached(cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg)
{
	CAIRN_GC_EACH_SLAB(s, &h->blocks)
		each_reached(s, h->tracing.worker[0].colour, true, visit, arg);
}

void cairn_gc_each_in_place(cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg)
{
	CAIRN_GC_EACH_SLAB(s, &h->blocks)
		each_reached(s, h->tracing.worker[0].colour, false, visit, arg);
}

void cairn_gc_each_recent(cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg)
{
	for (cairn_node *n = h->blocks.fresh.next; n != &h->blocks.fresh; n = n->next) {
		const cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		uintptr_t cell = b->is_recent ? cairn_gc_block_next(b, h->blocks.colour, cairn_gc_block_first(b)) : 0;
		while (cell) {
			void *object = cairn_gc_cell_object(cell);
			visit(arg, object);
			size_t bytes = cairn_gc_header_cell(cairn_gc_header_of(object));
			cell = cairn_gc_block_next(b, h->blocks.colour, cell + bytes);
		}
	}
}

void cairn_gc_each_weak(cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg)
{
	bool is_whole = true;
	for (unsigned i = 0; i < h->tracing.workers; i++)
		is_whole &= !h->tracing.worker[i].has_weak_left_out;
	if (!is_whole) {
		cairn_gc_each_reached(h, visit, arg);
		cairn_gc_each_recent(h, visit, arg);
	}
	for (unsigned i = 0; i < h->tracing.workers; i++) {
		cairn_gc_worker *w = &h->tracing.worker[i];
		for (uintptr_t object; cairn_gc_chunk_pop(h, &w->weak, &object);)
			if (is_whole)
				visit(arg, (void *)object);
		w->has_weak_left_out = false;
	}
}

void cairn_gc_each_field(void *object, unsigned which, void (*visit)(void *arg, void *field), void *arg)
{
	uint64_t header = cairn_gc_header_of(object);
	const cairn_gc_record *r = cairn_gc_record_of(header);
	uint64_t strong = which & CAIRN_GC_FIELD_STRONG ? r->refs : 0, weak = which & CAIRN_GC_FIELD_WEAK ? r->weak : 0;
	for (uint64_t bits = strong | weak; bits; bits &= bits - 1)
		visit(arg, cairn_gc_slot_at(object, (size_t)__builtin_ctzll(bits), r->is_compressed));
	if (which & CAIRN_GC_FIELD_TRACED && r->trace) {
		cairn_gc_worker visitor = { .relay = visit, .relay_arg = arg };
		r->trace((cairn_gc_visitor *)&visitor, object);
	}
	if (!(which & CAIRN_GC_FIELD_STRONG) || !r->tail_refs)
		return;
	char *element = (char *)object + r->tail_offset;
	for (size_t n = cairn_gc_header_length(header, r); n; n--, element += r->tail_stride)
		for (uint64_t bits = r->tail_refs; bits; bits &= bits - 1)
			visit(arg, cairn_gc_slot_at(element, (size_t)__builtin_ctzll(bits), r->is_compressed));
}
