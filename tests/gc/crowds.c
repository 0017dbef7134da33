/* Threads and processes around managed heaps: blocked in system calls, coming and going, dying with pins, jumping
 * out of scopes, forking. As users' programs do it; every wait is inside a BLOCKING scope. */
#include "heaps.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

enum { THREADS = 6 };

static cairn_gc_heap *heap;
static long finished; /* sync: atomic */

static node *chain_of(cairn_gc_mutator *m, long n)
{
	node *top = NULL;
	for (long i = 0; i < n; i++) {
		node *x = cairn_gc_new(m, node);
		x->key = i;
		cairn_gc_set(m, x, left, top);
		top = x;
	}
	return top;
}
static bool is_whole(cairn_gc_mutator *m, node *top, long n)
{
	for (; top && top->key == n - 1; n--)
		top = cairn_gc_get(m, top, left);
	return !top && n == 0;
}
static void crowd(void *(*body)(void *), long n, cairn_gc_mutator *m)
{
	pthread_t t[64];
	finished = 0;
	for (long i = 0; i < n; i++)
		EXPECT(pthread_create(&t[i], NULL, body, (void *)i) == 0);
	CAIRN_GC_BLOCKING(m)
	{
		for (long i = 0; i < n; i++)
			pthread_join(t[i], NULL);
	}
}

/* ---- Blocked in read, while another collects ---- */

static int ends[THREADS][2];
static long blocked_now; /* sync: atomic */
static void *reader(void *arg)
{
	long self = (long)arg;
	cairn_gc_mutator *m = cairn_gc_attach(heap);
	node *top = chain_of(m, 500);
	char byte = 0;
	CAIRN_GC_BLOCKING(m)
	{
		__atomic_fetch_add(&blocked_now, 1, __ATOMIC_SEQ_CST);
		if (read(ends[self][0], &byte, 1) != 1)
			byte = 0;
	}
	EXPECT(byte == 'x' && is_whole(m, top, 500));
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
	cairn_gc_detach(m);
	return NULL;
}
static void collections_do_not_wait_for_threads_that_wait(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		heap = p.h;
		blocked_now = finished = 0;
		pthread_t t[THREADS];
		for (long i = 0; i < THREADS; i++)
			EXPECT(pipe(ends[i]) == 0 && pthread_create(&t[i], NULL, reader, (void *)i) == 0);
		while (__atomic_load_n(&blocked_now, __ATOMIC_SEQ_CST) < THREADS)
			CAIRN_GC_BLOCKING(p.m) { usleep(100); }
		for (int i = 0; i < 20; i++) {
			is_whole(p.m, chain_of(p.m, 1000), 1000);
			cairn_gc_collect(p.m);
		}
		EXPECT_EQ(finished, 0);
		EXPECT(stats_of(p).live_objects >= THREADS * 500);
		for (long i = 0; i < THREADS; i++)
			EXPECT(write(ends[i][1], "x", 1) == 1);
		CAIRN_GC_BLOCKING(p.m)
		{
			for (long i = 0; i < THREADS; i++)
				pthread_join(t[i], NULL);
		}
		EXPECT_EQ(finished, THREADS);
		for (long i = 0; i < THREADS; i++)
			close(ends[i][0]), close(ends[i][1]);
		place_close(p);
	}
}

/* ---- Coming and going ---- */

static void *visitor(void *arg)
{
	long self = (long)arg;
	for (int i = 0; i < (IS_SLOW ? 10 : 30); i++) {
		cairn_gc_mutator *m = cairn_gc_attach(heap);
		if (!m)
			return NULL;
		node *top = chain_of(m, 100 + self);
		if (i % 7 == 0)
			cairn_gc_collect(m);
		if (!is_whole(m, top, 100 + self))
			return NULL;
		if (i % 3)
			cairn_gc_detach(m);
		else { /* some end attached, and leave a pin that nobody takes back */
			cairn_gc_pin(m, top);
			break;
		}
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
	return NULL;
}
static void threads_come_and_go_and_some_die_attached(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		heap = p.h;
		for (int round = 0; round < (IS_SLOW ? 5 : 20); round++) {
			node *mine = chain_of(p.m, 300);
			crowd(visitor, THREADS, p.m);
			EXPECT_EQ(finished, THREADS);
			cairn_gc_collect(p.m);
			EXPECT(is_whole(p.m, mine, 300));
		}
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		place_close(p); /* misuse, were a dead thread still attached */
	}
}

