/* gc/sizing.c - figures of a heap: from its configuration, the environment and the machine; and after each collection.
 *
 * Rates are sums that forget, allocated bytes and seconds by 1/20 a collection, collected ones by half: the quotient of
 * two sums is right from the first collection on, which an average that starts at nothing is not.
 *
 * Invariants: see sizing.h. Locks: none. Failure: an errno value from init; a setting that cannot be read is told and
 * ignored. Not here: who asks, and what is done when the answer is no (gc/allocate.c). */
#include "gc/sizing.h"
#include "base/assert.h"
#include "gc/managed.h"
#include "os/bounds.h"
#include "os/clock.h"
#include "os/env.h"
#include "os/limits.h"
#include "os/report.h"
#include "os/sandbox.h"

#include <errno.h>
#include <string.h>

enum {
	SIZING_GROWTH = 100, /* percent, by default */
	SIZING_GROWTH_MOST = 100 * 1000,
	SIZING_GOAL_MOST = 10 * 1000, /* ms */
	SIZING_BUCKET_NS = 1000 * 1000 * 1000,
	SIZING_SELDOM = 10,              /* pauses apart: see cairn_gc_sizing_keep */
	SIZING_REST_NS = 1000 * 1000 * 1000,
	SIZING_AGAIN_NS_PER_KIB = 400,   /* a page given back, 0.25 us, and had again, 1.2 */
	SIZING_CUT_WORTH = 4,                 /* what lies behind large objects is cut where it is 4 times the room, */
	SIZING_CUT_STEP = 64,                 /* and max / 64; by as much at a time */
	SIZING_FRUIT = 50,                    /* a collection is fruitless below max / 50 */
	SIZING_WORTH_LEAST = 16 << 20,        /* between two collections */
	SIZING_WORTH_OF_MAX = 4,              /* that part of it at first */
	SIZING_WORTH_A_NS = 8, /* bytes. A page costs 0.3 to 1.2 us, one of 2 MiB 100 to 300: 4 to 20 bytes a ns */
	SIZING_BOUND_NS = 1000 * 1000 * 1000, /* for how long the machine's limits are not read again */
};

/* ---- Configuration ---- */

static size_t sizing_read_bound(void)
{
	const cairn_limits *l = cairn_limits_get();
	size_t least = l->ram_bytes;
	least = l->address_bytes < least ? l->address_bytes : least;
	least = l->data_bytes < least ? l->data_bytes : least;
	if (cairn_sandbox_is_possible()) /* a file opened now may be the end of the program */
		return least;
	cairn_bound list[CAIRN_BOUNDS_MOST];
	size_t n = cairn_bounds_read(0, list, CAIRN_BOUNDS_MOST);
	const cairn_bound *tightest = cairn_bounds_tightest(list, n);
	return tightest && tightest->limit_bytes < least ? (size_t)tightest->limit_bytes : least;
}

/* The tightest of everything. There may be thousands of heaps: the files are read at most once a second. */
static size_t sizing_bound(void)
{
	static size_t bound; /* sync: atomic, relaxed, both: each is right by itself, an old pair is a second old */
	static uint64_t read_ns;
	uint64_t now = cairn_clock_coarse_ns();
	size_t known = __atomic_load_n(&bound, __ATOMIC_RELAXED);                         /* see there */
	if (known && now - __atomic_load_n(&read_ns, __ATOMIC_RELAXED) < SIZING_BOUND_NS) /* see there */
		return known;
	known = sizing_read_bound();
	__atomic_store_n(&bound, known, __ATOMIC_RELAXED); /* see there */
	__atomic_store_n(&read_ns, now, __ATOMIC_RELAXED); /* see there */
	return known;
}

/* A size of the environment wins over what the program asked for. */
static void sizing_env_bytes(const char *name, size_t least, size_t *to)
{
	const char *text = cairn_env_text(name);
	size_t n = cairn_env_bytes(name, SIZE_MAX);
	if (!text)
		return;
	if (n == SIZE_MAX || n < least)
		cairn_report_ignored(name, text, n < least ? "at least 1M" : "a size as 64M");
	else
		*to = n;
}

