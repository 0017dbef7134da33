/* cli/growth.c - how fast a figure grows. See growth.h.
 *
 * Two kinds of series, told apart by what falls in them:
 *
 *   nothing, or hardly      large changes that follow on each other are a lump, at the middle of its time:
 *
 *        ┌──▪──              rate = (half of the first lump + those between + half of the last) / (first to last),
 *     ┌──┘                   and what is left, the small changes, over the whole time.
 *  ─▪─┘                      So a step a second is 1 step/s after two of them, whatever their phase; an even growth is
 *                            one lump from end to end, and its rate is that of a line. Lumps after which nothing came
 *                            for long are over: they are left out, and the rest is looked at by itself.
 *
 *   what rises falls too    noise: the median slope of pairs far enough apart (Theil 1950, Sen 1968), against what
 *                           residuals let expect of it. Residuals that keep their sign for long are fewer than they
 *                           seem, so only changes of their sign count.
 *
 * Invariant (G1): a rate is finite, whatever the samples; never negative when RISING, never positive when FALLING.
 *
 * Not here: taking snapshots; words for people. */
#include "growth.h"

#include <string.h>

#define GROWTH_LEAST_BYTES 16384.0     /* less is not growth: pages come and go */
#define GROWTH_APART_BYTES (6.0 * 1048576) /* three huge pages */
#define GROWTH_LEAST_NS    400000000u  /* a shorter look tells nothing */
#define GROWTH_YEARS_NS    3155760000000000000.0 /* a hundred */

enum { GROWTH_LEAST_SAMPLES = 3, GROWTH_ENOUGH_LUMPS = 3, GROWTH_DEPTH = 8 };

/* The samples of a window in order of time, seconds and bytes from its first. */
typedef struct growth_series {
	size_t count;
	double at[CAIRN_GROWTH_SAMPLES], value[CAIRN_GROWTH_SAMPLES];
} growth_series;

typedef struct growth_lumps {
	size_t count;
	double size[CAIRN_GROWTH_SAMPLES];
	double at[CAIRN_GROWTH_SAMPLES];   /* the middle of its changes, each weighed by its size */
	double small;                      /* of changes in no lump */
	double last_end;                   /* of the last lump */
	double last_start;
	size_t last_steps;                 /* intervals that are in it */
} growth_lumps;

/* libc alone: libm would be one library more. */
static double growth_larger(double a, double b) { return a > b ? a : b; }
static double growth_smaller(double a, double b) { return a < b ? a : b; }
static double growth_size(double a) { return a < 0 ? -a : a; }

void cairn_growth_init(cairn_growth *g)
{
	g->count = g->next = 0;
}

void cairn_growth_add(cairn_growth *g, uint64_t at_ns, uint64_t value)
{
	size_t last = (g->next + CAIRN_GROWTH_SAMPLES - 1) % CAIRN_GROWTH_SAMPLES;
	if (g->count && at_ns <= g->at_ns[last])
		return;
	g->at_ns[g->next] = at_ns;
	g->value[g->next] = value;
	g->next = (g->next + 1) % CAIRN_GROWTH_SAMPLES;
	g->count += g->count < CAIRN_GROWTH_SAMPLES;
}

static void growth_unroll(growth_series *s, const cairn_growth *g, uint64_t window_ns)
{
	size_t first = (g->next + CAIRN_GROWTH_SAMPLES - g->count) % CAIRN_GROWTH_SAMPLES;
	uint64_t end = g->count ? g->at_ns[(g->next + CAIRN_GROWTH_SAMPLES - 1) % CAIRN_GROWTH_SAMPLES] : 0;
	size_t from = CAIRN_GROWTH_SAMPLES; /* none yet */
	s->count = 0;
	for (size_t i = 0; i < g->count; i++) {
		size_t k = (first + i) % CAIRN_GROWTH_SAMPLES;
		if (window_ns && end - g->at_ns[k] > window_ns)
			continue;
		if (from == CAIRN_GROWTH_SAMPLES)
			from = k;
		s->at[s->count] = (double)(g->at_ns[k] - g->at_ns[from]) / 1e9;
		s->value[s->count++] = (double)g->value[k] - (double)g->value[from];
	}
}

