/* The C family: sizes, alignments, overflow and errno as glibc documents them, for every function by its cairn_ name.
 * */
#include "cairn/malloc.h"
#include "malloc/emergency.h"
#include "malloc/threads.h"
#include "os/vm.h"
#include "support/test.h"

#include <errno.h>

static bool is_filled(const unsigned char *p, size_t bytes, unsigned char with)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != with)
			return false;
	return true;
}

static void size_zero_gives_a_unique_block(void)
{
	void *a = cairn_malloc(0), *b = cairn_malloc(0), *c = cairn_calloc(0, 8), *d = cairn_calloc(8, 0);
	EXPECT(a && b && c && d && a != b && c != d);
	EXPECT_EQ(cairn_malloc_usable_size(a), 16);
	cairn_free(a);
	cairn_free(b);
	cairn_free(c);
	cairn_free(d);
	cairn_free(NULL);
	EXPECT_EQ(cairn_malloc_usable_size(NULL), 0);
}

static void too_much_is_enomem(void)
{
	static const size_t sizes[] = { SIZE_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX - (16 << 10) };
	void *out = &out;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t n = sizes[i];
#define REFUSED(call)                                                                                                  \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		EXPECT(!(call) && errno == ENOMEM);                                                                    \
	} while (0)
		REFUSED(cairn_malloc(n));
		REFUSED(cairn_calloc(n, 1));
		REFUSED(cairn_calloc(1, n));
		REFUSED(cairn_calloc(n, n));
		REFUSED(cairn_calloc(n / 2 + 1, 2));
		REFUSED(cairn_realloc(NULL, n));
		REFUSED(cairn_reallocarray(NULL, n, 2));
		REFUSED(cairn_memalign(64, n));
		REFUSED(cairn_memalign(1 << 21, n));
		REFUSED(cairn_aligned_alloc(64, n));
		REFUSED(cairn_valloc(n));
		REFUSED(cairn_pvalloc(n));
		errno = 5;
		EXPECT_EQ(cairn_posix_memalign(&out, 64, n), ENOMEM);
		EXPECT(errno == 5 && out == &out); /* neither is touched */
	}
	unsigned char *p = cairn_malloc(100);
	memset(p, 7, 100);
	errno = 0;
	EXPECT(!cairn_realloc(p, SIZE_MAX) && errno == ENOMEM);
	EXPECT(!cairn_reallocarray(p, SIZE_MAX / 2, 3));
	EXPECT(is_filled(p, 100, 7));
	cairn_free(p);
}

static void success_leaves_errno_alone(void)
{
	errno = 77;
	for (size_t n = 0; n < 5 << 20; n = n * 2 + 1) {
		char *p = cairn_malloc(n);
		p = cairn_realloc(p, n * 2 + 10);
		cairn_free(p);
		cairn_free(cairn_calloc(1, n));
		cairn_free(cairn_memalign(4096, n));
		EXPECT_EQ(errno, 77);
	}
	cairn_malloc_trim(0);
	EXPECT_EQ(errno, 77);
}

static void calloc_gives_zeroes_from_dirty_memory(void)
{
	for (int round = 0; round < 3; round++)
		for (size_t n = 1; n < 3 << 20; n = n * 5 / 4 + 7) {
			unsigned char *dirty = cairn_malloc(n);
			memset(dirty, 0xee, n);
			cairn_free(dirty);
			unsigned char *p = cairn_calloc(n, 1);
			EXPECT(p && is_filled(p, n, 0));
			memset(p, 0xee, n);
			cairn_free(p);
		}
}

static void realloc_keeps_contents_between_every_two_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 16, 17, 100, 256, 1000, 4096, 16384, 32768, 32769, 65536, 262144, 1 << 20,
		2 << 20, (2 << 20) + 1, 5 << 20 };
	enum { N = sizeof sizes / sizeof sizes[0] };
	for (int i = 0; i < N; i++)
		for (int k = 1; k < N; k++) {
			unsigned char *p = cairn_malloc(sizes[i]);
			memset(p, i + 1, sizes[i]);
			unsigned char *q = cairn_realloc(p, sizes[k]);
			EXPECT(q && cairn_malloc_usable_size(q) >= sizes[k]);
			EXPECT(is_filled(q, sizes[i] < sizes[k] ? sizes[i] : sizes[k], (unsigned char)(i + 1)));
			memset(q, 1, sizes[k]);
			cairn_free(q);
		}
}

static void realloc_to_nothing_frees(void)
{
	EXPECT(!cairn_realloc(cairn_malloc(100), 0));
	EXPECT(!cairn_realloc(cairn_malloc(1 << 20), 0));
	EXPECT(!cairn_reallocarray(cairn_malloc(100), 0, 8));
	void *p = cairn_realloc(NULL, 0);
	EXPECT(p != NULL); /* as malloc(0) */
	cairn_free(p);
}

static void realloc_gives_memory_back_when_it_shrinks_much(void)
{
	char *p = cairn_malloc(20000);
	p = cairn_realloc(p, 100);
	EXPECT(cairn_malloc_usable_size(p) < 1000);
	cairn_free(p);
	p = cairn_malloc(20 << 20);
	p = cairn_realloc(p, 100000);
	EXPECT(cairn_malloc_usable_size(p) < 200000);
	cairn_free(p);
}

