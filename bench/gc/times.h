/* times.h - how long the operations of one thread took: counted by eighths of the binary logarithm of their ns, told as
 * percentiles in µs. A percentile is the lower bound of its eighth, 12 % too low at most; the longest is exact. */
#ifndef BENCH_GC_TIMES_H
#define BENCH_GC_TIMES_H

#include <stdint.h>
#include <stdio.h>

enum { TIMES_BUCKETS = 64 * 8 };

static uint32_t times_histogram[TIMES_BUCKETS];
static uint64_t times_longest_ns;

static inline void times_note(uint64_t ns)
{
	unsigned log = 63 - (unsigned)__builtin_clzll(ns | 8);
	times_histogram[log * 8 + (ns >> (log - 3) & 7)]++;
	times_longest_ns = ns > times_longest_ns ? ns : times_longest_ns;
}

static inline double times_percentile_us(double percent)
{
	uint64_t all = 0, below = 0;
	for (unsigned i = 0; i < TIMES_BUCKETS; i++)
		all += times_histogram[i];
	unsigned i = 0;
	while (i < TIMES_BUCKETS - 1 && (double)(below += times_histogram[i]) < (double)all * percent / 100)
		i++;
	return (double)((8 + (uint64_t)(i & 7)) << (i / 8) >> 3) / 1e3;
}

/* NAME_p50_us and so on, a line each. */
static inline void times_print(const char *name)
{
	static const char *const percent[] = { "50", "99", "99.9", "99.99" };
	for (size_t i = 0; i < sizeof percent / sizeof *percent; i++)
		printf("%s_p%s_us %.2f\n", name, percent[i], times_percentile_us(strtod(percent[i], NULL)));
	printf("%s_longest_us %.0f\n", name, (double)times_longest_ns / 1e3);
}

#endif
