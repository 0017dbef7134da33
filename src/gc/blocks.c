/* gc/blocks.c - blocks: taking, giving, sweeping. Slabs are in gc/slabs.c; how blocks are read is in gc/cells.c; what
 * goes back to the system in gc/blockpurge.c; the design in blocks.h. */
#include "gc/blocks.h"

#include "base/assert.h"
#include "gc/managed.h"
#include "os/vm.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <string.h>

enum {
	BLOCK_HELD_BYTES = CAIRN_GC_BLOCK_BYTES + CAIRN_GC_META_BYTES,
	HUGE_HEAD_BYTES = CAIRN_GC_FIRST_BLOCK * CAIRN_GC_BLOCK_BYTES, /* before its object */
	HOLES_WORTH_BYTES = CAIRN_GC_BLOCK_BYTES / 16, /* free in a block, for it to be allocated into */
};

static void lock_blocks(cairn_gc_blocks *s) { cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS); }
static void unlock_blocks(cairn_gc_blocks *s) { cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS); }

void cairn_gc_blocks_init(cairn_gc_blocks *s)
{
	cairn_node_init(&s->slabs);
	cairn_node_init(&s->empty);
	cairn_node_init(&s->partial);
	cairn_node_init(&s->unswept);
	cairn_node_init(&s->full);
	cairn_node_init(&s->fresh);
	cairn_node_init(&s->large);
	s->colour = 1;
}

/* ---- Slabs ---- */

static bool slab_add_empty(cairn_gc_heap *h, cairn_gc_block_kind kind)
{
	cairn_gc_slab *slab = cairn_gc_slab_take(h, CAIRN_CHUNK_GRANULES, kind);
	if (!slab)
		return false;
	CAIRN_GC_EACH_BLOCK_OF(b, slab)
		cairn_list_append(&h->blocks.empty, &b->node);
	slab->empty_blocks = CAIRN_GC_SLAB_USABLE;
	h->blocks.empty_count += CAIRN_GC_SLAB_USABLE;
	if (!slab->block[CAIRN_GC_FIRST_BLOCK].is_zero)
		cairn_gc_blocks_add_dirty(&h->blocks, CAIRN_GC_SLAB_USABLE);
	return true;
}

void cairn_gc_blocks_close(cairn_gc_blocks *s)
{
	cairn_gc_slab_ahead_drop(cairn_container(s, cairn_gc_heap, blocks));
	while (!cairn_list_is_empty(&s->slabs)) {
		cairn_gc_slab *slab = cairn_container(s->slabs.next, cairn_gc_slab, node);
		cairn_gc_heap *h = slab->heap;
		CAIRN_GC_EACH_BLOCK_OF(b, slab)
			if (h->zeal.poisons && b->kind == CAIRN_GC_BLOCK_EMPTY)
				cairn_gc_zeal_unpoison(h, b);
		cairn_gc_slab_give(h, slab);
	}
}

/* ---- Blocks ---- */

static void clear_bytes(cairn_gc_block *b)
{
	if (!b->bytes_are_clear) {
		memset(cairn_gc_block_bytes(b), 0, CAIRN_GC_META_BYTES);
		b->may_have_frames = true;
	}
	b->bytes_are_clear = true;
}

/* About a LARGE one little is said: its colour, and the END of the smallest. */
static void clear_bytes_of_large(cairn_gc_block *b)
{
	memset(cairn_gc_block_bytes(b), 0, CAIRN_GC_LARGE_META_BYTES);
	b->bytes_are_clear = true;
}

/* What a block in use counts; nothing is said about the grains of LARGE_MORE. */
static size_t block_held(const cairn_gc_block *b)
{
	return CAIRN_GC_BLOCK_BYTES + (b->kind == CAIRN_GC_BLOCK_LARGE_MORE ? 0 : CAIRN_GC_META_BYTES);
}

