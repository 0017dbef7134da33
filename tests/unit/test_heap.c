/* First-class heaps. Cases cite the invariants of malloc/heap.h. */
#include "cairn/malloc.h"
#include "malloc/heap.h"
#include "malloc/sizeclass.h"
#include "malloc/stats.h"
#include "os/sys.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

#include <errno.h>
#include <pthread.h>

enum { BLOCKS = 600 };

static uint64_t rnd;

static size_t used_bytes(void) { return cairn_pageheap_count().used_granules << CAIRN_GRANULE_SHIFT; }
static size_t choose(void) { return test_random(&rnd) % 50 ? test_random(&rnd) % 3000 : test_random(&rnd) % (1 << 20); }

static void live_bytes_are_what_a_list_says(void) /* H1, H2 */
{
	static char *blocks[BLOCKS];
	size_t live = 0;
	rnd = test_seed();
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	EXPECT_EQ(cairn_heap_live_bytes(h), 0);
	for (int i = 0; i < 20000; i++) {
		char **place = &blocks[test_random(&rnd) % BLOCKS];
		if (*place) {
			live -= cairn_malloc_usable_size(*place);
			if (test_random(&rnd) % 2)
				cairn_heap_free(h, *place);
			else
				cairn_free(*place);
			*place = NULL;
		} else {
			size_t n = choose(), align = (size_t)1 << test_random(&rnd) % 16;
			*place = test_random(&rnd) % 4 ? cairn_heap_alloc(h, n) : cairn_heap_alloc_aligned(h, align, n);
			REQUIRE(*place);
			memset(*place, 1, n);
			live += cairn_malloc_usable_size(*place);
		}
		EXPECT_EQ(cairn_heap_live_bytes(h), live);
		if (i % 500 == 0)
			cairn_heap_validate(h);
	}
	memset(blocks, 0, sizeof blocks);
	cairn_heap_destroy(h);
}

static void destroying_gives_every_span_back(void)
{
	uint64_t out[CAIRN_CLASS_COUNT];
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		out[c] = cairn_stats_out_of(c);
	size_t used = used_bytes();
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	for (int i = 0; i < 20000; i++)
		EXPECT(cairn_heap_alloc(h, choose()));
	EXPECT(used_bytes() > used + (10 << 20));
	cairn_heap_validate(h);
	cairn_heap_destroy(h);
	EXPECT_EQ(used_bytes(), used);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(cairn_stats_out_of(c), out[c]);
	cairn_heap_destroy(NULL);
	cairn_pageheap_validate();
	cairn_window_validate();
}

static void a_block_is_aligned_as_asked(void)
{
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	for (size_t align = 1; align <= 8 << 20; align *= 2)
		for (size_t n = 0; n <= 100000; n = n * 3 + 1) {
			char *p = cairn_heap_alloc_aligned(h, align, n);
			EXPECT(p && (uintptr_t)p % align == 0 && (uintptr_t)p % 16 == 0);
			EXPECT(cairn_malloc_usable_size(p) >= n && cairn_malloc_usable_size(p) >= 16);
		}
	errno = 0;
	EXPECT(!cairn_heap_alloc_aligned(h, 24, 10) && errno == EINVAL);
	EXPECT(!cairn_heap_alloc_aligned(h, 0, 10));
	errno = 0;
	EXPECT(!cairn_heap_alloc(h, SIZE_MAX) && errno == ENOMEM);
	EXPECT(!cairn_heap_alloc(h, (size_t)PTRDIFF_MAX + 1));
	cairn_heap_validate(h);
	cairn_heap_destroy(h);
}

static void realloc_moves_a_block_out_of_its_heap(void)
{
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	static const size_t sizes[] = { 40, 3000, 40000, 3 << 20 };
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++) {
			unsigned char *p = cairn_heap_alloc(h, sizes[i]);
			REQUIRE(p);
			memset(p, 42, sizes[i]);
			unsigned char *q = cairn_realloc(p, sizes[k]);
			REQUIRE(q);
			for (size_t b = 0; b < sizes[i] && b < sizes[k]; b++)
				EXPECT(q[b] == 42);
			cairn_heap_validate(h);
			cairn_free(q);
		}
	EXPECT_EQ(cairn_heap_live_bytes(h), 0);
	cairn_heap_destroy(h);
}

static void *fill(void *heap)
{
	uint64_t random = (uintptr_t)&random;
	void *blocks[64] = { 0 };
	for (int i = 0; i < 20000; i++) {
		void **place = &blocks[test_random(&random) % 64];
		cairn_heap_free(heap, *place);
		*place = cairn_heap_alloc(heap, test_random(&random) % 2000);
	}
	return NULL; /* 64 blocks are left to whoever destroys the heap */
}

static void threads_share_a_heap_and_another_destroys_it(void)
{
	pthread_t threads[4];
	size_t used = used_bytes();
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, fill, h), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cairn_heap_validate(h);
	EXPECT(cairn_heap_live_bytes(h) > 0);
	cairn_heap_destroy(h);
	EXPECT(used_bytes() <= used + (1 << 20)); /* libc keeps something of its threads */
}

static void a_refusal_is_a_null_and_changes_nothing(void)
{
	EXPECT(cairn_fault_set("mprotect", 1, ENOMEM));
	EXPECT(cairn_fault_set("mmap", 1, ENOMEM));
	EXPECT(cairn_fault_set("mremap", 1, ENOMEM));
	cairn_heap *heaps[200] = { 0 };
	unsigned refused = 0;
	for (int i = 0; i < 200; i++) {
		heaps[i] = cairn_heap_create();
		refused += !heaps[i];
		for (int k = 0; heaps[i] && k < 300; k++)
			refused += !cairn_heap_alloc(heaps[i], 10000);
		if (heaps[i])
			cairn_heap_validate(heaps[i]);
	}
	EXPECT(refused > 0);
	cairn_fault_set("mprotect", 0, 0);
	cairn_fault_set("mmap", 0, 0);
	cairn_fault_set("mremap", 0, 0);
	for (int i = 0; i < 200; i++) {
		EXPECT(!heaps[i] || cairn_heap_alloc(heaps[i], 10000));
		cairn_heap_destroy(heaps[i]);
	}
	cairn_pageheap_validate();
}

int main(void)
{
	RUN(live_bytes_are_what_a_list_says);
	RUN(destroying_gives_every_span_back);
	RUN(a_block_is_aligned_as_asked);
	RUN(realloc_moves_a_block_out_of_its_heap);
	RUN(threads_share_a_heap_and_another_destroys_it);
	if (CAN_REFUSE)
		RUN(a_refusal_is_a_null_and_changes_nothing);
	DONE();
}
