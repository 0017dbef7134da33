/* malloc/threads.h - which thread has which cache, from a thread's first request to its end.
 *
 *   NONE ──first slow path──▶ MAKING ──▶ OWN ──thread's key destructor──▶ GONE
 *                                        OWN, in a slow path: BUSY
 *
 * In every state but OWN the thread works on the static empty cache: each request comes to a slow path, and those serve
 * it from the central lists directly. So a signal handler that strikes inside a slow path (BUSY), a call made while the
 * cache is being made (MAKING), and a destructor that runs after ours (GONE) need no case of their own anywhere else.
 *
 * Caches are never freed: one whose thread ended is handed to the next that starts.
 *
 * Looking (house rule: the fast paths carry no test): a thread's word is set to the empty cache from outside and its
 * slow paths find the real one by `own`. CAIRN_CHECK=1 is the same switch, thrown for good.
 *
 * Invariants, checked by cairn_threads_validate():
 *   (T1) offset is 0 or leads from the empty cache to own.
 *   (T2) A cache is used by one thread or is in the idle list, never both.
 *
 * Locks: the threads lock (rank THREADS) over making, handing over and walking. */
#ifndef CAIRN_MALLOC_THREADS_H
#define CAIRN_MALLOC_THREADS_H

#include "malloc/cache.h"

typedef struct cairn_self {
	intptr_t offset;  /* bytes from cairn_cache_empty to the cache in use; sync: owner thread */
	cairn_cache *own; /* NULL, a state below, or the thread's cache; sync: owner thread */
	uint32_t forks;   /* nested in a slow path it is between so many handlers of fork; sync: owner thread */
} cairn_self;

/* For a reader from outside (malloc/outside.h). The leaves lead to groups of CAIRN_CACHES_TOGETHER caches. */
enum { CAIRN_CACHE_LEAVES = 64, CAIRN_CACHE_LEAF_GROUPS = 128 };
extern char **cairn_threads_leaves[CAIRN_CACHE_LEAVES];
extern uint32_t cairn_threads_made;

#define CAIRN_SELF_MAKING ((cairn_cache *)1)
#define CAIRN_SELF_GONE   ((cairn_cache *)2)
#define CAIRN_SELF_NONE_BUSY                                                                                           \
	((cairn_cache *)3) /* NONE and GONE in a slow path, for threads that have no cache to say so */
#define CAIRN_SELF_GONE_BUSY ((cairn_cache *)4)

extern __thread cairn_self cairn_thread_self __attribute__((tls_model("initial-exec")));

/* The cache the fast paths work on. */
static inline cairn_cache *cairn_thread_cache(void)
{
	uintptr_t base = (uintptr_t)&cairn_cache_empty;
	/* No instruction: the sum is an address in another object, and the compiler must not reason that it lies in
	 * this one. */
	__asm__("" : "+r"(base));
	return (cairn_cache *)(base + (uintptr_t)cairn_thread_self.offset);
}

/* At start, in the thread that runs constructors: notes it when it is the process's first. */
void cairn_threads_begin(void);
/* Begins a slow path: the thread's own cache, made if need be; or NULL: serve without a cache. Either way the thread
 * is busy until it leaves. Not when cairn_thread_is_nested(). */
cairn_cache *cairn_thread_enter(void);
/* Ends it. Takes what enter gave; NULL is allowed. */
void cairn_thread_leave(cairn_cache *c);
/* Does the calling thread own a cache? */
bool cairn_thread_has_cache(void);
/* Is this a request from a signal handler that interrupted a slow path of its own thread, or from a fork handler of
 * somebody else's while this thread holds every lock? Then no lock may be waited for. */
bool cairn_thread_is_nested(void);

/* Each misuse is reported at the call: no thread ever gets a cache. */
void cairn_threads_check_every_call(void);

/* Walks all caches, idle ones too, under the threads lock. */
void cairn_threads_visit(void (*visit)(cairn_cache *c, void *arg), void *arg);
/* The same for who holds cairn_threads_lock. */
void cairn_threads_visit_held(void (*visit)(cairn_cache *c, void *arg), void *arg);
/* Does p lie in the pages of a thread cache or its counters? Under the threads lock. */
bool cairn_threads_own(const void *p);
/* The counters for requests served without a cache; to be added to atomically. */
cairn_thread_counters *cairn_threads_shared_counters(void);

/* For fork and who looks (malloc/still.h), in order of rank; what lies on shelves is whole as well. A busy caller's own
 * shelf is left out. */
void cairn_threads_lock(void);
void cairn_threads_unlock(void);
/* In the child, the world's only thread: the others' caches become idle, their slots given back. */
void cairn_threads_fork_child(void);
/* The same where no lock was taken before the fork: the caches and shelves stay as they are. */
void cairn_threads_fork_child_nested(void);
/* At exit: this thread's magazines are checked by giving their slots back. Nothing when nested (exit in a handler). */
void cairn_threads_exit(void);
void cairn_threads_validate(void);

#endif
