/* cfrac.c - factors a number by continued fractions (Lehmer and Powers 1931; Morrison and Brillhart 1975).
 *
 *   cfrac NUMBER [TIMES]     prints a factor
 *
 * Big numbers are blocks of 8 to 60 bytes with a count of references; every operation makes a new one and drops what
 * it no longer needs, which is why programs like this one allocate more than they compute. */
#include "bench.h"

/* ---- numbers: little-endian digits of 32 bits, no leading zeros; n == 0 is zero ---- */

typedef struct number {
	uint32_t references, n;
	uint32_t digit[];
} number;

static number *make(uint32_t n)
{
	number *x = malloc(sizeof *x + n * sizeof x->digit[0]);
	if (!x)
		bench_die("malloc");
	x->references = 1;
	x->n = n;
	return x;
}

static number *keep(number *x)
{
	x->references++;
	return x;
}

static void drop(number *x)
{
	if (--x->references == 0)
		free(x);
}

static void assign(number **to, number *x) /* takes x */
{
	drop(*to);
	*to = x;
}

static number *trim(number *x)
{
	while (x->n && !x->digit[x->n - 1])
		x->n--;
	return x;
}

static number *small(uint32_t v)
{
	number *x = make(1);
	x->digit[0] = v;
	return trim(x);
}

static int compare(const number *a, const number *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (uint32_t i = a->n; i-- > 0;)
		if (a->digit[i] != b->digit[i])
			return a->digit[i] < b->digit[i] ? -1 : 1;
	return 0;
}

static number *add(const number *a, const number *b)
{
	if (a->n < b->n)
		return add(b, a);
	number *x = make(a->n + 1);
	uint64_t carry = 0;
	for (uint32_t i = 0; i < a->n; i++) {
		carry += (uint64_t)a->digit[i] + (i < b->n ? b->digit[i] : 0);
		x->digit[i] = (uint32_t)carry;
		carry >>= 32;
	}
	x->digit[a->n] = (uint32_t)carry;
	return trim(x);
}

static number *subtract(const number *a, const number *b) /* a >= b */
{
	number *x = make(a->n);
	int64_t borrow = 0;
	for (uint32_t i = 0; i < a->n; i++) {
		borrow += (int64_t)a->digit[i] - (i < b->n ? b->digit[i] : 0);
		x->digit[i] = (uint32_t)borrow;
		borrow >>= 32;
	}
	return trim(x);
}

static number *multiply(const number *a, const number *b)
{
	number *x = make(a->n + b->n);
	memset(x->digit, 0, x->n * sizeof x->digit[0]);
	for (uint32_t i = 0; i < a->n; i++) {
		uint64_t carry = 0;
		for (uint32_t k = 0; k < b->n; k++) {
			carry += (uint64_t)a->digit[i] * b->digit[k] + x->digit[i + k];
			x->digit[i + k] = (uint32_t)carry;
			carry >>= 32;
		}
		x->digit[i + b->n] = (uint32_t)carry;
	}
	return trim(x);
}

static number *divide_small(const number *a, uint32_t d, uint32_t *rest)
{
	number *x = make(a->n);
	uint64_t r = 0;
	for (uint32_t i = a->n; i-- > 0;) {
		r = r << 32 | a->digit[i];
		x->digit[i] = (uint32_t)(r / d);
		r %= d;
	}
	*rest = (uint32_t)r;
	return trim(x);
}

static number *doubled(const number *a, uint32_t bit)
{
	number *x = make(a->n + 1);
	for (uint32_t i = 0; i < a->n; i++) {
		uint32_t high = a->digit[i] >> 31;
		x->digit[i] = a->digit[i] << 1 | (bit & 1);
		bit = high;
	}
	x->digit[a->n] = bit & 1;
	return trim(x);
}

static number *highest(const number *a, uint32_t n)
{
	number *x = make(n);
	memcpy(x->digit, a->digit + a->n - n, n * sizeof a->digit[0]);
	return trim(x);
}

