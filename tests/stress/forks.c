/* Forks from many threads while others allocate: every child finds malloc whole, allocates, checks what it inherited,
 * frees, and ends; the parent goes on. First-class heaps are alive across the fork.
 *
 * CAIRN_TEST_SECONDS says how long, CAIRN_SEED repeats. */
#include "support/child.h"
#include "support/crowd.h"
#include "support/oracle.h"

#include <sys/wait.h>

enum { FORKERS = 3, WORKERS = 3, KEPT = 64 };

/* The thread sanitizer has rules of its own for the child of a process with threads. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0:report_thread_leaks=0"; }

#if defined(__SANITIZE_THREAD__) || CHILD_HAS_FEATURE(thread_sanitizer)
#define IS_THREAD_SANITIZED 1
#else
#define IS_THREAD_SANITIZED 0
#endif

static uint64_t seed;
static _Atomic unsigned forks_done;
static cairn_heap *shared_heap;

/* Allocates and frees in every corner; 0 when all was right. Runs in the child, where only async-signal-safe libc is.
 * */
static int child_life(parcel **inherited, uint64_t random)
{
	parcel *mine[KEPT] = { 0 };
	for (int i = 0; i < 4 * KEPT; i++) {
		parcel **place = &mine[test_random(&random) % KEPT];
		parcel_check_and_free(*place);
		*place = parcel_make(crowd_size(&random), random);
	}
	for (int i = 0; i < KEPT; i++) {
		parcel_check_and_free(mine[i]);
		parcel_check_and_free(inherited[i]);
	}
	if (shared_heap) {
		void *p = cairn_heap_alloc(shared_heap, 100);
		cairn_heap_free(shared_heap, p);
	}
	cairn_malloc_trim(0);
	validate_all(&shared_heap, 1);
	return has_failed();
}

static void fork_once(parcel **kept, uint64_t random)
{
	pid_t child = fork();
	if (!child)
		_exit(child_life(kept, random));
	if (child < 0)
		return; /* the machine is full of processes: not ours to test */
	int status = -1;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	EXPECT_EQ(status, 0);
	atomic_fetch_add(&forks_done, 1);
}

static void churn(parcel **kept, uint64_t *random, int times)
{
	for (int i = 0; i < times; i++) {
		parcel **place = &kept[test_random(random) % KEPT];
		parcel_check_and_free(*place);
		*place = parcel_make(crowd_size(random), test_random(random));
	}
}

/* Lets the magazine of one size class grow and shrink: a fork must never see one in between. */
static void resize_magazines(uint64_t *random)
{
	enum { MANY = 700 };
	static __thread void *blocks[MANY];
	size_t bytes = test_random(random) % 200;
	for (int i = 0; i < MANY; i++)
		blocks[i] = cairn_malloc(bytes);
	for (int i = 0; i < MANY; i++)
		cairn_free(blocks[i]);
}

static void *live(void *arg)
{
	size_t number = (size_t)arg;
	uint64_t random = seed + number;
	parcel *kept[KEPT] = { 0 };
	while (!crowd_is_over() && !has_failed()) {
		churn(kept, &random, 200);
		void *p = cairn_heap_alloc(shared_heap, test_random(&random) % 3000);
		if (number < FORKERS)
			fork_once(kept, random);
		for (int i = 0; number >= FORKERS && i < 200; i++)
			resize_magazines(&random);
		cairn_heap_free(shared_heap, p);
	}
	for (int i = 0; i < KEPT; i++)
		parcel_check_and_free(kept[i]);
	return NULL;
}

static void a_child_of_many_threads_finds_malloc_whole(void)
{
	pthread_t threads[FORKERS + WORKERS];
	seed = test_seed();
	shared_heap = cairn_heap_create();
	REQUIRE(shared_heap || crowd_may_refuse());
	crowd_start(test_seconds_to_run(5) / 2);
	for (size_t i = 0; shared_heap && i < FORKERS + WORKERS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, live, (void *)i), 0);
	for (size_t i = 0; shared_heap && i < FORKERS + WORKERS; i++)
		pthread_join(threads[i], NULL);
	cairn_heap_destroy(shared_heap);
	NOTE("%u forks", forks_done);
	validate_all(NULL, 0);
}

/* ---- The moment when a process gets its second thread ---- */

static void *begin(void *arg)
{
	(void)arg;
	cairn_free(cairn_malloc(100));
	return NULL;
}

/* In a process that had one thread until now: forks while the second makes its first request. */
static void fork_beside_a_first_request(void *pause)
{
	pthread_t thread;
	parcel *none[KEPT] = { 0 };
	EXPECT_EQ(pthread_create(&thread, NULL, begin, NULL), 0);
	for (volatile unsigned i = 0; i < *(unsigned *)pause; i++)
		;
	alarm(20); /* a child that waits for ever is ended by it, and its parent sees it */
	pid_t child = fork();
	if (!child) {
		alarm(20);
		_exit(child_life(none, seed));
	}
	int status = -1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child > 0)
		EXPECT_EQ(status, 0);
	pthread_join(thread, NULL);
}

static void a_child_forked_beside_a_threads_first_request_is_whole(void)
{
	if (IS_THREAD_SANITIZED)
		SKIP("not in this build: the sanitizer's own locks may be taken in the child, and stay so");
	unsigned made = 0;
	seed = test_seed();
	crowd_start(test_seconds_to_run(5) / 2);
	for (uint64_t random = seed; !crowd_is_over() && !has_failed(); made++) {
		unsigned pause = (unsigned)(test_random(&random) % 30000);
		in_a_child(fork_beside_a_first_request, &pause);
	}
	NOTE("%u processes", made);
}

int main(void)
{
	RUN(a_child_forked_beside_a_threads_first_request_is_whole); /* first: this process has no thread yet */
	RUN(a_child_of_many_threads_finds_malloc_whole);
	DONE();
}
