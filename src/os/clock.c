/* os/clock.c - time since boot. libc's clock_gettime reads it in user space; before libc's name is bound to us
 * (os/sys.c, Y2), and in a static program that did not link it, the system call is made. Both count CLOCK_MONOTONIC.
 * Failure: none; a kernel without the coarse clock does not exist for us. */
#include "os/clock.h"
#include "os/sys.h"

#include <sys/syscall.h>
#include <time.h>

extern __typeof__(clock_gettime) clock_gettime __attribute__((weak));

static uint64_t clock_read_ns(clockid_t id)
{
	struct timespec t = { 0, 0 };
	if (clock_gettime)
		clock_gettime(id, &t);
	else
		cairn_sys(SYS_clock_gettime, id, (long)&t, 0, 0, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cairn_clock_coarse_ns(void) { return clock_read_ns(CLOCK_MONOTONIC_COARSE); }
uint64_t cairn_clock_fine_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
