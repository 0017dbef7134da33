/* gc/heapfork.c - fork from a process with managed heaps.
 *
 * Before the fork the forking thread, out of all its heaps, takes every lock of every heap in order of rank; so no
 * collection is under way, and what the locks guard is whole in the child. There its own mutators are the only ones:
 * those of threads that are not there are dropped, their bumps given back, and the parts that had threads of their own
 * (gc/trace.h, gc/deaths.h) are told that they are gone.
 *
 * The page heap's and os/meta's locks rank above ours, and are the malloc floor's to take: so its handlers are
 * registered before ours (os/forks.h), and ours run first.
 *
 * A mutator of another thread is where it was: it may be between two words of its own bump. It has written its cell's
 * header, or the cell is the last and reads zero; either is a block that can be walked (gc/blocks.h).
 *
 * Locks: all of rank GC_*. Failure: false where libc has no memory for the handlers.
 * Not here: malloc's part (malloc/fork.c). */
#include "gc/managed.h"
#include "gc/types.h"

#include "os/forks.h"
#include "os/thread.h"

#include <pthread.h>

static bool is_fork_registered; /* sync: registered_once */

#define FORK_EACH_TABLE(t, h)                                                                                          \
	for (cairn_gc_table *t = cairn_container((h)->deaths.tables.next, cairn_gc_table, node);                       \
		&t->node != &(h)->deaths.tables; t = cairn_container(t->node.next, cairn_gc_table, node))
#define FORK_EACH_HEAP(h)                                                                                              \
	for (struct cairn_gc_heap *h = cairn_container(cairn_gc_heaps_here.all.next, struct cairn_gc_heap, node);      \
		&h->node != &cairn_gc_heaps_here.all; h = cairn_container(h->node.next, struct cairn_gc_heap, node))

static void fork_take_all(void *arg)
{
	(void)arg;
	cairn_lock_take(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
	if (!cairn_gc_heaps_here.all.next) /* the first heap is about to be opened */
		cairn_node_init(&cairn_gc_heaps_here.all);
	FORK_EACH_HEAP(h)
		cairn_lock_take(&h->world.lock, CAIRN_RANK_GC_WORLD);
	cairn_gc_types_lock();
	FORK_EACH_HEAP(h) {
		cairn_lock_take(&h->roots.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_take(&h->tracing.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_take(&h->looks.lock, CAIRN_RANK_GC_PARTS);
		cairn_gc_shadow_enter(h);
		cairn_lock_take(&h->young.lock, CAIRN_RANK_GC_PARTS); /* as a store takes them */
	}
	FORK_EACH_HEAP(h)
		FORK_EACH_TABLE(t, h)
			cairn_lock_take(&t->lock, CAIRN_RANK_GC_TABLES);
	FORK_EACH_HEAP(h)
		cairn_lock_take(&h->blocks.lock, CAIRN_RANK_GC_BLOCKS);
}

/* It comes in again at the end: nobody holds its mutators, for the worlds' locks are ours. */
static void fork_before(void) { cairn_gc_aside(fork_take_all, NULL); }

static void fork_in_parent(void)
{
	FORK_EACH_HEAP(h) {
		cairn_lock_drop(&h->blocks.lock, CAIRN_RANK_GC_BLOCKS);
		FORK_EACH_TABLE(t, h)
			cairn_lock_drop(&t->lock, CAIRN_RANK_GC_TABLES);
		cairn_lock_drop(&h->young.lock, CAIRN_RANK_GC_PARTS);
		cairn_gc_shadow_leave(h);
		cairn_lock_drop(&h->looks.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_drop(&h->tracing.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_drop(&h->roots.lock, CAIRN_RANK_GC_PARTS);
		cairn_lock_drop(&h->world.lock, CAIRN_RANK_GC_WORLD);
	}
	cairn_gc_types_unlock();
	cairn_lock_drop(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
}

static bool is_of_this_thread(const cairn_gc_thread *t)
{
	const cairn_gc_thread *own = cairn_gc_threads_own();
	while (own && own != t)
		own = own->next_of_thread;
	return own != NULL;
}

/* Its thread may have been about to begin a hole: what it has of it is no use, and the block reads as before. */
static void fork_mend_hole(cairn_gc_bump *bump, struct cairn_gc_hole *hole)
{
	cairn_gc_block *b = hole->block;
	if (b && (bump->at < cairn_gc_block_first(b) || bump->at > cairn_gc_block_end(b))) {
		b->is_owned = false;
		*hole = (struct cairn_gc_hole){ 0 };
		*bump = (cairn_gc_bump){ 0 };
	}
}

static void fork_drop_others(struct cairn_gc_heap *h)
{
	CAIRN_GC_EACH_MUTATOR(t, &h->world) {
		if (is_of_this_thread(t)) {
			t->tid = cairn_thread_id();
			continue;
		}
		fork_mend_hole(&t->small, &t->small_hole);
		fork_mend_hole(&t->wide, &t->wide_hole);
		cairn_gc_left_stacks_forget(h, t);
		cairn_gc_mutator_drop(t);
		cairn_gc_mutator_free(t);
	}
}

static void fork_in_child(void)
{
	cairn_lock_renew(&cairn_gc_heaps_here.lock);
	cairn_gc_types_fork_child();
	FORK_EACH_HEAP(h) {
		cairn_lock_renew(&h->world.lock);
		cairn_lock_renew(&h->roots.lock);
		cairn_lock_renew(&h->deaths.lock);
		cairn_lock_renew(&h->tracing.lock);
		cairn_lock_renew(&h->looks.lock);
		cairn_lock_renew(&h->young.lock);
		h->young.is_short = true; /* who is not there may have been about to write something down */
		cairn_gc_shadow_fork_child(h);
		cairn_lock_renew(&h->blocks.lock);
	}
	FORK_EACH_HEAP(h) {
		cairn_gc_tracing_fork_child(h);
		cairn_gc_deaths_fork_child(h);
		fork_drop_others(h);
	}
}

static void fork_register_once(void)
{
	cairn_forks_register();
	is_fork_registered = !pthread_atfork(fork_before, fork_in_parent, fork_in_child);
}

bool cairn_gc_fork_register(void)
{
	static pthread_once_t registered_once = PTHREAD_ONCE_INIT;
	pthread_once(&registered_once, fork_register_once);
	return is_fork_registered;
}
