/* latency.c - how long single calls take: 10^8 of malloc and free in steady state, each timed, beside an empty loop.
 *
 *   latency [OPERATIONS]
 *
 * 100,000 live objects of 16..1024 bytes, log-uniform; a random one is freed and another made, each call timed with the
 * processor's counter. Every two million calls a third of all objects is freed at once and made again, so that there
 * are pages to purge; a second thread that wakes every 10 ms and allocates a little makes the
 * process one of threads. The empty loop is the same with the calls left out: same draws, same reads and writes.
 *
 * Prints, in ns: pN_empty, pN_call and pN_beyond for N = 50, 99, 999 (99.9 %), 9999 (99.99 %), max_empty, max_call; and
 * step_cpu, an upper bound for the thread processor time of the longest call: of the longest call of each 64 the
 * smaller of its wall time and the thread's processor time over those 64 (CLOCK_THREAD_CPUTIME_ID); step_cpu_empty
 * likewise. */
#include "bench.h"
#include <stdatomic.h>

enum { LIVE = 100000, TOGETHER = 64, SAW = 2000000, LINEAR = 1 << 12, OCTAVE = 1 << 8, BUCKETS = LINEAR + 40 * OCTAVE };

typedef struct timing {
	uint64_t count[BUCKETS], total, longest, step_cpu_ns;
} timing;

static struct { unsigned char *p; size_t bytes; } object[LIVE];
static timing calls, empty;
static double ns_per_tick;
static _Atomic int over; /* sync: set once by main at the end */
static unsigned char stand_in[1024];

static inline uint64_t tick(void)
{
#if defined(__x86_64__)
	uint32_t low, high;
	__asm__ volatile("lfence\n\trdtscp\n\tlfence" : "=a"(low), "=d"(high) : : "rcx", "memory");
	return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
	uint64_t t;
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(t) : : "memory");
	return t;
#endif
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void calibrate(void)
{
	uint64_t from_ns = bench_now_ns(), from = tick(), now_ns;
	while ((now_ns = bench_now_ns()) < from_ns + 200000000)
		;
	ns_per_tick = (double)(now_ns - from_ns) / (double)(tick() - from);
}

/* Exact to a tick below LINEAR, then to 1/256. */
static unsigned bucket_of(uint64_t ticks)
{
	if (ticks < LINEAR)
		return (unsigned)ticks;
	unsigned top = 63 - (unsigned)__builtin_clzll(ticks), octave = top - 12;
	unsigned at = LINEAR + octave * OCTAVE + (unsigned)(ticks >> (top - 8) & (OCTAVE - 1));
	return at < BUCKETS ? at : BUCKETS - 1;
}

static double ticks_of(unsigned bucket)
{
	if (bucket < LINEAR)
		return bucket;
	unsigned octave = (bucket - LINEAR) / OCTAVE, part = (bucket - LINEAR) % OCTAVE;
	return (double)((uint64_t)(OCTAVE + part) << (octave + 4));
}

static double percentile_ns(const timing *t, double part)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)t->total * part);
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += t->count[i];
		if (seen > wanted)
			return ticks_of(i) * ns_per_tick;
	}
	return (double)t->longest * ns_per_tick;
}

/* Of a few calls: the longest, and when the thread's clock stood where. */
typedef struct few {
	timing *t;
	uint64_t longest, from_ns;
	unsigned n;
} few;

static void few_begin(few *f)
{
	f->longest = f->n = 0;
	f->from_ns = cpu_ns();
}

static void few_end(few *f)
{
	uint64_t cpu = cpu_ns() - f->from_ns, wall = (uint64_t)((double)f->longest * ns_per_tick);
	uint64_t step = cpu < wall ? cpu : wall;
	if (step > f->t->step_cpu_ns)
		f->t->step_cpu_ns = step;
	if (f->longest > f->t->longest)
		f->t->longest = f->longest;
}

