/* os/limits.c - resource limits, memory and processors, asked once.
 *
 * They are hints for sizing: a limit that is lowered later is met as a refusal by the kernel, which every caller
 * handles.
 * Threads: the first call by one thread, at malloc's start; const afterwards.
 * Failure: what cannot be asked reads as the header says. */
#include "os/limits.h"
#include "os/sys.h"

#include <fcntl.h>
#include <linux/sysinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { LIMITS_RAM_UNKNOWN_BYTES = 1 << 30, LIMITS_CPU_WORDS = 64 }; /* 4096 processors */

static cairn_limits limits_now;  /* sync: const after init */
static bool limits_are_ready;    /* sync: const after init */

static size_t limits_resource_bytes(int resource)
{
	struct {
		uint64_t soft, hard;
	} limit = { 0, 0 };
	long r = cairn_sys(SYS_prlimit64, 0, resource, 0, (long)&limit, 0, 0);
	return r < 0 ? SIZE_MAX : (size_t)limit.soft; /* RLIM_INFINITY is all ones */
}

static size_t limits_ram_bytes(void)
{
	struct sysinfo info;
	info.totalram = 0;
	info.mem_unit = 1;
	if (cairn_sys(SYS_sysinfo, (long)&info, 0, 0, 0, 0, 0) < 0 || !info.totalram)
		return LIMITS_RAM_UNKNOWN_BYTES;
	return (size_t)info.totalram * (info.mem_unit ? info.mem_unit : 1);
}

static unsigned limits_processors(void)
{
	uint64_t set[LIMITS_CPU_WORDS];
	long bytes = cairn_sys(SYS_sched_getaffinity, 0, sizeof set, (long)set, 0, 0, 0);
	unsigned count = 0;
	for (long i = 0; i < bytes / 8; i++)
		count += (unsigned)__builtin_popcountll(set[i]);
	return count ? count : 1;
}

/* Where /proc cannot be read the answer is no, as on most machines. */
static bool limits_commit_is_strict(void)
{
	char mode = 0;
	long fd =
		cairn_sys(SYS_openat, AT_FDCWD, (long)"/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return false;
	cairn_sys(SYS_read, fd, (long)&mode, 1, 0, 0, 0);
	cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	return mode == '2';
}

const cairn_limits *cairn_limits_get(void)
{
	if (!limits_are_ready) {
		limits_now.address_bytes = limits_resource_bytes(RLIMIT_AS);
		limits_now.data_bytes = limits_resource_bytes(RLIMIT_DATA);
		limits_now.ram_bytes = limits_ram_bytes();
		limits_now.commit_is_strict = limits_commit_is_strict();
		limits_now.processors = limits_processors();
		limits_are_ready = true;
	}
	return &limits_now;
}

bool cairn_limits_are_tight(void)
{
	const cairn_limits *limits = cairn_limits_get();
	return limits->address_bytes != SIZE_MAX || limits->data_bytes != SIZE_MAX;
}
