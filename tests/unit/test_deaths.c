/* What happens when objects die: each thing once, and exactly when it should. */
#include "support/child.h"
#include "support/gcdead.h"

#include "os/sys.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { OBJECTS = 2000 };

/* ---- An object that is counted ---- */

typedef struct counted {
	uint64_t id;
	cairn_ref(void) strong, weak;
	uint64_t check;
	cairn_ref(void) tail[];
} counted;

static uint32_t drops, drops_wrong; /* sync: atomic */
static uint8_t dropped[OBJECTS];    /* by id; sync: who runs drops */
static void (*while_dropping)(counted *c);

static void counted_drop(void *object)
{
	counted *c = object;
	bool is_cleared = !c->strong.cairn_gc_word && !c->weak.cairn_gc_word && c->check == ~c->id;
	for (size_t i = 0; i < cairn_gc_length(c); i++)
		is_cleared &= !c->tail[i].cairn_gc_word;
	if (c->id < OBJECTS)
		dropped[c->id]++;
	__atomic_fetch_add(&drops_wrong, !is_cleared, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&drops, 1, __ATOMIC_SEQ_CST);
	if (while_dropping)
		while_dropping(c);
}
CAIRN_GC_DROP_TYPE(counted, counted_drop, .refs = CAIRN_GC_REFS(counted, strong), .weak = CAIRN_GC_REFS(counted, weak),
	.tail_offset = offsetof(counted, tail), .tail_stride = sizeof(cairn_gc_slot), .tail_refs = CAIRN_GC_TAIL_REF);

typedef struct fixed {
	uint64_t id;
	cairn_ref(void) strong;
} fixed;
static uintptr_t fixed_was_at, fixed_died_at;
static void fixed_drop(void *object)
{
	EXPECT(!((fixed *)object)->strong.cairn_gc_word);
	fixed_died_at = (uintptr_t)object;
}
CAIRN_GC_DROP_TYPE(fixed, fixed_drop, .refs = CAIRN_GC_REFS(fixed, strong), .flags = CAIRN_GC_PINNED);

static counted *new_counted(uint64_t id, size_t tail)
{
	counted *c = cairn_gc_new_array(m, counted, tail);
	c->id = id;
	c->check = ~id;
	cairn_gc_set(m, c, strong, (void *)c);
	cairn_gc_set(m, c, weak, (void *)c);
	for (size_t i = 0; i < tail; i++)
		cairn_gc_set(m, c, tail[i], (void *)c);
	return c;
}

static void start_counting(void)
{
	memset(dropped, 0, sizeof dropped);
	drops = drops_wrong = 0;
	while_dropping = NULL;
}

static uint32_t dropped_so_far(void) { return __atomic_load_n(&drops, __ATOMIC_SEQ_CST); }

static size_t cleaned;
static void clean(void *arg) { cleaned += (uintptr_t)arg; }

#define MANUAL .cleanups = CAIRN_GC_CLEANUPS_MANUAL

/* ---- Drops and cleanups ---- */

static void each_object_is_dropped_once_when_it_has_died(void)
{
	uint64_t seed = test_seed();
	EACH_COLLECTOR (OBJECTS, MANUAL) {
		uint64_t state = seed;
		size_t dead = 0;
		start_counting();
		for (size_t i = 0; i < OBJECTS; i++)
			hold(i, new_counted(i, i % 5));
		for (unsigned round = 0; round < 6; round++) {
			size_t now = 0;
			for (size_t i = 0; i < OBJECTS; i++) {
				if (held_at(i) && test_random(&state) % 4 == 0) {
					hold(i, NULL);
					now++;
				}
			}
			collect();
			EXPECT_EQ(live_objects(), 1 + OBJECTS - dead); /* who is to be dropped is kept until then */
			EXPECT_EQ(drops, dead);
			EXPECT_EQ(cairn_gc_run_cleanups(m, 0), now);
			dead += now;
			EXPECT_EQ(drops, dead);
			collect();
			EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
			EXPECT_EQ(live_objects(), 1 + OBJECTS - dead);
		}
		for (size_t i = 0; i < OBJECTS; i++)
			EXPECT_EQ(dropped[i], !held_at(i));
		EXPECT_EQ(drops_wrong, 0);
	}
}

