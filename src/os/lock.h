/* os/lock.h - a small lock: one word, futex, no memory, usable before libc is ready and after fork.
 *
 * Ranks: a thread takes locks in rising order of rank only (equal ranks never nest, but CAIRN_RANK_HEAP, _CENTRAL and
 * those of managed heaps from _GC_WORLD to _GC_BLOCKS: fork takes all locks of these, those of _CENTRAL in the order of
 * their size class). At CAIRN_DEBUG >= 1 a per-thread count of held ranks asserts it.
 *
 *   FREE(0) ──take──▶ HELD(1) ──another waits──▶ CONTENDED(2) ──drop wakes one──▶ FREE
 *
 * Threads: any. Not recursive. Not for signal handlers, but cairn_lock_try is. */
#ifndef CAIRN_OS_LOCK_H
#define CAIRN_OS_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum cairn_rank {
	CAIRN_RANK_GC_HEAPS = 1, /* gc/managed.h: the list of managed heaps */
	CAIRN_RANK_GC_WORLD,     /* gc/world.h: the mutators of one, and its stops */
	CAIRN_RANK_GC_PARTS,     /* gc/managed.h: its roots, its deaths, its tracing's work */
	CAIRN_RANK_GC_TABLES,    /* gc/tables.c: one table */
	CAIRN_RANK_GC_BLOCKS,    /* gc/blocks.h */
	CAIRN_RANK_FORK,     /* malloc/fork.c: one fork at a time */
	CAIRN_RANK_THREADS,  /* malloc/threads.c: the list of thread caches */
	CAIRN_RANK_HEAPS,    /* malloc/heap.c: the list of first-class heaps */
	CAIRN_RANK_HEAP,     /* malloc/heap.c: one first-class heap */
	CAIRN_RANK_CENTRAL,  /* malloc/central.c: one per size class */
	CAIRN_RANK_PAGEHEAP, /* page/pageheap.c */
	CAIRN_RANK_META,     /* os/meta.c */
} cairn_rank;

typedef struct cairn_lock {
	_Atomic uint32_t word; /* sync: atomic */
} cairn_lock;

#define CAIRN_LOCK_INIT { 0 }

void cairn_lock_take(cairn_lock *l, cairn_rank rank);
bool cairn_lock_try(cairn_lock *l, cairn_rank rank); /* false: somebody holds it */
void cairn_lock_drop(cairn_lock *l, cairn_rank rank);
bool cairn_lock_is_held(const cairn_lock *l); /* by anybody; for assertions */
void cairn_lock_renew(cairn_lock *l); /* after fork, in the child: free again; forgets this thread's held ranks */

#endif
