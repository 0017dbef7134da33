/* Old blocks that are taken with the young, within a pause goal. Cases cite gc/mixed.h. */
#include "support/gcyoung.h"

enum { MANY = 60000, ONE_OF = 10, SLOT_MANY = 0, SLOT_SPARE = 1 };

static box *many_at(size_t i) { return cairn_gc_get(m, (slots *)held_at(SLOT_MANY), item[i]); }

static void collect_all(void)
{
	heap->young.wants_all = true;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(!heap->young.is_minor);
	heap->young.wants_all = false;
}

/* A large array refers to one box in so many; each of those refers to the one behind it, strongly and weakly. */
static void make_many(void)
{
	hold(SLOT_MANY, cairn_gc_new_array(m, slots, MANY));
	box *last = NULL;
	for (size_t i = 0; i < MANY; i++) {
		box *b = new_box(i);
		if (i % ONE_OF)
			continue;
		cairn_gc_set(m, b, strong, last);
		cairn_gc_set(m, b, weak, last);
		cairn_gc_set(m, (slots *)held_at(SLOT_MANY), item[i], last = b);
	}
}

/* Their blocks are sparse, and chosen. */
static void begin_mixed(unsigned goal)
{
	begin((cairn_gc_config){ .pause_goal_ms = goal, .min = (size_t)4 << 20 });
	make_many();
	collect_all();
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
}

static size_t wrong_of_many(void)
{
	size_t wrong = 0;
	for (size_t i = 0; i < MANY; i += ONE_OF) {
		box *b = many_at(i), *before = i ? many_at(i - ONE_OF) : NULL;
		wrong += !b || b->id != i || cairn_gc_get(m, b, strong) != before || cairn_gc_get(m, b, weak) != before;
	}
	return wrong;
}

static void walk_all(void)
{
	for (unsigned i = 0; heap->mixed.is_walking && i < 100; i++)
		collect_the_young();
	EXPECT(!heap->mixed.is_walking && heap->mixed.taken == 0 && heap->mixed.groups > 1);
}

static void take_all(void)
{
	for (unsigned i = 0; cairn_gc_mixed_is_pending(heap) && i < 100; i++)
		collect_the_young();
	EXPECT(!cairn_gc_mixed_is_pending(heap));
}

static unsigned group_of(const void *object) { return cairn_gc_block_of(object)->group; }

static size_t first_of_last_group(void)
{
	size_t i = 0;
	while (i + ONE_OF < MANY && group_of(many_at(i)) != heap->mixed.groups)
		i += ONE_OF;
	EXPECT_EQ(group_of(many_at(i)), heap->mixed.groups);
	return i;
}

static void with_a_goal_nothing_sparse_moves_in_the_stop(void)
{
	for (unsigned goal = 0; goal < 4; goal += 2) {
		begin((cairn_gc_config){ .pause_goal_ms = goal, .min = (size_t)4 << 20 });
		make_many();
		heap->young.pace.pays = true; /* without a goal: else holes would do */
		size_t moved = heap->looks.stats.moved_objects;
		collect_all();
		moved = heap->looks.stats.moved_objects - moved;
		EXPECT(goal ? moved == 0 : moved >= MANY / ONE_OF / 2);
		EXPECT(goal ? heap->mixed.groups > 1 : heap->mixed.groups == 0);
		dead_close();
	}
}

/* GMX1, GMX2, by the verifier. */
static void groups_are_taken_one_by_one_until_none_is_left(void)
{
	begin_mixed(2);
	size_t blocks = heap->blocks.cells_count, live = live_objects();
	walk_all();
	unsigned groups = heap->mixed.groups;
	for (unsigned group = 1; group <= groups; group++) {
		size_t moved = heap->looks.stats.moved_objects;
		collect_the_young();
		EXPECT_EQ(heap->mixed.taken, group);
		EXPECT(heap->looks.stats.moved_objects > moved);
	}
	EXPECT_EQ(wrong_of_many(), 0);
	EXPECT_EQ(live_objects(), live);
	EXPECT(heap->blocks.cells_count < blocks / 2);
	const cairn_gc_young_stats *s = &heap->looks.stats.young;
	EXPECT(s->mixed_blocks > blocks / 2 && s->mixed_bytes >= MANY / ONE_OF * (sizeof(box) + 8) / 2);
	collect_all();
	EXPECT_EQ(heap->looks.stats.live_objects, live);
	dead_close();
}