static double growth_span(const growth_series *s)
{
	return s->at[s->count - 1] - s->at[0];
}

/* ---- Series in which nothing falls (or nothing rises: then with sign -1) ---- */

static void growth_lump_add(growth_lumps *l, const growth_series *s, size_t i, double change, bool is_new)
{
	double middle = (s->at[i] + s->at[i - 1]) / 2;
	if (is_new) {
		l->size[l->count] = l->at[l->count] = 0;
		l->last_start = s->at[i - 1];
		l->last_steps = 0;
		l->count++;
	}
	double *size = &l->size[l->count - 1], *at = &l->at[l->count - 1];
	*at = (*at * *size + middle * change) / (*size + change);
	*size += change;
	l->last_end = s->at[i];
	l->last_steps++;
}

static void growth_find_lumps(growth_lumps *l, const growth_series *s, double sign)
{
	double largest = 0;
	bool was_large = false;
	memset(l, 0, sizeof *l);
	for (size_t i = 1; i < s->count; i++)
		largest = growth_larger(largest, sign * (s->value[i] - s->value[i - 1]));
	for (size_t i = 1; i < s->count; i++) {
		double change = sign * (s->value[i] - s->value[i - 1]);
		bool is_large = change > 0 && change >= largest / 8;
		if (is_large)
			growth_lump_add(l, s, i, change, !was_large);
		else
			l->small += change;
		was_large = is_large;
	}
}

/* Takes the lumps out of the series: what is left are the small changes. */
static double growth_remove_lumps(growth_series *s, double sign)
{
	double largest = 0, removed = 0, last = s->value[0];
	for (size_t i = 1; i < s->count; i++)
		largest = growth_larger(largest, sign * (s->value[i] - s->value[i - 1]));
	for (size_t i = 1; i < s->count; i++) {
		double change = s->value[i] - last;
		last = s->value[i];
		if (sign * change > 0 && sign * change >= largest / 8)
			removed += change;
		s->value[i] -= removed;
	}
	return removed;
}

static double growth_quiet(const growth_lumps *l, const growth_series *s)
{
	return s->at[s->count - 1] - l->last_end;
}

/* One lump from some moment to now, or nearly. */
static bool growth_goes_on(const growth_lumps *l, const growth_series *s)
{
	return l->count == 1 && l->last_steps >= GROWTH_LEAST_SAMPLES &&
	       growth_quiet(l, s) <= (l->last_end - l->last_start) / 2;
}

/* Nothing came for five times as long as it took from lump to lump. */
static bool growth_is_over(const growth_lumps *l, const growth_series *s)
{
	return l->count < 2 || growth_quiet(l, s) > 5 * (l->at[l->count - 1] - l->at[0]) / (double)(l->count - 1);
}

static void growth_judge(cairn_growth_rate *r, growth_series *s, unsigned depth);

/* What grew and does not any more is left out, and the rest looked at by itself. */
static void growth_rate_rest(cairn_growth_rate *r, growth_series *s, size_t lumps, double sign, unsigned depth)
{
	cairn_growth_rate rest = { .kind = CAIRN_GROWTH_STEADY };
	int64_t step = (int64_t)growth_remove_lumps(s, sign);
	if (depth < GROWTH_DEPTH)
		growth_judge(&rest, s, depth + 1);
	*r = rest;
	if (rest.kind != CAIRN_GROWTH_STEADY || lumps > 1)
		return;
	r->kind = CAIRN_GROWTH_ONCE;
	r->step_bytes = step;
	r->wants_more = true;
}

