/* Tables: that they hold what was put, exactly as long as its keys live, in time that is linear. */
#include "support/gcdead.h"

#include "os/sys.h"

#include <pthread.h>

enum { KEYS = 3000 };

static bool is_there(cairn_gc_table *t, size_t key, uint64_t value_id)
{
	box *v = cairn_gc_table_get(m, t, held_at(key));
	return v && v->id == value_id;
}

static void hold_keys(size_t n)
{
	for (size_t i = 0; i < n; i++)
		hold(i, new_box(i));
}

static bool put_new(cairn_gc_table *t, size_t key, uint64_t value_id)
{
	box *v = new_box(value_id);
	return cairn_gc_table_put(m, t, held_at(key), v);
}

static void a_table_says_what_was_put_last(void)
{
	static uint64_t model[KEYS]; /* 0: not there */
	uint64_t seed = test_seed();
	EACH_COLLECTOR (KEYS) {
		uint64_t state = seed;
		size_t count = 0;
		memset(model, 0, sizeof model);
		hold_keys(KEYS);
		cairn_gc_table *t = cairn_gc_table_new(heap);
		for (size_t step = 0; step < 20000; step++) {
			uint64_t r = test_random(&state);
			size_t key = r % KEYS;
			if (r >> 32 & 3) {
				EXPECT(put_new(t, key, step + 1));
				count += !model[key];
				model[key] = step + 1;
			} else {
				EXPECT_EQ(cairn_gc_table_remove(m, t, held_at(key)), model[key] != 0);
				count -= model[key] != 0;
				model[key] = 0;
			}
			if (step % 4000 == 0)
				collect();
			EXPECT_EQ(cairn_gc_table_count(t), count);
		}
		for (size_t i = 0; i < KEYS; i++)
			EXPECT(model[i] ? is_there(t, i, model[i]) : !cairn_gc_table_get(m, t, held_at(i)));
		cairn_gc_table_free(t);
	}
}

static void who_was_never_put_is_not_there(void)
{
	EACH_COLLECTOR (2) {
		cairn_gc_table *t = cairn_gc_table_new(heap);
		hold(0, new_box(1));
		EXPECT(!cairn_gc_table_get(m, t, held_at(0)) && !cairn_gc_table_remove(m, t, held_at(0)));
		EXPECT(!cairn_gc_is_hashed(held_at(0))); /* asking costs nothing */
		cairn_gc_hash(m, held_at(0));
		EXPECT(!cairn_gc_table_get(m, t, held_at(0)) && !cairn_gc_table_remove(m, t, held_at(0)));
		EXPECT(!cairn_gc_table_get(m, t, NULL) && !cairn_gc_table_remove(m, t, NULL));
		EXPECT(cairn_gc_table_put(m, t, held_at(0), NULL)); /* an entry, whose value is NULL */
		EXPECT_EQ(cairn_gc_table_count(t), 1);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), 1);
		cairn_gc_table_free(t);
		cairn_gc_table_free(NULL);
	}
}

static void after_a_collection_a_table_holds_those_whose_keys_live(void)
{
	EACH_COLLECTOR (KEYS) {
		hold_keys(KEYS);
		cairn_gc_table *t = cairn_gc_table_new(heap);
		for (size_t i = 0; i < KEYS; i++)
			EXPECT(put_new(t, i, i));
		for (size_t live = KEYS; live; live /= 3) {
			for (size_t i = live; i < KEYS; i++)
				hold(i, NULL);
			collect();
			EXPECT_EQ(cairn_gc_table_count(t), live);
			EXPECT_EQ(live_objects(), 1 + 2 * live); /* the slots; keys and values */
			for (size_t i = 0; i < live; i++)
				EXPECT(is_there(t, i, i));
		}
		hold(0, NULL);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		EXPECT_EQ(live_objects(), 1);
		EXPECT_EQ(t->map.bytes, 0);
		cairn_gc_table_free(t);
	}
}

