/* s51: odd, huge and absurd alignments are taken or refused as libc does */
#include "support.h"

static int failed;

/* libc's memalign rounds up to a power of two. */
static void rounds_up(const char *what, void *p, size_t align, size_t bytes) {
	size_t rounded = 16;
	while (rounded < align)
		rounded *= 2;
	if (!p || (uintptr_t)p % rounded) {
		dprintf(2, "%s(%zu, %zu): %p, %s\n", what, align, bytes, p, strerrorname_np(errno));
		failed++;
	} else {
		memset(p, 1, bytes < MIB ? bytes : MIB);
	}
	free(p);
}
static void refuses(size_t align, size_t bytes, int error) {
	void *mine = &failed;
	errno = 0;
	int got = posix_memalign(&mine, align, bytes);
	if (got != error || mine != &failed) {
		dprintf(2, "posix_memalign(%zu, %zu): %s, pointer %s\n", align, bytes, strerrorname_np(got),
		        mine == &failed ? "kept" : "written");
		failed++;
	}
}
int main(void) {
	static const size_t odd[] = { 0, 1, 2, 3, 5, 7, 8, 16, 24, 48, 96, 100, 1000, 4096, 5000 };
	static const size_t sizes[] = { 0, 1, 10, 100, 5000, 300000 };
	for (size_t a = 0; a < sizeof odd / sizeof *odd; a++)
		for (size_t s = 0; s < 6; s++) {
			rounds_up("memalign", memalign(odd[a], sizes[s]), odd[a], sizes[s]);
			errno = 0;
			bool power = odd[a] && !(odd[a] & (odd[a] - 1));
			void *p = aligned_alloc(odd[a], sizes[s]); /* newer libcs refuse what is no power of two */
			if (!power && !p && errno == EINVAL)
				continue;
			rounds_up("aligned_alloc", p, odd[a], sizes[s]);
		}
	for (size_t align = 16; align <= GIB; align *= 4) {
		rounds_up("memalign", memalign(align, 100), align, 100);
		rounds_up("aligned_alloc", aligned_alloc(align, 3 * align / 2), align, 3 * align / 2);
		void *p = NULL;
		CHECK(posix_memalign(&p, align, 10) == 0);
		rounds_up("posix_memalign", p, align, 10);
	}
	static const size_t not_posix[] = { 0, 1, 2, 3, 4, 12, 24, 48, 100 };
	for (size_t a = 0; a < sizeof not_posix / sizeof *not_posix; a++)
		refuses(not_posix[a], 100, EINVAL);
	refuses((size_t)1 << 62, 100, ENOMEM);
	errno = 0;
	volatile size_t huge = (size_t)1 << 62, over = ((size_t)1 << 63) + 1, large = (size_t)1 << 46;
	void *volatile p = memalign(huge, 100);
	if (p || errno != ENOMEM)
		failed++, dprintf(2, "memalign(2^62): %p, %s\n", p, strerrorname_np(errno));
	errno = 0;
	p = memalign(over, 100);
	if (p || errno != EINVAL)
		failed++, dprintf(2, "memalign(2^63 + 1): %p, %s\n", p, strerrorname_np(errno));
	errno = 0;
	p = memalign(large, 100);
	if (p ? (uintptr_t)p % ((size_t)1 << 46) : errno != ENOMEM)
		failed++, dprintf(2, "memalign(2^46): %p, %s\n", p, strerrorname_np(errno));
	free(p);
	CHECK(failed == 0);
	return 0;
}