static void an_object_waits_for_its_drop_through_collections(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		start_counting();
		for (size_t i = 0; i < 100; i++)
			new_counted(i, 3);
		for (unsigned round = 0; round < 4; round++) {
			collect();
			EXPECT_EQ(live_objects(), 101);
			EXPECT_EQ(heap->deaths.due.count, 100);
		}
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 100);
		EXPECT(drops == 100 && drops_wrong == 0);
		collect();
		EXPECT_EQ(live_objects(), 1);
	}
}

static void what_only_a_dropped_object_referred_to_dies_with_it(void)
{
	EACH_COLLECTOR (2, MANUAL) {
		start_counting();
		counted *c = new_counted(1, 2);
		hold(0, c);
		box *b = new_box(7);
		c = held_at(0);
		cairn_gc_set(m, c, tail[1], (void *)b);
		cairn_gc_set(m, b, strong, (void *)c);
		hold(1, new_box(8)); /* sees both weakly */
		cairn_gc_set(m, (box *)held_at(1), weak, held_at(0));
		collect();
		EXPECT_EQ(live_objects(), 4);
		EXPECT(cairn_gc_get_weak(m, (box *)held_at(1), weak) == held_at(0));
		hold(0, NULL);
		collect();
		EXPECT_EQ(live_objects(), 3); /* the slots, the box that is held, and who is to be dropped */
		EXPECT(!cairn_gc_get_weak(m, (box *)held_at(1), weak)); /* though its drop has not run yet */
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
		EXPECT_EQ(drops_wrong, 0);
	}
}

static void large_and_pinned_objects_are_dropped_too(void)
{
	enum { LARGE = 5000, HUGE = 400000 };
	EACH_COLLECTOR (3, MANUAL) {
		start_counting();
		hold(0, new_counted(0, LARGE));
		hold(1, new_counted(1, HUGE));
		fixed *f = cairn_gc_new(m, fixed);
		fixed_was_at = (uintptr_t)f;
		fixed_died_at = 0;
		hold(2, f);
		void *moves = new_counted(2, 1);
		EXPECT(cairn_gc_pin(m, moves));
		collect();
		EXPECT_EQ(live_objects(), 5);
		EXPECT((uintptr_t)held_at(2) == fixed_was_at);
		cairn_gc_unpin(m, moves);
		for (size_t i = 0; i < 3; i++)
			hold(i, NULL);
		collect();
		EXPECT_EQ(live_objects(), 5);
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 4);
		EXPECT(drops == 3 && drops_wrong == 0 && fixed_died_at == fixed_was_at);
		EXPECT(dropped[0] == 1 && dropped[1] == 1 && dropped[2] == 1);
		collect();
		EXPECT_EQ(live_objects(), 1);
		EXPECT(heap->blocks.large_blocks == 0 && heap->blocks.huge_bytes == 0);
	}
}

static void cleanups_run_once_for_each_time_they_were_asked_for(void) /* GC1 */
{
	EACH_COLLECTOR (OBJECTS, MANUAL) {
		cleaned = 0;
		for (size_t i = 0; i < OBJECTS; i++) {
			hold(i, new_box(i));
			for (size_t n = 0; n <= i % 3; n++)
				EXPECT(cairn_gc_cleanup(m, held_at(i), clean, (void *)(i + 1)));
		}
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
		size_t expected = 0, calls = 0;
		for (size_t i = 0; i < OBJECTS; i += 2) {
			hold(i, NULL);
			expected += (i + 1) * (1 + i % 3);
			calls += 1 + i % 3;
		}
		collect();
		EXPECT_EQ(live_objects(), 1 + OBJECTS / 2); /* nothing is kept for a cleanup */
		EXPECT_EQ(cleaned, 0);
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), calls);
		EXPECT_EQ(cleaned, expected);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
	}
}

static void collect_and_check(counted *c)
{
	uint64_t id = c->id;
	new_box(id);
	collect();
	EXPECT(c->id == id && c->check == ~id); /* it stays where it is, while its function runs */
	EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
	if (id < 50)
		new_counted(id + 50, 0);
}