static void sizing_env_number(const char *name, unsigned least, unsigned most, const char *wanted, unsigned *to)
{
	const char *text = cairn_env_text(name), *s = text;
	unsigned n = 0;
	if (!text)
		return;
	while (*s >= '0' && *s <= '9' && n <= most)
		n = n * 10 + (unsigned)(*s++ - '0');
	if (*s || s == text || n < least || n > most)
		cairn_report_ignored(name, text, wanted);
	else
		*to = n;
}

/* "0.25", without libc's strtod: that reads the locale. */
static void sizing_env_decimal(const char *name, double *to)
{
	const char *text = cairn_env_text(name), *s = text;
	double n = 0, unit = 1;
	if (!text)
		return;
	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	if (s > text && *s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++)
			n += (*s - '0') * (unit /= 10);
	if (*s || s == text || n > 1e9)
		cairn_report_ignored(name, text, "a number as 0.5");
	else
		*to = n;
}

static void sizing_env_flag(const char *name, bool *to)
{
	const char *text = cairn_env_text(name);
	bool if_true = cairn_env_flag(name, true), if_false = cairn_env_flag(name, false);
	if (text && if_true != if_false)
		cairn_report_ignored(name, text, "0 or 1");
	else if (text)
		*to = if_true;
}

static void sizing_env_remember(cairn_gc_remember *to)
{
	static const char *const names[] = { "default", "log", "cards" };
	const char *text = cairn_env_text("CAIRN_GC_REMEMBER");
	unsigned i = 0, count = sizeof names / sizeof *names;
	while (text && i < count && strcmp(text, names[i]) != 0)
		i++;
	if (text && i == count)
		cairn_report_ignored("CAIRN_GC_REMEMBER", text, "log, cards or default");
	else if (text)
		*to = (cairn_gc_remember)i;
}

static void sizing_read_environment(cairn_gc_config *c)
{
	sizing_env_bytes("CAIRN_GC_MAX", CAIRN_GC_MAX_LEAST, &c->max);
	sizing_env_bytes("CAIRN_GC_MIN", 0, &c->min);
	sizing_env_bytes("CAIRN_GC_SOFT", 0, &c->soft);
	sizing_env_bytes("CAIRN_GC_RESERVE", 0, &c->reserve);
	sizing_env_number("CAIRN_GC_GROWTH", 1, SIZING_GROWTH_MOST, "a percentage from 1 to 100000", &c->growth);
	sizing_env_number("CAIRN_GC_PAUSE_GOAL", 0, SIZING_GOAL_MOST, "ms, from 0 to 10000", &c->pause_goal_ms);
	sizing_env_remember(&c->remember);
	sizing_env_decimal("CAIRN_GC_BALANCE", &c->balance);
	sizing_env_number("CAIRN_GC_WORKERS", 1, CAIRN_GC_WORKERS_MAX, "a number from 1 to 32", &c->workers);
	sizing_env_flag("CAIRN_GC_EXACT", &c->exact_roots);
}

static bool sizing_is_contradictory(const cairn_gc_config *c)
{
	bool is_max_wrong = c->max && (c->max < CAIRN_GC_MAX_LEAST || c->min > c->max || c->reserve >= c->max);
	return is_max_wrong || !(c->balance >= 0) || c->growth > SIZING_GROWTH_MOST ||
	       c->pause_goal_ms > SIZING_GOAL_MOST ||
	       c->workers > CAIRN_GC_WORKERS_MAX || (unsigned)c->cleanups > CAIRN_GC_CLEANUPS_THREAD ||
	       (unsigned)c->remember > CAIRN_GC_REMEMBER_CARDS;
}

/* A max that the window of compressed references cannot hold; told. */
static bool sizing_is_past_window(const cairn_gc_heap *h)
{
	if (!h->is_compressed || h->config.max <= CAIRN_GC_WINDOW_BYTES)
		return false;
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: a max of ");
	cairn_line_bytes(&l, h->config.max);
	cairn_line_text(&l, ", but compressed references reach over 32 GiB: open the heap with a max of at most ");
	cairn_line_text(&l, "that, or build without CAIRN_GC_COMPRESSED");
	cairn_report(&l);
	return true;
}