/* Quotient and rest, bit by bit from where the rest can first reach b. */
static number *divide(const number *a, const number *b, number **rest)
{
	uint32_t skip = a->n < b->n ? a->n : b->n - 1;
	number *quotient = make(a->n - skip), *r = highest(a, skip);
	memset(quotient->digit, 0, quotient->n * sizeof a->digit[0]);
	for (uint32_t i = (a->n - skip) * 32; i-- > 0;) {
		assign(&r, doubled(r, a->digit[i / 32] >> i % 32 & 1));
		if (compare(r, b) >= 0) {
			assign(&r, subtract(r, b));
			quotient->digit[i / 32] |= 1u << i % 32;
		}
	}
	if (rest)
		*rest = r;
	else
		drop(r);
	return trim(quotient);
}

static number *rest_of(number *a, const number *b) /* takes a */
{
	number *r;
	if (compare(a, b) < 0)
		return a;
	drop(divide(a, b, &r));
	drop(a);
	return r;
}

static number *root(const number *a) /* largest x with x * x <= a, by Newton from above */
{
	number *x = make(a->n / 2 + 1);
	memset(x->digit, 0xff, x->n * sizeof x->digit[0]);
	for (;;) {
		number *q = divide(a, x, NULL), *sum = add(x, q);
		uint32_t rest;
		number *next = divide_small(sum, 2, &rest);
		drop(q);
		drop(sum);
		if (compare(next, x) >= 0) {
			drop(next);
			return x;
		}
		assign(&x, next);
	}
}

static number *greatest_divisor(number *a, number *b) /* takes both */
{
	while (b->n) {
		number *r = rest_of(a, b);
		a = b;
		b = r;
	}
	drop(b);
	return a;
}

static number *parse(const char *text)
{
	number *x = small(0), *ten = small(10);
	for (; *text; text++) {
		number *t = multiply(x, ten), *d = small((uint32_t)(*text - '0'));
		assign(&x, add(t, d));
		drop(t);
		drop(d);
	}
	drop(ten);
	return x;
}

static uint64_t hash(const number *x)
{
	uint64_t h = x->n;
	for (uint32_t i = 0; i < x->n; i++)
		h = h * 1000003 + x->digit[i];
	return h;
}

/* ---- the factor base, relations, and their combination ---- */

enum { BASE_MAX = 192, RELATIONS_MAX = BASE_MAX + 32 };
static uint32_t base[BASE_MAX];
static unsigned base_count;

typedef struct relation {
	number *a;                       /* a^2 == (-1)^sign * product of base^exponent (mod n) */
	unsigned char exponent[BASE_MAX + 1];
	uint64_t odd[BASE_MAX / 64 + 1]; /* parities, reduced by elimination */
	uint64_t from[RELATIONS_MAX / 64 + 1];
} relation;
static relation relations[RELATIONS_MAX];
static unsigned relation_count;

static uint32_t power(uint64_t b, uint32_t e, uint32_t m)
{
	uint64_t x = 1;
	for (b %= m; e; e >>= 1, b = b * b % m)
		if (e & 1)
			x = x * b % m;
	return (uint32_t)x;
}

static void base_make(const number *n, unsigned count)
{
	base_count = 0;
	base[base_count++] = 2;
	for (uint32_t p = 3; base_count < count; p += 2) {
		uint32_t rest, prime = 1;
		for (uint32_t d = 3; d * d <= p && prime; d += 2)
			prime = p % d != 0;
		if (!prime)
			continue;
		drop(divide_small(n, p, &rest));
		if (power(rest, (p - 1) / 2, p) <= 1) /* n is a square modulo p */
			base[base_count++] = p;
	}
}

/* Is q a product of primes of the base? A new number for every division, as the classic does. */
static int smooth(number *q, relation *r) /* takes q */
{
	memset(r->exponent, 0, sizeof r->exponent);
	for (unsigned i = 0; i < base_count; i++)
		for (;;) {
			uint32_t rest;
			number *next = divide_small(q, base[i], &rest);
			if (rest) {
				drop(next);
				break;
			}
			assign(&q, next);
			r->exponent[i]++;
		}
	int one = q->n == 1 && q->digit[0] == 1;
	drop(q);
	return one;
}

static void relation_keep(number *a, int negative)
{
	relation *r = &relations[relation_count];
	r->a = keep(a);
	r->exponent[base_count] = (unsigned char)negative;
	memset(r->odd, 0, sizeof r->odd);
	memset(r->from, 0, sizeof r->from);
	for (unsigned i = 0; i <= base_count; i++)
		r->odd[i / 64] |= (uint64_t)(r->exponent[i] & 1) << i % 64;
	r->from[relation_count / 64] |= 1ull << relation_count % 64;
	relation_count++;
}

