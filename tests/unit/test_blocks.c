/* gc/blocks.h: slabs, blocks, and reading them; each against what was put in. The world is not stopped: nobody else is
 * there. */
#include "gc/grains.h"
#include "gc/managed.h"
#include "gc/types.h"
#include "os/vm.h"
#include "page/huge.h"
#include "page/window.h"
#include "support/child.h"

#include <pthread.h>

typedef struct two {
	cairn_ref(struct two) a, b;
} two;
CAIRN_GC_TYPE(two, .refs = CAIRN_GC_REFS(two, a, b));

static cairn_gc_heap *heap;
static cairn_gc_mutator *m;

static void open_heap(cairn_gc_collector c)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = c, .max = 256 << 20 });
	m = heap ? cairn_gc_attach(heap) : NULL;
}

static void close_heap(void)
{
	cairn_gc_detach(m);
	cairn_gc_close(heap);
}

static size_t count_cells(cairn_gc_block *b)
{
	size_t n = 0;
	uintptr_t at = cairn_gc_block_first(b);
	while ((at = cairn_gc_block_next(b, heap->blocks.colour, at))) {
		n++;
		at += cairn_gc_header_cell(*(uint64_t *)at);
	}
	return n;
}

/* GB1, GB4 */
static void sums_of_kinds_are_kept_by_taking_and_giving(void)
{
	enum { N = 200 };
	static cairn_gc_block *taken[N];
	uint64_t state = test_seed();
	open_heap(CAIRN_GC_NONE);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned i = (unsigned)(test_random(&state) % N);
		if (taken[i]) {
			cairn_gc_blocks_give(heap, taken[i]);
			taken[i] = NULL;
		} else if (test_random(&state) % 3) {
			taken[i] = cairn_gc_blocks_take(heap, SIZE_MAX);
			EXPECT(taken[i] != NULL);
		} else {
			taken[i] = cairn_gc_blocks_take_large(heap, 20000 + test_random(&state) % (3 << 20), SIZE_MAX);
			EXPECT(taken[i] != NULL);
		}
		if (round % 100 == 0)
			cairn_gc_blocks_cut(heap, 1, test_random(&state) % (1 << 20));
		if (round % 64 == 0)
			cairn_gc_blocks_validate(heap);
	}
	cairn_gc_blocks_validate(heap);
	for (unsigned i = 0; i < N; i++)
		if (taken[i])
			cairn_gc_blocks_give(heap, taken[i]);
	cairn_gc_blocks_purge(heap, 0);
	cairn_gc_blocks_validate(heap);
	EXPECT_EQ(heap->blocks.slab_count, 0);
	EXPECT_EQ(heap->blocks.held_bytes, 0);
	close_heap();
}

static void fill_block(cairn_gc_block *b, size_t bytes) { memset(cairn_gc_block_start(b), 1, bytes); }

