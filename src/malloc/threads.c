/* malloc/threads.c - thread caches from first request to last. The design is in threads.h. */
#include "malloc/threads.h"

#include "base/assert.h"
#include "base/bits.h"
#include "malloc/fork.h"
#include "malloc/start.h"
#include "malloc/tend.h"
#include "os/identity.h"
#include "os/limits.h"
#include "os/lock.h"
#include "os/meta.h"
#include "os/sys.h"
#include "os/thread.h"
#include "os/vm.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>

/* Groups are found through leaves of a table, so that a process with one thread has one leaf. 131,072 caches; a thread
 * beyond is served without one. */
enum {
	FIRST_CACHES = 2, /* nobody's and one thread's */
};

__thread cairn_self cairn_thread_self;

static cairn_lock threads_lock = CAIRN_LOCK_INIT;
char **cairn_threads_leaves[CAIRN_CACHE_LEAVES]; /* sync: threads_lock; NULL: not needed yet */
uint32_t cairn_threads_made; /* sync: threads_lock, also read without; caches ever made; number 0 is nobody's */
static cairn_node idle_caches;     /* sync: threads_lock */
static bool is_checking;           /* const after start */
static const cairn_self *first_self; /* the process's first thread, when it began with us; const after start */
static uint32_t first_id;          /* its number; const after start, but for fork's child */
static bool has_key;               /* sync: threads_lock to write; true for good */
static pthread_key_t exit_key;     /* const once has_key */

static void lock_threads(void) { cairn_lock_take(&threads_lock, CAIRN_RANK_THREADS); }
static void unlock_threads(void) { cairn_lock_drop(&threads_lock, CAIRN_RANK_THREADS); }

/* For readers without the lock. The release publishes the groups that hold the caches; the acquire pairs with it. */
static uint32_t caches_made(void) { return __atomic_load_n(&cairn_threads_made, __ATOMIC_ACQUIRE); }
static void set_caches_made(uint32_t n) { __atomic_store_n(&cairn_threads_made, n, __ATOMIC_RELEASE); }

static cairn_cache *cache_at(uint32_t i)
{
	uint32_t group = i / CAIRN_CACHES_TOGETHER;
	return (cairn_cache *)(cairn_threads_leaves[group / CAIRN_CACHE_LEAF_GROUPS][group % CAIRN_CACHE_LEAF_GROUPS] +
			       i % CAIRN_CACHES_TOGETHER * CAIRN_CACHE_BYTES);
}

/* Under a limit the pages of a group are opened one by one, but not where counters may come from a file. */
static bool is_opened_by_page(void) { return cairn_limits_are_tight() && !cairn_stats_is_counting(); }

/* Makes room for CAIRN_CACHES_TOGETHER more caches. */
static bool group_make(uint32_t number)
{
	if (number >= CAIRN_CACHE_LEAVES * CAIRN_CACHE_LEAF_GROUPS)
		return false;
	char ***leaf = &cairn_threads_leaves[number / CAIRN_CACHE_LEAF_GROUPS];
	if (!*leaf)
		*leaf = cairn_meta_alloc(CAIRN_CACHE_LEAF_GROUPS * sizeof **leaf);
	if (!*leaf || (*leaf)[number % CAIRN_CACHE_LEAF_GROUPS])
		return *leaf;
	size_t bytes = 2 * (size_t)CAIRN_COUNTERS_DISTANCE;
	char *pages = is_opened_by_page() ? cairn_vm_reserve(NULL, bytes, cairn_vm_page_bytes()) : cairn_vm_map(bytes);
	if (!pages)
		return false;
	cairn_stats_map_counters(
		pages + CAIRN_COUNTERS_DISTANCE, number * CAIRN_CACHES_TOGETHER, CAIRN_CACHES_TOGETHER);
	(*leaf)[number % CAIRN_CACHE_LEAF_GROUPS] = pages;
	return true;
}

static void *counters_at(uint32_t i) { return (char *)cache_at(i) + CAIRN_COUNTERS_DISTANCE; }

/* The page of a cache, or of its counters; it may be open already. */
static bool page_open(void *p)
{
	size_t page = cairn_vm_page_bytes();
	return !is_opened_by_page() || cairn_vm_open((void *)cairn_round_down((uintptr_t)p, page), page);
}

/* One cache more, which nobody uses yet. Number 0 is nobody's: only its counters are used. */
static bool cache_make(void)
{
	if (cairn_threads_made % CAIRN_CACHES_TOGETHER == 0 && !group_make(cairn_threads_made / CAIRN_CACHES_TOGETHER))
		return false;
	if (!page_open(counters_at(cairn_threads_made)) ||
	    (cairn_threads_made && !page_open(cache_at(cairn_threads_made))))
		return false;
	if (!cairn_stats_hold_counters(counters_at(cairn_threads_made)))
		return false;
	set_caches_made(cairn_threads_made + 1);
	cairn_stats_cache_count(cairn_threads_made);
	return true;
}

/* Number 0 stays unused: its counters are everybody's. */
static bool cache_zero_make(void)
{
	if (!cairn_threads_made && cache_make())
		cairn_node_init(&idle_caches);
	return cairn_threads_made > 0;
}