/* What nobody said. A min and a reserve that do not fit a max, one of them being the machine's or the environment's,
 * are cut to it: the program's own were compared before. */
static void sizing_fill_in(cairn_gc_config *c, size_t most)
{
	size_t quarter = sizing_bound() / 4;
	quarter = quarter < most ? quarter : most;
	if (!c->max)
		c->max = quarter > CAIRN_GC_MAX_LEAST ? quarter : CAIRN_GC_MAX_LEAST;
	if (c->reserve >= c->max)
		c->reserve = c->max / 2;
	if (!c->min)
		c->min = CAIRN_GC_MIN_DEFAULT;
	if (c->min > c->max - c->reserve)
		c->min = c->max - c->reserve;
	c->growth = c->growth ? c->growth : SIZING_GROWTH;
	c->workers = c->workers ? c->workers : cairn_gc_workers_default();
	c->name = c->name ? c->name : "heap";
}

/* ---- What may be held ---- */

/* relaxed, all: figures that are compared; nothing is published by them */
#define SIZING_READ(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define SIZING_WRITE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

size_t cairn_gc_held(const cairn_gc_heap *h)
{
	return SIZING_READ(h->blocks.held_bytes) + SIZING_READ(h->deaths.external_bytes) +
	       SIZING_READ(h->sizing.record_bytes);
}

static size_t sizing_headroom(const cairn_gc_heap *h, size_t held)
{
	return h->plan && h->plan->headroom ? h->plan->headroom(h, held) : 0;
}

/* The most that may be held so that the next collection has room below max: headroom rises with what is held. */
static size_t sizing_find_most(const cairn_gc_heap *h, size_t max)
{
	size_t low = 0, high = max;
	while (high - low > CAIRN_GC_GRAIN) {
		size_t middle = low + (high - low) / 2;
		if (middle + sizing_headroom(h, middle) <= max)
			low = middle;
		else
			high = middle;
	}
	return high + sizing_headroom(h, high) <= max ? high : low;
}

static void sizing_set_max(cairn_gc_heap *h, size_t max)
{
	SIZING_WRITE(h->sizing.max, max);
	SIZING_WRITE(h->sizing.most, sizing_find_most(h, max));
}

static size_t sizing_clamp(const cairn_gc_heap *h, size_t limit)
{
	size_t most = SIZING_READ(h->sizing.most);
	limit = limit < h->config.min ? h->config.min : limit;
	return limit < most ? limit : most;
}

void cairn_gc_note_peak(cairn_gc_heap *h)
{
	size_t held = cairn_gc_held(h);
	if (held > SIZING_READ(h->sizing.peak))
		SIZING_WRITE(h->sizing.peak, held);
}

/* Came in since the last collection; what went away is not counted until the next. */
static size_t sizing_new_foreign(const cairn_gc_sizing *s)
{
	ptrdiff_t more = SIZING_READ(s->foreign) - SIZING_READ(s->foreign_at);
	return more > 0 ? (size_t)more : 0;
}

bool cairn_gc_may_grow(const cairn_gc_heap *h, size_t bytes)
{
	size_t held = cairn_gc_held(h) + sizing_new_foreign(&h->sizing);
	return bytes <= SIZE_MAX / 2 && held + bytes <= SIZING_READ(h->sizing.limit);
}

bool cairn_gc_may_hold(const cairn_gc_heap *h, size_t bytes)
{
	return bytes <= SIZE_MAX / 2 && cairn_gc_held(h) + bytes <= SIZING_READ(h->sizing.most);
}

/* What is left of `total` for blocks. */
static size_t sizing_for_blocks(const cairn_gc_heap *h, size_t total)
{
	size_t others = SIZING_READ(h->deaths.external_bytes) + SIZING_READ(h->sizing.record_bytes);
	return total > others ? total - others : 0;
}

size_t cairn_gc_limit(const cairn_gc_heap *h)
{
	size_t limit = sizing_for_blocks(h, SIZING_READ(h->sizing.limit)), foreign = sizing_new_foreign(&h->sizing);
	return limit > foreign ? limit - foreign : 0;
}