/* The oldest first, as many as are needed; and what it was it is again when it is given back. */
static void what_a_large_object_does_not_fill_is_cut(void)
{
	enum { SMALL = 20000, BLOCKS = 3, CELL = BLOCKS * CAIRN_GC_BLOCK_BYTES - 30000 };
	size_t page = cairn_vm_page_bytes();
	open_heap(CAIRN_GC_NONE);
	cairn_gc_block *old = cairn_gc_blocks_take(heap, SIZE_MAX);
	fill_block(old, CAIRN_GC_BLOCK_BYTES);
	cairn_gc_blocks_give(heap, old);
	cairn_gc_block *first = cairn_gc_blocks_take_large(heap, SMALL, SIZE_MAX);
	cairn_gc_block *second = cairn_gc_blocks_take_large(heap, CELL, SIZE_MAX);
	EXPECT_EQ(first, old);
	fill_block(first, SMALL);
	fill_block(second, CELL);
	size_t held = heap->blocks.held_bytes, cuttable = heap->blocks.large_cuttable;
	EXPECT(!cairn_gc_blocks_cut(heap, cuttable + 1, 1));
	EXPECT(cairn_gc_blocks_cut(heap, cuttable, 1));
	EXPECT(first->is_cut && !second->is_cut);
	cairn_gc_blocks_validate(heap);
	EXPECT(held - heap->blocks.held_bytes >= CAIRN_GC_BLOCK_BYTES - SMALL - 16 - page);
	char *behind = cairn_gc_block_start(first) + cairn_round_up(SMALL + 16, page);
	EXPECT(page > CAIRN_GC_BLOCK_BYTES / 2 || !cairn_vm_is_resident(behind));
	EXPECT(cairn_gc_block_start(first)[SMALL - 1] == 1);
	EXPECT(cairn_gc_blocks_cut(heap, 1, SIZE_MAX) && second->is_cut);
	EXPECT(!cairn_gc_blocks_cut(heap, 1, SIZE_MAX));
	EXPECT_EQ(heap->blocks.large_cuttable, 0);
	cairn_gc_blocks_give(heap, first);
	cairn_gc_blocks_give(heap, second);
	cairn_gc_blocks_validate(heap);
	EXPECT_EQ(heap->blocks.large_cut + heap->blocks.large_unfilled + heap->blocks.large_meta, 0);
	first = cairn_gc_blocks_take_large(heap, CELL, SIZE_MAX);
	EXPECT(!first->is_cut && !cairn_gc_block_start(first)[0] && !cairn_gc_block_start(first)[CELL - 1]);
	cairn_gc_blocks_give(heap, first);
	close_heap();
}

/* The search goes on where the last one ended, unless something was freed. */
static void a_row_is_found_where_it_is_whatever_was_searched_before(void)
{
	enum { N = 60, CELL = 3 * CAIRN_GC_BLOCK_BYTES - 100 };
	static cairn_gc_block *taken[N];
	uint64_t state = test_seed();
	open_heap(CAIRN_GC_NONE);
	for (unsigned i = 0; i < N; i++)
		taken[i] = cairn_gc_blocks_take_large(heap, CELL, SIZE_MAX);
	size_t slabs = heap->blocks.slab_count;
	for (unsigned round = 0; round < 1000; round++) {
		unsigned i = (unsigned)(test_random(&state) % N);
		cairn_gc_block *was = taken[i];
		cairn_gc_blocks_give(heap, was);
		cairn_gc_block *other = cairn_gc_blocks_take_large(heap, CELL, SIZE_MAX);
		cairn_gc_block *single = cairn_gc_blocks_take(heap, SIZE_MAX);
		EXPECT(other <= was || cairn_gc_slab_of(other) != cairn_gc_slab_of(was));
		cairn_gc_blocks_give(heap, single);
		taken[i] = other;
	}
	EXPECT(heap->blocks.slab_count <= slabs + 1);
	cairn_gc_blocks_validate(heap);
	for (unsigned i = 0; i < N; i++)
		cairn_gc_blocks_give(heap, taken[i]);
	close_heap();
}

static void nothing_is_taken_past_most(void)
{
	open_heap(CAIRN_GC_NONE);
	EXPECT(cairn_gc_blocks_take(heap, 1000) == NULL);
	EXPECT(cairn_gc_blocks_take_large(heap, 1 << 20, 1 << 20) == NULL);
	EXPECT(cairn_gc_blocks_take_large(heap, (size_t)1 << 60, SIZE_MAX) == NULL);
	cairn_gc_blocks_validate(heap);
	close_heap();
}

/* GA1: what was allocated, and nothing else, is walked. */
static void a_block_is_walked_from_cell_to_cell(void)
{
	open_heap(CAIRN_GC_NONE);
	uint64_t state = test_seed();
	size_t made = 0;
	for (unsigned i = 0; i < 5000; i++) {
		unsigned kind = (unsigned)(test_random(&state) % 4);
		if (kind == 0)
			cairn_gc_new_bytes(m, test_random(&state) % 300);
		else if (kind == 1)
			cairn_gc_new_bytes(m, test_random(&state) % 15000);
		else
			cairn_gc_new(m, two);
		made++;
	}
	cairn_gc_mutator_flush(cairn_gc_thread_of(m));
	size_t seen = 0;
	CAIRN_GC_EACH_BLOCK(b, &heap->blocks)
		if (b->kind == CAIRN_GC_BLOCK_CELLS)
			seen += count_cells(b);
	EXPECT_EQ(seen, made);
	close_heap();
}

