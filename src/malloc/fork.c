/* malloc/fork.c - the handlers of fork. The design is in fork.h.
 *
 * Handlers run: prepare last registered first, parent and child first registered first. Ours are registered late, by
 * the second thread, so those of others that came before run while we hold the locks; they are served all the same. */
#include "malloc/fork.h"

#include "base/assert.h"
#include "malloc/central.h"
#include "malloc/heap.h"
#include "malloc/stats.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/lock.h"
#include "os/meta.h"
#include "page/pageheap.h"

#include <pthread.h>

static cairn_lock fork_lock = CAIRN_LOCK_INIT;
/* The forking thread, by the address of its thread-local data, which is the same in the child (its number is not), so
 * that handlers of others that run in the child before ours are served as well. sync: atomic, relaxed: only the
 * thread itself is interested in its own address. */
static cairn_self *fork_thread;

bool cairn_fork_is_mine(void)
{
	return __atomic_load_n(&fork_thread, __ATOMIC_RELAXED) ==
	       &cairn_thread_self; /* NULL or another's: not mine, however stale */
}

static void before(void)
{
	cairn_lock_take(&fork_lock, CAIRN_RANK_FORK);
	cairn_threads_lock();
	cairn_heaps_lock();
	cairn_central_lock_all();
	cairn_pageheap_lock();
	cairn_meta_lock();
	cairn_stats_fork_before();
	__atomic_store_n(&fork_thread, &cairn_thread_self, __ATOMIC_RELAXED); /* for myself */
}

static void after_in_parent(void)
{
	__atomic_store_n(&fork_thread, NULL, __ATOMIC_RELAXED); /* for myself */
	cairn_meta_unlock();
	cairn_pageheap_unlock();
	cairn_central_unlock_all();
	cairn_heaps_unlock();
	cairn_threads_unlock();
	cairn_lock_drop(&fork_lock, CAIRN_RANK_FORK);
}

static void after_in_child(void)
{
	__atomic_store_n(&fork_thread, NULL, __ATOMIC_RELAXED); /* for myself */
	cairn_meta_fork_child();
	cairn_pageheap_fork_child();
	cairn_central_fork_child();
	cairn_heaps_fork_child();
	cairn_lock_renew(&fork_lock);
	cairn_tend_fork_child();
	cairn_stats_fork_child();
	cairn_threads_fork_child();
	cairn_stats_fork_settled();
}

void cairn_fork_register(void)
{
	static bool is_registered; /* sync: atomic: who sets it registers */
	if (!__atomic_exchange_n(&is_registered, true, __ATOMIC_SEQ_CST))
		pthread_atfork(before, after_in_parent, after_in_child);
}
