/* What is free is left out of core files, and what is somebody's never: by the kernel's word on each mapping. Cases
 * cite the invariants of page/corefile.h. */
#include "os/sys.h"
#include "os/vm.h"
#include "page/corefile.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "support/child.h"
#include "support/hidden.h"

enum { MIB = 1 << 20, MIB_GRANULES = MIB / CAIRN_GRANULE_BYTES, SPANS = 12000 };

static cairn_span *spans[SPANS];

static cairn_span *take(size_t granules)
{
	cairn_span *s = cairn_pageheap_alloc(granules, 1, CAIRN_SPAN_LARGE, NULL);
	EXPECT(s);
	return s;
}

static void purge_all(void)
{
	while (cairn_purge_step(0, 1000000))
		;
	cairn_pageheap_validate(); /* D1 to D4 */
}

static size_t maps_now(void)
{
	char text[4096];
	size_t lines = 0;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	close(fd);
	return lines;
}

static void free_memory(void *unused)
{
	(void)unused;
	cairn_span *s = take(256 * MIB_GRANULES);
	char *base = s->base;
	size_t maps = maps_now();
	cairn_pageheap_free(s, 256 * MIB_GRANULES, 256 * MIB_GRANULES);
	purge_all();
	EXPECT(hidden_bytes(base, 256 * MIB) >= 240 * MIB);
	EXPECT(maps_now() <= maps + 3);
}

static void never_touched(void *unused)
{
	(void)unused;
	cairn_span *s = take(64 * MIB_GRANULES);
	char *base = s->base;
	cairn_pageheap_free(s, 64 * MIB_GRANULES, 0);
	EXPECT(cairn_purge_is_due());
	cairn_purge_self(0);
	EXPECT(hidden_bytes(base, 64 * MIB) >= 48 * MIB);
	EXPECT(!cairn_purge_is_due());
}

/* Spans of all kinds out of hidden memory: small ones, across chunks, aligned, grown. */
static void somebodys(void *unused)
{
	(void)unused;
	cairn_span *s = take(256 * MIB_GRANULES);
	char *base = s->base;
	cairn_pageheap_free(s, 256 * MIB_GRANULES, 256 * MIB_GRANULES);
	purge_all();
	cairn_span *small = take(1), *across = take(300), *aligned;
	EXPECT(small->base >= base && across->base >= base && across->base < base + 256 * MIB);
	EXPECT_EQ(hidden_bytes(small->base, CAIRN_GRANULE_BYTES), 0);
	EXPECT_EQ(hidden_bytes(across->base, 300 * CAIRN_GRANULE_BYTES), 0);
	EXPECT(cairn_pageheap_grow(across, 300, 2000, NULL));
	EXPECT_EQ(hidden_bytes(across->base, 2000 * CAIRN_GRANULE_BYTES), 0);
	aligned = cairn_pageheap_alloc(CAIRN_CHUNK_GRANULES, 16 * CAIRN_CHUNK_GRANULES, CAIRN_SPAN_LARGE, NULL);
	EXPECT(aligned && hidden_bytes(aligned->base, CAIRN_CHUNK_BYTES) == 0);
	EXPECT(hidden_bytes(base, 256 * MIB) >= 128 * MIB); /* the rest still is */
	cairn_pageheap_validate();
}

/* A program that hides a block of its own finds it hidden whatever its neighbours become. */
static void a_key(void *unused)
{
	(void)unused;
	cairn_span *before = take(40 * MIB_GRANULES), *key = take(1), *behind = take(20);
	cairn_span *far = take(40 * MIB_GRANULES);
	EXPECT(cairn_vm_hide(key->base, CAIRN_GRANULE_BYTES));
	cairn_pageheap_free(before, 40 * MIB_GRANULES, 1);
	cairn_pageheap_free(behind, 20, 20);
	cairn_pageheap_free(far, 40 * MIB_GRANULES, 1);
	purge_all();
	EXPECT(cairn_corefile_hidden_granules() > 40 * MIB_GRANULES);
	for (size_t i = 0; i < 100; i++) {
		spans[i] = take(1 + i);
		EXPECT_EQ(hidden_bytes(spans[i]->base, (1 + i) * CAIRN_GRANULE_BYTES), 0);
		EXPECT_EQ(hidden_bytes(key->base, CAIRN_GRANULE_BYTES), CAIRN_GRANULE_BYTES);
	}
	cairn_pageheap_validate();
}

