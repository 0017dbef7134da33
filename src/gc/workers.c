/* gc/workers.c - workers: the parts of their stacks, their threads, and walks over slabs by all of them.
 *
 * A worker has one part of a stack from the heap's opening to its end, so that tracing can go on where no memory is to
 * be had: see has_left_out in trace.h. Others are taken when they are needed, and given back when the tracing ends.
 *
 * Threads are made when the heap is opened with a number of them; else after the first collection in which more than a
 * little lived, as many as there are processors, up to WORKERS_DEFAULT: a small heap has none.
 *
 * They sleep between collections. The collecting thread begins alone; when there is more than a little to do it begins
 * a round, and they join. One that comes late, for it had no processor, finds the round closed, and nobody has waited
 * for it. Who finds its stack empty says that it is idle; who sees that somebody is gives away the part below its top
 * one, or the lower half of its only one: what was pushed first leads to most. The round is over when all who joined
 * are idle and nothing is shared, which is known under the lock, for all of it changes under it.
 *
 *   WAITING ──round──▶ join ──▶ drain ◀──take── idle ──all idle──▶ is_done ──▶ WAITING
 *      ▲                │         └────empty─────▲
 *      └────closed──────┘
 *
 * A walk over slabs is a round, too: each takes the next slab of the list until there is none.
 *
 * Lock: the tracing's, rank CAIRN_RANK_GC_PARTS. Failure: a thread that cannot be made is done without; where that came
 * twice in a process, nobody is hired who was not asked for.
 * Not here: what a worker does with its work (gc/trace.c). */
#include "gc/managed.h"

#include "base/assert.h"
#include "os/clock.h"
#include "os/limits.h"
#include "os/sandbox.h"
#include "os/sys.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

enum {
	WORKERS_ALONE = 20000,    /* objects that the collecting thread scans before it begins a round: some 0.3 ms */
	WORKERS_SPINS = 500,      /* before sleeping: about 20 us */
	WORKERS_GIVEN_LEAST = 4,  /* items on a stack of which half is given away */
	WORKERS_SLABS_LEAST = 4,  /* in a walk that all take part in: one takes some 50 us */
	WORKERS_STACK_BYTES = 1 << 20,
	WORKERS_DEFAULT = 4,      /* at most, where nobody said how many */
	WORKERS_HIRE_BYTES = 4 << 20, /* lived: marking them takes 2 ms */
	WORKERS_REFUSED_MOST = 1, /* of a process: the next one is the last that is tried */
};

#define WORKERS_OPEN (UINT32_C(1) << 31) /* of at_work: the round may be joined */

static unsigned workers_refused; /* threads of all heaps; sync: atomic, relaxed: a count that publishes nothing */

/* ---- Parts ---- */

static cairn_gc_chunk *chunk_new(cairn_gc_heap *h) { return cairn_gc_meta_alloc(h, sizeof(cairn_gc_chunk)); }
static void chunk_free(cairn_gc_heap *h, cairn_gc_chunk *c) { cairn_gc_meta_free(h, c, sizeof *c); }

bool cairn_gc_chunk_push(cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t item)
{
	if (!*top || (*top)->count == CAIRN_GC_CHUNK_ITEMS) {
		cairn_gc_chunk *c = chunk_new(h);
		if (!c)
			return false;
		c->next = *top;
		*top = c;
	}
	(*top)->item[(*top)->count++] = item;
	return true;
}

bool cairn_gc_chunk_pop(cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t *item)
{
	cairn_gc_chunk *c = *top;
	if (!c)
		return false;
	*item = c->item[--c->count];
	if (!c->count) {
		*top = c->next;
		chunk_free(h, c);
	}
	return true;
}

void cairn_gc_worker_open_chunk(cairn_gc_worker *w)
{
	cairn_gc_chunk *c = w->spare;
	if (c)
		w->spare = c->next;
	else if (w->parts < w->heap->tracing.parts_most && (c = chunk_new(w->heap)))
		w->parts++;
	if (!c)
		return;
	c->next = w->top;
	w->top = c;
}

void cairn_gc_worker_close_chunk(cairn_gc_worker *w)
{
	cairn_gc_chunk *c = w->top;
	cairn_assert(!c->count && c->next);
	w->top = c->next;
	c->next = w->spare;
	w->spare = c;
}

void cairn_gc_worker_push_slow(cairn_gc_worker *w, uintptr_t item)
{
	cairn_gc_worker_open_chunk(w);
	if (w->top->count < CAIRN_GC_CHUNK_ITEMS) /* past `room` where there is no other part */
		w->top->item[w->top->count++] = item;
	else
		w->has_left_out = true;
}

