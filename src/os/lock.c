/* os/lock.c - the futex lock: three states, so that an uncontended take and drop are one atomic each and no system call
 * (Drepper, "Futexes are tricky", mutex 2).
 *
 * Invariants:
 *   (L1) The word is FREE exactly when nobody holds the lock.
 *   (L2) While a thread sleeps for the lock, the word is CONTENDED or a wake is under way: nobody sleeps for ever.
 *        Hence a thread that has slept takes the lock as CONTENDED: it cannot know whether it was the last sleeper.
 *   (L3) At CAIRN_DEBUG >= 1: a thread takes locks in rising rank (os/lock.h), and drops only what it holds.
 *
 * Failure: none. Where a filter refuses futex, a waiting thread spins. Not here: fairness. */
#include "os/lock.h"
#include "base/assert.h"
#include "os/sys.h"

#include <linux/futex.h>
#include <sys/syscall.h>

enum { LOCK_FREE, LOCK_HELD, LOCK_CONTENDED };
enum { LOCK_SPINS = 100 }; /* about 4 us: longer than our critical sections, shorter than a sleep and a wake */

/* How many locks of each rank this thread holds. Counted rather than stacked: a fork holds all central locks at once.
 * sync: owner thread. Unused, and so not there, in a release build. */
static __thread uint16_t lock_held_by_rank[CAIRN_RANK_META + 1] __attribute__((tls_model("initial-exec")));

/* A fork holds all locks of these. */
static bool lock_nests(cairn_rank rank)
{
	return rank == CAIRN_RANK_HEAP || rank == CAIRN_RANK_CENTRAL ||
	       (rank >= CAIRN_RANK_GC_WORLD && rank <= CAIRN_RANK_GC_BLOCKS);
}

static void lock_note_take(cairn_rank rank, bool is_ordered)
{
	if (CAIRN_DEBUG < 1)
		return;
	for (unsigned r = rank; is_ordered && r <= CAIRN_RANK_META; r++)
		if (lock_held_by_rank[r] && !(r == rank && lock_nests(rank)))
			cairn_panic(__FILE__, __LINE__, "locks are taken in rising order of rank");
	lock_held_by_rank[rank]++;
}

static void lock_note_drop(cairn_rank rank)
{
	if (CAIRN_DEBUG < 1)
		return;
	cairn_assert(lock_held_by_rank[rank] > 0);
	lock_held_by_rank[rank]--;
}

/* Acquire: pairs with the release in cairn_lock_drop; publishes all that the last holder wrote. */
static bool lock_grab(cairn_lock *l)
{
	uint32_t expected = LOCK_FREE;
	return atomic_compare_exchange_strong_explicit(&l->word, &expected, LOCK_HELD, memory_order_acquire,
	                                               memory_order_relaxed);
}

static void lock_wait(cairn_lock *l)
{
	for (unsigned i = 0; i < LOCK_SPINS; i++) {
		cairn_sys_pause();
		/* Relaxed: only says whether trying is worth it. */
		if (atomic_load_explicit(&l->word, memory_order_relaxed) == LOCK_FREE && lock_grab(l))
			return;
	}
	/* Acquire: as in lock_grab. */
	while (atomic_exchange_explicit(&l->word, LOCK_CONTENDED, memory_order_acquire) != LOCK_FREE)
		cairn_sys(SYS_futex, (long)&l->word, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED, 0, 0, 0);
}

void cairn_lock_take(cairn_lock *l, cairn_rank rank)
{
	lock_note_take(rank, true);
	if (cairn_unlikely(!lock_grab(l)))
		lock_wait(l);
}

/* A try cannot deadlock, so its rank is recorded but not compared. */
bool cairn_lock_try(cairn_lock *l, cairn_rank rank)
{
	if (!lock_grab(l))
		return false;
	lock_note_take(rank, false);
	return true;
}

void cairn_lock_drop(cairn_lock *l, cairn_rank rank)
{
	lock_note_drop(rank);
	/* Release: publishes what was written under the lock to the next lock_grab or lock_wait. */
	uint32_t was = atomic_exchange_explicit(&l->word, LOCK_FREE, memory_order_release);
	cairn_assert(was != LOCK_FREE);
	if (cairn_unlikely(was == LOCK_CONTENDED))
		cairn_sys(SYS_futex, (long)&l->word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* Relaxed: an assertion's question; the asker holds the lock itself or does not mind a stale answer. */
bool cairn_lock_is_held(const cairn_lock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) != LOCK_FREE;
}

void cairn_lock_renew(cairn_lock *l)
{
	/* Relaxed: the child of a fork has one thread. */
	atomic_store_explicit(&l->word, LOCK_FREE, memory_order_relaxed);
	for (unsigned r = 0; CAIRN_DEBUG >= 1 && r <= CAIRN_RANK_META; r++)
		lock_held_by_rank[r] = 0;
}
