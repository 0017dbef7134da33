/* gc/allocate.c - new objects: the slow half. The fast half is cairn_gc_new_ in cairn/gc.h.
 *
 * A mutator bumps through stretches of cleared memory: `small` for cells of up to 256 bytes, `wide` for those up to
 * CAIRN_GC_CELL_MAX; each cuts them from a hole of a block that it owns.
 *
 *   hole of a block    ├ cells ────┤ bump.at ··· cleared ··· bump.end │ hole.at ··· not cleared ··· hole.end │
 *
 * What is not cleared is cleared a step at a time, so that it is warm when it is used. Invariants, on which reading a
 * block rests (gc/blocks.h):
 *   (GA1) Cells lie one after the other from a hole's start; behind the last is a zero header, or bump.at, or the end.
 *        Checked by cairn_gc_block_validate. Before one whose object is aligned to 16 one of 8 bytes may lie, FREED.
 *   (GA2) A hole that is left with something not cleared has a zero header where that begins. A dead cell there would
 *        look like any other: shown by tests/unit/test_blocks.c, what_lay_in_a_hole_that_was_left_is_no_object.
 *
 * Failure: see cairn_gc_config.on_no_memory. Locks: none held. Not here: what decides on a collection (gc/sizing.h). */
#include "base/assert.h"
#include "gc/managed.h"
#include "os/report.h"
#include "os/vm.h"

#include <errno.h>
#include <string.h>

enum {
	CLEAR_STEP = 2048,
	CLEAR_AHEAD = 4096, /* of what is cleared: a step's lines need more time than a step takes to be filled */
	LINE_BYTES = 64,
	CROWD = 32, /* mutators; so many may have a block each that they do not fill */
	SMALL_CELL_MAX = (CAIRN_GC_RUNS - 1) * CAIRN_GC_GRAIN,
	WIDE_BLOCKS_TRIED = 3, /* with holes, before a whole block is taken */
};

typedef struct cairn_gc_hole hole_of;

/* ---- Holes ---- */

/* Ends the use of a hole. (GA2) */
static void hole_leave(cairn_gc_bump *bump, hole_of *hole)
{
	if (!hole->block)
		return;
	hole->block->filled = (uint32_t)(bump->at - cairn_gc_block_first(hole->block));
	hole->allocated += bump->at - hole->start;
	if (hole->at < hole->end && bump->at == bump->end && !hole->block->is_zero)
		*(uint64_t *)hole->at = 0;
}

static void hole_enter(cairn_gc_bump *bump, hole_of *hole, uintptr_t at, uintptr_t end)
{
	bump->at = bump->end = hole->at = hole->start = at;
	hole->end = end;
}

/* The next hole of the block in hand. */
static bool hole_next(cairn_gc_heap *h, cairn_gc_bump *bump, hole_of *hole)
{
	uintptr_t end = 0;
	if (!hole->block || hole->end >= cairn_gc_block_end(hole->block))
		return false;
	uintptr_t at = cairn_gc_block_hole(hole->block, h->blocks.colour, hole->end, &end);
	if (!at)
		return false;
	hole_leave(bump, hole);
	hole_enter(bump, hole, at, end);
	return true;
}

/* relaxed: a figure that only its thread raises, and others read */
static void count_allocated(cairn_gc_thread *t, size_t bytes)
{
	__atomic_store_n(&t->allocated_bytes, t->allocated_bytes + bytes, __ATOMIC_RELAXED);
}

static void hole_give_up(cairn_gc_heap *h, cairn_gc_thread *t, cairn_gc_bump *bump, hole_of *hole)
{
	if (hole->block) {
		hole_leave(bump, hole);
		count_allocated(t, hole->allocated);
		hole->block->is_owned = false;
	}
	(void)h;
	*bump = (cairn_gc_bump){ 0 };
	*hole = (hole_of){ 0 };
}

void cairn_gc_mutator_flush(cairn_gc_thread *t)
{
	hole_give_up(t->heap, t, &t->small, &t->small_hole);
	hole_give_up(t->heap, t, &t->wide, &t->wide_hole);
}

static void hole_begin(cairn_gc_heap *h, cairn_gc_bump *bump, hole_of *hole, cairn_gc_block *b)
{
	uintptr_t first = cairn_gc_block_first(b), end = cairn_gc_block_end(b);
	hole->block = b;
	b->has_starts = false; /* a verifier may have looked for them in a stop in which nothing was swept */
	uintptr_t at = b->live_bytes ? cairn_gc_block_hole(b, h->blocks.colour, first, &end) : first;
	hole_enter(bump, hole, at, end);
}

