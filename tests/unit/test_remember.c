/* The two ways to remember what was stored into that are not the default: cards of small objects, and the log of large
 * ones. Cases cite gc/young.h; the default's are in test_cards.c and test_generational.c. */
#include "support/gcyoung.h"

#include <pthread.h>

enum {
	SMALL_MOST = 2040, /* slots of an object that is not LARGE */
	LARGE = 100000,
	KINDS = 24,
	SLOT_KEPT = 40, /* of `held` */
};

static void begin_by(cairn_gc_remember how) { begin((cairn_gc_config){ .remember = how }); }

static uint8_t *card_of(const void *field) { return cairn_gc_card_of((uintptr_t)field); }

static slots *old_array(size_t slot, size_t length)
{
	hold(slot, cairn_gc_new_array(m, slots, length));
	collect_the_young();
	slots *s = held_at(slot);
	EXPECT(!is_young(s) && is_watched(s));
	return s;
}

/* Of the slab that this object is in. */
static size_t cards_set(const void *object)
{
	const uint8_t *card = card_of(cairn_gc_slab_of(object));
	size_t n = 0;
	for (size_t i = 0; i < CAIRN_GC_CARDS_BYTES; i++)
		n += card[i];
	return n;
}

static size_t written_down(void)
{
	size_t n = 0;
	for (const cairn_gc_chunk *c = heap->young.stored; c; c = c->next)
		n += c->count;
	return n;
}

static uint64_t id_at(slots *s, size_t i) { return ((box *)cairn_gc_get(m, s, item[i]))->id; }

/* ---- Cards of small objects ---- */

/* One store, one collection, each time: whatever side of a border the slot is on, and wherever its object begins. */
static void one_slot_alone_is_found_wherever_it_lies(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	for (size_t k = 0; k < KINDS; k++)
		hold(k, cairn_gc_new_array(m, slots, k + 1));
	hold(KINDS, cairn_gc_new_array(m, slots, SMALL_MOST));
	collect_the_young();
	for (size_t k = 0; k <= KINDS; k++) {
		slots *s = held_at(k);
		size_t length = cairn_gc_length(s), step = k == KINDS ? 37 : 1;
		EXPECT(cairn_gc_block_of(s)->kind == CAIRN_GC_BLOCK_CELLS);
		for (size_t i = 0; i < length; i += step) {
			cairn_gc_set(m, s, item[i], new_box(i));
			EXPECT(is_watched(s) && *card_of(&s->item[i]) && cards_set(s) == 1 && written_down() == 1);
			uint64_t cards = heap->looks.stats.young.scanned_cards;
			collect_the_young();
			EXPECT_EQ(heap->looks.stats.young.scanned_cards - cards, 1);
			EXPECT(is_watched(s) && !cards_set(s) && !written_down());
			EXPECT(!is_young(cairn_gc_get(m, s, item[i])) && id_at(s, i) == i);
		}
	}
	dead_close();
}

/* Seen by references that nothing was told of: what is scanned finds them. */
static void fields_in_the_card_are_scanned_and_no_others(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	slots *s = old_array(0, SMALL_MOST);
	uintptr_t untold[SMALL_MOST] = { 0 };
	size_t told = SMALL_MOST / 2, in_card = 0, beside = 0;
	const uint8_t *card = card_of(&s->item[told]);
	for (size_t i = 0; i < SMALL_MOST; i++)
		if (i != told)
			s->item[i].cairn_gc_word = untold[i] = (uintptr_t)new_box(i);
	cairn_gc_set(m, s, item[told], new_box(told));
	heap->young.wants_all = false;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL); /* the verifier would tell of the others */
	EXPECT(heap->young.is_minor);
	for (size_t i = 0; i < SMALL_MOST; i++) {
		bool has_changed = i != told && s->item[i].cairn_gc_word != untold[i];
		bool is_in = i != told && card_of(&s->item[i]) == card;
		in_card += is_in && has_changed;
		beside += !is_in && has_changed;
		if (i != told)
			s->item[i].cairn_gc_word = 0;
	}
	EXPECT_EQ(beside, 0);
	EXPECT_EQ(in_card, CAIRN_GC_CARD_BYTES / 8 - 1);
	EXPECT_EQ(id_at(s, told), told);
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	dead_close();
}

