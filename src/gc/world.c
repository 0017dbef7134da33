/* gc/world.c - the stop: how a collector gets the heap to itself, and how mutators leave and enter. world.h has the
 * picture and the invariants.
 *
 * Who waits for whom is said by three words: a mutator's state, its poll flag, and the world's is_wanted.
 *   a stop    sets is_wanted, then poll, then looks at the state; sleeps on it while it reads RUNNING
 *   a mutator clears poll before it looks at is_wanted; changes its state before it looks whether to wake
 *   resume    clears is_wanted before it changes the first state: who runs again must not see the stop that is over
 * All of them are seq_cst: of two threads that each write one word and then read the other's, one sees what was
 * written.
 *
 * A thread that waits, for a stop's end, for a world's lock, for its own stop to be complete, is out of all its heaps
 * (cairn_gc_aside), so that nobody waits for it. Entering again it never waits for one heap while it runs in another.
 *
 * Invariants: those of world.h, and
 *   (GW4) is_hidden is set exactly while a mutator is OUT or OUT_HELD; its bumps' ends are 0 then.
 *   (GW5) A mutator that is_aside belongs to a thread that is inside cairn_gc_aside, a stop of its own, or stopped.
 *        Checked from both sides: who is stopped, or collects, is_aside, by cairn_gc_world_validate; of a thread that
 *        runs the program none is, by cairn_gc_mutators_validate.
 * Locks: see world.h. Failure: misuse ends the program with a line.
 * Not here: attach and detach (gc/mutators.c); what lies on a stack (gc/stacks.c); fork (gc/heapfork.c). */
#include "gc/managed.h"
#include "gc/stacks.h"

#include "base/assert.h"
#include "os/clock.h"
#include "os/sys.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	GONE_LOOK_NS = 100000000, /* a mutator that has not stopped for so long may be of a thread that is not there */
	CLEANUP_BUDGET_NS = 1000000, /* of one poll */
};

static __thread cairn_gc_thread *world_own; /* this thread's mutators */

cairn_gc_thread *cairn_gc_threads_own(void) { return world_own; }

void cairn_gc_threads_own_add(cairn_gc_thread *t)
{
	t->next_of_thread = world_own;
	world_own = t;
}

void cairn_gc_threads_own_remove(cairn_gc_thread *t)
{
	for (cairn_gc_thread **at = &world_own; *at; at = &(*at)->next_of_thread)
		if (*at == t) {
			*at = t->next_of_thread;
			return;
		}
}

/* ---- The state, and sleeping on it ---- */

static uint32_t mutator_state(const cairn_gc_thread *t) { return __atomic_load_n(&t->state, __ATOMIC_SEQ_CST); }
static bool mutator_runs(const cairn_gc_thread *t) { return mutator_state(t) == CAIRN_GC_RUNNING; }
static bool is_stop_wanted(const cairn_gc_thread *t)
{
	return __atomic_load_n(&t->heap->world.is_wanted, __ATOMIC_SEQ_CST);
}
static void poll_set(cairn_gc_thread *t, uint32_t value) { __atomic_store_n(&t->public.poll, value, __ATOMIC_SEQ_CST); }
/* Relaxed: a hint, see cairn/gc.h. */
static bool poll_is_set(cairn_gc_thread *t) { return __atomic_load_n(&t->public.poll, __ATOMIC_RELAXED); }