/* Out of the empty list, of another kind from now on. */
static void block_leave_empty(cairn_gc_heap *h, cairn_gc_block *b, cairn_gc_block_kind kind)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_list_remove(&b->node);
	cairn_gc_slab_of(b)->empty_blocks--;
	s->empty_count--;
	if (!b->is_zero)
		cairn_gc_blocks_add_dirty(s, -1);
	if (h->zeal.poisons)
		cairn_gc_zeal_unpoison(h, b);
	b->kind = (uint8_t)kind;
	b->is_from = b->is_dense = b->has_pins = b->has_starts = b->is_shortened = false;
	b->is_young = b->is_recent = b->was_recent = b->is_cut = false;
	b->filled = b->live_bytes = b->cards = 0;
	b->group = 0;
	b->card = NULL;
	cairn_gc_blocks_add_held(s, (ptrdiff_t)block_held(b));
	if (kind != CAIRN_GC_BLOCK_LARGE_MORE) {
		clear_bytes(b);
		b->bytes_are_clear = false;
	}
	b->may_have_frames |= kind == CAIRN_GC_BLOCK_CELLS;
}

static bool has_room(const cairn_gc_blocks *s, size_t more, size_t most)
{
	return s->held_bytes + more <= most && more <= most;
}

bool cairn_gc_blocks_want_ahead(cairn_gc_heap *h, size_t most)
{
	cairn_gc_blocks *s = &h->blocks;
	lock_blocks(s);
	bool is_wanted = cairn_list_is_empty(&s->empty) && !s->ahead && cairn_gc_slab_will_fill(h) &&
			 has_room(s, BLOCK_HELD_BYTES + cairn_gc_slab_record_bytes(h), most);
	unlock_blocks(s);
	return is_wanted;
}

cairn_gc_block *cairn_gc_blocks_take(cairn_gc_heap *h, size_t most)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_gc_block *b = NULL;
	lock_blocks(s);
	size_t record = cairn_list_is_empty(&s->empty) ? cairn_gc_slab_record_bytes(h) : 0;
	if (has_room(s, BLOCK_HELD_BYTES + record, most) && (!record || slab_add_empty(h, CAIRN_GC_BLOCK_CELLS))) {
		b = cairn_container(s->empty.next, cairn_gc_block, node);
		block_leave_empty(h, b, CAIRN_GC_BLOCK_CELLS);
		b->is_swept = b->is_owned = true;
		s->cells_count++;
		cairn_list_append(h->plan->has_young ? &s->fresh : &s->full, &b->node);
	}
	unlock_blocks(s);
	return b;
}

static cairn_gc_block *find_row_in(cairn_gc_slab *slab, unsigned n)
{
	unsigned row = 0;
	if (slab->empty_blocks < n || slab->is_huge)
		return NULL;
	CAIRN_GC_EACH_BLOCK_OF(b, slab) {
		row = b->kind == CAIRN_GC_BLOCK_EMPTY ? row + 1 : 0;
		if (row == n)
			return b - n + 1;
	}
	return NULL;
}

/* The first of n empty blocks in a row, or NULL. It begins where the last such search ended, unless a block was freed
 * since: else the n-th large object would look at all slabs before its own. */
static cairn_gc_block *find_row(cairn_gc_blocks *s, unsigned n)
{
	if (s->rows_frees != s->frees)
		memset(s->row_from, 0, sizeof s->row_from);
	s->rows_frees = s->frees;
	cairn_node *at = s->row_from[n] ? &s->row_from[n]->node : s->slabs.next;
	for (; at != &s->slabs; at = at->next) {
		s->row_from[n] = cairn_container(at, cairn_gc_slab, node);
		cairn_gc_block *b = find_row_in(s->row_from[n], n);
		if (b)
			return b;
	}
	return NULL;
}

static cairn_gc_block *take_row(cairn_gc_heap *h, unsigned n, size_t cell_bytes, size_t *to_clear)
{
	cairn_gc_block *b = find_row(&h->blocks, n);
	if (!b && (!slab_add_empty(h, CAIRN_GC_BLOCK_LARGE) || !(b = find_row(&h->blocks, n))))
		return NULL;
	bool is_zero = true;
	for (unsigned i = 0; i < n; i++) {
		is_zero &= b[i].is_zero;
		block_leave_empty(h, &b[i], i ? CAIRN_GC_BLOCK_LARGE_MORE : CAIRN_GC_BLOCK_LARGE);
		b[i].is_zero = false;
	}
	b->blocks = n;
	b->filled = (uint32_t)(cell_bytes + 16);
	h->blocks.large_blocks += n;
	h->blocks.large_unfilled += cairn_gc_block_unfilled(b);
	h->blocks.large_cuttable += cairn_gc_block_cut_bytes(b);
	h->blocks.large_meta += CAIRN_GC_META_BYTES;
	*to_clear = is_zero ? 0 : cell_bytes + 16;
	return b;
}