static inline void note(few *f, uint64_t ticks)
{
	f->t->count[bucket_of(ticks)]++;
	f->t->total++;
	if (ticks > f->longest)
		f->longest = ticks;
	if (++f->n == TOGETHER) {
		few_end(f);
		few_begin(f);
	}
}

static inline void free_timed(few *f, size_t k, int is_real)
{
	unsigned char *p = object[k].p;
	uint64_t from = tick();
	if (is_real)
		free(p);
	uint64_t to = tick();
	object[k].p = NULL;
	note(f, to - from);
}

static inline void make_timed(few *f, size_t k, uint64_t *seed, int is_real)
{
	object[k].bytes = bench_log_uniform(seed, 16, 6);
	unsigned char *p = stand_in;
	uint64_t from = tick();
	if (is_real)
		p = malloc(object[k].bytes);
	uint64_t to = tick();
	bench_fill(object[k].p = p, is_real ? object[k].bytes : 16, (unsigned char)k);
	note(f, to - from);
}

/* A third of all objects is freed; they are made again one by one, each after another was freed and made. */
static void saw(few *f, uint64_t *seed, int is_real)
{
	for (size_t k = 0; k < LIVE; k++)
		if (bench_below(seed, 3) == 0)
			free_timed(f, k, is_real);
	for (size_t k = 0; k < LIVE; k++)
		if (!object[k].p) {
			size_t other = bench_below(seed, LIVE);
			make_timed(f, k, seed, is_real);
			if (object[other].p)
				free_timed(f, other, is_real);
			if (!object[other].p)
				make_timed(f, other, seed, is_real);
		}
}

static void steady(timing *t, uint64_t operations, int is_real)
{
	uint64_t seed = bench_seed(77);
	few filling = { calloc(1, sizeof(timing)), 0, 0, 0 }; /* not counted */
	few f = { t, 0, 0, 0 };
	for (size_t k = 0; k < LIVE; k++)
		make_timed(&filling, k, &seed, is_real);
	free(filling.t);
	few_begin(&f);
	for (uint64_t next_saw = SAW; t->total < operations;) {
		size_t k = bench_below(&seed, LIVE);
		free_timed(&f, k, is_real);
		make_timed(&f, k, &seed, is_real);
		if (t->total > next_saw) {
			saw(&f, &seed, is_real);
			next_saw += SAW;
		}
	}
	few_end(&f); /* what did not make up a whole few */
	for (size_t k = 0; k < LIVE; k++) {
		if (is_real)
			free(object[k].p);
		object[k].p = NULL;
	}
}

static void *companion(void *argument)
{
	struct timespec nap = { 0, 10000000 };
	while (!atomic_load(&over)) {
		void *p[32];
		for (unsigned i = 0; i < 32; i++)
			p[i] = malloc(64 * (i + 1));
		for (unsigned i = 0; i < 32; i++)
			free(p[i]);
		nanosleep(&nap, NULL);
	}
	return argument;
}

int main(int argc, char **argv)
{
	uint64_t operations = bench_scaled(bench_argument(argc, argv, 1, 100000000));
	calibrate();
	pthread_t t = bench_thread(companion, NULL);
	steady(&empty, operations, 0);
	bench_start();
	steady(&calls, operations, 1);
	bench_stop();
	atomic_store(&over, 1);
	pthread_join(t, NULL);
	static const struct { const char *name; double part; } parts[] = {
		{ "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 }, { "p9999", 0.9999 },
	};
	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
		double e = percentile_ns(&empty, parts[i].part), c = percentile_ns(&calls, parts[i].part);
		const char *name = parts[i].name;
		printf("%s_empty %.1f\n%s_call %.1f\n%s_beyond %.1f\n", name, e, name, c, name, c - e);
	}
	printf("max_empty %.0f\n", (double)empty.longest * ns_per_tick);
	printf("max_call %.0f\n", (double)calls.longest * ns_per_tick);
	printf("step_cpu_empty %llu\nstep_cpu %llu\n", (unsigned long long)empty.step_cpu_ns,
		(unsigned long long)calls.step_cpu_ns);
	return bench_done(calls.total);
}
