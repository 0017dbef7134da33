/* gc/mutators.c - threads become mutators and cease to be: attach, detach, and the end of a thread.
 *
 *   attach ──▶ in its thread's list (world.c) and in its heap's (world lock) ──detach, or the thread's end──▶ freed
 *
 * A thread that ends detaches in the destructor of a pthread key, in the last but one of libc's rounds, so that other
 * destructors can still use their objects. What attaches after that, or ends by a bare system call, is noticed by the
 * next stop that waits for it (world.c: thread_is_there).
 *
 * Invariants, checked by cairn_gc_mutators_validate(), for the calling thread:
 *   (GU1) A mutator of the thread's list is in its heap's list; one of a heap at most once.
 *   (GU2) While the list is not empty the key's value is not NULL.
 * and, for a thread that runs the program, (GW5) of gc/world.c.
 * Locks: the world's, taken aside. Failure: NULL and errno. Not here: stopping (gc/world.c), stacks (gc/stacks.c). */
#include "gc/managed.h"
#include "gc/stacks.h"

#include "base/assert.h"
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>

enum { LAST_ROUND = 3 }; /* of PTHREAD_DESTRUCTOR_ITERATIONS, 4: a value set in that one is called for once more */

static pthread_once_t mutators_once = PTHREAD_ONCE_INIT;
static pthread_key_t mutators_key; /* const after mutators_once; its value: the round of destructors that is next */
static int mutators_error;         /* likewise: why there is no key */

static void thread_ends(void *round)
{
	if ((uintptr_t)round < LAST_ROUND && !pthread_setspecific(mutators_key, (char *)round + 1))
		return;
	for (cairn_gc_thread *t; (t = cairn_gc_threads_own()) != NULL;)
		cairn_gc_detach(&t->public);
}

static void mutators_begin(void) { mutators_error = pthread_key_create(&mutators_key, thread_ends); }

/* An errno value, or 0. */
static int thread_will_end(void)
{
	pthread_once(&mutators_once, mutators_begin);
	if (mutators_error || pthread_getspecific(mutators_key))
		return mutators_error;
	return pthread_setspecific(mutators_key, (void *)1);
}

cairn_gc_mutator *cairn_gc_mutator_of(const cairn_gc_heap *h)
{
	cairn_gc_thread *t = cairn_gc_threads_own();
	while (t && t->heap != h)
		t = t->next_of_thread;
	return t ? &t->public : NULL;
}

cairn_gc_heap *cairn_gc_heap_of(const cairn_gc_mutator *m) { return ((const cairn_gc_thread *)m)->heap; }

/* It begins OUT and aside, so that it comes in with its thread's others. */
static void mutator_init(cairn_gc_thread *t, struct cairn_gc_heap *h)
{
	t->heap = h;
	t->tid = cairn_thread_id();
	t->state = CAIRN_GC_OUT;
	t->is_aside = t->is_hidden = true;
	t->sp = t->stack_base; /* nothing is on it yet */
	t->public.poll = 1;
	t->public.base = h->is_compressed ? cairn_gc_window : 0;
	t->public.barrier = cairn_gc_barrier(h);
	for (unsigned i = 0; i < CAIRN_GC_RUNS; i++)
		t->public.run[i] = &t->small;
}

typedef struct attach_call {
	struct cairn_gc_heap *heap;
	cairn_gc_thread *made;
} attach_call;

static void attach_here(void *arg)
{
	attach_call *a = arg;
	cairn_gc_thread *t = cairn_gc_meta_alloc(a->heap, sizeof *t);
	if (!t)
		return;
	if (!cairn_gc_stacks_find(t)) {
		cairn_gc_meta_free(a->heap, t, sizeof *t);
		return;
	}
	mutator_init(t, a->heap);
	cairn_gc_world *w = &a->heap->world;
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_WORLD);
	cairn_list_append(&w->mutators, &t->node);
	__atomic_store_n(&w->count, w->count + 1, __ATOMIC_RELAXED); /* under the lock; others read a hint */
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_WORLD);
	cairn_gc_threads_own_add(t);
	a->made = t;
}

