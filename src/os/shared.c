/* os/shared.c - a file of the run's folder, mapped shared.
 *
 * Invariants:
 *   (S1) The file is ours: created by this process image (O_EXCL), readable by its user only, never through a symbolic
 *        link.
 *   (S2) Every byte that was held has a block behind it: a full disk refuses to hold and never kills the process.
 *   (S3) No descriptor stays open: a program may close every descriptor it does not know, or count them.
 *
 * Locks: none; the caller's (os/shared.h). Failure: false or NULL. */
#include "os/shared.h"
#include "base/controlpage.h"
#include "os/env.h"
#include "os/mappings.h"
#include "os/sys.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { SHARED_PATH_MAX = 512, SHARED_NUMBER_MAX = 24, SHARED_BLOCK_BYTES = 4096, SHARED_TRIES = 8 };

static char shared_path[SHARED_PATH_MAX]; /* sync: caller; empty: no file */
static int shared_error;                  /* sync: caller; errno of what was refused last */

static size_t shared_put_number(char *to, uint64_t n)
{
	char digits[SHARED_NUMBER_MAX];
	size_t count = 0, length = 0;
	do {
		digits[count++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (count)
		to[length++] = digits[--count];
	to[length] = 0;
	return length;
}

static uint64_t shared_now_ns(void)
{
	struct timespec t = { 0, 0 };
	cairn_sys(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0, 0, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Absolute only: the program may change its directory before the file is opened again. */
static size_t shared_put_folder(void)
{
	const char *folder = cairn_env_text("CAIRN_RUN");
	if (!folder || folder[0] != '/')
		return 0;
	size_t length = 0;
	for (; folder[length]; length++) {
		if (length >= SHARED_PATH_MAX - 2 * SHARED_NUMBER_MAX - 2)
			return 0;
		shared_path[length] = folder[length];
	}
	shared_path[length++] = '/';
	return length;
}

int cairn_shared_error(void) { return shared_error; }

/* A result of the kernel; what it refuses is remembered. */
static long shared_tried(long result)
{
	if (result < 0 && result > -4096)
		shared_error = (int)-result;
	return result;
}

static long shared_open(int flags)
{
	flags |= O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	return shared_tried(cairn_sys(SYS_openat, AT_FDCWD, (long)shared_path, flags, 0600, 0, 0));
}
static void shared_close(long fd) { cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0); }

bool cairn_shared_create(void)
{
	size_t length = shared_put_folder();
	if (length) {
		length += shared_put_number(shared_path + length, (uint64_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0));
		shared_path[length++] = '.';
		uint64_t now_ns = shared_now_ns();
		for (unsigned i = 0; i < SHARED_TRIES; i++) {
			shared_put_number(shared_path + length, now_ns + i);
			long fd = shared_open(O_CREAT | O_EXCL);
			if (fd >= 0) {
				shared_close(fd);
				return true;
			}
			if (fd != -EEXIST)
				break;
		}
	}
	shared_path[0] = 0;
	return false;
}

/* Past RLIMIT_FSIZE the kernel does not only refuse, it sends SIGXFSZ, which kills. */
static bool shared_is_within_limit(size_t end)
{
	uint64_t limit[2] = { 0, 0 };
	long r = cairn_sys(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)limit, 0, 0);
	return r < 0 || end <= limit[0];
}

static bool shared_grow(long fd, size_t end)
{
	struct stat s;
	if (shared_tried(cairn_sys(SYS_fstat, fd, (long)&s, 0, 0, 0, 0)) < 0)
		return false;
	if ((size_t)s.st_size >= end)
		return true;
	if (!shared_is_within_limit(end))
		return shared_tried(-EFBIG) == 0;
	return shared_tried(cairn_sys(SYS_ftruncate, fd, (long)end, 0, 0, 0, 0)) == 0;
}

static bool shared_is_refusal(long p) { return p < 0 && p > -4096; }

bool cairn_shared_leave(void *p, size_t bytes)
{
	uintptr_t page = cairn_vm_page_bytes(), from = (uintptr_t)p & -page;
	size_t whole_bytes = ((uintptr_t)p + bytes - from + page - 1) & -page;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	long r = cairn_sys(SYS_mmap, (long)from, (long)whole_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (!shared_is_refusal(r))
		cairn_mappings_note((void *)from, whole_bytes, CAIRN_MAPPING_OWN);
	return !shared_is_refusal(r);
}

void *cairn_shared_map(void *at, size_t offset, size_t bytes)
{
	long fd = shared_path[0] ? shared_open(0) : -1;
	if (fd < 0)
		return NULL;
	long p = -1;
	if (shared_grow(fd, offset + bytes)) {
		int flags = MAP_SHARED | (at ? MAP_FIXED : 0), rights = PROT_READ | PROT_WRITE;
		p = shared_tried(cairn_sys(SYS_mmap, (long)at, (long)bytes, rights, flags, fd, (long)offset));
		if (shared_is_refusal(p) && at && !cairn_vm_is_mapped(at)) /* an mmap that fails late leaves a hole */
			cairn_shared_leave(at, bytes);
	}
	shared_close(fd);
	if (shared_is_refusal(p))
		return NULL;
	cairn_mappings_note((void *)p, bytes, CAIRN_MAPPING_OWN);
	return (void *)p;
}

/* The first store to a page is the kernel's, by a call that writes 8 bytes for us: where there is no block to be had,
 * it says EFAULT, while a store of our own would be SIGBUS. In the last bytes, which no figure has. */
bool cairn_shared_hold(void *p, size_t bytes)
{
	for (char *end = (char *)p + SHARED_BLOCK_BYTES; end <= (char *)p + bytes; end += SHARED_BLOCK_BYTES) {
		uint64_t *last = (uint64_t *)end - 1;
		if (cairn_sys(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)last, sizeof *last, 0, 0) < 0)
			return shared_tried(-ENOSPC) == 0;
		*last = 0;
	}
	return true;
}

void cairn_shared_give_up(void)
{
	if (shared_path[0])
		cairn_sys(SYS_unlinkat, AT_FDCWD, (long)shared_path, 0, 0, 0, 0);
	size_t length = shared_put_folder();
	int error = shared_error;
	if (length) {
		memcpy(shared_path + length, CAIRN_LOST_NAME, sizeof CAIRN_LOST_NAME);
		cairn_lost *lost = cairn_shared_map(NULL, 0, CAIRN_LOST_BYTES);
		if (lost && cairn_shared_hold(lost, CAIRN_LOST_BYTES)) {
			__atomic_store_n(&lost->error, (uint64_t)error, __ATOMIC_RELAXED); /* the last stays */
			__atomic_add_fetch(&lost->processes, 1, __ATOMIC_RELAXED);         /* a sum */
		}
		if (lost)
			cairn_vm_release(lost, CAIRN_LOST_BYTES);
	}
	shared_path[0] = 0;
}
