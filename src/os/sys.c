/* os/sys.c - system calls by number, the kernel's start vector, and refusals on order.
 *
 * Invariants:
 *   (Y1) errno is never touched: nothing here calls a libc function that sets it.
 *   (Y2) Nothing here needs the library's own relocations: malloc may be called by another library's IFUNC resolver,
 *        before the loader has come to us. Hence no pointers in initialised data, and libc's names are weak: one that
 *        is not bound yet reads NULL.
 *   (Y3) With fault injection on, of every n calls of a named system call exactly one is refused, whichever thread
 *        makes it.
 *
 * Locks: none. Failure: -errno. Not here: what a call is for (os/vm_linux.c and the others). */
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>

extern __typeof__(getauxval) getauxval __attribute__((weak));

typedef struct fault_rule {
	char name[12];
	int number;
	_Atomic unsigned every_nth; /* sync: atomic; 0: not injected */
	_Atomic int error;          /* sync: atomic */
	_Atomic unsigned calls;     /* sync: atomic */
} fault_rule;

static fault_rule fault_rules[] = {
	{ "mmap", SYS_mmap, 0, 0, 0 },         { "munmap", SYS_munmap, 0, 0, 0 }, { "mprotect", SYS_mprotect, 0, 0, 0 },
	{ "madvise", SYS_madvise, 0, 0, 0 },   { "mremap", SYS_mremap, 0, 0, 0 }, { "openat", SYS_openat, 0, 0, 0 },
	{ "clone", SYS_clone, 0, 0, 0 },
};
enum { FAULT_COUNT = sizeof fault_rules / sizeof fault_rules[0] };

/* True once any fault was set; the table is not looked at before. sync: atomic. Relaxed: a thread that reads it late
 * misses a refusal it could have had, and nothing else. */
static _Atomic bool fault_is_any;

static bool sys_text_is(const char *a, const char *b, size_t b_length)
{
	size_t i = 0;
	while (i < b_length && a[i] && a[i] == b[i])
		i++;
	return i == b_length && !a[i];
}

static bool fault_set(const char *name, size_t name_length, unsigned every_nth, int error)
{
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		fault_rule *f = &fault_rules[i];
		if (!sys_text_is(f->name, name, name_length))
			continue;
		atomic_store_explicit(&f->every_nth, 0, memory_order_seq_cst);
		atomic_store_explicit(&f->error, error ? error : ENOMEM, memory_order_seq_cst);
		atomic_store_explicit(&f->calls, 0, memory_order_seq_cst);
		atomic_store_explicit(&f->every_nth, every_nth, memory_order_seq_cst);
		atomic_store_explicit(&fault_is_any, true, memory_order_seq_cst);
		return true;
	}
	return false;
}

bool cairn_fault_set(const char *name, unsigned every_nth, int error)
{
	if (!CAIRN_FAULTS_BUILT)
		return false;
	size_t length = 0;
	while (name[length])
		length++;
	return fault_set(name, length, every_nth, error);
}

long cairn_fault_next(long number)
{
	/* Relaxed: see fault_is_any. */
	if (!CAIRN_FAULTS_BUILT || !atomic_load_explicit(&fault_is_any, memory_order_relaxed))
		return 0;
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		fault_rule *f = &fault_rules[i];
		if (f->number != number)
			continue;
		unsigned every_nth = atomic_load_explicit(&f->every_nth, memory_order_seq_cst);
		if (!every_nth)
			return 0;
		unsigned call = atomic_fetch_add_explicit(&f->calls, 1, memory_order_seq_cst) + 1;
		return call % every_nth ? 0 : -atomic_load_explicit(&f->error, memory_order_seq_cst);
	}
	return 0;
}

long cairn_sys(long number, long a, long b, long c, long d, long e, long f)
{
	long refusal = CAIRN_FAULTS_BUILT ? cairn_fault_next(number) : 0;
	return refusal ? refusal : cairn_sys_raw(number, a, b, c, d, e, f);
}

/* ---- CAIRN_FAULTS=mmap:7,madvise:3:EPERM ---- */

/* Length of the word at s: up to one of : , and the end. */
static size_t fault_word_length(const char *s)
{
	size_t n = 0;
	while (s[n] && s[n] != ':' && s[n] != ',')
		n++;
	return n;
}

static int fault_error_of(const char *word, size_t length)
{
	static const struct {
		char name[8];
		int error;
	} errors[] = { { "ENOMEM", ENOMEM }, { "EPERM", EPERM },   { "ENOSYS", ENOSYS },
		       { "EINVAL", EINVAL }, { "EAGAIN", EAGAIN }, { "EACCES", EACCES } };
	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (sys_text_is(errors[i].name, word, length))
			return errors[i].error;
	return ENOMEM;
}

void cairn_fault_init(const char *spec)
{
	if (!CAIRN_FAULTS_BUILT)
		return;
	while (spec && *spec) {
		const char *name = spec;
		size_t name_length = fault_word_length(spec);
		unsigned every_nth = 0;
		int error = ENOMEM;
		spec += name_length;
		if (*spec == ':')
			for (spec++; *spec >= '0' && *spec <= '9'; spec++)
				every_nth = every_nth * 10 + (unsigned)(*spec - '0');
		if (*spec == ':') {
			size_t length = fault_word_length(++spec);
			error = fault_error_of(spec, length);
			spec += length;
		}
		fault_set(name, name_length, every_nth, error);
		while (*spec && *spec++ != ',')
			;
	}
}

/* ---- what may be told ---- */

/* Both signals go to the thread that writes. One that was pending before, which it can be only where it is blocked, is
 * not ours and stays; ours merged with it. */
long cairn_sys_write(int fd, const void *bytes, size_t n)
{
	uint64_t held = 1ull << (SIGPIPE - 1) | 1ull << (SIGXFSZ - 1), old = 0, pending = 0;
	struct timespec no_time = { 0, 0 };
	cairn_sys(SYS_rt_sigprocmask, SIG_BLOCK, (long)&held, (long)&old, sizeof held, 0, 0);
	if (old & held)
		cairn_sys(SYS_rt_sigpending, (long)&pending, sizeof pending, 0, 0, 0, 0);
	long written = cairn_sys(SYS_write, fd, (long)bytes, (long)n, 0, 0, 0);
	held &= ~pending;
	if (written == -EPIPE || written == -EFBIG)
		cairn_sys(SYS_rt_sigtimedwait, (long)&held, 0, (long)&no_time, sizeof held, 0, 0);
	cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, sizeof old, 0, 0);
	return written;
}

/* ---- what the kernel tells ---- */

size_t cairn_sys_read_file(const char *path, void *to, size_t bytes)
{
	long fd = cairn_sys(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return 0;
	size_t got = 0;
	while (got < bytes) {
		long n = cairn_sys(SYS_read, fd, (long)((char *)to + got), (long)(bytes - got), 0, 0, 0);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	return got;
}

unsigned long cairn_sys_aux(unsigned long type, unsigned long fallback)
{
	if (getauxval) {
		int saved = errno; /* getauxval says "absent" by ENOENT and 0 */
		unsigned long value = getauxval(type);
		errno = saved;
		if (value)
			return value;
	}
	unsigned long pairs[2 * 40];
	size_t count = cairn_sys_read_file("/proc/self/auxv", pairs, sizeof pairs) / sizeof pairs[0];
	for (size_t i = 0; i + 1 < count; i += 2)
		if (pairs[i] == type)
			return pairs[i + 1];
	return fallback;
}
