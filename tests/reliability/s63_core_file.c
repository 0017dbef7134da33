/* s63: a crash writes no more than what is resident and 64 MiB, within a second */
#include "support.h"
#include <sys/stat.h>

static int crash(void *arg) {
	static void *p[50000];
	(void)arg;
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	for (size_t i = 0; i < 50000; i++) {
		p[i] = malloc(1000);
		memset(p[i], 1, 1000);
	}
	abort();
}
/* Bytes of the mappings that a core file would hold whole: private, writable, not marked "dd" (VmFlags). */
static size_t dumped_bytes(void) {
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], mode[8] = "";
	unsigned long from, to;
	size_t sum = 0, bytes = 0;
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3)
			bytes = mode[1] == 'w' && mode[3] == 'p' ? to - from : 0;
		else if (strncmp(line, "VmFlags:", 8) == 0 && !strstr(line, " dd"))
			sum += bytes;
	}
	fclose(f);
	return sum;
}
int main(void) {
	static void *p[50000];
	struct rlimit limit;
	char pattern[128] = "";
	for (size_t i = 0; i < 50000; i++) {
		p[i] = malloc(1000);
		memset(p[i], 1, 1000);
	}
	size_t dumped = dumped_bytes(), rss = rss_bytes();
	CHECK_SAY(dumped <= rss + 64 * MIB, "%zu MiB to dump, %zu MiB resident", dumped / MIB, rss / MIB);
	for (size_t i = 0; i < 50000; i++)
		free(p[i]);
	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	bool is_known = fd >= 0 && read(fd, pattern, sizeof pattern - 1) > 0;
	bool to_file = is_known && pattern[0] != '|' && !strchr(pattern, '/');
	if (!to_file || limit.rlim_max < GIB || setrlimit(RLIMIT_CORE, &limit) != 0) {
		NOTE("no core file can be written here; by smaps it has %zu MiB of %zu\n", dumped / MIB, rss / MIB);
		return 0;
	}
	CHECK(chdir(getenv("TMP")) == 0);
	double start = now();
	int status = in_child(crash, NULL, 60);
	double took = now() - start;
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	struct stat st = { 0 };
	char name[64];
	pid_t newest = -1;
	for (pid_t pid = getpid(); pid < getpid() + 2000 && newest < 0; pid++) {
		snprintf(name, sizeof name, "core.%d", (int)pid);
		if (stat(name, &st) == 0)
			newest = pid;
	}
	if (newest < 0 && stat("core", &st) != 0) {
		CHECK(!WCOREDUMP(status));
		NOTE("the kernel wrote no core file; by smaps it has %zu MiB of %zu\n", dumped / MIB, rss / MIB);
		return 0;
	}
	NOTE("core file of %zu MiB (%zu on disk) for %zu MiB resident, in %.0f ms\n", (size_t)st.st_size / MIB,
	     (size_t)st.st_blocks * 512 / MIB, rss / MIB, took * 1e3);
	CHECK_SAY((size_t)st.st_size <= rss + 64 * MIB, "%zu MiB", (size_t)st.st_size / MIB);
	CHECK_SAY(took <= 1 + 2, "%.2f s", took); /* with the program's own work, on a busy machine */
	return 0;
}
