/* Large spans that a thread keeps at hand. Cases cite the invariants of malloc/shelf.h. */
#include "cairn/malloc.h"
#include "malloc/large.h"
#include "malloc/shelf.h"
#include "malloc/stats.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

#include <dlfcn.h>
#include <pthread.h>

enum { BYTES = 100000, GRANULES = (BYTES + CAIRN_GRANULE_BYTES - 1) / CAIRN_GRANULE_BYTES };

static cairn_shelf *own_shelf(void)
{
	cairn_free(cairn_malloc(1));
	return &cairn_thread_self.own->shelf;
}

static cairn_span *span_of(void *p) { return cairn_window_span((uintptr_t)p); }

/* Frees and allocates until the shelf serves blocks of so many bytes. */
static void warm(size_t bytes)
{
	for (int i = 0; i < 8; i++)
		cairn_free(cairn_malloc(bytes));
}

static void what_comes_and_goes_is_kept_and_had_again(void) /* V1, V2 */
{
	cairn_shelf *f = own_shelf();
	cairn_shelves_empty();
	EXPECT_EQ(f->held, 0);
	warm(BYTES);
	EXPECT_EQ(f->held, GRANULES);
	cairn_shelf_validate(f);
	size_t used = cairn_pageheap_used_bytes();
	char *p = cairn_malloc(BYTES);
	EXPECT_EQ(f->held, 0);
	EXPECT(span_of(p)->kind == CAIRN_SPAN_LARGE);
	cairn_free(p);
	EXPECT(span_of(p)->kind == CAIRN_SPAN_KEPT);
	EXPECT(cairn_malloc(BYTES) == p);
	EXPECT_EQ(cairn_pageheap_used_bytes(), used);
	cairn_free(p);
	cairn_threads_validate();
	cairn_pageheap_validate();
}

static void a_span_up_to_an_eighth_longer_serves_and_no_longer_one(void)
{
	cairn_shelf *f = own_shelf();
	enum { LONG = 48 * CAIRN_GRANULE_BYTES };
	cairn_shelves_empty();
	warm(LONG);
	char *p = cairn_malloc(LONG - LONG / 9);
	EXPECT_EQ(f->held, 0);
	EXPECT_EQ(cairn_malloc_usable_size(p), (LONG - LONG / 9 + 4095) / 4096 * 4096);
	cairn_free(p);
	EXPECT_EQ(f->held, 48);
	p = cairn_malloc(LONG - LONG / 7);
	EXPECT_EQ(f->held, 48);
	cairn_free(p);
	cairn_threads_validate();
}

static void who_only_frees_is_given_no_shelf(void)
{
	enum { BLOCKS = 100 };
	static void *blocks[BLOCKS];
	cairn_shelf *f = own_shelf();
	cairn_shelves_empty();
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = cairn_malloc(BYTES);
	for (int i = 0; i < BLOCKS; i++)
		cairn_free(blocks[i]);
	EXPECT_EQ(f->held, 0);
	EXPECT_EQ(f->most, 0);
}

/* Makes the shelf as large as it becomes. */
static void churn(void **blocks, int count, int steps)
{
	uint64_t seed = 7;
	for (int i = 0; i < steps; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		void **at = &blocks[(seed >> 33) % (unsigned)count];
		cairn_free(*at);
		REQUIRE(*at = cairn_malloc(40000 + (seed >> 40) % 900000));
	}
}

static void letting_go_leaves_little(void) /* V2 */
{
	enum { BLOCKS = 200 };
	static void *blocks[BLOCKS];
	cairn_shelf *f = own_shelf();
	cairn_shelves_empty();
	churn(blocks, BLOCKS, 20000);
	cairn_shelf_validate(f);
	EXPECT(f->held > 2 * CAIRN_SHELF_LEAST_GRANULES);
	EXPECT(f->most <= cairn_pageheap_used_bytes() / 2 / CAIRN_GRANULE_BYTES);
	for (int i = 0; i < BLOCKS; i++)
		cairn_free(blocks[i]);
	cairn_shelf_validate(f);
	EXPECT(f->held <= CAIRN_SHELF_LEAST_GRANULES);
	cairn_pageheap_validate();
}

