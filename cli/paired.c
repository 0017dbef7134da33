/* cli/paired.c - what pairs of figures say. See paired.h.
 *
 * The ratio and its interval are those that belong to Wilcoxon's signed rank test, taken on the logarithms d of the n
 * paired ratios (M. Hollander, D. Wolfe, E. Chicken, "Nonparametric Statistical Methods", 3rd edition, 2014, sections
 * 3.2 and 3.3; the estimate is Hodges' and Lehmann's of 1963, the interval Tukey's of 1949):
 *
 *   the n (n + 1) / 2 averages (d[i] + d[j]) / 2, i <= j, in rising order
 *        │           c-th lowest ──── middle ──── c-th highest
 *        │                 low         ratio          high
 *
 * c is the largest for which P(T < c) <= error / 2, where T is the sum of a random subset of 1 ... n: exact for every
 * n, without a normal distribution, without a random number. It assumes that each d is as likely to lie as far above
 * the true ratio as below. Where two allocators do not differ that is so by construction: which of the two came first
 * in a round was drawn, so either could have had either's figure. Outliers cost width and no truth.
 *
 * Logarithms are never taken: the average of two of them is the root of the product of two ratios, and roots keep the
 * order. So the command needs no libm.
 *
 * Invariants:
 *   (S1) low <= ratio <= high.
 *   (S2) Exchanging figures and base gives 1 / ratio and 1 / high ... 1 / low.
 *
 * Failure: NAN or false, and nothing is to be used. */
#include "paired.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int paired_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double paired_middle(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Takes the figures. */
static double paired_take_median(double *figures, size_t n)
{
	qsort(figures, n, sizeof *figures, paired_order);
	double middle = paired_middle(figures, n);
	free(figures);
	return middle;
}

double cairn_paired_median(const double *figures, size_t n)
{
	double *copy = calloc(n + 1, sizeof *copy);
	if (!copy || !n)
		return free(copy), NAN;
	memcpy(copy, figures, n * sizeof *copy);
	return paired_take_median(copy, n);
}

double cairn_paired_spread(const double *figures, size_t n)
{
	double middle = cairn_paired_median(figures, n);
	double *far = calloc(n + 1, sizeof *far);
	if (!far || !n)
		return free(far), NAN;
	for (size_t i = 0; i < n; i++)
		far[i] = figures[i] > middle ? figures[i] - middle : middle - figures[i];
	return paired_take_median(far, n);
}

/* probability[t] becomes P(T = t) for t < room: each of 1 ... n is in the sum or not, with one half each. */
static void paired_distribution(double *probability, size_t room, size_t n)
{
	probability[0] = 1;
	for (size_t k = 1; k <= n; k++) {
		size_t highest = k * (k + 1) / 2;
		for (size_t t = highest < room ? highest + 1 : room; t-- > 0;)
			probability[t] = (probability[t] + (t >= k ? probability[t - k] : 0)) / 2;
	}
}

size_t cairn_paired_rank(size_t n, double error)
{
	size_t room = n * (n + 1) / 4 + 1, c = 0; /* to the middle of T, which c cannot pass */
	double *probability = calloc(room, sizeof *probability);
	if (!probability)
		return 0;
	paired_distribution(probability, room, n);
	for (double below = 0; c < room; c++) {
		below += probability[c];
		if (below > error / 2)
			break;
	}
	free(probability);
	return c;
}

/* Newton's way from above, which falls until it cannot. */
static double paired_root(double x)
{
	double root = x > 1 ? x : 1, next;
	while ((next = (root + x / root) / 2) < root)
		root = next;
	return root;
}

/* All ratios[i] * ratios[j], i <= j, in rising order; NULL: no memory. Returns owned. */
static double *paired_products(const double *ratios, size_t n)
{
	size_t count = 0;
	double *products = calloc(n * (n + 1) / 2, sizeof *products);
	if (!products)
		return NULL;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++)
			products[count++] = ratios[i] * ratios[j];
	qsort(products, count, sizeof *products, paired_order);
	return products;
}

/* Between the two in the middle on the logarithms' scale, so that (S2) holds. */
static double paired_middle_root(const double *products, size_t count)
{
	double below = paired_root(products[(count - 1) / 2]), above = paired_root(products[count / 2]);
	return above > below ? paired_root(below * above) : below;
}

bool cairn_paired_ratio(cairn_paired *p, const double *figures, const double *base, size_t n, size_t rank)
{
	double ratios[CAIRN_PAIRED_MAX];
	*p = (cairn_paired){ .has_interval = false };
	if (!n || n > CAIRN_PAIRED_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!(figures[i] > 0 && base[i] > 0))
			return false;
		ratios[i] = figures[i] / base[i];
	}
	double *products = paired_products(ratios, n);
	if (!products)
		return false;
	size_t count = n * (n + 1) / 2;
	p->ratio = paired_middle_root(products, count);
	p->has_interval = rank > 0 && rank <= (count + 1) / 2;
	p->low = p->has_interval ? paired_root(products[rank - 1]) : 0;
	p->high = p->has_interval ? paired_root(products[count - rank]) : 0;
	free(products);
	return true;
}
