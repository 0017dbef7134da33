/* os/thread.c - who am I, am I alone, and the helper thread.
 *
 * Invariants:
 *   (T1) A helper takes no signal that the program could expect: all are blocked before it exists. The two that libc
 *        keeps for itself stay open: setuid() in a threaded program waits until every thread has answered one of them.
 *   (T2) A helper is never joined, and leaves nothing behind.
 *
 * Locks: none. Failure: false; nothing changed. Not here: when a helper is wanted (page/janitor.c). */
#include "os/thread.h"
#include "os/meta.h"
#include "os/sys.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* glibc >= 2.32: 1 while the process has one thread. Weak: elsewhere it is absent. */
extern char __libc_single_threaded __attribute__((weak));

typedef struct helper_start {
	void (*body)(void *);
	void *arg;
} helper_start;

enum {
	HELPER_STACK_BYTES = 64 * 1024,     /* over the system's least */
	HELPER_STACK_LARGE_BYTES = 1 << 20, /* for programs with much TLS, which libc puts there too */
	HELPER_LIBC_SIGNALS = 2,            /* 32 and 33: cancellation, and setuid in all threads */
};

uint32_t cairn_thread_id(void) { return (uint32_t)cairn_sys(SYS_gettid, 0, 0, 0, 0, 0, 0); }

/* Latched: libc's byte may become 1 again when the other threads have ended. Where libc has no such byte the answer
 * stays false, which only means that no helper is ever started. */
bool cairn_thread_ever_made(void)
{
	static _Atomic bool thread_was_made; /* sync: atomic. Relaxed: it guards no data; a late true is harmless. */
	if (atomic_load_explicit(&thread_was_made, memory_order_relaxed))
		return true;
	if (!&__libc_single_threaded || __atomic_load_n(&__libc_single_threaded, __ATOMIC_RELAXED))
		return false;
	atomic_store_explicit(&thread_was_made, true, memory_order_relaxed);
	return true;
}

static void *helper_main(void *p)
{
	helper_start start = *(helper_start *)p;
	cairn_meta_free(p, sizeof start);
	cairn_sys(SYS_prctl, PR_SET_NAME, (long)"cairn", 0, 0, 0, 0);
	start.body(start.arg);
	return NULL;
}

static int helper_create(helper_start *start, size_t stack_bytes)
{
	pthread_attr_t attr;
	pthread_t thread;
	if (pthread_attr_init(&attr))
		return EAGAIN;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack_bytes);
	int error = pthread_create(&thread, &attr, helper_main, start);
	pthread_attr_destroy(&attr);
	return error;
}

bool cairn_thread_start_helper(void (*body)(void *), void *arg)
{
	helper_start *start = cairn_fault_next(SYS_clone) ? NULL : cairn_meta_alloc(sizeof *start);
	if (!start)
		return false;
	*start = (helper_start){ body, arg };
	uint64_t all = ~(((1ull << HELPER_LIBC_SIGNALS) - 1) << 31), before = 0;
	long blocked = cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all, 0, 0);
	int error = EPERM;
	if (blocked == 0) {
		error = helper_create(start, (size_t)sysconf(_SC_THREAD_STACK_MIN) + HELPER_STACK_BYTES);
		if (error == EINVAL)
			error = helper_create(start, HELPER_STACK_LARGE_BYTES);
		cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before, 0, 0);
	}
	if (error)
		cairn_meta_free(start, sizeof *start);
	return !error;
}

void cairn_thread_sleep_ms(unsigned ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };
	while (cairn_sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&left, (long)&left, 0, 0) == -EINTR)
		;
}
