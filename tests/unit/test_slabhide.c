/* Pages purged inside slabs in use are left out of core files, and no block's page ever: by the kernel's word on each
 * mapping. Cases cite the invariants of malloc/slabhide.h. */
#include "cairn/malloc.h"
#include "malloc/central.h"
#include "malloc/fork.h"
#include "malloc/slabhide.h"
#include "malloc/slabpurge.h"
#include "malloc/threads.h"
#include "os/sys.h"
#include "os/vm.h"
#include "page/corefile.h"
#include "support/child.h"
#include "support/hidden.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

enum { MIB = 1 << 20, PAGE = 4096, BLOCKS = 48000, SHOWN_MOST = 24 * MIB, RUNS_MOST = 12288, BATCH_PAGES = 8 * 64 };

static char *blocks[BLOCKS];
static size_t block_count, block_bytes;

static void make(size_t i) { memset(blocks[i] = cairn_malloc(block_bytes), (int)i | 1, block_bytes); }

static void fill(size_t count, size_t bytes)
{
	block_count = count;
	block_bytes = bytes;
	for (size_t i = 0; i < count; i++)
		make(i);
}

/* Frees all but each one_in-th. */
static void thin_out(size_t one_in)
{
	for (size_t i = 0; i < block_count; i++)
		if (i % one_in && blocks[i]) {
			cairn_free(blocks[i]);
			blocks[i] = NULL;
		}
}

static void validate(void)
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		cairn_central_validate(c); /* B1 to B2 */
	cairn_slabhide_validate();         /* H1, H2 */
}

static void purge_all(void)
{
	cairn_cache *c = cairn_thread_enter();
	if (c)
		cairn_cache_empty_magazines(c);
	while (cairn_slabpurge_step(1000))
		;
	cairn_thread_leave(c);
	validate();
}

static bool is_in_a_range(const hidden_range *ranges, size_t n, uintptr_t from, uintptr_t to)
{
	size_t low = 0;
	for (size_t high = n; low < high;) { /* the first that ends behind from */
		size_t middle = (low + high) / 2;
		if (ranges[middle].to > from)
			high = middle;
		else
			low = middle + 1;
	}
	return low < n && ranges[low].from < to;
}

/* Blocks that are whole, and of which no byte is left out of core files. */
static size_t good_blocks(void)
{
	static hidden_range ranges[HIDDEN_MOST];
	size_t n = hidden_ranges(ranges, HIDDEN_MOST), good = 0;
	for (size_t i = 0; i < block_count; i++) {
		bool is_whole = blocks[i] != NULL;
		for (size_t k = 0; is_whole && k < block_bytes; k += 64)
			is_whole = blocks[i][k] == (char)(i | 1);
		uintptr_t from = (uintptr_t)blocks[i];
		good += is_whole && !is_in_a_range(ranges, n, from, from + block_bytes);
	}
	return good;
}

static size_t all_hidden_bytes(void)
{
	static hidden_range ranges[HIDDEN_MOST];
	size_t n = hidden_ranges(ranges, HIDDEN_MOST), sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += ranges[i].to - ranges[i].from;
	return sum;
}

/* In slabs and in free memory. */
static size_t books_hidden_bytes(void)
{
	return cairn_slabhide_hidden_bytes() + (cairn_corefile_hidden_granules() << CAIRN_GRANULE_SHIFT);
}

static size_t live_blocks(void)
{
	size_t n = 0;
	for (size_t i = 0; i < block_count; i++)
		n += blocks[i] != NULL;
	return n;
}

static void fill_again(void)
{
	for (size_t i = 0; i < block_count; i++)
		if (!blocks[i])
			make(i);
}

static void run_thinned(void *bytes)
{
	size_t before = all_hidden_bytes();
	fill((size_t)96 * MIB / *(size_t *)bytes, *(size_t *)bytes);
	thin_out(5);
	purge_all();
	EXPECT(cairn_slabhide_shown_bytes() <= SHOWN_MOST + BATCH_PAGES * PAGE);
	EXPECT(cairn_slabhide_hidden_bytes() > 24 * MIB);
	EXPECT(IS_SANITIZED || all_hidden_bytes() - before == books_hidden_bytes());
	EXPECT_EQ(good_blocks(), live_blocks());
	for (size_t i = 0; i < block_count / 2; i++) /* some of it is wanted again */
		if (!blocks[i])
			make(i);
	validate();
	EXPECT_EQ(good_blocks(), live_blocks());
	EXPECT(IS_SANITIZED || all_hidden_bytes() - before == books_hidden_bytes());
	thin_out(5);
	purge_all();
	EXPECT_EQ(good_blocks(), live_blocks());
	EXPECT(cairn_slabhide_shown_bytes() <= SHOWN_MOST + BATCH_PAGES * PAGE);
	fill_again();
	validate();
	EXPECT_EQ(good_blocks(), block_count);
}

