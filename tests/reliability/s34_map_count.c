/* s34: when the process may have no more mappings, none of 20 000 mallocs fails */
#include "support.h"

static void *eaten[1 << 18], *p[20000];

int main(void) {
	long most = proc_number("/proc/sys/vm/max_map_count", "");
	if (most > 300000)
		skip("vm.max_map_count is too high to be reached quickly");
	for (size_t i = 0; i < 2000; i++) { /* a program that already works */
		p[i] = malloc(1 + i);
		CHECK(p[i]);
	}
	size_t count = 0, refused = 0;
	for (; count < sizeof eaten / sizeof *eaten; count++) { /* neighbours of unlike protection do not merge */
		void *map = mmap(NULL, 4096, count % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED)
			break;
		eaten[count] = map;
	}
	CHECK_SAY(errno == ENOMEM && count > 1000, "%zu mappings", count);
	for (size_t i = 0; i < 2000; i++)
		free(p[i]);
	uint32_t seed = 34;
	for (size_t i = 0; i < 20000; i++) {
		size_t bytes = 1 + dice(&seed) % 8192;
		p[i] = malloc(bytes);
		refused += !p[i];
		if (p[i])
			memset(p[i], 1, bytes);
	}
	for (size_t i = 0; i < 20000; i++)
		free(p[i]);
	for (size_t i = 0; i < count; i++)
		munmap(eaten[i], 4096);
	churn(34, 5000);
	NOTE("after %zu mappings: %zu of 20000 mallocs refused\n", count, refused);
	CHECK_SAY(refused == 0, "%zu of 20000", refused);
	return 0;
}
