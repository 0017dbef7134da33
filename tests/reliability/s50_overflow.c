/* s50: sizes that cannot be give NULL and ENOMEM, and a block that cannot grow stays as it is */
#include "support.h"

#define REFUSES(call)                                                                                                 \
	do {                                                                                                          \
		errno = 0;                                                                                            \
		void *refused = (call);                                                                               \
		if (refused || errno != ENOMEM) {                                                                     \
			dprintf(2, "%s: %p, %s\n", #call, refused, strerrorname_np(errno));                           \
			failed++;                                                                                     \
		}                                                                                                     \
	} while (0)

int main(void) {
	int failed = 0;
	volatile size_t most = PTRDIFF_MAX, all = SIZE_MAX, many = (size_t)1 << 33;
	REFUSES(malloc(most + 1));
	REFUSES(malloc(most));
	REFUSES(malloc(all));
	REFUSES(malloc(all - 100));
	REFUSES(calloc(all, 1));
	REFUSES(calloc(all / 2, 3));
	REFUSES(calloc(many, many));
	REFUSES(calloc(most + 1, 1));
	REFUSES(realloc(NULL, most + 1));
	REFUSES(realloc(NULL, all));
	REFUSES(reallocarray(NULL, all / 2, 3));
	REFUSES(reallocarray(NULL, many, many));
	REFUSES(memalign(64, most + 1));
	REFUSES(memalign(64, all));
	REFUSES(memalign(1 << 20, all - 100));
	REFUSES(aligned_alloc(64, all - 63));
	REFUSES(aligned_alloc(4096, most + 1));
	REFUSES(valloc(all));
	REFUSES(valloc(most + 1));
	REFUSES(pvalloc(all - 100));
	REFUSES(pvalloc(all));
	static const size_t sizes[] = { 10, 1000, 50000, 3000000 };
	for (int s = 0; s < 4; s++) {
		unsigned char *volatile p = malloc(sizes[s]);
		memset(p, 0x77, sizes[s]);
		REFUSES(realloc(p, most + 1));
		REFUSES(realloc(p, all));
		REFUSES(reallocarray(p, all, 2));
		for (size_t k = 0; k < sizes[s]; k++)
			CHECK(p[k] == 0x77);
		free(p);
	}
	void *mine = &failed;
	errno = 0;
	if (posix_memalign(&mine, 64, all) != ENOMEM || mine != &failed)
		failed++, dprintf(2, "posix_memalign(64, SIZE_MAX)\n");
	if (posix_memalign(&mine, 64, most + 1) != ENOMEM || mine != &failed)
		failed++, dprintf(2, "posix_memalign(64, PTRDIFF_MAX + 1)\n");
	CHECK(failed == 0);
	return 0;
}
