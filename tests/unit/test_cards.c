/* Stores into large objects that are old: the cards that they set, and what a collection of the young finds by them.
 * Cases cite gc/young.h. */
#include "support/gcyoung.h"

#include <pthread.h>

enum { LARGE = 100000, HUGE = 2000000, IN_CARD = CAIRN_GC_CARD_BYTES / 8 };

static cairn_gc_block *block_of(const void *object) { return cairn_gc_block_of(object); }

/* An array that is old, LARGE, and referred to from `held`. */
static slots *old_array(size_t slot, size_t length)
{
	hold(slot, cairn_gc_new_array(m, slots, length));
	collect_the_young();
	slots *s = held_at(slot);
	EXPECT(block_of(s)->kind == CAIRN_GC_BLOCK_LARGE && !is_young(s) && is_watched(s) && !block_of(s)->card);
	return s;
}

static size_t cards_set(const void *object)
{
	size_t n = 0;
	for (size_t i = 0; i < block_of(object)->cards; i++)
		n += block_of(object)->card[i];
	return n;
}

static size_t written_down(void)
{
	size_t n = 0;
	for (const cairn_gc_chunk *c = heap->young.stored; c; c = c->next)
		n += c->count;
	return n;
}

/* Slot i of such an array lies behind its first word. */
static bool is_border(size_t i) { return (i + 1) % IN_CARD == 0 || (i + 1) % IN_CARD == IN_CARD - 1; }

static void borders_of_all_cards(size_t length)
{
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, length);
	for (unsigned round = 0; round < 2; round++) { /* cards are clear after each collection, and are set again */
		size_t stored = 0, wrong = 0, in_part = (length + 1) % IN_CARD;
		for (size_t i = 0; i < length; i++)
			if (is_border(i) || i == 0 || i == length - 1) {
				cairn_gc_set(m, large, item[i], new_box(round * length + i));
				stored++;
			}
		size_t cards = (length + IN_CARD) / IN_CARD;
		EXPECT_EQ(block_of(large)->cards, cards);
		EXPECT_EQ(cards_set(large), cards);
		size_t moved = heap->looks.stats.moved_objects;
		collect_the_young();
		EXPECT_EQ(heap->looks.stats.moved_objects - moved, stored);
		EXPECT_EQ(cards_set(large), 0);
		EXPECT(is_watched(large) && held_at(0) == large);
		for (size_t i = 0; i < length; i++) {
			box *b = cairn_gc_get(m, large, item[i]);
			bool is_one = is_border(i) || i == 0 || i == length - 1;
			wrong += is_one ? !b || is_young(b) || b->id != round * length + i : b != NULL;
		}
		EXPECT_EQ(wrong, 0);
		EXPECT(in_part != 0); /* the last card is a part of one */
	}
	dead_close();
}

static void the_first_and_the_last_slot_of_each_card_are_found(void)
{
	borders_of_all_cards(LARGE);
	borders_of_all_cards(HUGE);
}

static void one_slot_alone_is_found_wherever_it_lies(void)
{
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	for (size_t k = 0; k < 3 * IN_CARD; k++) {
		size_t at[] = { k, LARGE / 2 + k, LARGE - 1 - k };
		for (size_t i = 0; i < 3; i++) {
			cairn_gc_set(m, large, item[at[i]], new_box(at[i]));
			EXPECT_EQ(cards_set(large), 1);
			collect_the_young();
			box *b = cairn_gc_get(m, large, item[at[i]]);
			EXPECT(!is_young(b) && b->id == at[i]);
		}
	}
	dead_close();
}

/* Seen by references that nothing was told of: what is scanned finds them. */
static void cards_that_are_set_are_scanned_and_no_others(void)
{
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	size_t told = LARGE / 2 / IN_CARD * IN_CARD; /* the second slot of its card */
	uintptr_t untold[LARGE / IN_CARD] = { 0 };
	size_t cards = LARGE / IN_CARD, beside = 0;
	for (size_t i = 0; i < cards; i++)
		if (i * IN_CARD != told)
			large->item[i * IN_CARD].cairn_gc_word = untold[i] = (uintptr_t)new_box(i);
	cairn_gc_set(m, large, item[told], new_box(told));
	heap->young.wants_all = false;
	size_t moved = heap->looks.stats.moved_objects;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL); /* the verifier would tell of the others */
	EXPECT(heap->young.is_minor);
	EXPECT_EQ(heap->looks.stats.moved_objects - moved, 1);
	for (size_t i = 0; i < cards; i++)
		if (i * IN_CARD != told) {
			beside += large->item[i * IN_CARD].cairn_gc_word != untold[i];
			large->item[i * IN_CARD].cairn_gc_word = 0;
		}
	EXPECT_EQ(beside, 0);
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[told]))->id, told);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