/* Every granule free but each fourth: no more mappings than are allowed. */
static void checkerboard(void *unused)
{
	(void)unused;
	size_t maps = maps_now();
	for (size_t i = 0; i < SPANS; i++)
		spans[i] = take(i % 2 ? 1 : 3);
	for (size_t i = 0; i < SPANS; i += 2)
		cairn_pageheap_free(spans[i], 3, 3);
	purge_all();
	EXPECT(cairn_corefile_runs() >= 1000 && cairn_corefile_runs() <= 4096);
	EXPECT(maps_now() <= maps + 2 * cairn_corefile_runs() + 8);
	for (size_t i = 1; i < SPANS; i += 2)
		if (i % 64 == 1)
			EXPECT_EQ(hidden_bytes(spans[i]->base, CAIRN_GRANULE_BYTES), 0);
	for (size_t i = 1; i < SPANS; i += 2)
		cairn_pageheap_free(spans[i], 1, 1);
	purge_all(); /* one run again */
	EXPECT(cairn_corefile_runs() <= 8);
	EXPECT(maps_now() <= maps + 16);
}

/* A program that takes and gives back asks the kernel rarely. */
static void a_cycle(void *unused)
{
	(void)unused;
	cairn_span *s = take(64 * MIB_GRANULES);
	cairn_pageheap_free(s, 64 * MIB_GRANULES, 64 * MIB_GRANULES);
	purge_all();
	size_t hidden = cairn_corefile_hidden_granules(), changes = 0;
	for (int i = 0; i < 1000; i++) {
		s = take(100);
		cairn_pageheap_free(s, 100, 0);
		if (cairn_purge_is_due())
			cairn_purge_self(0);
		changes += cairn_corefile_hidden_granules() != hidden;
		hidden = cairn_corefile_hidden_granules();
	}
	EXPECT(changes <= 2);
}

static void refused(void *unused)
{
	(void)unused;
	cairn_span *s = take(64 * MIB_GRANULES);
	char *base = s->base;
	cairn_pageheap_free(s, 64 * MIB_GRANULES, 0);
	EXPECT(cairn_fault_set("madvise", 1, ENOMEM));
	EXPECT(!cairn_pageheap_hide_step());
	EXPECT_EQ(cairn_corefile_hidden_granules(), 0);
	cairn_pageheap_validate();
	EXPECT(cairn_fault_set("madvise", 0, 0));
	while (cairn_pageheap_hide_step())
		;
	EXPECT(hidden_bytes(base, 64 * MIB) >= 48 * MIB);
	EXPECT(cairn_fault_set("madvise", 1, EPERM));
	cairn_span *again = take(64 * MIB_GRANULES); /* not shown, so mapped anew */
	EXPECT(again->base == base);
	EXPECT_EQ(hidden_bytes(base, 64 * MIB), 0);
	memset(base, 1, 64 * MIB);
	cairn_pageheap_validate();
	EXPECT(cairn_fault_set("madvise", 0, 0));
}

static void with_large_pages(void *page_bytes)
{
	cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	for (size_t i = 0; i < 4000; i++)
		spans[i] = take(i % 2 ? 1 : 9);
	for (size_t i = 0; i < 4000; i += 2)
		cairn_pageheap_free(spans[i], 9, 9);
	purge_all(); /* D4 */
	EXPECT(cairn_corefile_hidden_granules() > 1000);
	for (size_t i = 1; i < 4000; i += 2)
		if (i % 16 == 1)
			EXPECT_EQ(hidden_bytes(spans[i]->base, CAIRN_GRANULE_BYTES), 0);
}

/* For what looks at memory that is hidden. */
static void seen_in_a_child(void (*body)(void *))
{
	if (is_emulated())
		SKIP(HIDDEN_IS_UNKNOWN);
	in_a_child(body, NULL);
}

static void purged_memory_is_in_no_core_file(void) { seen_in_a_child(free_memory); }
static void freed_memory_that_was_never_touched_is_in_no_core_file(void) { seen_in_a_child(never_touched); }
static void what_is_somebodys_is_in_the_core_file(void) { seen_in_a_child(somebodys); } /* D1 */
static void what_a_program_hides_stays_hidden(void) { seen_in_a_child(a_key); }
static void a_checkerboard_makes_a_bounded_number_of_mappings(void) { in_a_child(checkerboard, NULL); }
static void a_cycle_asks_the_kernel_rarely(void) { in_a_child(a_cycle, NULL); }
static void refused_advice_loses_nothing(void) { seen_in_a_child(refused); }

static void hidden_are_whole_pages(void) /* D4 */
{
	size_t page_bytes = 65536;
	if (cairn_pageheap_count().open_granules)
		SKIP("something allocated before main: the page size cannot be injected any more");
	in_a_child(with_large_pages, &page_bytes);
}

int main(void)
{
	RUN(purged_memory_is_in_no_core_file);
	RUN(freed_memory_that_was_never_touched_is_in_no_core_file);
	RUN(what_is_somebodys_is_in_the_core_file);
	RUN(what_a_program_hides_stays_hidden);
	RUN(a_checkerboard_makes_a_bounded_number_of_mappings);
	RUN(a_cycle_asks_the_kernel_rarely);
	if (CAN_REFUSE)
		RUN(refused_advice_loses_nothing);
	RUN(hidden_are_whole_pages);
	DONE();
}
