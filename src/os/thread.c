/* os/thread.c - who am I, and the helper thread.
 *
 * Invariants:
 *   (T1) A helper takes no signal: all are blocked before it exists.
 *   (T2) There is at most one helper; what it leaves behind is its stack, which the next one uses.
 *
 * Locks: none. Failure: false; nothing changed. Not here: when a helper is wanted (malloc/tend.c). */
#include "os/thread.h"
#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef CAIRN_INTERPOSE
#define CAIRN_INTERPOSE 0
#endif

enum {
	HELPER_STACK_BYTES = 64 * 1024,
	HELPER_GUARD_BYTES = 64 * 1024,      /* a multiple of every OS page */
	HELPER_TLS_MARGIN_BYTES = 16 * 1024, /* likewise */
	HELPER_BUSY = ~0u,                   /* in place of a thread number: one is being started */
};
/* All but 32 and 33: a thread that libc knows must answer these, or setuid() in the program waits for it for ever. */
#define HELPER_SIGNALS_OF_LIBC (~(3ull << 31))

uint32_t cairn_thread_id(void) { return (uint32_t)cairn_sys(SYS_gettid, 0, 0, 0, 0, 0, 0); }

/* libc keeps a thread's own record at the upper end of its stack, and has told the kernel where its list of robust
 * mutexes begins, which is part of that record. Mappings that the kernel has joined to the stack's lie above it; below
 * is the guard page. */
static bool stack_of_has(uint32_t tid, uintptr_t p, uintptr_t mapping_end)
{
	uintptr_t head = 0;
	size_t bytes;
	long r = cairn_sys(SYS_get_robust_list, (long)tid, (long)&head, (long)&bytes, 0, 0, 0);
	return r == 0 && head > p && head < mapping_end;
}

typedef struct kernel_entry { /* what getdents64 writes */
	uint64_t inode;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
} kernel_entry;

bool cairn_thread_stack_has(uintptr_t p, uintptr_t mapping_end)
{
	_Alignas(8) char entries[1024];
	uint32_t pid = (uint32_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	long fd = cairn_sys(SYS_openat, AT_FDCWD, (long)"/proc/self/task", flags, 0, 0, 0), n;
	bool found = false;
	while (fd >= 0 && !found && (n = cairn_sys(SYS_getdents64, fd, (long)entries, sizeof entries, 0, 0, 0)) > 0)
		for (long at = 0; at < n && !found; at += ((kernel_entry *)(entries + at))->bytes) {
			uint32_t tid = 0;
			for (const char *c = ((kernel_entry *)(entries + at))->name; *c >= '0' && *c <= '9'; c++)
				tid = tid * 10 + (uint32_t)(*c - '0');
			found = tid && tid != pid && stack_of_has(tid, p, mapping_end);
		}
	if (fd >= 0)
		cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	return found;
}

/* One helper at a time: its stack and its thread-local area are kept for the next. */
static struct {
	uint32_t tid; /* sync: atomic; the kernel zeroes it when the thread has ended: then the stack is free again */
	char *memory; /* sync: whoever has made tid BUSY */
	void (*body)(void *); /* sync: likewise */
	void *arg;            /* sync: likewise */
} helper;

static void helper_main(void *p)
{
	(void)p;
	cairn_sys(SYS_prctl, PR_SET_NAME, (long)"cairn", 0, 0, 0, 0);
	helper.body(helper.arg);
}

/* What the compiler keeps in thread-local data of ours lies at a fixed distance from the thread pointer, some below it
 * (x86-64) and some above (aarch64): room for both, and for libc's own at the same distances. */
static size_t tls_reach(void)
{
	static __thread char here __attribute__((tls_model("initial-exec")));
	uintptr_t pointer = (uintptr_t)__builtin_thread_pointer(), at = (uintptr_t)&here;
	return cairn_round_up(
		(at > pointer ? at - pointer : pointer - at) + HELPER_TLS_MARGIN_BYTES, HELPER_TLS_MARGIN_BYTES);
}

/* The memory: [guard | stack | below the thread pointer | above it]. */
static bool helper_memory(size_t reach)
{
	if (helper.memory)
		return true;
	size_t bytes = cairn_round_up(HELPER_STACK_BYTES + 2 * reach, cairn_vm_page_bytes());
	char *memory = cairn_vm_reserve(NULL, bytes + HELPER_GUARD_BYTES, cairn_vm_page_bytes());
	if (memory && !cairn_vm_open(memory + HELPER_GUARD_BYTES, bytes)) {
		cairn_vm_release(memory, bytes + HELPER_GUARD_BYTES);
		memory = NULL;
	}
	helper.memory = memory;
	return memory != NULL;
}

/* Where malloc is another's (the sanitizers' builds, whose runtime must know every thread), libc makes the thread. */
static void *helper_of_libc(void *p)
{
	helper_main(p);
	__atomic_store_n(&helper.tid, 0, __ATOMIC_SEQ_CST);
	return NULL;
}

static long helper_spawn(void)
{
	pthread_t thread;
	if (!CAIRN_INTERPOSE)
		return pthread_create(&thread, NULL, helper_of_libc, NULL) ? -EAGAIN : (pthread_detach(thread), 1);
	size_t reach = tls_reach();
	if (!helper_memory(reach))
		return -ENOMEM;
	char *stack = helper.memory + HELPER_GUARD_BYTES + HELPER_STACK_BYTES, *pointer = stack + reach;
	*(void **)pointer = pointer; /* x86-64: the word at the thread pointer is its own address */
	return cairn_sys_spawn(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
				       CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		stack, &helper.tid, pointer, helper_main, NULL);
}

bool cairn_thread_start_helper(void (*body)(void *), void *arg)
{
	uint32_t none = 0;
	if (cairn_fault_next(SYS_clone) || !__atomic_compare_exchange_n(&helper.tid, &none, HELPER_BUSY, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	helper.body = body;
	helper.arg = arg;
	uint64_t all = CAIRN_INTERPOSE ? ~0ull : HELPER_SIGNALS_OF_LIBC, before = 0;
	long result = cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all, 0, 0);
	if (!result) {
		result = helper_spawn();
		cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before, 0, 0);
	}
	if (result <= 0)
		__atomic_store_n(&helper.tid, 0, __ATOMIC_SEQ_CST);
	return result > 0;
}

void cairn_thread_helper_fork_child(void) { __atomic_store_n(&helper.tid, 0, __ATOMIC_SEQ_CST); }

void cairn_thread_sleep_ms(unsigned ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };
	while (cairn_sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&left, (long)&left, 0, 0) == -EINTR)
		;
}
