/* os/identity.h - does a thread that libc does not know still have the program's identity?
 *
 * setuid() and the like are one thread's business for the kernel; libc asks every thread that it knows to follow. The
 * helper of os/thread.h is not asked. So in a process that has something to lose it gives up what it can, and looks
 * from time to time whether it is still who the program is.
 *
 * What it would ask the kernel for that, a filter of the program's own may kill it for: where an image may have set
 * one (os/sandbox.h) nothing is asked, and whoever uses the helper ends it soon. Under the sanitizers libc knows the
 * helper, and nothing here does anything. */
#ifndef CAIRN_OS_IDENTITY_H
#define CAIRN_OS_IDENTITY_H

#include <stdbool.h>

typedef enum cairn_identity {
	CAIRN_IDENTITY_COMMON,  /* nothing to lose, or libc takes care of it */
	CAIRN_IDENTITY_WATCHED, /* ask cairn_identity_is_current after each sleep */
	/* Privileged when it began, and that it is so no more cannot be known: nothing may be asked, or the answer is
	 * no from the start, as where real and effective user differ. */
	CAIRN_IDENTITY_UNKNOWN,
} cairn_identity;

/* By a thread of the program's, before there is a helper; idempotent. Locks: libc's list of images, for a moment. */
void cairn_identity_learn(void);
/* By the helper, first of all: drops every capability of this thread where the process is privileged. */
cairn_identity cairn_identity_lay_down(void);
/* By the helper, when watched: has the program's first thread its user, its group, and what is left of its
 * capabilities? False also where that thread has ended or the kernel does not tell. */
bool cairn_identity_is_current(void);

#endif
