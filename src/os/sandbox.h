/* os/sandbox.h - may this program have put itself under a filter that kills it for what we want to ask the kernel?
 *
 * A filter cannot be asked about: the question is a system call as well. So the answer is read from what the loaded
 * images import: a program that never refers to prctl, seccomp, syscall or libseccomp has none of its own, short of
 * system calls written by hand. libc, libstdc++ and the like are left out, for they import these for other ends.
 *
 * Threads: any. Locks: libc's list of images, for the time of the look. */
#ifndef CAIRN_OS_SANDBOX_H
#define CAIRN_OS_SANDBOX_H

#include <stdbool.h>

#define CAIRN_SANDBOX_CALLS "prctl", "seccomp", "syscall", "seccomp_load" /* by which such a filter comes */

bool cairn_sandbox_is_possible(void);

#endif