cairn_gc_mutator *cairn_gc_attach_any(cairn_gc_heap *h)
{
	attach_call a = { .heap = h };
	int error = cairn_gc_mutator_of(h) ? EBUSY : thread_will_end();
	if (!error) {
		cairn_gc_aside(attach_here, &a);
		error = a.made ? 0 : ENOMEM;
	}
	if (error) {
		errno = error;
		return NULL;
	}
	return &a.made->public;
}

static void must_be_of_kind(const cairn_gc_heap *h, bool is_compressed)
{
	if (!h)
		cairn_gc_misuse(NULL, "cairn_gc_attach: no heap; errno says why cairn_gc_open returned NULL", NULL);
	if (h->is_compressed && !is_compressed)
		cairn_gc_misuse(h,
			"cairn_gc_attach: the heap's references are compressed, and the code that calls is compiled "
			"without CAIRN_GC_COMPRESSED",
			NULL);
	if (!h->is_compressed && is_compressed)
		cairn_gc_misuse(h,
			"cairn_gc_attach: the code that calls is compiled with CAIRN_GC_COMPRESSED, and what opened "
			"the heap was not",
			NULL);
}

cairn_gc_mutator *cairn_gc_attach(cairn_gc_heap *h)
{
	must_be_of_kind(h, false);
	return cairn_gc_attach_any(h);
}

cairn_gc_mutator *cairn_gc_attach_compressed_(cairn_gc_heap *h)
{
	must_be_of_kind(h, true);
	return cairn_gc_attach_any(h);
}

void cairn_gc_mutator_free(cairn_gc_thread *t) { cairn_gc_meta_free(t->heap, t, sizeof *t); }

static void detach_here(void *arg)
{
	cairn_gc_thread *t = arg;
	cairn_gc_world *w = &t->heap->world;
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_WORLD);
	cairn_gc_mutator_drop(t);
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_WORLD);
	cairn_gc_threads_own_remove(t);
	cairn_gc_left_stacks_forget(t->heap, t);
	cairn_gc_mutator_free(t);
}

void cairn_gc_detach(cairn_gc_mutator *m)
{
	cairn_gc_thread *t = cairn_gc_threads_own();
	while (t && t != cairn_gc_thread_of(m))
		t = t->next_of_thread;
	if (!t)
		cairn_gc_misuse(NULL, "cairn_gc_detach: not a mutator of this thread", m);
	cairn_gc_aside(detach_here, t);
}

void cairn_gc_world_close(struct cairn_gc_heap *h)
{
	cairn_gc_mutator *m = cairn_gc_mutator_of(h);
	if (m)
		cairn_gc_detach(m);
	cairn_lock_take(&h->world.lock, CAIRN_RANK_GC_WORLD);
	size_t others = h->world.count;
	cairn_lock_drop(&h->world.lock, CAIRN_RANK_GC_WORLD);
	if (others)
		cairn_gc_misuse(h, "cairn_gc_close: other threads are attached", h);
}

__attribute__((unused)) static bool is_in_its_heaps_list(const cairn_gc_thread *t)
{
	cairn_gc_world *w = &t->heap->world;
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_WORLD);
	bool is_in_it = false;
	CAIRN_GC_EACH_MUTATOR(u, w)
		is_in_it |= u == t;
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_WORLD);
	return is_in_it;
}

static void mutators_validate_here(void *arg)
{
	(void)arg;
	for (cairn_gc_thread *t = cairn_gc_threads_own(); t; t = t->next_of_thread) {
		cairn_assert(pthread_getspecific(mutators_key));                                      /* GU2 */
		cairn_assert(is_in_its_heaps_list(t) && cairn_gc_mutator_of(t->heap) == &t->public); /* GU1 */
	}
}

void cairn_gc_mutators_validate(void)
{
	for (cairn_gc_thread *t = cairn_gc_threads_own(); t; t = t->next_of_thread)
		cairn_assert(!t->is_aside); /* GW5 */
	cairn_gc_aside(mutators_validate_here, NULL);
}
