/* Locks: one at a time, nobody forgotten, ranks kept. Cases cite the invariants of os/lock.c. */
#include "base/assert.h"
#include "os/lock.h"
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static cairn_lock lock = CAIRN_LOCK_INIT;
static long guarded; /* sync: lock */

static void *add_many(void *arg)
{
	long rounds = *(long *)arg;
	for (long i = 0; i < rounds; i++) {
		cairn_lock_take(&lock, CAIRN_RANK_HEAP);
		long seen = guarded;
		if (i % 256 == 0)
			sched_yield(); /* so that others find it held and sleep */
		guarded = seen + 1;
		cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	}
	return NULL;
}

static void one_thread_at_a_time_and_none_sleeps_for_ever(void) /* L1, L2 */
{
	enum { THREADS = 8 };
	long rounds = (long)test_setting("CAIRN_LOCK_ROUNDS", 20000);
	pthread_t threads[THREADS];
	guarded = 0;
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, add_many, &rounds), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(guarded, THREADS * rounds);
	EXPECT(!cairn_lock_is_held(&lock));
}

static void *take_and_drop(void *arg)
{
	_Atomic int *stage = arg;
	cairn_lock_take(&lock, CAIRN_RANK_HEAP);
	atomic_fetch_add(stage, 1);
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	return NULL;
}

static double processor_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void a_waiter_sleeps_until_the_lock_is_dropped(void) /* L2 */
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	_Atomic int stage = 0;
	cairn_lock_take(&lock, CAIRN_RANK_HEAP);
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, take_and_drop, &stage), 0);
	usleep(50000);
	double before = processor_seconds();
	usleep(200000);
	EXPECT(processor_seconds() - before < 0.1); /* four spinning threads would use 0.2 or more */
	EXPECT_EQ(atomic_load(&stage), 0);
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(atomic_load(&stage), THREADS);
}

static void try_takes_only_a_free_lock(void) /* L1 */
{
	EXPECT(!cairn_lock_is_held(&lock));
	EXPECT(cairn_lock_try(&lock, CAIRN_RANK_HEAP));
	EXPECT(cairn_lock_is_held(&lock));
	EXPECT(!cairn_lock_try(&lock, CAIRN_RANK_HEAP));
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	EXPECT(cairn_lock_try(&lock, CAIRN_RANK_HEAP));
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
}

static _Atomic int handler_result; /* 1 got it, 2 did not */
static void try_in_handler(int sig)
{
	(void)sig;
	bool got = cairn_lock_try(&lock, CAIRN_RANK_HEAP);
	if (got)
		cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	atomic_store(&handler_result, got ? 1 : 2);
}

static void a_signal_handler_may_try(void)
{
	signal(SIGUSR1, try_in_handler);
	cairn_lock_take(&lock, CAIRN_RANK_HEAP);
	raise(SIGUSR1);
	EXPECT_EQ(atomic_load(&handler_result), 2);
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	raise(SIGUSR1);
	EXPECT_EQ(atomic_load(&handler_result), 1);
	signal(SIGUSR1, SIG_DFL);
}

static void a_child_of_fork_makes_it_new(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_HEAP);
	pid_t pid = _Fork(); /* without handlers: in one unit with malloc ours would find the lock held */
	if (pid == 0) {
		cairn_lock_renew(&lock);
		cairn_lock_take(&lock, CAIRN_RANK_HEAP);
		cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
		_exit(cairn_lock_is_held(&lock));
	}
	cairn_lock_drop(&lock, CAIRN_RANK_HEAP);
	int status = -1;
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}

/* ---- L3 ---- */

static cairn_lock other = CAIRN_LOCK_INIT;

static void rising(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_CENTRAL);
	cairn_lock_take(&other, CAIRN_RANK_META);
	cairn_lock_drop(&other, CAIRN_RANK_META);
	cairn_lock_drop(&lock, CAIRN_RANK_CENTRAL);
}
static void two_central(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_CENTRAL);
	cairn_lock_take(&other, CAIRN_RANK_CENTRAL);
	cairn_lock_drop(&lock, CAIRN_RANK_CENTRAL);
	cairn_lock_drop(&other, CAIRN_RANK_CENTRAL);
	rising();
}
static void falling(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_PAGEHEAP);
	cairn_lock_take(&other, CAIRN_RANK_CENTRAL);
}
static void two_equal(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_PAGEHEAP);
	cairn_lock_take(&other, CAIRN_RANK_PAGEHEAP);
}
static void drop_what_is_not_held(void)
{
	cairn_lock_drop(&other, CAIRN_RANK_META);
}
static void try_against_the_order(void)
{
	cairn_lock_take(&lock, CAIRN_RANK_META);
	if (cairn_lock_try(&other, CAIRN_RANK_HEAP))
		cairn_lock_drop(&other, CAIRN_RANK_HEAP);
	cairn_lock_drop(&lock, CAIRN_RANK_META);
}

/* The signal that ended a child which did `crime`, 0 for none; its words into text. */
static int signal_of(void (*crime)(void), char *text, size_t bytes)
{
	int ends[2];
	memset(text, 0, bytes);
	if (pipe(ends))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], 2);
		crime();
		_exit(0);
	}
	close(ends[1]);
	for (size_t got = 0; got < bytes - 1;) {
		ssize_t n = read(ends[0], text + got, bytes - 1 - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(ends[0]);
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void rising_ranks_are_allowed(void)
{
	char text[256];
	EXPECT_EQ(signal_of(rising, text, sizeof text), 0);
	EXPECT_EQ(signal_of(two_central, text, sizeof text), 0);
	EXPECT_EQ(signal_of(try_against_the_order, text, sizeof text), 0);
}

static void other_orders_are_our_bug_and_caught_outside_release(void)
{
	char text[256];
	int wanted = CAIRN_DEBUG >= 1 ? SIGABRT : 0;
	EXPECT_EQ(signal_of(falling, text, sizeof text), wanted);
	EXPECT_EQ(signal_of(two_equal, text, sizeof text), wanted);
	EXPECT_EQ(signal_of(drop_what_is_not_held, text, sizeof text), wanted);
}

int main(void)
{
	RUN(one_thread_at_a_time_and_none_sleeps_for_ever);
	RUN(a_waiter_sleeps_until_the_lock_is_dropped);
	RUN(try_takes_only_a_free_lock);
	RUN(a_signal_handler_may_try);
	RUN(a_child_of_fork_makes_it_new);
	RUN(rising_ranks_are_allowed);
	RUN(other_orders_are_our_bug_and_caught_outside_release);
	DONE();
}
