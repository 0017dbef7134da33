/* os/clock.h - time since boot in nanoseconds. coarse: the kernel's tick (1 to 4 ms), about 5 ns to read; for decay and
 * decisions. fine: about 25 ns; for measuring steps. Both by libc's clock_gettime (vDSO). Threads: any. */
#ifndef CAIRN_OS_CLOCK_H
#define CAIRN_OS_CLOCK_H

#include <stdint.h>

uint64_t cairn_clock_coarse_ns(void);
uint64_t cairn_clock_fine_ns(void);
uint64_t cairn_clock_thread_ns(void); /* CPU time of the calling thread; a system call, some 200 ns */

#endif
