/* os/shared.c - a file of the run's folder, mapped shared.
 *
 * Invariants:
 *   (S1) The file is ours: created by this process image (O_EXCL), readable by its user only, never through a symbolic
 *        link.
 *   (S2) Every byte that is mapped has a block behind it: a full disk refuses the mapping and never kills the process.
 *   (S3) No descriptor stays open: a program may close every descriptor it does not know, or count them.
 *
 * Locks: none; the caller's (os/shared.h). Failure: false or NULL. */
#include "os/env.h"
#include "os/shared.h"
#include "os/sys.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { SHARED_PATH_MAX = 512, SHARED_NUMBER_MAX = 24, SHARED_BLOCK_BYTES = 4096, SHARED_TRIES = 8 };

static char shared_path[SHARED_PATH_MAX]; /* sync: caller; empty: no file */

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

static long shared_open(int flags)
{
	return cairn_sys(SYS_openat, AT_FDCWD, (long)shared_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600, 0, 0);
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

/* For file systems without fallocate: a byte into every block past the file's end. */
static bool shared_fill(long fd, size_t offset, size_t end)
{
	struct stat s;
	if (cairn_sys(SYS_fstat, fd, (long)&s, 0, 0, 0, 0) < 0)
		return false;
	size_t at = offset > (size_t)s.st_size ? offset : (size_t)s.st_size;
	for (; at < end; at += SHARED_BLOCK_BYTES)
		if (cairn_sys(SYS_pwrite64, fd, (long)"", 1, (long)at, 0, 0) != 1)
			return false;
	return (size_t)s.st_size >= end || cairn_sys(SYS_pwrite64, fd, (long)"", 1, (long)(end - 1), 0, 0) == 1;
}

static bool shared_grow(long fd, size_t offset, size_t bytes)
{
	if (!shared_is_within_limit(offset + bytes))
		return false;
	long r = cairn_sys(SYS_fallocate, fd, 0, (long)offset, (long)bytes, 0, 0);
	if (r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM)
		return shared_fill(fd, offset, offset + bytes);
	return r == 0;
}

/* An mmap over `at` that fails late may have left a hole; private zero pages close it. */
static void shared_restore(void *at, size_t bytes)
{
	if (at && !cairn_vm_is_mapped(at))
		cairn_sys(SYS_mmap, (long)at, (long)bytes, PROT_READ | PROT_WRITE,
		          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void *cairn_shared_map(void *at, size_t offset, size_t bytes)
{
	long fd = shared_path[0] ? shared_open(0) : -1;
	if (fd < 0)
		return NULL;
	long p = -ENOSPC;
	if (shared_grow(fd, offset, bytes)) {
		int flags = MAP_SHARED | (at ? MAP_FIXED : 0);
		p = cairn_sys(SYS_mmap, (long)at, (long)bytes, PROT_READ | PROT_WRITE, flags, fd, (long)offset);
		if (p < 0 && p > -4096)
			shared_restore(at, bytes);
	}
	shared_close(fd);
	return p < 0 && p > -4096 ? NULL : (void *)p;
}