static void count_object(void *object, void *arg)
{
	(void)object;
	++*(size_t *)arg;
}

/* Holes of a step of clearing and 192 bytes. What fills the step, and is followed by a cell of 256, leaves the 192 as
 * the dead left them: three cells that nobody made since. */
static void what_lay_in_a_hole_that_was_left_is_no_object(void) /* GA1, GA2 */
{
	enum { CELLS = 67, HOLES = 14, SMALL = 64 - 8, LARGER = 256 - 8 };
	static uintptr_t kept[HOLES + 1];
	size_t made = 0, seen = 0;
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .exact_roots = true });
	m = cairn_gc_attach(heap);
	cairn_gc_roots_add(heap, kept, HOLES + 1);
	for (unsigned i = 0; i <= HOLES; i++) {
		kept[i] = (uintptr_t)cairn_gc_new_bytes(m, SMALL);
		for (unsigned k = 0; k < CELLS && i < HOLES; k++)
			cairn_gc_new_bytes(m, SMALL);
	}
	cairn_gc_collect(m);
	for (unsigned i = 0; i < HOLES; i++) {
		char *first = cairn_gc_new_bytes(m, LARGER);
		EXPECT_EQ((uintptr_t)first, kept[i] + 64);
		for (unsigned k = 0; k < (4096 - 256) / 64; k++)
			cairn_gc_new_bytes(m, SMALL);
		made += 1 + (4096 - 256) / 64;
	}
	cairn_gc_each(m, count_object, &seen);
	EXPECT_EQ(seen, HOLES + 1 + made);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	cairn_gc_roots_remove(heap, kept);
	close_heap();
}

/* A header says that its cell is longer than what was made. */
static void lengthen_a_cell(void *is_longer)
{
	open_heap(CAIRN_GC_MARKSWEEP);
	uint64_t *object = cairn_gc_new_bytes(m, 100);
	cairn_gc_new_bytes(m, 100);
	if (is_longer)
		object[-1] += (uint64_t)200 << CAIRN_GC_SIZE_SHIFT;
	cairn_gc_mutator_flush(cairn_gc_thread_of(m));
	cairn_gc_blocks_validate(heap);
}

static void a_cell_that_ends_behind_its_hole_is_noticed(void) /* GA1 */
{
	EXPECT(!child_aborts(lengthen_a_cell, NULL));
	EXPECT(child_aborts(lengthen_a_cell, (void *)1));
}

static void an_address_leads_to_the_object_it_lies_in(void)
{
	open_heap(CAIRN_GC_NONE);
	enum { N = 300 };
	static char *objects[N];
	static size_t sizes[N];
	uint64_t state = test_seed();
	for (unsigned i = 0; i < N; i++) {
		sizes[i] = test_random(&state) % (i % 10 == 9 ? 3000000 : i % 3 == 2 ? 16000 : 200);
		objects[i] = cairn_gc_new_bytes(m, sizes[i]);
		memset(objects[i], 0xff, sizes[i]);
	}
	cairn_gc_mutator_flush(cairn_gc_thread_of(m));
	for (unsigned i = 0; i < N; i++) {
		EXPECT(cairn_gc_object_at(heap, (uintptr_t)objects[i]) == objects[i]);
		EXPECT(cairn_gc_object_at(heap, (uintptr_t)objects[i] + sizes[i]) == objects[i]); /* its end */
		EXPECT(cairn_gc_object_at(heap, (uintptr_t)objects[i] + test_random(&state) % (sizes[i] + 1)) ==
			objects[i]);
		EXPECT(cairn_gc_object_at(heap, (uintptr_t)objects[i] - 9) != objects[i]);
	}
	int local;
	EXPECT(cairn_gc_object_at(heap, (uintptr_t)&local) == NULL);
	EXPECT(cairn_gc_object_at(heap, 0) == NULL);
	EXPECT(cairn_gc_object_at(heap, UINTPTR_MAX) == NULL);
	EXPECT(cairn_gc_object_at(heap, (uintptr_t)cairn_gc_slab_of(objects[0])) == NULL);
	close_heap();
}