static void a_value_that_refers_to_its_own_key_does_not_keep_it(void)
{
	EACH_COLLECTOR (2) {
		cairn_gc_table *t = cairn_gc_table_new(heap);
		hold(0, new_box(0));
		hold(1, new_box(1));
		box *value = held_at(1);
		cairn_gc_set(m, value, strong, held_at(0));
		EXPECT(cairn_gc_table_put(m, t, held_at(0), held_at(1)));
		EXPECT(cairn_gc_table_put(m, t, held_at(1), held_at(1))); /* and one that is its own key */
		hold(1, NULL);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), 2);
		hold(0, NULL);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		EXPECT_EQ(live_objects(), 1);
		cairn_gc_table_free(t);
	}
}

/* A value is kept by any of the tables its key is in; tables know nothing of each other. */
static void a_key_may_be_in_many_tables(void)
{
	enum { TABLES = 100, SHARED = 20 };
	cairn_gc_table *t[TABLES];
	EACH_COLLECTOR (SHARED) {
		hold_keys(SHARED);
		for (size_t i = 0; i < TABLES; i++) {
			t[i] = cairn_gc_table_new(heap);
			for (size_t k = i % 2; k < SHARED; k += 2)
				EXPECT(put_new(t[i], k, i * SHARED + k));
		}
		collect();
		EXPECT_EQ(live_objects(), 1 + SHARED + TABLES * SHARED / 2);
		for (size_t k = 0; k < SHARED / 2; k++)
			hold(k, NULL);
		collect();
		EXPECT_EQ(live_objects(), 1 + SHARED / 2 + TABLES * SHARED / 4);
		for (size_t i = 0; i < TABLES; i++) {
			EXPECT_EQ(cairn_gc_table_count(t[i]), SHARED / 4);
			for (size_t k = SHARED / 2; k < SHARED; k++)
				EXPECT(k % 2 != i % 2 || is_there(t[i], k, i * SHARED + k));
			cairn_gc_table_free(t[i]);
		}
	}
}

/* A chain: each value is the key of the next entry; only the first key is held. In one table, or in several. */
static void chain_is_linear(size_t length, size_t tables, unsigned workers)
{
	cairn_gc_table *t[8];
	EACH_COLLECTOR (length, .workers = workers) {
		hold_keys(length);
		for (size_t i = 0; i < tables; i++)
			t[i] = cairn_gc_table_new(heap);
		for (size_t i = 0; i + 1 < length; i++)
			EXPECT(cairn_gc_table_put(m, t[i % tables], held_at(i), held_at(i + 1)));
		for (size_t i = 1; i < length; i++)
			hold(i, NULL);
		size_t live = 1 + length;
		for (unsigned round = 0; round < 2; round++) {
			cairn_gc_collect(m);
			live = live_objects();
			EXPECT_EQ(live, 1 + length);
			EXPECT(heap->deaths.waiting.steps <= 8 * length);
		}
		EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
		box *at = live == 1 + length ? held_at(0) : NULL; /* else the chain leads to what is gone */
		for (size_t i = 0; i + 1 < length && at; i++)
			at = cairn_gc_table_get(m, t[i % tables], at);
		EXPECT(at && at->id == length - 1);
		hold(0, NULL);
		cairn_gc_collect(m);
		EXPECT_EQ(live_objects(), 1);
		for (size_t i = 0; i < tables; i++) {
			EXPECT_EQ(cairn_gc_table_count(t[i]), 0);
			cairn_gc_table_free(t[i]);
		}
	}
}

static void a_chain_of_entries_costs_time_in_its_length(void) { chain_is_linear(CAIRN_DEBUG ? 8000 : 100000, 1, 1); }
static void a_chain_may_lead_through_several_tables(void) { chain_is_linear(CAIRN_DEBUG ? 5000 : 10000, 8, 1); }
static void a_chain_is_followed_by_several_workers(void) { chain_is_linear(CAIRN_DEBUG ? 5000 : 10000, 3, 3); }