size_t cairn_gc_most(const cairn_gc_heap *h) { return sizing_for_blocks(h, SIZING_READ(h->sizing.most)); }

bool cairn_gc_sizing_cuts(cairn_gc_heap *h, bool is_last)
{
	size_t max = SIZING_READ(h->sizing.max), room = SIZING_READ(h->sizing.room);
	size_t worth = room < max / SIZING_CUT_WORTH ? room * SIZING_CUT_WORTH : max;
	worth = worth > max / SIZING_CUT_STEP ? worth : max / SIZING_CUT_STEP;
	return cairn_gc_blocks_cut(h, is_last ? 1 : worth, max / SIZING_CUT_STEP);
}

bool cairn_gc_is_hopeless(const cairn_gc_heap *h) { return SIZING_READ(h->sizing.fruitless) >= 2; }

void cairn_gc_refused(cairn_gc_heap *h)
{
	if (cairn_gc_is_hopeless(h))
		SIZING_WRITE(h->sizing.fruitless, 1);
}

void cairn_gc_open_reserve(cairn_gc_heap *h)
{
	if (h->config.reserve)
		sizing_set_max(h, h->config.max);
}

int cairn_gc_sizing_init(cairn_gc_heap *h)
{
	cairn_gc_config *c = &h->config;
	if (sizing_is_contradictory(c))
		return EINVAL;
	sizing_read_environment(c);
	if (sizing_is_past_window(h))
		return EINVAL;
	h->tracing.hires_late = !c->workers;
	sizing_fill_in(c, h->is_compressed ? CAIRN_GC_WINDOW_BYTES : SIZE_MAX);
	sizing_set_max(h, c->max - c->reserve);
	h->sizing.all_limit = sizing_clamp(h, c->min);
	h->sizing.worth = c->max / SIZING_WORTH_OF_MAX;
	h->young.recent_each = CAIRN_GC_RECENT_EACH;
	h->young.wants_all = true; /* it is seen in the first how much of what is young lives */
	SIZING_WRITE(h->sizing.limit, h->sizing.all_limit);
	SIZING_WRITE(h->sizing.ended_ns, cairn_clock_fine_ns());
	h->sizing.credit_ns = SIZING_BUCKET_NS;
	return 0;
}

/* ---- After a collection ---- */

/* What the steps after a collection tell each other. */
typedef struct sizing_cycle {
	uint64_t pause_ns, mutator_ns; /* it took; since the one before */
	uint64_t allocated;            /* since the one before */
	size_t held;                   /* now */
	bool is_minor;                 /* of the young alone */
	size_t live;  /* of it, what cannot go: objects with their blocks' bytes, external ones, records */
	size_t grown; /* what growth is of: objects, external and foreign bytes */
} sizing_cycle;

/* Newton's method; from above it falls until it is there. */
static double sizing_root(double n)
{
	double x = n > 1 ? n : 1;
	for (double next = (x + n / x) / 2; next < x; next = (x + n / x) / 2)
		x = next;
	return x;
}

static void sizing_learn_rates(cairn_gc_sizing *s, const sizing_cycle *c)
{
	s->allocated = s->allocated * 0.95 + (double)c->allocated;
	s->allocating_s = s->allocating_s * 0.95 + (double)c->mutator_ns / 1e9;
	if (c->is_minor) /* says nothing of how fast all are collected */
		return;
	s->collected = s->collected * 0.5 + (double)c->grown;
	s->collecting_s = s->collecting_s * 0.5 + (double)c->pause_ns / 1e9;
}

/* MemBalancer's: bytes beyond what lives. With a of them collections take g / a * live / s of the time; this is where a
 * MiB more would save `balance` percent of it. */
static double sizing_balanced(const cairn_gc_sizing *s, double balance, double live)
{
	if (s->allocating_s <= 0 || s->collecting_s <= 0 || s->collected <= 0)
		return live;
	double g = s->allocated / s->allocating_s, speed = s->collected / s->collecting_s;
	return sizing_root(live * g / (speed * balance / 100 / (1 << 20)));
}

