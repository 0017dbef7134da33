/* malloc and free as a program sees them: counting, double frees by every path, frees of what is no block. Messages
 * themselves are tests/death's. */
#include "cairn/malloc.h"
#include "malloc/cache.h"
#include "malloc/central.h"
#include "malloc/stats.h"
#include "malloc/threads.h"
#include "support/child.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

static void to_the_void(void)
{
	int fd = open("/dev/null", O_WRONLY);
	dup2(fd, 2);
}

/* Does body end by abort, in a child whose stderr nobody needs to see? */
static bool aborts(void (*body)(void *), void *arg)
{
	int status = child_status(body, arg);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

typedef struct sizes {
	uint64_t allocations[CAIRN_CLASS_COUNT], live[CAIRN_CLASS_COUNT];
} sizes;

static void count(sizes *s)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	memset(s, 0, sizeof *s);
	cairn_stats_cached(held);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		for (uint32_t i = 0; cairn_stats_thread(i); i++)
			s->allocations[c] += cairn_stats_thread(i)->by_class[c].allocations;
		s->live[c] = cairn_stats_out_of(c) - held[c];
	}
}

static void allocations_less_frees_are_what_lives(void)
{
	static void *blocks[CAIRN_CLASS_COUNT][10];
	sizes before, after;
	count(&before);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		for (int i = 0; i < 10; i++)
			blocks[c][i] = cairn_malloc(c ? cairn_classes[c].bytes : 100000);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		for (unsigned i = 0; i < c % 10; i++)
			cairn_free(blocks[c][i]);
	count(&after);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		EXPECT_EQ(after.allocations[c] - before.allocations[c], 10);
		EXPECT_EQ(after.live[c] - before.live[c], 10 - c % 10);
	}
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		for (unsigned i = c % 10; i < 10; i++)
			cairn_free(blocks[c][i]);
	count(&after);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(after.live[c], before.live[c]);
}

static void a_realloc_that_moves_is_one_allocation_and_one_free(void)
{
	sizes before, after;
	char *p = cairn_malloc(100);
	count(&before);
	p = cairn_realloc(p, 1000); /* moves */
	p = cairn_realloc(p, 990);  /* does not */
	count(&after);
	EXPECT_EQ(after.allocations[cairn_class_of(1000)] - before.allocations[cairn_class_of(1000)], 1);
	EXPECT_EQ(after.live[cairn_class_of(1000)] - before.live[cairn_class_of(1000)], 1);
	EXPECT_EQ(before.live[cairn_class_of(100)] - after.live[cairn_class_of(100)], 1);
	cairn_free(p);
	p = cairn_malloc(3 << 20);
	char *wall = cairn_malloc(1 << 20);
	count(&before);
	char *q = cairn_realloc(p, 30 << 20);
	count(&after);
	EXPECT_EQ(after.allocations[0] - before.allocations[0], q != p);
	EXPECT_EQ(after.live[0], before.live[0]);
	cairn_free(q);
	cairn_free(wall);
}

/* ---- Wrong frees ---- */

static void free_twice_in_a_row(void *bytes)
{
	to_the_void();
	void *volatile p = cairn_malloc(*(size_t *)bytes);
	cairn_free(p);
	cairn_free(p);
}

static void free_twice_with_one_between(void *bytes)
{
	to_the_void();
	void *volatile p = cairn_malloc(*(size_t *)bytes), *q = cairn_malloc(*(size_t *)bytes);
	cairn_free(p);
	cairn_free(q);
	cairn_free(p);
}

/* The second free goes by a third block: it is found when the magazine is given back. */
static void free_twice_far_apart(void *bytes)
{
	enum { MANY = 6 };
	void *volatile blocks[MANY];
	to_the_void();
	for (int i = 0; i < MANY; i++)
		blocks[i] = cairn_malloc(*(size_t *)bytes);
	for (int i = 0; i < MANY; i++)
		cairn_free(blocks[i]);
	cairn_free(blocks[0]);
	cairn_malloc_trim(0);
}