static void sets_of_grains_say_what_each_byte_says(void)
{
	uint64_t state = test_seed();
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[CAIRN_GC_GRAINS_STEP], mask = (uint8_t)test_random(&state), value = 0;
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = test_random(&state) % 2 ? (uint8_t)test_random(&state) : 0;
		value = round % 2 ? bytes[test_random(&state) % sizeof bytes] & mask : (uint8_t)test_random(&state);
		uint64_t where = cairn_gc_grains_where(bytes, mask, value);
		for (size_t i = 0; i < sizeof bytes; i++)
			EXPECT_EQ(where >> i & 1, (bytes[i] & mask) == value);
	}
}

/* Cells of any length from one step into the next, live and dead ones. */
static void cells_are_sets_of_grains_whatever_step_they_end_in(void)
{
	enum { STEPS = 4, COUNT = STEPS * CAIRN_GC_GRAINS_STEP };
	uint64_t state = test_seed();
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[COUNT] = { 0 }, colour = (uint8_t)(1 + test_random(&state) % 3);
		bool lives[COUNT] = { false }, is_in = false;
		for (size_t at = 0; at < COUNT;) {
			size_t left = COUNT - at, n = 1 + test_random(&state) % (test_random(&state) % 8 ? 6 : 150);
			n = n < left ? n : left;
			uint8_t its = (uint8_t)(test_random(&state) % 4);
			bytes[at] = its;
			bytes[at + n - 1] |= its ? CAIRN_GC_END : 0;
			for (size_t i = at; i < at + n; i++)
				lives[i] = its == colour;
			at += n;
		}
		for (size_t i = 0; i < COUNT; i += CAIRN_GC_GRAINS_STEP) {
			uint64_t cells = cairn_gc_grains_of(bytes + i, colour, &is_in);
			for (size_t k = 0; k < CAIRN_GC_GRAINS_STEP; k++)
				EXPECT_EQ(cells >> k & 1, lives[i + k]);
		}
		EXPECT(!is_in);
	}
}

/* GB2: sweeping leaves what has the colour, and holes are what lies between. */
static void holes_are_what_no_live_cell_covers(void)
{
	open_heap(CAIRN_GC_NONE);
	uint64_t state = test_seed();
	cairn_gc_block *b = cairn_gc_blocks_take(heap, SIZE_MAX);
	uintptr_t at = cairn_gc_block_first(b), end = cairn_gc_block_end(b);
	size_t live = 0, holes = 0;
	while (at + CAIRN_GC_GRAIN <= end) {
		size_t size = test_random(&state) % 500, cell = cairn_gc_cell_of_size(size);
		if (at + cell > end)
			break;
		*(uint64_t *)at = cairn_gc_header_make(CAIRN_GC_TYPE_BYTES, size);
		uint8_t colour = (uint8_t)(test_random(&state) % 4);
		*cairn_gc_byte_of_cell(at) = colour;
		if (colour)
			*cairn_gc_byte_of_cell(at + cell - CAIRN_GC_GRAIN) |= CAIRN_GC_END;
		live += colour == heap->blocks.colour ? cell : 0;
		at += cell;
	}
	b->is_swept = false;
	cairn_gc_block_sweep(b, heap->blocks.colour);
	EXPECT_EQ(b->live_bytes, live);
	cairn_gc_block_validate(b, heap->blocks.colour);
	uintptr_t from = cairn_gc_block_first(b), hole_end = 0;
	while ((from = cairn_gc_block_hole(b, heap->blocks.colour, from, &hole_end))) {
		EXPECT(hole_end > from);
		holes += hole_end - from;
		from = hole_end;
	}
	EXPECT_EQ(holes + live, CAIRN_GC_BLOCK_BYTES - CAIRN_GC_GRAIN);
	b->is_owned = false;
	cairn_gc_blocks_validate(heap);
	close_heap();
}

