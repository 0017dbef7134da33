/* What was made last is left young by a collection, read, and collected by the next one: aging by time. Cases cite
 * gc/young.h. */
#include "support/gcyoung.h"

enum { MANY = 40000, SLOT_LATE = 1 };

/* Of what is made a block is left young. */
static void begin_aging(void)
{
	begin((cairn_gc_config){ 0 });
	heap->young.recent_each = CAIRN_GC_BLOCK_BYTES;
}

static void make_garbage(void)
{
	for (size_t i = 0; i < MANY; i++)
		new_box(i);
}

static box *strong_of(box *b) { return cairn_gc_get(m, b, strong); }
static box *weak_of(box *b) { return cairn_gc_get(m, b, weak); }

static void what_was_made_last_stays_young_once(void)
{
	begin_aging();
	box *early = new_box(1);
	hold(0, early);
	make_garbage();
	box *late = new_box(2);
	hold(SLOT_LATE, late);
	uint64_t aged = heap->looks.stats.young.aged_bytes, kept = heap->looks.stats.young.recent_bytes;
	collect_the_young();
	EXPECT(held_at(0) != early && !is_young(held_at(0)) && is_watched(held_at(0)));
	EXPECT(held_at(SLOT_LATE) == late && is_young(late) && !is_watched(late) && late->id == 2);
	kept = heap->looks.stats.young.recent_bytes - kept;
	EXPECT(kept > 0 && kept <= CAIRN_GC_BLOCK_BYTES);
	EXPECT_EQ(heap->looks.stats.young.aged_bytes - aged, 0);
	collect_the_young();
	late = held_at(SLOT_LATE);
	EXPECT(!is_young(late) && is_watched(late) && late->id == 2);
	EXPECT(heap->looks.stats.young.aged_bytes - aged == sizeof(box) + CAIRN_GC_HEADER_BYTES);
	dead_close();
}

/* A root leads to it: it has neither a colour nor WATCHED for that. */
static void a_root_does_not_make_it_old(void)
{
	static cairn_ref(box) root;
	begin_aging();
	EXPECT(cairn_gc_root_add(heap, &root));
	make_garbage();
	cairn_gc_root_set(m, &root, new_box(2));
	box *late = cairn_gc_root_get(m, &root);
	collect_the_young();
	EXPECT(cairn_gc_root_get(m, &root) == late && is_young(late) && !is_watched(late));
	EXPECT_EQ(*cairn_gc_byte_of(late) & CAIRN_GC_COLOUR, 0);
	collect_the_young();
	EXPECT(!is_young(cairn_gc_root_get(m, &root)));
	cairn_gc_root_set(m, &root, NULL);
	cairn_gc_root_remove(heap, &root);
	dead_close();
}

static void nothing_is_left_young_twice(void)
{
	begin_aging();
	heap->young.recent_each = 16 * CAIRN_GC_BLOCK_BYTES;
	for (size_t i = 0; i < 8; i++)
		make_garbage();
	hold(SLOT_LATE, new_box(2));
	collect_the_young();
	EXPECT(is_young(held_at(SLOT_LATE)));
	collect_the_young();
	EXPECT(!is_young(held_at(SLOT_LATE)) && cairn_list_is_empty(&heap->blocks.fresh));
	dead_close();
}

/* GYO1, GYO2: by what has moved, by what was old already, by one that is pinned. */
static void who_is_old_and_refers_to_it_is_written_down(void)
{
	begin_aging();
	hold(2, new_box(3));
	collect_the_young();
	box *old = held_at(2), *moves = new_box(4), *pinned = new_box(5);
	hold(3, moves);
	hold(4, pinned);
	EXPECT(cairn_gc_pin(m, pinned));
	make_garbage();
	cairn_gc_set(m, old, strong, new_box(30));
	cairn_gc_set(m, moves, strong, new_box(40));
	cairn_gc_set(m, pinned, strong, new_box(50));
	collect_the_young();
	moves = held_at(3);
	EXPECT(!is_young(moves) && !is_young(pinned) && held_at(4) == pinned);
	EXPECT(is_young(strong_of(old)) && is_young(strong_of(moves)) && is_young(strong_of(pinned)));
	EXPECT(!is_watched(old) && !is_watched(moves) && !is_watched(pinned));
	cairn_gc_unpin(m, pinned);
	collect_the_young();
	EXPECT(strong_of(old)->id == 30 && strong_of(moves)->id == 40 && strong_of(pinned)->id == 50);
	EXPECT(!is_young(strong_of(old)) && !is_young(strong_of(moves)) && !is_young(strong_of(pinned)));
	EXPECT(is_watched(old) && is_watched(moves) && is_watched(pinned));
	dead_close();
}