static void a_card_is_written_down_once(void)
{
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	size_t before = written_down();
	for (size_t round = 0; round < 100; round++)
		for (size_t i = 0; i < 4 * IN_CARD - 1; i++) /* four cards: pad is in the first */
			cairn_gc_set(m, large, item[i], round % 2 ? NULL : new_box(i));
	EXPECT_EQ(written_down() - before, 4);
	EXPECT_EQ(cards_set(large), 4);
	collect_the_young();
	EXPECT_EQ(written_down(), 0);
	cairn_gc_set(m, large, item[0], new_box(7));
	EXPECT_EQ(written_down(), 1);
	EXPECT_EQ(cards_set(large), 1);
	collect_the_young();
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[0]))->id, 7);
	dead_close();
}

typedef struct rows {
	uint64_t pad;
	cairn_ref(void) first;
	struct {
		cairn_ref(void) a;
		uint64_t number;
		cairn_ref(void) b;
	} row[];
} rows;
CAIRN_GC_TYPE(rows, .refs = CAIRN_GC_REFS(rows, first), .tail_offset = offsetof(rows, row), .tail_stride = 24,
	.tail_refs = 5);

/* Of 24 bytes: an element begins in one card and ends in the next. */
static void elements_across_the_border_of_two_cards_are_found(void)
{
	begin((cairn_gc_config){ 0 });
	hold(0, cairn_gc_new_array(m, rows, LARGE));
	collect_the_young();
	rows *large = held_at(0);
	uint64_t seed = test_seed();
	for (unsigned round = 0; round < 20; round++) {
		size_t at = test_random(&seed) % (LARGE - 100), wrong = 0, stored = 0;
		uint64_t which_a = test_random(&seed), which_b = test_random(&seed);
		if (round == 0)
			at = 0, which_a = which_b = ~UINT64_C(0);
		if (round == 1)
			at = LARGE - 64, which_a = which_b = ~UINT64_C(0);
		if (round % 2)
			cairn_gc_set(m, large, first, new_box(round));
		for (size_t i = 0; i < 64; i++) {
			large->row[at + i].number = UINT64_MAX - i; /* no reference */
			cairn_gc_set(m, large, row[at + i].a, which_a >> i & 1 ? new_box(2 * i) : NULL);
			cairn_gc_set(m, large, row[at + i].b, which_b >> i & 1 ? new_box(2 * i + 1) : NULL);
			stored += (which_a >> i & 1) + (which_b >> i & 1);
		}
		size_t moved = heap->looks.stats.moved_objects;
		collect_the_young();
		EXPECT_EQ(heap->looks.stats.moved_objects - moved, stored + round % 2);
		for (size_t i = 0; i < 64; i++) {
			box *a = cairn_gc_get(m, large, row[at + i].a), *b = cairn_gc_get(m, large, row[at + i].b);
			wrong += which_a >> i & 1 ? !a || a->id != 2 * i : a != NULL;
			wrong += which_b >> i & 1 ? !b || b->id != 2 * i + 1 : b != NULL;
			wrong += large->row[at + i].number != UINT64_MAX - i;
		}
		EXPECT_EQ(wrong, 0);
		EXPECT(!(round % 2) || ((box *)cairn_gc_get(m, large, first))->id == round);
	}
	dead_close();
}

typedef struct weak_slots {
	cairn_ref(void) weak;
	cairn_ref(void) item[];
} weak_slots;
CAIRN_GC_TYPE(weak_slots, .weak = CAIRN_GC_REFS(weak_slots, weak), .tail_offset = offsetof(weak_slots, item),
	.tail_stride = 8, .tail_refs = CAIRN_GC_TAIL_REF);

static void a_large_object_with_a_weak_field_has_no_cards(void)
{
	begin((cairn_gc_config){ 0 });
	hold(0, cairn_gc_new_array(m, weak_slots, LARGE));
	collect_the_young();
	weak_slots *large = held_at(0);
	for (unsigned round = 0; round < 3; round++) {
		hold(1, new_box(1));
		cairn_gc_set(m, large, weak, round == 1 ? new_box(0) : held_at(1));
		EXPECT(!is_watched(large));
		cairn_gc_set(m, large, item[0], new_box(2));
		cairn_gc_set(m, large, item[LARGE - 1], new_box(3));
		EXPECT(!block_of(large)->card && written_down() == 2); /* it, and what is held */
		collect_the_young();
		EXPECT(is_watched(large));
		EXPECT(cairn_gc_get(m, large, weak) == (round == 1 ? NULL : held_at(1)));
		EXPECT_EQ(((box *)cairn_gc_get(m, large, item[0]))->id, 2);
		EXPECT_EQ(((box *)cairn_gc_get(m, large, item[LARGE - 1]))->id, 3);
	}
	dead_close();
}

