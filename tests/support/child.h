/* support/child.h - a case that runs in a process of its own: where the OS page is injected, limits are set, or the
 * end of the process is what is tested.
 *
 * The child leaves by _exit with whether something failed; its parent fails the case when the child failed or was
 * killed. */
#ifndef CAIRN_SUPPORT_CHILD_H
#define CAIRN_SUPPORT_CHILD_H

#include "support/test.h"

#include <errno.h>
#include <sys/wait.h>

#if defined(__has_feature)
#define CHILD_HAS_FEATURE(f) __has_feature(f)
#else
#define CHILD_HAS_FEATURE(f) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CHILD_HAS_FEATURE(address_sanitizer) ||           \
	CHILD_HAS_FEATURE(thread_sanitizer)
#define IS_SANITIZED 1 /* terabytes of shadow: no limit on address space can be set */
#else
#define IS_SANITIZED 0
#endif

/* What a build cannot do is no case of it: if (CAN_REFUSE) RUN(...). */
#define CAN_REFUSE (CAIRN_FAULTS_BUILT)   /* system calls, by cairn_fault_set */
#define CAN_LIMIT  (!IS_SANITIZED)        /* address space and data */
#define CAN_ASSERT (CAIRN_DEBUG >= 1)     /* see what is wrong with ourselves: base/assert.h */

/* The child's status as wait gives it: 0 when body ran and nothing failed. */
__attribute__((unused)) static int child_status(void (*body)(void *), void *arg)
{
	pid_t child = fork();
	if (!child) {
		body(arg);
		_exit(__atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0);
	}
	int status = -1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Does body end in an assertion, or as misuse does? */
__attribute__((unused)) static bool child_aborts(void (*body)(void *), void *arg)
{
	int status = child_status(body, arg);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

__attribute__((unused)) static void in_a_child(void (*body)(void *), void *arg)
{
	int status = child_status(body, arg);
	if (status)
		NOTE("child: %s %d", WIFSIGNALED(status) ? "signal" : "status",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	EXPECT_EQ(status, 0);
}

#endif
