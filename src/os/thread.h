/* os/thread.h - threads: who am I, and a helper thread that lives only while there is work.
 * Threads: any. */
#ifndef CAIRN_OS_THREAD_H
#define CAIRN_OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

uint32_t cairn_thread_id(void);        /* gettid; a system call */
/* Does p, which lies in the mapping that ends there, lie on the stack of another thread of libc's? Slow: it asks the
 * kernel for each thread. False also when that cannot be known. */
bool cairn_thread_stack_has(uintptr_t p, uintptr_t mapping_end);
/* Starts a thread named "cairn" with all signals blocked and a small stack, that runs body(arg) and ends. False: the
 * system refused, or the last one has not quite ended; nothing changed.
 *
 * libc does not know this thread: free may be called from inside libc while it holds the very locks that
 * pthread_create takes (it frees thread stacks so). Therefore body must not call libc, and its thread-local data are
 * its own, zeroed. */
bool cairn_thread_start_helper(void (*body)(void *), void *arg);
void cairn_thread_helper_fork_child(void); /* the helper is not in the child */
void cairn_thread_sleep_ms(unsigned ms);

#endif
