/* gc/tracing.c - a collection's tracing, from its begin to its end: see trace.h. Here: what is reached by another way
 * than a field of what was reached; and that nothing is left out.
 *
 *   begin ──▶ CONSERVATIVE objects pin ──▶ roots, old objects that were stored into, recent ones ──▶ all ──▶ end
 *
 * What a full stack left out has its colour, and is found by that: all that has it is scanned once more, until nothing
 * was left out. Not here: visiting and scanning (gc/trace.c); several workers (gc/workers.c). */
#include "base/assert.h"
#include "gc/managed.h"

/* Tables alone set WAITED. */
static bool tracing_has_tables(cairn_gc_heap *h)
{
	cairn_node *tables = &h->deaths.tables;
	return cairn_gc_deaths_first(&h->deaths, tables) != tables; /* who is no mutator may make one just now */
}

void cairn_gc_trace_begin(cairn_gc_heap *h, bool is_copying, uint8_t colour)
{
	size_t elsewhere = cairn_gc_held(h) - h->blocks.held_bytes; /* that max is for, too */
	h->tracing.most = h->sizing.max > elsewhere ? h->sizing.max - elsewhere : 0;
	h->tracing.counts_again = false;
	for (unsigned i = 0; i < h->tracing.workers; i++) {
		cairn_gc_worker *w = &h->tracing.worker[i];
		w->is_copying = is_copying;
		w->is_compressed = h->is_compressed;
		w->is_shared = w->is_contended = false;
		w->cpu_ns = 0;
		w->colour = colour;
		w->watched = h->plan->has_young ? CAIRN_GC_WATCHED : 0;
		w->room = h->zeal.is_small ? 2 : CAIRN_GC_CHUNK_ITEMS;
		w->queue_mask = h->zeal.is_small ? 0 : CAIRN_GC_AHEAD - 1;
		w->queue_at = w->queued = 0;
		w->has_left_out = w->has_weak_left_out = w->has_no_room = w->has_stays = false;
		w->has_waited = tracing_has_tables(h);
		w->live_bytes = w->live_objects = w->moved_bytes = w->moved_objects = w->aged_bytes = 0;
		w->new_bytes = 0;
		w->pinned_bytes = w->pinned_objects = 0;
	}
	cairn_gc_trace_validate(h);
}

void cairn_gc_trace_old(cairn_gc_heap *h, void *object)
{
	cairn_gc_worker *w = &h->tracing.worker[0];
	if (!cairn_gc_record_of(cairn_gc_header_of(object))->is_leaf)
		cairn_gc_worker_push(w, object);
}

static void tracing_put_if_in(cairn_gc_worker *w, char *object, size_t at, size_t from, size_t to)
{
	if (at >= from && at < to)
		cairn_gc_visit_((cairn_gc_visitor *)w, object + at);
}

void cairn_gc_trace_part(cairn_gc_heap *h, void *object, size_t from, size_t to)
{
	cairn_gc_worker *w = &h->tracing.worker[0];
	uint64_t header = cairn_gc_header_of(object);
	const cairn_gc_record *r = cairn_gc_record_of(header);
	size_t slot = cairn_gc_slot_bytes(h->is_compressed);
	w->scanned = (uintptr_t)object;
	for (uint64_t bits = r->refs; bits; bits &= bits - 1)
		tracing_put_if_in(w, object, (size_t)__builtin_ctzll(bits) * slot, from, to);
	if (!r->tail_refs || to <= r->tail_offset)
		return;
	size_t length = cairn_gc_header_length(header, r);
	size_t first = from > r->tail_offset ? (from - r->tail_offset) / r->tail_stride : 0;
	size_t last = (to - r->tail_offset + r->tail_stride - 1) / r->tail_stride;
	for (size_t i = first; i < last && i < length; i++)
		for (uint64_t bits = r->tail_refs; bits; bits &= bits - 1)
			tracing_put_if_in(w, object,
				r->tail_offset + i * r->tail_stride + (size_t)__builtin_ctzll(bits) * slot, from, to);
}

static void tracing_pin_word(cairn_gc_heap *h, uintptr_t word, bool is_slot)
{
	void *to = word ? cairn_gc_object_at(h, word) : NULL;
	if (!to || (is_slot && (uintptr_t)to != word))
		return;
	if (h->young.is_minor && !cairn_gc_block_leaves(cairn_gc_block_of(to)))
		return;
	*cairn_gc_byte_of(to) |= CAIRN_GC_PIN;
	cairn_gc_block_of(to)->has_pins = true;
}

static void tracing_pin_words(cairn_gc_heap *h, void *object)
{
	size_t words = cairn_gc_header_size(cairn_gc_header_of(object)) / 8;
	for (size_t i = 0; i < words; i++) {
		uintptr_t to[CAIRN_GC_MEANINGS];
		unsigned n = cairn_gc_slot_meanings(((uintptr_t *)object)[i], h->is_compressed, to);
		for (unsigned k = 0; k < n; k++)
			tracing_pin_word(h, to[k], k != 0);
	}
}