static void growth_rate_lumps(cairn_growth_rate *r, const growth_lumps *l, const growth_series *s)
{
	double sum = 0, length = l->at[l->count - 1] - l->at[0], interval = growth_span(s) / (double)(s->count - 1);
	double quiet = growth_quiet(l, s) - length / (double)(l->count - 1);
	for (size_t i = 0; i < l->count; i++)
		sum += i && i < l->count - 1 ? l->size[i] : l->size[i] / 2;
	r->bytes_per_s = growth_larger(0, sum / (length + growth_larger(0, quiet)) + l->small / growth_span(s));
	r->error_per_s = r->bytes_per_s * growth_smaller(1, interval / length + 0.2 / (double)(l->count - 1));
	r->wants_more = l->count < GROWTH_ENOUGH_LUMPS;
}

static void growth_rate_even(cairn_growth_rate *r, growth_series *s, double sign, unsigned depth)
{
	growth_lumps l;
	growth_find_lumps(&l, s, sign);
	bool goes_on = growth_goes_on(&l, s);
	if (!goes_on && growth_is_over(&l, s)) {
		growth_rate_rest(r, s, l.count, sign, depth);
		return;
	}
	r->kind = sign > 0 ? CAIRN_GROWTH_RISING : CAIRN_GROWTH_FALLING;
	if (goes_on) {
		r->bytes_per_s = l.size[0] / (l.last_end - l.last_start + growth_quiet(&l, s));
		r->error_per_s = r->bytes_per_s / (double)l.last_steps;
		r->wants_more = l.last_steps < 2 * GROWTH_LEAST_SAMPLES;
	} else {
		growth_rate_lumps(r, &l, s);
	}
	r->bytes_per_s *= sign;
}

/* ---- Noise ---- */

