/* The arena of signal handlers that interrupted malloc. The design is in malloc/emergency.h. */
#include "cairn/malloc.h"
#include "malloc/emergency.h"
#include "malloc/threads.h"
#include "support/test.h"

#include <errno.h>
#include <pthread.h>

enum { MANY = 100 };

static void blocks_are_apart_aligned_and_usable(void)
{
	char *blocks[MANY];
	for (size_t i = 0; i < MANY; i++) {
		size_t align = (size_t)1 << i % 13;
		blocks[i] = cairn_emergency_alloc(i * 37, align);
		REQUIRE(blocks[i] && cairn_emergency_owns(blocks[i]));
		EXPECT_EQ((uintptr_t)blocks[i] % (align < 16 ? 16 : align), 0);
		EXPECT(cairn_emergency_usable_bytes(blocks[i]) >= i * 37);
		memset(blocks[i], (int)i, cairn_emergency_usable_bytes(blocks[i]));
	}
	for (size_t i = 0; i < MANY; i++)
		for (size_t k = 0; k < cairn_emergency_usable_bytes(blocks[i]); k++)
			EXPECT(blocks[i][k] == (char)i);
	for (size_t i = 0; i < MANY; i++)
		cairn_emergency_free(blocks[i]);
	EXPECT(!cairn_emergency_owns(&blocks));
}

static void the_arena_begins_anew_when_the_last_block_is_freed(void)
{
	char *first = cairn_emergency_alloc(100, 16);
	unsigned made = 1;
	while (cairn_emergency_alloc(64 << 10, 16))
		made++;
	EXPECT(made > 50);
	EXPECT(!cairn_emergency_alloc(64 << 10, 16)); /* full, and says so each time */
	for (unsigned i = 0; i < made; i++)
		cairn_emergency_free(first);
	EXPECT(cairn_emergency_alloc(100, 16) == first);
	cairn_emergency_free(first);
	EXPECT(!cairn_emergency_alloc(SIZE_MAX, 16));
	EXPECT(!cairn_emergency_alloc(16, (size_t)1 << 40));
	EXPECT(!cairn_emergency_alloc(16 << 20, 16));
}

static void deferred_blocks_come_as_one_list(void)
{
	void *blocks[MANY];
	for (int i = 0; i < MANY; i++)
		blocks[i] = cairn_malloc(64);
	for (int i = 0; i < MANY; i++)
		cairn_emergency_defer_free(blocks[i]);
	void *p = cairn_emergency_take_deferred();
	for (int i = MANY; i--; p = *(void **)p)
		EXPECT(p == blocks[i]);
	EXPECT(!p && !cairn_emergency_take_deferred());
	for (int i = 0; i < MANY; i++)
		cairn_free(blocks[i]);
}

/* As a handler sees it: this thread is inside a slow path. */
static void every_function_serves_a_handler_inside_malloc(void)
{
	char *outside = cairn_malloc(100), *large = cairn_malloc(1 << 20);
	memset(outside, 5, 100);
	cairn_cache *c = cairn_thread_enter();
	char *p = cairn_malloc(50), *q = cairn_calloc(10, 10), *r = cairn_memalign(256, 10),
	     *big = cairn_malloc(100000);
	EXPECT(p && q && r && big && (uintptr_t)r % 256 == 0);
	EXPECT(q && q[0] == 0 && q[99] == 0);
	EXPECT(cairn_malloc_usable_size(p) >= 50);
	p = cairn_realloc(p, 5000);
	EXPECT(p);
	outside = cairn_realloc(outside, 3000); /* the old block is freed later */
	EXPECT(outside && outside[0] == 5 && outside[99] == 5);
	cairn_free(large); /* likewise */
	errno = 0;
	EXPECT(!cairn_malloc(1 << 30) && errno == ENOMEM);
	EXPECT(!cairn_heap_create());
	cairn_free(p);
	cairn_free(q);
	cairn_thread_leave(c);
	cairn_free(r); /* outside again: frees of its blocks, and the deferred ones */
	cairn_free(big);
	outside = cairn_realloc(outside, 10000);
	EXPECT(outside && outside[99] == 5);
	cairn_free(outside);
	cairn_free(cairn_malloc(40000));
	EXPECT(!cairn_emergency_take_deferred());
	cairn_threads_validate();
}

static void *race(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		size_t n = 16 + (size_t)i % 500;
		char *p = cairn_emergency_alloc(n, 16);
		if (!p)
			continue;
		memset(p, i, n);
		for (size_t k = 0; k < n; k += 15)
			EXPECT(p[k] == (char)i);
		cairn_emergency_free(p);
	}
	return NULL;
}

static void threads_share_the_arena(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, race, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	void *p = cairn_emergency_alloc(3 << 20, 16); /* all of it is back */
	EXPECT(p);
	cairn_emergency_free(p);
}

int main(void)
{
	RUN(blocks_are_apart_aligned_and_usable);
	RUN(the_arena_begins_anew_when_the_last_block_is_freed);
	RUN(deferred_blocks_come_as_one_list);
	RUN(every_function_serves_a_handler_inside_malloc);
	RUN(threads_share_the_arena);
	DONE();
}