static cairn_gc_block *take_huge(cairn_gc_heap *h, size_t granules, size_t *to_clear)
{
	cairn_gc_slab *slab = cairn_gc_slab_take(h, granules, CAIRN_GC_BLOCK_LARGE);
	if (!slab)
		return NULL;
	cairn_gc_block *b = &slab->block[CAIRN_GC_FIRST_BLOCK];
	size_t bytes = (granules << CAIRN_GRANULE_SHIFT) - HUGE_HEAD_BYTES;
	slab->is_huge = true;
	clear_bytes(b);
	for (unsigned i = 0; i < CAIRN_GC_SLAB_USABLE; i++)
		b[i].kind = i ? CAIRN_GC_BLOCK_LARGE_MORE : CAIRN_GC_BLOCK_LARGE;
	b->blocks = CAIRN_GC_SLAB_USABLE;
	*to_clear = b->is_zero ? 0 : bytes;
	h->blocks.huge_bytes += bytes;
	h->blocks.large_meta += CAIRN_GC_META_BYTES;
	cairn_gc_blocks_add_held(&h->blocks, (ptrdiff_t)(bytes + CAIRN_GC_META_BYTES));
	return b;
}

cairn_gc_block *cairn_gc_blocks_take_large(cairn_gc_heap *h, size_t cell_bytes, size_t most)
{
	cairn_gc_blocks *s = &h->blocks;
	size_t n = (cell_bytes + 16 + CAIRN_GC_BLOCK_BYTES - 1) / CAIRN_GC_BLOCK_BYTES;
	size_t granules = cairn_granules_for(cell_bytes + 16 + HUGE_HEAD_BYTES);
	size_t bytes = n <= CAIRN_GC_SLAB_USABLE ? n * CAIRN_GC_BLOCK_BYTES
					: (granules << CAIRN_GRANULE_SHIFT) - HUGE_HEAD_BYTES;
	cairn_gc_block *b = NULL;
	size_t to_clear = 0;
	lock_blocks(s);
	/* a slab may have to be taken for it */
	if (has_room(s, bytes + CAIRN_GC_META_BYTES + cairn_gc_slab_record_bytes(h), most))
		b = n <= CAIRN_GC_SLAB_USABLE ? take_row(h, (unsigned)n, cell_bytes, &to_clear)
					       : take_huge(h, granules, &to_clear);
	if (b)
		cairn_list_append(&s->large, &b->node);
	if (to_clear) /* until its header is there it is no object, whatever lay here */
		*(uint64_t *)((char *)cairn_gc_block_large(b) - CAIRN_GC_HEADER_BYTES) = 0;
	unlock_blocks(s);
	/* No collection ends before this mutator has polled. */
	if (to_clear)
		memset(cairn_gc_block_start(b), 0, to_clear);
	if (b) /* its colour is to find a frame there, in the stop */
		*(volatile uint8_t *)cairn_gc_block_bytes(b) = 0;
	return b;
}

static void give_huge(cairn_gc_heap *h, cairn_gc_slab *slab)
{
	size_t bytes = (slab->granules << CAIRN_GRANULE_SHIFT) - HUGE_HEAD_BYTES;
	h->blocks.huge_bytes -= bytes;
	h->blocks.large_meta -= CAIRN_GC_META_BYTES;
	cairn_gc_blocks_add_held(&h->blocks, -(ptrdiff_t)(bytes + CAIRN_GC_META_BYTES));
	cairn_gc_slab_give(h, slab);
}

static void block_become_empty(cairn_gc_heap *h, cairn_gc_block *b)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_gc_blocks_add_held(s, -(ptrdiff_t)block_held(b));
	if (b->kind == CAIRN_GC_BLOCK_LARGE)
		clear_bytes_of_large(b);
	s->frees++;
	b->kind = CAIRN_GC_BLOCK_EMPTY;
	b->is_zero = b->is_owned = b->is_from = b->has_pins = b->has_starts = false;
	b->filled = 0;
	clear_bytes(b);
	cairn_list_push(&s->empty, &b->node); /* to the front: it is warm */
	cairn_gc_slab_of(b)->empty_blocks++;
	s->empty_count++;
	cairn_gc_blocks_add_dirty(s, 1);
	if (h->zeal.poisons)
		cairn_gc_zeal_poison(h, b);
}

