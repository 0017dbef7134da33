/* cli/paired.h - what pairs of figures say: middle, spread, and the ratio of one to the other with an interval.
 *
 * Figure i of one side was taken in the same round as figure i of the other, so what slows a whole round down (another
 * job, a cooler clock) is in both and leaves their ratio alone. Threads: any. */
#ifndef CAIRN_CLI_PAIRED_H
#define CAIRN_CLI_PAIRED_H

#include <stdbool.h>
#include <stddef.h>

enum { CAIRN_PAIRED_MAX = 1000 }; /* pairs */

/* A ratio, and between what it lies with the certainty that was asked for. */
typedef struct cairn_paired {
	double ratio;
	bool has_interval; /* false: too few pairs for that */
	double low, high;
} cairn_paired;

/* The middle of n figures, n > 0. Returns NAN without memory. */
double cairn_paired_median(const double *figures, size_t n);
/* Half of n figures are at most this far from their median. Returns NAN without memory. */
double cairn_paired_spread(const double *figures, size_t n);
/* Which of the averages of pairs the interval ends at, counted from either side, so that it misses the true ratio in at
 * most this part of all cases: 0.05 for 95 %. 0: n is too small for that, or no memory. */
size_t cairn_paired_rank(size_t n, double error);
/* figures[i] against base[i]; rank is what cairn_paired_rank gave for n. False: no pairs, too many, a figure that is
 * not above 0, or no memory. */
bool cairn_paired_ratio(cairn_paired *p, const double *figures, const double *base, size_t n, size_t rank);

#endif
