/* os/sys_x86_64.c - the system call instruction of x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9, the
 * result in rax; rcx and r11 are lost. */
#include "os/sys.h"

#if defined(__x86_64__)

#include <sys/syscall.h>

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

long cairn_sys_spawn(unsigned long flags, void *stack, uint32_t *tid, void *tls, void (*body)(void *), void *arg)
{
	register uint32_t *r10 __asm__("r10") = tid;
	register void *r8 __asm__("r8") = tls;
	register void (*r12)(void *) __asm__("r12") =
		body; /* the child has the parent's registers, but not its stack */
	register void *r13 __asm__("r13") = arg;
	long result;
	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "mov %%r13, %%rdi\n\t"
	                 "call *%%r12\n\t"
	                 "xor %%edi, %%edi\n\t"
	                 "mov %[exit], %%eax\n\t"
	                 "syscall\n\t"
	                 "hlt\n"
	                 "1:"
	                 : "=a"(result)
	                 : "a"(SYS_clone), "D"(flags), "S"(stack), "d"(tid), "r"(r10), "r"(r8), "r"(r12), "r"(r13),
	                   [exit] "i"(SYS_exit)
	                 : "rcx", "r11", "memory");
	return result;
}

void cairn_sys_pause(void) { __builtin_ia32_pause(); }

#endif