/* Under the lock. */
static void give(cairn_gc_heap *h, cairn_gc_block *b)
{
	cairn_list_remove(&b->node);
	unsigned n = 1;
	if (b->kind == CAIRN_GC_BLOCK_LARGE)
		cairn_gc_young_drop_cards(h, b);
	if (cairn_gc_slab_of(b)->is_huge) {
		give_huge(h, cairn_gc_slab_of(b));
		return;
	}
	if (b->kind == CAIRN_GC_BLOCK_LARGE) {
		n = b->blocks;
		cairn_gc_block_uncut(h, b);
		h->blocks.large_blocks -= n;
		h->blocks.large_unfilled -= cairn_gc_block_unfilled(b);
		h->blocks.large_cuttable -= cairn_gc_block_cut_bytes(b);
		h->blocks.large_meta -= CAIRN_GC_META_BYTES;
	} else {
		h->blocks.cells_count--;
	}
	while (n--)
		block_become_empty(h, &b[n]);
}

void cairn_gc_blocks_give(cairn_gc_heap *h, cairn_gc_block *b)
{
	lock_blocks(&h->blocks);
	give(h, b);
	unlock_blocks(&h->blocks);
}

/* ---- Sweeping ---- */

static void list_swept(cairn_gc_heap *h, cairn_gc_block *b)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_list_remove(&b->node);
	bool is_worth = !b->group && b->live_bytes + HOLES_WORTH_BYTES <= CAIRN_GC_BLOCK_BYTES;
	cairn_list_append(is_worth ? &s->partial : &s->full, &b->node);
}

/* Under the lock: an unswept block finds its list, or becomes empty. */
static void sweep(cairn_gc_heap *h, cairn_gc_block *b)
{
	cairn_gc_block_sweep(b, h->blocks.colour);
	if (b->live_bytes)
		list_swept(h, b);
	else
		give(h, b);
}

void cairn_gc_blocks_move_end(cairn_gc_heap *h, void *object, size_t cell, size_t new_cell)
{
	cairn_gc_block *b = cairn_gc_block_of(object);
	uint8_t *byte = cairn_gc_byte_of(object);
	if (b->kind != CAIRN_GC_BLOCK_CELLS || cell == new_cell)
		return;
	lock_blocks(&h->blocks);
	if (!b->is_swept)
		sweep(h, b);
	b->is_shortened = true;
	/* Its owner may be reading the block's holes: it finds one END or both, and between them zeros in the bytes, or
	 * none, and then reads again under the lock. release: what lies behind the new one comes first; pairs with
	 * cairn_gc_block_hole */
	if (*byte & CAIRN_GC_COLOUR) {
		__atomic_fetch_or(byte + new_cell / CAIRN_GC_GRAIN - 1, CAIRN_GC_END, __ATOMIC_RELEASE);
		__atomic_fetch_and(byte + cell / CAIRN_GC_GRAIN - 1, (uint8_t)~CAIRN_GC_END, __ATOMIC_RELEASE);
	}
	unlock_blocks(&h->blocks);
}

cairn_gc_block *cairn_gc_blocks_take_partial(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_gc_block *b = NULL;
	lock_blocks(s);
	while (cairn_list_is_empty(&s->partial) && !cairn_list_is_empty(&s->unswept))
		sweep(h, cairn_container(s->unswept.next, cairn_gc_block, node));
	if (!cairn_list_is_empty(&s->partial)) {
		b = cairn_container(s->partial.next, cairn_gc_block, node);
		cairn_list_remove(&b->node);
		cairn_list_append(&s->full, &b->node);
		b->is_owned = true;
		b->is_zero = false;
	}
	unlock_blocks(s);
	return b;
}

void cairn_gc_blocks_put_partial(cairn_gc_heap *h, cairn_gc_block *b)
{
	lock_blocks(&h->blocks);
	b->is_owned = false;
	list_swept(h, b);
	unlock_blocks(&h->blocks);
}

void cairn_gc_blocks_sweep_all(cairn_gc_heap *h)
{
	lock_blocks(&h->blocks);
	while (!cairn_list_is_empty(&h->blocks.unswept))
		sweep(h, cairn_container(h->blocks.unswept.next, cairn_gc_block, node));
	unlock_blocks(&h->blocks);
}