static void a_drop_may_allocate_and_collect(void) /* GC1 */
{
	EACH_COLLECTOR (1, MANUAL) {
		start_counting();
		for (size_t i = 0; i < 50; i++)
			new_counted(i, 1);
		collect();
		while_dropping = collect_and_check;
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 100); /* with those that died meanwhile */
		while_dropping = NULL;
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
		EXPECT_EQ(live_objects(), 1);
		for (size_t i = 0; i < 100; i++)
			EXPECT_EQ(dropped[i], 1);
	}
}

static void lose_a_record(void *is_lost)
{
	dead_open((cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, MANUAL }, 1);
	for (size_t i = 0; i < 3; i++)
		EXPECT(cairn_gc_cleanup(m, new_box(i), clean, NULL));
	cairn_gc_collect(m);
	EXPECT_EQ(heap->deaths.due.count, 3);
	if (is_lost)
		cairn_gc_queue_take(&heap->deaths.due);
	cairn_gc_verify(m, stderr);
}

static void a_record_that_is_in_no_list_is_noticed(void) /* GC1 */
{
	EXPECT(!child_aborts(lose_a_record, NULL));
	EXPECT(child_aborts(lose_a_record, (void *)1));
}

static void take_2_ms(counted *c)
{
	(void)c;
	usleep(2000);
}

static void a_budget_ends_the_running(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		start_counting();
		for (size_t i = 0; i < 5; i++)
			new_counted(i, 0);
		collect();
		while_dropping = take_2_ms;
		for (size_t i = 1; i <= 5; i++) {
			EXPECT_EQ(cairn_gc_run_cleanups(m, 1000), 1);
			EXPECT_EQ(drops, i);
		}
		EXPECT_EQ(cairn_gc_run_cleanups(m, 1000), 0);
		while_dropping = NULL;
	}
}

static void closing_drops_whoever_is_left(void)
{
	for (unsigned is_due = 0; is_due < 2; is_due++) {
		size_t opened = 0;
		start_counting();
		cleaned = 0;
		EACH_COLLECTOR (100, MANUAL) {
			opened++;
			for (size_t i = 0; i < 100; i++) {
				hold(i, new_counted(i, 2));
				cairn_gc_cleanup(m, held_at(i), clean, (void *)1);
			}
			cairn_gc_guard(m, cairn_gc_guardian_new(heap), held_at(0));
			EXPECT(cairn_gc_table_put(m, cairn_gc_table_new(heap), held_at(0), held_at(1)));
			EXPECT(cairn_gc_external(m, held_at(0), 100000));
			for (size_t i = 1; is_due && i < 50; i++)
				hold(i, NULL);
			collect();
			EXPECT_EQ(drops, (opened - 1) * 100);
		}
		EXPECT(drops == opened * 100 && drops_wrong == 0 && cleaned == opened * 100);
	}
}

/* ---- Who runs them ---- */

static void polling_runs_them_by_default_and_allocating_does_not(void)
{
	EACH_COLLECTOR (1) {
		start_counting();
		for (size_t i = 0; i < 100; i++)
			new_counted(i, 0);
		cairn_gc_poll(m);
		collect();
		for (size_t i = 0; i < 1000; i++)
			new_box(i);
		EXPECT_EQ(drops, 0);
		for (unsigned i = 0; i < 100 && drops < 100; i++) /* each poll has a budget */
			cairn_gc_poll(m);
		EXPECT_EQ(drops, 100);
		EXPECT_EQ(heap->deaths.thread_state, 0);
	}
}

static void polling_does_not_run_them_where_the_program_does(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		start_counting();
		new_counted(0, 0);
		for (unsigned i = 0; i < 4; i++) {
			collect();
			cairn_gc_poll(m);
		}
		EXPECT(drops == 0 && heap->deaths.thread_state == 0);
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
	}
}

static bool wait_for_drops(uint32_t n)
{
	for (unsigned ms = 0; ms < 5000 && dropped_so_far() < n; ms++)
		CAIRN_GC_BLOCKING (m)
			usleep(1000);
	return dropped_so_far() == n;
}