/* Everybody allocates and collects; what is shared by a handle is seen whole by all. */
static cairn_gc_handle *shared;
static void *worker(void *arg)
{
	(void)arg;
	cairn_gc_mutator *m = cairn_gc_attach(heap);
	uint64_t rnd = (uint64_t)(uintptr_t)arg;
	node *mine = chain_of(m, 200);
	bool all = true;
	for (int i = 0; i < (IS_SLOW ? 60 : 300); i++) {
		node *theirs = cairn_gc_handle_get(m, shared);
		all &= is_whole(m, theirs, 200);
		if (test_random(&rnd) % 4 == 0)
			cairn_gc_handle_set(m, shared, chain_of(m, 200));
		if (test_random(&rnd) % 16 == 0)
			cairn_gc_collect(m);
		all &= is_whole(m, mine, 200);
	}
	__atomic_fetch_add(&finished, all, __ATOMIC_SEQ_CST);
	cairn_gc_detach(m);
	return NULL;
}
static void threads_share_chains_by_a_handle(void)
{
	EVERY_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		heap = p.h;
		shared = cairn_gc_handle_new(p.m, chain_of(p.m, 200));
		crowd(worker, 4, p.m);
		EXPECT_EQ(finished, 4);
		cairn_gc_handle_free(p.h, shared);
		place_close(p);
	}
}

/* A thread that only computes, and polls. */
static bool stop, computes; /* sync: atomic */
static void *computer(void *arg)
{
	(void)arg;
	cairn_gc_mutator *m = cairn_gc_attach(heap);
	node *n = cairn_gc_new(m, node);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&computes, true, __ATOMIC_SEQ_CST);
		n->key++;
		cairn_gc_poll(m);
	}
	__atomic_fetch_add(&finished, n->key > 0, __ATOMIC_SEQ_CST);
	cairn_gc_detach(m);
	return NULL;
}
static void wait_for_computer(cairn_gc_mutator *m)
{
	while (!__atomic_load_n(&computes, __ATOMIC_SEQ_CST))
		CAIRN_GC_BLOCKING(m) { usleep(100); }
	__atomic_store_n(&computes, false, __ATOMIC_SEQ_CST);
}
static void a_thread_that_polls_is_stopped(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c });
		heap = p.h;
		stop = computes = false;
		finished = 0;
		pthread_t t;
		EXPECT(pthread_create(&t, NULL, computer, NULL) == 0);
		wait_for_computer(p.m);
		for (int i = 0; i < 20; i++)
			cairn_gc_collect(p.m);
		__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
		CAIRN_GC_BLOCKING(p.m) { pthread_join(t, NULL); }
		EXPECT_EQ(finished, 1);
		EXPECT(stats_of(p).time_to_safepoint.count > 0 && stats_of(p).collections >= 20);
		place_close(p);
	}
}

/* ---- Jumping out of scopes ---- */

static jmp_buf out;
__attribute__((noinline)) static void jump(cairn_gc_mutator *m, int depth)
{
	CAIRN_GC_BLOCKING(m)
	{
		if (depth == 0)
			longjmp(out, 1);
		cairn_gc_enter(m); /* a call back into the program, which blocks again */
		jump(m, depth - 1);
		cairn_gc_leave(m);
	}
}
__attribute__((noinline)) static void jump_out_and_enter(place p, int depth)
{
	if (setjmp(out) == 0)
		jump(p.m, depth);
	cairn_gc_enter(p.m);
}
static void a_longjmp_out_of_scopes_is_mended_by_enter(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c });
		node *top = chain_of(p.m, 100);
		for (int i = 0; i < 20; i++) {
			jump_out_and_enter(p, i % 4);
			chain_of(p.m, 100);
			cairn_gc_collect(p.m);
			EXPECT(is_whole(p.m, top, 100));
			CAIRN_GC_BLOCKING(p.m) { break; }
			cairn_gc_poll(p.m);
		}
		place_close(p);
	}
}

/* ---- fork ---- */