/* Has lines fetched that will be cleared while the program fills what is: they were mostly left long ago. A step of 4
 * KiB asks for more lines at once than a processor fetches at a time, and waits: binary trees of depth 10 through 300
 * MiB take 3.3 ns a node so, 2.75 as it is here, 4.8 without. */
static void ask_ahead(const hole_of *hole, size_t step)
{
	uintptr_t from = hole->at + (hole->at == hole->start ? step : CLEAR_AHEAD), end = hole->at + CLEAR_AHEAD + step;
	end = end < hole->end ? end : hole->end;
	for (; from < end; from += LINE_BYTES)
		__builtin_prefetch((void *)from, 1);
}

/* Clears the next step of the hole, of `least` bytes at least, and lets the bump have it. False: it is not that
 * long. */
static bool hole_clear(cairn_gc_thread *t, cairn_gc_bump *bump, hole_of *hole, size_t least)
{
	size_t left = hole->end - hole->at, want = least > bump->end - bump->at ? least - (bump->end - bump->at) : 0;
	if (!hole->block || want > left)
		return false;
	bool is_one = t->heap->zeal.is_small || t->heap->zeal.collect_every; /* every allocation comes here again */
	size_t step = is_one ? want : hole->block->is_zero ? left : want > CLEAR_STEP ? want : CLEAR_STEP;
	step = step < left ? step : left;
	if (!hole->block->is_zero) {
		memset((void *)hole->at, 0, step);
		ask_ahead(hole, step);
	}
	hole->at += step;
	bump->end = hole->at;
	return true;
}

/* ---- Getting memory ---- */

/* A max that would do, in MiB: twice what it is, or what is held and asked. */
static size_t no_memory_wants(const cairn_gc_heap *h, size_t bytes)
{
	size_t least = cairn_gc_held(h) + bytes;
	return (least > h->sizing.max ? least : h->sizing.max) * 2 / (1 << 20) + 1;
}

/* Says that the heap is full, in one line, and aborts. */
static _Noreturn void no_memory(cairn_gc_heap *h, size_t bytes)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: heap \"");
	cairn_line_text(&l, h->config.name);
	cairn_line_text(&l, "\" is full: ");
	bool is_possible = bytes <= CAIRN_GC_SIZE_MAX;
	if (is_possible)
		cairn_line_dec(&l, bytes);
	cairn_line_text(&l, is_possible ? " bytes asked, " : "more than 64 GiB asked, ");
	cairn_line_bytes(&l, cairn_gc_held(h));
	cairn_line_text(&l, " held of ");
	cairn_line_bytes(&l, h->sizing.max);
	cairn_line_text(&l, is_possible ? "; open it with a larger max" : "; no object is so large");
	if (is_possible) {
		cairn_line_text(&l, ", or set CAIRN_GC_MAX=");
		cairn_line_dec(&l, no_memory_wants(h, bytes));
		cairn_line_text(&l, "M");
	}
	cairn_report_abort(&l);
}

typedef struct need {
	cairn_gc_thread *t;
	size_t cell_bytes, pad; /* pad: what may lie before it */
	cairn_gc_block *(*take)(struct need *n, size_t most); /* NULL: not within `most` bytes held, or refused */
} need;

/* The registers and the end of the stack as they were where the program called for an allocation: what stops, collects
 * or calls the program in between saves others. Put back they are right, for what they hold was pinned; and frames of
 * allocation, which have words that others left there, are not looked at. */
typedef struct entry {
	uintptr_t registers[CAIRN_GC_REGISTERS], sp;
} entry;

static void entry_keep(entry *e, const cairn_gc_thread *t)
{
	memcpy(e->registers, t->registers, sizeof e->registers);
	e->sp = t->sp;
}

static void entry_restore(const entry *e, cairn_gc_thread *t)
{
	memcpy(t->registers, e->registers, sizeof e->registers);
	t->sp = e->sp;
}

/* on_no_memory. */
static bool ask_program(need *n)
{
	cairn_gc_heap *h = n->t->heap;
	entry e;
	entry_keep(&e, n->t);
	n->t->is_asking = true;
	bool lets_go = h->config.on_no_memory(h, n->cell_bytes, h->config.on_no_memory_arg);
	n->t->is_asking = false;
	entry_restore(&e, n->t);
	return lets_go;
}

