/* Collecting the young alone. Cases cite gc/young.h. */
#include "support/gcyoung.h"

#include "page/pageheap.h"

static box *old_box(size_t slot, uint64_t id)
{
	hold(slot, new_box(id));
	collect_the_young();
	box *b = held_at(slot);
	EXPECT(!is_young(b) && is_watched(b) && b->id == id);
	return b;
}

static void what_lives_becomes_old_and_what_does_not_goes(void)
{
	begin((cairn_gc_config){ 0 });
	for (size_t i = 0; i < 1000; i++) {
		box *b = new_box(i);
		EXPECT(is_young(b) && !is_watched(b));
		if (i % 20 == 0)
			hold(i / 20, b);
	}
	size_t moved = heap->looks.stats.moved_objects;
	collect_the_young();
	EXPECT_EQ(heap->looks.stats.moved_objects - moved, 50);
	for (size_t i = 0; i < 50; i++) {
		box *b = held_at(i);
		EXPECT(b->id == i * 20 && !is_young(b) && is_watched(b));
	}
	dead_close();
}

static void what_is_old_is_not_looked_at_again(void)
{
	enum { MANY = 20000 };
	begin((cairn_gc_config){ 0 });
	box *last = NULL;
	for (size_t i = 0; i < MANY; i++) {
		box *b = new_box(i);
		cairn_gc_set(m, b, strong, last);
		hold(0, last = b);
	}
	collect_the_young();
	box *first = held_at(0);
	new_box(0);
	collect_the_young();
	EXPECT_EQ(heap->tracing.worker[0].live_objects + heap->tracing.worker[0].moved_objects, 0);
	EXPECT(held_at(0) == first);
	EXPECT(live_objects() >= MANY);
	dead_close();
}

/* By each way to store a reference; GYO2. */
static void what_is_stored_into_the_old_lives(void)
{
	begin((cairn_gc_config){ 0 });
	box *set = old_box(0, 0), *swapped = old_box(1, 1), *compared = old_box(2, 2);
	for (unsigned round = 0; round < 3; round++) { /* told once more after each collection */
		cairn_gc_set(m, set, strong, new_box(100 + round));
		EXPECT(!is_watched(set));
		cairn_gc_swap(m, swapped, strong, new_box(200 + round));
		box *now = cairn_gc_get(m, compared, strong);
		EXPECT(cairn_gc_cas(m, compared, strong, now, new_box(300 + round)));
		slots *s = held_at(3), *from = cairn_gc_new_array(m, slots, 4);
		if (!s)
			hold(3, s = cairn_gc_new_array(m, slots, 4));
		for (size_t i = 0; i < 4; i++)
			cairn_gc_set(m, from, item[i], new_box(400 + round + i));
		cairn_gc_copy(m, s, &s->item[0], &from->item[0], 4);
		collect_the_young();
		EXPECT(is_watched(set) && held_at(0) == set);
		EXPECT_EQ(((box *)cairn_gc_get(m, set, strong))->id, 100 + round);
		EXPECT_EQ(((box *)cairn_gc_get(m, swapped, strong))->id, 200 + round);
		EXPECT_EQ(((box *)cairn_gc_get(m, compared, strong))->id, 300 + round);
		for (size_t i = 0; i < 4; i++)
			EXPECT_EQ(((box *)cairn_gc_get(m, (slots *)held_at(3), item[i]))->id, 400 + round + i);
	}
	dead_close();
}

static void a_large_object_is_young_and_then_old(void)
{
	enum { MANY = 100000 };
	begin((cairn_gc_config){ 0 });
	hold(0, cairn_gc_new_array(m, slots, MANY));
	slots *large = held_at(0);
	EXPECT(is_young(large));
	cairn_gc_set(m, large, item[MANY - 1], new_box(1));
	collect_the_young();
	EXPECT(!is_young(large) && is_watched(large) && held_at(0) == large);
	cairn_gc_set(m, large, item[MANY / 2], new_box(2));
	cairn_gc_new_array(m, slots, MANY);
	size_t blocks = heap->blocks.large_blocks + heap->blocks.huge_bytes;
	collect_the_young();
	EXPECT(heap->blocks.large_blocks + heap->blocks.huge_bytes < blocks);
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[MANY - 1]))->id, 1);
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[MANY / 2]))->id, 2);
	cairn_gc_set(m, large, item[0], new_box(3));
	hold(0, NULL);
	cairn_gc_free(m, large); /* it is written down */
	hold(1, cairn_gc_new_bytes(m, MANY * 8));
	memset(held_at(1), 0xff, MANY * 8);
	collect_the_young();
	dead_close();
}