static pthread_t dropping_thread;
static bool is_mutator, blocks_signals; /* sync: the count of drops */

static void look_at_thread(counted *c)
{
	sigset_t blocked;
	dropping_thread = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	blocks_signals = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGALRM);
	cairn_gc_mutator *mine = cairn_gc_mutator_of(heap);
	is_mutator = mine && mine != m && cairn_gc_new(mine, box);
	(void)c;
}

static void a_thread_runs_them_where_it_was_asked_for(void)
{
	EACH_COLLECTOR (1, .cleanups = CAIRN_GC_CLEANUPS_THREAD) {
		start_counting();
		while_dropping = look_at_thread;
		for (unsigned round = 1; round <= 5; round++) {
			for (size_t i = 0; i < 20; i++)
				new_counted(i, 1);
			cairn_gc_collect(m);
			EXPECT(wait_for_drops(20 * round));
		}
		collect();
		EXPECT_EQ(drops_wrong, 0);
	}
	EXPECT(!pthread_equal(dropping_thread, pthread_self()) && is_mutator && blocks_signals);
}

static void a_thread_runs_them_where_nobody_polls(void)
{
	EACH_COLLECTOR (1) {
		start_counting();
		for (size_t i = 0; i < 20; i++)
			new_counted(i, 1);
		cairn_gc_collect(m);
		usleep(2000);
		EXPECT(drops == 0 && heap->deaths.thread_state == 0); /* there was no time to poll yet */
		cairn_gc_collect(m);
		EXPECT(wait_for_drops(20));
		EXPECT_EQ(drops_wrong, 0);
	}
}

static void a_child_starts_a_thread_of_its_own(void)
{
#ifdef __SANITIZE_THREAD__
	SKIP("not in this build: its children may not start threads");
#endif
	EACH_COLLECTOR (1, .cleanups = CAIRN_GC_CLEANUPS_THREAD) {
		start_counting();
		new_counted(0, 0);
		cairn_gc_collect(m);
		EXPECT(wait_for_drops(1));
		pid_t child = fork();
		if (!child) {
			test_case_failures = 0;
			new_counted(1, 0);
			cairn_gc_collect(m);
			bool is_right = wait_for_drops(2);
			dead_close();
			_exit(is_right && !test_case_failures ? 0 : 1);
		}
		int status = -1;
		EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* ---- Guardians ---- */

static uint64_t next_id(cairn_gc_guardian *g)
{
	counted *c = cairn_gc_guardian_next(m, g);
	return c ? c->id : 999;
}

static void a_guardian_gives_objects_back_in_order(void)
{
	EACH_COLLECTOR (10, MANUAL) {
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap);
		for (size_t i = 0; i < 10; i++) {
			hold(i, new_box(i));
			cairn_gc_set(m, (box *)held_at(i), strong, (void *)new_box(100 + i));
			EXPECT(cairn_gc_guard(m, g, held_at(i)));
		}
		collect();
		EXPECT(!cairn_gc_guardian_next(m, g));
		for (size_t i = 0; i < 5; i++)
			hold(i, NULL);
		collect();
		for (size_t i = 5; i < 10; i++)
			hold(i, NULL);
		collect();
		collect(); /* who waits is kept, with all it refers to */
		EXPECT_EQ(live_objects(), 21);
		for (size_t i = 0; i < 10; i++) {
			box *b = cairn_gc_guardian_next(m, g);
			EXPECT(b && b->id == i && ((box *)cairn_gc_get(m, b, strong))->id == 100 + i);
		}
		EXPECT(!cairn_gc_guardian_next(m, g));
		collect(); /* they are guarded no more */
		EXPECT_EQ(live_objects(), 1);
		EXPECT(!cairn_gc_guardian_next(m, g));
		cairn_gc_guardian_free(g);
		cairn_gc_guardian_free(NULL);
	}
}

static void who_is_guarded_twice_comes_back_twice(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap), *other = cairn_gc_guardian_new(heap);
		box *b = new_box(5);
		EXPECT(cairn_gc_guard(m, g, b) && cairn_gc_guard(m, other, b) && cairn_gc_guard(m, g, b));
		collect();
		EXPECT(next_id(g) == 5 && next_id(g) == 5 && next_id(g) == 999);
		EXPECT(next_id(other) == 5 && next_id(other) == 999);
		cairn_gc_guardian_free(g);
		cairn_gc_guardian_free(other);
	}
}

