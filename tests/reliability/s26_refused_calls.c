/* s26: every system call but mmap and munmap may be refused with EPERM, ENOSYS or ENOMEM */
#include "support.h"

static const struct { const char *name; int numbers[2]; bool no_threads, not_at_start; } calls[] = {
	{ "madvise", { SYS_madvise, SYS_madvise }, false, false },
	{ "mremap", { SYS_mremap, SYS_mremap }, false, false },
	{ "mprotect", { SYS_mprotect, SYS_mprotect }, true, true },
	{ "mprotect, madvise", { SYS_mprotect, SYS_madvise }, true, true },
	{ "openat", { SYS_openat, SYS_openat }, false, true },
	{ "clone", { SYS_clone, SYS_clone3 }, true, false },
	{ "sysinfo", { SYS_sysinfo, SYS_sysinfo }, false, false },
	{ "prctl", { SYS_prctl, SYS_prctl }, false, false },
	{ "mincore", { SYS_mincore, SYS_mincore }, false, false },
	{ "getrandom", { SYS_getrandom, SYS_getrandom }, false, false },
	{ "sched_getaffinity, sched_yield", { SYS_sched_getaffinity, SYS_sched_yield }, false, false },
	{ "prlimit64, getrlimit", { SYS_prlimit64, SYS_getrlimit }, false, false },
	{ "membarrier, tgkill", { SYS_membarrier, SYS_tgkill }, false, false },
	{ "gettid, getcpu", { SYS_gettid, SYS_getcpu }, false, false },
	{ "clock_gettime", { SYS_clock_gettime, SYS_clock_gettime }, false, false },
};
static const int errors[] = { EPERM, ENOSYS, ENOMEM };
enum { CALLS = sizeof calls / sizeof *calls };

static int go; /* sync: atomic */
static void *work(void *arg) {
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		usleep(1000);
	churn(26, 3000);
	return arg;
}
static void use(bool threads) {
	static void *p[4000];
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 4000; i++) {
			p[i] = malloc(1 + i * 5);
			CHECK(p[i]);
			memset(p[i], 1, 1 + i * 5);
		}
		for (size_t i = 0; i < 4000; i++)
			free(p[i]);
	}
	churn(26, 5000);
	char *big = calloc(1, 2 * MIB);
	CHECK(big);
	for (size_t bytes = 2 * MIB; bytes < 30 * MIB; bytes += 3 * MIB) {
		big[bytes - 1] = 7;
		big = realloc(big, bytes + 3 * MIB);
		CHECK(big && big[bytes - 1] == 7);
	}
	free(big);
	if (threads)
		pthread_join(thread_start(work, NULL, 0), NULL);
	malloc_trim(0);
	usleep(20000);
	churn(27, 2000);
}
typedef struct refusal {
	size_t call;
	int error;
	char *self;
} refusal;

static int later(void *arg) { /* refused from the middle of the program on */
	refusal *r = arg;
	churn(1, 100);
	pthread_t early = thread_start(work, NULL, 0); /* made before: its slow paths meet the refusal */
	refuse(calls[r->call].numbers, 2, r->error);
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	use(!calls[r->call].no_threads);
	pthread_join(early, NULL);
	return 0;
}
static int from_the_start(void *arg) { /* refused before the malloc is loaded */
	refusal *r = arg;
	refuse(calls[r->call].numbers, 2, r->error);
	execl(r->self, r->self, calls[r->call].no_threads ? "alone" : "threads", (char *)NULL);
	return 1;
}
int main(int argc, char **argv) {
	go = argc == 2;
	if (argc == 2) {
		use(strcmp(argv[1], "threads") == 0);
		return 0;
	}
	int failed = 0;
	for (size_t c = 0; c < CALLS; c++)
		for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
			refusal r = { c, errors[e], argv[0] };
			char what[100];
			const char *error = strerrorname_np(errors[e]);
			snprintf(what, sizeof what, "%s refused with %s", calls[c].name, error);
			failed += !ended_well(what, in_child(later, &r, 20));
			snprintf(what, sizeof what, "%s refused with %s from the start", calls[c].name, error);
			if (!calls[c].not_at_start)
				failed += !ended_well(what, in_child(from_the_start, &r, 20));
		}
	CHECK(failed == 0);
	return 0;
}
