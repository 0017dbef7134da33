/* s62: a block that the program backed with an explicit huge page may be freed: calloc stays zero */
#include "support.h"

static const char *const pool = "/proc/sys/vm/nr_hugepages";
static long pages_before = -1;

static void put_back(void) {
	if (pages_before < 0)
		return;
	int fd = open(pool, O_WRONLY);
	if (fd >= 0) {
		dprintf(fd, "%ld", pages_before);
		close(fd);
	}
}
static bool get_pool(long count) {
	pages_before = proc_number(pool, "");
	int fd = open(pool, O_WRONLY);
	if (pages_before < 0 || fd < 0)
		return false;
	dprintf(fd, "%ld", pages_before + count);
	close(fd);
	return proc_number(pool, "") >= pages_before + count;
}
static int use(void *arg) {
	size_t huge = *(size_t *)arg;
	static unsigned char *p[4000];
	char *block = aligned_alloc(huge, huge);
	CHECK(block);
	memset(block, 1, huge);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED; /* a purge of a part of it will be EINVAL */
	void *map = mmap(block, huge, PROT_READ | PROT_WRITE, flags, -1, 0);
	CHECK_SAY(map == block, "mmap: %s", strerror(errno));
	memset(block, 0xAA, huge);
	free(block);
	for (int round = 0; round < 6; round++) {
		static const size_t sizes[] = { 100, 4096, 30000, 300000, 1000000, 64 };
		size_t bytes = sizes[round], count = 6 * MIB / bytes < 4000 ? 6 * MIB / bytes : 4000;
		for (size_t i = 0; i < count; i++) {
			p[i] = calloc(1, bytes);
			CHECK(p[i]);
			for (size_t k = 0; k < bytes; k++)
				CHECK_SAY(!p[i][k], "calloc(%zu) is not zero at %zu", bytes, k);
			memset(p[i], 0xAA, bytes);
		}
		for (size_t i = 0; i < count; i++)
			if (i % 4)
				free(p[i]);
		usleep(400000);
		malloc_trim(0);
		for (size_t i = 0; i < count; i += 4)
			free(p[i]);
	}
	return 0;
}
int main(void) {
	size_t huge = (size_t)proc_number("/proc/meminfo", "Hugepagesize:") * 1024;
	if (huge != 2 * MIB || !get_pool(2)) {
		put_back();
		skip("no pool of two 2 MiB pages can be had");
	}
	int status = in_child(use, &huge, 30);
	put_back();
	CHECK(ended_well("the program", status));
	return 0;
}
