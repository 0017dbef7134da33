/* s53: malloc(0) gives unique blocks, small ones */
#include "support.h"

static void *p[5000];
static int by_address(const void *a, const void *b) {
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
	return x < y ? -1 : x > y;
}
int main(void) {
	size_t most = 0, limit = is_cairn() ? 16 : 32; /* libc's smallest block has 24 bytes */
	for (int i = 0; i < 5000; i++) {
		p[i] = i % 3 == 0 ? malloc(0) : i % 3 == 1 ? calloc(0, 8) : calloc(8, 0);
		CHECK(p[i]);
		size_t usable = malloc_usable_size(p[i]);
		most = usable > most ? usable : most;
	}
	qsort(p, 5000, sizeof *p, by_address);
	for (int i = 1; i < 5000; i++)
		CHECK(p[i] != p[i - 1]);
	for (int i = 0; i < 5000; i++)
		free(p[i]);
	NOTE("usable: %zu bytes\n", most);
	CHECK_SAY(most <= limit, "%zu bytes", most);
	return 0;
}
