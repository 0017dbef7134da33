/* gc/trace.c - tracing: see trace.h. Here: visiting and scanning, for each of eight modes.
 *
 * The eight modes (mark or copy; alone or with other workers; fields that are addresses or compressed) are one text,
 * compiled eight times: `mode` is a constant in every function that is LEAN.
 *
 * The ring: a field that is put in takes the place of the oldest, which is visited: once the ring is full it stays so,
 * and what is taken out was asked for AHEAD fields ago. When the stack is empty the ring is emptied one by one.
 *
 * Copying with other workers: who changes the header from an object's to CLAIMED has the object, and gives it a new
 * address or, where there is no room, its colour in place, and its old header and STAYS. Others wait for that: it takes
 * as long as the copy.
 *
 * Not here: a collection's tracing from its begin to its end (gc/tracing.c); the stack's chunks, and workers' threads
 * (gc/workers.c); walks over what was reached (gc/reached.c). */
#include "gc/managed.h"

#include "base/assert.h"
#include "gc/move.h"
#include "os/sys.h"

#include <string.h>
#include <sys/syscall.h>

#define LEAN static inline __attribute__((always_inline))

/* Of an item on the stack, when marking: this object is to be visited, not scanned. Bit 0: see trace_push_rest. */
enum { TRACE_VISIT = 2 };

/* Bits. */
typedef enum trace_mode {
	TRACE_MARK = 0,
	TRACE_SHARED = 1,
	TRACE_COPY = 2,
	TRACE_COMPRESSED = 4,
} trace_mode;

LEAN bool trace_is_copying(trace_mode mode) { return mode & TRACE_COPY; }
LEAN bool trace_is_shared(trace_mode mode) { return mode & TRACE_SHARED; }
LEAN bool trace_is_compressed(trace_mode mode) { return mode & TRACE_COMPRESSED; }
static trace_mode trace_mode_of(const cairn_gc_worker *w)
{
	return (trace_mode)(w->is_compressed * TRACE_COMPRESSED + w->is_copying * TRACE_COPY + w->is_shared);
}

LEAN void trace_push(cairn_gc_worker *w, uintptr_t item)
{
	cairn_gc_chunk *c = w->top;
	if (cairn_likely(c->count < w->room))
		c->item[c->count++] = item;
	else
		cairn_gc_worker_push_slow(w, item);
}

/* What a reached object refers to is to be visited: when marking its few referents one by one, while it is at hand;
 * else the object is to be scanned. (When copying a field would wait on the stack, and its line not be at hand any more
 * when it comes to be asked for: binary trees take a tenth longer so.) The last comes to lie on top: where objects were
 * made before those that refer to them, memory is walked through downwards. */
LEAN void trace_follow(cairn_gc_worker *w, uintptr_t object, const cairn_gc_record *r, trace_mode mode)
{
	if (trace_is_copying(mode) || cairn_unlikely(!r->is_narrow)) {
		if (!r->is_leaf)
			trace_push(w, object);
		return;
	}
	for (uint64_t bits = r->refs; bits; bits &= bits - 1) {
		bool is_compressed = trace_is_compressed(mode);
		const void *field = cairn_gc_slot_at((void *)object, (size_t)__builtin_ctzll(bits), is_compressed);
		uintptr_t referent = cairn_gc_slot_get(field, is_compressed);
		if (referent)
			trace_push(w, referent | TRACE_VISIT);
	}
}

/* ---- Marking ---- */

/* Gives the byte the colour. False: it has it already. is_contended: others may set its other bits meanwhile. Else it
 * is stored, and of two workers that come to an object at once both go on with it: what they do to it is the same, and
 * cairn_gc_trace_end mends the sums. (A compare-and-swap a byte was half of a worker's time over a tree.) relaxed: a
 * byte is one object's alone, and who has to see what another worker did with that object is given it through the lock
 * of the shared parts. */