static size_t sizing_budget(const cairn_gc_heap *h, const sizing_cycle *c)
{
	double more = h->config.balance > 0 ? sizing_balanced(&h->sizing, h->config.balance, (double)c->grown)
					    : (double)c->grown * h->config.growth / 100;
	double least = h->config.min > c->live ? (double)(h->config.min - c->live) : 0;
	more = more > least ? more : least;
	return more < (double)h->config.max ? (size_t)more : h->config.max;
}

/* Collections that were made because the heap was full, and before a quarter of its budget was allocated. */
static void sizing_learn_slack(cairn_gc_heap *h, size_t budget)
{
	cairn_gc_sizing *s = &h->sizing;
	bool was_full = h->cause == CAIRN_GC_CAUSE_FULL && SIZING_READ(s->limit) < SIZING_READ(s->most);
	uint64_t since = h->looks.stats.allocated_bytes - s->all_allocated_at;
	s->all_allocated_at = h->looks.stats.allocated_bytes;
	if (was_full && since < budget / 4)
		s->slack = s->slack < h->config.max ? s->slack + budget / 4 + CAIRN_GC_BLOCK_BYTES : s->slack;
	else
		s->slack = s->slack > CAIRN_GC_BLOCK_BYTES ? s->slack - s->slack / 8 : 0;
}

/* As much time as mutators had is earned, what the collection took is spent. */
static void sizing_learn_credit(cairn_gc_sizing *s, const sizing_cycle *c)
{
	int64_t earned = c->mutator_ns < SIZING_BUCKET_NS ? (int64_t)c->mutator_ns : SIZING_BUCKET_NS;
	int64_t spent = c->pause_ns < 2ull * SIZING_BUCKET_NS ? (int64_t)c->pause_ns : 2ll * SIZING_BUCKET_NS;
	int64_t credit = s->credit_ns + earned;
	credit = (credit < SIZING_BUCKET_NS ? credit : SIZING_BUCKET_NS) - spent;
	s->credit_ns = credit > -SIZING_BUCKET_NS ? credit : -SIZING_BUCKET_NS;
}

static size_t sizing_soften(const cairn_gc_heap *h, const sizing_cycle *c, size_t limit)
{
	size_t soft = h->config.soft, least = c->live + c->live / 32 + 4 * CAIRN_GC_BLOCK_BYTES;
	if (!soft || limit <= soft || h->sizing.credit_ns <= 0)
		return limit;
	soft = soft > least ? soft : least; /* below it each block would be a collection */
	return soft < limit ? soft : limit;
}

/* Less than 2 % of max is free, and less than 2 % of the time was the mutators'. */
static void sizing_judge(cairn_gc_heap *h, const sizing_cycle *c)
{
	cairn_gc_sizing *s = &h->sizing;
	size_t left = c->live < c->held ? c->live : c->held, most = SIZING_READ(s->most);
	uint32_t fruitless = SIZING_READ(s->fruitless);
	if (c->is_minor) /* one of all comes first */
		return;
	if (most > left && most - left >= SIZING_READ(s->max) / SIZING_FRUIT)
		fruitless = 0;
	else if (h->cause == CAIRN_GC_CAUSE_FULL && c->mutator_ns < c->pause_ns / (SIZING_FRUIT - 1))
		fruitless++;
	SIZING_WRITE(s->fruitless, fruitless);
}

/* What lives, by looks.stats. */
static void sizing_measure(const cairn_gc_heap *h, sizing_cycle *c)
{
	ptrdiff_t foreign = SIZING_READ(h->sizing.foreign);
	size_t objects = h->looks.stats.live_bytes, external = SIZING_READ(h->deaths.external_bytes);
	size_t large = cairn_gc_blocks_large_bytes(&h->blocks);
	size_t unfilled = h->blocks.large_unfilled, filled = large - unfilled;
	c->grown = objects + unfilled + external + (foreign > 0 ? (size_t)foreign : 0);
	c->live = objects + unfilled + (objects > filled ? objects - filled : 0) / CAIRN_GC_GRAIN +
		  h->blocks.large_meta + external + SIZING_READ(h->sizing.record_bytes);
}