static void a_guardian_comes_before_drop_and_cleanup(void)
{
	EACH_COLLECTOR (2, MANUAL) {
		start_counting();
		cleaned = 0;
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap);
		hold(1, new_box(0)); /* sees it weakly: it is not dead while somebody asks for it */
		counted *c = new_counted(3, 2);
		cairn_gc_set(m, (box *)held_at(1), weak, (void *)c);
		EXPECT(cairn_gc_guard(m, g, c) && cairn_gc_cleanup(m, c, clean, (void *)1));
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
		c = cairn_gc_guardian_next(m, g);
		REQUIRE(c && c->id == 3);
		EXPECT(cairn_gc_get(m, c, strong) == (void *)c && cairn_gc_get(m, c, tail[1]) == (void *)c);
		EXPECT(cairn_gc_get_weak(m, (box *)held_at(1), weak) == (void *)c);
		hold(0, c);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 0);
		hold(0, NULL);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 2);
		EXPECT(drops == 1 && drops_wrong == 0 && cleaned == 1);
		EXPECT(!cairn_gc_get_weak(m, (box *)held_at(1), weak));
		cairn_gc_guardian_free(g);
	}
}

/* Both are found at once: that one is kept by the other does not hide it. */
static void who_a_guarded_object_refers_to_may_be_guarded_too(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap);
		box *a = new_box(1), *b = new_box(2);
		cairn_gc_set(m, a, strong, (void *)b);
		cairn_gc_set(m, b, strong, (void *)a);
		EXPECT(cairn_gc_guard(m, g, a) && cairn_gc_guard(m, g, b));
		collect();
		EXPECT(next_id(g) == 1 && next_id(g) == 2 && next_id(g) == 999);
		cairn_gc_guardian_free(g);
	}
}

static void a_value_is_kept_for_a_guarded_key(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap);
		cairn_gc_table *t = cairn_gc_table_new(heap);
		box *key = new_box(1), *second = new_box(2), *value = new_box(3);
		EXPECT(cairn_gc_guard(m, g, key));
		EXPECT(cairn_gc_table_put(m, t, key, second) && cairn_gc_table_put(m, t, second, value));
		collect();
		key = cairn_gc_guardian_next(m, g);
		second = key ? cairn_gc_table_get(m, t, key) : NULL;
		value = second ? cairn_gc_table_get(m, t, second) : NULL;
		EXPECT(value && value->id == 3);
		collect();
		EXPECT_EQ(cairn_gc_table_count(t), 0);
		EXPECT_EQ(live_objects(), 1);
		cairn_gc_table_free(t);
		cairn_gc_guardian_free(g);
	}
}

static void a_freed_guardian_guards_nobody(void)
{
	EACH_COLLECTOR (2, MANUAL) {
		start_counting();
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap), *other = cairn_gc_guardian_new(heap);
		hold(0, new_counted(0, 0));
		EXPECT(cairn_gc_guard(m, g, held_at(0)) && cairn_gc_guard(m, g, new_box(1)));
		EXPECT(cairn_gc_guard(m, other, held_at(0)));
		collect(); /* the box waits in its queue */
		cairn_gc_guardian_free(g);
		collect();
		EXPECT_EQ(live_objects(), 2);
		hold(0, NULL);
		collect();
		EXPECT(next_id(other) == 0 && next_id(other) == 999 && drops == 0);
		cairn_gc_guardian_free(other);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
		collect();
		EXPECT(heap->deaths.used == 0 && !heap->deaths.chunks && cairn_list_is_empty(&heap->deaths.guardians));
	}
}

/* ---- Weak fields ---- */

static uintptr_t weak_of(size_t i) { return (uintptr_t)cairn_gc_get_weak(m, (box *)held_at(i), weak); }