static void every_power_of_two_aligns(void)
{
	for (size_t align = 8; align <= 32 << 20; align *= 2)
		for (size_t n = 0; n < 1 << 20; n = n * 4 + 1) {
			void *p = NULL;
			EXPECT_EQ(cairn_posix_memalign(&p, align, n), 0);
			EXPECT(p && (uintptr_t)p % align == 0 && (uintptr_t)p % 16 == 0 &&
				cairn_malloc_usable_size(p) >= n);
			memset(p, 1, n);
			cairn_free(p);
			p = cairn_aligned_alloc(align, n);
			EXPECT(p && (uintptr_t)p % align == 0);
			cairn_free_aligned_sized(p, align, n);
		}
}

/* A signal handler that strikes while the shelf is in use, and others' fork handlers while ours hold the locks. */
static void alignments_are_kept_inside_a_slow_path(void)
{
	enum { BLOCKS = 200 };
	static const size_t aligns[] = { 32, 256, 4096, 16384 };
	void *blocks[BLOCKS];
	cairn_free(cairn_malloc(1));
	cairn_cache *c = cairn_thread_cache();
	REQUIRE(c == cairn_thread_self.own);
	for (size_t a = 0; a < sizeof aligns / sizeof aligns[0]; a++) {
		unsigned stored = 0;
		c->is_busy = 1;
		for (size_t i = 0; i < BLOCKS; i++) {
			blocks[i] = cairn_memalign(aligns[a], i % 2 ? aligns[a] : aligns[a] / 2);
			stored += cairn_emergency_owns(blocks[i]);
			EXPECT_EQ((uintptr_t)blocks[i] % aligns[a], 0);
		}
		c->is_busy = 0;
		EXPECT(stored > BLOCKS / 2);
		for (size_t i = 0; i < BLOCKS; i++)
			cairn_free(blocks[i]);
	}
}

static void wrong_alignments_are_einval(void)
{
	static const size_t wrong[] = { 0, 1, 2, 4, 12, 24, 100, SIZE_MAX, SIZE_MAX / 2 };
	void *out = &out;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		EXPECT_EQ(cairn_posix_memalign(&out, wrong[i], 10), EINVAL);
		EXPECT(out == &out);
	}
	errno = 0;
	EXPECT(!cairn_memalign(SIZE_MAX / 2 + 2, 10) && errno == EINVAL);
	EXPECT(!cairn_memalign((size_t)1 << 62, 10) && errno == ENOMEM);
	for (size_t align = 0; align < 300; align += 3) { /* memalign rounds up, as glibc does */
		size_t rounded = 1;
		while (rounded < align)
			rounded *= 2;
		void *p = cairn_memalign(align, 10);
		EXPECT(p && (uintptr_t)p % rounded == 0);
		cairn_free(p);
	}
}

static void valloc_and_pvalloc_give_pages(void)
{
	size_t page = cairn_vm_page_bytes();
	void *p = cairn_valloc(1), *q = cairn_pvalloc(page + 1), *r = cairn_pvalloc(0);
	EXPECT(p && (uintptr_t)p % page == 0);
	EXPECT(q && (uintptr_t)q % page == 0 && cairn_malloc_usable_size(q) >= 2 * page);
	EXPECT(r && cairn_malloc_usable_size(r) >= page);
	cairn_free(p);
	cairn_free(q);
	cairn_free(r);
}

static void all_of_the_usable_size_may_be_used(void)
{
	for (size_t n = 1; n < 300000; n = n * 9 / 8 + 3) {
		unsigned char *p = cairn_malloc(n), *q = cairn_malloc(n);
		memset(p, 1, cairn_malloc_usable_size(p));
		memset(q, 2, cairn_malloc_usable_size(q));
		EXPECT(is_filled(p, cairn_malloc_usable_size(p), 1));
		cairn_free_sized(p, n);
		cairn_free_sized(q, n);
	}
}

static void trim_says_whether_it_gave_something_back(void)
{
	void *blocks[500];
	for (int i = 0; i < 500; i++)
		memset(blocks[i] = cairn_malloc(10000), 1, 10000);
	for (int i = 0; i < 500; i++)
		cairn_free(blocks[i]);
	EXPECT_EQ(cairn_malloc_trim(0), 1);
	EXPECT_EQ(cairn_malloc_trim(0), 0);
}

int main(void)
{
	RUN(size_zero_gives_a_unique_block);
	RUN(too_much_is_enomem);
	RUN(success_leaves_errno_alone);
	RUN(calloc_gives_zeroes_from_dirty_memory);
	RUN(realloc_keeps_contents_between_every_two_sizes);
	RUN(realloc_to_nothing_frees);
	RUN(realloc_gives_memory_back_when_it_shrinks_much);
	RUN(every_power_of_two_aligns);
	RUN(alignments_are_kept_inside_a_slow_path);
	RUN(wrong_alignments_are_einval);
	RUN(valloc_and_pvalloc_give_pages);
	RUN(all_of_the_usable_size_may_be_used);
	RUN(trim_says_whether_it_gave_something_back);
	DONE();
}
