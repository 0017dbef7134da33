/* s22: a crash handler on an 8 KiB alternate stack may free and allocate */
#include "support.h"
#include <setjmp.h>

enum { ALTSTACK = 8192 };
static sigjmp_buf back;
static void *blocks[100];
static volatile int rounds;

static void on_crash(int number) {
	(void)number;
	for (size_t i = 0; i < 100; i++) {
		free(blocks[i]);
		blocks[i] = malloc(1 + i * i * (size_t)(rounds + 1));
		if (!blocks[i])
			_exit(3);
		memset(blocks[i], 1, 1 + i * i * (size_t)(rounds + 1));
	}
	void *p = realloc(malloc(100 * KIB), 4 * MIB);
	free(p);
	siglongjmp(back, 1);
}
int main(void) {
	/* A guard page below shows an overflow as a second crash, which ends the process. */
	char *map = mmap(NULL, 4096 + ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED && mprotect(map, 4096, PROT_NONE) == 0);
	stack_t stack = { .ss_sp = map + 4096, .ss_size = ALTSTACK };
	CHECK(sigaltstack(&stack, NULL) == 0);
	struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
	int *volatile nowhere = NULL;
	for (rounds = 0; rounds < 100; rounds++) {
		if (sigsetjmp(back, 1) == 0)
			*nowhere = 1;
		churn((uint32_t)rounds + 1, 100);
	}
	return 0;
}
