/* Mutators and the stop: who is attached, who is waited for, who may go on. Cases cite the invariants of gc/world.h,
 * gc/world.c (GW), gc/mutators.c (GU). The protocol itself is explored by tests/model/world.c. */
#include "gc/managed.h"
#include "support/child.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

typedef struct node {
	long key;
	cairn_ref(struct node) next;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, next));

enum { SLOW = IS_SANITIZED ? 4 : 1 }; /* rounds are divided by it */

static cairn_gc_heap *open_one(void)
{
	cairn_gc_heap *h = cairn_gc_open(&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .name = "test" });
	if (!h)
		_exit(3);
	return h;
}

/* Read by whom no collection can be at work for, or as a hint. */
static uint64_t collections(const cairn_gc_heap *h) { return __atomic_load_n(&h->collection, __ATOMIC_RELAXED); }

static size_t attached(cairn_gc_heap *h)
{
	cairn_lock_take(&h->world.lock, CAIRN_RANK_GC_WORLD);
	size_t count = h->world.count;
	cairn_lock_drop(&h->world.lock, CAIRN_RANK_GC_WORLD);
	return count;
}

static pthread_t start(void *(*body)(void *), void *arg)
{
	pthread_t t;
	if (pthread_create(&t, NULL, body, arg))
		_exit(4);
	return t;
}

static void set(int *flag, int value) { __atomic_store_n(flag, value, __ATOMIC_SEQ_CST); }
static int get(int *flag) { return __atomic_load_n(flag, __ATOMIC_SEQ_CST); }
static void wait_for(int *flag, int value)
{
	while (get(flag) != value)
		sched_yield();
}

/* A list of n nodes, the last made first; and whether it is whole. */
static node *list_make(cairn_gc_mutator *m, int n, long key)
{
	node *list = NULL;
	for (int i = 0; i < n; i++) {
		node *x = cairn_gc_new(m, node);
		x->key = key + i;
		cairn_gc_init(m, x, next, list);
		list = x;
	}
	return list;
}

static bool list_is(cairn_gc_mutator *m, node *list, int n, long key)
{
	for (; list && n > 0 && list->key == key + n - 1; n--)
		list = cairn_gc_get(m, list, next);
	return !list && !n;
}

/* ---- Attached, and not ---- */

static void a_thread_is_attached_once_to_a_heap_and_to_several(void) /* GU1, GU2 */
{
	cairn_gc_heap *h = open_one(), *k = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(h), *n = cairn_gc_attach(k);
	EXPECT(m && n && m != n);
	EXPECT(!cairn_gc_attach(h) && errno == EBUSY);
	EXPECT(cairn_gc_mutator_of(h) == m && cairn_gc_mutator_of(k) == n);
	EXPECT(cairn_gc_heap_of(m) == h && cairn_gc_heap_of(n) == k);
	cairn_gc_mutators_validate();
	cairn_gc_detach(m);
	EXPECT(!cairn_gc_mutator_of(h) && cairn_gc_mutator_of(k) == n);
	cairn_gc_mutators_validate();
	cairn_gc_close(h);
	cairn_gc_close(k);
	EXPECT(!cairn_gc_threads_own());
}

static cairn_gc_heap *shared;
static int where, go; /* steps of two threads */
static pthread_key_t late_key;

static void *ends_in_a_scope(void *how)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	node *list = list_make(m, 10, 0);
	if ((uintptr_t)how == 0)
		return list; /* a number to us: the heap does not know it any more */
	CAIRN_GC_BLOCKING(m) pthread_exit(NULL);
	return NULL;
}

static void a_thread_that_ends_is_detached_also_inside_a_scope(void) /* GU1 */
{
	shared = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	for (uintptr_t i = 0; i < 8; i++) {
		pthread_t t = start(ends_in_a_scope, (void *)(i & 1));
		cairn_gc_collect(m); /* somewhere in its life */
		pthread_join(t, NULL);
		EXPECT_EQ(attached(shared), 1);
	}
	cairn_gc_close(shared);
}

static void late_destructor(void *list)
{
	cairn_gc_mutator *m = cairn_gc_mutator_of(shared);
	EXPECT(m && list_is(m, list, 100, 7));
	EXPECT(m && list_is(m, list_make(m, 100, 8), 100, 8));
}

static void *keeps_a_list_by_key(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_setspecific(late_key, list_make(m, 100, 7));
	cairn_gc_collect(m);
	return arg;
}