static void a_card_of_several_objects_is_written_down_once(void)
{
	enum { OBJECTS = 60 };
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	slots *s[OBJECTS];
	for (size_t i = 0; i < OBJECTS; i++)
		hold(i, cairn_gc_new_array(m, slots, 1));
	collect_the_young();
	size_t cards = 0;
	for (size_t i = 0; i < OBJECTS; i++) {
		s[i] = held_at(i);
		bool is_first = true;
		for (size_t k = 0; k < i; k++)
			is_first &= card_of(&s[i]->item[0]) != card_of(&s[k]->item[0]);
		cards += is_first;
	}
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < OBJECTS; i++)
			cairn_gc_set(m, s[i], item[0], new_box(i));
	EXPECT(cards < OBJECTS / 2 && written_down() == cards && cards_set(s[0]) == cards);
	size_t moved = heap->looks.stats.moved_objects;
	collect_the_young();
	EXPECT_EQ(heap->looks.stats.moved_objects - moved, OBJECTS);
	for (size_t i = 0; i < OBJECTS; i++)
		EXPECT_EQ(id_at(s[i], 0), i);
	dead_close();
}

/* With holes between them that are swept, and that are not. */
static void what_lives_among_the_dead_is_found(void)
{
	enum { ARRAYS = SLOTS - 1, ROUNDS = 30 };
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	uint64_t seed = test_seed();
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t wanted[ARRAYS] = { 0 };
		size_t at[ARRAYS], wrong = 0;
		for (size_t i = 0; i < ARRAYS; i++) {
			uint64_t r = test_random(&seed);
			size_t length = 1 + (r >> 8) % (r % 4 ? 20 : SMALL_MOST);
			if (!held_at(i) || r >> 60 < 6)
				hold(i, cairn_gc_new_array(m, slots, length));
			cairn_gc_new_array(m, slots, 1 + (r >> 20) % 40);
		}
		if (round % 3 == 0)
			cairn_gc_collect(m);
		heap->young.wants_all = false;
		collect_the_young();
		for (size_t i = 0; i < ARRAYS; i++) {
			slots *s = held_at(i);
			at[i] = test_random(&seed) % cairn_gc_length(s);
			if (test_random(&seed) % 2)
				cairn_gc_set(m, s, item[at[i]], new_box(wanted[i] = round * 1000 + i + 1));
		}
		collect_the_young();
		for (size_t i = 0; i < ARRAYS; i++)
			wrong += wanted[i] && id_at(held_at(i), at[i]) != wanted[i];
		EXPECT_EQ(wrong, 0);
	}
	dead_close();
}

/* A box has a weak field. */
static void what_has_no_cards_is_logged_beside_what_has(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	hold(0, new_box(1));
	hold(1, cairn_gc_new_array(m, slots, 1));
	collect_the_young();
	box *b = held_at(0);
	slots *s = held_at(1);
	cairn_gc_set(m, b, strong, new_box(2));
	cairn_gc_set(m, b, weak, new_box(3));
	EXPECT(!is_watched(b) && written_down() == 1 && !cards_set(b));
	cairn_gc_set(m, s, item[0], new_box(4));
	EXPECT(is_watched(s) && written_down() == 2 && cards_set(s) == 1);
	collect_the_young();
	EXPECT(is_watched(b) && is_watched(s) && !cards_set(s));
	EXPECT(((box *)cairn_gc_get(m, b, strong))->id == 2 && !cairn_gc_get(m, b, weak) && id_at(s, 0) == 4);
	dead_close();
}

/* GYO1: by what was old, and by what has moved. */
static void who_is_old_and_refers_to_what_is_recent_has_a_card(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	slots *old = old_array(0, 100);
	hold(1, cairn_gc_new_array(m, slots, 100));
	for (size_t i = 0; i < 40000; i++)
		new_box(i);
	heap->young.recent_each = CAIRN_GC_RECENT_EACH;
	cairn_gc_set(m, old, item[99], new_box(5));
	cairn_gc_set(m, (slots *)held_at(1), item[98], new_box(6));
	collect_the_young();
	slots *copy = held_at(1);
	EXPECT(is_young(cairn_gc_get(m, old, item[99])));
	EXPECT(!is_young(copy) && is_young(cairn_gc_get(m, copy, item[98])));
	EXPECT(*card_of(&old->item[99]) && *card_of(&copy->item[98]) && is_watched(old) && is_watched(copy));
	collect_the_young();
	EXPECT(!cards_set(old) && !cards_set(copy));
	EXPECT(!is_young(cairn_gc_get(m, old, item[99])) && id_at(old, 99) == 5 && id_at(copy, 98) == 6);
	dead_close();
}