/* Slabs that go to the page heap take nothing hidden along. */
static void run_all_freed(void *unused)
{
	(void)unused;
	size_t before = all_hidden_bytes();
	fill(96 * MIB / 12000, 12000);
	thin_out(5);
	purge_all();
	EXPECT(cairn_slabhide_hidden_bytes() > 24 * MIB);
	for (size_t i = 0; i < block_count; i++)
		cairn_free(blocks[i]);
	purge_all();
	EXPECT(cairn_slabhide_shown_bytes() + cairn_slabhide_hidden_bytes() == 0 && !cairn_slabhide_runs());
	EXPECT(IS_SANITIZED || all_hidden_bytes() - before == books_hidden_bytes());
}

/* A program that hides a block of its own finds it hidden whatever its neighbours become. */
static void run_with_a_key(void *unused)
{
	(void)unused;
	fill(96 * MIB / 12288, 12288);
	for (size_t i = 0; i < block_count; i += 5)
		EXPECT(cairn_vm_hide((void *)cairn_round_up((uintptr_t)blocks[i], PAGE), 8192));
	thin_out(5);
	purge_all();
	EXPECT(cairn_slabhide_hidden_bytes() > 24 * MIB);
	fill_again();
	size_t hidden = 0;
	for (size_t i = 0; i < block_count; i += 5 * 16)
		hidden += hidden_bytes((void *)cairn_round_up((uintptr_t)blocks[i], PAGE), 8192) == 8192;
	EXPECT_EQ(hidden, (block_count + 5 * 16 - 1) / (5 * 16));
}

/* Every second page empty: no more runs than are allowed. */
static void run_checkerboard(void *unused)
{
	(void)unused;
	fill(BLOCKS, PAGE);
	thin_out(2);
	purge_all();
	NOTE("%zu runs, %zu MiB hidden, %zu shown", cairn_slabhide_runs(), cairn_slabhide_hidden_bytes() / MIB,
		cairn_slabhide_shown_bytes() / MIB);
	EXPECT(cairn_slabhide_runs() > RUNS_MOST * 3 / 4 && cairn_slabhide_runs() <= RUNS_MOST + BATCH_PAGES / 2);
	EXPECT_EQ(good_blocks(), live_blocks());
	fill_again();
	EXPECT_EQ(good_blocks(), block_count);
	EXPECT_EQ(cairn_slabhide_runs(), 0);
	validate();
}

/* While each madvise is refused nothing can be shown: pages are mapped anew. Of each second, a whole run may be. */
static void run_refused(void *nth)
{
	fill(96 * MIB / 12000, 12000);
	thin_out(5);
	purge_all();
	EXPECT(cairn_slabhide_hidden_bytes() > 24 * MIB);
	EXPECT(cairn_fault_set("madvise", *(unsigned *)nth, EPERM));
	fill_again();
	EXPECT(cairn_fault_set("madvise", 0, 0));
	validate();
	EXPECT_EQ(good_blocks(), block_count);
}

/* Each fifth call fails: some are hidden in part, and fewer from then on. */
static void run_refused_now_and_then(void *unused)
{
	(void)unused;
	fill(96 * MIB / 6000, 6000);
	thin_out(7);
	EXPECT(cairn_fault_set("madvise", 5, ENOMEM));
	purge_all();
	EXPECT_EQ(good_blocks(), live_blocks());
	fill_again();
	thin_out(7);
	purge_all();
	fill_again();
	EXPECT(cairn_fault_set("madvise", 0, 0));
	validate();
	EXPECT_EQ(good_blocks(), block_count);
}

static _Atomic bool is_over;

