/* s13: a raw clone that shares memory and TLS may allocate while the thread that made it waits */
#include "support.h"
#include <sched.h>

static unsigned char clone_stack[256 * 1024] __attribute__((aligned(64)));
static void *blocks[1000];
static int stop; /* sync: atomic */

static int child(void *arg) {
	(void)arg;
	for (size_t i = 0; i < 1000; i++) {
		blocks[i] = malloc(1 + i * 7 % 3000);
		if (!blocks[i])
			return 1;
		memset(blocks[i], 3, 1 + i * 7 % 3000);
		free(malloc(i * 40));
	}
	return 0;
}
static void *busy(void *arg) {
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		churn((uint32_t)(uintptr_t)arg, 500);
	return NULL;
}
int main(void) {
	pthread_t others[3];
	for (uintptr_t i = 0; i < 3; i++)
		others[i] = thread_start(busy, (void *)(i + 1), 0);
	double end = now() + budget(2);
	for (uint32_t round = 1; now() < end; round++) {
		int flags = CLONE_VM | CLONE_FILES | SIGCHLD | (round % 2 ? CLONE_VFORK : 0), status;
		pid_t pid = clone(child, clone_stack + sizeof clone_stack, flags, NULL);
		CHECK(pid > 0);
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(ended_well("clone", status));
		for (int i = 0; i < 1000; i++)
			free(blocks[i]);
		churn(round, 200);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	return 0;
}