void cairn_gc_worker_rest(cairn_gc_worker *w)
{
	while (w->spare) {
		cairn_gc_chunk *c = w->spare;
		w->spare = c->next;
		chunk_free(w->heap, c);
		w->parts--;
	}
}

/* ---- Sharing ---- */

static void workers_lock(cairn_gc_tracing *t) { cairn_lock_take(&t->lock, CAIRN_RANK_GC_PARTS); }
static void workers_unlock(cairn_gc_tracing *t) { cairn_lock_drop(&t->lock, CAIRN_RANK_GC_PARTS); }

static void workers_wake(uint32_t *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	cairn_sys(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

/* Until the word is no longer `is`. */
static void workers_wait(uint32_t *word, uint32_t is)
{
	for (unsigned i = 0; i < WORKERS_SPINS; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != is) /* what was written before it changed is seen */
			return;
		cairn_sys_pause();
	}
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == is) /* likewise */
		cairn_sys(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, is, 0, 0, 0);
}

/* The lower half of the worker's only part, as a part of its own; NULL: too little, or no memory. */
static cairn_gc_chunk *workers_split(cairn_gc_worker *w)
{
	cairn_gc_chunk *c = w->top;
	size_t half = c->count / 2;
	if (c->count < WORKERS_GIVEN_LEAST)
		return NULL;
	half += c->item[half] & 1; /* the upper item of two that belong together: trace_push_rest */
	cairn_gc_worker_open_chunk(w);
	cairn_gc_chunk *given = w->top;
	if (given == c)
		return NULL;
	w->top = c;
	memcpy(given->item, c->item, half * sizeof *c->item);
	memmove(c->item, c->item + half, (c->count - half) * sizeof *c->item);
	given->count = half;
	c->count -= half;
	return given;
}

void cairn_gc_worker_share(cairn_gc_worker *w)
{
	cairn_gc_tracing *t = &w->heap->tracing;
	/* relaxed: a hint; that there is something already is enough */
	if (__atomic_load_n(&t->shared, __ATOMIC_RELAXED))
		return;
	cairn_gc_chunk *given = w->top->next;
	if (given && given->count)
		w->top->next = given->next;
	else if (!(given = workers_split(w)))
		return;
	w->parts--;
	cairn_gc_zeal_delay(w->heap); /* nobody has the part */
	workers_lock(t);
	given->next = t->shared;
	__atomic_store_n(&t->shared, given, __ATOMIC_RELAXED); /* under the lock */
	workers_unlock(t);
	workers_wake(&t->news);
}

/* Under the lock: waits until there is something to take, or all is done. */
static void workers_wait_for_news(cairn_gc_tracing *t)
{
	__atomic_store_n(&t->idle, t->idle + 1, __ATOMIC_RELAXED); /* under the lock */
	if (t->idle == t->joined && !t->shared) {
		t->is_done = true;
		workers_wake(&t->news);
	}
	while (!t->shared && !t->is_done) {
		uint32_t news = __atomic_load_n(&t->news, __ATOMIC_SEQ_CST);
		workers_unlock(t);
		workers_wait(&t->news, news);
		workers_lock(t);
	}
	__atomic_store_n(&t->idle, t->idle - 1, __ATOMIC_RELAXED); /* under the lock */
}

/* Gives the worker a shared part. False: all is done. */
static bool workers_take(cairn_gc_worker *w)
{
	cairn_gc_tracing *t = &w->heap->tracing;
	workers_lock(t);
	workers_wait_for_news(t);
	cairn_gc_chunk *c = t->shared;
	if (c) {
		__atomic_store_n(&t->shared, c->next, __ATOMIC_RELAXED); /* under the lock */
		c->next = w->top; /* its own, which is empty */
		w->top = c;
		w->parts++;
	}
	workers_unlock(t);
	cairn_gc_zeal_delay(w->heap); /* it has work, and does none */
	return c;
}

/* The collecting thread is counted from the round's begin. */
static bool workers_may_join(cairn_gc_worker *w)
{
	cairn_gc_tracing *t = &w->heap->tracing;
	workers_lock(t);
	bool may_join = !t->is_done;
	t->joined += may_join && w->index;
	workers_unlock(t);
	return may_join;
}

static void workers_join_in(cairn_gc_worker *w)
{
	if (!workers_may_join(w))
		return;
	do
		cairn_gc_worker_drain(w, SIZE_MAX);
	while (workers_take(w));
}

/* ---- Threads ---- */

