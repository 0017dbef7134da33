/* malloc/fork.c - the handlers of fork. The design is in fork.h.
 *
 * Handlers run: prepare last registered first, parent and child first registered first. So ours should be the first to
 * be registered: then no other runs while we hold the locks, and none waits for a mutex that a thread holds which waits
 * for us. Where an object that was loaded with the program can register handlers, ours are there before its constructor
 * runs (the library is marked to be initialised first). Otherwise they come with the second thread, and those of an
 * object that was loaded by hand before it run between ours; they are served all the same, but such a mutex hangs. */
#include "malloc/fork.h"

#include "base/assert.h"
#include "malloc/central.h"
#include "malloc/heap.h"
#include "malloc/slabpurge.h"
#include "malloc/stats.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/forks.h"
#include "os/lock.h"
#include "os/mappings.h"
#include "os/meta.h"
#include "os/thread.h"
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

static unsigned fork_repeats; /* sync: fork lock; handlers may have been registered twice: see cairn_fork_register */

/* A handler of a signal that struck in a slow path forks: nothing may be taken, for the thread may hold any lock, and
 * nothing has to be, where it is the only one; the child goes on in that slow path when its handler returns. (With
 * threads whose locks the child would find taken, libc's own malloc hangs in the parent.) */
static bool begin_nested(void)
{
	if (!cairn_thread_self.forks && !(cairn_thread_is_nested() && !cairn_fork_is_mine()))
		return false;
	if (!cairn_thread_self.forks++)
		cairn_stats_fork_before();
	return true;
}

static bool end_nested(bool is_child)
{
	if (!cairn_thread_self.forks)
		return false;
	if (--cairn_thread_self.forks || !is_child)
		return true;
	cairn_mappings_fork_child();
	cairn_tend_fork_child();
	cairn_stats_fork_child();
	cairn_threads_fork_child_nested();
	cairn_stats_fork_settled(true);
	return true;
}

static void before(void)
{
	if (begin_nested())
		return;
	if (cairn_fork_is_mine()) {
		fork_repeats++;
		return;
	}
	cairn_lock_take(&fork_lock, CAIRN_RANK_FORK);
	cairn_threads_lock();
	cairn_heaps_lock();
	cairn_central_lock_all();
	cairn_pageheap_lock();
	cairn_meta_lock();
	cairn_stats_fork_before();
	__atomic_store_n(&fork_thread, &cairn_thread_self, __ATOMIC_RELAXED); /* for myself */
}

/* Is this the end of the second of two calls, of which the first did the work? */
static bool is_repeat(void)
{
	if (!fork_repeats)
		return false;
	fork_repeats--;
	return true;
}

static void after_in_parent(void)
{
	if (end_nested(false) || is_repeat())
		return;
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
	if (end_nested(true) || is_repeat())
		return;
	__atomic_store_n(&fork_thread, NULL, __ATOMIC_RELAXED); /* for myself */
	cairn_mappings_fork_child();
	cairn_meta_fork_child();
	cairn_pageheap_fork_child();
	cairn_central_fork_child();
	cairn_heaps_fork_child();
	cairn_lock_renew(&fork_lock);
	cairn_tend_fork_child();
	cairn_slabpurge_fork_child();
	cairn_stats_fork_child();
	cairn_threads_fork_child();
	cairn_stats_fork_settled(false);
}

enum { UNREGISTERED, REGISTERING, REGISTERED };
enum { REGISTER_WAITS = 200 }; /* of a millisecond each */

static uint32_t registration;   /* sync: atomic: who sets REGISTERING registers; release-published REGISTERED */
static cairn_self *registering; /* sync: atomic, relaxed: its thread, for itself */

static const char not_due = 1;
const char *cairn_fork_watch = &not_due;

static void register_handlers(void)
{
	__atomic_store_n(&registering, &cairn_thread_self, __ATOMIC_RELAXED); /* for myself: libc may allocate */
	pthread_atfork(before, after_in_parent, after_in_child);
	__atomic_store_n(&registering, NULL, __ATOMIC_RELAXED);        /* likewise */
	__atomic_store_n(&registration, REGISTERED, __ATOMIC_RELEASE); /* publishes that libc has the handlers */
	__atomic_store_n(&cairn_fork_watch, &not_due, __ATOMIC_RELAXED); /* a hint */
}

static bool is_registered(void)
{
	return __atomic_load_n(&registration, __ATOMIC_ACQUIRE) == REGISTERED; /* pairs with register_handlers */
}

/* libc's word: true only while the process has one thread. Older ones do not have it. */
extern char __libc_single_threaded __attribute__((weak));

void cairn_fork_begin(bool others_register)
{
	if (others_register)
		cairn_fork_register();
	if (&__libc_single_threaded && !is_registered())
		__atomic_store_n(&cairn_fork_watch, &__libc_single_threaded, __ATOMIC_RELAXED); /* a hint */
}

/* Nobody goes on to take a lock before libc has the handlers: a fork until then would copy it taken. The wait has an
 * end, as whoever registers may be waiting for us (libc's own lock, held by a fork that runs others' handlers), or may
 * not be here: then we are the child of such a fork. */
void cairn_fork_register(void)
{
	uint32_t none = UNREGISTERED;
	if (is_registered() || __atomic_load_n(&registering, __ATOMIC_RELAXED) == &cairn_thread_self) /* my own word */
		return;
	if (!__atomic_compare_exchange_n(
		    &registration, &none, REGISTERING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		for (unsigned i = 0; !is_registered() && i < REGISTER_WAITS; i++)
			cairn_thread_sleep_ms(1);
		if (is_registered())
			return;
	}
	register_handlers();
}

void cairn_forks_register(void) { cairn_fork_register(); }
