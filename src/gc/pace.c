/* gc/pace.c - the pace of collections of the young: gc/pace.h. */
#include "gc/pace.h"

#include "gc/managed.h"

enum {
	PACE_LEAST = 1 << 20,       /* made between two collections of the young without a pause goal, at least */
	PACE_LEAST_OF_MAX = 32,     /* and that part of the limit */
	PACE_GOAL_LEAST = 256 << 10, /* with one */
	PACE_MUCH = 1 << 20,        /* lived: the time was copying's */
	PACE_DOUBT_MOST = 16,       /* collections of all that must say the same */
	PACE_SHARE_MOST = 4,    /* under a goal: so many times longer than the program runs */
	PACE_TRUSTED = 4,           /* collections of the young that paid one after the other: no more doubt */
};

#define PACE_COPY_LEAST 0.5 /* ns a byte */
#define PACE_STEP_MOST   1.25
#define PACE_SPREADS      3 /* mean deviations under the goal: 1 in 100 is longer where they are as chance has them */
#define PACE_SPREAD_FIRST 0.15
#define PACE_SPREAD_MOST  0.5
#define PACE_RISE_MOST    4   /* what one pause costs more than known, of that */

/* For a byte that lives. Until there were such collections a guess: that a copy costs what one of all costs for each
 * byte that lived, where objects lie as strewn, and no less than where they do not. */
static double pace_copy_ns(const cairn_gc_heap *h)
{
	const cairn_gc_pace *p = &h->young.pace;
	double live = (double)h->looks.stats.live_bytes, guess = live >= PACE_MUCH ? p->all_ns / live : 0;
	return p->copied > 0 ? p->copying_ns / p->copied : guess > PACE_COPY_LEAST ? guess : PACE_COPY_LEAST;
}

static bool pace_would_pay(const cairn_gc_pace *p, double young_ns, double survival)
{
	return p->all_room <= 0 || young_ns < (1 - survival) * p->all_ns / p->all_room;
}

static void pace_learn_young(cairn_gc_pace *p, uint64_t pause_ns, uint64_t made, size_t lived)
{
	p->made = p->made / 2 + (double)made;
	p->lived = p->lived / 2 + (double)lived;
	p->pause_ns = p->pause_ns / 2 + (double)pause_ns;
	if (lived >= PACE_MUCH) {
		p->copied = p->copied / 2 + (double)lived;
		p->copying_ns = p->copying_ns / 2 + (double)pause_ns;
	}
	p->pays = p->made > 0 && pace_would_pay(p, p->pause_ns / p->made, p->lived / p->made);
	p->paid = p->pays ? p->paid + 1 : 0;
	if (p->paid >= PACE_TRUSTED)
		p->doubt = 0;
	if (!p->pays)
		p->doubt = p->doubt < PACE_DOUBT_MOST ? 2 * p->doubt + 1 : p->doubt;
}

/* What would have lived in a collection of the young that is made sooner is more: so it must pay twice. */
static void pace_learn_all(cairn_gc_heap *h, uint64_t pause_ns, uint64_t made, size_t lived, cairn_gc_room room)
{
	cairn_gc_pace *p = &h->young.pace;
	p->all_ns = (double)pause_ns;
	p->all_room = (double)(room.empty + (p->pays ? 0 : room.holes));
	if (p->pays || made < PACE_MUCH)
		return;
	double survival = lived < made ? (double)lived / (double)made : 1;
	p->said = pace_would_pay(p, 2 * survival * pace_copy_ns(h), survival) ? p->said + 1 : 0;
	p->pays = p->said > p->doubt;
	if (p->pays) /* what came before the change says nothing */
		p->made = p->lived = p->pause_ns = p->said = 0;
}

/* Those that the machine made long, by giving the processor to somebody else, are not to shrink many that follow. */
static void pace_learn_cost(cairn_gc_pace *p, uint64_t pause_ns, uint64_t made)
{
	double cost = ((double)pause_ns + 1) / ((double)made + 1), known = p->goal_cost > 0 ? p->goal_cost : cost;
	double more = cost - known < PACE_RISE_MOST * known ? cost - known : PACE_RISE_MOST * known;
	double off = more < 0 ? -more / known : more / known;
	p->goal_cost = known + more / (more > 0 ? 4 : 8);
	p->goal_spread += ((off < PACE_SPREAD_MOST ? off : PACE_SPREAD_MOST) - p->goal_spread) / 16;
}