static void free_twice_by_trim(void *bytes)
{
	to_the_void();
	void *volatile p = cairn_malloc(*(size_t *)bytes), *keep = cairn_malloc(*(size_t *)bytes);
	cairn_free(p);
	cairn_malloc_trim(0);
	cairn_free(p);
	cairn_malloc_trim(0);
	cairn_free(keep);
}

static void *free_it(void *p)
{
	cairn_free(p);
	return NULL;
}

static void free_twice_in_two_threads(void *bytes)
{
	to_the_void();
	void *volatile p = cairn_malloc(*(size_t *)bytes);
	pthread_t thread;
	cairn_free(p);
	cairn_malloc_trim(0);
	pthread_create(&thread, NULL, free_it, p);
	pthread_join(thread, NULL);
}

static void free_the_inside(void *bytes)
{
	to_the_void();
	char *volatile p = cairn_malloc(*(size_t *)bytes);
	cairn_free(p + 16);
	cairn_malloc_trim(0);
}

static void realloc_what_is_free(void *bytes)
{
	to_the_void();
	void *volatile p = cairn_malloc(*(size_t *)bytes), *keep = cairn_malloc(*(size_t *)bytes);
	cairn_free(p);
	cairn_malloc_trim(0);
	cairn_free(cairn_realloc(p, 10));
	cairn_free(keep);
}

static void free_by_the_wrong_heap(void *bytes)
{
	to_the_void();
	cairn_heap *a = cairn_heap_create(), *b = cairn_heap_create();
	cairn_heap_free(b, cairn_heap_alloc(a, *(size_t *)bytes));
}

static void free_a_heaps_block_twice(void *bytes)
{
	to_the_void();
	cairn_heap *h = cairn_heap_create();
	void *volatile p = cairn_heap_alloc(h, *(size_t *)bytes), *keep = cairn_heap_alloc(h, *(size_t *)bytes);
	cairn_heap_free(h, p);
	cairn_free(p);
	cairn_heap_free(h, keep);
}

/* A block that grew may have room for the next step, but never so much that its size is told as wrong. */
static void what_realloc_gave_has_the_right_size(void)
{
	for (size_t had = 1; had <= 40000; had += had < 300 ? 1 : had / 24)
		for (size_t size = had; size <= had + had / 7; size += 1 + size / 512) {
			void *p = cairn_realloc(cairn_malloc(had), size);
			EXPECT(cairn_malloc_usable_size(p) >= size);
			cairn_free_sized(p, size);
		}
}

static void every_wrong_free_is_stopped(void)
{
	static const size_t sizes_tried[] = { 32, 64, 500, 4000, 32768, 100000, 3 << 20 };
	static void (*const crimes[])(void *) = { free_twice_in_a_row, free_twice_with_one_between,
		free_twice_far_apart, free_twice_by_trim, free_twice_in_two_threads, free_the_inside,
		realloc_what_is_free, free_by_the_wrong_heap, free_a_heaps_block_twice };
	for (size_t i = 0; i < sizeof sizes_tried / sizeof sizes_tried[0]; i++)
		for (size_t k = 0; k < sizeof crimes / sizeof crimes[0]; k++) {
			size_t bytes = sizes_tried[i];
			bool stopped = aborts(crimes[k], &bytes);
			if (!stopped)
				NOTE("crime %zu with %zu bytes went unseen", k, bytes);
			EXPECT(stopped);
		}
}

static void the_same_in_the_right_order_is_not_stopped(void)
{
	for (size_t bytes = 16; bytes < 5 << 20; bytes = bytes * 3 + 16) {
		void *p = cairn_malloc(bytes), *q = cairn_malloc(bytes);
		cairn_free(p);
		cairn_free(q);
		void *again = cairn_malloc(bytes), *other = cairn_malloc(bytes);
		EXPECT(again != other);
		cairn_free(again);
		cairn_free(other);
	}
	cairn_malloc_trim(0);
}

int main(void)
{
	RUN(allocations_less_frees_are_what_lives);
	RUN(a_realloc_that_moves_is_one_allocation_and_one_free);
	RUN(what_realloc_gave_has_the_right_size);
	RUN(every_wrong_free_is_stopped);
	RUN(the_same_in_the_right_order_is_not_stopped);
	DONE();
}