static int is_odd(const relation *r, unsigned i) { return r->odd[i / 64] >> i % 64 & 1; }

static void combine(relation *r, const relation *with)
{
	for (unsigned k = 0; k < sizeof r->odd / sizeof r->odd[0]; k++)
		r->odd[k] ^= with->odd[k];
	for (unsigned k = 0; k < sizeof r->from / sizeof r->from[0]; k++)
		r->from[k] ^= with->from[k];
}

/* x^2 == y^2 (mod n) from the relations that make up one with even exponents: a factor, or NULL. */
static number *try_factor(const relation *even, number *n)
{
	number *x = small(1), *y = small(1);
	static unsigned sum[BASE_MAX + 1];
	memset(sum, 0, sizeof sum);
	for (unsigned k = 0; k < relation_count; k++)
		if (even->from[k / 64] >> k % 64 & 1) {
			assign(&x, rest_of(multiply(x, relations[k].a), n));
			for (unsigned i = 0; i < base_count; i++)
				sum[i] += relations[k].exponent[i];
		}
	for (unsigned i = 0; i < base_count; i++)
		for (unsigned e = sum[i] / 2; e; e--) {
			number *p = small(base[i]);
			assign(&y, rest_of(multiply(y, p), n));
			drop(p);
		}
	number *difference = compare(x, y) >= 0 ? subtract(x, y) : subtract(y, x);
	number *g = greatest_divisor(keep(n), difference);
	drop(x);
	drop(y);
	if (compare(g, n) && (g->n > 1 || g->digit[0] > 1))
		return g;
	drop(g);
	return NULL;
}

static number *eliminate(number *n)
{
	static relation work[RELATIONS_MAX];
	static unsigned char done[RELATIONS_MAX];
	memcpy(work, relations, relation_count * sizeof *work);
	memset(done, 0, sizeof done);
	for (unsigned i = 0; i <= base_count; i++) {
		unsigned pivot = 0;
		while (pivot < relation_count && (done[pivot] || !is_odd(&work[pivot], i)))
			pivot++;
		if (pivot == relation_count)
			continue;
		done[pivot] = 1;
		for (unsigned k = 0; k < relation_count; k++)
			if (k != pivot && is_odd(&work[k], i))
				combine(&work[k], &work[pivot]);
	}
	for (unsigned k = 0; k < relation_count; k++) {
		number *g = done[k] ? NULL : try_factor(&work[k], n);
		if (g)
			return g;
	}
	return NULL;
}

/* The expansion of sqrt(n): p' = b q - p, q' = (n - p'^2) / q, b' = (root + p') / q', a' = b' a + a_before (mod n). */
static number *factor(number *n)
{
	number *r = root(n), *p = keep(r), *q = small(1), *a_before = small(1), *a = keep(r);
	number *square = multiply(p, p);
	assign(&q, subtract(n, square));
	drop(square);
	for (unsigned step = 1; relation_count < base_count + 20; step++) {
		if (smooth(keep(q), &relations[relation_count]))
			relation_keep(a, step & 1);
		number *sum = add(r, p), *b = divide(sum, q, NULL), *t = multiply(b, q);
		assign(&p, subtract(t, p));
		drop(sum);
		drop(t);
		square = multiply(p, p);
		t = subtract(n, square);
		assign(&q, divide(t, q, NULL));
		drop(square);
		drop(t);
		t = multiply(b, a);
		number *next = rest_of(add(t, a_before), n);
		drop(t);
		drop(b);
		drop(a_before);
		a_before = a;
		a = next;
	}
	drop(r), drop(p), drop(q), drop(a), drop(a_before);
	return eliminate(n);
}

int main(int argc, char **argv)
{
	number *n = parse(argc > 1 ? argv[1] : "1000000016000000063");
	size_t times = bench_scaled(bench_argument(argc, argv, 2, 1));
	uint64_t check = 0;
	bench_start();
	for (size_t i = 0; i < times; i++) {
		base_make(n, BASE_MAX - 32);
		number *g = factor(n);
		check = check * 31 + (g ? hash(g) : 0);
		if (g)
			drop(g);
		while (relation_count)
			drop(relations[--relation_count].a);
	}
	bench_stop();
	drop(n);
	return bench_done(check);
}