static void what_is_pinned_is_old_where_it_is(void)
{
	begin((cairn_gc_config){ 0 });
	box *b = new_box(7);
	EXPECT(cairn_gc_pin(m, b));
	collect_the_young();
	EXPECT(!is_young(b) && is_watched(b) && b->id == 7);
	cairn_gc_set(m, b, strong, new_box(8));
	hold(0, b);
	cairn_gc_unpin(m, b);
	collect_the_young();
	EXPECT(held_at(0) == b);
	EXPECT_EQ(((box *)cairn_gc_get(m, b, strong))->id, 8);
	cairn_gc_collect(m);
	EXPECT_EQ(((box *)cairn_gc_get(m, (box *)held_at(0), strong))->id, 8);
	dead_close();
}

static void an_old_weak_field_follows_the_young_and_reads_null_when_it_is_gone(void)
{
	begin((cairn_gc_config){ 0 });
	box *stays = old_box(0, 0), *goes = old_box(1, 1);
	hold(2, new_box(5));
	cairn_gc_set(m, stays, weak, held_at(2));
	cairn_gc_set(m, goes, weak, new_box(6));
	collect_the_young();
	EXPECT(cairn_gc_get(m, stays, weak) == held_at(2));
	EXPECT(cairn_gc_get(m, goes, weak) == NULL);
	dead_close();
}

static void entries_of_tables_follow_the_young(void)
{
	begin((cairn_gc_config){ 0 });
	cairn_gc_table *t = cairn_gc_table_new(heap);
	box *key = old_box(0, 0);
	EXPECT(cairn_gc_table_put(m, t, key, new_box(1))); /* an old key, a young value */
	hold(1, new_box(2));
	EXPECT(cairn_gc_table_put(m, t, held_at(1), key)); /* a young key */
	EXPECT(cairn_gc_table_put(m, t, new_box(3), new_box(4)));
	collect_the_young();
	EXPECT_EQ(((box *)cairn_gc_table_get(m, t, key))->id, 1);
	EXPECT(cairn_gc_table_get(m, t, held_at(1)) == key);
	EXPECT_EQ(cairn_gc_table_count(t), 2);
	cairn_gc_table_free(t);
	dead_close();
}

static void a_hash_stays_when_its_object_becomes_old(void)
{
	begin((cairn_gc_config){ 0 });
	hold(0, new_box(0));
	uint64_t hash = cairn_gc_hash(m, held_at(0));
	collect_the_young();
	EXPECT(cairn_gc_hash(m, held_at(0)) == hash && is_watched(held_at(0)));
	cairn_gc_collect(m);
	EXPECT(cairn_gc_hash(m, held_at(0)) == hash);
	dead_close();
}