static void weak_fields_are_cleared_exactly(void)
{
	EACH_COLLECTOR (2 * OBJECTS) {
		for (size_t i = 0; i < OBJECTS; i++) {
			hold(i, new_box(i));
			hold(OBJECTS + i, new_box(OBJECTS + i));
		}
		for (size_t i = 0; i < OBJECTS; i++)
			cairn_gc_set(m, (box *)held_at(OBJECTS + i), weak, held_at(i * 7 % OBJECTS));
		for (size_t i = 0; i < OBJECTS; i++)
			if (i % 3 == 0)
				hold(i, NULL);
		for (unsigned round = 0; round < 3; round++) {
			collect();
			EXPECT_EQ(heap->deaths.weak_cleared, round ? 0 : (OBJECTS + 2) / 3);
			for (size_t i = 0; i < OBJECTS; i++)
				EXPECT_EQ(weak_of(OBJECTS + i), (uintptr_t)held_at(i * 7 % OBJECTS));
		}
	}
}

/* ---- Freed by hand ---- */

static void who_is_freed_by_hand_is_neither_dropped_nor_cleaned(void)
{
	EACH_COLLECTOR (200, MANUAL) {
		start_counting();
		cleaned = 0;
		cairn_gc_guardian *g = cairn_gc_guardian_new(heap);
		for (size_t i = 0; i < 200; i++) {
			hold(i, new_counted(i, 1));
			EXPECT(cairn_gc_cleanup(m, held_at(i), clean, (void *)1) && cairn_gc_guard(m, g, held_at(i)));
		}
		for (size_t i = 0; i < 200; i += 2) {
			void *object = held_at(i);
			hold(i, NULL);
			cairn_gc_free(m, object);
		}
		collect();
		EXPECT_EQ(live_objects(), 101);
		EXPECT(!cairn_gc_guardian_next(m, g) && cairn_gc_run_cleanups(m, 0) == 0);
		for (size_t i = 1; i < 200; i += 2)
			hold(i, NULL);
		collect();
		while (cairn_gc_guardian_next(m, g))
			;
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 200);
		EXPECT(drops == 100 && cleaned == 100 && drops_wrong == 0);
		for (size_t i = 0; i < 200; i++)
			EXPECT_EQ(dropped[i], i % 2);
		cairn_gc_guardian_free(g);
	}
}

/* The newest object's memory is the next one's: what was listed of the former must not be taken for the latter's. */
static void freeing_again_and_again_leaves_no_records(void)
{
	EACH_COLLECTOR (100, MANUAL) {
		start_counting();
		for (size_t i = 0; i < 100; i++)
			hold(i, new_counted(i, 0));
		for (unsigned i = 0; i < 20000; i++)
			cairn_gc_free(m, new_counted(OBJECTS, i % 3));
		EXPECT(heap->deaths.used < 1000);
		void *last = new_counted(100, 0);
		EXPECT(last != NULL);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
		EXPECT(drops == 1 && dropped[100] == 1);
		collect();
		EXPECT_EQ(heap->deaths.used, 100);
	}
}

static void who_was_freed_is_crossed_out_without_memory(void)
{
#ifdef __SANITIZE_THREAD__
	SKIP("not in this build: 100 million steps of one thread");
#endif
	if (!cairn_fault_set("mmap", 0, ENOMEM))
		SKIP("not in this build: nothing can be refused");
	if (getenv("CAIRN_GC_ZEAL"))
		SKIP("a verifier would have no memory either");
	EACH_COLLECTOR (OBJECTS, MANUAL) {
		enum { MANY = 8300, FREED_ONES = 4100 };
		static void *freed[FREED_ONES];
		start_counting();
		hold(0, cairn_gc_new_array(m, slots, MANY));
		for (size_t i = 0; i < MANY; i++) {
			counted *c = new_counted(OBJECTS, 0);
			cairn_gc_set(m, (slots *)held_at(0), item[i], (void *)c);
		}
		for (size_t i = 0; i < FREED_ONES; i++) {
			freed[i] = cairn_gc_get(m, (slots *)held_at(0), item[i * 2]);
			cairn_gc_set(m, (slots *)held_at(0), item[i * 2], NULL);
			cairn_gc_free(m, freed[i]);
		}
		EXPECT_EQ(heap->deaths.forgotten, FREED_ONES); /* their set would be a mapping */
		cairn_fault_set("mmap", 1, ENOMEM);
		cairn_gc_collect(m);
		cairn_fault_set("mmap", 0, ENOMEM);
		EXPECT_EQ(heap->deaths.forgotten, 0);
		EXPECT_EQ(heap->deaths.listed_count, MANY - FREED_ONES);
		collect();
		hold(0, NULL);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), MANY - FREED_ONES);
	}
}

