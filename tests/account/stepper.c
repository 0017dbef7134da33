/* stepper.c - runs a program on cairn and counts every instruction of it between two marks (int3), one step at a time.
 *
 *   account-stepper CPU LIBRARY PROGRAM ARGUMENT...
 *
 * It says "pid N" and "ready" when the program stands at its first mark, steps it to the second when a line comes on
 * standard input, says "instructions N" and "ready", and ends both when another comes.
 *
 * The program's instructions are its input's alone: addresses are not drawn, the environment is the same to the byte,
 * and its clock is the number of instructions that it has executed. For that its vDSO makes the system call, which a
 * seccomp filter hands to us. Everything else is as it is without us. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if !defined(__x86_64__)
int main(void)
{
	puts("skip single steps are told apart for x86-64 only");
}
#else

enum { STEP_SECOND = 1000000000 };

static uint64_t instructions;

static _Noreturn void fail(const char *what)
{
	printf("failed: %s: %m\n", what);
	exit(1);
}

/* ---- the child ---- */

static void trace_clocks(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(126);
}

static _Noreturn void become(char **argv)
{
	char preload[4096];
	char *environment[] = { preload, "CAIRN_JANITOR=0", "LC_ALL=C", NULL };
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", argv[2]);
	if (personality(ADDR_NO_RANDOMIZE) < 0 || ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(126);
	raise(SIGSTOP); /* until our options are set */
	trace_clocks();
	execve(argv[3], argv + 3, environment);
	_exit(127);
}

/* ---- its clock ---- */

/* The vDSO of a process is the same code for all, somewhere else. */
static void patch_vdso(pid_t child)
{
	static const uint8_t call[8] = { 0xb8, SYS_clock_gettime, 0, 0, 0, 0x0f, 0x05, 0xc3 }; /* mov, syscall, ret */
	struct user_regs_struct r;
	uint64_t at, type, word;
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	char *clock = vdso ? dlsym(vdso, "__vdso_clock_gettime") : NULL;
	if (!clock || ptrace(PTRACE_GETREGS, child, 0, &r))
		fail("the vDSO");
	for (at = r.rsp + 8; ptrace(PTRACE_PEEKDATA, child, at, 0); at += 8) /* argv */
		;
	for (at += 8; ptrace(PTRACE_PEEKDATA, child, at, 0); at += 8) /* environment */
		;
	for (at += 8; (type = (uint64_t)ptrace(PTRACE_PEEKDATA, child, at, 0)) != AT_SYSINFO_EHDR; at += 16)
		if (type == AT_NULL)
			return; /* it has none */
	at = (uint64_t)ptrace(PTRACE_PEEKDATA, child, at + 8, 0) + (uint64_t)clock - getauxval(AT_SYSINFO_EHDR);
	memcpy(&word, call, sizeof word);
	if (ptrace(PTRACE_POKEDATA, child, at, word))
		fail("PTRACE_POKEDATA");
}

/* It is about to make the call: it gets our answer instead. */
static void answer_clock(pid_t child)
{
	struct user_regs_struct r;
	struct timespec t = { 1000 + (time_t)(instructions / STEP_SECOND), (long)(instructions % STEP_SECOND) };
	if (ptrace(PTRACE_GETREGS, child, 0, &r))
		fail("PTRACE_GETREGS");
	struct iovec here = { &t, sizeof t }, there = { (void *)r.rsi, sizeof t };
	if (process_vm_writev(child, &here, 1, &there, 1, 0) != sizeof t)
		fail("process_vm_writev");
	r.orig_rax = ~0ull;
	r.rax = 0;
	if (ptrace(PTRACE_SETREGS, child, 0, &r))
		fail("PTRACE_SETREGS");
}

/* ---- stepping ---- */

/* Lets it go on to its next stop that is neither a clock's nor a signal's: a step, a mark or execve. */
static void go_on(pid_t child, int request)
{
	int status = 0, signal = 0;
	for (;;) {
		if (ptrace(request, child, 0, signal) || waitpid(child, &status, 0) != child)
			fail("ptrace");
		if (!WIFSTOPPED(status)) {
			errno = 0;
			fail("the program ended before its mark");
		}
		signal = 0;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
			answer_clock(child);
		else if (WSTOPSIG(status) == SIGTRAP)
			return;
		else
			signal = WSTOPSIG(status);
	}
}

/* Both a step and a mark stop it by SIGTRAP; a mark's is the kernel's own. */
static int is_at_mark(pid_t child)
{
	siginfo_t why;
	return !ptrace(PTRACE_GETSIGINFO, child, 0, &why) && why.si_code == SI_KERNEL;
}

/* Both on one processor: a step is two switches between them. */
static void stay_on(size_t number)
{
	cpu_set_t allowed, one;
	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof allowed, &allowed))
		return;
	number %= (size_t)CPU_COUNT(&allowed);
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed) && !number--)
			CPU_SET(i, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void wait_for_line(void)
{
	char c = 0;
	while (read(0, &c, 1) == 1 && c != '\n')
		;
}

int main(int argc, char **argv)
{
	int status;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	stay_on(strtoul(argv[1], NULL, 10));
	pid_t child = fork();
	if (!child)
		become(argv);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		fail("fork");
	if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		fail("PTRACE_SETOPTIONS");
	go_on(child, PTRACE_CONT);
	patch_vdso(child);
	go_on(child, PTRACE_CONT);
	printf("pid %d\nready\n", (int)child);
	wait_for_line();
	for (go_on(child, PTRACE_SINGLESTEP); !is_at_mark(child); go_on(child, PTRACE_SINGLESTEP))
		instructions++;
	printf("instructions %llu\nready\n", (unsigned long long)instructions);
	wait_for_line();
	kill(child, SIGKILL);
	return 0;
}
#endif
