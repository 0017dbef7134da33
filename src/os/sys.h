/* os/sys.h - the door to the kernel: every system call of the library goes through cairn_sys.
 *
 * The calls are made by number, never through libc's wrappers: those may be interposed by the program, allocate, or set
 * errno, and none of the three may happen inside malloc.
 *
 * Fault injection (all builds but release): CAIRN_FAULTS=mmap:7,madvise:3 refuses every 7th mmap and every 3rd madvise
 * with ENOMEM; mmap:7:EPERM names another errno. Names: mmap munmap mprotect madvise mremap openat clone (the last by
 * os/thread.c). Tests in the same process call cairn_fault_set instead.
 *
 * Threads: any. Failure: a negative errno, as the kernel returns it. */
#ifndef CAIRN_OS_SYS_H
#define CAIRN_OS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef CAIRN_FAULTS_BUILT
#define CAIRN_FAULTS_BUILT 0
#endif

/* -errno on failure. */
long cairn_sys(long number, long a, long b, long c, long d, long e, long f);

/* The processor's part (os/sys_x86_64.c, os/sys_aarch64.c): the call itself, and a spinning thread's pause. */
long cairn_sys_raw(long number, long a, long b, long c, long d, long e, long f);
void cairn_sys_pause(void);

/* write(2) that raises no signal: SIGPIPE and SIGXFSZ, which would kill a program for what we have to say, are kept
 * away from it; there is only -EPIPE or -EFBIG. */
long cairn_sys_write(int fd, const void *bytes, size_t n);

/* An entry of the vector that the kernel hands to a new program (AT_PAGESZ, AT_SECURE ...), or fallback where it has
 * none. Works before libc is ready (then from /proc/self/auxv). */
unsigned long cairn_sys_aux(unsigned long type, unsigned long fallback);

/* The first `bytes` bytes at most of a small file of /proc; returns how many, 0 where it cannot be read. */
size_t cairn_sys_read_file(const char *path, void *to, size_t bytes);

/* Refuses every nth call of the named system call with -error; n = 0 stops. Unknown name: false.
 * Compiled to `return false` in release builds. */
bool cairn_fault_set(const char *name, unsigned every_nth, int error);
/* Reads CAIRN_FAULTS; called once by cairn_env_init. NULL: none. */
void cairn_fault_init(const char *spec);
/* Counts one call of `number` that is about to be made elsewhere (os/thread.c, by libc): 0, or the -errno to refuse it
 * with. */
long cairn_fault_next(long number);

/* clone() of a thread that libc does not know: it runs body(arg) on the stack that ends at `stack` with `tls` as its
 * thread pointer, and ends. tid is where the kernel keeps its number, and zeroes it at its end. Its number, or
 * -errno. */
long cairn_sys_spawn(unsigned long flags, void *stack, uint32_t *tid, void *tls, void (*body)(void *), void *arg);

#endif
