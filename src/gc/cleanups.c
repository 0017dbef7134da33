/* gc/cleanups.c - running what is due: types' drop functions, and cleanups. Who finds what is due is gc/deaths.c.
 *
 * By the program (MANUAL), when it polls (AUTO), or by a thread (THREAD; AUTO, where from one collection to the next
 * nobody polled). The thread is libc's, for it calls the program's functions; it is a mutator of the heap, and OUT
 * while it waits:
 *
 *   NONE ──nudge──▶ WANTED ──takes it──▶ IDLE: runs all, then waits ──nudge──▶ WANTED
 *    ▲                 └───────── close ──────┴──▶ CLOSING ──▶ is joined ──┐
 *    └─────────────────────────────────────────────────────────────────────┘   (a fork's child is at NONE, too)
 *
 * Invariant:
 *   (GC1) A record is in one list: what objects are listed with, a guardian's queue, `due`, `running`, or that of free
 *        ones; so that it is run once. Checked by cairn_gc_deaths_validate: were one in two, or in none, the sum of
 *        the lists would not be `used`.
 * Locks: the deaths', dropped while a function runs. A function that does not return (longjmp) leaves its record in
 * `running`: its object stays, and that mutator runs none any more.
 * Failure: a thread that cannot be started is tried again after the next collection. */
#include "base/assert.h"
#include "gc/managed.h"
#include "os/clock.h"
#include "os/sys.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>

enum { THREAD_NONE, THREAD_IDLE, THREAD_WANTED, THREAD_CLOSING };

/* ---- Running ---- */

/* The first that is due runs from now on; NULL: none is. From list to list under one hold of the lock, so that a fork
 * does not find it in neither. *arg: the cleanup's. */
static cairn_gc_listed *running_begin(cairn_gc_deaths *d, cairn_gc_mutator *m, void **arg)
{
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	cairn_gc_listed *r = cairn_gc_queue_take(&d->due);
	if (!d->due.count)
		__atomic_store_n(&d->due_since, 0, __ATOMIC_RELAXED); /* relaxed: a hint */
	if (r) {
		*arg = r->arg;
		r->arg = m;
		r->next = d->running;
		d->running = r;
	}
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return r;
}

static void running_remove(cairn_gc_deaths *d, const cairn_gc_listed *r)
{
	cairn_gc_listed **at = &d->running;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
}

static bool is_running(cairn_gc_deaths *d, const cairn_gc_mutator *m)
{
	bool is = false;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	for (const cairn_gc_listed *r = d->running; r; r = r->next)
		is |= r->arg == m;
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return is;
}

bool cairn_gc_run_due(cairn_gc_heap *h, cairn_gc_mutator *m)
{
	cairn_gc_deaths *d = &h->deaths;
	void *arg = NULL;
	cairn_gc_listed *r = running_begin(d, m, &arg);
	if (!r)
		return false;
	cairn_gc_zeal_delay(h); /* running, and in no list but that of those */
	if (r->call) {
		r->call(arg);
	} else {
		void *object = (void *)r->object;
		cairn_gc_record_of(cairn_gc_header_of(object))->drop(object);
	}
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	running_remove(d, r);
	cairn_gc_listed_free(d, r);
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return true;
}

static size_t due_count(const cairn_gc_deaths *d)
{
	return __atomic_load_n(&d->due.count, __ATOMIC_RELAXED); /* relaxed: a hint */
}

size_t cairn_gc_run_cleanups(cairn_gc_mutator *m, uint64_t budget_ns)
{
	cairn_gc_heap *h = cairn_gc_heap_of(m);
	cairn_gc_deaths *d = &h->deaths;
	size_t ran = 0;
	if (is_running(d, m)) /* a function that polls does not begin the next one: stacks end */
		return 0;
	__atomic_store_n(&d->has_run, true, __ATOMIC_RELAXED); /* relaxed: a hint */
	uint64_t until = budget_ns ? cairn_clock_fine_ns() + budget_ns : UINT64_MAX;
	while (due_count(d) && cairn_gc_run_due(h, m)) {
		ran++;
		if (budget_ns && cairn_clock_fine_ns() >= until)
			break;
	}
	/* relaxed: its own thread's. The rest at the next poll. */
	if (due_count(d) && h->config.cleanups == CAIRN_GC_CLEANUPS_AUTO)
		__atomic_store_n(&m->poll, 1, __ATOMIC_RELAXED);
	return ran;
}

bool cairn_gc_cleanup(cairn_gc_mutator *m, void *object, void (*call)(void *arg), void *arg)
{
	cairn_gc_heap *h = cairn_gc_heap_of(m);
	if (!call)
		cairn_gc_misuse(h, "a cleanup without a function", object);
	cairn_gc_must_be_object(h, object, "cairn_gc_cleanup: no object of this heap");
	return cairn_gc_deaths_list(h, object, call, arg);
}