/* ---- External bytes ---- */

static bool is_zero(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static void external_bytes_live_as_long_as_their_object(void)
{
	static const size_t sizes[] = { 0, 1, 16, 17, 1000, 8192, 8193, 16384, 100000, 5000000 };
	enum { SIZES = sizeof sizes / sizeof *sizes };
	EACH_COLLECTOR (SIZES) {
		char *at[SIZES];
		for (unsigned round = 0; round < 2; round++) { /* the second time from memory that was written to */
			size_t sum = 0, n;
			for (size_t i = 0; i < SIZES; i++) {
				hold(i, new_box(i));
				at[i] = cairn_gc_external(m, held_at(i), sizes[i]);
				REQUIRE(at[i]);
				EXPECT((uintptr_t)at[i] % 16 == 0 && is_zero(at[i], sizes[i]));
				memset(at[i], 0x5a, sizes[i]);
				EXPECT(!cairn_gc_external(m, held_at(i), 1)); /* there is one */
				sum += sizes[i];
			}
			size_t external = heap->deaths.external_bytes;
			EXPECT(external >= sum && external < sum + sum / 4 + 65536);
			collect();
			for (size_t i = 0; i < SIZES; i++) {
				EXPECT(cairn_gc_external_of(m, held_at(i), &n) == at[i] && n == sizes[i]);
				EXPECT(!sizes[i] || (at[i][0] == 0x5a && at[i][sizes[i] - 1] == 0x5a));
				hold(i, i % 2 ? held_at(i) : NULL);
			}
			collect();
			size_t half = heap->deaths.external_bytes;
			EXPECT(half < sum && half > 5000000);
			for (size_t i = 1; i < SIZES; i += 2) {
				void *object = held_at(i);
				EXPECT(cairn_gc_external_of(m, object, NULL) == at[i]);
				hold(i, NULL);
				cairn_gc_free(m, object);
			}
			EXPECT_EQ(heap->deaths.external_bytes, 0);
			collect();
			EXPECT(!cairn_gc_external_of(m, new_box(0), &n) && n == 0);
		}
	}
}

static size_t external_seen;
static void look_at_external(counted *c)
{
	char *bytes = cairn_gc_external_of(m, c, &external_seen);
	EXPECT(bytes && bytes[99] == 7);
}

static void external_bytes_are_there_in_the_drop(void)
{
	EACH_COLLECTOR (1, MANUAL) {
		start_counting();
		while_dropping = look_at_external;
		external_seen = 0;
		counted *c = new_counted(0, 0);
		((char *)cairn_gc_external(m, c, 100))[99] = 7;
		collect();
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
		EXPECT_EQ(external_seen, 100);
		collect();
		EXPECT_EQ(heap->deaths.external_bytes, 0);
		while_dropping = NULL;
	}
}

static void external_bytes_count_against_max_and_make_collections(void)
{
	enum { MAX = 64 << 20, EACH_BYTES = 1 << 20 };
	EACH_COLLECTOR (100, .max = MAX) {
		for (unsigned i = 0; i < 300; i++) { /* nobody keeps them */
			void *object = new_box(i);
			EXPECT(cairn_gc_external(m, object, EACH_BYTES));
			EXPECT(cairn_gc_held(heap) <= MAX);
		}
		EXPECT(heap->collection >= 4);
		size_t n = 0;
		for (; n < 100; n++) {
			hold(n, new_box(n));
			if (!cairn_gc_external(m, held_at(n), EACH_BYTES))
				break;
		}
		EXPECT(n > 30 && n < 64);
		EXPECT(cairn_gc_held(heap) <= MAX);
		for (size_t i = 0; i < n; i++)
			hold(i, NULL);
		EXPECT(cairn_gc_external(m, held_at(n), EACH_BYTES)); /* collects */
		EXPECT(!cairn_gc_external(m, held_at(n), SIZE_MAX) && !cairn_gc_external(m, new_box(0), PTRDIFF_MAX));
	}
}

/* Leaves less than 256 bytes below max, of which 1 MiB pieces are garbage; the rest, in `filling`, is not. */
static struct { void *at; size_t bytes; } filling[16];
static void fill_to_max(void)
{
	size_t n = 0;
	while (cairn_gc_may_grow(heap, (1 << 20) + 8192))
		EXPECT(cairn_gc_external(m, new_box(0), 1 << 20));
	for (size_t bytes = 1 << 20; bytes >= 256; bytes /= 2) {
		filling[n].bytes = bytes;
		filling[n].at = cairn_gc_may_hold(heap, bytes) ? cairn_gc_meta_alloc(heap, bytes) : NULL;
		n += filling[n].at != NULL;
	}
	EXPECT(!cairn_gc_may_hold(heap, 256));
}

static void empty_again(void)
{
	for (size_t n = 0; filling[n].at; n++) {
		cairn_gc_meta_free(heap, filling[n].at, filling[n].bytes);
		filling[n].at = NULL;
	}
}

/* The record needs memory that only a collection can find. */
static void a_drop_is_listed_even_at_max(void)
{
	enum { MAX = 16 << 20 };
	EACH_COLLECTOR (1, MANUAL, .max = MAX, .min = MAX) {
		start_counting();
		fill_to_max();
		uint64_t before = heap->collection;
		EXPECT(!heap->deaths.chunks);
		EXPECT(cairn_gc_new(m, counted) && heap->deaths.chunks && heap->collection > before);
		collect();
		EXPECT_EQ(cairn_gc_run_cleanups(m, 0), 1);
		fill_to_max();
		for (size_t i = 0; i < 100; i++) /* their map needs more memory now and then */
			EXPECT(cairn_gc_external(m, new_box(i), 100));
		empty_again();
	}
}

static void foreign_bytes_are_counted(void)
{
	EACH_COLLECTOR (1) {
		cairn_gc_external_add(m, 1000);
		cairn_gc_external_add(m, -400);
		EXPECT_EQ(heap->sizing.foreign, 600);
	}
}

int main(void)
{
	RUN(each_object_is_dropped_once_when_it_has_died);
	RUN(an_object_waits_for_its_drop_through_collections);
	RUN(what_only_a_dropped_object_referred_to_dies_with_it);
	RUN(large_and_pinned_objects_are_dropped_too);
	RUN(cleanups_run_once_for_each_time_they_were_asked_for);
	RUN(a_drop_may_allocate_and_collect);
	if (CAN_ASSERT)
		RUN(a_record_that_is_in_no_list_is_noticed);
	RUN(a_budget_ends_the_running);
	RUN(closing_drops_whoever_is_left);
	RUN(polling_runs_them_by_default_and_allocating_does_not);
	RUN(polling_does_not_run_them_where_the_program_does);
	RUN(a_thread_runs_them_where_it_was_asked_for);
	RUN(a_thread_runs_them_where_nobody_polls);
	RUN(a_child_starts_a_thread_of_its_own);
	RUN(a_guardian_gives_objects_back_in_order);
	RUN(who_is_guarded_twice_comes_back_twice);
	RUN(a_guardian_comes_before_drop_and_cleanup);
	RUN(who_a_guarded_object_refers_to_may_be_guarded_too);
	RUN(a_value_is_kept_for_a_guarded_key);
	RUN(a_freed_guardian_guards_nobody);
	RUN(weak_fields_are_cleared_exactly);
	RUN(who_is_freed_by_hand_is_neither_dropped_nor_cleaned);
	RUN(freeing_again_and_again_leaves_no_records);
	RUN(who_was_freed_is_crossed_out_without_memory);
	RUN(external_bytes_live_as_long_as_their_object);
	RUN(external_bytes_are_there_in_the_drop);
	RUN(external_bytes_count_against_max_and_make_collections);
	RUN(a_drop_is_listed_even_at_max);
	RUN(foreign_bytes_are_counted);
	DONE();
}
