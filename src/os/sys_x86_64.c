/* os/sys_x86_64.c - the system call instruction of x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9, the
 * result in rax; rcx and r11 are lost. */
#include "os/sys.h"

#if defined(__x86_64__)

long cairn_sys_raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

void cairn_sys_pause(void) { __builtin_ia32_pause(); }

#endif
