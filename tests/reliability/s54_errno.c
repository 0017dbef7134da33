/* s54: free keeps errno, also when every system call in it fails */
#include "support.h"

enum { COUNT = 20000, MAGIC = 4242 };
static void *p[COUNT];

static void fill(void) {
	for (size_t i = 0; i < COUNT; i++) {
		size_t bytes = i % 500 == 0 ? i * 300 : 1 + i % 3000;
		p[i] = i % 7 ? malloc(bytes) : aligned_alloc(256, bytes);
		CHECK(p[i]);
		memset(p[i], 1, bytes);
	}
}
static void empty(const char *what) {
	for (size_t i = 0; i < COUNT; i++) {
		errno = MAGIC;
		free(p[(i * 7919) % COUNT]);
		CHECK_SAY(errno == MAGIC, "%s: free set errno to %s", what, strerrorname_np(errno));
	}
	errno = MAGIC;
	free(NULL);
	CHECK(errno == MAGIC);
	for (double end = now() + 0.4; now() < end;) { /* purge becomes due within free */
		void *q = malloc(200);
		errno = MAGIC;
		free(q);
		CHECK_SAY(errno == MAGIC, "%s: free set errno to %s", what, strerrorname_np(errno));
	}
}
static void *thread(void *arg) {
	fill();
	empty(arg);
	return NULL;
}
static int failing(void *arg) {
	int calls[] = { SYS_madvise, SYS_munmap,      SYS_mprotect, SYS_mremap,    SYS_clone,
		        SYS_clone3,  SYS_sched_yield, SYS_openat,   SYS_membarrier };
	fill();
	refuse(calls, sizeof calls / sizeof *calls, *(int *)arg);
	empty("calls refused");
	return 0;
}
int main(void) {
	int errors[] = { ENOMEM, EPERM, EINVAL, EAGAIN };
	fill();
	empty("plain");
	pthread_join(thread_start(thread, "in a thread", 0), NULL);
	for (int i = 0; i < 4; i++)
		CHECK(ended_well(strerrorname_np(errors[i]), in_child(failing, &errors[i], 20)));
	return 0;
}