static void what_is_allocated_reads_zero_whatever_lay_there(void)
{
	open_heap(CAIRN_GC_NONE);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			size_t size = i % 300 * (i % 7 ? 1 : 40);
			char *p = cairn_gc_new_bytes(m, size);
			for (size_t k = 0; k < size; k++)
				EXPECT(!p[k]);
			memset(p, 0xee, size);
		}
		cairn_gc_mutator_flush(cairn_gc_thread_of(m));
		while (!cairn_list_is_empty(&heap->blocks.full))
			cairn_gc_blocks_give(heap, cairn_container(heap->blocks.full.next, cairn_gc_block, node));
		cairn_gc_blocks_validate(heap);
		if (round == 1)
			cairn_gc_blocks_purge(heap, 128 << 10);
	}
	close_heap();
}

/* GY1, GY2 */
static void a_type_is_registered_once(void)
{
	uint32_t count = cairn_gc_type_count();
	cairn_gc_register(&two_cairn_gc_type);
	cairn_gc_type again = two_cairn_gc_type;
	again.header = 0;
	cairn_gc_register(&again);
	EXPECT_EQ(cairn_gc_type_count(), count);
	EXPECT_EQ(again.header, two_cairn_gc_type.header);
	for (unsigned i = 0; i < 600; i++) {
		cairn_gc_type other = { .name = "other", .size = 8 + 8 * i };
		cairn_gc_register(&other);
	}
	EXPECT_EQ(cairn_gc_type_count(), count + 600);
	cairn_gc_type aligned = { .name = "other", .size = 8, .is_aligned = true }; /* another file's, of that name */
	cairn_gc_register(&aligned);
	EXPECT_EQ(cairn_gc_type_count(), count + 601);
	cairn_gc_types_validate();
}

static void the_newest_object_is_resized_in_place_and_freed(void)
{
	open_heap(CAIRN_GC_NONE);
	char *p = cairn_gc_new_bytes(m, 100);
	memset(p, 7, 100);
	EXPECT(cairn_gc_resize(m, p, 20));
	EXPECT_EQ(cairn_gc_size(p), 20);
	EXPECT(cairn_gc_resize(m, p, 104));
	EXPECT(p[19] == 7 && !p[20] && !p[99] && !p[103]);
	EXPECT(cairn_gc_resize(m, p, 1000));
	cairn_gc_free(m, p);
	EXPECT(cairn_gc_new_bytes(m, 10) == (void *)p);
	char *old = p, *next = cairn_gc_new_bytes(m, 10);
	EXPECT(!cairn_gc_resize(m, old, 1000));
	EXPECT(!cairn_gc_resize(m, next, (size_t)1 << 50));
	cairn_gc_free(m, old);
	cairn_gc_mutator_flush(cairn_gc_thread_of(m));
	cairn_gc_blocks_validate(heap);
	close_heap();
}

enum { LONG_GRAINS = 6, APART = LONG_GRAINS + 1, ROW = 300 };

typedef struct row {
	cairn_gc_block *b;
	uintptr_t first; /* cell of the row */
	void *object[ROW];
	pthread_barrier_t meet;
	uint32_t begun; /* sync: atomic: so many are being shortened, or are */
	uint32_t wrong; /* sync: atomic */
	bool is_done;   /* sync: atomic; is_over: by meet */
	bool is_over;
} row;

/* Reads holes while they come to be: none begins within an object that nobody has begun to shorten. */
static void *row_read(void *arg)
{
	row *r = arg;
	while (pthread_barrier_wait(&r->meet), !r->is_over) {
		do {
			uintptr_t at = r->first, end = 0;
			while ((at = cairn_gc_block_hole(r->b, heap->blocks.colour, at, &end))) {
				size_t grain = (at - r->first) / CAIRN_GC_GRAIN, of = grain / APART;
				bool is_wrong = grain % APART != LONG_GRAINS && of < ROW &&
						of >= __atomic_load_n(&r->begun, __ATOMIC_SEQ_CST);
				if (is_wrong || end <= at)
					__atomic_fetch_add(&r->wrong, 1, __ATOMIC_SEQ_CST);
				at = end > at ? end : at + CAIRN_GC_GRAIN;
			}
		} while (!__atomic_load_n(&r->is_done, __ATOMIC_SEQ_CST));
		pthread_barrier_wait(&r->meet);
	}
	return NULL;
}