static sizing_cycle sizing_begin(cairn_gc_heap *h, uint64_t pause_ns, uint64_t now_ns)
{
	cairn_gc_sizing *s = &h->sizing;
	uint64_t between = now_ns - s->ended_ns, allocated = h->looks.stats.allocated_bytes;
	sizing_cycle c = { .pause_ns = pause_ns, .held = cairn_gc_held(h), .is_minor = h->young.is_minor };
	sizing_measure(h, &c);
	c.mutator_ns = between > pause_ns ? between - pause_ns : 0;
	c.allocated = allocated > s->allocated_at ? allocated - s->allocated_at : 0;
	s->allocated_at = allocated;
	SIZING_WRITE(s->foreign_at, SIZING_READ(s->foreign));
	return c;
}

/* The reserve is kept back again as soon as it is free. */
static void sizing_close_reserve(cairn_gc_heap *h, const sizing_cycle *c)
{
	size_t max = h->config.max - h->config.reserve;
	bool is_open = SIZING_READ(h->sizing.max) > max;
	size_t held = c->live < c->held ? c->live : c->held;
	sizing_set_max(h, is_open && held + sizing_headroom(h, held) > max ? h->config.max : max);
}

/* Empty bytes that will be wanted until the end of the next collection: what mutators may take, and copies of what
 * lives where the plan needs room for them. */
static size_t sizing_need(const cairn_gc_heap *h, const sizing_cycle *c)
{
	size_t limit = SIZING_READ(h->sizing.limit), headroom = sizing_headroom(h, limit);
	return (limit > c->held ? limit - c->held : 0) + (headroom < c->live ? headroom : c->live);
}

static void sizing_set_limit(cairn_gc_heap *h, const sizing_cycle *c)
{
	cairn_gc_sizing *s = &h->sizing;
	size_t budget = sizing_budget(h, c);
	sizing_learn_slack(h, budget);
	s->all_limit = sizing_clamp(h, sizing_soften(h, c, c->live + budget + s->slack));
	size_t most = SIZING_READ(s->most); /* holes are no room for large objects: so of what is held, not of live */
	SIZING_WRITE(s->room, most > c->held ? most - c->held : 0);
	SIZING_WRITE(s->limit, s->all_limit);
	s->all_foreign_at = SIZING_READ(s->foreign);
}

/* What may be held until the next collection, so that no more is spent on memory than collections have cost. */
static size_t sizing_worth(cairn_gc_heap *h, const sizing_cycle *c)
{
	cairn_gc_sizing *s = &h->sizing;
	size_t most = h->config.max, earned = c->pause_ns < SIZING_BUCKET_NS ? c->pause_ns * SIZING_WORTH_A_NS : most;
	s->worth = earned < most - s->worth ? s->worth + earned : most;
	size_t least = c->held + SIZING_WORTH_LEAST;
	return s->worth > least ? s->worth : least;
}

static void sizing_set_young_limit(cairn_gc_heap *h, const sizing_cycle *c)
{
	cairn_gc_sizing *s = &h->sizing;
	size_t all = s->all_limit < SIZING_READ(s->most) ? s->all_limit : SIZING_READ(s->most);
	ptrdiff_t foreign = SIZING_READ(s->foreign) - s->all_foreign_at; /* may be of what is old, and dead */
	size_t taken = c->held + (foreign > 0 ? (size_t)foreign : 0);
	cairn_gc_room room = { all > taken ? all - taken : 0, c->held > c->live ? c->held - c->live : 0 };
	h->looks.stats.young.made_bytes += h->young.is_minor ? c->allocated : 0;
	h->young.pace.apart_ns = c->mutator_ns;
	size_t more = cairn_gc_pace_after(h, c->pause_ns, c->allocated, room);
	size_t limit = c->held + more, worth = sizing_worth(h, c);
	SIZING_WRITE(s->limit, sizing_clamp(h, limit < worth ? limit : worth));
}

