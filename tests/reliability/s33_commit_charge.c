/* s33: what strict overcommit (vm.overcommit_memory=2) would charge stays near what is in use */
#include "support.h"

/* Private writable bytes in /proc/self/maps: with overcommit 2 each counts, MAP_NORESERVE or
 * not. The main stack aside. */
static size_t charged(void) {
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], mode[8];
	unsigned long from, to;
	size_t sum = 0;
	CHECK(maps);
	while (fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' && mode[3] == 'p')
			sum += strstr(line, "[stack]") ? 0 : to - from;
	fclose(maps);
	return sum;
}
/* The setting itself, for a machine of its own: it holds for every process. */
static void strictly(void) {
	FILE *f = fopen("/proc/sys/vm/overcommit_memory", "w");
	CHECK(f && fputs("2", f) >= 0 && fclose(f) == 0);
	churn(33, 20000);
	pid_t pid = fork();
	int status = pid < 0 ? 1 : pid ? (waitpid(pid, &status, 0), status) : (_exit(0), 0);
	f = fopen("/proc/sys/vm/overcommit_memory", "w");
	CHECK(f && fputs("0", f) >= 0 && fclose(f) == 0);
	CHECK(status == 0);
}
int main(void) {
	static void *p[64 * 1024];
	free(malloc(1));
	size_t empty = charged();
	for (size_t i = 0; i < 64 * KIB; i++) {
		p[i] = malloc(1000);
		memset(p[i], 1, 1000);
	}
	size_t full = charged(), live = 64 * KIB * 1000;
	for (size_t i = 0; i < 64 * KIB; i++)
		free(p[i]);
	NOTE("charge: %zu KiB empty, %zu MiB with %zu MiB live\n", empty / KIB, full / MIB, live / MIB);
	CHECK_SAY(empty <= 16 * MIB, "%zu MiB for an empty program", empty / MIB);
	CHECK_SAY(full <= live + live / 4 + 16 * MIB, "%zu MiB for %zu live", full / MIB, live / MIB);
	if (getenv("CAIRN_TEST_OVERCOMMIT"))
		strictly();
	return 0;
}