static void idle_shelves_are_emptied_by_looks(void)
{
	cairn_shelf *f = own_shelf();
	cairn_shelves_empty();
	warm(BYTES);
	EXPECT_EQ(f->held, GRANULES);
	cairn_shelves_look(); /* it was used */
	cairn_shelves_look();
	cairn_shelves_look();
	EXPECT_EQ(f->held, GRANULES);
	cairn_shelves_look();
	EXPECT_EQ(f->held, 0);
	EXPECT_EQ(f->most, 0);
	cairn_shelf_validate(f);
}

static void a_look_sends_half_of_what_was_not_needed_away(void)
{
	enum { BLOCKS = 200 };
	static void *blocks[BLOCKS];
	cairn_shelf *f = own_shelf();
	churn(blocks, BLOCKS, 20000);
	cairn_shelves_look();
	uint32_t held = f->held;
	churn(blocks, 1, 1);
	cairn_shelves_look();
	EXPECT(f->held < held - held / 4 && f->held > held / 4);
	cairn_shelf_validate(f);
	for (int i = 0; i < BLOCKS; i++)
		cairn_free(blocks[i]);
}

static void a_kept_block_is_not_said_to_be_zero(void)
{
	warm(BYTES);
	char *p = cairn_malloc(BYTES);
	memset(p, 0x77, BYTES);
	cairn_free(p);
	char *q = cairn_calloc(1, BYTES);
	EXPECT(q == p);
	bool zero = true;
	for (int i = 0; i < BYTES; i++)
		zero &= !q[i];
	EXPECT(zero);
	cairn_free(q);
}

static void sums_hold_with_blocks_on_shelves(void)
{
	uint64_t blocks, bytes, now, now_bytes;
	cairn_shelves_empty();
	cairn_stats_large_sums(&blocks, &bytes);
	warm(BYTES);
	cairn_stats_large_sums(&now, &now_bytes);
	EXPECT(now == blocks && now_bytes == bytes);
	void *p = cairn_malloc(BYTES), *q = cairn_malloc(BYTES);
	cairn_stats_large_sums(&now, &now_bytes);
	EXPECT_EQ(now, blocks + 2);
	EXPECT_EQ(now_bytes, bytes + cairn_malloc_usable_size(p) + cairn_malloc_usable_size(q));
	cairn_free(p);
	cairn_free(q);
	cairn_shelves_empty();
	cairn_stats_large_sums(&now, &now_bytes);
	EXPECT(now == blocks && now_bytes == bytes);
}

static void trim_empties_shelves(void)
{
	warm(BYTES);
	EXPECT(own_shelf()->held > 0);
	cairn_malloc_trim(0);
	EXPECT_EQ(own_shelf()->held, 0);
}

typedef struct sleeper {
	pthread_barrier_t barrier;
	cairn_shelf *shelf;
} sleeper;

static void *fill_and_sleep(void *arg)
{
	sleeper *s = arg;
	warm(BYTES);
	s->shelf = own_shelf();
	pthread_barrier_wait(&s->barrier);
	pthread_barrier_wait(&s->barrier);
	return NULL;
}

static void others_empty_the_shelf_of_a_thread_that_sleeps(void)
{
	sleeper s;
	pthread_t thread;
	pthread_barrier_init(&s.barrier, NULL, 2);
	REQUIRE(!pthread_create(&thread, NULL, fill_and_sleep, &s));
	pthread_barrier_wait(&s.barrier);
	EXPECT_EQ(s.shelf->held, GRANULES);
	cairn_shelves_empty();
	EXPECT_EQ(s.shelf->held, 0);
	pthread_barrier_wait(&s.barrier);
	pthread_join(thread, NULL);
}

static void a_thread_that_ends_leaves_nothing(void)
{
	sleeper s;
	pthread_t thread;
	pthread_barrier_init(&s.barrier, NULL, 2);
	REQUIRE(!pthread_create(&thread, NULL, fill_and_sleep, &s));
	pthread_barrier_wait(&s.barrier);
	pthread_barrier_wait(&s.barrier);
	pthread_join(thread, NULL);
	EXPECT_EQ(s.shelf->held, 0);
	EXPECT_EQ(s.shelf->most, 0);
}

