/* watched.c - programs whose work, time and stalls are measured while they are watched.
 *
 *   account-watched steps ROUNDS EXTRA   work between two marks, for the stepper; EXTRA instructions more than needed
 *   account-watched heap                 1 GiB of small blocks, a third freed; then it works or sleeps as it is told
 *   account-watched churn ROUNDS         each line on standard input is answered by the CPU time of so much work
 *
 * `heap` reads words: spin, fault or map begins, stop ends and tells what a thread that did nothing else has met. */
#include "known.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum {
	STEP_SLOTS = 512,
	HEAP_BLOCK = 200, HEAP_BLOCKS = (1 << 30) / HEAP_BLOCK,
	MAP_BYTES = 64 << 10, FAULT_BYTES = 64 << 20,
	CHURN_SLOTS = 10000,
	STALL_NS = 20000, /* of CPU time in one step: no step of ours takes that */
};

static int argument_count;
static char **arguments;

static size_t argument(int i) { return argument_count > i ? strtoull(arguments[i], NULL, 10) : 0; }

static uint64_t random_state = 1;

static uint64_t draw(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 33;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- steps ---- */

#if defined(__x86_64__)
#define MARK() __asm__ volatile("int3" ::: "memory")
#else
#define MARK() (void)0
#endif

/* Mostly small, one in 32 to 32 KiB, one in 256 large. */
static size_t step_size(void)
{
	uint64_t r = draw();
	if (r % 256 == 0)
		return 40000 + r / 256 % 2000000;
	return r % 32 == 0 ? 1 + r / 32 % 32768 : 1 + r / 32 % 1024;
}

static void steps(void)
{
	static char *slot[STEP_SLOTS];
	size_t rounds = argument(2), extra = argument(3);
	MARK();
	for (size_t i = 0; i < rounds; i++) {
		char **p = &slot[draw() % STEP_SLOTS];
		free(*p);
		*p = escape(malloc(step_size()));
		**p = 1;
	}
	if (extra)
		__asm__ volatile("nop");
	MARK();
}

/* ---- heap ---- */

typedef struct met {
	uint64_t steps, longest_ns, longest_cpu_ns, stalled_cpu_ns, cpu_ns;
} met;

static _Atomic int stops;

/* One page after the other of new memory. */
static void fault_step(void)
{
	static char *at, *end;
	if (at == end) {
		if (at)
			munmap(end - FAULT_BYTES, FAULT_BYTES);
		at = mmap(NULL, FAULT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			abort();
		end = at + FAULT_BYTES;
	}
	*at = 1;
	at += KNOWN_PAGE;
}

static void map_step(void)
{
	char *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	*p = 1;
	munmap(p, MAP_BYTES);
}

static void spin_step(void) {}

static met works(void (*step)(void))
{
	met m = { 0 };
	uint64_t began = now_ns(CLOCK_THREAD_CPUTIME_ID), cpu = began, wall = now_ns(CLOCK_MONOTONIC);
	for (; !atomic_load(&stops); m.steps++) {
		step();
		uint64_t wall_now = now_ns(CLOCK_MONOTONIC), cpu_now = now_ns(CLOCK_THREAD_CPUTIME_ID);
		m.longest_ns = wall_now - wall > m.longest_ns ? wall_now - wall : m.longest_ns;
		m.longest_cpu_ns = cpu_now - cpu > m.longest_cpu_ns ? cpu_now - cpu : m.longest_cpu_ns;
		m.stalled_cpu_ns += cpu_now - cpu > STALL_NS ? cpu_now - cpu - STALL_NS : 0;
		wall = wall_now;
		cpu = cpu_now;
	}
	m.cpu_ns = cpu - began;
	return m;
}

static void *worker(void *word)
{
	static met m;
	m = works(!strcmp(word, "fault\n") ? fault_step : !strcmp(word, "map\n") ? map_step : spin_step);
	return &m;
}

static void fill_heap(void)
{
	size_t bytes = HEAP_BLOCKS * sizeof(char *);
	char **block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < HEAP_BLOCKS; i++)
		block[i] = keep(malloc(HEAP_BLOCK), HEAP_BLOCK);
	for (size_t i = 0; i < HEAP_BLOCKS; i += 3)
		free(block[i]);
	munmap(block, bytes);
}

static void heap(void)
{
	char word[32];
	fill_heap();
	say("ready\n");
	while (fgets(word, sizeof word, stdin)) {
		pthread_t t;
		void *result;
		char other[32];
		atomic_store(&stops, 0);
		if (pthread_create(&t, NULL, worker, word) || !fgets(other, sizeof other, stdin))
			abort();
		atomic_store(&stops, 1);
		pthread_join(t, &result);
		met m = *(met *)result;
		tell("steps", m.steps);
		tell("longest", m.longest_ns);
		tell("longest_cpu", m.longest_cpu_ns);
		tell("stalled_cpu", m.stalled_cpu_ns);
		tell("cpu", m.cpu_ns);
		say("ready\n");
	}
}

/* ---- churn ---- */

static void churn(void)
{
	static char *slot[CHURN_SLOTS];
	char word[32];
	say("ready\n");
	while (fgets(word, sizeof word, stdin)) {
		uint64_t began = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		for (size_t i = argument(2); i > 0; i--) {
			char **p = &slot[draw() % CHURN_SLOTS];
			free(*p);
			*p = escape(malloc(i % 4096 ? 1 + draw() % 512 : step_size()));
			**p = 1;
		}
		tell("cpu", now_ns(CLOCK_PROCESS_CPUTIME_ID) - began);
		say("ready\n");
	}
}

int main(int argc, char **argv)
{
	static const known_kind kinds[] = { { "steps", steps }, { "heap", heap }, { "churn", churn }, { NULL, NULL } };
	argument_count = argc;
	arguments = argv;
	return known_main(argc, argv, kinds);
}