/* False: the round is over, or was before this thread had a processor. */
static bool workers_begin(cairn_gc_tracing *t)
{
	uint32_t at_work = __atomic_load_n(&t->at_work, __ATOMIC_RELAXED); /* it is compared below */
	while (at_work & WORKERS_OPEN)
		/* acquire: what was written for the round, pairs with workers_round; relaxed: it is compared again */
		if (__atomic_compare_exchange_n(&t->at_work, &at_work, at_work + 1, true, __ATOMIC_ACQUIRE,
			    __ATOMIC_RELAXED))
			return true;
	return false;
}

static void *workers_body(void *arg)
{
	cairn_gc_worker *w = arg;
	cairn_gc_tracing *t = &w->heap->tracing;
	pthread_setname_np(pthread_self(), "cairn-gc");
	for (uint32_t round = w->first_round;;) {
		workers_wait(&t->round, round);
		round = __atomic_load_n(&t->round, __ATOMIC_ACQUIRE); /* pairs with workers_wake: is_closing */
		if (__atomic_load_n(&t->is_closing, __ATOMIC_RELAXED))
			return NULL;
		cairn_gc_zeal_delay(w->heap); /* it was called, and has not joined */
		if (!workers_begin(t))
			continue;
		uint64_t began = cairn_clock_thread_ns();
		t->job(w);
		w->cpu_ns += cairn_clock_thread_ns() - began;
		/* publishes what this worker did: workers_round */
		if (__atomic_sub_fetch(&t->at_work, 1, __ATOMIC_RELEASE) == 0)
			cairn_sys(SYS_futex, (long)&t->at_work, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	}
}

/* One round of all workers that join it before the collecting thread is through. */
static void workers_round(cairn_gc_heap *h, void (*job)(cairn_gc_worker *w))
{
	cairn_gc_tracing *t = &h->tracing;
	t->job = job;
	__atomic_store_n(&t->at_work, WORKERS_OPEN, __ATOMIC_RELEASE); /* publishes the job: workers_begin */
	workers_wake(&t->round);
	job(&t->worker[0]);
	/* acquire, both: pairs with workers_body */
	for (uint32_t left = __atomic_and_fetch(&t->at_work, ~WORKERS_OPEN, __ATOMIC_ACQUIRE); left;
		left = __atomic_load_n(&t->at_work, __ATOMIC_ACQUIRE))
		workers_wait(&t->at_work, left);
}

/* ---- Walks over slabs ---- */

/* relaxed, all: the list is as it was when the round began; what is done to a slab is published by the round's end */
static cairn_gc_slab *workers_take_slab(cairn_gc_heap *h)
{
	cairn_node **next = &h->tracing.walk.next, *n = __atomic_load_n(next, __ATOMIC_RELAXED);
	while (n != &h->blocks.slabs)
		if (__atomic_compare_exchange_n(next, &n, n->next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return cairn_container(n, cairn_gc_slab, node);
	return NULL;
}

static void workers_walk(cairn_gc_worker *w)
{
	cairn_gc_tracing *t = &w->heap->tracing;
	for (cairn_gc_slab *s; (s = workers_take_slab(w->heap)); cairn_gc_zeal_delay(w->heap))
		t->walk.visit(w, s, t->walk.arg);
}

void cairn_gc_workers_each_slab(
	cairn_gc_heap *h, void (*visit)(cairn_gc_worker *w, cairn_gc_slab *s, void *arg), void *arg)
{
	cairn_gc_tracing *t = &h->tracing;
	t->walk.visit = visit;
	t->walk.arg = arg;
	__atomic_store_n(&t->walk.next, h->blocks.slabs.next, __ATOMIC_RELAXED); /* published by the round */
	if (t->workers > 1 && (h->blocks.slab_count >= WORKERS_SLABS_LEAST || h->zeal.is_small))
		workers_round(h, workers_walk);
	else
		workers_walk(&t->worker[0]);
}

/* ---- Draining ---- */

static void workers_find_starts(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	(void)arg;
	CAIRN_GC_EACH_BLOCK_OF(b, s)
		if (b->kind == CAIRN_GC_BLOCK_CELLS)
			cairn_gc_block_find_starts(b, w->heap->blocks.colour);
}

/* Does what is left, by all workers. */
static void workers_drain_all(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	if (h->has_conservative && !t->worker[0].is_copying) /* there they have been found already */
		/* for cairn_gc_object_at, which else writes where it looks */
		cairn_gc_workers_each_slab(h, workers_find_starts, NULL);
	for (unsigned i = 0; i < t->workers; i++) {
		t->worker[i].is_shared = true;
		/* what a CONSERVATIVE object's words point at is PINNED as it is found */
		t->worker[i].is_contended = h->has_conservative;
	}
	t->counts_again |= !t->worker[0].is_copying && !h->has_conservative;
	t->is_done = false;
	t->joined = 1;
	workers_round(h, workers_join_in);
	for (unsigned i = 0; i < t->workers; i++)
		t->worker[i].is_shared = false;
}

void cairn_gc_workers_drain(cairn_gc_heap *h)
{
	size_t alone = h->tracing.workers == 1 ? SIZE_MAX : h->zeal.is_small ? 1 : h->tracing.alone;
	if (!cairn_gc_worker_drain(&h->tracing.worker[0], alone))
		workers_drain_all(h);
}

/* ---- Making and closing ---- */

static bool worker_init(cairn_gc_heap *h, unsigned i)
{
	cairn_gc_worker *w = &h->tracing.worker[i];
	if (!w->top)
		*w = (cairn_gc_worker){ .heap = h, .index = i, .top = chunk_new(h) };
	return w->top;
}

static void worker_free(cairn_gc_worker *w)
{
	for (uintptr_t item; cairn_gc_chunk_pop(w->heap, &w->weak, &item);)
		;
	if (w->top)
		chunk_free(w->heap, w->top);
	w->top = NULL;
}

/* Makes the worker's thread; its signals are blocked. No round is at work that it belongs to. */
static bool worker_start(cairn_gc_heap *h, unsigned i)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	h->tracing.worker[i].first_round = __atomic_load_n(&h->tracing.round, __ATOMIC_RELAXED); /* see above */
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKERS_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&h->tracing.thread[i], &attributes, workers_body, &h->tracing.worker[i]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error)
		__atomic_fetch_add(&workers_refused, 1, __ATOMIC_RELAXED); /* see there */
	return !error;
}

static void workers_make(cairn_gc_heap *h)
{
	unsigned i = 1;
	while (i < h->tracing.wanted && worker_init(h, i) && worker_start(h, i))
		i++;
	/* publishes them: cairn_gc_workers_come, by a collecting thread */
	__atomic_store_n(&h->tracing.hired, i, __ATOMIC_RELEASE);
}

bool cairn_gc_workers_are_worth_it(const cairn_gc_heap *h)
{
	/* relaxed, both: hints */
	return h->tracing.wanted > 1 && !__atomic_load_n(&h->tracing.is_hiring, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&workers_refused, __ATOMIC_RELAXED) <= WORKERS_REFUSED_MOST &&
	       h->looks.stats.live_bytes >= WORKERS_HIRE_BYTES;
}

/* A program that may be under a filter which kills for a thread has none that it did not ask for. */
static void workers_hire_aside(void *h)
{
	if (!cairn_sandbox_is_possible())
		workers_make(h);
}

void cairn_gc_workers_hire(cairn_gc_heap *h)
{
	if (!__atomic_exchange_n(&h->tracing.is_hiring, true, __ATOMIC_RELAXED)) /* nothing but who does it */
		cairn_gc_aside(workers_hire_aside, h);
}

void cairn_gc_workers_come(cairn_gc_heap *h)
{
	h->tracing.workers = __atomic_load_n(&h->tracing.hired, __ATOMIC_ACQUIRE); /* pairs with workers_make */
}

unsigned cairn_gc_workers_default(void)
{
	unsigned processors = cairn_limits_get()->processors;
	return processors < WORKERS_DEFAULT ? processors : WORKERS_DEFAULT;
}

bool cairn_gc_tracing_init(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	t->wanted = h->config.workers < CAIRN_GC_WORKERS_MAX ? h->config.workers : CAIRN_GC_WORKERS_MAX;
	t->parts_most = SIZE_MAX;
	t->alone = WORKERS_ALONE;
	t->worker = cairn_gc_meta_alloc(h, t->wanted * sizeof *t->worker);
	if (!t->worker || !worker_init(h, 0))
		return false;
	t->workers = t->hired = 1;
	if (!t->hires_late) {
		t->is_hiring = true;
		workers_make(h);
		t->workers = t->hired;
	}
	return true;
}

void cairn_gc_tracing_close(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	__atomic_store_n(&t->is_closing, true, __ATOMIC_RELAXED); /* published by the round */
	workers_wake(&t->round);
	for (unsigned i = 1; i < t->hired; i++)
		pthread_join(t->thread[i], NULL);
	if (!t->worker)
		return;
	for (unsigned i = 0; i < t->wanted; i++) /* more than threads where one could not be made, or in a fork */
		worker_free(&t->worker[i]);
	cairn_gc_meta_free(h, t->worker, t->wanted * sizeof *t->worker);
}

void cairn_gc_tracing_fork_child(cairn_gc_heap *h)
{
	cairn_lock_renew(&h->tracing.lock);
	h->tracing.workers = h->tracing.hired = 1;
	h->tracing.is_hiring = true; /* none: a child that was forked amid threads is to make no new ones */
}
