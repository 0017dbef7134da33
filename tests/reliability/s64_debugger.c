/* s64: a debugger may stop a program at any instruction and call malloc there, a thousand times */
#include "support.h"
#include <sys/ptrace.h>
#include <sys/user.h>

#if defined(__x86_64__)
static void *volatile malloc_address;

static int program(void *arg) {
	(void)arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	raise(SIGSTOP);
	for (uint32_t i = 1;; i++)
		churn(i, 500); /* ends the process when a block was damaged */
	return 0;
}
static void sleep_a_little(uint32_t *seed) {
	struct timespec t = { 0, 20000 + dice(seed) % 300000 };
	nanosleep(&t, NULL);
}
/* As gdb's `call`: a frame below the red zone, a return to an address that traps, the registers put back. */
static bool call_malloc(pid_t pid, size_t bytes, long *trap_word) {
	struct user_regs_struct kept, r;
	int status;
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &kept) == 0);
	struct user_fpregs_struct floats;
	CHECK(ptrace(PTRACE_GETFPREGS, pid, NULL, &floats) == 0);
	r = kept;
	r.rsp = ((kept.rsp - 512) & ~15ull) - 8;
	r.rip = (unsigned long long)(uintptr_t)malloc_address;
	r.rdi = bytes;
	r.rax = 0;
	r.orig_rax = -1ull;
	CHECK(ptrace(PTRACE_POKEDATA, pid, r.rsp, (void *)trap_word) == 0); /* return into int3 */
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &r) == 0);
	CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	double end = now() + 5;
	pid_t got;
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && now() < end)
		usleep(50);
	CHECK_SAY(got == pid, "the called malloc hangs");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
		dprintf(2, "the called malloc ended with wait status %#x\n", status);
		return false;
	}
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &r) == 0);
	CHECK_SAY(r.rip == (uintptr_t)trap_word + 1, "stopped at %#llx", r.rip);
	if (!r.rax)
		dprintf(2, "malloc returned %#llx\n", r.rax);
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &kept) == 0);
	CHECK(ptrace(PTRACE_SETFPREGS, pid, NULL, &floats) == 0);
	return r.rax != 0;
}
__attribute__((naked, used, aligned(16))) static void trap(void) { __asm__("int3\n\tnop\n\tnop\n\tnop"); }

int main(void) {
	uint32_t seed = 64;
	int status, calls = 0, most = 1000;
	malloc_address = dlsym(RTLD_DEFAULT, "malloc");
	free(malloc(1));
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(program(NULL));
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status))
		skip("ptrace is not allowed here");
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL) == 0);
	for (; calls < most; calls++) {
		CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
		sleep_a_little(&seed);
		kill(pid, SIGSTOP);
		CHECK(waitpid(pid, &status, 0) == pid);
		bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
		CHECK_SAY(stopped, "after %d calls: wait status %#x", calls, status);
		for (uint32_t steps = dice(&seed) % 30; steps; steps--) { /* off the places where signals arrive */
			CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid);
			CHECK_SAY(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "wait status %#x", status);
		}
		CHECK_SAY(call_malloc(pid, 1, (long *)(uintptr_t)trap), "call %d", calls);
	}
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	usleep(300000);
	CHECK_SAY(waitpid(pid, &status, WNOHANG) == 0, "the program died afterwards: wait status %#x", status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	NOTE("%d calls\n", calls);
	return 0;
}
#else
int main(void) { skip("written for x86-64's registers"); }
#endif