LEAN bool trace_colour(cairn_gc_worker *w, uint8_t *byte, uint8_t *before, bool is_contended)
{
	uint8_t b = __atomic_load_n(byte, __ATOMIC_RELAXED);
	do {
		*before = b;
		if ((b & CAIRN_GC_COLOUR) == w->colour)
			return false;
		uint8_t to = (uint8_t)((b & ~CAIRN_GC_COLOUR) | w->colour);
		if (!is_contended) {
			__atomic_store_n(byte, to, __ATOMIC_RELAXED);
			return true;
		}
		if (__atomic_compare_exchange_n(byte, &b, to, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	} while (true);
}

/* An object of a PINNED type: nobody moves it after the tracing either. relaxed: both are read in later phases. */
static void trace_fix(uintptr_t object, uint8_t *byte)
{
	__atomic_fetch_or(byte, CAIRN_GC_PIN, __ATOMIC_RELAXED);
	__atomic_store_n(&cairn_gc_block_of((void *)object)->has_pins, true, __ATOMIC_RELAXED);
}

/* The object's byte has the colour, or will have: END, the sums, and what is to be done about it. */
LEAN void trace_reached(
	cairn_gc_worker *w, uintptr_t object, uint64_t header, uint8_t *byte, uint8_t before, trace_mode mode)
{
	bool is_shared = trace_is_shared(mode);
	size_t cell = cairn_gc_header_cell(header);
	cairn_assert(cairn_gc_header_is_object(header));
	uint8_t *end = byte + cell / CAIRN_GC_GRAIN - 1;
	if (is_shared && end == byte) /* relaxed, as all here; another worker may make it PINNED */
		__atomic_fetch_or(end, CAIRN_GC_END, __ATOMIC_RELAXED);
	else if (cairn_likely(cell <= CAIRN_GC_CELL_MAX + CAIRN_GC_GRAIN)) /* it may have grown by its hash */
		__atomic_store_n(end, __atomic_load_n(end, __ATOMIC_RELAXED) | CAIRN_GC_END, __ATOMIC_RELAXED);
	w->live_bytes += cell;
	w->live_objects++;
	w->new_bytes += before & CAIRN_GC_COLOUR ? 0 : cell;
	if (cairn_unlikely(before & CAIRN_GC_WAITED))
		cairn_gc_deaths_key_reached(w, (void *)object);
	const cairn_gc_record *r = cairn_gc_record_of(header);
	if (cairn_unlikely(w->watched & ~header))
		cairn_gc_header_set((void *)object, CAIRN_GC_WATCHED);
	if (cairn_unlikely(r->is_fixed))
		trace_fix(object, byte);
	trace_follow(w, object, r, mode);
}

LEAN void trace_mark(cairn_gc_worker *w, uintptr_t object, trace_mode mode)
{
	uint8_t *byte = cairn_gc_byte_of((void *)object), before;
	bool is_contended = trace_is_shared(mode) && (trace_is_copying(mode) || w->is_contended);
	if (trace_colour(w, byte, &before, is_contended))
		trace_reached(w, object, cairn_gc_header_of((void *)object), byte, before, mode);
}

/* ---- Copying ---- */

enum { TRACE_CLAIMED = 16 }; /* a header: some worker has this object in hand; no object lies there */

/* What was copied to where it copies to counts. */
static void trace_count_copies(cairn_gc_worker *w)
{
	size_t bytes = w->copy.at - w->copy_start;
	w->copy_block->live_bytes += (uint32_t)bytes;
	w->moved_bytes += bytes;
	w->copy_start = w->copy.at;
}

void cairn_gc_worker_end_copies(cairn_gc_worker *w)
{
	cairn_gc_block *b = w->copy_block;
	if (!b)
		return;
	trace_count_copies(w);
	if (w->fills_holes) {
		cairn_gc_blocks_put_partial(w->heap, b);
	} else {
		b->filled = b->live_bytes;
		b->is_packed = true;
		b->is_owned = false;
	}
	w->fills_holes = false;
	w->copy_block = NULL;
	w->copy = (cairn_gc_bump){ 0 };
}

/* The next hole of its block that is so long, or 0. */
static uintptr_t trace_next_hole(cairn_gc_worker *w, size_t cell)
{
	uintptr_t end = w->copy.end, at;
	trace_count_copies(w);
	while ((at = cairn_gc_block_hole(w->copy_block, w->colour, end, &end)) && end - at < cell)
		;
	if (at) {
		w->copy = (cairn_gc_bump){ at, end };
		w->copy_start = at;
		return at;
	}
	w->copy_block->is_owned = w->fills_holes = false; /* what it has left is too short, and not to be asked again */
	w->copy_block = NULL;
	w->copy = (cairn_gc_bump){ 0 };
	return 0;
}

/* A hole among the old, which has the colour that copies get: those of a collection of the young. */
static uintptr_t trace_hole(cairn_gc_worker *w, size_t cell)
{
	uintptr_t at = w->fills_holes ? trace_next_hole(w, cell) : 0;
	cairn_gc_block *b = at || !w->watched ? NULL : cairn_gc_blocks_take_partial(w->heap);
	if (!b)
		return at;
	cairn_gc_worker_end_copies(w);
	w->fills_holes = true;
	w->copy_block = b;
	w->copy_start = w->copy.at = w->copy.end = cairn_gc_block_first(b);
	return trace_next_hole(w, cell);
}

/* Where the next copy goes, in another block; 0: there is none. */
static uintptr_t trace_copy_room(cairn_gc_worker *w, size_t cell)
{
	uintptr_t at = trace_hole(w, cell);
	if (at)
		return at;
	cairn_gc_block *b = w->has_no_room ? NULL : cairn_gc_blocks_take(w->heap, w->heap->tracing.most);
	if (!b) {
		w->has_no_room = true;
		return 0;
	}
	cairn_gc_worker_end_copies(w);
	b->has_starts = true; /* a word that happens to point to a copy must not have them looked for: is_packed */
	w->copy_block = b;
	w->copy = (cairn_gc_bump){ cairn_gc_block_first(b), cairn_gc_block_end(b) };
	w->copy_start = w->copy.at;
	return w->copy.at;
}

/* The header of an object that this worker now has; or what it became when another one had it: of one that has moved,
 * or that STAYS. */
static uint64_t trace_claim(uintptr_t object)
{
	uint64_t *at = cairn_gc_header_at((void *)object);
	for (unsigned tries = 0;; tries++) {
		/* acquire: pairs with the release of who copied it, or left it in place */
		uint64_t header = __atomic_load_n(at, __ATOMIC_ACQUIRE);
		bool is_taken = header == TRACE_CLAIMED;
		if (!is_taken && (cairn_gc_header_is_moved(header) || header & CAIRN_GC_STAYS))
			return header;
		if (!is_taken && __atomic_compare_exchange_n(at, &header, TRACE_CLAIMED, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED)) /* acquire: as above; relaxed: it is read again */
			return header;
		if (tries > 100) /* its worker may have lost its processor */
			cairn_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
		cairn_sys_pause();
	}
}

/* There is no room for a copy: it has its colour here. From now on it is scanned, so nobody may claim it again. */
static void trace_stay(cairn_gc_worker *w, cairn_gc_block *b, uintptr_t object, uint64_t header)
{
	uint8_t *byte = cairn_gc_byte_of((void *)object), before = 0;
	w->has_stays = true;
	__atomic_store_n(&b->has_pins, true, __ATOMIC_RELAXED); /* read when all is copied */
	trace_colour(w, byte, &before, true); /* another worker may just look whether it is PINNED */
	/* pairs with trace_claim */
	header |= w->watched;
	__atomic_store_n(cairn_gc_header_at((void *)object), header | CAIRN_GC_STAYS, __ATOMIC_RELEASE);
	trace_reached(w, object, header, byte, before, trace_mode_of(w));
}

/* Says where the object is now; and the copy is to be scanned. */
LEAN void trace_moved(cairn_gc_worker *w, uintptr_t object, const cairn_gc_record *r, uintptr_t to)
{
	w->moved_objects++;
	__atomic_store_n(cairn_gc_header_at((void *)object), to, __ATOMIC_RELEASE); /* publishes it: trace_claim */
	if (cairn_unlikely(w->has_waited) && *cairn_gc_byte_of((void *)object) & CAIRN_GC_WAITED)
		cairn_gc_deaths_key_reached(w, (void *)object); /* by where it was */
	if (!r->is_leaf)
		trace_push(w, to);
}

/* trace_copy of what is seldom: it is hashed, or must not move, or another block is needed. */
static __attribute__((noinline)) uintptr_t trace_copy_seldom(
	cairn_gc_worker *w, cairn_gc_block *b, uintptr_t object, uint64_t header)
{
	if (header & CAIRN_GC_STAYS)
		return object;
	const cairn_gc_record *r = cairn_gc_record_of(header);
	size_t cell = cairn_gc_cell_when_moved(header);
	uintptr_t at = r->is_fixed ? 0 : cell <= w->copy.end - w->copy.at ? w->copy.at : trace_copy_room(w, cell);
	if (!at) {
		trace_stay(w, b, object, header);
		return object;
	}
	w->copy.at = at + cell;
	w->aged_bytes += b->was_recent ? cell : 0;
	uintptr_t to = (uintptr_t)cairn_gc_move(at, (void *)object, header | w->watched, w->colour);
	trace_moved(w, object, r, to);
	return to;
}

/* Where an object of a block that is_from, and not PINNED, lies from now on. */
LEAN uintptr_t trace_copy(cairn_gc_worker *w, cairn_gc_block *b, uintptr_t object, bool is_shared)
{
	uint64_t *at = cairn_gc_header_at((void *)object), header = is_shared ? trace_claim(object) : *at;
	if (!cairn_gc_header_is_object(header))
		return header;
	const cairn_gc_record *r = cairn_gc_record_of(header);
	size_t cell = cairn_gc_cell_of_size(cairn_gc_header_size(header));
	uintptr_t free = w->copy.at, to = (uintptr_t)cairn_gc_cell_object(free);
	if (cairn_unlikely(header & (CAIRN_GC_STAYS | CAIRN_GC_HASHED) || r->is_fixed || cell > w->copy.end - free))
		return trace_copy_seldom(w, b, object, header);
	w->copy.at = free + cell;
	w->aged_bytes += b->was_recent ? cell : 0;
	cairn_gc_move_bytes((void *)to, (void *)object, cell);
	*cairn_gc_header_at((void *)to) = header | w->watched;
	cairn_gc_say_cell(free, cell, w->colour);
	trace_moved(w, object, r, to);
	return to;
}

/* A field that is given its referent's address. Compressed: how the field is, whatever the heap. */
LEAN void trace_update(cairn_gc_worker *w, void *field, bool is_shared, bool is_compressed)
{
	uintptr_t object = cairn_gc_slot_get(field, is_compressed);
	cairn_gc_block *b = cairn_gc_block_of((void *)object);
	/* relaxed: PINNED and has_pins for its sake are of before the copying */
	if (cairn_unlikely(b->is_recent))
		return;
	if (!b->is_from || (cairn_unlikely(__atomic_load_n(&b->has_pins, __ATOMIC_RELAXED)) &&
				   __atomic_load_n(cairn_gc_byte_of((void *)object), __ATOMIC_RELAXED) & CAIRN_GC_PIN))
		trace_mark(w, object, is_shared ? TRACE_COPY | TRACE_SHARED : TRACE_COPY);
	else if (is_shared) /* an object may be scanned by two workers: gc/mixed.c */
		cairn_gc_slot_publish(field, trace_copy(w, b, object, true), is_compressed);
	else
		cairn_gc_slot_set(field, trace_copy(w, b, object, false), is_compressed);
}

/* Not inline: beside what workers wait for each other a call is little, and this text is long. */
static __attribute__((noinline)) void trace_update_shared(cairn_gc_worker *w, void *field)
{
	trace_update(w, field, true, false);
}
static __attribute__((noinline)) void trace_update_shared_slot(cairn_gc_worker *w, void *field)
{
	trace_update(w, field, true, true);
}

LEAN void trace_visit(cairn_gc_worker *w, uintptr_t item, trace_mode mode)
{
	if (!trace_is_copying(mode))
		trace_mark(w, item, mode);
	else if (!trace_is_shared(mode))
		trace_update(w, (void *)item, false, trace_is_compressed(mode));
	else if (trace_is_compressed(mode))
		trace_update_shared_slot(w, (void *)item);
	else
		trace_update_shared(w, (void *)item);
}

/* ---- Scanning ---- */

/* Asks for what visiting will read, and visits what was asked for AHEAD fields ago. item: as in the ring. */
LEAN void trace_put_item(cairn_gc_worker *w, uintptr_t item, uintptr_t object, trace_mode mode)
{
	__builtin_prefetch(cairn_gc_header_at((void *)object), 1);
	__builtin_prefetch((char *)object + 8, 1); /* it may lie behind its header's line */
	__builtin_prefetch(cairn_gc_byte_of((void *)object), 1);
	uintptr_t *slot = &w->queue[w->queue_at], oldest = *slot;
	*slot = item;
	w->queue_at = (w->queue_at + 1) & w->queue_mask;
	if (oldest)
		trace_visit(w, oldest, mode);
	else
		w->queued++;
}

/* Who is old, or becomes it, refers to what is not old yet, or is to be taken with the young. */
static __attribute__((noinline)) void trace_tell(cairn_gc_worker *w, const cairn_gc_block *b, void *field)
{
	if (b->is_recent)
		cairn_gc_young_store(w->heap, (void *)w->scanned, field);
	else
		cairn_gc_mixed_note(w->heap, (void *)w->scanned, field, b->group);
}

LEAN void trace_put(cairn_gc_worker *w, void *field, trace_mode mode)
{
	uintptr_t object = cairn_gc_slot_get(field, trace_is_compressed(mode));
	if (!object)
		return;
	if (trace_is_copying(mode) && w->watched) {
		/* of the young: what is old is not even looked at, which would be a line of memory each */
		const cairn_gc_block *b = cairn_gc_block_of((void *)object);
		if (cairn_unlikely(b->is_recent || b->group))
			trace_tell(w, b, field);
		if (!cairn_gc_block_leaves(b))
			return;
	}
	trace_put_item(w, trace_is_copying(mode) ? (uintptr_t)field : object, object, mode);
}

/* A stack's two items, as one: a part of object is left, from `word` (of a tail, from that element) on. */
static void trace_push_rest(cairn_gc_worker *w, uintptr_t object, uintptr_t word)
{
	if (w->top->count + 2 > w->room)
		cairn_gc_worker_open_chunk(w);
	if (w->top->count + 2 > CAIRN_GC_CHUNK_ITEMS) {
		w->has_left_out = true;
		return;
	}
	w->top->item[w->top->count++] = word << 1; /* so that bit 0 says which of the two it is */
	w->top->item[w->top->count++] = object | 1;
}

LEAN void trace_scan_tail(cairn_gc_worker *w, uintptr_t object, const cairn_gc_record *r, size_t from, trace_mode mode)
{
	bool is_compressed = trace_is_compressed(mode);
	size_t words = r->tail_stride / cairn_gc_slot_bytes(is_compressed);
	size_t end = cairn_gc_header_length(cairn_gc_header_of((void *)object), r);
	size_t most = words < CAIRN_GC_SLICE_WORDS ? CAIRN_GC_SLICE_WORDS / words : 1;
	if (end - from > most) {
		end = from + most;
		trace_push_rest(w, object, end);
	}
	size_t stride = words * cairn_gc_slot_bytes(is_compressed);
	char *element = (char *)object + r->tail_offset + from * stride;
	if (r->tail_refs == 1) {
		for (; from < end; from++, element += stride)
			trace_put(w, element, mode);
		return;
	}
	for (; from < end; from++, element += stride)
		for (uint64_t bits = r->tail_refs; bits; bits &= bits - 1)
			trace_put(w, cairn_gc_slot_at(element, (size_t)__builtin_ctzll(bits), is_compressed), mode);
}

/* What an ambiguous word points at. While objects are copied it is what the word pinned before that, or a LARGE one:
 * what else is found is a copy, or what had moved, whose copy is larger by its hash. And while several copy, a block
 * may become one of copies, and these cells, as it is looked at. */
static void *trace_find(cairn_gc_worker *w, uintptr_t word)
{
	cairn_gc_heap *h = w->heap;
	if (!w->is_copying)
		return cairn_gc_object_at(h, word);
	uintptr_t at = word - CAIRN_GC_HEADER_BYTES;
	cairn_lock_take(&h->blocks.lock, CAIRN_RANK_GC_BLOCKS);
	const cairn_gc_slab *slab = cairn_gc_slab_at(at);
	const cairn_gc_block *b = slab && !slab->is_huge ? cairn_gc_block_of((void *)at) : NULL;
	bool is_cells = b && b->kind == CAIRN_GC_BLOCK_CELLS;
	void *object = is_cells && !b->is_from && !b->is_dense ? NULL : cairn_gc_object_at(h, word);
	cairn_lock_drop(&h->blocks.lock, CAIRN_RANK_GC_BLOCKS);
	/* relaxed: PINNED is of before the copying */
	bool is_pinned = object && __atomic_load_n(cairn_gc_byte_of(object), __ATOMIC_RELAXED) & CAIRN_GC_PIN;
	return is_cells && !is_pinned ? NULL : object;
}

static void trace_ambiguous(cairn_gc_worker *w, uintptr_t word, bool is_slot)
{
	void *to = word ? trace_find(w, word) : NULL;
	if (!to || (is_slot && (uintptr_t)to != word))
		return;
	if (!w->is_copying) { /* relaxed, both: read when the tracing is over */
		__atomic_fetch_or(cairn_gc_byte_of(to), CAIRN_GC_PIN, __ATOMIC_RELAXED);
		__atomic_store_n(&cairn_gc_block_of(to)->has_pins, true, __ATOMIC_RELAXED);
	}
	trace_mark(w, (uintptr_t)to, trace_mode_of(w));
}

/* Ambiguous words pin. Where objects are copied trace_pin_conservative has set PINNED before; what else is found is a
 * copy. */
static void trace_scan_conservative(cairn_gc_worker *w, uintptr_t object, size_t from)
{
	size_t end = cairn_gc_header_size(cairn_gc_header_of((void *)object)) / 8;
	if (end - from > CAIRN_GC_SLICE_WORDS) {
		end = from + CAIRN_GC_SLICE_WORDS;
		trace_push_rest(w, object, end);
	}
	for (; from < end; from++) {
		uintptr_t to[CAIRN_GC_MEANINGS];
		unsigned n = cairn_gc_slot_meanings(((uintptr_t *)object)[from], w->is_compressed, to);
		for (unsigned i = 0; i < n; i++)
			trace_ambiguous(w, to[i], i != 0);
	}
}

LEAN void trace_scan_refs(cairn_gc_worker *w, uintptr_t object, const cairn_gc_record *r, trace_mode mode)
{
	for (uint64_t bits = r->refs; bits; bits &= bits - 1)
		trace_put(w, cairn_gc_slot_at((void *)object, (size_t)__builtin_ctzll(bits), trace_is_compressed(mode)),
			mode);
}

/* What has more than references at fixed places. */
LEAN void trace_scan_more(cairn_gc_worker *w, uintptr_t object, const cairn_gc_record *r, trace_mode mode)
{
	if (r->weak && !cairn_gc_chunk_push(w->heap, &w->weak, object))
		w->has_weak_left_out = true;
	if (r->flags & CAIRN_GC_CONSERVATIVE) {
		trace_scan_conservative(w, object, 0);
		return;
	}
	trace_scan_refs(w, object, r, mode);
	if (r->trace)
		r->trace((cairn_gc_visitor *)w, (void *)object);
	if (r->tail_refs)
		trace_scan_tail(w, object, r, 0, mode);
}

LEAN void trace_scan(cairn_gc_worker *w, uintptr_t item, trace_mode mode)
{
	uintptr_t object = item & ~(uintptr_t)1;
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of((void *)object));
	w->scanned = object;
	if (cairn_unlikely(item & 1)) {
		size_t from = w->top->item[--w->top->count] >> 1;
		if (r->flags & CAIRN_GC_CONSERVATIVE)
			trace_scan_conservative(w, object, from);
		else
			trace_scan_tail(w, object, r, from, mode);
		return;
	}
	if (cairn_unlikely(r->has_more))
		trace_scan_more(w, object, r, mode);
	else
		trace_scan_refs(w, object, r, mode);
}

/* Visits the oldest of the ring. False: it is empty. */
LEAN bool trace_take_oldest(cairn_gc_worker *w, trace_mode mode)
{
	if (!w->queued)
		return false;
	uintptr_t *slot = &w->queue[(w->queue_at - w->queued) & w->queue_mask], oldest = *slot;
	*slot = 0;
	w->queued--;
	trace_visit(w, oldest, mode);
	return true;
}

/* Scans at most `budget` objects; true: nothing is left. */
LEAN bool trace_drain(cairn_gc_worker *w, size_t budget, trace_mode mode)
{
	do {
		while (w->top->count || w->top->next) {
			if (cairn_unlikely(!w->top->count)) {
				cairn_gc_worker_close_chunk(w);
				continue;
			}
			if (!budget--)
				return false;
			/* relaxed: a hint; who takes it looks under the lock */
			if (trace_is_shared(mode) && __atomic_load_n(&w->heap->tracing.idle, __ATOMIC_RELAXED))
				cairn_gc_worker_share(w);
			uintptr_t item = w->top->item[--w->top->count];
			if (!trace_is_copying(mode) && cairn_likely(item & TRACE_VISIT))
				trace_put_item(w, item - TRACE_VISIT, item - TRACE_VISIT, mode);
			else
				trace_scan(w, item, mode);
		}
	} while (trace_take_oldest(w, mode));
	return true;
}

/* One of each mode. */
typedef struct trace_text {
	bool (*drain)(cairn_gc_worker *w, size_t budget);
	void (*put)(cairn_gc_worker *w, void *field);
	void (*scan)(cairn_gc_worker *w, uintptr_t object);
} trace_text;

#define TRACE_MODE(name, mode)                                                                                         \
	static __attribute__((noinline)) bool trace_drain_##name(cairn_gc_worker *w, size_t budget)                    \
	{                                                                                                              \
		return trace_drain(w, budget, (mode));                                                                 \
	}                                                                                                              \
	static void trace_put_##name(cairn_gc_worker *w, void *field) { trace_put(w, field, (mode)); }                 \
	static __attribute__((noinline)) void trace_scan_##name(cairn_gc_worker *w, uintptr_t object)                  \
	{                                                                                                              \
		trace_scan(w, object, (mode));                                                                         \
	}
TRACE_MODE(mark, TRACE_MARK)
TRACE_MODE(mark_shared, TRACE_SHARED)
TRACE_MODE(copy, TRACE_COPY)
TRACE_MODE(copy_shared, TRACE_COPY | TRACE_SHARED)
TRACE_MODE(mark_slots, TRACE_COMPRESSED)
TRACE_MODE(mark_slots_shared, TRACE_COMPRESSED | TRACE_SHARED)
TRACE_MODE(copy_slots, TRACE_COMPRESSED | TRACE_COPY)
TRACE_MODE(copy_slots_shared, TRACE_COMPRESSED | TRACE_COPY | TRACE_SHARED)
#define TRACE_TEXT(name) { trace_drain_##name, trace_put_##name, trace_scan_##name }
static const trace_text trace_texts[] = { TRACE_TEXT(mark), TRACE_TEXT(mark_shared), TRACE_TEXT(copy),
	TRACE_TEXT(copy_shared), TRACE_TEXT(mark_slots), TRACE_TEXT(mark_slots_shared), TRACE_TEXT(copy_slots),
	TRACE_TEXT(copy_slots_shared) };

bool cairn_gc_worker_drain(cairn_gc_worker *w, size_t budget) { return trace_texts[trace_mode_of(w)].drain(w, budget); }

void cairn_gc_visit_(cairn_gc_visitor *v, void *field)
{
	cairn_gc_worker *w = (cairn_gc_worker *)v;
	if (cairn_unlikely(w->relay != NULL))
		w->relay(w->relay_arg, field);
	else
		trace_texts[trace_mode_of(w)].put(w, field);
}

void cairn_gc_worker_push(cairn_gc_worker *w, void *object) { trace_push(w, (uintptr_t)object); }

void cairn_gc_worker_scan(cairn_gc_worker *w, void *object)
{
	trace_texts[trace_mode_of(w)].scan(w, (uintptr_t)object);
}

void cairn_gc_trace_field(cairn_gc_heap *h, uintptr_t *field)
{
	cairn_gc_worker *w = &h->tracing.worker[0];
	if (!*field)
		return;
	if (w->is_copying)
		trace_update(w, field, false, false);
	else
		trace_mark(w, *field, trace_mode_of(w));
}

void cairn_gc_trace_pinned(cairn_gc_heap *h, void *object)
{
	cairn_gc_worker *w = &h->tracing.worker[0];
	*cairn_gc_byte_of(object) |= CAIRN_GC_PIN;
	cairn_gc_block_of(object)->has_pins = true;
	size_t before = w->live_bytes;
	trace_mark(w, (uintptr_t)object, trace_mode_of(w));
	w->pinned_bytes += w->live_bytes - before;
	w->pinned_objects += w->live_bytes != before;
}
