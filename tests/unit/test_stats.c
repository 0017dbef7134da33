/* What malloc counts, compared with what this program did: malloc/stats.h. */
#include "cairn/malloc.h"
#include "malloc/sizeclass.h"
#include "malloc/stats.h"
#include "malloc/threads.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "support/child.h"

#include <pthread.h>

static void *blocks[500];

static void use_all_classes(void)
{
	for (size_t i = 0; i < 500; i++)
		blocks[i] = cairn_malloc(i * 100);
	for (size_t i = 0; i < 500; i += 2)
		cairn_free(blocks[i]);
}

static void settle_in_child(void *unused)
{
	(void)unused;
	uint64_t live[CAIRN_CLASS_COUNT], held[CAIRN_CLASS_COUNT], bytes = 0;
	use_all_classes();
	cairn_stats_cached(held);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		live[c] = cairn_stats_out_of(c) - held[c];
		bytes += c ? live[c] * cairn_classes[c].bytes : 0;
	}
	cairn_stats_settle();
	const cairn_control *now = cairn_stats_control();
	EXPECT_EQ(now->state, CAIRN_CONTROL_EXITED);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(now->exit_live[c], live[c]);
	uint64_t large_blocks, large_bytes;
	cairn_stats_large_sums(&large_blocks, &large_bytes);
	EXPECT_EQ(large_blocks, live[0]);
	EXPECT_EQ(now->exit_live_bytes, bytes + large_bytes);
	EXPECT(now->exit_rss_bytes > 0 && now->exit_peak_rss_bytes >= now->exit_rss_bytes / 2);
	EXPECT(now->exit_minor_faults > 0 && now->end_ns > now->start_ns);
	EXPECT_EQ(now->open_bytes, cairn_pageheap_count().open_granules << CAIRN_GRANULE_SHIFT);
	EXPECT_EQ(now->meta_bytes, cairn_meta_bytes());
	uint64_t end_ns = now->end_ns;
	cairn_free(blocks[1]);
	cairn_stats_settle();
	EXPECT_EQ(now->end_ns, end_ns); /* once is all */
}

static void the_end_is_settled_exactly(void) { in_a_child(settle_in_child, NULL); }

static void the_control_block_says_who_and_what(void)
{
	if (is_emulated())
		SKIP("an emulator cannot execute the program again, counting");
	const cairn_control *now = cairn_stats_control();
	EXPECT_EQ(now->magic, CAIRN_CONTROL_MAGIC);
	EXPECT_EQ(now->pid, getpid());
	EXPECT_EQ(now->parent_pid, getppid());
	EXPECT_EQ(now->class_count, CAIRN_CLASS_COUNT);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(now->class_bytes[c], cairn_classes[c].bytes);
	EXPECT_EQ(now->state, CAIRN_CONTROL_RUNNING);
}

static void large_blocks_are_summed_in_bytes(void)
{
	uint64_t count, bytes, usable, count_now, bytes_now;
	cairn_stats_large_sums(&count, &bytes);
	char *p = cairn_malloc(100000), *q = cairn_malloc(3 << 20);
	usable = cairn_malloc_usable_size(p) + cairn_malloc_usable_size(q);
	cairn_stats_large_sums(&count_now, &bytes_now);
	EXPECT_EQ(count_now - count, 2);
	EXPECT_EQ(bytes_now - bytes, usable);
	q = cairn_realloc(q, 10 << 20);
	p = cairn_realloc(p, 60000);
	usable = cairn_malloc_usable_size(p) + cairn_malloc_usable_size(q);
	cairn_stats_large_sums(&count_now, &bytes_now);
	EXPECT_EQ(bytes_now - bytes, usable);
	cairn_free(p);
	cairn_free(q);
	cairn_stats_large_sums(&count_now, &bytes_now);
	EXPECT_EQ(count_now, count);
	EXPECT_EQ(bytes_now, bytes);
}

static pthread_barrier_t barrier;

static void *hold(void *unused)
{
	(void)unused;
	void *mine[100];
	for (int i = 0; i < 100; i++)
		mine[i] = cairn_malloc(5000);
	for (int i = 0; i < 100; i++)
		cairn_free(mine[i]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void what_caches_hold_is_not_live(void)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	unsigned c = cairn_class_of(5000);
	pthread_t threads[3];
	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, hold, NULL), 0);
	pthread_barrier_wait(&barrier);
	cairn_stats_cached(held);
	EXPECT(held[c] > 0);
	EXPECT_EQ(cairn_stats_out_of(c), held[c]);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cairn_stats_cached(held);
	EXPECT_EQ(cairn_stats_out_of(c), held[c]);
}

/* Who and what is written down where somebody will read it: this program runs itself again with a summary asked for. */
int main(int argc, char **argv)
{
	(void)argc;
	if (!getenv("CAIRN_SUMMARY")) {
		setenv("CAIRN_SUMMARY", "/dev/null", 1);
		execv("/proc/self/exe", argv);
	}
	RUN(the_control_block_says_who_and_what);
	RUN(large_blocks_are_summed_in_bytes);
	RUN(what_caches_hold_is_not_live);
	RUN(the_end_is_settled_exactly);
	DONE();
}