/* Below max, of which nothing is left behind large objects before it is refused. */
static cairn_gc_block *take_or_cut(need *n)
{
	cairn_gc_block *b = n->take(n, cairn_gc_most(n->t->heap));
	while (!b && cairn_gc_sizing_cuts(n->t->heap, true))
		b = n->take(n, cairn_gc_most(n->t->heap));
	return b;
}

/* The ladder from a free block to giving up: a block below the limit; what is behind large objects, where it is much; a
 * collection; a block below max; all that can be had; what the program lets go. */
static cairn_gc_block *find_block(need *n)
{
	cairn_gc_heap *h = n->t->heap;
	/* what the program said it needs the reserve for does not collect first */
	cairn_gc_block *b = n->take(n, n->t->is_asking ? cairn_gc_most(h) : cairn_gc_limit(h));
	while (!b && cairn_gc_sizing_cuts(h, false))
		b = n->take(n, n->t->is_asking ? cairn_gc_most(h) : cairn_gc_limit(h));
	if (!b) { /* even where the last ones were hopeless: the program may have let go of something since */
		cairn_gc_collect_saved(n->t, CAIRN_GC_CAUSE_FULL);
		b = cairn_gc_is_hopeless(h) ? NULL : take_or_cut(n);
	}
	if (!b && h->young.is_minor && !cairn_gc_is_hopeless(h)) {
		cairn_gc_young_is_short(h);
		cairn_gc_collect_saved(n->t, CAIRN_GC_CAUSE_FULL); /* of all: there was no room left */
		b = take_or_cut(n);
	}
	if (!b && !cairn_gc_is_hopeless(h)) {
		cairn_gc_collect_saved(n->t, CAIRN_GC_CAUSE_LIMIT);
		b = take_or_cut(n);
	}
	while (!b && h->config.on_no_memory && !n->t->is_asking) { /* what it allocates itself does not call it again */
		cairn_gc_open_reserve(h);
		if (!ask_program(n))
			break;
		cairn_gc_collect_saved(n->t, CAIRN_GC_CAUSE_LIMIT);
		b = n->take(n, cairn_gc_most(h));
	}
	if (!b)
		cairn_gc_refused(h);
	return b;
}

/* What will be in it is young. */
static cairn_gc_block *born(const need *n, cairn_gc_block *b)
{
	if (!b)
		return NULL;
	b->is_young = n->t->heap->plan->has_young;
	cairn_gc_blocks_trim(n->t->heap, n->cell_bytes);
	return b;
}

static void fill_ahead(void *heap) { cairn_gc_slab_fill_ahead(heap); }

/* The memory of a slab may take ms to be had. Meanwhile nobody waits for this mutator, and there may be a collection:
 * returns what may be held then, at most. */
static size_t take_ahead(const need *n, size_t most)
{
	cairn_gc_heap *h = n->t->heap;
	entry e;
	if (!cairn_gc_blocks_want_ahead(h, most))
		return most;
	entry_keep(&e, n->t);
	cairn_gc_aside(fill_ahead, h);
	entry_restore(&e, n->t);
	size_t now = cairn_gc_most(h);
	return most < now ? most : now;
}

static cairn_gc_block *take_whole(const need *n, size_t most)
{
	most = take_ahead(n, most);
	return born(n, cairn_gc_blocks_take(n->t->heap, most));
}

/* A block with holes. What is made among the old is nowhere written down: where there are young, holes are filled while
 * the next collection is to be of all, which it must be from then on. */
static cairn_gc_block *take_partial(const need *n)
{
	cairn_gc_heap *h = n->t->heap;
	if (h->plan->has_young && !h->young.wants_all)
		return NULL;
	cairn_gc_block *b = cairn_gc_blocks_take_partial(h);
	if (b)
		cairn_gc_young_is_short(h);
	return b;
}

static cairn_gc_block *take_for_small(need *n, size_t most)
{
	cairn_gc_block *b = take_partial(n);
	return b ? b : take_whole(n, most);
}

/* A block with a hole for it, or an empty one. */
static cairn_gc_block *take_for_wide(need *n, size_t most)
{
	cairn_gc_heap *h = n->t->heap;
	for (unsigned i = 0; i < WIDE_BLOCKS_TRIED; i++) {
		cairn_gc_block *b = take_partial(n);
		uintptr_t end = b ? cairn_gc_block_first(b) : 0, at;
		if (!b)
			break;
		while ((at = cairn_gc_block_hole(b, h->blocks.colour, end, &end)))
			if (end - at >= n->cell_bytes + n->pad)
				return b;
		b->is_owned = false; /* it stays among the full ones: the holes it has are for the next cycle */
	}
	return take_whole(n, most);
}

