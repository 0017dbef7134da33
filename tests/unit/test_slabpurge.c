/* Empty pages inside slabs in use are given back, and every survivor stays whole. The design is in
 * malloc/slabpurge.h. */
#include "cairn/malloc.h"
#include "malloc/central.h"
#include "malloc/slabpurge.h"
#include "malloc/threads.h"
#include "os/sys.h"
#include "os/vm.h"
#include "support/child.h"

#include <errno.h>
#include <pthread.h>

enum { BLOCKS = 60000 };

static char *blocks[BLOCKS];
static uint64_t seed, rnd;

static size_t size_of(size_t i) { return 16 + i * 7919 % 1500; }

static void fill(void)
{
	rnd = seed;
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = cairn_malloc(size_of(i));
		EXPECT(blocks[i]);
		memset(blocks[i], (int)i, size_of(i));
	}
}

/* Keeps one in `one_in`, at random. */
static void thin_out(unsigned one_in)
{
	for (size_t i = 0; i < BLOCKS; i++)
		if (blocks[i] && test_random(&rnd) % one_in) {
			cairn_free(blocks[i]);
			blocks[i] = NULL;
		}
}

static bool survivors_are_whole(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		for (size_t k = 0; blocks[i] && k < size_of(i); k++)
			if (blocks[i][k] != (char)i)
				return false;
	return true;
}

static void validate_classes(void)
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		cairn_central_validate(c);
	cairn_threads_validate();
}

static void empty_magazines(void)
{
	cairn_cache *c = cairn_thread_enter();
	if (c)
		cairn_cache_empty_magazines(c);
	cairn_thread_leave(c);
}

static void purge_all(void)
{
	empty_magazines();
	while (cairn_slabpurge_step(1000))
		;
}

static void run_thinned(void *unused)
{
	(void)unused;
	fill();
	purge_all();
	size_t rss = test_rss_bytes(), before = cairn_slabpurge_bytes();
	thin_out(20);
	purge_all();
	size_t purged = cairn_slabpurge_bytes() - before;
	NOTE("%.1f MiB purged inside slabs", (double)purged / (1 << 20));
	EXPECT(purged > 5 << 20);
	EXPECT(IS_SANITIZED || test_rss_bytes() < rss - (10 << 20));
	EXPECT(survivors_are_whole());
	validate_classes(); /* C1 to C3, B1, B2 */
	EXPECT(!cairn_slabpurge_is_due());
	for (size_t i = 0; i < BLOCKS; i++) /* the pages serve again */
		if (!blocks[i])
			memset(blocks[i] = cairn_malloc(size_of(i)), (int)i, size_of(i));
	EXPECT(survivors_are_whole());
	validate_classes();
	thin_out(1000000);
	purge_all();
	EXPECT(survivors_are_whole());
	validate_classes();
}

static void survivors_stay_whole_when_pages_around_them_go(void) { in_a_child(run_thinned, NULL); }

static void run_with_16_kib_pages(void *unused)
{
	cairn_vm_page_bytes_inject(16384);
	fill();
	thin_out(400);
	purge_all();
	EXPECT(survivors_are_whole());
	validate_classes();
	(void)unused;
}

static void the_same_with_pages_of_16_kib(void) { in_a_child(run_with_16_kib_pages, NULL); }

static void run_refused(void *unused)
{
	(void)unused;
	fill();
	thin_out(20);
	size_t before = cairn_slabpurge_bytes();
	EXPECT(cairn_fault_set("madvise", 1, ENOMEM));
	purge_all();
	EXPECT(cairn_fault_set("madvise", 0, 0));
	EXPECT_EQ(cairn_slabpurge_bytes(), before);
	EXPECT(survivors_are_whole());
	validate_classes();
	thin_out(1000000);
	validate_classes();
}

static void a_refused_madvise_loses_no_slot(void)
{
	in_a_child(run_refused, NULL);
}

static _Atomic bool is_over;

static void *purge_on(void *unused)
{
	(void)unused;
	while (!is_over)
		cairn_slabpurge_step(100);
	return NULL;
}

/* One thread purges all the time while this one fills and thins out. */
static void run_beside_a_purger(void *unused)
{
	pthread_t purger;
	(void)unused;
	EXPECT_EQ(pthread_create(&purger, NULL, purge_on, NULL), 0);
	fill();
	for (int round = 0; round < 6; round++) {
		thin_out(3);
		for (size_t i = 0; i < BLOCKS; i++)
			if (!blocks[i])
				memset(blocks[i] = cairn_malloc(size_of(i)), (int)i, size_of(i));
		EXPECT(survivors_are_whole());
		for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
			cairn_central_validate(c);
	}
	is_over = true;
	pthread_join(purger, NULL);
	validate_classes();
}

static void purging_beside_allocation_loses_nothing(void) { in_a_child(run_beside_a_purger, NULL); }

int main(void)
{
	seed = test_seed();
	RUN(survivors_stay_whole_when_pages_around_them_go);
	RUN(the_same_with_pages_of_16_kib);
	if (CAN_REFUSE)
		RUN(a_refused_madvise_loses_no_slot);
	RUN(purging_beside_allocation_loses_nothing);
	DONE();
}
