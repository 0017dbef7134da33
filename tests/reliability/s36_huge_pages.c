/* s36: with transparent huge pages as set here, and without, a thread that holds little costs little */
#include "support.h"

static pthread_barrier_t ready, leave;

static void *hold(void *arg) {
	static __thread void *p[64];
	for (size_t i = 0; i < 64; i++) {
		p[i] = malloc(16 * (i + 1));
		memset(p[i], 1, 16 * (i + 1));
	}
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&leave);
	for (size_t i = 0; i < 64; i++)
		free(p[i]);
	return arg;
}
static int measure(void *arg) {
	enum { THREADS = 200 };
	pthread_t thread[THREADS];
	const char *setting = arg;
	if (strcmp(setting, "never") == 0)
		CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	free(malloc(1));
	size_t before = rss_bytes();
	pthread_barrier_init(&ready, NULL, THREADS + 1);
	pthread_barrier_init(&leave, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		thread[i] = thread_start(hold, NULL, 64 * KIB);
	pthread_barrier_wait(&ready);
	size_t each = (rss_bytes() - before) / THREADS;
	pthread_barrier_wait(&leave);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	NOTE("%s: %zu KiB a thread that holds 33 KiB\n", setting, each / KIB);
	CHECK_SAY(each <= 150 * KIB, "%s: %zu KiB a thread", setting, each / KIB);
	churn(36, 20000);
	return 0;
}
static void set(const char *path, const char *text) {
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) > 0 && close(fd) == 0);
}
int main(void) {
	const char *path = "/sys/kernel/mm/transparent_hugepage/enabled";
	char text[100] = "not there";
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n > 0)
		text[n - 1] = 0;
	CHECK(ended_well(text, in_child(measure, text, 30)));
	CHECK(ended_well("never", in_child(measure, "never", 30)));
	/* "always" holds for the whole machine: only where asked for, and put back. */
	if (getenv("CAIRN_TEST_THP") && n > 0) {
		const char *was = strstr(text, "[always]") ? "always" : strstr(text, "[never]") ? "never" : "madvise";
		set(path, "always");
		int status = in_child(measure, "always", 30);
		set(path, was);
		CHECK(ended_well("always", status));
	}
	return 0;
}