void cairn_gc_each_conservative(cairn_gc_heap *h, void (*visit)(cairn_gc_heap *h, void *object))
{
	if (!h->has_conservative)
		return;
	CAIRN_GC_EACH_BLOCK (b, &h->blocks) {
		if (b->kind != CAIRN_GC_BLOCK_CELLS && b->kind != CAIRN_GC_BLOCK_LARGE)
			continue;
		uintptr_t cell = cairn_gc_block_next(b, h->blocks.colour, cairn_gc_block_first(b));
		while (cell) {
			void *object = cairn_gc_cell_object(cell);
			uint64_t header = cairn_gc_header_of(object);
			if (cairn_gc_record_of(header)->flags & CAIRN_GC_CONSERVATIVE)
				visit(h, object);
			cell = cairn_gc_block_next(b, h->blocks.colour, cell + cairn_gc_header_cell(header));
		}
	}
}

void cairn_gc_trace_pin_conservative(cairn_gc_heap *h) { cairn_gc_each_conservative(h, tracing_pin_words); }

/* Scans a reached object once more, in case it was left out. */
static void tracing_scan_again(void *arg, void *object)
{
	cairn_gc_heap *h = arg;
	cairn_gc_worker *w = &h->tracing.worker[0];
	if (cairn_gc_record_of(cairn_gc_header_of(object))->is_leaf)
		return;
	cairn_gc_worker_push(w, object);
	cairn_gc_worker_drain(w, SIZE_MAX);
}

static bool tracing_has_left_out(cairn_gc_heap *h)
{
	bool has = false;
	for (unsigned i = 0; i < h->tracing.workers; i++) {
		has |= h->tracing.worker[i].has_left_out;
		h->tracing.worker[i].has_left_out = false;
	}
	return has;
}

static void tracing_scan_recent(void *arg, void *object)
{
	cairn_gc_heap *h = arg;
	cairn_gc_worker *w = &h->tracing.worker[0];
	uint64_t header = cairn_gc_header_of(object);
	h->young.recent_objects++;
	if (!cairn_gc_record_of(header)->is_leaf)
		cairn_gc_worker_scan(w, object);
}

void cairn_gc_trace_recent(cairn_gc_heap *h)
{
	h->young.recent_objects = 0;
	cairn_gc_each_recent(h, tracing_scan_recent, h);
}

void cairn_gc_trace_all(cairn_gc_heap *h)
{
	cairn_gc_workers_drain(h);
	while (tracing_has_left_out(h)) { /* each time some object more has its colour, so this ends */
		cairn_gc_each_reached(h, tracing_scan_again, h);
		cairn_gc_each_recent(h, tracing_scan_again, h);
	}
	cairn_gc_trace_validate(h);
}

static void tracing_stays_no_more(void *arg, void *object)
{
	(void)arg;
	*cairn_gc_header_at(object) &= ~(uint64_t)CAIRN_GC_STAYS;
}

void cairn_gc_trace_end(cairn_gc_heap *h)
{
	cairn_gc_stats *s = &h->looks.stats;
	bool has_stays = false;
	s->live_bytes = s->live_objects = s->pinned_bytes = s->pinned_objects = 0;
	h->tracing.copied_bytes = 0;
	for (unsigned i = 0; i < h->tracing.workers; i++) {
		cairn_gc_worker *w = &h->tracing.worker[i];
		cairn_gc_worker_end_copies(w);
		s->live_bytes += w->live_bytes + w->moved_bytes;
		s->live_objects += w->live_objects + w->moved_objects;
		s->pinned_bytes += w->pinned_bytes;
		s->pinned_objects += w->pinned_objects;
		s->moved_bytes += w->moved_bytes;
		h->tracing.copied_bytes += w->moved_bytes;
		s->young.aged_bytes += w->aged_bytes;
		s->moved_objects += w->moved_objects;
		has_stays |= w->has_stays;
		cairn_gc_worker_rest(w);
	}
	if (has_stays)
		cairn_gc_each_in_place(h, tracing_stays_no_more, NULL);
	if (h->tracing.counts_again)
		cairn_gc_count_reached(h, &s->live_bytes, &s->live_objects);
}

void cairn_gc_trace_validate(cairn_gc_heap *h)
{
	for (unsigned i = 0; i < h->tracing.workers; i++) { /* GT2 */
		cairn_gc_worker *w = &h->tracing.worker[i];
		cairn_assert(w->heap == h && w->index == i && w->top && !w->top->count && !w->top->next && !w->queued);
		for (unsigned at = 0; at < CAIRN_GC_AHEAD; at++)
			cairn_assert(!w->queue[at]);
	}
	cairn_assert(!h->tracing.shared);
}
