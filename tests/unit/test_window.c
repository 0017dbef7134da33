/* The page map: from an address to what is written down about it. Cases cite the invariants of page/window.h. */
#include "cairn/malloc.h"
#include "os/limits.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

#include <sys/mman.h>

enum { MAP_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE };

static unsigned window_count(void)
{
	unsigned n = 0;
	for (cairn_window *w = &cairn_window_first; w; w = w->next)
		n++;
	return n;
}

static void an_address_of_nobody_has_no_window(void)
{
	int local;
	cairn_free(cairn_malloc(100)); /* there is a first window */
	EXPECT(!cairn_window_span((uintptr_t)&local) && !cairn_window_is_open((uintptr_t)&local));
	EXPECT(!cairn_window_span(0) && !cairn_window_is_open(0));
	EXPECT(!cairn_window_span(UINTPTR_MAX) && !cairn_window_is_open(UINTPTR_MAX));
	EXPECT(!cairn_window_of(cairn_window_first.base - 1));
	EXPECT(!cairn_window_span(cairn_window_first.base + cairn_window_first.bytes));
	cairn_page_region *r = cairn_window_newest();
	EXPECT(cairn_window_is_open(r->start) && cairn_window_is_open(r->open_end - 1));
	EXPECT(!cairn_window_is_open(r->open_end));
	EXPECT(!cairn_window_span(r->open_end));
	cairn_window_validate();
}

static void the_first_window_has_room_for_what_the_machine_has(void)
{
	EXPECT(cairn_window_first.span_bytes >= cairn_limits_get()->ram_bytes || IS_SANITIZED);
	EXPECT(cairn_window_first.bytes < cairn_window_first.span_bytes); /* its maps are opened as they are needed */
	EXPECT_EQ(cairn_window_first.bytes % CAIRN_WINDOW_STEP, 0);         /* W1 */
}

static void regions_follow_each_other_while_nobody_is_in_the_way(void *unused) /* W1, W2 */
{
	(void)unused;
	cairn_page_region *first = cairn_window_newest();
	uintptr_t start = first ? first->start : 0;
	for (int i = 0; i < 20; i++)
		EXPECT(cairn_pageheap_alloc(640, 1, CAIRN_SPAN_LARGE, NULL));
	cairn_page_region *r = cairn_window_newest();
	EXPECT(r && !r->next && (!start || r->start == start) && r->end - r->start >= 200u << 20);
	EXPECT_EQ(window_count(), 1);
	cairn_window_validate();
}

static void one_region_grows_while_nobody_is_in_the_way(void)
{
	in_a_child(regions_follow_each_other_while_nobody_is_in_the_way, NULL);
}

/* Somebody maps the page behind our newest region, or did so before. */
static void build_wall(void)
{
	cairn_page_region *r = cairn_window_newest();
	void *wall = mmap((void *)r->end, 4096, PROT_NONE, MAP_FLAGS, -1, 0);
	EXPECT(wall == (void *)r->end || (wall == MAP_FAILED && errno == EEXIST));
}

static void walls_make_further_windows(void *unused) /* W1, W2, W3 */
{
	static char *blocks[600];
	unsigned n = 0;
	(void)unused;
	cairn_free(cairn_malloc(100));
	for (int i = 0; i < 6; i++) {
		build_wall();
		for (int k = 0; k < 100; k++, n++) {
			size_t bytes = (size_t)k * k * 20;
			blocks[n] = cairn_malloc(bytes);
			REQUIRE(blocks[n]);
			memset(blocks[n], (int)n, bytes);
			cairn_span *s = cairn_window_span((uintptr_t)blocks[n]);
			EXPECT(s && blocks[n] >= s->base && cairn_window_is_open((uintptr_t)blocks[n]));
		}
		EXPECT(cairn_pageheap_alloc(2000, 1, CAIRN_SPAN_LARGE, NULL)); /* nothing is left of the region */
		cairn_window_validate();
		cairn_pageheap_validate();
	}
	NOTE("%u windows", window_count());
	EXPECT(window_count() > 3);
	for (unsigned i = 0; i < n; i++) {
		size_t k = i % 100, bytes = k * k * 20;
		for (size_t b = 0; b < bytes; b++)
			EXPECT(blocks[i][b] == (char)i);
		if (i % 3 == 0)
			blocks[i] = cairn_realloc(blocks[i], bytes + 5000);
		cairn_free(blocks[i]);
	}
	cairn_malloc_trim(0);
	cairn_window_validate();
	cairn_pageheap_validate();
}

/* The kernel gives the highest gap that is wide enough: gaps are opened upwards, so that each region comes to lie a
 * little above the one before. */
static void gaps_above_each_other(void *unused) /* W4 */
{
	enum { GAPS = 6, GAP = 8 << 20, APART = 12 << 20 };
	char *blocks[GAPS][20];
	(void)unused;
	cairn_free(cairn_malloc(100));
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *filled = mmap(NULL, (GAPS + 2) * (size_t)APART, PROT_NONE, flags, -1, 0);
	REQUIRE(filled != MAP_FAILED);
	for (int i = 0; i < GAPS; i++) {
		build_wall();
		munmap(filled + (size_t)(i + 1) * APART, GAP);
		EXPECT(cairn_pageheap_alloc(100, 1, CAIRN_SPAN_LARGE, NULL));
		for (int k = 0; k < 20; k++)
			memset(blocks[i][k] = cairn_malloc(2000 * (size_t)k + 1), i, 2000 * (size_t)k + 1);
		cairn_window_validate();
	}
	NOTE("%u windows", window_count());
	for (int i = 0; i < GAPS; i++)
		for (int k = 0; k < 20; k++) {
			EXPECT(blocks[i][k][2000 * k] == (char)i);
			cairn_free(blocks[i][k]);
		}
	cairn_pageheap_validate();
}

static void windows_a_little_apart_do_not_overlap(void) { in_a_child(gaps_above_each_other, NULL); }

static void blocks_of_further_windows_are_blocks_like_others(void) { in_a_child(walls_make_further_windows, NULL); }

/* All mapping hints are taken: the first region lies where the kernel likes. */
static void a_small_world(void *unused)
{
	(void)unused;
	if (cairn_window_newest())
		return; /* something allocated before main */
	uintptr_t step = (uintptr_t)1 << 36; /* every 64 GiB a page */
	for (uintptr_t at = step; at < (uintptr_t)1 << 47; at += step)
		mmap((void *)at, 4096, PROT_NONE, MAP_FLAGS, -1, 0);
	void *blocks[500];
	for (int i = 0; i < 500; i++)
		EXPECT((blocks[i] = cairn_malloc((size_t)i * 1000)) != NULL);
	cairn_window_validate();
	for (int i = 0; i < 500; i++)
		cairn_free(blocks[i]);
	cairn_pageheap_validate();
}

static void a_crowded_address_space_serves_too(void) { in_a_child(a_small_world, NULL); }

int main(void)
{
	if (CAN_LIMIT)
		RUN(a_crowded_address_space_serves_too);
	RUN(one_region_grows_while_nobody_is_in_the_way);
	RUN(an_address_of_nobody_has_no_window);
	RUN(the_first_window_has_room_for_what_the_machine_has);
	RUN(blocks_of_further_windows_are_blocks_like_others);
	RUN(windows_a_little_apart_do_not_overlap);
	DONE();
}