/* One sleeper at most: the collector while it reads RUNNING, else the mutator. Woken by chance, too. */
static long state_wait(cairn_gc_thread *t, uint32_t while_it_reads, const struct timespec *most)
{
	return cairn_sys(SYS_futex, (long)&t->state, FUTEX_WAIT_PRIVATE, (long)while_it_reads, (long)most, 0, 0);
}
static void state_wake(cairn_gc_thread *t)
{
	cairn_sys(SYS_futex, (long)&t->state, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

/* ---- Out, and in ---- */

static void bumps_hide(cairn_gc_thread *t)
{
	t->hidden_end[0] = t->small.end;
	t->hidden_end[1] = t->wide.end;
	t->small.end = t->wide.end = 0;
	t->is_hidden = true;
}

static void bumps_show(cairn_gc_thread *t)
{
	t->small.end = t->hidden_end[0];
	t->wide.end = t->hidden_end[1];
	t->is_hidden = false;
}

/* RUNNING to OUT; registers and sp are saved. poll stays set until it runs again and has asked what is wanted. */
static void mutator_go_out(cairn_gc_thread *t)
{
	bumps_hide(t);
	poll_set(t, 1);
	if (is_stop_wanted(t))
		t->stopped_ns = cairn_clock_fine_ns();
	cairn_gc_zeal_delay(t->heap); /* hidden, and its state says that it runs */
	__atomic_store_n(&t->state, CAIRN_GC_OUT, __ATOMIC_SEQ_CST);
	if (is_stop_wanted(t))
		state_wake(t);
}

static bool mutator_try_in(cairn_gc_thread *t)
{
	uint32_t out = CAIRN_GC_OUT;
	cairn_gc_zeal_delay(t->heap); /* about to come in */
	if (!__atomic_compare_exchange_n(&t->state, &out, CAIRN_GC_RUNNING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	bumps_show(t);
	return true;
}

/* A signal handler's stack of its own, a coroutine's: what lies on the thread's own stack would be missed. */
static void stack_must_be_known(cairn_gc_thread *t)
{
	if (!cairn_gc_stack_is_known(t))
		cairn_gc_misuse(t->heap, "a collection, or leaving, on a stack that is not known "
			"(see cairn_gc_stack_switch; not in a signal handler)", (void *)t->sp);
}

/* All of this thread's mutators that run go out, but for one; `from` is one of them and has the registers. */
static void thread_go_out(const cairn_gc_thread *from, const cairn_gc_thread *but)
{
	for (cairn_gc_thread *t = world_own; t; t = t->next_of_thread) {
		if (t == but || !mutator_runs(t))
			continue;
		if (t != from) {
			__builtin_memcpy(t->registers, from->registers, sizeof t->registers);
			t->sp = from->sp;
			t->fake_stack = from->fake_stack;
			stack_must_be_known(t); /* it may not have been told of a switch */
		}
		t->is_aside = true;
		mutator_go_out(t);
	}
}

/* All that were taken aside come in; or none, while one of them is held: not even that in which it was stopped, and
 * which resume has set running. */
static void thread_come_in(void)
{
	for (cairn_gc_thread *t = world_own; t;) {
		if (!t->is_aside || mutator_runs(t) || mutator_try_in(t)) {
			t = t->next_of_thread;
			continue;
		}
		for (cairn_gc_thread *u = world_own; u; u = u->next_of_thread)
			if (u->is_aside && mutator_runs(u))
				mutator_go_out(u);
		while (mutator_state(t) == CAIRN_GC_OUT_HELD)
			state_wait(t, CAIRN_GC_OUT_HELD, NULL);
		t = world_own;
	}
	for (cairn_gc_thread *t = world_own; t; t = t->next_of_thread)
		t->is_aside = false;
}

typedef struct aside_call {
	void (*call)(void *arg);
	void *arg;
} aside_call;

static void aside_here(cairn_gc_thread *t, void *arg)
{
	aside_call *a = arg;
	stack_must_be_known(t);
	t->fake_stack = cairn_gc_fake_stack();
	thread_go_out(t, NULL);
	a->call(a->arg);
	thread_come_in();
}

/* One of this thread's mutators that runs, or NULL. */
static cairn_gc_thread *thread_runs(void)
{
	cairn_gc_thread *t = world_own;
	while (t && !mutator_runs(t))
		t = t->next_of_thread;
	return t;
}

void cairn_gc_aside(void (*call)(void *arg), void *arg)
{
	aside_call a = { call, arg };
	cairn_gc_thread *t = thread_runs();
	if (t) {
		cairn_gc_with_registers(t, aside_here, &a);
	} else {
		call(arg);
		thread_come_in();
	}
}

/* ---- Stopping, by the mutator ---- */

static void thread_stops(cairn_gc_thread *t, void *arg)
{
	(void)arg;
	uint64_t since_ns = t->asked_ns; /* is_wanted was read */
	stack_must_be_known(t);
	t->fake_stack = cairn_gc_fake_stack();
	t->stopped_ns = cairn_clock_fine_ns();
	uint64_t late_ns = t->stopped_ns - since_ns;
	if (late_ns >= CAIRN_GC_LATE_NS)
		cairn_gc_late_note(t);
	thread_go_out(t, t);
	t->is_aside = true; /* it goes out, too, if it must wait for another heap before it runs on */
	cairn_gc_zeal_delay(t->heap); /* asked, and not stopped yet */
	__atomic_store_n(&t->state, CAIRN_GC_STOPPED, __ATOMIC_SEQ_CST);
	state_wake(t);
	while (mutator_state(t) == CAIRN_GC_STOPPED)
		state_wait(t, CAIRN_GC_STOPPED, NULL);
	thread_come_in();
	if (late_ns >= CAIRN_GC_LATE_NS)
		cairn_gc_late_tell(t, late_ns);
}

static void do_nothing(void *arg) { (void)arg; }

/* OUT to RUNNING, when the stop that is in force is over. */
static void mutator_come_in(cairn_gc_thread *t)
{
	if (mutator_try_in(t))
		return;
	t->is_aside = true;
	cairn_gc_aside(do_nothing, NULL);
}

/* A scope of BLOCKING was left by longjmp, and no enter came. */
static void mutator_recover(cairn_gc_thread *t)
{
	t->left_sp = t->outer_sp = 0;
	mutator_come_in(t);
	t->left_words = 0;
}

void cairn_gc_safepoint(cairn_gc_thread *t)
{
	if (cairn_unlikely(!mutator_runs(t)))
		mutator_recover(t);
	if (poll_is_set(t) && is_stop_wanted(t))
		cairn_gc_with_registers(t, thread_stops, NULL);
}

void cairn_gc_poll_slow_(cairn_gc_mutator *m)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	if (!mutator_runs(t))
		mutator_recover(t);
	poll_set(t, 0); /* before the question what is wanted: see above */
	if (is_stop_wanted(t))
		cairn_gc_with_registers(t, thread_stops, NULL);
	/* relaxed: a hint; who runs them takes the lock */
	if (__atomic_load_n(&t->heap->deaths.due_since, __ATOMIC_RELAXED) &&
		t->heap->config.cleanups == CAIRN_GC_CLEANUPS_AUTO)
		cairn_gc_run_cleanups(m, CLEANUP_BUDGET_NS);
}

/* ---- Leave and enter: called by the asm in gc/registers.c ---- */

void cairn_gc_left_(cairn_gc_mutator *m);
void cairn_gc_left_again_(cairn_gc_mutator *m, uintptr_t sp);
void cairn_gc_entered_(cairn_gc_mutator *m, uintptr_t sp);

__attribute__((no_sanitize("address", "thread", "undefined"))) uint32_t cairn_gc_frame_keep(
	uintptr_t *to, uintptr_t sp, uintptr_t base)
{
	const volatile uintptr_t *from = (const volatile uintptr_t *)sp;
	size_t words = (base - sp) / sizeof *from;
	uint32_t i;
	for (i = 0; i < CAIRN_GC_LEFT_WORDS && i < words; i++)
		to[i] = from[i];
	return i;
}

__attribute__((used)) void cairn_gc_left_(cairn_gc_mutator *m)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	stack_must_be_known(t);
	if (t->outer_sp && t->sp > t->outer_sp)
		t->outer_sp = 0; /* longjmp went over it */
	if (!t->outer_sp)
		t->outer_sp = t->sp;
	t->left_sp = t->sp;
	t->fake_stack = cairn_gc_fake_stack();
	t->left_words = cairn_gc_frame_keep(t->left_frame, t->sp, t->stack_base);
	mutator_go_out(t);
}

/* It has left already: misuse where it was not as deep on the stack. Else longjmp has brought it here; as deep it may
 * be, and is taken for that. */
__attribute__((used)) void cairn_gc_left_again_(cairn_gc_mutator *m, uintptr_t sp)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	if (sp < t->left_sp)
		cairn_gc_misuse(t->heap, "cairn_gc_leave: has left already", m);
	mutator_recover(t);
}

__attribute__((used)) void cairn_gc_entered_(cairn_gc_mutator *m, uintptr_t sp)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	bool is_outermost = t->outer_sp && sp >= t->outer_sp;
	if (is_outermost)
		t->outer_sp = 0;
	if (!mutator_runs(t))
		mutator_come_in(t);
	else if (!is_outermost) /* else longjmp left a callback that had entered */
		cairn_gc_misuse(t->heap, "cairn_gc_enter: has not left, or allocated or collected inside a BLOCKING "
			"scope", m);
	t->left_words = 0;
}