/* The number of a cache that was never used, or 0. */
static uint32_t next_cache(void) { return cache_zero_make() && cache_make() ? cairn_threads_made - 1 : 0; }

/* What is known of the first thread is not asked again: its first request may come after the program has locked itself
 * into a filter of system calls. */
static bool is_first_thread(void)
{
	return &cairn_thread_self == first_self ||
	       cairn_thread_id() == (uint32_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

void cairn_threads_begin(void)
{
	if (!is_first_thread())
		return;
	first_self = &cairn_thread_self;
	first_id = cairn_thread_id();
}

/* A cache for a thread that has none: an idle one or a new one. */
static cairn_cache *cache_get(bool is_first)
{
	lock_threads();
	cairn_cache *c = NULL;
	if (idle_caches.next && !cairn_list_is_empty(&idle_caches)) {
		c = cairn_container(idle_caches.next, cairn_cache, node);
		cairn_list_remove(&c->node);
	} else {
		uint32_t i = next_cache();
		if (i) {
			c = cache_at(i);
			cairn_cache_init(c, i);
		}
	}
	if (c) {
		c->thread_id = &cairn_thread_self == first_self ? first_id : cairn_thread_id();
		cairn_cache_counters(c)->thread_id = c->thread_id;
		cairn_cache_counters(c)->threads++;
		if (!is_first)
			cairn_tend_thread_began();
		if (cairn_threads_made > FIRST_CACHES) /* libc may not know it: of a second libc, or a raw clone */
			cairn_shelves_share();
	}
	unlock_threads();
	return c;
}

static void cache_put(cairn_cache *c)
{
	lock_threads();
	c->thread_id = 0;
	c->is_busy = 0;
	cairn_cache_counters(c)->thread_id = 0;
	cairn_list_push(&idle_caches, &c->node);
	unlock_threads();
}

/* The key's destructor: the thread is about to end. What it still allocates or frees after this is served without a
 * cache, so that destructors that run later, in any number of rounds, cost no memory. */
static void thread_exit(void *arg)
{
	cairn_cache *c = arg;
	cairn_thread_self.offset = 0;
	cairn_thread_self.own = CAIRN_SELF_GONE_BUSY;
	cairn_shelf_close(&c->shelf);
	cairn_cache_drain(c);
	cache_put(c);
	cairn_thread_leave(NULL);
}

/* What only a process with threads needs. Before the second thread takes its first lock: whoever forks from then on
 * must find the locks free. */
static void second_thread(void)
{
	cairn_fork_register();
	cairn_identity_learn();
	cairn_thread_self.own = CAIRN_SELF_NONE_BUSY; /* a signal handler must not wait for the lock */
	lock_threads();
	if (!has_key)
		has_key = !pthread_key_create(&exit_key, thread_exit);
	unlock_threads();
	cairn_thread_self.own = CAIRN_SELF_MAKING;
}

/* Gives the thread's cache to its destructor. The process's first thread ends with the process and needs none. */
static bool thread_will_exit(cairn_cache *c, bool is_first)
{
	return is_first || (has_key && !pthread_setspecific(exit_key, c)); /* may allocate: then it finds MAKING */
}

/* The calling thread's first request: makes its cache. NULL: refused, or not wanted; try again next time. */
static cairn_cache *thread_begin(void)
{
	cairn_self *self = &cairn_thread_self;
	if (is_checking)
		return NULL;
	self->own = CAIRN_SELF_MAKING;
	bool is_first = is_first_thread();
	if (!is_first)
		second_thread();
	self->own = CAIRN_SELF_NONE_BUSY; /* likewise */
	cairn_cache *c = cache_get(is_first);
	self->own = CAIRN_SELF_MAKING;
	if (c && !thread_will_exit(c, is_first)) {
		cache_put(c);
		c = NULL;
	}
	self->own = c;
	return c;
}

static bool is_state(const cairn_cache *own) { return (uintptr_t)own <= (uintptr_t)CAIRN_SELF_GONE_BUSY; }

bool cairn_thread_has_cache(void) { return !is_state(cairn_thread_self.own); }

/* Once, from malloc's start. */
void cairn_threads_check_every_call(void) { is_checking = true; }

cairn_cache *cairn_thread_enter(void)
{
	cairn_self *self = &cairn_thread_self;
	cairn_cache *c = self->own;
	if (!c) {
		cairn_start();
		c = thread_begin();
	}
	if (cairn_unlikely(is_state(c))) {
		if (c != CAIRN_SELF_MAKING)
			self->own = c ? CAIRN_SELF_GONE_BUSY : CAIRN_SELF_NONE_BUSY;
		return NULL;
	}
	cairn_assert(!c->is_busy);
	c->is_busy = 1;
	self->offset = 0; /* a handler that strikes from here on comes to a slow path and finds us busy */
	__asm__ volatile("" ::: "memory");
	return c;
}

void cairn_thread_leave(cairn_cache *c)
{
	__asm__ volatile("" ::: "memory");
	if (!c) {
		if (cairn_thread_self.own == CAIRN_SELF_GONE_BUSY)
			cairn_thread_self.own = CAIRN_SELF_GONE;
		else if (cairn_thread_self.own == CAIRN_SELF_NONE_BUSY)
			cairn_thread_self.own = NULL;
		return;
	}
	c->is_busy = 0;
	cairn_thread_self.offset = (char *)c - (char *)&cairn_cache_empty;
}

bool cairn_thread_is_nested(void)
{
	cairn_cache *c = cairn_thread_self.own;
	return c == CAIRN_SELF_NONE_BUSY || c == CAIRN_SELF_GONE_BUSY || (!is_state(c) && c->is_busy) ||
	       cairn_fork_is_mine();
}

void cairn_threads_visit_held(void (*visit)(cairn_cache *c, void *arg), void *arg)
{
	for (uint32_t i = 1; i < cairn_threads_made; i++)
		visit(cache_at(i), arg);
}

void cairn_threads_visit(void (*visit)(cairn_cache *c, void *arg), void *arg)
{
	lock_threads();
	cairn_threads_visit_held(visit, arg);
	unlock_threads();
}

bool cairn_threads_own(const void *p)
{
	for (uint32_t i = 0; i < cairn_threads_made; i += CAIRN_CACHES_TOGETHER)
		if ((uintptr_t)p - (uintptr_t)cache_at(i) < 2 * (size_t)CAIRN_COUNTERS_DISTANCE)
			return true;
	return false;
}

cairn_thread_counters *cairn_threads_shared_counters(void)
{
	if (!caches_made()) {
		lock_threads();
		bool ok = cache_zero_make();
		unlock_threads();
		if (!ok)
			return NULL;
	}
	return counters_at(0);
}

const cairn_thread_counters *cairn_stats_thread(uint32_t index)
{
	return index < caches_made() ? cairn_cache_counters(cache_at(index)) : NULL;
}

/* The forking thread's own shelf may be taken by itself, where a signal handler forks inside a slow path. */
static bool is_interrupted(const cairn_cache *c) { return c == cairn_thread_self.own && c->is_busy; }

void cairn_threads_lock(void)
{
	lock_threads();
	for (uint32_t i = 1; i < cairn_threads_made; i++)
		if (!is_interrupted(cache_at(i)))
			cairn_shelf_hold(&cache_at(i)->shelf);
}

static void drop_shelves(void)
{
	for (uint32_t i = 1; i < cairn_threads_made; i++)
		if (!is_interrupted(cache_at(i)))
			cairn_shelf_drop(&cache_at(i)->shelf);
}

void cairn_threads_unlock(void)
{
	drop_shelves();
	unlock_threads();
}

/* The child's own counters, and the number of its only thread. */
void cairn_threads_fork_child_nested(void)
{
	for (uint32_t i = 0; i < cairn_threads_made && cairn_stats_is_counting(); i += CAIRN_CACHES_TOGETHER) {
		if (!cairn_stats_map_counters(counters_at(i), i, CAIRN_CACHES_TOGETHER))
			memset(counters_at(i), 0, (size_t)CAIRN_CACHES_TOGETHER * CAIRN_COUNTERS_BYTES);
	}
	for (uint32_t i = 0; i < cairn_threads_made && cairn_stats_is_counting(); i++)
		cairn_stats_hold_counters(counters_at(i)); /* if it has no memory at all, the parent counts these too */
	first_self = &cairn_thread_self;
	first_id = cairn_thread_id();
	if (!is_state(cairn_thread_self.own))
		cairn_thread_self.own->thread_id = first_id;
}

void cairn_threads_fork_child(void)
{
	cairn_lock_renew(&threads_lock);
	drop_shelves();
	cairn_threads_fork_child_nested();
	for (uint32_t i = 1; i < cairn_threads_made; i++) {
		cairn_cache *c = cache_at(i);
		if (c->thread_id && c != cairn_thread_self.own) {
			c->is_busy = 0;
			cairn_shelf_close(&c->shelf);
			cairn_cache_drain(c);
			cache_put(c);
		}
	}
}

void cairn_threads_exit(void)
{
	if (cairn_thread_is_nested())
		return;
	cairn_cache *c = cairn_thread_enter();
	if (c)
		cairn_cache_empty_magazines(c);
	cairn_thread_leave(c);
}

void cairn_threads_validate(void)
{
	cairn_cache *c = cairn_thread_enter();
	if (c) {
		cairn_assert(c->thread_id); /* T1: own is in use */
		cairn_cache_validate(c);
		cairn_shelf_hold(&c->shelf); /* others may empty it */
		cairn_shelf_validate(&c->shelf);
		cairn_shelf_drop(&c->shelf);
	}
	cairn_thread_leave(c);
	cairn_assert(!c || cairn_thread_cache() == c); /* T1 */
	lock_threads();
	for (uint32_t i = 1; i < cairn_threads_made; i++)
		cairn_assert(!cache_at(i)->thread_id == !cairn_list_is_empty(&cache_at(i)->node) ||
			     cache_at(i) == c); /* T2 */
	unlock_threads();
}
