/* s19: without clone or under RLIMIT_NPROC all goes on, silently, and without threads unshare and setns work */
#include "support.h"
#include <sched.h>

static void *nothing(void *arg) { return arg; }

static void use(void) {
	for (uint32_t round = 1; round <= 3; round++) {
		static void *p[20000];
		for (int i = 0; i < 20000; i++) {
			p[i] = malloc(2000);
			CHECK(p[i]);
			memset(p[i], 1, 2000);
		}
		for (int i = 0; i < 20000; i++)
			free(p[i]);
		churn(round, 5000);
		usleep(300000);
	}
}
static int filtered(void *arg) {
	int clones[] = { SYS_clone, SYS_clone3 };
	if (*(int *)arg)
		pthread_join(thread_start(nothing, NULL, 0), NULL);
	refuse(clones, 2, EPERM);
	use();
	return 0;
}
static int limited(void *arg) {
	(void)arg;
	pthread_join(thread_start(nothing, NULL, 0), NULL);
	CHECK(setrlimit(RLIMIT_NPROC, &(struct rlimit){ 0, 0 }) == 0);
	if (geteuid() == 0)
		CHECK(setresuid(65534, 65534, 65534) == 0);
	use();
	return 0;
}
static int namespaces(void *arg) {
	(void)arg;
	use();
	int self = open("/proc/self/ns/mnt", O_RDONLY);
	if (unshare(CLONE_NEWUSER) != 0) /* EINVAL: there is a second thread */
		CHECK_SAY(errno == EPERM || errno == ENOSPC, "unshare: %s", strerror(errno));
	else
		CHECK_SAY(setns(self, CLONE_NEWNS) == 0 || errno == EPERM, "setns: %s", strerror(errno));
	use();
	return 0;
}
int main(void) {
	int said = memfd_create("stderr", 0), without = 0, with = 1, kept = dup(2);
	CHECK(said >= 0 && dup2(said, 2) == 2);
	int a = in_child(filtered, &without, 30), b = in_child(filtered, &with, 30);
	int c = in_child(limited, NULL, 30), d = in_child(namespaces, NULL, 30);
	CHECK(dup2(kept, 2) == 2);
	char text[300] = "";
	ssize_t n = pread(said, text, sizeof text - 1, 0);
	CHECK_SAY(n == 0, "it says: %s", text);
	CHECK(ended_well("without clone", a));
	CHECK(ended_well("without clone, after a thread", b));
	CHECK(ended_well("RLIMIT_NPROC", c));
	CHECK(ended_well("unshare and setns", d));
	return 0;
}
