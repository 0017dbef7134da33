/* Fills 90 % of 256 MiB with blocks of one size, frees them, and does the same with the next size. */
#include "support.h"

int main(void) {
	static const size_t sizes[] = { 64, 4000, 700, 100000, 48, 3000000, 1500 };
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		size_t live = 0, most = rss_bytes(), room = 230 * MIB - 6 * MIB;
		void **list = NULL;
		while (live + sizes[s] + 16 < room) {
			void **p = malloc(sizes[s]);
			CHECK(p);
			memset(p, 1, sizes[s]);
			*p = list;
			list = p;
			live += sizes[s] > 1000 ? malloc_usable_size(p) + 8 : malloc_usable_size(p) + 8;
		}
		most = rss_bytes();
		NOTE("%zu-byte blocks: %zu MiB resident\n", sizes[s], most / MIB);
		while (list) {
			void **next = *list;
			free(list);
			list = next;
		}
	}
	return 0;
}