/* The sums, too: what it was counts no more. */
static void what_has_died_since_goes_with_its_block(void)
{
	begin_mixed(2);
	walk_all();
	size_t live = live_objects(), gone = 0;
	for (size_t i = 0; i < MANY; i += ONE_OF) {
		cairn_gc_set(m, many_at(i), strong, NULL);
		gone += i % 3 != 0;
	}
	for (size_t i = 0; i < MANY; i += ONE_OF)
		if (i % 3)
			cairn_gc_set(m, (slots *)held_at(SLOT_MANY), item[i], NULL);
	take_all();
	EXPECT(live_objects() <= live - gone / 2); /* but for what was not chosen, and what a dead one kept */
	size_t cleared = 0;
	for (size_t i = ONE_OF; i < MANY; i += ONE_OF)
		cleared += many_at(i) && !cairn_gc_get(m, many_at(i), weak);
	EXPECT(cleared > gone / 4);
	collect_all();
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

/* By a store into the old, and by what is young when its group is taken; and the object was stored into itself. */
static void what_is_stored_before_it_is_taken_is_known(void)
{
	begin_mixed(2);
	hold(SLOT_SPARE, new_box(1));
	walk_all();
	size_t last = first_of_last_group();
	cairn_gc_set(m, (box *)held_at(SLOT_SPARE), strong, many_at(last)); /* it is old now */
	cairn_gc_set(m, (slots *)held_at(SLOT_MANY), item[1], many_at(last));
	cairn_gc_set(m, many_at(last), weak, held_at(SLOT_SPARE));
	take_all();
	EXPECT(cairn_gc_get(m, (box *)held_at(SLOT_SPARE), strong) == many_at(last) && many_at(1) == many_at(last));
	EXPECT(many_at(last)->id == last && group_of(many_at(last)) == 0);
	EXPECT(cairn_gc_get(m, many_at(last), weak) == held_at(SLOT_SPARE) && is_watched(many_at(last)));
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

static void what_becomes_old_meanwhile_is_a_holder(void)
{
	begin_mixed(2);
	walk_all();
	size_t last = first_of_last_group();
	box *b = new_box(1);
	cairn_gc_set(m, b, strong, many_at(last));
	hold(SLOT_SPARE, b);
	collect_the_young();
	EXPECT(!is_young(held_at(SLOT_SPARE)) && cairn_gc_mixed_is_pending(heap));
	take_all();
	EXPECT(cairn_gc_get(m, (box *)held_at(SLOT_SPARE), strong) == many_at(last));
	EXPECT_EQ(wrong_of_many(), 0);
	dead_close();
}

static void so_it_is_where_it_refers_weakly(void)
{
	begin_mixed(2);
	walk_all();
	size_t last = first_of_last_group();
	box *b = new_box(1);
	cairn_gc_set(m, b, weak, many_at(last));
	hold(SLOT_SPARE, b);
	collect_the_young();
	EXPECT(!is_young(held_at(SLOT_SPARE)) && cairn_gc_mixed_is_pending(heap));
	take_all();
	EXPECT(cairn_gc_get(m, (box *)held_at(SLOT_SPARE), weak) == many_at(last));
	EXPECT_EQ(wrong_of_many(), 0);
	dead_close();
}

/* Its memory is whoever's then. */
static void a_holder_may_be_freed_by_hand(void)
{
	begin_mixed(2);
	for (size_t i = 2; i < SLOTS; i++) {
		hold(i, new_box(i));
		cairn_gc_set(m, (box *)held_at(i), strong, many_at(i * ONE_OF));
	}
	collect_the_young();
	walk_all();
	for (size_t i = 2; i < SLOTS; i++) {
		box *b = held_at(i);
		hold(i, NULL);
		cairn_gc_free(m, b);
	}
	void *large = held_at(SLOT_MANY);
	hold(SLOT_MANY, NULL);
	cairn_gc_free(m, large);
	hold(SLOT_MANY, cairn_gc_new_array(m, slots, MANY));
	take_all();
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	collect_all();
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

static void what_is_pinned_stays_and_is_old_again(void)
{
	begin_mixed(2);
	walk_all();
	size_t last = first_of_last_group();
	box *there = many_at(last);
	cairn_gc_pin(m, there);
	take_all();
	EXPECT(many_at(last) == there && !is_young(there) && is_watched(there) && group_of(there) == 0);
	EXPECT_EQ(wrong_of_many(), 0);
	cairn_gc_unpin(m, there);
	dead_close();
}

static void a_table_leads_to_what_has_moved(void)
{
	begin_mixed(2);
	cairn_gc_table *t = cairn_gc_table_new(heap);
	walk_all();
	for (size_t i = ONE_OF; i < MANY; i += 7 * ONE_OF)
		EXPECT(cairn_gc_table_put(m, t, many_at(i), many_at(i - ONE_OF)));
	take_all();
	for (size_t i = ONE_OF; i < MANY; i += 7 * ONE_OF)
		EXPECT(cairn_gc_table_get(m, t, many_at(i)) == many_at(i - ONE_OF));
	EXPECT_EQ(wrong_of_many(), 0);
	cairn_gc_table_free(t);
	dead_close();
}

/* Then there was no room for it to be done in time, and the next one of all compacts in its stop. */
static void the_next_one_of_all_ends_it(void)
{
	begin_mixed(2);
	walk_all();
	collect_the_young();
	EXPECT(cairn_gc_mixed_is_pending(heap));
	for (size_t i = 0; i < MANY; i += ONE_OF)
		if (i % 100)
			cairn_gc_set(m, (slots *)held_at(SLOT_MANY), item[i], NULL);
	size_t moved = heap->looks.stats.moved_objects;
	collect_all();
	EXPECT(heap->mixed.is_cut && heap->mixed.groups == 0 && heap->looks.stats.moved_objects > moved);
	CAIRN_GC_EACH_BLOCK (b, &heap->blocks)
		EXPECT_EQ(b->group, 0);
	collect_all();
	EXPECT(!heap->mixed.is_cut);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

static void where_a_holder_is_missing_all_stay(void)
{
	begin_mixed(2);
	walk_all();
	heap->mixed.is_short = true;
	size_t moved = heap->looks.stats.moved_objects;
	collect_the_young();
	EXPECT(heap->looks.stats.moved_objects == moved && !cairn_gc_mixed_is_pending(heap));
	EXPECT_EQ(group_of(many_at(0)), 0);
	EXPECT_EQ(wrong_of_many(), 0);
	dead_close();
}

int main(void)
{
	RUN(with_a_goal_nothing_sparse_moves_in_the_stop);
	RUN(groups_are_taken_one_by_one_until_none_is_left);
	RUN(what_has_died_since_goes_with_its_block);
	RUN(what_is_stored_before_it_is_taken_is_known);
	RUN(what_becomes_old_meanwhile_is_a_holder);
	RUN(so_it_is_where_it_refers_weakly);
	RUN(a_holder_may_be_freed_by_hand);
	RUN(what_is_pinned_stays_and_is_old_again);
	RUN(a_table_leads_to_what_has_moved);
	RUN(the_next_one_of_all_ends_it);
	RUN(where_a_holder_is_missing_all_stay);
	DONE();
}