static void where_a_card_cannot_be_written_down_the_next_one_is_of_all(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	slots *s = old_array(0, 100);
	for (unsigned round = 0; round < 3; round++) {
		box *b = new_box(round);
		size_t most = heap->sizing.most;
		EXPECT(!heap->young.stored);
		heap->sizing.most = cairn_gc_held(heap); /* there is no room for a part of the list */
		cairn_gc_set(m, s, item[round], b);
		heap->sizing.most = most;
		EXPECT(heap->young.is_short && !is_watched(s) && !cards_set(s));
		EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
		EXPECT(!heap->young.is_minor && !heap->young.is_short);
		heap->young.wants_all = false;
		s = held_at(0);
		EXPECT(is_watched(s) && id_at(s, round) == round);
	}
	dead_close();
}

/* Nothing that is set, or was, outlives what it is about. */
static void cards_are_clear_after_a_collection_of_all_and_in_a_new_heap(void)
{
	for (unsigned round = 0; round < 3; round++) {
		begin_by(CAIRN_GC_REMEMBER_CARDS);
		slots *s = old_array(0, SMALL_MOST);
		EXPECT_EQ(cards_set(s), 0);
		for (size_t i = 0; i < SMALL_MOST; i++)
			cairn_gc_set(m, s, item[i], s);
		EXPECT(cards_set(s) >= SMALL_MOST / 16 && written_down() == cards_set(s));
		if (round == 1) {
			cairn_gc_collect(m);
			s = held_at(0);
			EXPECT(!cards_set(s) && !written_down() && is_watched(s));
			cairn_gc_set(m, s, item[0], s);
		}
		EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
		dead_close();
	}
}

static void what_was_freed_or_shortened_by_hand_may_have_cards(void)
{
	begin_by(CAIRN_GC_REMEMBER_CARDS);
	for (size_t i = 0; i < 3; i++)
		hold(i, cairn_gc_new_array(m, slots, 200));
	collect_the_young();
	slots *kept = held_at(0), *shorter = held_at(1), *freed = held_at(2);
	for (size_t i = 0; i < 200; i++) {
		cairn_gc_set(m, kept, item[i], new_box(i));
		cairn_gc_set(m, shorter, item[i], new_box(i + 1000));
		cairn_gc_set(m, freed, item[i], new_box(i + 2000));
	}
	hold(2, NULL);
	cairn_gc_free(m, freed);
	EXPECT(cairn_gc_resize(m, shorter, sizeof(slots) + (size_t)50 * 8));
	size_t moved = heap->looks.stats.moved_objects, wrong = 0;
	collect_the_young();
	EXPECT_EQ(heap->looks.stats.moved_objects - moved, 250);
	for (size_t i = 0; i < 200; i++)
		wrong += id_at(kept, i) != i || (i < 50 && id_at(shorter, i) != i + 1000);
	EXPECT_EQ(wrong, 0);
	dead_close();
}

enum { THREADS = 4 };
typedef struct storer {
	pthread_t thread;
	slots *to;
	unsigned self, round;
} storer;
static pthread_barrier_t ready; /* sync: its own */

static void *store_into_each_card(void *arg)
{
	storer *s = arg;
	cairn_gc_mutator *own = cairn_gc_attach(heap);
	CAIRN_GC_BLOCKING(own) { pthread_barrier_wait(&ready); }
	for (size_t i = s->self; i < SMALL_MOST; i += THREADS) {
		box *b = cairn_gc_new(own, box);
		b->id = s->round * (uint64_t)SMALL_MOST + i;
		cairn_gc_set(own, s->to, item[i], b);
	}
	cairn_gc_detach(own);
	return NULL;
}

