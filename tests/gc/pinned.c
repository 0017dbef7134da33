/* Ambiguous pins under pressure: a table of words that may be anything, tens of thousands of which point into objects,
 * while everything else comes and goes and moves. (The idea of the Memory Pool System's amcss.) And pins that are asked
 * for, objects and types that never move, among them those that want 16 bytes' alignment, conservative objects. */
#include "heaps.h"

enum { WORDS = 2000, EXACT = 500, STEPS = 60000 };

static uintptr_t words[WORDS]; /* a range: objects' addresses, and some into them */
static uint32_t offset[WORDS];
static long key[WORDS];
static cairn_ref(list) exact; /* whose objects may move */

__attribute__((noinline)) static void step(place p, uint64_t *rnd)
{
	size_t i = test_random(rnd) % WORDS;
	node *n = cairn_gc_new(p.m, node);
	n->key = (long)(test_random(rnd) & 0xffffff);
	if (test_random(rnd) % 2) {
		key[i] = n->key;
		offset[i] = (uint32_t)(test_random(rnd) % (sizeof(node) + 1));
		words[i] = (uintptr_t)n + offset[i];
	} else {
		list *l = cairn_gc_root_get(p.m, &exact);
		cairn_gc_set(p.m, n, left, cairn_gc_get(p.m, l, items[test_random(rnd) % EXACT]));
		if (test_random(rnd) % 4 == 0)
			cairn_gc_set(p.m, n, left, NULL); /* or everything would hang together */
		cairn_gc_set(p.m, l, items[i % EXACT], n);
	}
	if (test_random(rnd) % 64 == 0) { /* junk */
		words[i] = test_random(rnd);
		key[i] = -1;
	}
}
static size_t wrong_words(void)
{
	size_t wrong = 0;
	for (size_t i = 0; i < WORDS; i++)
		if (key[i] >= 0)
			wrong += ((node *)(words[i] - offset[i]))->key != key[i];
	return wrong;
}

static void what_ambiguous_words_point_at_stays_and_is_whole(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 256 << 10, .max = 64 << 20 });
		EXPECT(cairn_gc_range_add(p.h, words, sizeof words) && cairn_gc_root_add(p.h, &exact));
		cairn_gc_root_set(p.m, &exact, cairn_gc_new_array(p.m, list, EXACT));
		memset(words, 0, sizeof words);
		memset(key, -1, sizeof key);
		uint64_t rnd = 11;
		for (int i = 0; i < (IS_SLOW ? STEPS / 6 : STEPS); i++) {
			step(p, &rnd);
			if (i % 1000 == 0)
				EXPECT_EQ(wrong_words(), 0);
		}
		cairn_gc_collect(p.m);
		cairn_gc_stats s = stats_of(p);
		NOTE("%s: %zu pinned, %zu moved", cairn_gc_collector_name(c), s.pinned_objects, s.moved_objects);
		EXPECT(s.pinned_objects > WORDS / 4 && s.pinned_objects < WORDS + 500);
		EXPECT(c != CAIRN_GC_SEMISPACE || s.moved_objects > 0); /* the other leaves blocks with pins alone */
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		cairn_gc_range_remove(p.h, words);
		scrub();
		cairn_gc_collect(p.m);
		EXPECT(stats_of(p).pinned_objects < 200);
		cairn_gc_root_remove(p.h, &exact);
		exact.cairn_gc_word = 0;
		place_close(p);
	}
}

static void a_pin_holds_until_as_many_unpins(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .exact_roots = true });
		node *n = cairn_gc_new(p.m, node);
		for (long i = 0; i < 3; i++)
			EXPECT(cairn_gc_pin(p.m, n));
		n->key = 5;
		for (int i = 0; i < 3; i++) {
			for (int k = 0; k < 1000; k++)
				cairn_gc_new(p.m, node);
			cairn_gc_collect(p.m);
			EXPECT_EQ(stats_of(p).live_objects, 1);
			EXPECT_EQ(n->key, 5);
			cairn_gc_unpin(p.m, n);
		}
		cairn_gc_collect(p.m);
		EXPECT_EQ(stats_of(p).live_objects, 0);
		place_close(p);
	}
}

typedef struct fixed {
	long key;
	cairn_ref(struct fixed) next;
} fixed;
CAIRN_GC_TYPE(fixed, .refs = CAIRN_GC_REFS(fixed, next), .flags = CAIRN_GC_PINNED);
typedef struct guess {
	uintptr_t words[6];
} guess;
CAIRN_GC_TYPE(guess, .flags = CAIRN_GC_CONSERVATIVE);
static cairn_ref(fixed) first;
static cairn_ref(guess) guesses;

static void objects_of_pinned_types_never_move(void)
{
	enum { COUNT = 500 };
	static uintptr_t at[COUNT]; /* not looked at by anybody */
	EACH_COLLECTOR(c)
	{
		place p = place_open(
			(cairn_gc_config){ .collector = c, .exact_roots = true, .zeal = "move", .min = 256 << 10 });
		EXPECT(cairn_gc_root_add(p.h, &first));
		for (long i = 0; i < COUNT; i++) {
			for (int k = 0; k < 50; k++)
				cairn_gc_new(p.m, node);
			fixed *f = cairn_gc_new(p.m, fixed);
			f->key = i;
			at[i] = (uintptr_t)f;
			cairn_gc_set(p.m, f, next, cairn_gc_root_get(p.m, &first));
			cairn_gc_root_set(p.m, &first, f);
		}
		cairn_gc_collect(p.m);
		long i = COUNT;
		for (fixed *f = cairn_gc_root_get(p.m, &first); f; f = cairn_gc_get(p.m, f, next))
			EXPECT(--i >= 0 && f->key == i && (uintptr_t)f == at[i]);
		EXPECT_EQ(i, 0);
		EXPECT_EQ(stats_of(p).live_objects, COUNT);
		cairn_gc_root_remove(p.h, &first);
		first.cairn_gc_word = 0;
		place_close(p);
	}
}

