/* Thread caches from first request to last. Cases cite the invariants of malloc/threads.h. */
#include "cairn/malloc.h"
#include "malloc/threads.h"
#include "support/test.h"

#include <pthread.h>

static uint32_t caches_made(void) { return cairn_stats_control()->cache_count; }

static uint64_t allocations_of(unsigned c)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; cairn_stats_thread(i); i++)
		sum += cairn_stats_thread(i)->by_class[c].allocations;
	return sum;
}

static void first_use_makes_a_cache_and_later_use_keeps_it(void) /* T1 */
{
	cairn_free(cairn_malloc(100));
	cairn_cache *c = cairn_thread_self.own;
	EXPECT((uintptr_t)c > 4096 && cairn_thread_cache() == c);
	cairn_free(cairn_malloc(10000));
	cairn_free(cairn_malloc(1 << 20));
	EXPECT(cairn_thread_self.own == c && cairn_thread_cache() == c);
	cairn_threads_validate();
}

static void entering_makes_busy_and_leaving_restores(void) /* T1 */
{
	EXPECT(!cairn_thread_is_nested());
	cairn_cache *c = cairn_thread_enter();
	EXPECT(c && c == cairn_thread_self.own);
	EXPECT(cairn_thread_cache() == &cairn_cache_empty); /* whatever strikes now takes the slow path */
	EXPECT(cairn_thread_is_nested());
	void *p = cairn_malloc(64); /* as a signal handler would */
	EXPECT(p != NULL);
	cairn_free(p);
	cairn_thread_leave(c);
	EXPECT(!cairn_thread_is_nested() && cairn_thread_cache() == c);
	cairn_threads_validate();
}

static void the_empty_cache_is_never_written(void)
{
	static char before[sizeof(cairn_cache)];
	memcpy(before, &cairn_cache_empty, sizeof before);
	cairn_cache *c = cairn_thread_enter();
	for (size_t n = 0; n < 40000; n += 97)
		cairn_free(cairn_malloc(n));
	cairn_thread_leave(c);
	EXPECT(!memcmp(before, &cairn_cache_empty, sizeof before));
}

static void *use_a_little(void *arg)
{
	void *p = cairn_malloc(64);
	*(cairn_cache **)arg = cairn_thread_self.own;
	cairn_threads_validate();
	cairn_free(p);
	return NULL;
}

static void an_ended_threads_cache_serves_the_next(void) /* T2 */
{
	cairn_cache *seen[20] = { 0 };
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		EXPECT_EQ(pthread_create(&thread, NULL, use_a_little, &seen[i]), 0);
		pthread_join(thread, NULL);
		EXPECT(seen[i] == seen[0] && seen[i] != cairn_thread_self.own);
		cairn_threads_validate();
	}
	EXPECT(caches_made() <= 4);
}

static void *leave_blocks(void *arg)
{
	void **blocks = arg;
	for (int i = 0; i < 500; i++)
		blocks[i] = cairn_malloc(48);
	for (int i = 0; i < 500; i += 2)
		cairn_free(blocks[i]);
	return NULL;
}

static void an_ended_thread_keeps_no_slot(void)
{
	static void *blocks[500];
	pthread_t thread;
	unsigned c = cairn_class_of(48);
	cairn_malloc_trim(0);
	uint64_t out = cairn_stats_out_of(c), made = allocations_of(c);
	EXPECT_EQ(pthread_create(&thread, NULL, leave_blocks, blocks), 0);
	pthread_join(thread, NULL);
	EXPECT(cairn_stats_out_of(c) - out <=
		250 + 4); /* its live blocks; and what creating a thread may take itself */
	EXPECT(allocations_of(c) - made >= 500);
	for (int i = 1; i < 500; i += 2)
		cairn_free(blocks[i]); /* by another thread, after its end */
	cairn_malloc_trim(0);
	EXPECT(cairn_stats_out_of(c) - out <= 4);
}

/* ---- After a thread's end: destructors that run later than ours ---- */

static pthread_key_t key;
static _Atomic unsigned rounds;

static void allocate_late(void *arg)
{
	cairn_free(arg);
	EXPECT(cairn_thread_cache() == &cairn_cache_empty || cairn_thread_self.own);
	void *p = cairn_malloc(200), *large = cairn_malloc(200000), *zero = cairn_calloc(3, 500);
	EXPECT(p && large && zero && cairn_malloc_usable_size(p) >= 200);
	p = cairn_realloc(p, 5000);
	cairn_free(zero);
	cairn_free(large);
	cairn_free(p);
	if (++rounds < 4)
		pthread_setspecific(key, cairn_malloc(64));
}

static void *end_late(void *arg)
{
	(void)arg;
	pthread_setspecific(key, cairn_malloc(64));
	return NULL;
}

static void destructors_allocate_after_the_cache_has_gone(void)
{
	pthread_t thread;
	pthread_key_create(&key, allocate_late);
	cairn_malloc_trim(0);
	uint64_t out = cairn_stats_out_of(cairn_class_of(64));
	EXPECT_EQ(pthread_create(&thread, NULL, end_late, NULL), 0);
	pthread_join(thread, NULL);
	EXPECT(rounds >= 2);
	EXPECT(cairn_stats_out_of(cairn_class_of(64)) <= out + 2);
	cairn_threads_validate();
	pthread_key_delete(key);
}

static void *count_one(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		cairn_free(cairn_malloc(3000));
	return NULL;
}

static void every_allocation_of_every_thread_is_counted(void)
{
	enum { THREADS = 5 };
	pthread_t threads[THREADS];
	int times = 1234;
	unsigned c = cairn_class_of(3000);
	uint64_t before = allocations_of(c);
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, count_one, &times), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(allocations_of(c) - before, THREADS * (uint64_t)times);
}

int main(void)
{
	RUN(first_use_makes_a_cache_and_later_use_keeps_it);
	RUN(entering_makes_busy_and_leaving_restores);
	RUN(the_empty_cache_is_never_written);
	RUN(an_ended_threads_cache_serves_the_next);
	RUN(an_ended_thread_keeps_no_slot);
	RUN(destructors_allocate_after_the_cache_has_gone);
	RUN(every_allocation_of_every_thread_is_counted);
	DONE();
}