static cairn_gc_block *take_for_large(need *n, size_t most)
{
	return born(n, cairn_gc_blocks_take_large(n->t->heap, n->cell_bytes, most));
}

static void bring_in(void *block) { cairn_vm_populate(cairn_gc_block_start(block), CAIRN_GC_BLOCK_BYTES); }

/* So may a page of a block that has none yet take ms, wherever the program first writes to it. Where others may wait
 * for this mutator they all come here, aside, at the price that they would have one by one; but not of a crowd
 * for one that has not filled a block yet: a thousand such may never. A collection meanwhile takes the block from the
 * bump. */
static void bring_in_aside(cairn_gc_thread *t, cairn_gc_block *b)
{
	size_t mutators = cairn_gc_world_count(&t->heap->world);
	if (!b->is_zero || !b->is_absent || mutators < 2)
		return;
	if (mutators > CROWD && t->allocated_bytes < CAIRN_GC_BLOCK_BYTES)
		return;
	entry e;
	entry_keep(&e, t);
	cairn_gc_aside(bring_in, b);
	entry_restore(&e, t);
}

/* ---- Cells ---- */

/* Bytes from there to where a cell's object, behind its header, is aligned as it has to be. */
static size_t cell_pad(const cairn_gc_bump *b, bool is_aligned)
{
	return is_aligned && (b->at + CAIRN_GC_HEADER_BYTES) % 16 ? CAIRN_GC_GRAIN : 0;
}

static uintptr_t cell_bump(cairn_gc_bump *b, size_t cell, size_t pad)
{
	uintptr_t at = b->at;
	b->at += pad + cell; /* first: the child of a fork finds the filler below it, or zero */
	if (pad)
		*(uint64_t *)at = cairn_gc_header_make(CAIRN_GC_TYPE_FREED, pad - CAIRN_GC_HEADER_BYTES);
	return at + pad;
}

/* A cell of up to CAIRN_GC_CELL_MAX bytes, or 0. is_aligned: its object is aligned to 16. */
static uintptr_t cell_small_or_wide(cairn_gc_thread *t, size_t cell, bool is_aligned)
{
	bool is_small = cell <= SMALL_CELL_MAX;
	cairn_gc_bump *bump = is_small ? &t->small : &t->wide;
	hole_of *hole = is_small ? &t->small_hole : &t->wide_hole;
	size_t pad;
	while (bump->end - bump->at < cell + (pad = cell_pad(bump, is_aligned))) {
		if (hole_clear(t, bump, hole, cell + pad))
			break;
		if (hole_next(t->heap, bump, hole))
			continue;
		hole_give_up(t->heap, t, bump, hole);
		need n = { t, cell, is_aligned ? CAIRN_GC_GRAIN : 0, is_small ? take_for_small : take_for_wide };
		cairn_gc_block *b = find_block(&n);
		if (!b)
			return 0;
		/* a callback may have allocated */
		hole_give_up(t->heap, t, bump, hole);
		hole_begin(t->heap, bump, hole, b);
		bring_in_aside(t, b);
	}
	return cell_bump(bump, cell, pad);
}

static uintptr_t cell_large(cairn_gc_thread *t, size_t cell)
{
	need n = { t, cell, 0, take_for_large };
	cairn_gc_block *b = find_block(&n);
	if (!b)
		return 0;
	count_allocated(t, cell);
	cairn_gc_slabs_hold_peak(cell);
	return (uintptr_t)cairn_gc_block_large(b) - CAIRN_GC_HEADER_BYTES;
}

static __attribute__((noinline)) void allocate_stops(cairn_gc_thread *t)
{
	entry e;
	entry_keep(&e, t);
	cairn_gc_safepoint(t);
	if (t->heap->zeal.is_on && cairn_gc_zeal_wants(t))
		cairn_gc_collect_now(&t->public, CAIRN_GC_CAUSE_ZEAL);
	entry_restore(&e, t);
}

/* An object with that header, or NULL. The one way of allocation that is not inline. */
static void *allocate(cairn_gc_thread *t, uint64_t header, bool is_aligned, bool aborts)
{
	size_t size = cairn_gc_header_size(header), cell = cairn_gc_cell_of_size(size);
	/* relaxed, both: a hint, as in a poll; and this thread's own word */
	if (cairn_unlikely(__atomic_load_n(&t->public.poll, __ATOMIC_RELAXED) || t->heap->zeal.is_on ||
			   __atomic_load_n(&t->state, __ATOMIC_RELAXED) != CAIRN_GC_RUNNING))
		allocate_stops(t);
	uintptr_t at = cell <= CAIRN_GC_CELL_MAX ? cell_small_or_wide(t, cell, is_aligned) : cell_large(t, cell);
	if (!at && aborts)
		no_memory(t->heap, size);
	if (!at)
		return NULL;
	*(uint64_t *)at = header;
	return cairn_gc_cell_object(at);
}

