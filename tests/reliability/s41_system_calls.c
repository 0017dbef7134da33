/* s41: memory that is freed and used again costs at most four system calls a megabyte */
#include "support.h"
#include <sys/ptrace.h>

enum { COUNT = 30000, ROUNDS = 12 };
static void *p[COUNT];

static size_t freed_bytes(uint32_t seed) {
	size_t sum = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < COUNT; i++)
			sum += 16 + dice(&seed) % 1000;
	return sum;
}
static void use(uint32_t seed) {
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < COUNT; i++) {
			p[i] = malloc(16 + dice(&seed) % 1000);
			*(char *)p[i] = 1;
		}
		for (int i = 0; i < COUNT; i++)
			free(p[i]);
	}
}
int main(void) {
	int status, stops = 0;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		alarm(60);
		free(malloc(1));
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(77);
		raise(SIGSTOP);
		use(41);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("ptrace is not allowed here");
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD) == 0);
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
	CHECK(ended_well("the program", status));
	double calls = stops / 2.0, megabytes = (double)freed_bytes(41) / 1e6;
	NOTE("%.0f system calls for %.0f MB freed: %.2f a MB\n", calls, megabytes, calls / megabytes);
	CHECK_SAY(calls / megabytes <= 4, "%.2f", calls / megabytes);
	return 0;
}