/* So many entries wait that who waits would be written down in a mapping, which is refused. */
static void a_chain_is_followed_without_memory(void)
{
	enum { LENGTH = 100, DEAD_KEYS = 5000 };
	if (!cairn_fault_set("mmap", 0, ENOMEM))
		SKIP("not in this build: nothing can be refused");
	if (getenv("CAIRN_GC_ZEAL"))
		SKIP("a verifier would have no memory either");
	EACH_COLLECTOR (LENGTH + DEAD_KEYS) {
		hold_keys(LENGTH + DEAD_KEYS);
		cairn_gc_table *t = cairn_gc_table_new(heap);
		for (size_t i = 0; i + 1 < LENGTH + DEAD_KEYS; i++)
			EXPECT(cairn_gc_table_put(m, t, held_at(i), i + 1 < LENGTH ? held_at(i + 1) : NULL));
		for (size_t i = 1; i < LENGTH + DEAD_KEYS; i++)
			hold(i, NULL);
		cairn_fault_set("mmap", 1, ENOMEM);
		cairn_gc_collect(m);
		cairn_fault_set("mmap", 0, ENOMEM);
		EXPECT(heap->deaths.waiting.is_short);
		EXPECT_EQ(live_objects(), 1 + LENGTH);
		EXPECT_EQ(cairn_gc_table_count(t), LENGTH);
		EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
		hold(0, NULL);
		cairn_gc_collect(m);
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		EXPECT_EQ(live_objects(), 1);
		cairn_gc_table_free(t);
	}
}

/* Objects whose hash is chosen: as if they had moved, and had had an address of that hash before. */
static void *new_with_hash(uint64_t hash)
{
	uint64_t *words = cairn_gc_new_bytes(m, 24);
	uint64_t header = cairn_gc_header_make(CAIRN_GC_TYPE_BYTES, 16) | CAIRN_GC_HASHED | CAIRN_GC_HASH_KEPT;
	EXPECT_EQ(cairn_gc_header_cell(header), cairn_gc_header_cell(cairn_gc_header_of(words)));
	*cairn_gc_header_at(words) = header;
	*cairn_gc_hash_word(words, header) = hash;
	return words;
}

static void equal_hashes_are_slow_and_right(void)
{
	enum { SAME = 1500, OTHERS = 1500 };
	EACH_COLLECTOR (SAME + OTHERS) {
		cairn_gc_table *t = cairn_gc_table_new(heap);
		for (size_t i = 0; i < SAME + OTHERS; i++) {
			uint64_t *key = new_with_hash(i % 2 ? i * 0x9e3779b97f4a7c15 : 0x123456789abcdef0);
			key[0] = i;
			hold(i, key);
			EXPECT(cairn_gc_table_put(m, t, key, key));
		}
		EXPECT(t->map.page_count * 4 >= (size_t)1 << t->map.bits);
		EXPECT(t->map.page_count < 60);
		collect();
		for (size_t i = 0; i < SAME + OTHERS; i++)
			EXPECT(cairn_gc_table_get(m, t, held_at(i)) == held_at(i));
		for (size_t i = 0; i < SAME + OTHERS; i++)
			if (i % 3)
				hold(i, NULL);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), (SAME + OTHERS) / 3);
		for (size_t i = 0; i < SAME + OTHERS; i += 3)
			EXPECT(cairn_gc_table_remove(m, t, held_at(i)) && !cairn_gc_table_get(m, t, held_at(i)));
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		collect();
		EXPECT_EQ(t->map.bytes, 0);
		cairn_gc_table_free(t);
	}
}

static void who_is_freed_by_hand_is_gone_from_tables(void)
{
	EACH_COLLECTOR (1) {
		cairn_gc_table *a = cairn_gc_table_new(heap), *b = cairn_gc_table_new(heap);
		for (unsigned i = 0; i < 100; i++) {
			box *key = new_box(i);
			EXPECT(cairn_gc_table_put(m, a, key, key) && cairn_gc_table_put(m, b, key, NULL));
			cairn_gc_free(m, key);
			EXPECT(cairn_gc_table_count(a) == 0 && cairn_gc_table_count(b) == 0);
		}
		collect();
		cairn_gc_table_free(a);
		cairn_gc_table_free(b);
	}
}

