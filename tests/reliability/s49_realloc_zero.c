/* s49: realloc to nothing frees and returns NULL, and realloc of NULL allocates, as libc does */
#include "support.h"

int main(void) {
	static const size_t sizes[] = { 1, 16, 64, 1000, 40000, 2000000 };
	for (size_t s = 0; s < 6; s++) {
		errno = 0;
		void *volatile p = malloc(sizes[s]);
		CHECK(p && realloc(p, 0) == NULL && errno == 0);
		p = realloc(NULL, sizes[s]);
		CHECK(p);
		free(p);
		p = reallocarray(malloc(sizes[s]), 0, 10);
		CHECK(p == NULL);
	}
	void *a = realloc(NULL, 0), *b = realloc(NULL, 0);
	CHECK(a && b && a != b);
	free(a);
	free(b);
	size_t before = 0;
	for (long i = 0; i < 200000; i++) { /* it is freed: nothing piles up */
		void *volatile p = malloc(2000);
		CHECK(realloc(p, 0) == NULL);
		if (i == 1000)
			before = rss_bytes();
	}
	CHECK(rss_bytes() < before + 4 * MIB);
	return 0;
}