enum { TRACED = 20000 };
typedef struct traced {
	uint64_t live; /* the items from there on are numbers */
	cairn_ref(void) item[TRACED];
} traced;
static void traced_trace(cairn_gc_visitor *v, void *object)
{
	traced *t = object;
	for (size_t i = 0; i < t->live; i++)
		cairn_gc_visit(v, &t->item[i]);
}
CAIRN_GC_TYPE(traced, .trace = traced_trace);

static void a_large_object_with_a_trace_function_has_no_cards(void)
{
	begin((cairn_gc_config){ 0 });
	hold(0, cairn_gc_new(m, traced));
	((traced *)held_at(0))->live = TRACED / 2;
	collect_the_young();
	traced *large = held_at(0);
	for (size_t i = TRACED / 2; i < TRACED; i++)
		large->item[i].cairn_gc_word = i;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < TRACED / 2; i += 1000)
			cairn_gc_set(m, large, item[i], new_box(round + i));
		EXPECT(!block_of(large)->card && !is_watched(large) && written_down() == 1);
		collect_the_young();
		EXPECT(is_watched(large) && large->item[TRACED - 1].cairn_gc_word == TRACED - 1);
		for (size_t i = 0; i < TRACED / 2; i += 1000)
			EXPECT_EQ(((box *)cairn_gc_get(m, large, item[i]))->id, round + i);
	}
	dead_close();
}

static void what_was_freed_by_hand_leaves_no_cards(void)
{
	static const size_t lengths[] = { LARGE, HUGE };
	begin((cairn_gc_config){ 0 });
	for (unsigned round = 0; round < 4; round++) {
		size_t length = lengths[round % 2], records = heap->sizing.record_bytes;
		slots *large = old_array(0, length), *other = old_array(1, length);
		for (size_t i = 0; i < length; i += 100) {
			cairn_gc_set(m, large, item[i], new_box(i));
			cairn_gc_set(m, other, item[i], new_box(i));
		}
		hold(0, NULL);
		cairn_gc_free(m, large);
		if (round < 2) { /* its memory, as bytes, and as what has cards itself */
			hold(2, cairn_gc_new_bytes(m, length * 8));
			memset(held_at(2), 0xff, length * 8);
		} else {
			hold(2, cairn_gc_new_array(m, slots, length));
			cairn_gc_set(m, (slots *)held_at(2), item[length - 1], new_box(9));
		}
		EXPECT(!block_of(held_at(2))->card);
		collect_the_young();
		size_t wrong = 0;
		for (size_t i = 0; i < length; i += 100)
			wrong += ((box *)cairn_gc_get(m, other, item[i]))->id != i;
		EXPECT_EQ(wrong, 0);
		EXPECT(round < 2 || ((box *)cairn_gc_get(m, (slots *)held_at(2), item[length - 1]))->id == 9);
		hold(1, NULL);
		hold(2, NULL);
		cairn_gc_collect(m);
		heap->young.wants_all = false;
		if (round > 1) /* cards went with what had them */
			EXPECT_EQ(heap->sizing.record_bytes, records);
	}
	dead_close();
}

/* The field of a block's record that cards share with what a compaction writes there. */
static void a_block_that_was_of_cells_has_no_cards(void)
{
	enum { MANY = 40000, KEPT_ONE_OF = 50 };
	for (unsigned moves = 0; moves < 2; moves++) {
		begin((cairn_gc_config){ 0 });
		box *last = NULL;
		for (size_t i = 0; i < MANY; i++) {
			box *b = new_box(i);
			cairn_gc_set(m, b, strong, last);
			hold(0, last = b);
		}
		collect_the_young();
		for (box *b = held_at(0); b; b = cairn_gc_get(m, b, strong))
			for (unsigned i = 1; i < KEPT_ONE_OF && cairn_gc_get(m, b, strong); i++)
				cairn_gc_set(m, b, strong, cairn_gc_get(m, (box *)cairn_gc_get(m, b, strong), strong));
		heap->zeal.moves = moves; /* else they slide */
		size_t moved = heap->looks.stats.moved_objects;
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_LIMIT);
		EXPECT(heap->looks.stats.moved_objects > moved && !heap->young.is_minor);
		heap->zeal.moves = heap->young.wants_all = false;
		for (size_t i = 1; i < 20; i++) { /* the blocks that were left */
			hold(i, cairn_gc_new_array(m, slots, 9000));
			EXPECT(!block_of(held_at(i))->card && !block_of(held_at(i))->cards);
			cairn_gc_set(m, (slots *)held_at(i), item[0], new_box(i));
		}
		collect_the_young();
		for (size_t i = 1; i < 20; i++) {
			slots *s = held_at(i);
			EXPECT(!block_of(s)->card);
			cairn_gc_set(m, s, item[8999], new_box(100 + i));
			EXPECT_EQ(cards_set(s), 1);
		}
		collect_the_young();
		for (size_t i = 1; i < 20; i++) {
			EXPECT_EQ(((box *)cairn_gc_get(m, (slots *)held_at(i), item[0]))->id, i);
			EXPECT_EQ(((box *)cairn_gc_get(m, (slots *)held_at(i), item[8999]))->id, 100 + i);
		}
		dead_close();
	}
}