static void row_make(row *r)
{
	REQUIRE(cairn_gc_range_add(heap, r->object, sizeof r->object));
	for (size_t i = 0; i < ROW; i++) {
		r->object[i] = cairn_gc_new_bytes(m, LONG_GRAINS * CAIRN_GC_GRAIN - CAIRN_GC_HEADER_BYTES);
		cairn_gc_new_bytes(m, CAIRN_GC_GRAIN - CAIRN_GC_HEADER_BYTES);
	}
	cairn_gc_collect(m);
	cairn_gc_blocks_sweep_all(heap);
	r->b = cairn_gc_block_of(r->object[0]);
	r->first = (uintptr_t)r->object[0] - CAIRN_GC_HEADER_BYTES;
	EXPECT_EQ((uintptr_t)r->object[ROW - 1], (uintptr_t)r->object[0] + (ROW - 1) * APART * CAIRN_GC_GRAIN);
}

static void a_hole_is_read_right_while_the_object_before_it_is_shortened(void)
{
	enum { ROUNDS = 3000 };
	static row r;
	pthread_t reader;
	open_heap(CAIRN_GC_MARKSWEEP);
	row_make(&r);
	pthread_barrier_init(&r.meet, NULL, 2);
	REQUIRE(!pthread_create(&reader, NULL, row_read, &r));
	for (unsigned round = 0; round < ROUNDS; round++) {
		__atomic_store_n(&r.begun, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&r.is_done, false, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&r.meet);
		for (uint32_t i = 0; i < ROW; i++) {
			__atomic_store_n(&r.begun, i + 1, __ATOMIC_SEQ_CST);
			EXPECT(cairn_gc_resize(m, r.object[i], CAIRN_GC_GRAIN - CAIRN_GC_HEADER_BYTES));
		}
		__atomic_store_n(&r.is_done, true, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&r.meet);
		for (uint32_t i = 0; i < ROW; i++) { /* as long as they were */
			uint64_t *header = cairn_gc_header_at(r.object[i]);
			size_t was = LONG_GRAINS * CAIRN_GC_GRAIN;
			*header = cairn_gc_header_make(CAIRN_GC_TYPE_BYTES, was - CAIRN_GC_HEADER_BYTES);
			cairn_gc_blocks_move_end(heap, r.object[i], CAIRN_GC_GRAIN, was);
		}
	}
	r.is_over = true;
	pthread_barrier_wait(&r.meet);
	pthread_join(reader, NULL);
	EXPECT_EQ(r.wrong, 0);
	close_heap();
}

/* ---- huge pages ---- */

enum { USABLE = CAIRN_GC_SLAB_BLOCKS - CAIRN_GC_FIRST_BLOCK, PLAIN = CAIRN_HUGE_FROM_BYTES / CAIRN_GC_SLAB_BYTES };

/* A heap in which no huge page is found dear. */
static void open_where_huge_is_cheap(void)
{
	cairn_huge_dear_inject(UINT64_MAX);
	open_heap(CAIRN_GC_NONE);
}

/* All blocks of so many slabs more, each of which has only those: how many of the slabs are huge pages. */
static unsigned fill_slabs(unsigned slabs)
{
	unsigned huge = 0;
	for (unsigned i = 0; i < slabs; i++) {
		cairn_gc_block *b = cairn_gc_blocks_take(heap, SIZE_MAX);
		EXPECT(b != NULL);
		huge += cairn_window_chunk(cairn_window_of((uintptr_t)b), (uintptr_t)b)->is_huge;
		for (unsigned k = 1; k < USABLE; k++) {
			cairn_gc_block *next = cairn_gc_blocks_take(heap, SIZE_MAX);
			EXPECT(next && cairn_gc_slab_of(next) == cairn_gc_slab_of(b));
		}
	}
	return huge;
}