/* Its fields are not as the heap's references are. */
static _Noreturn void type_is_foreign(cairn_gc_heap *h, const cairn_gc_record *r)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: type ");
	cairn_line_text(&l, r->name);
	cairn_line_text(&l, r->is_compressed ? " has compressed references, those of heap \"" :
					       " has references of 8 bytes, those of heap \"");
	cairn_line_text(&l, h->config.name);
	cairn_line_text(&l, r->is_compressed ? "\" are not" : "\" are compressed");
	cairn_line_text(&l, ": compile all of the program with CAIRN_GC_COMPRESSED, or nothing");
	cairn_report_abort(&l);
}

static void *allocate_of_type(cairn_gc_thread *t, const cairn_gc_type *type, size_t size, bool aborts)
{
	if (cairn_unlikely(!type->header))
		cairn_gc_misuse(t->heap, "a type that is not registered", type);
	const cairn_gc_record *r = cairn_gc_record_of(type->header);
	if (cairn_unlikely(r->is_compressed != t->heap->is_compressed) && (r->is_compressed || cairn_gc_has_slots(r)))
		type_is_foreign(t->heap, r);
	uint64_t low = type->header & (((uint64_t)1 << CAIRN_GC_SIZE_SHIFT) - 1);
	uint64_t header = low | (uint64_t)size << CAIRN_GC_SIZE_SHIFT;
	void *object = allocate(t, header, type->is_aligned, aborts);
	if (!object || !type->is_listed || cairn_gc_deaths_list_drop(t->heap, object))
		return object;
	cairn_gc_collect_saved(t, CAIRN_GC_CAUSE_LIMIT); /* the object is garbage that nobody has seen */
	object = allocate(t, header, type->is_aligned, aborts);
	if (!object || cairn_gc_deaths_list_drop(t->heap, object))
		return object;
	if (aborts)
		no_memory(t->heap, size);
	return NULL;
}

/* Where the entries in gc/registers.c go on. */
void *cairn_gc_new_slow_saved_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t size);
void *cairn_gc_new_array_saved_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t n, bool aborts);
void *cairn_gc_new_bytes_saved_(cairn_gc_mutator *m, size_t n, bool aborts);

__attribute__((used)) void *cairn_gc_new_slow_saved_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t size)
{
	return allocate_of_type(cairn_gc_thread_of(m), t, size, true);
}

__attribute__((used)) void *cairn_gc_new_array_saved_(
	cairn_gc_mutator *m, const cairn_gc_type *t, size_t n, bool aborts)
{
	cairn_gc_thread *thread = cairn_gc_thread_of(m);
	size_t tail = 0, size = t->size;
	if (n && !t->tail_stride)
		cairn_gc_misuse(thread->heap, "the type has no trailing array", t);
	bool is_too_large = __builtin_mul_overflow(n, t->tail_stride, &tail) ||
			    __builtin_add_overflow(t->tail_offset, tail, &tail) || tail > CAIRN_GC_SIZE_MAX;
	if (n && tail > size)
		size = tail;
	if (is_too_large && aborts)
		no_memory(thread->heap, SIZE_MAX);
	return is_too_large ? NULL : allocate_of_type(thread, t, size, aborts);
}

__attribute__((used)) void *cairn_gc_new_bytes_saved_(cairn_gc_mutator *m, size_t n, bool aborts)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	if (n <= CAIRN_GC_SIZE_MAX)
		return allocate(t, cairn_gc_header_make(CAIRN_GC_TYPE_BYTES, n), false, aborts);
	if (aborts)
		no_memory(t->heap, n);
	return NULL;
}

/* ---- What a header says ---- */

size_t cairn_gc_size(const void *object) { return cairn_gc_header_size(cairn_gc_header_of(object)); }

size_t cairn_gc_length(const void *object)
{
	uint64_t header = cairn_gc_header_of(object);
	return cairn_gc_header_length(header, cairn_gc_record_of(header));
}

const char *cairn_gc_type_name(const void *object) { return cairn_gc_record_of(cairn_gc_header_of(object))->name; }