/* GYO3. */
static void so_are_the_cards_of_large_ones(void)
{
	enum { LARGE = 100000 };
	begin_aging();
	hold(2, cairn_gc_new_array(m, slots, LARGE));
	collect_the_young();
	slots *old = held_at(2), *young = cairn_gc_new_array(m, slots, LARGE);
	hold(3, young);
	make_garbage();
	for (size_t i = 0; i < LARGE; i += 7919) {
		cairn_gc_set(m, old, item[i], new_box(i));
		cairn_gc_set(m, young, item[i], new_box(i + 1));
	}
	for (unsigned round = 0; round < 2; round++) {
		collect_the_young();
		size_t wrong = 0;
		for (size_t i = 0; i < LARGE; i += 7919) {
			box *of_old = cairn_gc_get(m, old, item[i]), *of_young = cairn_gc_get(m, young, item[i]);
			wrong += of_old->id != i || of_young->id != i + 1;
			wrong += is_young(of_old) != !round || is_young(of_young) != !round;
		}
		EXPECT_EQ(wrong, 0);
	}
	dead_close();
}

static void what_it_refers_to_lives(void)
{
	begin_aging();
	box *early = new_box(6), *dies = new_box(7);
	hold(2, early);
	hold(3, dies);
	make_garbage();
	box *late = new_box(60);
	cairn_gc_set(m, late, strong, held_at(2));
	cairn_gc_set(m, late, weak, held_at(3));
	hold(SLOT_LATE, late);
	hold(2, NULL);
	hold(3, NULL);
	collect_the_young();
	EXPECT(held_at(SLOT_LATE) == late && is_young(late));
	EXPECT(strong_of(late) != early && strong_of(late)->id == 6 && !is_young(strong_of(late)));
	EXPECT(weak_of(late) == NULL);
	collect_the_young();
	EXPECT_EQ(strong_of(held_at(SLOT_LATE))->id, 6);
	dead_close();
}

static void a_weak_reference_to_it_waits_for_the_next_one(void)
{
	begin_aging();
	box *to_lives = new_box(8), *to_dies = new_box(9);
	hold(2, to_lives);
	hold(3, to_dies);
	make_garbage();
	hold(SLOT_LATE, new_box(80));
	cairn_gc_set(m, to_lives, weak, held_at(SLOT_LATE));
	cairn_gc_set(m, to_dies, weak, new_box(90));
	collect_the_young();
	EXPECT(weak_of(held_at(2)) == held_at(SLOT_LATE) && is_young(held_at(SLOT_LATE)));
	EXPECT(weak_of(held_at(3)) && weak_of(held_at(3))->id == 90);
	collect_the_young();
	EXPECT(weak_of(held_at(2)) == held_at(SLOT_LATE) && !is_young(held_at(SLOT_LATE)));
	EXPECT(weak_of(held_at(3)) == NULL);
	dead_close();
}

static void entries_of_tables_follow_it(void)
{
	begin_aging();
	cairn_gc_table *t = cairn_gc_table_new(heap);
	hold(2, new_box(1));
	make_garbage();
	hold(SLOT_LATE, new_box(2));
	EXPECT(cairn_gc_table_put(m, t, held_at(2), new_box(10))); /* a value that is kept, of a key that is not */
	EXPECT(cairn_gc_table_put(m, t, held_at(SLOT_LATE), held_at(2)));
	EXPECT(cairn_gc_table_put(m, t, new_box(3), held_at(2))); /* its key is dead by the next one */
	for (unsigned round = 0; round < 2; round++) {
		collect_the_young();
		EXPECT_EQ(((box *)cairn_gc_table_get(m, t, held_at(2)))->id, 10);
		EXPECT(cairn_gc_table_get(m, t, held_at(SLOT_LATE)) == held_at(2));
		EXPECT_EQ(cairn_gc_table_count(t), round ? 2 : 3);
	}
	cairn_gc_table_free(t);
	dead_close();
}

static void a_collection_of_all_takes_it_too(void)
{
	begin_aging();
	make_garbage();
	hold(SLOT_LATE, new_box(2));
	collect_the_young();
	EXPECT(is_young(held_at(SLOT_LATE)));
	hold(SLOT_LATE, NULL);
	cairn_gc_collect(m);
	EXPECT(cairn_list_is_empty(&heap->blocks.fresh));
	EXPECT_EQ(live_objects(), 1);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

int main(void)
{
	RUN(what_was_made_last_stays_young_once);
	RUN(a_root_does_not_make_it_old);
	RUN(nothing_is_left_young_twice);
	RUN(who_is_old_and_refers_to_it_is_written_down);
	RUN(so_are_the_cards_of_large_ones);
	RUN(what_it_refers_to_lives);
	RUN(a_weak_reference_to_it_waits_for_the_next_one);
	RUN(entries_of_tables_follow_it);
	RUN(a_collection_of_all_takes_it_too);
	DONE();
}
