/* os/sys_aarch64.c - the system call instruction of aarch64: number in x8, arguments in x0 to x5, the result in x0. */
#include "os/sys.h"

#if defined(__aarch64__)

#include <sys/syscall.h>

long cairn_sys_raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

long cairn_sys_spawn(unsigned long flags, void *stack, uint32_t *tid, void *tls, void (*body)(void *), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone;
	register unsigned long x0 __asm__("x0") = flags;
	register void *x1 __asm__("x1") = stack;
	register uint32_t *x2 __asm__("x2") = tid;
	register void *x3 __asm__("x3") = tls;
	register uint32_t *x4 __asm__("x4") = tid;
	register void (*x9)(void *) __asm__("x9") = body; /* the child has the parent's registers, but not its stack */
	register void *x10 __asm__("x10") = arg;
	__asm__ volatile("svc 0\n\t"
	                 "cbnz x0, 1f\n\t"
	                 "mov x29, xzr\n\t"
	                 "mov x0, x10\n\t"
	                 "blr x9\n\t"
	                 "mov x0, #0\n\t"
	                 "mov x8, %[exit]\n\t"
	                 "svc 0\n"
	                 "1:"
	                 : "+r"(x0)
	                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9), "r"(x10), [exit] "i"(SYS_exit)
	                 : "x30", "memory");
	return (long)x0;
}

void cairn_sys_pause(void) { __asm__ volatile("yield"); }

#endif