/* The k-th smallest; the order of the others is lost (Hoare 1961). */
static double growth_select(double *x, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;
	while (low < high) {
		double pivot = x[low + (high - low) / 2];
		size_t i = low, j = high;
		for (;; i++, j--) {
			for (; x[i] < pivot; i++)
				;
			for (; x[j] > pivot; j--)
				;
			if (i >= j)
				break;
			double held = x[i];
			x[i] = x[j];
			x[j] = held;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return x[k];
}

static double growth_median_slope(const growth_series *s)
{
	static double slopes[CAIRN_GROWTH_SAMPLES * (CAIRN_GROWTH_SAMPLES - 1) / 2];
	double far = growth_span(s) / 3;
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		for (size_t j = i + 1; j < s->count; j++)
			if (s->at[j] - s->at[i] >= far)
				slopes[n++] = (s->value[j] - s->value[i]) / (s->at[j] - s->at[i]);
	return n ? growth_select(slopes, n, n / 2) : 0;
}

/* Twice the standard error of a slope of such residuals. */
static double growth_slope_error(const growth_series *s, double slope)
{
	double mean = 0, square = 0, root;
	unsigned changes = 1;
	bool was_above = false;
	for (size_t i = 0; i < s->count; i++)
		mean += (s->value[i] - slope * s->at[i]) / (double)s->count;
	for (size_t i = 0; i < s->count; i++) {
		double left = s->value[i] - slope * s->at[i] - mean;
		square += left * left / (double)s->count;
		changes += i && (left > 0) != was_above;
		was_above = left > 0;
	}
	square *= 12.0 / changes / growth_span(s) / growth_span(s);
	root = square > 1 ? square : 1;
	for (unsigned i = 0; i < 64; i++) /* Heron's: halves its error, and then squares it */
		root = (root + square / root) / 2;
	return 2 * root;
}

static void growth_rate_noisy(cairn_growth_rate *r, const growth_series *s)
{
	double slope = growth_median_slope(s), error = growth_slope_error(s, slope);
	r->kind = CAIRN_GROWTH_STEADY;
	r->error_per_s = error;
	r->wants_more = s->count < CAIRN_GROWTH_SAMPLES / 4;
	if (growth_size(slope) <= error || growth_size(slope) * growth_span(s) < GROWTH_LEAST_BYTES)
		return;
	r->kind = slope > 0 ? CAIRN_GROWTH_RISING : CAIRN_GROWTH_FALLING;
	r->bytes_per_s = slope;
}

/* ---- One series ---- */

static void growth_judge(cairn_growth_rate *r, growth_series *s, unsigned depth)
{
	double up = 0, down = 0;
	for (size_t i = 1; i < s->count; i++) {
		double change = s->value[i] - s->value[i - 1];
		*(change > 0 ? &up : &down) += growth_size(change);
	}
	if (up < GROWTH_LEAST_BYTES && down < GROWTH_LEAST_BYTES) {
		r->kind = CAIRN_GROWTH_STEADY;
		r->wants_more = false;
	} else if (down <= up / 8) {
		growth_rate_even(r, s, 1, depth);
	} else if (up <= down / 8) {
		growth_rate_even(r, s, -1, depth);
	} else {
		growth_rate_noisy(r, s);
	}
}

cairn_growth_rate cairn_growth_rate_of(const cairn_growth *g, uint64_t window_ns)
{
	cairn_growth_rate r = { .kind = CAIRN_GROWTH_UNKNOWN, .wants_more = true };
	growth_series s;
	growth_unroll(&s, g, window_ns);
	if (s.count >= GROWTH_LEAST_SAMPLES && growth_span(&s) * 1e9 >= GROWTH_LEAST_NS)
		growth_judge(&r, &s, 0);
	return r;
}

uint64_t cairn_growth_left_ns(const cairn_growth_rate *r, uint64_t limit, uint64_t used)
{
	if (used >= limit)
		return 0;
	if (r->kind != CAIRN_GROWTH_RISING || r->bytes_per_s <= 0)
		return UINT64_MAX;
	double left = (double)(limit - used) / r->bytes_per_s * 1e9;
	return left < GROWTH_YEARS_NS ? (uint64_t)left : UINT64_MAX;
}

/* ---- A process ---- */

void cairn_watch_init(cairn_watch *w)
{
	w->limit_count = w->class_count = 0;
	cairn_growth_init(&w->rss);
	cairn_growth_init(&w->heap);
}

static cairn_growth *watch_find_limit(const cairn_watch *w, const char *name)
{
	for (uint32_t i = 0; i < w->limit_count; i++)
		if (!strcmp(w->limit_names[i], name))
			return (cairn_growth *)&w->limits[i];
	return NULL;
}

static cairn_growth *watch_find_class(const cairn_watch *w, uint64_t size_bytes)
{
	for (uint32_t i = 0; i < w->class_count; i++)
		if (w->class_bytes[i] == size_bytes)
			return (cairn_growth *)&w->classes[i];
	return NULL;
}

static void watch_add_limit(cairn_watch *w, const cairn_snapshot_limit *l, uint64_t at_ns)
{
	cairn_growth *g = watch_find_limit(w, l->name);
	if (!g) {
		if (w->limit_count == CAIRN_SNAPSHOT_LIMITS)
			return;
		memcpy(w->limit_names[w->limit_count], l->name, sizeof l->name);
		w->limit_names[w->limit_count][sizeof l->name - 1] = 0;
		g = &w->limits[w->limit_count++];
		cairn_growth_init(g);
	}
	cairn_growth_add(g, at_ns, l->used_bytes);
}

static void watch_add_class(cairn_watch *w, const cairn_snapshot_class *c, uint64_t at_ns)
{
	cairn_growth *g = watch_find_class(w, c->size_bytes);
	if (!g) {
		if (w->class_count == CAIRN_ACCOUNT_CLASSES)
			return;
		w->class_bytes[w->class_count] = c->size_bytes;
		g = &w->classes[w->class_count++];
		cairn_growth_init(g);
	}
	cairn_growth_add(g, at_ns, c->live_bytes + c->untouched_bytes);
}

static uint64_t watch_live(const cairn_snapshot *s)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->class_count && i < CAIRN_ACCOUNT_CLASSES; i++)
		sum += s->classes[i].live_bytes + s->classes[i].untouched_bytes;
	return sum;
}