/* Slowly up, fast down. As much less than the goal is aimed at as pauses are spread, so that 1 in 100 is longer. Up
 * where collections take four fifths of the time: that does not come of what is made, nor is it less for less. */
static size_t pace_by_goal(cairn_gc_heap *h, uint64_t pause_ns, uint64_t made, size_t room)
{
	cairn_gc_pace *p = &h->young.pace;
	if (!p->goal_bytes) {
		p->goal_bytes = PACE_LEAST;
		p->goal_spread = PACE_SPREAD_FIRST;
	} else if (h->young.is_minor && !h->mixed.at_work) {
		pace_learn_cost(p, pause_ns, made);
		double aim = 1e6 * h->config.pause_goal_ms / (1 + PACE_SPREADS * p->goal_spread);
		double step = aim / p->goal_cost / (double)p->goal_bytes;
		if (p->apart_ns && pause_ns / PACE_SHARE_MOST > p->apart_ns)
			step = PACE_STEP_MOST;
		step = step > PACE_STEP_MOST ? PACE_STEP_MOST : step < 0.25 ? 0.25 : step;
		p->goal_bytes = (size_t)((double)p->goal_bytes * step);
	}
	p->goal_bytes = p->goal_bytes > h->config.max ? h->config.max : p->goal_bytes;
	p->goal_bytes = p->goal_bytes < PACE_GOAL_LEAST ? PACE_GOAL_LEAST : p->goal_bytes;
	size_t bytes = cairn_gc_mixed_is_pending(h) ? p->goal_bytes / 4 * 3 : p->goal_bytes; /* a quarter is for that */
	return bytes < room ? bytes : room;
}

static size_t pace_least(const cairn_gc_heap *h)
{
	size_t least = h->sizing.all_limit / PACE_LEAST_OF_MAX;
	return least > PACE_LEAST ? least : PACE_LEAST;
}

bool cairn_gc_pace_lacks_room(const cairn_gc_heap *h, size_t room)
{
	return h->young.pace.pays && room / 2 < pace_least(h);
}

bool cairn_gc_pace_can_do_with_holes(const cairn_gc_heap *h, size_t dead_blocks)
{
	bool is_of_itself = h->cause == CAIRN_GC_CAUSE_FULL && h->plan->has_young && !h->young.pace.pays;
	/* with a goal the young are collected by themselves in any case, and no mutator comes to the holes */
	return is_of_itself && !h->config.pause_goal_ms &&
	       cairn_gc_held(h) - dead_blocks * CAIRN_GC_BLOCK_BYTES <= cairn_gc_sizing_expect(h);
}

size_t cairn_gc_pace_after(cairn_gc_heap *h, uint64_t pause_ns, uint64_t made, cairn_gc_room room)
{
	cairn_gc_pace *p = &h->young.pace;
	size_t lived = h->young.lived_bytes, least = pace_least(h);
	bool was_mixed = h->young.is_minor && h->mixed.at_work; /* what the young took of it is not known */
	pause_ns -= h->young.is_minor ? h->mixed.walk_ns : 0;
	if (h->young.is_minor && !was_mixed)
		pace_learn_young(p, pause_ns, made, lived);
	else if (!h->young.is_minor)
		pace_learn_all(h, pause_ns, h->young.made_bytes, lived, room);
	size_t young = room.empty / 2;
	h->young.wants_all = (young < least && !cairn_gc_mixed_is_pending(h)) || (!p->pays && !h->config.pause_goal_ms);
	if (h->config.pause_goal_ms)
		young = pace_by_goal(h, pause_ns, made, young);
	/* with a goal what is sparse is taken after it, and until then there must be room */
	bool leaves_room =
		h->config.pause_goal_ms && h->young.is_minor && h->mixed.in_vain < CAIRN_GC_MIXED_IN_VAIN;
	return h->young.wants_all && !leaves_room ? room.empty : young;
}
