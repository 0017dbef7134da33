/* os/identity.c - who the helper is, and who the program is by now. See identity.h.
 *
 * No file of /proc is read: the helper shares the program's descriptors, and whoever has just closed 0 would find the
 * helper's file there, or have the helper close his. The kernel compares two threads' identities itself where one asks
 * for the other's limits: without CAP_SYS_RESOURCE that is refused unless the asker's user and group are all of the
 * other's (real, effective and saved). Lists of groups are not compared by anything that needs no file.
 *
 * Invariants:
 *   (I1) The helper's user and group are never changed here: that would clear the process's dumpable flag, and
 *        debuggers and core files with it. To give up capabilities does not.
 *   (I2) capset is not called under a filter, which the program has inherited then: service managers have such that
 *        kill for it. What is kept so must be the first thread's too.
 *
 * Locks: none of ours. Failure: UNKNOWN, false. Not here: what to do then (malloc/tend.c). */
#include "os/identity.h"
#include "os/sandbox.h"
#include "os/sys.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef CAIRN_INTERPOSE
#define CAIRN_INTERPOSE 0
#endif

extern __typeof__(getauxval) getauxval __attribute__((weak));

enum { IDENTITY_UNLEARNT, IDENTITY_SILENT, IDENTITY_SILENT_PRIVILEGED, IDENTITY_ASKS, IDENTITY_ASKS_PRIVILEGED };

static _Atomic int identity_learnt;    /* sync: atomic; any number of threads learn the same */
static uint64_t identity_capabilities; /* sync: the helper's own */

/* As the kernel told at exec, which no filter forbids to read. */
static bool identity_began_privileged(void)
{
	if (!getauxval)
		return true;
	int saved = errno;
	unsigned long uid = getauxval(AT_UID), euid = getauxval(AT_EUID);
	bool is = !uid || !euid || uid != euid || getauxval(AT_GID) != getauxval(AT_EGID) || getauxval(AT_SECURE);
	errno = saved;
	return is;
}

void cairn_identity_learn(void)
{
	if (!CAIRN_INTERPOSE || atomic_load(&identity_learnt))
		return;
	bool is_privileged = identity_began_privileged();
	if (cairn_sandbox_is_possible())
		atomic_store(&identity_learnt, is_privileged ? IDENTITY_SILENT_PRIVILEGED : IDENTITY_SILENT);
	else
		atomic_store(&identity_learnt, is_privileged ? IDENTITY_ASKS_PRIVILEGED : IDENTITY_ASKS);
}

/* The permitted capabilities of a thread, 0: the caller. False: refused. */
static bool identity_capabilities_of(long tid, uint64_t *permitted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, (int)tid };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 }, { 0, 0, 0 } };
	if (cairn_sys(SYS_capget, (long)&head, (long)sets, 0, 0, 0, 0) < 0)
		return false;
	*permitted = sets[0].permitted | (uint64_t)sets[1].permitted << 32;
	return true;
}

/* Of this thread alone. The ambient ones go with the others, and without new privileges no exec brings them back; that
 * it has set this does not hinder a filter that the program spreads over its threads later. */
static bool identity_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 }, { 0, 0, 0 } };
	if (cairn_sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) != 0) /* I2 */
		return false;
	cairn_sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	return cairn_sys(SYS_capset, (long)&head, (long)none, 0, 0, 0, 0) == 0;
}

cairn_identity cairn_identity_lay_down(void)
{
	int learnt = atomic_load(&identity_learnt);
	if (!CAIRN_INTERPOSE || learnt == IDENTITY_SILENT)
		return CAIRN_IDENTITY_COMMON;
	if (learnt != IDENTITY_ASKS && learnt != IDENTITY_ASKS_PRIVILEGED)
		return CAIRN_IDENTITY_UNKNOWN;
	bool is_known = identity_capabilities_of(0, &identity_capabilities);
	if (learnt == IDENTITY_ASKS && (!is_known || !identity_capabilities))
		return CAIRN_IDENTITY_COMMON;
	if (!is_known)
		return CAIRN_IDENTITY_UNKNOWN;
	if (identity_capabilities && identity_drop_capabilities())
		identity_capabilities = 0;
	return cairn_identity_is_current() ? CAIRN_IDENTITY_WATCHED : CAIRN_IDENTITY_UNKNOWN;
}

bool cairn_identity_is_current(void)
{
	long first = cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
	struct {
		uint64_t soft, hard;
	} limit = { 0, 0 };
	uintptr_t robust = 0;
	size_t bytes = 0;
	uint64_t theirs = 0;
	if (cairn_sys(SYS_prlimit64, first, RLIMIT_CORE, 0, (long)&limit, 0, 0) < 0)
		return false;
	/* A thread that has ended keeps the identity that it had, and libc no longer asks it to follow. It has no list
	 * of robust mutexes any more, which libc sets for every thread. */
	if (cairn_sys(SYS_get_robust_list, first, (long)&robust, (long)&bytes, 0, 0, 0) < 0 || !robust)
		return false;
	return !identity_capabilities ||
	       (identity_capabilities_of(first, &theirs) && !(identity_capabilities & ~theirs));
}
