/* A program that believes in 64 KiB pages. A purge of part of such a page would be EINVAL, or would take live data with
 * it: madvise(MADV_DONTNEED) at an address or of a length that is no multiple of 64 KiB ends the process. */
#include "support.h"

static void aligned_purge_only(void) {
	enum { ARG = offsetof(struct seccomp_data, args) };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG + 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 65535, 3, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG + 8),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 65535, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}
int main(int argc, char **argv) {
	static void *p[60000];
	if (argc > 1 && strcmp(argv[1], "strict") == 0)
		aligned_purge_only();
	CHECK(sysconf(_SC_PAGESIZE) == 65536);
	for (int round = 0; round < 2; round++) {
		uint32_t seed = 37;
		for (size_t i = 0; i < 60000; i++) {
			size_t bytes = 16 + dice(&seed) % 2000;
			p[i] = malloc(bytes);
			CHECK(p[i]);
			memset(p[i], (int)i, bytes);
		}
		for (size_t i = 0; i < 60000; i++)
			if (i % 100)
				free(p[i]);
		usleep(1500000);
		free(calloc(1, 3 * MIB));
		malloc_trim(0);
		for (size_t i = 0; i < 60000; i += 100) {
			for (size_t k = 0; k < 16; k++)
				CHECK(((unsigned char *)p[i])[k] == (unsigned char)i);
			free(p[i]);
		}
	}
	churn(37, 20000);
	for (size_t bytes = 1; bytes < 9 * MIB; bytes = bytes * 3 + 1) {
		char *a = memalign(65536, bytes), *v = valloc(bytes);
		CHECK(a && v && (uintptr_t)a % 65536 == 0);
		memset(a, 1, bytes);
		memset(v, 1, bytes);
		free(a);
		free(v);
	}
	return 0;
}
