/* Large blocks: size, growth in place, moves without copying. The contract is in malloc/large.h. */
#include "cairn/malloc.h"
#include "malloc/large.h"
#include "malloc/stats.h"
#include "os/sys.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"
#include "support/child.h"

#include <sys/mman.h>

static cairn_span *span_of(void *p) { return cairn_window_span((uintptr_t)p); }

static bool is_filled(const char *p, size_t bytes, char with)
{
	return !bytes || (*p == with && !memcmp(p, p + 1, bytes - 1));
}

static void run_comes_and_goes(void *unused)
{
	(void)unused;
	enum { BYTES = 64 << 20 };
	size_t purged = 0;
	double slowest = 0;
	for (int i = 0; i < 8; i++) {
		double began = test_seconds();
		char *p = cairn_malloc(BYTES);
		REQUIRE(p);
		memset(p, i, BYTES);
		cairn_free(p);
		double took = test_seconds() - began;
		slowest = took > slowest ? took : slowest;
		if (i == 2)
			purged = cairn_pageheap_count().purged_granules;
	}
	if (slowest < 0.05) /* else it was away for longer than what is kept rests without proof (page/purge.c) */
		EXPECT_EQ(cairn_pageheap_count().purged_granules, purged);
	cairn_purge_validate();
}

static void what_comes_and_goes_is_purged_no_more_after_a_while(void) { in_a_child(run_comes_and_goes, NULL); }

static void usable_size_is_the_request_in_whole_4_kib(void)
{
	static const size_t sizes[] = { 32769, 40960, 100000, 1 << 20, (2 << 20) + 1, (5 << 20) - 1, 64 << 20 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char *p = cairn_malloc(sizes[i]);
		REQUIRE(p);
		EXPECT_EQ(cairn_malloc_usable_size(p), (sizes[i] + 4095) / 4096 * 4096);
		EXPECT_EQ(span_of(p)->kind, CAIRN_SPAN_LARGE);
		p[0] = p[cairn_malloc_usable_size(p) - 1] = 1;
		cairn_free(p);
		cairn_pageheap_validate();
	}
}

static void what_is_said_to_be_zero_is_zero(void)
{
	for (size_t bytes = 40000; bytes < 6 << 20; bytes = bytes * 3 / 2) {
		for (int again = 0; again < 4; again++) {
			bool zero = false;
			char *p = cairn_large_alloc(bytes, 16, &zero);
			REQUIRE(p);
			EXPECT(!zero || is_filled(p, bytes, 0));
			memset(p, 0x55, bytes);
			cairn_large_free(span_of(p));
			if (again == 1)
				cairn_malloc_trim(0);
		}
		char *p = cairn_calloc(1, bytes);
		EXPECT(p && is_filled(p, bytes, 0));
		cairn_free(p);
	}
}

/* How many OS pages of the kernel's are resident. */
static size_t resident_pages(char *p, size_t bytes)
{
	static unsigned char resident[(72 << 20) / 4096];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	if (bytes / 4096 > sizeof resident || mincore(p, bytes, resident))
		return SIZE_MAX;
	for (size_t i = 0; i < bytes / page; i++)
		n += resident[i] & 1;
	return n;
}

/* A zeroed block whose granules were all used just before. */
static char *calloc_from_dirty(size_t bytes, size_t *resident)
{
	char *p = cairn_malloc(bytes);
	if (p)
		memset(p, 5, bytes);
	cairn_free(p);
	p = cairn_calloc(1, bytes);
	*resident = p ? resident_pages(p, bytes / 65536 * 65536) : 0;
	return p;
}