static void several_threads_store_into_the_same_cards(void)
{
	enum { ROUNDS = 8 };
	storer s[THREADS];
	begin((cairn_gc_config){ .remember = CAIRN_GC_REMEMBER_CARDS, .workers = 2 });
	slots *to = old_array(SLOT_KEPT, SMALL_MOST);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t wrong = 0;
		pthread_barrier_init(&ready, NULL, THREADS);
		for (unsigned i = 0; i < THREADS; i++) {
			s[i] = (storer){ .to = to, .self = i, .round = round };
			EXPECT(!pthread_create(&s[i].thread, NULL, store_into_each_card, &s[i]));
		}
		CAIRN_GC_BLOCKING(m)
		{
			for (unsigned i = 0; i < THREADS; i++)
				pthread_join(s[i].thread, NULL);
		}
		pthread_barrier_destroy(&ready);
		EXPECT(written_down() == cards_set(to) && cards_set(to) >= SMALL_MOST / 16);
		collect_the_young();
		for (size_t i = 0; i < SMALL_MOST; i++)
			wrong += id_at(to, i) != round * (uint64_t)SMALL_MOST + i;
		EXPECT_EQ(wrong, 0);
	}
	dead_close();
}

/* ---- The others ---- */

static void by_the_log_a_large_object_is_written_down_whole(void)
{
	begin_by(CAIRN_GC_REMEMBER_LOG);
	slots *large = old_array(0, LARGE);
	for (unsigned round = 0; round < 2; round++) {
		cairn_gc_young_stats before = heap->looks.stats.young;
		for (size_t i = 0; i < LARGE; i += 1000)
			cairn_gc_set(m, large, item[i], new_box(round + i));
		EXPECT(!is_watched(large) && !cairn_gc_block_of(large)->card && written_down() == 1);
		collect_the_young();
		size_t wrong = 0;
		for (size_t i = 0; i < LARGE; i += 1000)
			wrong += id_at(large, i) != round + i;
		EXPECT_EQ(wrong, 0);
		EXPECT(is_watched(large));
		EXPECT_EQ(heap->looks.stats.young.scanned_objects - before.scanned_objects, 1);
		EXPECT_EQ(heap->looks.stats.young.scanned_cards - before.scanned_cards, 0);
	}
	dead_close();
}

static void by_default_small_ones_are_logged_and_large_ones_have_cards(void)
{
	begin_by(CAIRN_GC_REMEMBER_DEFAULT);
	slots *large = old_array(0, LARGE), *small = old_array(1, SMALL_MOST);
	cairn_gc_young_stats before = heap->looks.stats.young;
	cairn_gc_set(m, large, item[0], new_box(1));
	cairn_gc_set(m, small, item[0], new_box(2));
	EXPECT(is_watched(large) && cairn_gc_block_of(large)->card && !is_watched(small) && written_down() == 2);
	collect_the_young();
	EXPECT_EQ(heap->looks.stats.young.scanned_objects - before.scanned_objects, 1);
	EXPECT_EQ(heap->looks.stats.young.scanned_cards - before.scanned_cards, 1);
	EXPECT(id_at(large, 0) == 1 && id_at(small, 0) == 2);
	dead_close();
}

static void a_way_that_there_is_not_is_refused(void)
{
	errno = 0;
	EXPECT(!cairn_gc_open(&(cairn_gc_config){ .remember = (cairn_gc_remember)3 }) && errno == EINVAL);
}

int main(void)
{
	RUN(one_slot_alone_is_found_wherever_it_lies);
	RUN(fields_in_the_card_are_scanned_and_no_others);
	RUN(a_card_of_several_objects_is_written_down_once);
	RUN(what_lives_among_the_dead_is_found);
	RUN(what_has_no_cards_is_logged_beside_what_has);
	RUN(who_is_old_and_refers_to_what_is_recent_has_a_card);
	RUN(where_a_card_cannot_be_written_down_the_next_one_is_of_all);
	RUN(cards_are_clear_after_a_collection_of_all_and_in_a_new_heap);
	RUN(what_was_freed_or_shortened_by_hand_may_have_cards);
	RUN(several_threads_store_into_the_same_cards);
	RUN(by_the_log_a_large_object_is_written_down_whole);
	RUN(by_default_small_ones_are_logged_and_large_ones_have_cards);
	RUN(a_way_that_there_is_not_is_refused);
	DONE();
}