static void fill_sixteen_mib_and_more(void *unused)
{
	(void)unused;
	open_where_huge_is_cheap();
	EXPECT_EQ(fill_slabs(PLAIN), 0);
	EXPECT_EQ(fill_slabs(5), 5);
	cairn_gc_blocks_validate(heap); /* GB3: they read zero */
	close_heap();
}

/* 15 blocks in a row: 13 of each slab stay empty. */
static void fill_with_large_objects(void *unused)
{
	(void)unused;
	open_where_huge_is_cheap();
	for (unsigned i = 0; i < PLAIN + 5; i++) {
		cairn_gc_block *b = cairn_gc_blocks_take_large(heap, 15 * CAIRN_GC_BLOCK_BYTES - 16, SIZE_MAX);
		EXPECT(b && !cairn_window_chunk(cairn_window_of((uintptr_t)b), (uintptr_t)b)->is_huge);
	}
	close_heap();
}

static void fill_where_huge_is_dear(void *unused)
{
	(void)unused;
	cairn_huge_dear_inject(0);
	open_heap(CAIRN_GC_NONE);
	EXPECT_EQ(fill_slabs(PLAIN + 5), 1); /* the one that was tried */
	close_heap();
}

/* A mutator fills a slab's memory before it takes the lock. */
static void fill_ahead_of_need(void *unused)
{
	(void)unused;
	open_where_huge_is_cheap();
	EXPECT_EQ(fill_slabs(PLAIN - 1), 0);
	EXPECT(!cairn_gc_blocks_want_ahead(heap, SIZE_MAX)); /* the heap may stay small */
	EXPECT_EQ(fill_slabs(1), 0);
	EXPECT(cairn_gc_blocks_want_ahead(heap, SIZE_MAX));
	EXPECT(!cairn_gc_blocks_want_ahead(heap, heap->blocks.held_bytes));
	size_t held = heap->blocks.held_bytes;
	cairn_gc_slab_fill_ahead(heap);
	uintptr_t ahead = (uintptr_t)heap->blocks.ahead->base;
	EXPECT_EQ(cairn_vm_resident_bytes((void *)ahead, CAIRN_GC_SLAB_BYTES), CAIRN_GC_SLAB_BYTES);
	cairn_gc_slab_fill_ahead(heap); /* one is there */
	EXPECT_EQ((uintptr_t)heap->blocks.ahead->base, ahead);
	EXPECT(heap->blocks.held_bytes == held && !cairn_gc_blocks_want_ahead(heap, SIZE_MAX));
	EXPECT_EQ((uintptr_t)cairn_gc_slab_of(cairn_gc_blocks_take(heap, SIZE_MAX)), ahead);
	EXPECT(!heap->blocks.ahead);
	cairn_gc_slab_fill_ahead(heap);
	EXPECT(heap->blocks.ahead != NULL);
	cairn_gc_blocks_purge(heap, 0);
	EXPECT(!heap->blocks.ahead); /* nor is it kept */
	cairn_gc_blocks_validate(heap);
	cairn_gc_slab_fill_ahead(heap);
	close_heap();
}

