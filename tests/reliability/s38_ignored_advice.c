/* s38: where madvise(MADV_DONTNEED) says yes and does nothing, calloc is still zero */
#include "support.h"

static void *p[20000];

/* As user-mode emulators do: the advice is accepted and ignored. */
static void ignore_advice(void) {
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}
static bool is_zero(const unsigned char *at, size_t bytes) {
	for (size_t i = 0; i < bytes; i++)
		if (at[i])
			return false;
	return true;
}
int main(int argc, char **argv) {
	if (argc == 1) {
		ignore_advice(); /* and then start again, so that the malloc's start meets it too */
		execl(argv[0], argv[0], "again", (char *)NULL);
		return 1;
	}
	static const size_t sizes[] = { 100, 3000, 40000, 500000, 6000000 };
	for (int round = 0; round < 3; round++)
		for (size_t s = 0; s < 5; s++) {
			size_t count = 60 * MIB / sizes[s] < 20000 ? 60 * MIB / sizes[s] : 20000;
			for (size_t i = 0; i < count; i++) {
				p[i] = malloc(sizes[s]);
				CHECK(p[i]);
				memset(p[i], 0xAA, sizes[s]);
			}
			for (size_t i = 0; i < count; i++)
				free(p[i]);
			malloc_trim(0);
			usleep(round == 2 ? 600000 : 1000);
			for (size_t i = 0; i < count; i += 3) {
				p[i] = calloc(1, sizes[s]);
				CHECK_SAY(is_zero(p[i], sizes[s]), "a block of %zu bytes", sizes[s]);
			}
			for (size_t i = 0; i < count; i += 3)
				free(p[i]);
		}
	return 0;
}