static void where_no_cards_are_to_be_had_the_next_one_is_of_all(void)
{
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	for (unsigned round = 0; round < 3; round++) {
		box *b = new_box(round);
		size_t most = heap->sizing.most;
		heap->sizing.most = cairn_gc_held(heap); /* there is no room for a byte */
		cairn_gc_set(m, large, item[LARGE - 1 - round], b);
		heap->sizing.most = most;
		EXPECT(!block_of(large)->card && heap->young.is_short);
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
		EXPECT(!heap->young.is_minor && !heap->young.is_short);
		heap->young.wants_all = false;
		EXPECT_EQ(((box *)cairn_gc_get(m, large, item[LARGE - 1 - round]))->id, round);
		EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	}
	cairn_gc_set(m, large, item[0], new_box(9)); /* and then there are some */
	EXPECT_EQ(cards_set(large), 1);
	collect_the_young();
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[0]))->id, 9);
	dead_close();
}

/* ---- Several threads ---- */

enum { THREADS = 4 };
typedef struct storer {
	pthread_t thread;
	slots *large;
	unsigned self, round;
} storer;
static pthread_barrier_t ready; /* sync: its own */

/* Each stores into every card, so that the first to do so is by chance. */
static void *store_into_each_card(void *arg)
{
	storer *s = arg;
	cairn_gc_mutator *own = cairn_gc_attach(heap);
	CAIRN_GC_BLOCKING(own) { pthread_barrier_wait(&ready); }
	for (size_t i = s->self; i < LARGE; i += THREADS) {
		box *b = cairn_gc_new(own, box);
		b->id = s->round * (uint64_t)LARGE + i;
		cairn_gc_set(own, s->large, item[i], b);
	}
	cairn_gc_detach(own);
	return NULL;
}

static void several_threads_store_into_the_cards_of_one_array(void)
{
	enum { ROUNDS = 8 };
	storer s[THREADS];
	begin((cairn_gc_config){ .workers = 2 });
	slots *large = old_array(0, LARGE);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t collections = heap->collection;
		size_t wrong = 0;
		pthread_barrier_init(&ready, NULL, THREADS);
		for (unsigned i = 0; i < THREADS; i++) {
			s[i] = (storer){ .large = large, .self = i, .round = round };
			EXPECT(!pthread_create(&s[i].thread, NULL, store_into_each_card, &s[i]));
		}
		CAIRN_GC_BLOCKING(m)
		{
			for (unsigned i = 0; i < THREADS; i++)
				pthread_join(s[i].thread, NULL);
		}
		pthread_barrier_destroy(&ready);
		EXPECT_EQ(heap->collection, collections);
		EXPECT_EQ(cards_set(large), block_of(large)->cards);
		EXPECT_EQ(written_down(), block_of(large)->cards);
		collect_the_young();
		for (size_t i = 0; i < LARGE; i++) {
			box *b = cairn_gc_get(m, large, item[i]);
			wrong += !b || is_young(b) || b->id != round * (uint64_t)LARGE + i;
		}
		EXPECT_EQ(wrong, 0);
	}
	dead_close();
}

int main(void)
{
	RUN(the_first_and_the_last_slot_of_each_card_are_found);
	RUN(one_slot_alone_is_found_wherever_it_lies);
	RUN(cards_that_are_set_are_scanned_and_no_others);
	RUN(a_card_is_written_down_once);
	RUN(elements_across_the_border_of_two_cards_are_found);
	RUN(a_large_object_with_a_weak_field_has_no_cards);
	RUN(a_large_object_with_a_trace_function_has_no_cards);
	RUN(what_was_freed_by_hand_leaves_no_cards);
	RUN(a_block_that_was_of_cells_has_no_cards);
	RUN(where_no_cards_are_to_be_had_the_next_one_is_of_all);
	RUN(several_threads_store_into_the_cards_of_one_array);
	DONE();
}