/* ---- The thread ---- */

static void thread_futex(cairn_gc_deaths *d, int operation, uint32_t value)
{
	cairn_sys(SYS_futex, (long)&d->thread_state, operation | FUTEX_PRIVATE_FLAG, value, 0, 0, 0);
}

static uint32_t thread_state(const cairn_gc_deaths *d) { return __atomic_load_n(&d->thread_state, __ATOMIC_SEQ_CST); }

/* True: there is something to do. False: the heap is being closed. */
static bool thread_wait(cairn_gc_deaths *d, cairn_gc_mutator *m)
{
	uint32_t wanted = THREAD_WANTED;
	if (thread_state(d) == THREAD_IDLE) {
		cairn_gc_leave(m);
		while (thread_state(d) == THREAD_IDLE)
			thread_futex(d, FUTEX_WAIT, THREAD_IDLE);
		cairn_gc_enter(m);
	}
	return __atomic_compare_exchange_n(
		&d->thread_state, &wanted, THREAD_IDLE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The thread cannot be a mutator: the next nudge starts another. */
static void thread_give_up(cairn_gc_deaths *d)
{
	uint32_t wanted = THREAD_WANTED;
	if (__atomic_compare_exchange_n(
		    &d->thread_state, &wanted, THREAD_NONE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		pthread_detach(pthread_self());
}

/* Its signals are blocked; libc's own two are not, which setuid and pthread_cancel are made of. */
static void *thread_body(void *arg)
{
	cairn_gc_heap *h = arg;
	pthread_setname_np(pthread_self(), "cairn-cleanups");
	cairn_gc_mutator *m = cairn_gc_attach_any(h);
	while (m && thread_wait(&h->deaths, m))
		cairn_gc_run_cleanups(m, 0);
	if (m)
		cairn_gc_detach(m);
	else
		thread_give_up(&h->deaths);
	return NULL;
}

/* The state is WANTED, by this thread's doing. */
static void thread_start(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&d->thread, NULL, thread_body, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		__atomic_store_n(&d->thread_state, THREAD_NONE, __ATOMIC_SEQ_CST);
}

static void thread_want(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	uint32_t state = THREAD_NONE;
	if (__atomic_compare_exchange_n(
		    &d->thread_state, &state, THREAD_WANTED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		thread_start(h);
	} else if (state == THREAD_IDLE && __atomic_compare_exchange_n(&d->thread_state, &state, THREAD_WANTED, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		thread_futex(d, FUTEX_WAKE, 1);
	}
}

void cairn_gc_deaths_nudge(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	bool has_run = __atomic_exchange_n(&d->has_run, false, __ATOMIC_RELAXED); /* relaxed: a hint */
	uint64_t since = __atomic_load_n(&d->due_since, __ATOMIC_RELAXED); /* relaxed: as above */
	bool is_old = since && since < h->collection;
	if (!due_count(d))
		return;
	if (h->config.cleanups == CAIRN_GC_CLEANUPS_THREAD ||
		(h->config.cleanups == CAIRN_GC_CLEANUPS_AUTO && is_old && !has_run))
		thread_want(h);
}

void cairn_gc_deaths_stop_thread(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_mutator *m = cairn_gc_mutator_of(h);
	if (m && is_running(d, m))
		cairn_gc_misuse(h, "cairn_gc_close: called by a drop function or a cleanup", h);
	if (thread_state(d) == THREAD_NONE)
		return;
	if (m)
		cairn_gc_leave(m); /* what still runs there may want to collect */
	/* it may have given up since, and nobody may join it then */
	if (__atomic_exchange_n(&d->thread_state, THREAD_CLOSING, __ATOMIC_SEQ_CST) != THREAD_NONE) {
		thread_futex(d, FUTEX_WAKE, 1);
		pthread_join(d->thread, NULL);
	}
	__atomic_store_n(&d->thread_state, THREAD_NONE, __ATOMIC_SEQ_CST);
	if (m)
		cairn_gc_enter(m);
}

void cairn_gc_deaths_fork_child(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	const cairn_gc_mutator *mine = cairn_gc_mutator_of(h);
	cairn_lock_renew(&d->lock);
	cairn_lock_renew(&d->waiting.lock);
	for (cairn_node *n = d->tables.next; n != &d->tables; n = n->next)
		cairn_lock_renew(&cairn_container(n, cairn_gc_table, node)->lock);
	for (cairn_gc_listed **at = &d->running, *r; (r = *at);) {
		if (r->arg == mine) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		cairn_gc_listed_free(d, r);
	}
	__atomic_store_n(&d->thread_state, THREAD_NONE, __ATOMIC_SEQ_CST);
}