static void destructors_of_the_first_round_may_use_objects(void)
{
	shared = open_one();
	pthread_key_create(&late_key, late_destructor);
	pthread_join(start(keeps_a_list_by_key, NULL), NULL);
	EXPECT_EQ(attached(shared), 0);
	pthread_key_delete(late_key);
	cairn_gc_close(shared);
}

static void *ends_by_a_system_call(void *arg)
{
	cairn_gc_attach(shared);
	set(&where, 1);
	syscall(SYS_exit, 0);
	return arg;
}

static void a_thread_that_ended_unnoticed_is_not_waited_for(void)
{
	shared = open_one();
	set(&where, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_t t = start(ends_by_a_system_call, NULL);
	wait_for(&where, 1);
	cairn_gc_collect(m);
	EXPECT_EQ(attached(shared), 1);
	pthread_join(t, NULL);
	cairn_gc_close(shared);
}

/* ---- A stop ---- */

static void in_a_stop(cairn_gc_thread *t, void *arg)
{
	cairn_gc_heap *h = t->heap;
	bool unless_other = arg != NULL;
	EXPECT(cairn_gc_world_stop(h, t, unless_other));
	cairn_gc_world_validate(h);
	EXPECT(h->world.collecting == t && t->state == CAIRN_GC_RUNNING);
	set(&where, 2); /* who is out may come now */
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	EXPECT(get(&where) == 2);
	cairn_gc_world_validate(h);
	cairn_gc_world_resume(h, t);
}

static void *is_out_and_enters(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	node *list = list_make(m, 100, 3);
	CAIRN_GC_BLOCKING(m) {
		set(&where, 1);
		wait_for(&where, 2);
	}
	set(&where, 3);
	EXPECT(list_is(m, list, 100, 3));
	cairn_gc_mutators_validate();
	return arg;
}

static void who_is_out_is_not_waited_for_and_enters_when_the_stop_is_over(void) /* GW1, GW2, GW3, GW4 */
{
	shared = open_one();
	set(&where, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_t t = start(is_out_and_enters, NULL);
	wait_for(&where, 1);
	cairn_gc_with_registers(cairn_gc_thread_of(m), in_a_stop, NULL);
	CAIRN_GC_BLOCKING(m) wait_for(&where, 3);
	CAIRN_GC_BLOCKING(m) pthread_join(t, NULL);
	cairn_gc_close(shared);
}

static void *polls_until_told(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	node *list = list_make(m, 100, 5);
	set(&where, 1);
	while (get(&where) != 3)
		cairn_gc_poll(m);
	EXPECT(list_is(m, list, 100, 5));
	return arg;
}

static void who_polls_is_stopped_and_goes_on(void) /* GW1, GW3, GW5 */
{
	shared = open_one();
	set(&where, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_t t = start(polls_until_told, NULL);
	wait_for(&where, 1);
	for (int i = 0; i < 20; i++) {
		set(&where, 1);
		cairn_gc_with_registers(cairn_gc_thread_of(m), in_a_stop, NULL);
		cairn_gc_collect(m);
	}
	EXPECT_EQ(collections(shared), 20);
	set(&where, 3);
	CAIRN_GC_BLOCKING(m) pthread_join(t, NULL);
	cairn_gc_close(shared);
}

static void stop_and_say_what_is_not(void *what)
{
	cairn_gc_heap *h = open_one();
	cairn_gc_thread *t = cairn_gc_thread_of(cairn_gc_attach(h));
	cairn_gc_with_registers(t, in_a_stop, NULL);
	t->is_aside = (uintptr_t)what & 1; /* as if it had gone out to wait, and not come back */
	cairn_gc_mutators_validate();
	cairn_gc_world_stop(h, t, false);
	t->is_aside = !((uintptr_t)what & 2); /* as if it had gone out by itself */
	cairn_gc_world_validate(h);
	cairn_gc_world_resume(h, t);
}

static void who_is_aside_and_should_not_be_is_noticed(void) /* GW5 */
{
	EXPECT_EQ(child_status(stop_and_say_what_is_not, NULL), 0);
	EXPECT(child_aborts(stop_and_say_what_is_not, (void *)1));
	EXPECT(child_aborts(stop_and_say_what_is_not, (void *)2));
}

static void *fills_the_heap(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	for (int i = 0; i < 30 / SLOW; i++)
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	return arg;
}

static void two_that_want_the_same_collection_share_one(void)
{
	shared = open_one();
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		t[i] = start(fills_the_heap, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	uint64_t made = collections(shared);
	EXPECT(made >= 30 / SLOW && made <= 4 * 30 / SLOW);
	cairn_gc_close(shared);
}

/* ---- Many at once ---- */

static cairn_gc_heap *others[2];

static void *does_everything(void *arg)
{
	long id = (long)(intptr_t)arg;
	for (int r = 0; r < 8 / SLOW; r++) {
		cairn_gc_mutator *m[2] = { cairn_gc_attach(others[id & 1]), cairn_gc_attach(others[~id & 1]) };
		node *list[2] = { 0 };
		for (int i = 0; i < 600; i++) {
			for (int k = 0; k < 2; k++) {
				node *x = cairn_gc_new(m[k], node);
				x->key = id + i;
				cairn_gc_init(m[k], x, next, list[k]);
				list[k] = x;
				cairn_gc_poll(m[k]);
			}
			if (i % 16 == 0)
				CAIRN_GC_BLOCKING(m[i & 1]) CAIRN_GC_BLOCKING(m[~i & 1]) sched_yield();
			if (i % 200 == 0)
				cairn_gc_collect(m[i / 200 & 1]);
		}
		EXPECT(list_is(m[0], list[0], 600, id) && list_is(m[1], list[1], 600, id));
		cairn_gc_mutators_validate();
		cairn_gc_detach(m[r & 1]);
		if (r & 2)
			cairn_gc_detach(m[~r & 1]);
		else
			cairn_gc_detach(cairn_gc_mutator_of(others[(id ^ ~r) & 1]));
	}
	return NULL;
}

static void threads_of_two_heaps_collect_both_and_lose_nothing(void) /* GU1, GU2, GW5 */
{
	others[0] = open_one();
	others[1] = open_one();
	pthread_t t[4];
	for (intptr_t i = 0; i < 4; i++)
		t[i] = start(does_everything, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT(collections(others[0]) && collections(others[1]));
	EXPECT_EQ(attached(others[0]) + attached(others[1]), 0);
	cairn_gc_close(others[0]);
	cairn_gc_close(others[1]);
}

static void *attaches_and_ends(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	EXPECT(m && list_is(m, list_make(m, 50, 1), 50, 1));
	if ((uintptr_t)arg % 3)
		cairn_gc_detach(m);
	if ((uintptr_t)arg % 3 == 1)
		EXPECT(cairn_gc_attach(shared));
	return NULL;
}

static void a_storm_of_short_threads_meets_collections(void)
{
	shared = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	for (uintptr_t r = 0; r < 24 / SLOW; r++) {
		pthread_t t[8];
		for (uintptr_t i = 0; i < 8; i++)
			t[i] = start(attaches_and_ends, (void *)(r + i));
		for (int i = 0; i < 4; i++)
			cairn_gc_collect(m);
		for (int i = 0; i < 8; i++)
			CAIRN_GC_BLOCKING(m) pthread_join(t[i], NULL);
	}
	EXPECT_EQ(attached(shared), 1);
	cairn_gc_close(shared);
}

static void *leaves_and_enters(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	for (int i = 0; i < 1000; i++) {
		node *x = cairn_gc_new(m, node);
		x->key = i;
		cairn_gc_leave(m);
		cairn_gc_enter(m);
		EXPECT(x->key == i);
	}
	__atomic_fetch_add(&where, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void leaving_and_entering_races_with_collections(void) /* GW4 */
{
	shared = open_one();
	set(&where, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_t t[2] = { start(leaves_and_enters, NULL), start(leaves_and_enters, NULL) };
	while (get(&where) < 2)
		cairn_gc_collect(m);
	for (int i = 0; i < 2; i++)
		CAIRN_GC_BLOCKING(m) pthread_join(t[i], NULL);
	cairn_gc_close(shared);
}

/* ---- longjmp, callbacks, misuse ---- */

static jmp_buf back;

__attribute__((noinline)) static void leaves_for_good(cairn_gc_mutator *m, int depth)
{
	__asm__ volatile("" : : "r"(__builtin_alloca((size_t)depth * 64 + 64)) : "memory");
	cairn_gc_leave(m);
	longjmp(back, 1);
}

static uint32_t state_now(cairn_gc_mutator *m)
{
	return __atomic_load_n(&cairn_gc_thread_of(m)->state, __ATOMIC_SEQ_CST);
}

static void enter_after_longjmp_counts_for_the_scope_that_was_left(void)
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *volatile m = cairn_gc_attach(h);
	for (volatile int i = 0; i < 5; i++) {
		if (!setjmp(back))
			leaves_for_good(m, i);
		EXPECT_EQ(state_now(m), CAIRN_GC_OUT);
		cairn_gc_enter(m);
		EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	}
	cairn_gc_close(h);
}

static void allocation_and_poll_after_longjmp_enter_first(void) /* GW4 */
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *volatile m = cairn_gc_attach(h);
	cairn_gc_new(m, node);
	if (!setjmp(back))
		leaves_for_good(m, 1);
	node *n = cairn_gc_new(m, node); /* its bump is hidden, so that this comes to the slow path */
	EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	EXPECT(n && !cairn_gc_thread_of(m)->is_hidden);
	if (!setjmp(back))
		leaves_for_good(m, 1);
	cairn_gc_poll(m);
	EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	if (!setjmp(back))
		leaves_for_good(m, 1);
	uint64_t before = collections(h);
	cairn_gc_collect(m);
	EXPECT_EQ(collections(h), before + 1);
	cairn_gc_leave(m);
	cairn_gc_enter(m);
	cairn_gc_close(h);
}

static void leaving_again_after_longjmp_begins_a_new_scope(void)
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *volatile m = cairn_gc_attach(h);
	if (!setjmp(back))
		leaves_for_good(m, 2);
	CAIRN_GC_BLOCKING(m) EXPECT_EQ(state_now(m), CAIRN_GC_OUT);
	EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	cairn_gc_close(h);
}

__attribute__((noinline)) static void callback(cairn_gc_mutator *m, bool jumps)
{
	cairn_gc_enter(m);
	list_make(m, 10, 0);
	if (jumps)
		longjmp(back, 1);
	cairn_gc_leave(m);
}

static void a_callback_may_enter_inside_a_scope_and_jump_out_of_it(void)
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *volatile m = cairn_gc_attach(h);
	CAIRN_GC_BLOCKING(m) callback(m, false);
	EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	if (!setjmp(back))
		CAIRN_GC_BLOCKING(m) callback(m, true);
	cairn_gc_enter(m); /* it runs already: it was the callback that was left */
	EXPECT_EQ(state_now(m), CAIRN_GC_RUNNING);
	cairn_gc_close(h);
}

__attribute__((noinline)) static void leaves_deeper(cairn_gc_mutator *m)
{
	char room[64];
	__asm__ volatile("" : : "r"(room) : "memory");
	cairn_gc_leave(m);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static void does_wrong(void *how)
{
	cairn_gc_heap *h = open_one();
	cairn_gc_mutator *m = cairn_gc_attach(h);
	switch ((uintptr_t)how) {
	case 0:
		cairn_gc_leave(m);
		leaves_deeper(m);
		break;
	case 1:
		cairn_gc_enter(m);
		break;
	case 2:
		cairn_gc_detach(m);
		cairn_gc_detach(m);
		break;
	default:
		shared = h;
		set(&where, 0);
		start(polls_until_told, NULL);
		wait_for(&where, 1);
		cairn_gc_close(h);
	}
}

static void misuse_ends_the_program(void)
{
	for (uintptr_t how = 0; how < 4; how++) {
		int status = child_status(does_wrong, (void *)how);
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

/* ---- Signal handlers ---- */

static cairn_gc_mutator *handlers;
static bool handler_collects;

static void allocates_in_a_handler(int signal)
{
	(void)signal;
	EXPECT(!cairn_gc_stack_is_known(cairn_gc_thread_of(handlers)));
	for (int i = 0; i < 100; i++)
		EXPECT(cairn_gc_try_new(handlers, node));
	if (handler_collects)
		cairn_gc_collect(handlers);
}

static void on_another_stack(void *collects)
{
	static char stack[256 * 1024];
	cairn_gc_heap *h = open_one();
	handlers = cairn_gc_attach(h);
	handler_collects = collects != NULL;
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
	struct sigaction a = { .sa_handler = allocates_in_a_handler, .sa_flags = SA_ONSTACK };
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	cairn_gc_collect(handlers);
	EXPECT(cairn_gc_stack_is_known(cairn_gc_thread_of(handlers)));
	EXPECT_EQ(collections(h), 1);
}

static void a_signal_stack_may_allocate_and_not_collect(void) /* GW2 */
{
	EXPECT_EQ(child_status(on_another_stack, NULL), 0);
	int status = child_status(on_another_stack, (void *)1);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- fork ---- */

static void *collects_until_told(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	set(&where, 1);
	while (!get(&go)) {
		list_make(m, 100, 0);
		cairn_gc_collect(m);
		cairn_gc_handle_free(shared, cairn_gc_handle_new(m, cairn_gc_new(m, node)));
	}
	return arg;
}

static void in_the_child(cairn_gc_mutator *m, node *list)
{
	EXPECT_EQ(attached(shared), 1);
	cairn_gc_mutators_validate();
	EXPECT(list_is(m, list, 100, 9));
	for (int i = 0; i < 5; i++) {
		EXPECT(list_is(m, list_make(m, 1000, i), 1000, i));
		cairn_gc_collect(m);
	}
	EXPECT(list_is(m, list, 100, 9));
	cairn_gc_handle_free(shared, cairn_gc_handle_new(m, list));
	cairn_gc_close(shared);
	cairn_gc_heap *h = open_one();
	EXPECT(cairn_gc_attach(h));
	cairn_gc_close(h);
}

static void a_child_of_fork_goes_on_without_the_threads_that_collected(void)
{
	shared = open_one();
	set(&where, 0);
	set(&go, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	node *list = list_make(m, 100, 9);
	pthread_t t[2] = { start(collects_until_told, NULL), start(collects_until_told, NULL) };
	CAIRN_GC_BLOCKING(m) wait_for(&where, 1);
	for (int i = 0; i < 12 / SLOW; i++) {
		pid_t child = fork();
		if (!child) {
			in_the_child(m, list);
			_exit(__atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0);
		}
		int status = -1;
		CAIRN_GC_BLOCKING(m) waitpid(child, &status, 0);
		EXPECT_EQ(status, 0);
		cairn_gc_poll(m);
	}
	set(&go, 1);
	for (int i = 0; i < 2; i++)
		CAIRN_GC_BLOCKING(m) pthread_join(t[i], NULL);
	EXPECT(list_is(m, list, 100, 9));
	cairn_gc_close(shared);
}

/* ---- Who is late ---- */

__attribute__((noinline)) static void is_busy(cairn_gc_mutator *m)
{
	double until = test_seconds() + 0.005;
	while (test_seconds() < until)
		;
	cairn_gc_poll(m);
}

static void *is_late(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	set(&where, 1);
	while (get(&where) != 3)
		is_busy(m);
	return arg;
}

static void who_is_late_is_written_down(void)
{
	shared = open_one();
	set(&where, 0);
	cairn_gc_mutator *m = cairn_gc_attach(shared);
	pthread_t t = start(is_late, NULL);
	wait_for(&where, 1);
	for (int i = 0; i < 4; i++)
		cairn_gc_collect(m);
	set(&where, 3);
	CAIRN_GC_BLOCKING(m) pthread_join(t, NULL);
	EXPECT(shared->world.laggard_ns >= CAIRN_GC_LATE_NS);
	EXPECT(strchr(shared->world.laggard, '\n') && strstr(shared->world.laggard, "test_world"));
	cairn_gc_close(shared);
}

int main(void)
{
	RUN(a_thread_is_attached_once_to_a_heap_and_to_several);
	RUN(a_thread_that_ends_is_detached_also_inside_a_scope);
	RUN(destructors_of_the_first_round_may_use_objects);
	if (!IS_SANITIZED) /* their runtimes must see a thread end */
		RUN(a_thread_that_ended_unnoticed_is_not_waited_for);
	RUN(who_is_out_is_not_waited_for_and_enters_when_the_stop_is_over);
	RUN(who_polls_is_stopped_and_goes_on);
	if (CAN_ASSERT)
		RUN(who_is_aside_and_should_not_be_is_noticed);
	RUN(two_that_want_the_same_collection_share_one);
	RUN(threads_of_two_heaps_collect_both_and_lose_nothing);
	RUN(a_storm_of_short_threads_meets_collections);
	RUN(leaving_and_entering_races_with_collections);
	RUN(enter_after_longjmp_counts_for_the_scope_that_was_left);
	RUN(allocation_and_poll_after_longjmp_enter_first);
	RUN(leaving_again_after_longjmp_begins_a_new_scope);
	RUN(a_callback_may_enter_inside_a_scope_and_jump_out_of_it);
	RUN(misuse_ends_the_program);
	RUN(a_signal_stack_may_allocate_and_not_collect);
	RUN(a_child_of_fork_goes_on_without_the_threads_that_collected);
	RUN(who_is_late_is_written_down);
	DONE();
}