/* Of the last slab one block stays in use and one was; the other 26 were never. */
static void purge_a_huge_slab(void *unused)
{
	(void)unused;
	open_where_huge_is_cheap();
	fill_slabs(PLAIN);
	cairn_gc_block *stays = cairn_gc_blocks_take(heap, SIZE_MAX), *goes = cairn_gc_blocks_take(heap, SIZE_MAX);
	cairn_gc_slab *slab = cairn_gc_slab_of(stays);
	REQUIRE(cairn_gc_slab_of(goes) == slab);
	memset(cairn_gc_block_start(stays), 7, CAIRN_GC_BLOCK_BYTES);
	EXPECT_EQ(cairn_vm_resident_bytes(slab, CAIRN_GC_SLAB_BYTES), CAIRN_GC_SLAB_BYTES);
	cairn_gc_blocks_give(heap, goes);
	cairn_gc_blocks_purge(heap, 0);
	EXPECT(!cairn_window_chunk(cairn_window_of((uintptr_t)slab), (uintptr_t)slab)->is_huge);
	char *first = (char *)slab + CAIRN_GC_FIRST_BLOCK * CAIRN_GC_BLOCK_BYTES;
	size_t usable = USABLE * CAIRN_GC_BLOCK_BYTES;
	EXPECT_EQ(cairn_vm_resident_bytes(first, usable), CAIRN_GC_BLOCK_BYTES);
	EXPECT_EQ(cairn_gc_block_start(stays)[CAIRN_GC_BLOCK_BYTES - 1], 7);
	/* of the room for records what is about blocks never goes: the first 32 KiB, of which one page is used */
	size_t records = CAIRN_GC_FIRST_BLOCK * CAIRN_GC_META_BYTES;
	if (CAIRN_GC_META_BYTES % cairn_vm_page_bytes() == 0)
		EXPECT_EQ(cairn_vm_resident_bytes(slab, (size_t)(first - (char *)slab)), records + CAIRN_GC_META_BYTES);
	memset(cairn_gc_block_start(stays), 0, CAIRN_GC_BLOCK_BYTES);
	cairn_gc_blocks_validate(heap); /* GB3, GB6: what was purged reads zero */
	close_heap();
}

static bool huge_pages_are_never_given(void)
{
	char text[64] = "";
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	return !n || strstr(text, "[never]");
}

#define HUGE_CASE(sentence, body)                                                                                      \
	static void sentence(void)                                                                                     \
	{                                                                                                              \
		if (cairn_vm_page_bytes() > CAIRN_GRANULE_BYTES)                                                       \
			SKIP("no huge page is asked for where OS pages are as large");                                 \
		in_a_child(body, NULL);                                                                                \
	}
HUGE_CASE(a_heap_of_sixteen_mib_asks_for_huge_pages_for_further_slabs, fill_sixteen_mib_and_more)
HUGE_CASE(a_slab_for_a_large_object_stays_plain, fill_with_large_objects)
HUGE_CASE(after_a_dear_trial_slabs_are_plain, fill_where_huge_is_dear)

static void a_mutator_fills_a_slab_ahead_of_need(void)
{
	if (huge_pages_are_never_given() || is_emulated())
		SKIP("the kernel gives no huge pages here");
	in_a_child(fill_ahead_of_need, NULL);
}

static void a_purge_of_empty_blocks_takes_the_huge_page_back(void)
{
	if (huge_pages_are_never_given() || is_emulated())
		SKIP("the kernel gives no huge pages here");
	in_a_child(purge_a_huge_slab, NULL);
}

int main(void)
{
	/* first: what was freed before would not read zero, and no huge page is asked for */
	RUN(a_heap_of_sixteen_mib_asks_for_huge_pages_for_further_slabs);
	RUN(a_slab_for_a_large_object_stays_plain);
	RUN(after_a_dear_trial_slabs_are_plain);
	RUN(a_mutator_fills_a_slab_ahead_of_need);
	RUN(a_purge_of_empty_blocks_takes_the_huge_page_back);
	RUN(sums_of_kinds_are_kept_by_taking_and_giving);
	RUN(what_a_large_object_does_not_fill_is_cut);
	RUN(a_row_is_found_where_it_is_whatever_was_searched_before);
	RUN(nothing_is_taken_past_most);
	RUN(a_block_is_walked_from_cell_to_cell);
	RUN(what_lay_in_a_hole_that_was_left_is_no_object);
	if (CAN_ASSERT)
		RUN(a_cell_that_ends_behind_its_hole_is_noticed);
	RUN(an_address_leads_to_the_object_it_lies_in);
	RUN(sets_of_grains_say_what_each_byte_says);
	RUN(cells_are_sets_of_grains_whatever_step_they_end_in);
	RUN(holes_are_what_no_live_cell_covers);
	RUN(what_is_allocated_reads_zero_whatever_lay_there);
	RUN(a_type_is_registered_once);
	RUN(the_newest_object_is_resized_in_place_and_freed);
	RUN(a_hole_is_read_right_while_the_object_before_it_is_shortened);
	DONE();
}