static void run_sparse(void *page_bytes)
{
	enum { BYTES = (40 << 20) + 20000, BEHIND = 60000, ROUNDS = 3 };
	size_t page = *(size_t *)page_bytes, resident, purged_all = 0;
	cairn_vm_page_bytes_inject(page);
	char *wall = cairn_malloc(BYTES), *behind = NULL;
	REQUIRE(wall);
	for (int i = 0; i < ROUNDS; i++) {
		char *p = calloc_from_dirty(BYTES, &resident);
		REQUIRE(p);
		purged_all += resident <= 65536 / 4096;
		EXPECT(is_filled(p, BYTES, 0));
		EXPECT(!behind || is_filled(behind, BEHIND, 3)); /* may share the last OS page */
		if (!behind)
			memset(behind = cairn_malloc(BEHIND), 3, BEHIND);
		memset(p, 9, cairn_malloc_usable_size(p));
		EXPECT(is_filled(behind, BEHIND, 3));
		cairn_free(p);
		cairn_pageheap_validate();
	}
	EXPECT_EQ(purged_all, ROUNDS);
	cairn_free(behind);
	cairn_free(wall);
}

static void calloc_of_a_large_sparse_table_stays_sparse(void) /* whatever lay there before */
{
	for (size_t page = cairn_vm_page_bytes(); page <= 65536; page *= 4)
		in_a_child(run_sparse, &page);
}

static void run_unpurged(void *in_what_way)
{
	enum { BYTES = 33 << 20 };
	size_t resident;
	char way = *(char *)in_what_way;
	if (way == 'b') /* as if another thread were at it, for longer than is waited */
		REQUIRE(cairn_purge_enter());
	if (way == 'l' && (geteuid() || mlockall(MCL_CURRENT | MCL_FUTURE)))
		return; /* not allowed here, or not so much */
	if (way == 'r')
		cairn_fault_set("madvise", 1, EINVAL);
	for (int i = 0; i < 2; i++) {
		char *p = calloc_from_dirty(BYTES, &resident);
		REQUIRE(p);
		if (way == 'l') /* what was locked is purged when it is freed, but for a part */
			EXPECT(resident > 0);
		else
			EXPECT_EQ(resident, BYTES / (size_t)sysconf(_SC_PAGESIZE));
		EXPECT(is_filled(p, BYTES, 0));
		cairn_free(p);
	}
}

static void where_nothing_can_be_purged_calloc_clears(void)
{
	/* Busy, refused, locked: not where a sanitizer's shadow would be locked too. */
	for (const char *way = CAN_REFUSE ? "br" : "b"; *way; way++)
		in_a_child(run_unpurged, (void *)way);
	if (CAN_LIMIT)
		in_a_child(run_unpurged, "l");
}

static void calloc_zeroes_what_a_move_left_behind(void)
{
	char *p = cairn_malloc(3 << 20), *wall = cairn_malloc(100000);
	REQUIRE(p && wall);
	memset(p, 7, 3 << 20);
	p = cairn_realloc(p, 12 << 20);
	EXPECT(p && is_filled(p, 3 << 20, 7));
	for (int i = 0; i < 8; i++) {
		char *z = cairn_calloc(1, 3 << 20);
		EXPECT(z && is_filled(z, 3 << 20, 0));
		memset(z, 9, 3 << 20);
		cairn_free(z);
	}
	cairn_free(p);
	cairn_free(wall);
	cairn_pageheap_validate();
}

static void a_block_grows_in_place_when_nothing_lies_behind(void)
{
	char *p = cairn_malloc(1 << 20), *q;
	REQUIRE(p);
	memset(p, 3, 1 << 20);
	size_t grown = 0;
	for (size_t bytes = 1 << 20; bytes < 60 << 20; bytes += 1 << 20, p = q) {
		q = cairn_realloc(p, bytes);
		REQUIRE(q);
		grown += q == p;
		EXPECT(is_filled(q, 1 << 20, 3));
		cairn_pageheap_validate();
	}
	EXPECT(grown >= 50);
	cairn_free(p);
}