size_t cairn_gc_sizing_expect(const cairn_gc_heap *h)
{
	sizing_cycle c = { 0 };
	sizing_measure(h, &c);
	return sizing_clamp(h, c.live + sizing_budget(h, &c) + h->sizing.slack);
}

void cairn_gc_sizing_after_at(cairn_gc_heap *h, uint64_t pause_ns, uint64_t now_ns)
{
	cairn_gc_sizing *s = &h->sizing;
	sizing_cycle c = sizing_begin(h, pause_ns, now_ns);
	sizing_learn_rates(s, &c);
	sizing_learn_credit(s, &c);
	sizing_judge(h, &c);
	sizing_close_reserve(h, &c);
	if (!h->young.is_minor)
		sizing_set_limit(h, &c);
	if (h->plan->has_young)
		sizing_set_young_limit(h, &c);
	SIZING_WRITE(s->ended_ns, now_ns);
	SIZING_WRITE(s->pause_ns, pause_ns);
	SIZING_WRITE(s->apart_ns, c.mutator_ns);
	SIZING_WRITE(s->need[1], s->need[0]);
	SIZING_WRITE(s->need[0], sizing_need(h, &c));
}

void cairn_gc_sizing_after(cairn_gc_heap *h, uint64_t pause_ns)
{
	cairn_gc_sizing_after_at(h, pause_ns, cairn_clock_fine_ns());
}

/* Who asks seldom wants memory, or is about to rest; who asks often would fault it in each time. */
static bool sizing_is_asked_seldom(const cairn_gc_heap *h, int cause, uint64_t cost_ns)
{
	return cause == CAIRN_GC_CAUSE_ASKED && SIZING_READ(h->sizing.apart_ns) / SIZING_SELDOM >= cost_ns;
}

size_t cairn_gc_sizing_unwanted(cairn_gc_heap *h, size_t dirty, uint64_t now_ns, uint64_t *since_ns)
{
	cairn_gc_sizing *s = &h->sizing;
	size_t unwanted = s->unwanted = dirty < s->unwanted ? dirty : s->unwanted;
	*since_ns = now_ns - s->unwanted_since;
	if (h->young.is_minor && *since_ns < SIZING_REST_NS)
		return 0;
	s->unwanted = SIZE_MAX;
	s->unwanted_since = now_ns;
	return unwanted;
}

static uint64_t sizing_again_ns(size_t bytes) { return bytes * SIZING_AGAIN_NS_PER_KIB / 1024; }

bool cairn_gc_sizing_gives_all(const cairn_gc_heap *h, int cause, size_t bytes)
{
	return sizing_is_asked_seldom(h, cause, sizing_again_ns(bytes));
}

bool cairn_gc_sizing_close_gives_all(const cairn_gc_heap *h, size_t bytes)
{
	return (cairn_clock_fine_ns() - h->looks.opened_at_ns) / SIZING_SELDOM >= sizing_again_ns(bytes);
}

size_t cairn_gc_sizing_keep(const cairn_gc_heap *h, int cause)
{
	const cairn_gc_sizing *s = &h->sizing;
	if (sizing_is_asked_seldom(h, cause, SIZING_READ(s->pause_ns)))
		return 0;
	size_t newer = SIZING_READ(s->need[0]), older = SIZING_READ(s->need[1]);
	return newer > older ? newer : older;
}

void cairn_gc_sizing_validate(cairn_gc_heap *h)
{
	const cairn_gc_sizing *s = &h->sizing;
	size_t limit = SIZING_READ(s->limit), most = SIZING_READ(s->most), max = SIZING_READ(s->max);
	cairn_assert(limit <= most && most <= max && max <= h->config.max);                  /* (GS1) */
	cairn_assert(limit >= h->config.min || limit == most);                               /* (GS1) */
	cairn_assert((ptrdiff_t)SIZING_READ(s->record_bytes) >= 0);                          /* (GS2) */
	cairn_assert(s->credit_ns <= SIZING_BUCKET_NS && s->credit_ns >= -SIZING_BUCKET_NS); /* (GS3) */
	cairn_assert(s->worth <= h->config.max);                                             /* (GS4) */
	(void)limit, (void)most, (void)max, (void)s;
}
