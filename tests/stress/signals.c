/* Signal handlers that allocate and free while the threads they interrupt are inside malloc. The standard promises them
 * nothing; malloc here promises that a handler which frees what it allocated never waits for its own thread and never
 * breaks a magazine.
 *
 * CAIRN_TEST_SECONDS says how long, CAIRN_SEED repeats. */
#include "support/crowd.h"
#include "support/oracle.h"

#include <signal.h>
#include <unistd.h>

enum { THREADS = 3 };

typedef struct worker {
	pthread_t thread;
	oracle table;
	_Atomic bool is_done;
} worker;

static worker workers[THREADS];
static _Atomic unsigned signals_handled;
static _Atomic uint64_t handler_random;

static void handle(int number)
{
	(void)number;
	int saved = errno;
	uint64_t random = atomic_fetch_add(&handler_random, 0x9e3779b97f4a7c15ull);
	parcel_check_and_free(parcel_make(crowd_size(&random) % (100 << 10), random));
	atomic_fetch_add(&signals_handled, 1);
	errno = saved;
}

static void *work(void *arg)
{
	worker *w = arg;
	while (!crowd_is_over() && !has_failed())
		oracle_step(&w->table);
	while (w->table.count && !has_failed())
		do_free(&w->table);
	atomic_store(&w->is_done, true);
	return NULL;
}

/* Signals each thread that still works, over and over. */
static void pester(void)
{
	for (bool is_any = true; is_any;) {
		is_any = false;
		for (int i = 0; i < THREADS; i++) {
			if (atomic_load(&workers[i].is_done))
				continue;
			is_any = true;
			pthread_kill(workers[i].thread, SIGUSR1);
		}
		struct timespec pause = { 0, 50 * 1000 };
		nanosleep(&pause, NULL);
	}
}

static void handlers_may_allocate_and_free(void)
{
	uint64_t seed = test_seed();
	handler_random = seed;
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &action, NULL);
	crowd_start(test_seconds_to_run(5));
	for (int i = 0; i < THREADS; i++) {
		oracle_begin(&workers[i].table, (oracle_source){ .state = seed + (uint64_t)i });
		workers[i].table.live_bytes_max = 16 << 20;
		workers[i].table.largest = 4 << 20;
		workers[i].table.may_refuse = crowd_may_refuse();
	}
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	pester();
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++)
		oracle_end(&workers[i].table);
	NOTE("%u signals", signals_handled);
	EXPECT(signals_handled > 10);
}

/* Where malloc is another's, libc makes the janitor's thread, by pthread_create, and no handler may call that: so there
 * is none then, and this program runs itself again to say so before malloc's start. */
int main(int argc, char **argv)
{
	(void)argc;
	if (!CAIRN_INTERPOSE && !getenv("CAIRN_JANITOR")) {
		setenv("CAIRN_JANITOR", "0", 1);
		execv("/proc/self/exe", argv);
	}
	RUN(handlers_may_allocate_and_free);
	DONE();
}