static void a_block_shrinks_in_place_and_what_it_loses_serves_others(void)
{
	char *p = cairn_malloc(9 << 20);
	REQUIRE(p);
	size_t used = cairn_pageheap_count().used_granules;
	EXPECT(cairn_realloc(p, 3 << 20) == p);
	EXPECT(cairn_pageheap_count().used_granules <= used - ((5u << 20) >> CAIRN_GRANULE_SHIFT));
	EXPECT(cairn_realloc(p, (3 << 20) - 100000) == p);
	cairn_pageheap_validate();
	cairn_free(p);
	cairn_pageheap_validate();
}

static void spans_over_many_chunks_lead_back_to_their_header(void)
{
	char *p = cairn_malloc(7 << 20);
	REQUIRE(p);
	for (size_t at = 0; at < 7 << 20; at += 4096)
		EXPECT(span_of(p + at) && span_of(p + at)->base == p);
	char *q = cairn_realloc(p, (2 << 20) + 50000); /* its last granules lie in the second chunk */
	EXPECT(q == p);
	EXPECT(span_of(p + (2 << 20))->base == p);
	EXPECT(span_of(p + (4 << 20)) == NULL || span_of(p + (4 << 20))->base != p);
	cairn_free(q);
}

static void far_alignments_are_kept(void)
{
	for (size_t align = 32 << 10; align <= 64 << 20; align *= 2)
		for (size_t bytes = 1; bytes < 5 << 20; bytes = bytes * 7 + 1000) {
			char *p = cairn_memalign(align, bytes);
			REQUIRE(p);
			EXPECT_EQ((uintptr_t)p % align, 0);
			EXPECT(cairn_malloc_usable_size(p) >= bytes);
			memset(p, 1, bytes);
			cairn_pageheap_validate();
			cairn_free(p);
		}
	cairn_pageheap_validate();
}

static void moving_carries_nothing_of_the_neighbours(void *page_bytes) /* with OS pages over a granule */
{
	cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	char *before[40], *blocks[40];
	for (int i = 0; i < 40; i++) {
		blocks[i] = cairn_malloc((1 << 20) + (size_t)(i + 1) * 4096);
		before[i] = cairn_malloc(33000);
		REQUIRE(blocks[i] && before[i]);
		memset(blocks[i], i, 1 << 20);
		memset(before[i], i, 33000);
	}
	for (int i = 0; i < 40; i++) {
		blocks[i] = cairn_realloc(blocks[i], 3 << 20);
		REQUIRE(blocks[i]);
		for (int k = 0; k < 40; k++)
			EXPECT(is_filled(blocks[k], 1 << 20, (char)k) && is_filled(before[k], 33000, (char)k));
	}
}

static void a_move_touches_its_block_alone_whatever_the_page(void)
{
	for (size_t page = cairn_vm_page_bytes(); page <= 65536; page *= 4)
		in_a_child(moving_carries_nothing_of_the_neighbours, &page);
}

/* A block of 7 granules and a little takes a span of 9 off the shelf: what it leaves is a tail, some granules from an
 * OS page's start. */
static void tails_are_purged_in_whole_pages(void *page_bytes)
{
	enum { BLOCKS = 400, ROUNDS = 12000 };
	static char *blocks[BLOCKS];
	static size_t bytes[BLOCKS];
	uint32_t rnd = 7;
	cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	for (int round = 0; round < ROUNDS; round++) {
		rnd = rnd * 1103515245 + 12345;
		size_t i = rnd / 65536 % BLOCKS;
		REQUIRE(is_filled(blocks[i], bytes[i], (char)i));
		cairn_free(blocks[i]);
		bytes[i] = (rnd >> 20 & 1 ? 9 * 16384 - 100 : 7 * 16384 + 1000);
		blocks[i] = cairn_malloc(bytes[i]);
		REQUIRE(blocks[i]);
		memset(blocks[i], (int)i, bytes[i]);
	}
}

static void a_tail_ends_with_its_span_whatever_the_page(void) /* V4 */
{
	for (size_t page = cairn_vm_page_bytes(); page <= 65536; page *= 4)
		in_a_child(tails_are_purged_in_whole_pages, &page);
}