static void what_cannot_be_written_down_makes_the_next_one_of_all(void)
{
	begin((cairn_gc_config){ 0 });
	box *b = old_box(0, 0);
	heap->young.is_short = true; /* as where there was no memory */
	cairn_gc_set(m, b, strong, new_box(1));
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(!heap->young.is_minor && !heap->young.is_short);
	EXPECT(is_watched(held_at(0)));
	EXPECT_EQ(((box *)cairn_gc_get(m, (box *)held_at(0), strong))->id, 1);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

/* GYO1, as the verifier tells it. */
static void a_store_that_was_not_told_is_found(void)
{
	begin((cairn_gc_config){ 0 });
	box *b = old_box(0, 0);
	b->strong.cairn_gc_word = (uintptr_t)new_box(1);
	FILE *nowhere = fopen("/dev/null", "w");
	EXPECT_EQ(cairn_gc_verify(m, nowhere), 1);
	fclose(nowhere);
	b->strong.cairn_gc_word = 0;
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

/* With a pause goal, so that what pays, which is a matter of time, does not count. */
static void when_little_room_is_left_all_are_collected(void)
{
	enum { TIMES = 400 };
	unsigned all = 0, young = 0, wrong = 0;
	begin((cairn_gc_config){ .max = (size_t)32 << 20, .pause_goal_ms = 10000 });
	uint64_t last = heap->collection;
	bool wants_all = heap->young.wants_all;
	for (size_t i = 0; young + all < TIMES; i++) {
		hold(i % SLOTS, cairn_gc_new_bytes(m, 10000));
		if (heap->collection == last)
			continue;
		wrong += heap->young.is_minor ? wants_all : !wants_all && heap->cause == CAIRN_GC_CAUSE_FULL;
		wants_all = heap->young.wants_all;
		last = heap->collection;
		young += heap->young.is_minor;
		all += !heap->young.is_minor;
	}
	NOTE("%u of the young, %u of all", young, all);
	EXPECT(all > 0 && young > 2 * all);
	EXPECT_EQ(wrong, 0);
	EXPECT(heap->sizing.peak <= (size_t)32 << 20);
	dead_close();
}

typedef struct fixed {
	uint64_t id;
	cairn_ref(void) to;
} fixed;
CAIRN_GC_TYPE(fixed, .refs = CAIRN_GC_REFS(fixed, to), .flags = CAIRN_GC_PINNED);

/* What a collection of the young does when it can have no block for copies, and with types that never move. */
static void what_finds_no_room_is_old_where_it_is(void)
{
	for (unsigned workers = 1; workers <= 3; workers += 2) {
		begin((cairn_gc_config){ .workers = workers });
		void *before[SLOTS];
		for (size_t i = 0; i < SLOTS; i++) {
			fixed *f = cairn_gc_new(m, fixed);
			f->id = i;
			hold(i, i % 2 ? (void *)new_box(i) : f);
			for (unsigned dead = 0; dead < 100; dead++)
				new_box(dead);
			if (i % 2)
				cairn_gc_set(m, (box *)held_at(i), strong, new_box(1000 + i));
			else
				cairn_gc_set(m, f, to, new_box(1000 + i));
			before[i] = held_at(i);
		}
		size_t max = heap->sizing.max, moved = heap->looks.stats.moved_objects;
		heap->sizing.max = cairn_gc_held(heap); /* what a collection may take itself */
		for (cairn_gc_block *b; (b = cairn_gc_blocks_take_partial(heap));)
			b->is_owned = false; /* nor in holes */
		collect_the_young();
		heap->sizing.max = max;
		EXPECT_EQ(heap->looks.stats.moved_objects - moved, 0);
		for (unsigned round = 0; round < 3; round++) {
			for (size_t i = 0; i < SLOTS; i++) {
				uint64_t header = cairn_gc_header_of(held_at(i));
				EXPECT(held_at(i) == before[i] && ((box *)before[i])->id == i && !is_young(before[i]));
				EXPECT(header & CAIRN_GC_WATCHED && !(header & CAIRN_GC_STAYS));
				box *b = cairn_gc_get(m, (box *)before[i], strong);
				EXPECT(b->id == 1000 * (round + 1) + i && !is_young(b));
				cairn_gc_set(m, (box *)before[i], strong, new_box(1000 * (round + 2) + i));
			}
			collect_the_young();
		}
		dead_close();
	}
}

/* Many arrays refer to the same young objects, in one order: a worker that comes behind another finds what has moved,
 * is faster therefore, and so comes to be where that one is. */
static void what_several_workers_come_to_at_once_is_copied_once(void)
{
#ifdef __SANITIZE_THREAD__
	enum { ROUNDS = 10 };
#else
	enum { ROUNDS = 30 };
#endif
	enum { ARRAYS = 8, BOXES = 60000 }; /* more than one worker scans alone */
	begin((cairn_gc_config){ .workers = 4, .min = (size_t)256 << 20 });
	heap->tracing.alone = 2000;
	for (unsigned round = 0; round < ROUNDS; round++) {
		slots *s[ARRAYS];
		for (size_t k = 0; k < ARRAYS; k++)
			hold(k, s[k] = cairn_gc_new_array(m, slots, BOXES));
		for (size_t i = 0; i < BOXES; i++) {
			box *b = new_box(i);
			for (size_t k = 0; k < ARRAYS; k++)
				cairn_gc_set(m, s[k], item[i], b);
		}
		size_t moved = heap->looks.stats.moved_objects, wrong = 0;
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
		EXPECT(heap->young.is_minor);
		heap->young.wants_all = false;
		EXPECT_EQ(heap->looks.stats.moved_objects - moved, BOXES);
		for (size_t k = 0; k < ARRAYS; k++)
			for (size_t i = 0; i < BOXES; i++) {
				box *b = cairn_gc_get(m, s[k], item[i]);
				wrong += b->id != i || b != cairn_gc_get(m, s[0], item[i]);
			}
		EXPECT_EQ(wrong, 0);
	}
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

/* By compacting and by sliding: gc/pace.h asks for it. */
static void a_collection_of_all_counts_what_is_young(void)
{
	enum { MANY = 50000 };
	for (unsigned exact = 0; exact < 2; exact++) {
		begin((cairn_gc_config){ .exact_roots = exact, .min = (size_t)64 << 20 });
		for (size_t i = 0; i < MANY; i++)
			hold(i % SLOTS, new_box(i));
		cairn_gc_collect(m);
		EXPECT(heap->young.made_bytes >= MANY * sizeof(box));
		EXPECT(heap->young.lived_bytes >= SLOTS * sizeof(box));
		EXPECT(heap->young.lived_bytes < heap->young.made_bytes / 100);
		dead_close();
	}
}

/* Two objects in three live in each block: what lives of the young goes between them. */
static void copies_fill_the_holes_of_the_old(void)
{
	enum { MANY = 30000, AT_ONCE = 64 };
	begin((cairn_gc_config){ 0 });
	hold(0, cairn_gc_new_array(m, slots, MANY));
	for (size_t i = 0; i < MANY; i++)
		cairn_gc_set(m, (slots *)held_at(0), item[i], new_box(i));
	for (size_t i = 0; i < MANY; i += 3)
		cairn_gc_set(m, (slots *)held_at(0), item[i], NULL);
	heap->config.exact_roots = false; /* so that nothing slides: these are blocks that are not worth moving */
	cairn_gc_collect(m);
	heap->config.exact_roots = true;
	size_t blocks = heap->blocks.cells_count;
	for (size_t i = 0; i < MANY / 4; i += 3) { /* fewer than there are holes */
		heap->young.wants_all = false;
		cairn_gc_set(m, (slots *)held_at(0), item[i], new_box(i));
		for (size_t k = 0; k < AT_ONCE; k++)
			new_box(k);
		if (i % 999 == 0)
			collect_the_young();
	}
	collect_the_young();
	EXPECT_EQ(heap->blocks.cells_count, blocks);
	size_t wrong = 0;
	for (size_t i = 0; i < MANY; i++) {
		const box *b = cairn_gc_get(m, (slots *)held_at(0), item[i]);
		wrong += i % 3 || i < MANY / 4 ? !b || b->id != i || is_young(b) || !is_watched(b) : b != NULL;
	}
	EXPECT_EQ(wrong, 0);
	cairn_gc_collect(m);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

/* A heap whose mutators fill holes only must see, too, when that lives which they make, or it would collect all for
 * ever. */
static void what_is_made_in_holes_is_counted_too(void)
{
	enum { MANY = 40000 };
	begin((cairn_gc_config){ .min = (size_t)64 << 20 });
	heap->config.exact_roots = false;
	hold(0, cairn_gc_new_array(m, slots, MANY));
	for (size_t i = 0; i < MANY; i++) {
		box *b = new_box(i);
		if (i % 2)
			cairn_gc_set(m, (slots *)held_at(0), item[i], b);
	}
	heap->young.wants_all = true;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL); /* nothing moves */
	size_t blocks = heap->blocks.cells_count;
	for (unsigned lives = 0; lives < 2; lives++) {
		heap->young.wants_all = true;
		for (size_t i = 0; i < MANY / 4; i++) {
			box *b = new_box(i);
			if (lives)
				cairn_gc_set(m, (slots *)held_at(0), item[2 * i], b);
		}
		EXPECT(heap->blocks.cells_count <= blocks + 2); /* all went into holes */
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
		EXPECT(!heap->young.is_minor && heap->young.made_bytes >= MANY / 4 * sizeof(box));
		size_t lived = heap->young.lived_bytes;
		EXPECT(lives ? lived >= heap->young.made_bytes * 9 / 10 : lived < heap->young.made_bytes / 100);
	}
	heap->config.exact_roots = true;
	dead_close();
}

/* One box in ten lives, in each block; a collection of all because the heap is full. How many moved. */
static size_t moved_of_sparse(bool is_exact, bool pays, size_t min)
{
	enum { MANY = 40000 };
	begin((cairn_gc_config){ .min = (size_t)4 << 20 });
	hold(0, cairn_gc_new_array(m, slots, MANY));
	for (size_t i = 0; i < MANY; i++) {
		box *b = new_box(i);
		cairn_gc_set(m, (slots *)held_at(0), item[i], i % 10 ? NULL : b);
	}
	heap->config.exact_roots = is_exact;
	heap->config.min = min;
	heap->young.pace.pays = pays;
	heap->young.wants_all = true;
	size_t moved = heap->looks.stats.moved_objects;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(!heap->young.is_minor);
	moved = heap->looks.stats.moved_objects - moved;
	heap->config.exact_roots = true;
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
	return moved;
}

static void holes_are_left_to_mutators_where_the_young_do_not_pay(void)
{
	for (unsigned is_exact = 0; is_exact < 2; is_exact++) {
		EXPECT_EQ(moved_of_sparse(is_exact, false, (size_t)4 << 20), 0);
		EXPECT(moved_of_sparse(is_exact, true, (size_t)4 << 20) > 1000);
		EXPECT(moved_of_sparse(is_exact, false, 1) > 1000); /* it held more than twice what lives */
	}
}

enum { RETURNED = 64 << 20, REST_US = 600 * 1000, KEPT_DIRTY = 2 << 20 };

static void fill_and_let_go(void)
{
	hold(0, NULL);
	for (size_t bytes = 0; bytes < RETURNED; bytes += 56) {
		box *b = new_box(0);
		cairn_gc_init(m, b, strong, held_at(0));
		hold(0, b);
	}
	EXPECT(cairn_gc_held(heap) > RETURNED / 2);
	hold(0, NULL);
	usleep(REST_US); /* giving it back and having it again would take a tenth of that */
}

static void a_heap_that_malloc_never_helps_gives_its_memory_back(void)
{
	begin((cairn_gc_config){ .max = (size_t)256 << 20 });
	fill_and_let_go();
	cairn_gc_collect(m);
	EXPECT(cairn_pageheap_dirty_bytes() <= KEPT_DIRTY);
	fill_and_let_go();
	dead_close();
	EXPECT(cairn_pageheap_dirty_bytes() <= KEPT_DIRTY);
}

int main(void)
{
	RUN(a_collection_of_all_counts_what_is_young);
	RUN(what_lives_becomes_old_and_what_does_not_goes);
	RUN(what_is_old_is_not_looked_at_again);
	RUN(what_is_stored_into_the_old_lives);
	RUN(a_large_object_is_young_and_then_old);
	RUN(what_is_pinned_is_old_where_it_is);
	RUN(an_old_weak_field_follows_the_young_and_reads_null_when_it_is_gone);
	RUN(entries_of_tables_follow_the_young);
	RUN(a_hash_stays_when_its_object_becomes_old);
	RUN(what_cannot_be_written_down_makes_the_next_one_of_all);
	RUN(a_store_that_was_not_told_is_found);
	RUN(when_little_room_is_left_all_are_collected);
	RUN(what_finds_no_room_is_old_where_it_is);
	RUN(copies_fill_the_holes_of_the_old);
	RUN(what_is_made_in_holes_is_counted_too);
	RUN(holes_are_left_to_mutators_where_the_young_do_not_pay);
	RUN(a_heap_that_malloc_never_helps_gives_its_memory_back);
	RUN(what_several_workers_come_to_at_once_is_copied_once);
	DONE();
}
