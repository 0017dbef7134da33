/* s28: with all of a service manager's hardening on (no writable code, no capabilities, tight filter) it runs */
#include "support.h"
#include <linux/capability.h>
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

/* What systemd's ~@privileged @resources @debug @mount @module @reboot @swap @obsolete and the like refuse. */
static const int refused[] = {
	SYS_ptrace,          SYS_mount,      SYS_umount2,         SYS_init_module,       SYS_reboot,
	SYS_swapon,          SYS_setpriority, SYS_mbind,          SYS_set_mempolicy,     SYS_migrate_pages,
	SYS_move_pages,      SYS_bpf,        SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_setrlimit,
	SYS_userfaultfd,     SYS_unshare,    SYS_perf_event_open, SYS_personality,       SYS_setns,
	SYS_mlockall,        SYS_memfd_create, SYS_pkey_alloc,    SYS_pkey_mprotect,     SYS_process_vm_readv,
};

/* mmap and mprotect that ask for PROT_EXEC together with PROT_WRITE, or for PROT_EXEC at all later, are refused. */
static void no_writable_code(void) {
	enum { ARG2 = offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t) };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 2, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG2), /* mmap: PROT_WRITE | PROT_EXEC */
		BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG2), /* mprotect: PROT_EXEC */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 3, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}
static void *work(void *arg) {
	churn(28, 20000);
	return arg;
}
int main(int argc, char **argv) {
	if (argc == 2) {
		void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(code == MAP_FAILED); /* the hardening is on */
		work(NULL);
		pthread_join(thread_start(work, NULL, 0), NULL);
		malloc_trim(0);
		usleep(300000);
		churn(29, 5000);
		return 0;
	}
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	prctl(PR_SET_MDWE, 1, 0, 0, 0); /* Linux 6.3 */
	refuse(refused, sizeof refused / sizeof *refused, EPERM);
	no_writable_code();
	for (int c = 0; c <= 40; c++)
		prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	CHECK(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) == 0);
	if (geteuid() == 0)
		CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	execl("/proc/self/exe", argv[0], "inside", (char *)NULL);
	execl(argv[0], argv[0], "inside", (char *)NULL);
	skip("another user may not execute the build folder");
	return 1;
}