static void *purge_on(void *unused)
{
	(void)unused;
	while (!is_over) {
		cairn_cache *c = cairn_thread_enter(); /* as the library's own callers */
		cairn_slabpurge_step(100);
		cairn_thread_leave(c);
	}
	return NULL;
}

/* One thread purges and hides all the time, within as many runs, while this one fills and thins out. */
static void run_beside_a_purger(void *runs)
{
	pthread_t purger;
	cairn_slabhide_limits_inject(0, *(size_t *)runs);
	EXPECT_EQ(pthread_create(&purger, NULL, purge_on, NULL), 0);
	fill(16 * MIB / 3000, 3000);
	for (int round = 0; round < 12; round++) {
		thin_out(2 + round % 4);
		EXPECT_EQ(good_blocks(), live_blocks());
		fill_again();
		EXPECT_EQ(good_blocks(), block_count);
	}
	is_over = true;
	pthread_join(purger, NULL);
	validate();
}

/* Children that begin in the midst of it find their blocks, old and new, in core files. */
static void run_forks_beside_a_purger(void *unused)
{
	(void)unused;
	pthread_t purger;
	cairn_fork_register(); /* as a janitor does */
	cairn_slabhide_limits_inject(0, RUNS_MOST);
	EXPECT_EQ(pthread_create(&purger, NULL, purge_on, NULL), 0);
	fill(16 * MIB / 3000, 3000);
	for (int round = 0; round < 10; round++) {
		thin_out(2 + (size_t)round % 4);
		pid_t child = fork();
		if (!child) {
			bool is_good = good_blocks() == live_blocks();
			fill_again();
			is_good &= good_blocks() == block_count;
			thin_out(3);
			purge_all();
			fill_again();
			_exit(is_good && good_blocks() == block_count ? 0 : 1);
		}
		int status;
		EXPECT(waitpid(child, &status, 0) == child && status == 0);
		fill_again();
	}
	is_over = true;
	pthread_join(purger, NULL);
	validate();
}

/* For what looks at memory that is hidden. */
static void seen_in_a_child(void (*body)(void *), void *arg)
{
	if (is_emulated())
		SKIP(HIDDEN_IS_UNKNOWN);
	in_a_child(body, arg);
}

static void of_12000_bytes_are_left_out(void) { seen_in_a_child(run_thinned, &(size_t){ 12000 }); }
static void of_3000_bytes_are_left_out(void) { seen_in_a_child(run_thinned, &(size_t){ 3000 }); }
static void slabs_that_go_take_nothing_hidden_along(void) { seen_in_a_child(run_all_freed, NULL); }
static void what_a_program_hides_stays_hidden(void) { seen_in_a_child(run_with_a_key, NULL); }
static void a_checkerboard_makes_a_bounded_number_of_mappings(void) { in_a_child(run_checkerboard, NULL); }
static void refused_advice_hides_no_block(void) { in_a_child(run_refused, &(unsigned){ 1 }); }
static void advice_refused_in_turns_hides_no_block(void) { in_a_child(run_refused, &(unsigned){ 2 }); }
static void advice_refused_now_and_then_hides_no_block(void) { in_a_child(run_refused_now_and_then, NULL); }
static void beside_allocation_no_block_is_hidden(void) { in_a_child(run_beside_a_purger, &(size_t){ RUNS_MOST }); }
static void within_few_runs_no_block_is_hidden(void) { in_a_child(run_beside_a_purger, &(size_t){ 100 }); }
static void in_children_no_block_is_hidden(void) { in_a_child(run_forks_beside_a_purger, NULL); }

int main(void)
{
	if (cairn_vm_page_bytes() != PAGE)
		SKIP_ALL("OS pages are larger");
	RUN(of_12000_bytes_are_left_out);
	RUN(of_3000_bytes_are_left_out);
	RUN(slabs_that_go_take_nothing_hidden_along);
	RUN(what_a_program_hides_stays_hidden);
	RUN(a_checkerboard_makes_a_bounded_number_of_mappings);
	RUN(beside_allocation_no_block_is_hidden);
	RUN(within_few_runs_no_block_is_hidden);
	if (!IS_SANITIZED)
		RUN(in_children_no_block_is_hidden);
	if (CAN_REFUSE) {
		RUN(refused_advice_hides_no_block);
		RUN(advice_refused_in_turns_hides_no_block);
		RUN(advice_refused_now_and_then_hides_no_block);
	}
	DONE();
}
