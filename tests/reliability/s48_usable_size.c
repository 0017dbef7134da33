/* s48: malloc_usable_size is stable, all of it may be written, and realloc keeps all of it */
#include "support.h"

enum { COUNT = 3000 };
static unsigned char *p[COUNT];
static size_t usable[COUNT];

int main(void) {
	for (size_t i = 0; i < COUNT; i++) {
		size_t bytes = i < 1500 ? i : i * i / 20;
		p[i] = i % 5 ? malloc(bytes) : aligned_alloc(64, bytes);
		usable[i] = malloc_usable_size(p[i]);
		CHECK_SAY(usable[i] >= bytes, "%zu of %zu", usable[i], bytes);
		memset(p[i], (int)(i % 251), usable[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		CHECK(malloc_usable_size(p[i]) == usable[i]);
		for (size_t k = 0; k < usable[i]; k++)
			CHECK_SAY(p[i][k] == i % 251, "block %zu of %zu bytes at %zu", i, usable[i], k);
	}
	for (size_t i = 0; i < COUNT; i++) {
		p[i] = realloc(p[i], usable[i] + 1 + i);
		CHECK(p[i]);
		for (size_t k = 0; k < usable[i]; k++)
			CHECK_SAY(p[i][k] == i % 251, "grown block %zu of %zu bytes at %zu", i, usable[i], k);
	}
	for (size_t i = 0; i < COUNT; i++)
		free(p[i]);
	CHECK(malloc_usable_size(NULL) == 0);
	return 0;
}