/* ---- The stop, by the collector ---- */

void cairn_gc_world_init(struct cairn_gc_heap *h)
{
	cairn_node_init(&h->world.mutators);
}

/* False: its thread has ended without our being told, by a system call of its own or in its last destructors. */
static bool thread_is_there(const cairn_gc_thread *t)
{
	long pid = cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
	return cairn_sys(SYS_tgkill, pid, (long)t->tid, 0, 0, 0, 0) != -ESRCH;
}

static bool mutator_hold(cairn_gc_thread *t)
{
	uint32_t out = CAIRN_GC_OUT;
	__atomic_compare_exchange_n(&t->state, &out, CAIRN_GC_OUT_HELD, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	uint32_t now = mutator_state(t);
	return now == CAIRN_GC_OUT_HELD || now == CAIRN_GC_STOPPED;
}

/* False: it will never stop. */
static bool mutator_await(cairn_gc_thread *t)
{
	static const struct timespec look = { 0, GONE_LOOK_NS };
	while (!mutator_hold(t))
		if (state_wait(t, CAIRN_GC_RUNNING, &look) == -ETIMEDOUT && !thread_is_there(t))
			return false;
	return true;
}

static void world_ask(struct cairn_gc_heap *h, const cairn_gc_thread *t)
{
	uint64_t now = cairn_clock_fine_ns();
	CAIRN_GC_EACH_MUTATOR(u, &h->world) {
		u->asked_ns = now;
		u->stopped_ns = 0;
	}
	__atomic_store_n(&h->world.is_wanted, 1, __ATOMIC_SEQ_CST);
	CAIRN_GC_EACH_MUTATOR(u, &h->world) {
		cairn_gc_zeal_delay(h); /* some are asked, others are not */
		if (u == t)
			continue;
		poll_set(u, 1);
		mutator_hold(u);
	}
}

static void world_await(struct cairn_gc_heap *h, const cairn_gc_thread *t)
{
	CAIRN_GC_EACH_MUTATOR(u, &h->world) {
		if (u != t && !mutator_await(u)) {
			cairn_gc_left_stacks_forget(h, u);
			cairn_gc_mutator_drop(u);
			cairn_gc_mutator_free(u);
		}
	}
}

static void world_flush(struct cairn_gc_heap *h, const cairn_gc_thread *t)
{
	CAIRN_GC_EACH_MUTATOR(u, &h->world) {
		bool is_hidden = u->is_hidden;
		if (u != t && u->stopped_ns)
			cairn_gc_look_stopped(h, u, u->stopped_ns - u->asked_ns);
		if (is_hidden)
			bumps_show(u);
		cairn_gc_mutator_flush(u);
		if (is_hidden)
			bumps_hide(u);
	}
}

void cairn_gc_mutator_drop(cairn_gc_thread *t)
{
	if (t->is_hidden)
		bumps_show(t);
	cairn_gc_mutator_flush(t);
	cairn_gc_look_gone(t->heap, t);
	cairn_list_remove(&t->node);
	cairn_gc_world *w = &t->heap->world;
	__atomic_store_n(&w->count, w->count - 1, __ATOMIC_RELAXED); /* under the lock; others read a hint */
}

bool cairn_gc_world_stop(struct cairn_gc_heap *h, cairn_gc_thread *t, bool unless_other)
{
	/* relaxed: of a mutator that runs no collection can be at work; another caller takes any number */
	uint64_t before = __atomic_load_n(&h->collection, __ATOMIC_RELAXED);
	cairn_assert(t || !thread_runs());
	if (t) {
		if (!mutator_runs(t))
			mutator_recover(t);
		stack_must_be_known(t);
		t->fake_stack = cairn_gc_fake_stack();
		thread_go_out(t, NULL);
	}
	cairn_lock_take(&h->world.lock, CAIRN_RANK_GC_WORLD);
	if (unless_other && __atomic_load_n(&h->collection, __ATOMIC_RELAXED) != before) { /* under the lock */
		cairn_lock_drop(&h->world.lock, CAIRN_RANK_GC_WORLD);
		thread_come_in();
		return false;
	}
	if (t)
		mutator_try_in(t); /* nobody holds it: we have the lock */
	h->world.collecting = t;
	world_ask(h, t);
	world_await(h, t);
	world_flush(h, t);
	h->world.stopped_ns = cairn_clock_fine_ns();
	return true;
}

void cairn_gc_world_resume(struct cairn_gc_heap *h, cairn_gc_thread *t)
{
	cairn_gc_world *w = &h->world;
	uint32_t poll = h->deaths.due_since && h->config.cleanups == CAIRN_GC_CLEANUPS_AUTO;
	w->collecting = NULL;
	__atomic_store_n(&w->is_wanted, 0, __ATOMIC_SEQ_CST); /* before any runs: see above */
	CAIRN_GC_EACH_MUTATOR(u, w) {
		if (u == t) {
			poll_set(u, poll);
			continue;
		}
		bool was_out = mutator_state(u) == CAIRN_GC_OUT_HELD;
		cairn_gc_zeal_delay(h); /* some run, others do not */
		poll_set(u, was_out || poll);
		__atomic_store_n(&u->state, was_out ? CAIRN_GC_OUT : CAIRN_GC_RUNNING, __ATOMIC_SEQ_CST);
		state_wake(u);
	}
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_WORLD);
	if (t)
		thread_come_in();
}

void cairn_gc_world_validate(struct cairn_gc_heap *h)
{
	size_t count = 0;
	CAIRN_GC_EACH_MUTATOR(u, &h->world) {
		uint32_t now = mutator_state(u);
		cairn_assert(u == h->world.collecting || now == CAIRN_GC_STOPPED || now == CAIRN_GC_OUT_HELD); /* GW1 */
		cairn_assert((u != h->world.collecting && now != CAIRN_GC_STOPPED) || u->is_aside); /* GW5 */
		cairn_assert(u->heap == h && u->sp >= u->stack_low && u->sp <= u->stack_base); /* GW2 */
		cairn_assert(u->small.at >= u->small.end && u->wide.at >= u->wide.end);       /* GW3 */
		cairn_assert(u->is_hidden == (now == CAIRN_GC_OUT_HELD));                     /* GW4 */
		cairn_assert(!u->is_hidden || (!u->small.end && !u->wide.end));               /* GW4 */
		count++;
	}
	cairn_assert(count == h->world.count && __atomic_load_n(&h->world.is_wanted, __ATOMIC_SEQ_CST));
}