typedef struct vector {
	_Alignas(16) float at[4];
	cairn_ref(struct vector) next;
	_Alignas(16) float more[];
} vector;
CAIRN_GC_TYPE(vector, .refs = CAIRN_GC_REFS(vector, next), .tail_offset = offsetof(vector, more), .tail_stride = 4);
static uint32_t dropped;
static void drop_wide(void *object) { dropped += (uintptr_t)object % 16 == 0; }
typedef struct wide {
	__int128 sum;
} wide;
CAIRN_GC_DROP_TYPE(wide, drop_wide);
static cairn_ref(vector) vectors;

/* One of any length, behind cells of any. */
static vector *vector_new(place p, uint64_t *rnd)
{
	size_t floats = test_random(rnd) % (test_random(rnd) % 16 ? 60 : 8000);
	cairn_gc_new_bytes(p.m, test_random(rnd) % 100);
	vector *v = cairn_gc_new_array(p.m, vector, floats);
	for (size_t i = 0; i < floats; i++)
		v->more[i] = (float)floats;
	return v;
}

static void objects_of_types_that_want_16_have_it_and_never_move(void)
{
	enum { COUNT = 500 };
	static uintptr_t at[COUNT];
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .exact_roots = true, .zeal = "move,verify",
			.max = 256 << 20, .cleanups = CAIRN_GC_CLEANUPS_MANUAL }); /* dropped is one thread's */
		uint64_t rnd = test_seed();
		uint32_t wides = dropped = 0;
		EXPECT(cairn_gc_root_add(p.h, &vectors));
		for (long i = 0; i < COUNT; i++) {
			for (int k = 0; k < 8; k++, wides++) {
				EXPECT_EQ((uintptr_t)cairn_gc_new(p.m, wide) % 16, 0);
				EXPECT_EQ((uintptr_t)vector_new(p, &rnd) % 16, 0);
			}
			vector *v = i % 2 ? cairn_gc_new(p.m, vector) : vector_new(p, &rnd);
			v->at[0] = (float)i;
			at[i] = (uintptr_t)v;
			cairn_gc_set(p.m, v, next, cairn_gc_root_get(p.m, &vectors));
			cairn_gc_root_set(p.m, &vectors, v);
		}
		cairn_gc_collect(p.m);
		cairn_gc_run_cleanups(p.m, 0);
		EXPECT(dropped == (c == CAIRN_GC_NONE ? 0 : wides));
		long i = COUNT;
		for (vector *v = cairn_gc_root_get(p.m, &vectors); v; v = cairn_gc_get(p.m, v, next)) {
			size_t floats = cairn_gc_length(v);
			EXPECT(--i >= 0 && v->at[0] == (float)i && (uintptr_t)v == at[i] && at[i] % 16 == 0);
			EXPECT(!floats || v->more[floats - 1] == (float)floats);
		}
		EXPECT_EQ(i, 0);
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		cairn_gc_root_remove(p.h, &vectors);
		vectors.cairn_gc_word = 0;
		place_close(p);
		EXPECT_EQ(dropped, wides);
	}
}

/* Chains through objects whose words are plain addresses: into the next one, and to its end. */
static void conservative_objects_keep_and_pin_what_their_words_point_at(void)
{
	enum { COUNT = 300 };
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .exact_roots = true, .min = 256 << 10 });
		EXPECT(cairn_gc_root_add(p.h, &guesses));
		for (uintptr_t i = 0; i < COUNT; i++) {
			guess *g = cairn_gc_new(p.m, guess);
			uintptr_t before = (uintptr_t)cairn_gc_root_get(p.m, &guesses);
			g->words[0] = i;
			g->words[1 + i % 5] = before ? before + (i % 3) * (sizeof(guess) / 2) : 0;
			cairn_gc_root_set(p.m, &guesses, g);
			for (int k = 0; k < 20; k++)
				cairn_gc_new(p.m, node);
		}
		cairn_gc_collect(p.m);
		EXPECT_EQ(stats_of(p).live_objects, COUNT);
		guess *g = cairn_gc_root_get(p.m, &guesses);
		uintptr_t i = COUNT;
		while (g && i-- > 0) {
			EXPECT_EQ(g->words[0], i);
			uintptr_t word = g->words[1 + i % 5];
			g = word ? (guess *)(word - (i % 3) * (sizeof(guess) / 2)) : NULL;
		}
		EXPECT_EQ(i, 0);
		cairn_gc_root_remove(p.h, &guesses);
		guesses.cairn_gc_word = 0;
		place_close(p);
	}
}

int main(void)
{
	RUN(what_ambiguous_words_point_at_stays_and_is_whole);
	RUN(a_pin_holds_until_as_many_unpins);
	RUN(objects_of_pinned_types_never_move);
	RUN(objects_of_types_that_want_16_have_it_and_never_move);
	RUN(conservative_objects_keep_and_pin_what_their_words_point_at);
	DONE();
}
