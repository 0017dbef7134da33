/* malloc/fork.h - fork from a process with threads.
 *
 * Before the fork every lock is taken, in order of rank, so that the child finds every structure whole; after it the
 * parent drops them and the child makes them new, gives back what sat in the magazines and on the shelves of threads
 * that are not there any more, and begins its own account. A child made by a raw clone system call without these
 * handlers keeps working as long as the parent had one thread; more nobody can promise.
 *
 * Handlers of others may run between ours and allocate: the forking thread's fast paths go on, and its slow paths are
 * served like a signal handler's (malloc/emergency.h), which takes no lock. */
#ifndef CAIRN_MALLOC_FORK_H
#define CAIRN_MALLOC_FORK_H

#include <stdbool.h>

/* Idempotent. Called when a second thread is made or makes its first request, or a janitor starts: a process with one
 * thread needs no handlers, and the part of libc that registers them would add 64 KiB to every small program. May
 * allocate. */
void cairn_fork_register(void);
/* Once, from the library's constructor: registers where others may, else cairn_fork_is_due watches from here on. */
void cairn_fork_begin(bool others_register);

/* Points to 0 from the moment at which libc is about to make the second thread until the handlers are registered.
 * sync: atomic, relaxed: written by a constructor and by who registers; a hint. */
extern const char *cairn_fork_watch;

/* For calloc, which libc calls for each new thread's table, in the thread that makes it. Registered by the second
 * thread itself, handlers may come too late for a fork that has begun: libc runs those that it knew when it began, and
 * the child would find whatever lock the new thread has taken meanwhile. */
static inline bool cairn_fork_is_due(void)
{
	return !*(const volatile char *)__atomic_load_n(&cairn_fork_watch, __ATOMIC_RELAXED); /* see there */
}

/* Is the calling thread between our handlers, holding every lock? */
bool cairn_fork_is_mine(void);

#endif