/* Empties one list into another, which is empty. */
static void list_move(cairn_node *from, cairn_node *to)
{
	cairn_node_init(to);
	if (cairn_list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	cairn_node_init(from);
}

static void turn_cells(cairn_gc_heap *h, cairn_node *list)
{
	cairn_node old;
	list_move(list, &old);
	while (!cairn_list_is_empty(&old)) {
		cairn_gc_block *b = cairn_container(old.next, cairn_gc_block, node);
		bool is_swept = b->is_packed || b->is_counted; /* again would find nothing */
		b->live_bytes = b->is_packed ? b->filled : b->live_bytes;
		b->is_owned = b->has_pins = b->has_starts = b->is_zero = b->is_packed = false;
		b->is_dense = b->is_counted = b->is_shortened = b->is_young = b->was_recent = false;
		b->filled = 0;
		b->is_swept = is_swept;
		if (!is_swept) {
			cairn_list_remove(&b->node);
			cairn_list_append(&h->blocks.unswept, &b->node);
		} else if (b->live_bytes) {
			list_swept(h, b);
		} else {
			give(h, b);
		}
	}
}

void cairn_gc_blocks_turn(cairn_gc_heap *h, uint8_t colour)
{
	cairn_gc_blocks *s = &h->blocks;
	lock_blocks(s);
	s->colour = colour;
	turn_cells(h, &s->partial); /* before some of the others come to be in it */
	turn_cells(h, &s->full);
	turn_cells(h, &s->fresh);
	for (cairn_node *n = s->large.next, *next; n != &s->large; n = next) {
		next = n->next;
		cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		uint8_t *byte = cairn_gc_byte_of(cairn_gc_block_large(b));
		b->is_young = false;
		if ((*byte & CAIRN_GC_COLOUR) != colour)
			give(h, b);
		else
			*byte &= CAIRN_GC_COLOUR | CAIRN_GC_END;
	}
	unlock_blocks(s);
}

/* ---- The young ---- */

void cairn_gc_blocks_leave_young(cairn_gc_heap *h, size_t most_recent)
{
	size_t recent = 0;
	for (cairn_node *n = h->blocks.fresh.prev; n != &h->blocks.fresh; n = n->prev) { /* from the last on */
		cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		recent += b->filled;
		b->is_recent = recent <= most_recent && !b->was_recent;
		b->is_from = !b->is_recent;
	}
}

/* What it has is as it was: nothing was said about it, but where a word had its cells looked for. */
static void turn_recent(cairn_gc_heap *h, cairn_gc_block *b)
{
	if (b->has_starts)
		cairn_gc_block_forget_starts(b);
	b->is_recent = b->is_owned = false;
	b->was_recent = true;
	h->looks.stats.young.recent_bytes += b->filled;
	h->young.recent_bytes += b->filled;
}

/* Copies, or what was made in it and could not move. */
static void turn_fresh(cairn_gc_heap *h, cairn_gc_block *b)
{
	bool is_left = b->is_from && !b->has_pins;
	/* nothing was said about its grains since it was taken */
	b->bytes_are_clear = is_left && !b->has_starts && !h->tracing.worker[0].has_waited;
	b->live_bytes = b->is_packed ? b->filled : 0;
	b->is_from = b->is_owned = b->is_young = b->was_recent = b->is_zero = false;
	if (is_left) {
		give(h, b);
		return;
	}
	if (!b->is_packed) {
		cairn_gc_block_sweep(b, h->blocks.colour);
		h->looks.stats.young.donated_bytes += b->live_bytes;
	}
	b->is_packed = b->has_pins = b->has_starts = false;
	b->filled = 0;
	if (b->live_bytes)
		list_swept(h, b);
	else
		give(h, b);
}

void cairn_gc_blocks_turn_young(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	lock_blocks(s);
	h->young.recent_bytes = 0;
	for (cairn_node *n = s->fresh.next, *next; n != &s->fresh; n = next) {
		cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		next = n->next;
		b->is_recent ? turn_recent(h, b) : turn_fresh(h, b);
	}
	for (cairn_node *n = s->large.prev, *before; n != &s->large; n = before) {
		before = n->prev;
		cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		uint8_t *byte = cairn_gc_byte_of(cairn_gc_block_large(b));
		if (!b->is_young)
			break;
		b->is_young = b->has_pins = false;
		if ((*byte & CAIRN_GC_COLOUR) != s->colour)
			give(h, b);
		else
			*byte &= CAIRN_GC_COLOUR | CAIRN_GC_END;
	}
	unlock_blocks(s);
}

/* ---- Validation ---- */

typedef struct block_sums {
	size_t slabs, empty, dirty, cells, large, unfilled, cuttable, cut, meta, huge_bytes, held;
} block_sums;

static void validate_large(const cairn_gc_slab *slab, const cairn_gc_block *b, block_sums *sum)
{
	size_t meta = b->is_cut ? cairn_gc_block_cut_meta_bytes() : 0;
	cairn_assert(!b->is_cut || (b->kind == CAIRN_GC_BLOCK_LARGE && !slab->is_huge)); /* GB1 */
	sum->meta += b->kind == CAIRN_GC_BLOCK_LARGE ? CAIRN_GC_META_BYTES - meta : 0;
	if (b->kind != CAIRN_GC_BLOCK_LARGE || slab->is_huge)
		return;
	size_t bytes = cairn_gc_block_cut_bytes(b), cut = b->is_cut ? bytes : 0;
	sum->unfilled += cairn_gc_block_unfilled(b) - cut;
	sum->cuttable += bytes - cut;
	sum->cut += cut;
	sum->held -= cut + meta;
}

static void validate_slab(const cairn_gc_slab *slab, block_sums *sum)
{
	size_t empty = 0;
	CAIRN_GC_EACH_BLOCK_OF(b, slab) {
		empty += b->kind == CAIRN_GC_BLOCK_EMPTY;
		sum->dirty += b->kind == CAIRN_GC_BLOCK_EMPTY && !b->is_zero;
		if (b->kind == CAIRN_GC_BLOCK_EMPTY && b->bytes_are_clear) /* GB6 */
			cairn_assert(!*cairn_gc_block_bytes(b) && !memcmp(cairn_gc_block_bytes(b),
				cairn_gc_block_bytes(b) + 1, CAIRN_GC_META_BYTES - 1));
		sum->cells += b->kind == CAIRN_GC_BLOCK_CELLS;
		sum->large += !slab->is_huge && b->kind >= CAIRN_GC_BLOCK_LARGE;
		validate_large(slab, b, sum);
		sum->held += !slab->is_huge && b->kind != CAIRN_GC_BLOCK_EMPTY ? block_held(b) : 0;
		if (b->kind == CAIRN_GC_BLOCK_LARGE_MORE) /* GB1 */
			cairn_assert(b[-1].kind == CAIRN_GC_BLOCK_LARGE_MORE || b[-1].kind == CAIRN_GC_BLOCK_LARGE);
	}
	cairn_assert(empty == slab->empty_blocks); /* GB1 */
	sum->slabs++;
	sum->empty += empty;
	sum->held += cairn_gc_slab_record_bytes(slab->heap);
	if (slab->is_huge) {
		size_t bytes = (slab->granules << CAIRN_GRANULE_SHIFT) - HUGE_HEAD_BYTES;
		sum->huge_bytes += bytes;
		sum->held += bytes + CAIRN_GC_META_BYTES;
	}
}

void cairn_gc_blocks_validate(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	block_sums sum = { 0 };
	lock_blocks(s);
	CAIRN_GC_EACH_SLAB(slab, s) {
		cairn_assert(slab->heap == h); /* GB1 */
		validate_slab(slab, &sum);
		CAIRN_GC_EACH_BLOCK_OF(b, slab)
			if (b->kind == CAIRN_GC_BLOCK_CELLS)
				cairn_gc_block_validate(b, s->colour);
	}
	cairn_assert(sum.slabs == s->slab_count && sum.empty == s->empty_count);                 /* GB1 */
	cairn_assert(sum.dirty == s->empty_dirty);                                               /* GB6 */
	cairn_assert(sum.cells == s->cells_count && sum.large == s->large_blocks);               /* GB1 */
	cairn_assert(sum.unfilled == s->large_unfilled && sum.cut == s->large_cut);              /* GB1 */
	cairn_assert(sum.meta == s->large_meta && sum.cuttable == s->large_cuttable);            /* GB1 */
	cairn_assert(sum.huge_bytes == s->huge_bytes && sum.held == s->held_bytes);              /* GB4 */
	unlock_blocks(s);
}