static void absurd_sizes_are_refused(void)
{
	EXPECT(!cairn_large_alloc((size_t)PTRDIFF_MAX + 1, 16, NULL));
	EXPECT(!cairn_large_alloc(SIZE_MAX, 16, NULL));
	EXPECT(!cairn_large_alloc(PTRDIFF_MAX, 16, NULL));
	EXPECT(!cairn_large_alloc(1 << 20, (size_t)PTRDIFF_MAX + 1, NULL));
	char *p = cairn_malloc(1 << 20);
	REQUIRE(p);
	EXPECT(!cairn_large_resize(span_of(p), SIZE_MAX));
	EXPECT(!cairn_large_resize(span_of(p), PTRDIFF_MAX));
	EXPECT_EQ(cairn_malloc_usable_size(p), 1 << 20);
	cairn_free(p);
	cairn_pageheap_validate();
}

static void runways_together_stay_within_their_bound(void)
{
	enum { BLOCKS = 20, BYTES = 20 << 20, BOUND = 32 << 20 };
	static char *blocks[BLOCKS];
	for (int round = 0; round < 3; round++) {
		size_t before = cairn_pageheap_used_bytes();
		for (int i = 0; i < BLOCKS; i++)
			blocks[i] = cairn_malloc(BYTES);
		EXPECT(cairn_pageheap_used_bytes() - before <= (size_t)BLOCKS * BYTES + BOUND);
		for (int i = 0; i < BLOCKS; i++) /* up and down, so that sizes change with and without a runway */
			blocks[i] = cairn_realloc(blocks[i], i % 3 ? BYTES / 2 : BYTES + BYTES / 4);
		for (int i = 0; i < BLOCKS; i++)
			cairn_free(blocks[i]);
		EXPECT_EQ(cairn_pageheap_used_bytes(),
			before); /* and so the first block of the next round has one again */
		char *first = cairn_malloc(BYTES);
		EXPECT(cairn_pageheap_used_bytes() - before > (size_t)BYTES);
		cairn_free(first);
	}
}

static void run_long_tails(void *unused)
{
	(void)unused;
	enum { BYTES = 3 << 19, ALIGN = 4 << 20, SMALL_BYTES = 36900 }; /* a tail of 512 KiB, and one of 8 KiB */
	for (int i = 0; i < 40; i++) {
		char *p = cairn_memalign(ALIGN, BYTES);
		REQUIRE(p);
		memset(p, 1, BYTES);
		cairn_free(p);
	}
	char *p = cairn_malloc(SMALL_BYTES);
	EXPECT_EQ(span_of(p)->bucket, 2); /* kept and counted: there is room for it */
	cairn_free(p);
}

static void the_longest_tails_are_not_counted_for_ever(void) { in_a_child(run_long_tails, NULL); }

int main(void)
{
	RUN(the_longest_tails_are_not_counted_for_ever); /* first: no tails are counted yet */
	RUN(a_move_touches_its_block_alone_whatever_the_page); /* early: its children inject a page size */
	RUN(a_tail_ends_with_its_span_whatever_the_page);
	RUN(calloc_of_a_large_sparse_table_stays_sparse); /* likewise */
	RUN(where_nothing_can_be_purged_calloc_clears);
	RUN(what_comes_and_goes_is_purged_no_more_after_a_while);
	RUN(usable_size_is_the_request_in_whole_4_kib);
	RUN(what_is_said_to_be_zero_is_zero);
	RUN(calloc_zeroes_what_a_move_left_behind);
	RUN(a_block_grows_in_place_when_nothing_lies_behind);
	RUN(runways_together_stay_within_their_bound);
	RUN(a_block_shrinks_in_place_and_what_it_loses_serves_others);
	RUN(spans_over_many_chunks_lead_back_to_their_header);
	RUN(far_alignments_are_kept);
	RUN(absurd_sizes_are_refused);
	DONE();
}
