/* os/thread.h - threads: who am I, am I alone, and a helper thread that lives only while there is work.
 * Threads: any. */
#ifndef CAIRN_OS_THREAD_H
#define CAIRN_OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

uint32_t cairn_thread_id(void);        /* gettid; a system call */
/* False until the process first makes a second thread through libc (then true for ever). */
bool cairn_thread_ever_made(void);
/* Starts a detached thread named "cairn" with all signals blocked and a small stack, that runs body(arg) and ends.
 * False: the system refused; nothing changed. Calls pthread_create, which may call malloc: hold no lock. */
bool cairn_thread_start_helper(void (*body)(void *), void *arg);
void cairn_thread_sleep_ms(unsigned ms);

#endif