void cairn_watch_add(cairn_watch *w, const cairn_snapshot *s)
{
	cairn_growth_add(&w->rss, s->taken_ns, s->rss_bytes);
	if (s->is_served)
		cairn_growth_add(&w->heap, s->taken_ns, watch_live(s));
	for (uint32_t i = 0; i < s->limit_count && i < CAIRN_SNAPSHOT_LIMITS; i++)
		watch_add_limit(w, &s->limits[i], s->taken_ns);
	for (uint32_t i = 0; i < s->class_count && i < CAIRN_ACCOUNT_CLASSES; i++)
		watch_add_class(w, &s->classes[i], s->taken_ns);
}

static cairn_growth_rate watch_rate(const cairn_growth *g, uint64_t window_ns)
{
	return g ? cairn_growth_rate_of(g, window_ns) : (cairn_growth_rate){ .wants_more = true };
}

/* By how much the series changed in the window. */
static double watch_change(const cairn_growth *g, uint64_t window_ns)
{
	growth_series s;
	growth_unroll(&s, g, window_ns);
	return s.count ? s.value[s.count - 1] - s.value[0] : 0;
}

/* Where huge pages are had, memory becomes resident two megabytes at a time, however evenly it is asked for. What is
 * live tells better then, unless the two go apart: live memory may stay untouched, other memory may grow. */
cairn_growth_rate cairn_watch_resident(const cairn_watch *w, uint64_t window_ns)
{
	cairn_growth_rate resident = cairn_growth_rate_of(&w->rss, window_ns);
	cairn_growth_rate live = cairn_growth_rate_of(&w->heap, window_ns);
	double apart = growth_size(watch_change(&w->rss, window_ns) - watch_change(&w->heap, window_ns));
	return live.kind == CAIRN_GROWTH_RISING && apart <= GROWTH_APART_BYTES ? live : resident;
}

/* What counts against a limit on addresses or data grows in the large steps in which address space is taken, and the
 * machine's memory is everybody's: what brings either nearer, over some seconds, is what becomes resident. A cgroup is
 * believed where it is seen to grow. */
cairn_growth_rate cairn_watch_limit(const cairn_watch *w, const char *name, uint64_t window_ns)
{
	cairn_growth_rate own = watch_rate(watch_find_limit(w, name), window_ns);
	cairn_growth_rate resident = cairn_watch_resident(w, window_ns);
	bool is_cgroup = strstr(name, "cgroup") != NULL;
	if (own.kind == CAIRN_GROWTH_UNKNOWN || (is_cgroup && own.kind == CAIRN_GROWTH_RISING))
		return own;
	return resident.kind == CAIRN_GROWTH_RISING || !is_cgroup ? resident : own;
}

cairn_growth_rate cairn_watch_class(const cairn_watch *w, uint64_t size_bytes, uint64_t window_ns)
{
	return watch_rate(watch_find_class(w, size_bytes), window_ns);
}

bool cairn_watch_growing_class(const cairn_watch *w, uint64_t window_ns, uint64_t *size_bytes,
			       cairn_growth_rate *rate)
{
	double most = 0;
	for (uint32_t i = 0; i < w->class_count; i++) {
		cairn_growth_rate r = cairn_growth_rate_of(&w->classes[i], window_ns);
		if (r.kind != CAIRN_GROWTH_RISING || r.bytes_per_s <= most)
			continue;
		most = r.bytes_per_s;
		*size_bytes = w->class_bytes[i];
		*rate = r;
	}
	return most > 0;
}

int cairn_watch_first_limit(const cairn_watch *w, const cairn_snapshot *s, uint64_t window_ns, uint64_t *left_ns)
{
	int first = -1;
	*left_ns = UINT64_MAX;
	for (uint32_t i = 0; i < s->limit_count && i < CAIRN_SNAPSHOT_LIMITS; i++) {
		cairn_growth_rate r = cairn_watch_limit(w, s->limits[i].name, window_ns);
		uint64_t left = cairn_growth_left_ns(&r, s->limits[i].limit_bytes, s->limits[i].used_bytes);
		if (left >= *left_ns)
			continue;
		*left_ns = left;
		first = (int)i;
	}
	return first;
}