static void child_counts(void *arg)
{
	sleeper *s = arg;
	cairn_threads_validate();
	cairn_pageheap_validate();
	warm(BYTES);
	EXPECT_EQ(s->shelf->held, 0);
	EXPECT_EQ(own_shelf()->held, GRANULES);
}

static void fork_empties_the_shelves_of_threads_that_are_gone(void)
{
	sleeper s;
	pthread_t thread;
	pthread_barrier_init(&s.barrier, NULL, 2);
	REQUIRE(!pthread_create(&thread, NULL, fill_and_sleep, &s));
	pthread_barrier_wait(&s.barrier);
	cairn_shelf_close(own_shelf());
	EXPECT_EQ(s.shelf->held, GRANULES);
	in_a_child(child_counts, &s);
	EXPECT_EQ(s.shelf->held, GRANULES);
	pthread_barrier_wait(&s.barrier);
	pthread_join(thread, NULL);
}

typedef struct crowd_arg {
	volatile bool stop;
} crowd_arg;

static void *come_and_go(void *arg)
{
	static void *blocks[4][32];
	static unsigned next;
	crowd_arg *a = arg;
	void **mine = blocks[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 4];
	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED))
		churn(mine, 32, 100);
	for (int i = 0; i < 32; i++) {
		cairn_free(mine[i]);
		mine[i] = NULL;
	}
	return NULL;
}

static void looks_and_thefts_while_threads_work_lose_nothing(void) /* V1, V2 */
{
	crowd_arg a = { false };
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, come_and_go, &a));
	for (int i = 0; i < 300; i++) {
		cairn_shelves_look();
		if (i % 10 == 0)
			cairn_shelves_empty();
		usleep(500);
	}
	__atomic_store_n(&a.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	uint64_t blocks, bytes;
	cairn_shelves_empty();
	cairn_stats_large_sums(&blocks, &bytes);
	EXPECT_EQ(blocks, 0);
	EXPECT_EQ(bytes, 0);
	cairn_threads_validate();
	cairn_pageheap_validate();
}

typedef int make_thread(pthread_t *to, const pthread_attr_t *attr, void *(*body)(void *), void *arg);

static void *allocate_once(void *done)
{
	cairn_free(cairn_malloc(1));
	__atomic_store_n((int *)done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The program's libc goes on to say that its one thread is alone. */
static void run_second_libc(void *unused)
{
	(void)unused;
	cairn_shelf *f = own_shelf();
	warm(BYTES);
	void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	make_thread *make = libc ? (make_thread *)dlsym(libc, "pthread_create") : NULL;
	pthread_t thread;
	int done = 0;
	if (!make || make(&thread, NULL, allocate_once, &done))
		return;
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		usleep(1000);
	char *p = cairn_malloc(BYTES);
	cairn_shelf_hold(f);
	EXPECT(!cairn_shelf_put(f, span_of(p)));
	EXPECT(!cairn_shelf_take(f, GRANULES));
	cairn_shelf_drop(f);
}

static void a_thread_of_a_second_libc_ends_being_alone(void) { in_a_child(run_second_libc, NULL); }

int main(void)
{
	if (!IS_SANITIZED) /* their runtimes must know every thread */
		RUN(a_thread_of_a_second_libc_ends_being_alone); /* first: no thread of this libc was there */
	RUN(what_comes_and_goes_is_kept_and_had_again);
	RUN(a_span_up_to_an_eighth_longer_serves_and_no_longer_one);
	RUN(who_only_frees_is_given_no_shelf);
	RUN(letting_go_leaves_little);
	RUN(idle_shelves_are_emptied_by_looks);
	RUN(a_look_sends_half_of_what_was_not_needed_away);
	RUN(a_kept_block_is_not_said_to_be_zero);
	RUN(sums_hold_with_blocks_on_shelves);
	RUN(trim_empties_shelves);
	RUN(others_empty_the_shelf_of_a_thread_that_sleeps);
	RUN(a_thread_that_ends_leaves_nothing);
	RUN(fork_empties_the_shelves_of_threads_that_are_gone);
	RUN(looks_and_thefts_while_threads_work_lose_nothing);
	DONE();
}
