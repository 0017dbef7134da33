/* s40: a process whose ids and clock change under it, as after a restore from a checkpoint, goes on */
#include "support.h"
#include <sched.h>

static void *p[30000];

static void fill(void) {
	for (size_t i = 0; i < 30000; i++) {
		p[i] = malloc(1000);
		CHECK(p[i]);
		memset(p[i], 1, 1000);
	}
}
static void *work(void *arg) {
	churn(40, 5000);
	return arg;
}
/* After this the process has another pid and thread id, of which libc's fork handlers were not told. */
static int moved(void *arg) {
	const char *offset = arg;
	if (offset) {
		if (unshare(CLONE_NEWTIME) != 0)
			return 0;
		int fd = open("/proc/self/timens_offsets", O_WRONLY);
		CHECK(fd >= 0);
		if (write(fd, offset, strlen(offset)) < 0)
			return 0;
		close(fd);
	}
	pthread_join(thread_start(work, NULL, 0), NULL);
	fill();
	for (size_t i = 0; i < 30000; i += 2)
		free(p[i]);
	/* a helper thread has ended: one that holds a lock while we clone by hand would hold it for ever */
	usleep(2500000);
	double before = now();
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	CHECK(pid >= 0);
	if (!pid) {
		alarm(20);
		if (offset)
			CHECK_SAY(now() - before > 1000 || now() < before, "the clock did not jump");
		for (size_t i = 1; i < 30000; i += 2)
			free(p[i]);
		churn(41, 5000);
		fill();
		for (size_t i = 0; i < 30000; i++)
			free(p[i]);
		usleep(300000);
		churn(42, 5000);
		_exit(0);
	}
	int status;
	CHECK(waitpid((pid_t)pid, &status, 0) == pid);
	return !ended_well(offset ? offset : "other ids", status);
}
int main(void) {
	CHECK(ended_well("the ids change", in_child(moved, NULL, 30)));
	if (geteuid() == 0) {
		CHECK(ended_well("the clock jumps on", in_child(moved, "monotonic 864000 0\n", 30)));
		char back[64];
		snprintf(back, sizeof back, "monotonic -%ld 0\n", (long)now() > 100 ? (long)now() - 50 : 1);
		if (now() > 100)
			CHECK(ended_well("the clock jumps back", in_child(moved, back, 30)));
	}
	return 0;
}
