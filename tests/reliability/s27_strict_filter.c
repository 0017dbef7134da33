/* s27: under a filter that kills all but eight calls of libc's own malloc, a program allocates and frees */
#include "support.h"

static const int eight[] = { SYS_brk,     SYS_mmap,    SYS_munmap, SYS_mremap,
	                         SYS_mprotect, SYS_madvise, SYS_futex,  SYS_exit_group };

static int strict(void *arg) {
	static void *p[50000];
	free(malloc(1));
	if (*(int *)arg)
		churn(1, 1000); /* the first 10 ms are over */
	filter(eight, 8, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < 50000; i++) {
			p[i] = malloc(1 + i % 3000);
			if (!p[i])
				_exit(2);
			memset(p[i], 1, 1 + i % 3000);
		}
		for (size_t i = 0; i < 50000; i++)
			free(p[(i * 7919) % 50000]);
		for (double end = now() + 0.3; now() < end;) /* no call but the vDSO's: purge becomes due */
			free(malloc(100 + (size_t)round));
		free(realloc(calloc(1, 3 * MIB), 9 * MIB));
	}
	churn(27, 20000);
	return 0;
}
int main(void) {
	int warm = 0, hot = 1;
	CHECK(ended_well("right after the first malloc", in_child(strict, &warm, 20)));
	CHECK(ended_well("after a while", in_child(strict, &hot, 20)));
	return 0;
}