static void a_table_past_max_refuses_and_stays_as_it_was(void)
{
	EACH_COLLECTOR (1, .max = (size_t)3 << 20) {
		cairn_gc_table *t = cairn_gc_table_new(heap);
		size_t n = 0;
		for (;; n++) { /* every key is kept by the next */
			box *key = cairn_gc_try_new(m, box);
			if (!key)
				break;
			key->id = n;
			cairn_gc_set(m, key, strong, held_at(0));
			if (!cairn_gc_table_put(m, t, key, key))
				break;
			hold(0, key);
			EXPECT(n < 1u << 20);
		}
		EXPECT(n > 5000 && cairn_gc_table_count(t) == n);
		EXPECT(cairn_gc_held(heap) <= (size_t)3 << 20);
		size_t seen = 0;
		for (box *key = held_at(0); key; key = (box *)cairn_gc_get(m, key, strong))
			seen += cairn_gc_table_get(m, t, key) == key;
		EXPECT_EQ(seen, n);
		hold(0, NULL);
		cairn_gc_collect(m);
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		cairn_gc_table_free(t);
	}
}

/* ---- Threads ---- */

enum { THREADS = 3, ROUNDS = 20, EACH = 100 };
static cairn_gc_table *shared_table;
static uint32_t wrong; /* sync: atomic */

static void *table_thread(void *arg)
{
	cairn_gc_mutator *me = cairn_gc_attach(heap);
	cairn_gc_handle *keys = cairn_gc_handle_new(me, cairn_gc_new_array(me, slots, EACH));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < EACH; i++) {
			box *key = cairn_gc_new(me, box);
			key->id = (uintptr_t)arg << 32 | i;
			slots *s = cairn_gc_handle_get(me, keys);
			cairn_gc_set(me, s, item[i], (void *)key);
			if (!cairn_gc_table_put(me, shared_table, key, key))
				__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
		}
		if (round % 5 == (uintptr_t)arg % 5)
			cairn_gc_collect(me);
		for (size_t i = 0; i < EACH; i++) {
			slots *s = cairn_gc_handle_get(me, keys);
			void *key = cairn_gc_get(me, s, item[i]);
			if (cairn_gc_table_get(me, shared_table, key) != key)
				__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
			cairn_gc_poll(me);
		}
	}
	cairn_gc_handle_free(heap, keys);
	cairn_gc_detach(me);
	return NULL;
}

/* Is no mutator, and so is not stopped. */
static void *table_maker(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 300; i++) {
		cairn_gc_table *t = cairn_gc_table_new(heap), *u = cairn_gc_table_new(heap);
		cairn_gc_table_free(t);
		cairn_gc_table_free(u);
		cairn_gc_guardian_free(cairn_gc_guardian_new(heap));
	}
	return NULL;
}

static void threads_share_a_table(void)
{
	EACH_COLLECTOR (1) {
		pthread_t thread[THREADS + 1];
		shared_table = cairn_gc_table_new(heap);
		for (uintptr_t i = 0; i <= THREADS; i++)
			REQUIRE(!pthread_create(&thread[i], NULL, i < THREADS ? table_thread : table_maker, (void *)i));
		CAIRN_GC_BLOCKING (m)
			for (unsigned i = 0; i <= THREADS; i++)
				pthread_join(thread[i], NULL);
		EXPECT_EQ(wrong, 0);
		collect();
		EXPECT_EQ(cairn_gc_table_count(shared_table), 0);
		const cairn_node *tables = &heap->deaths.tables;
		EXPECT(tables->next == &shared_table->node && tables->prev == &shared_table->node);
		cairn_gc_table_free(shared_table);
	}
}

int main(void)
{
	RUN(a_table_says_what_was_put_last);
	RUN(who_was_never_put_is_not_there);
	RUN(after_a_collection_a_table_holds_those_whose_keys_live);
	RUN(a_value_that_refers_to_its_own_key_does_not_keep_it);
	RUN(a_key_may_be_in_many_tables);
	RUN(a_chain_of_entries_costs_time_in_its_length);
	RUN(a_chain_may_lead_through_several_tables);
	RUN(a_chain_is_followed_by_several_workers);
	RUN(a_chain_is_followed_without_memory);
	RUN(equal_hashes_are_slow_and_right);
	RUN(who_is_freed_by_hand_is_gone_from_tables);
	RUN(a_table_past_max_refuses_and_stays_as_it_was);
	RUN(threads_share_a_table);
	DONE();
}