static void use_heap(void *arg)
{
	place *p = arg;
	node *top = chain_of(p->m, 3000);
	cairn_gc_collect(p->m);
	EXPECT(is_whole(p->m, top, 3000));
	EXPECT_EQ(cairn_gc_verify(p->m, stderr), 0);
}
static void child_of_fork(void *arg)
{
	place *p = arg;
	use_heap(arg);
	place own = place_open((cairn_gc_config){ .collector = CAIRN_GC_SEMISPACE });
	use_heap(&own);
	place_close(own);
	place_close(*p); /* other mutators are not in this process */
}
static void after_fork_parent_and_child_collect(void)
{
#if defined __SANITIZE_THREAD__ || CHILD_HAS_FEATURE(thread_sanitizer)
	SKIP("not in this build: the sanitizer's runtime does not outlive a fork from several threads");
#endif
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20, .workers = 2 });
		heap = p.h;
		stop = computes = false;
		finished = 0;
		pthread_t t;
		EXPECT(pthread_create(&t, NULL, computer, NULL) == 0);
		wait_for_computer(p.m);
		node *mine = chain_of(p.m, 1000);
		for (int i = 0; i < 4; i++) {
			in_a_child(child_of_fork, &p);
			use_heap(&p);
			EXPECT(is_whole(p.m, mine, 1000));
		}
		__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
		CAIRN_GC_BLOCKING(p.m) { pthread_join(t, NULL); }
		EXPECT_EQ(finished, 1);
		place_close(p);
	}
}

/* ---- Workers of one collection ---- */

/* Lists of the same nodes, each in an order of its own: workers come to many of them at the same time. */
static void what_several_workers_come_to_at_once_is_counted_once(void)
{
	enum { LISTS = 16, NODES = 4000, TIMES = 60 };
	static cairn_ref(list) roots[LISTS];
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){
			.collector = c, .min = 64 << 20, .workers = 4, .exact_roots = true });
		uint64_t rnd = 7;
		EXPECT(cairn_gc_roots_add(p.h, roots, LISTS));
		for (size_t i = 0; i < LISTS; i++)
			cairn_gc_root_set(p.m, &roots[i], cairn_gc_new_array(p.m, list, NODES));
		for (size_t i = 0; i < NODES; i++) {
			node *n = cairn_gc_new(p.m, node);
			cairn_gc_set(p.m, n, left, cairn_gc_new(p.m, node));
			for (size_t k = 0; k < LISTS; k++)
				cairn_gc_set(p.m, cairn_gc_root_get(p.m, &roots[k]), items[i], n);
		}
		for (size_t k = 1; k < LISTS; k++)
			for (size_t i = 0; i < NODES; i++) {
				list *l = cairn_gc_root_get(p.m, &roots[k]);
				size_t j = test_random(&rnd) % NODES;
				node *n = cairn_gc_get(p.m, l, items[i]);
				cairn_gc_set(p.m, l, items[i], cairn_gc_get(p.m, l, items[j]));
				cairn_gc_set(p.m, l, items[j], n);
			}
		size_t bytes = 0;
		for (unsigned i = 0; i < TIMES; i++) {
			cairn_gc_collect(p.m);
			EXPECT_EQ(stats_of(p).live_objects, LISTS + 2 * NODES);
			bytes = bytes ? bytes : stats_of(p).live_bytes;
			EXPECT_EQ(stats_of(p).live_bytes, bytes);
		}
		cairn_gc_roots_remove(p.h, roots);
		memset(roots, 0, sizeof roots);
		place_close(p);
	}
}

/* ---- Beside signals: handlers that use malloc while their thread allocates and collects ---- */

static void handler(int n)
{
	(void)n;
	volatile char *p = malloc(100);
	if (p)
		p[0] = 1;
	free((void *)p);
}
static void signals_whose_handlers_use_malloc_do_no_harm(void)
{
	if (IS_SANITIZED)
		SKIP("not in this build: the sanitizer's malloc is not for handlers");
	struct sigaction act = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
	sigaction(SIGALRM, &act, &old);
	struct itimerspec often = { { 0, 200000 }, { 0, 200000 } };
	timer_t timer;
	struct sigevent by = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	EXPECT(timer_create(CLOCK_MONOTONIC, &by, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		double end = test_seconds() + 0.2;
		while (test_seconds() < end) {
			node *top = chain_of(p.m, 1000);
			cairn_gc_new_bytes(p.m, 100000);
			cairn_gc_collect(p.m);
			EXPECT(is_whole(p.m, top, 1000));
		}
		place_close(p);
	}
	timer_delete(timer);
	sigaction(SIGALRM, &old, NULL);
}

int main(void)
{
	RUN(collections_do_not_wait_for_threads_that_wait);
	RUN(threads_come_and_go_and_some_die_attached);
	RUN(threads_share_chains_by_a_handle);
	RUN(a_thread_that_polls_is_stopped);
	RUN(a_longjmp_out_of_scopes_is_mended_by_enter);
	RUN(after_fork_parent_and_child_collect);
	RUN(what_several_workers_come_to_at_once_is_counted_once);
	RUN(signals_whose_handlers_use_malloc_do_no_harm);
	DONE();
}
