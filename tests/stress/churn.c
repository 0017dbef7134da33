/* Many short threads: each allocates, frees what others left, leaves something for others, and goes on allocating in
 * the destructors of its thread-local data, before and after malloc's own has run, in several rounds.
 *
 * 100,000 threads, or as many as fit into CAIRN_TEST_SECONDS; CAIRN_SEED repeats. */
#include "support/crowd.h"
#include "support/oracle.h"

enum { THREADS_MOST = 100000, AT_ONCE = 16, ROUNDS = 3 };

static pthread_key_t early_key, late_key; /* made before and after malloc's own, where the build allows it */
static uint64_t seed;
static _Atomic unsigned destructors_run;

/* What hangs on a key: a parcel whose mark counts the rounds. */
static void destroy(void *arg, pthread_key_t key)
{
	parcel *p = arg;
	uint64_t round = p->mark;
	EXPECT(parcel_is_whole(p));
	parcel *more[8];
	for (int i = 0; i < 8; i++)
		more[i] = parcel_make(40 + 100 * (size_t)i, round);
	cairn_free(p);
	for (int i = 0; i < 8; i++)
		parcel_check_and_free(more[i]);
	atomic_fetch_add(&destructors_run, 1);
	if (round + 1 < ROUNDS)
		pthread_setspecific(key, parcel_make(200, round + 1));
}

static void destroy_early(void *arg) { destroy(arg, early_key); }
static void destroy_late(void *arg) { destroy(arg, late_key); }

__attribute__((constructor(101))) static void make_early_key(void) { pthread_key_create(&early_key, destroy_early); }

static void *live_shortly(void *arg)
{
	uint64_t random = seed + (uint64_t)(uintptr_t)arg;
	unsigned how_many = (unsigned)(test_random(&random) % 40);
	pthread_setspecific(early_key, parcel_make(300, 0));
	pthread_setspecific(late_key, parcel_make(300, 0));
	for (unsigned i = 0; i < how_many; i++)
		parcel_check_and_free(
			crowd_swap(&random, parcel_make(crowd_size(&random) % 5000, test_random(&random))));
	return NULL;
}

/* Starts and ends AT_ONCE threads; how many there were. */
static unsigned generation(unsigned number)
{
	pthread_t threads[AT_ONCE];
	unsigned made = 0;
	for (; made < AT_ONCE; made++)
		if (pthread_create(&threads[made], NULL, live_shortly, (void *)(uintptr_t)(number * AT_ONCE + made)))
			break;
	for (unsigned i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	EXPECT(made || crowd_may_refuse());
	return made;
}

static uint64_t live_blocks(void)
{
	static oracle_counts now;
	uint64_t live = 0;
	counts_now(&now);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		live += now.live[c];
	return live;
}

static void short_threads_leave_nothing_behind(void)
{
	seed = test_seed();
	pthread_key_create(&late_key, destroy_late);
	generation(0); /* what libc keeps of ended threads is kept now */
	crowd_clear();
	uint64_t live_before = live_blocks();
	unsigned made = 0, run = destructors_run;
	crowd_start(test_seconds_to_run(20));
	for (unsigned i = 1; made < THREADS_MOST && !crowd_is_over() && !has_failed(); i++)
		made += generation(i);
	crowd_clear();
	NOTE("%u threads, %u caches", made, cairn_stats_control()->cache_count);
	EXPECT(crowd_may_refuse() || destructors_run - run == 2 * ROUNDS * made);
	EXPECT(cairn_stats_control()->cache_count <= AT_ONCE + 4); /* ended threads' caches are used again */
	EXPECT(live_blocks() <=
		live_before + 2 * AT_ONCE); /* libc keeps a few ended threads' stacks, and what hangs on them */
	validate_all(NULL, 0);
}

int main(void)
{
	RUN(short_threads_leave_nothing_behind);
	DONE();
}
