/* malloc/start.c - malloc's start and what is registered with libc. The contract is in start.h.
 *
 *   NOT YET ──cairn_start──▶ STARTING (one thread) ──▶ STARTED
 *
 * Nothing here allocates: it may run inside the dynamic loader. What needs libc to be ready (fork handlers) waits for
 * the constructor. */
#include "malloc/start.h"

#include "malloc/fork.h"
#include "malloc/outside.h"
#include "malloc/lend.h"
#include "malloc/limit.h"
#include "malloc/shelf.h"
#include "malloc/sizeclass.h"
#include "malloc/stats.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/env.h"
#include "os/identity.h"
#include "os/limits.h"
#include "os/lock.h"
#include "os/mappings.h"
#include "os/objects.h"
#include "os/report.h"
#include "os/sandbox.h"
#include "page/huge.h"

#include <string.h>

static _Atomic bool is_started; /* sync: atomic */
static cairn_lock start_lock = CAIRN_LOCK_INIT;
bool cairn_is_checking; /* const after start */

/* In a program that is linked with the library's members one by one, this brings in the one that nobody calls. */
static const cairn_heapmap *const heapmap_is_here __attribute__((used)) = &cairn_heapmap_here;

static void set_huge_mode(const char *text)
{
	static const char modes[][7] = { "earned", "never", "eager" }; /* as cairn_huge_mode */
	for (unsigned i = 0; text && i < 3; i++)
		if (!strcmp(text, modes[i])) {
			cairn_huge_set_mode((cairn_huge_mode)i);
			return;
		}
	if (text)
		cairn_report_ignored("CAIRN_THP", text, "earned, never or eager");
}

static void start(void)
{
	/* The limits open a file: now, not when a filter of the program's may be in place. */
	bool is_tight = cairn_limits_are_tight();
	if (!is_tight)
		cairn_mappings_begin(); /* before anything is mapped */
	cairn_env_init();
	cairn_report_init();
	cairn_is_checking = cairn_env_flag("CAIRN_CHECK", false);
	if (cairn_is_checking)
		cairn_threads_check_every_call();
	if (is_tight) {
		cairn_class_use_small_slabs();
		cairn_lend_begin();
	}
	cairn_shelves_begin();
	cairn_tend_start();
	set_huge_mode(cairn_env_text("CAIRN_THP"));
	cairn_limit_start();
	cairn_stats_init(cairn_env_text("CAIRN_RUN") || cairn_env_text("CAIRN_SUMMARY"));
}

void cairn_start(void)
{
	if (atomic_load_explicit(
		    &is_started, memory_order_acquire)) /* pairs with the store below: start's work is seen */
		return;
	cairn_lock_take(&start_lock, CAIRN_RANK_FORK);
	if (!is_started) {
		start();
		atomic_store_explicit(&is_started, true, memory_order_release); /* publishes start's work */
	}
	cairn_lock_drop(&start_lock, CAIRN_RANK_FORK);
}

/* What the program was linked against decides when fork handlers are due, and whether mincore may be asked. */
static void look_at_objects(void)
{
	/* The first is what libc's static part of pthread_atfork calls. */
	static const char *const names[] = { "__register_atfork", CAIRN_SANDBOX_CALLS };
	unsigned called = cairn_objects_call(names, sizeof names / sizeof names[0]);
	cairn_fork_begin(called & 1);
	cairn_huge_begin(!(called & ~1u));
	cairn_limit_may_read(!(called & ~1u));
}

/* The library is initialised before libc, whose environ is empty then. */
__attribute__((constructor)) static void library_begin(int count, char **arguments, char **environment)
{
	(void)count, (void)arguments;
	cairn_env_offer(environment);
	cairn_threads_begin();
	cairn_start();
	look_at_objects();
	/* To map and hold the counters takes calls that a filter of the program's may not allow later. */
	if (cairn_stats_is_counting() && !cairn_is_checking)
		cairn_thread_leave(cairn_thread_enter());
	/* Where the child has an account of its own, or locks are used without a second thread; else that one
	 * registers. */
	if (cairn_stats_is_counting() || cairn_is_checking || cairn_env_flag("CAIRN_JANITOR", false))
		cairn_fork_register();
	if (cairn_env_flag("CAIRN_JANITOR", false))
		cairn_identity_learn();
}

/* Magazines are checked once more: a double free whose block still sits in one is told now or never. */
__attribute__((destructor)) static void library_end(void)
{
	cairn_threads_exit();
}
