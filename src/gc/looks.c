/* gc/looks.c - clocks around a collection, histograms, and the figures for who asks.
 *
 * Invariants, locks, failure: see looks.h. CPU time is that of the collecting thread, by its own clock, and of the
 * workers, who count theirs (gc/trace.h). Not here: text (gc/gcreport.c). */
#include "gc/looks.h"
#include "base/assert.h"
#include "gc/managed.h"
#include "os/clock.h"
#include "os/env.h"

#include <string.h>

/* ---- Histograms: log-linear, four buckets for each power of two ---- */

static unsigned looks_bucket(uint64_t v)
{
	if (v < 2)
		return 0;
	unsigned log = cairn_log2(v), two_below = (unsigned)(log < 2 ? v << (2 - log) : v >> (log - 2)) & 3;
	unsigned bucket = 4 * log + two_below;
	return bucket < CAIRN_GC_BUCKETS ? bucket : CAIRN_GC_BUCKETS - 1;
}

/* The middle of a bucket's values. */
static uint64_t looks_bucket_value(unsigned bucket)
{
	unsigned log = bucket / 4;
	uint64_t low = 4 + bucket % 4;
	return log < 3 ? low << log >> 2 : (low << (log - 2)) + (UINT64_C(1) << (log - 3));
}

void cairn_gc_histogram_add(cairn_gc_histogram *to, uint64_t value)
{
	to->count++;
	to->sum += value;
	to->max = value > to->max ? value : to->max;
	to->bucket[looks_bucket(value)]++;
}

uint64_t cairn_gc_percentile(const cairn_gc_histogram *of, double percent)
{
	double wanted = percent / 100 * (double)of->count;
	uint64_t rank = (uint64_t)wanted, seen = 0;
	rank += (double)rank < wanted || !rank; /* rounded up, and at least the first */
	if (rank >= of->count)                  /* none, or the last, which is known */
		return of->max;
	for (unsigned i = 0; i < CAIRN_GC_BUCKETS; i++) {
		seen += of->bucket[i];
		if (seen >= rank)
			return looks_bucket_value(i) < of->max ? looks_bucket_value(i) : of->max;
	}
	return of->max;
}

/* ---- Utilisation ---- */

static uint64_t looks_overlap(const struct cairn_gc_pause *p, uint64_t from, uint64_t to)
{
	uint64_t start = p->start_ns > from ? p->start_ns : from, end = p->start_ns + p->ns;
	end = end < to ? end : to;
	return end > start ? end - start : 0;
}

/* The worst window begins with a pause or ends with one: else it could be shifted and hold more of them. */
double cairn_gc_utilisation(const struct cairn_gc_pause *p, unsigned count, uint64_t window_ns)
{
	uint64_t most = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t start = p[i].start_ns, end = start + p[i].ns, after = 0, before = 0;
		for (unsigned k = i; k < count && p[k].start_ns < start + window_ns; k++)
			after += looks_overlap(&p[k], start, start + window_ns);
		for (unsigned k = i + 1; k-- > 0 && p[k].start_ns + p[k].ns + window_ns > end;)
			before += looks_overlap(&p[k], end > window_ns ? end - window_ns : 0, end);
		most = after > most ? after : most;
		most = before > most ? before : most;
	}
	return 1 - (double)(most < window_ns ? most : window_ns) / (double)window_ns;
}

static void looks_utilisations(const cairn_gc_looks *k, double to[3])
{
	static const uint64_t windows[3] = { 1000 * 1000, 10 * 1000 * 1000, 100 * 1000 * 1000 };
	struct cairn_gc_pause in_order[CAIRN_GC_PAUSES_KEPT];
	for (unsigned i = 0; i < k->pause_count; i++)
		in_order[i] =
			k->pauses[(k->pause_at + CAIRN_GC_PAUSES_KEPT - k->pause_count + i) % CAIRN_GC_PAUSES_KEPT];
	for (unsigned i = 0; i < 3; i++)
		to[i] = cairn_gc_utilisation(in_order, k->pause_count, windows[i]);
}

/* ---- A collection ---- */

void cairn_gc_looks_init(cairn_gc_heap *h)
{
	cairn_gc_looks *k = &h->looks;
	k->logs = cairn_env_flag("CAIRN_GC_LOG", false);
	k->opened_at_ns = cairn_clock_fine_ns();
	k->stats.collector = h->plan->collector;
	k->stats.name = h->config.name;
	k->shown = k->stats;
}

const char *cairn_gc_cause_name(int cause)
{
	static const char names[][6] = { "full", "asked", "limit", "zeal" };
	return (size_t)cause < sizeof names / sizeof names[0] ? names[cause] : "?";
}

static void looks_keep_phase(cairn_gc_looks *k, uint64_t ns)
{
	unsigned i = 0;
	while (i < k->phase_count && strcmp(k->phases[i].name, k->phase) != 0)
		i++;
	if (i == CAIRN_GC_PHASES)
		return;
	if (i == k->phase_count) {
		k->phases[i].name = k->phase;
		k->phases[i].ns = 0;
		k->phase_count++;
	}
	k->phases[i].ns += ns;
}

/* What mutators allocated until now, each counted once. */
static void looks_take_allocated(cairn_gc_heap *h)
{
	cairn_node *all = &h->world.mutators;
	for (cairn_node *n = all->next; n && n != all; n = n->next) {
		cairn_gc_thread *t = cairn_container(n, cairn_gc_thread, node);
		h->looks.stats.allocated_bytes += t->allocated_bytes;
		h->looks.stats.cpu_barrier_ns += t->barrier_ns;
		t->allocated_bytes = t->barrier_ns = 0;
	}
}

void cairn_gc_look_gone(cairn_gc_heap *h, cairn_gc_thread *t)
{
	cairn_gc_looks *k = &h->looks;
	k->stats.allocated_bytes += t->allocated_bytes;
	k->stats.cpu_barrier_ns += t->barrier_ns;
	cairn_lock_take(&k->lock, CAIRN_RANK_GC_PARTS);
	k->shown.allocated_bytes += t->allocated_bytes;
	k->shown.cpu_barrier_ns += t->barrier_ns;
	cairn_lock_drop(&k->lock, CAIRN_RANK_GC_PARTS);
	t->allocated_bytes = t->barrier_ns = 0;
}

void cairn_gc_look_begin(cairn_gc_heap *h, int cause)
{
	cairn_gc_looks *k = &h->looks;
	uint64_t now = cairn_clock_fine_ns();
	(void)cause;
	k->began_ns = k->phase_ns = now - k->stop_ns;
	k->stop_ns = 0;
	k->cpu_began_ns = cairn_clock_thread_ns();
	k->phase = "stop";
	k->phase_count = 0;
	k->held_before = cairn_gc_held(h);
	k->moved_before = k->stats.moved_bytes;
	k->lived_before = k->stats.young.lived_bytes;
	k->mixed_before = k->stats.young.mixed_bytes;
	k->objects_before = k->stats.young.scanned_objects;
	k->cards_before = k->stats.young.scanned_cards;
	looks_take_allocated(h);
	cairn_gc_look_phase(h, NULL, 0, 0);
}

void cairn_gc_look_phase(cairn_gc_heap *h, const char *next, size_t bytes, size_t objects)
{
	cairn_gc_looks *k = &h->looks;
	uint64_t now = cairn_clock_fine_ns();
	cairn_gc_note_peak(h);
	if (k->phase) {
		cairn_gc_event e = { k->phase, k->phase_ns, now - k->phase_ns, h->collection, bytes, objects };
		looks_keep_phase(k, e.ns);
		cairn_lock_take(&k->lock, CAIRN_RANK_GC_PARTS);
		void (*call)(const cairn_gc_event *e, void *arg) = k->listener;
		void *arg = k->listener_arg;
		cairn_lock_drop(&k->lock, CAIRN_RANK_GC_PARTS);
		if (call)
			call(&e, arg);
	}
	k->phase = next;
	k->phase_ns = now;
}

void cairn_gc_look_stopped(cairn_gc_heap *h, struct cairn_gc_thread *t, uint64_t ns)
{
	(void)t; /* who it was, and where, is the world's to say: cairn_gc_world.laggard */
	cairn_gc_histogram_add(&h->looks.stats.time_to_safepoint, ns);
	h->looks.stop_ns = ns > h->looks.stop_ns ? ns : h->looks.stop_ns;
}

/* What the other parts know, in a stop. Of large objects all blocks count as their objects. */
static void looks_fill_in(cairn_gc_heap *h)
{
	cairn_gc_stats *s = &h->looks.stats;
	const cairn_gc_blocks *b = &h->blocks;
	size_t large = cairn_gc_blocks_large_bytes(b);
	size_t in_cells = b->cells_count * CAIRN_GC_BLOCK_BYTES,
	       small = s->live_bytes > large ? s->live_bytes - large : 0;
	s->large_bytes = large;
	s->hole_bytes = in_cells > small ? in_cells - small : 0;
	s->pending_cleanups = h->deaths.due.count;
	memcpy(s->laggard, h->world.laggard, sizeof s->laggard);
	for (unsigned i = 1; i < h->tracing.workers; i++)
		s->cpu_stopped_ns += h->tracing.worker[i].cpu_ns;
}

void cairn_gc_look_end(cairn_gc_heap *h)
{
	cairn_gc_looks *k = &h->looks;
	cairn_gc_look_phase(h, NULL, 0, 0);
	uint64_t pause = cairn_clock_fine_ns() - k->began_ns;
	k->stats.collections++;
	k->stats.pause_ns += pause;
	k->stats.cpu_stopped_ns += cairn_clock_thread_ns() - k->cpu_began_ns;
	cairn_gc_histogram_add(&k->stats.pause, pause);
	if (h->young.is_minor)
		cairn_gc_histogram_add(&k->stats.young.pause, pause);
	looks_fill_in(h);
	cairn_lock_take(&k->lock, CAIRN_RANK_GC_PARTS);
	k->pauses[k->pause_at] = (struct cairn_gc_pause){ k->began_ns, pause };
	k->pause_at = (k->pause_at + 1) % CAIRN_GC_PAUSES_KEPT;
	k->pause_count += k->pause_count < CAIRN_GC_PAUSES_KEPT;
	k->shown = k->stats;
	k->last_pause_ns = pause;
	cairn_lock_drop(&k->lock, CAIRN_RANK_GC_PARTS);
	if (k->logs)
		cairn_gc_log(h, pause);
}

/* ---- For who asks ---- */

/* Since the last collection. Where the list is in use, by a stop perhaps, that one's figure stands: to wait for it here
 * could be to wait for oneself. */
static void looks_add_current(cairn_gc_heap *h, cairn_gc_stats *to)
{
	uint64_t sum = 0;
	if (!cairn_lock_try(&h->world.lock, CAIRN_RANK_GC_WORLD))
		return;
	CAIRN_GC_EACH_MUTATOR(t, &h->world) {
		/* relaxed: a figure that only its thread raises */
		sum += __atomic_load_n(&t->allocated_bytes, __ATOMIC_RELAXED);
		to->cpu_barrier_ns += __atomic_load_n(&t->barrier_ns, __ATOMIC_RELAXED); /* likewise */
	}
	cairn_lock_drop(&h->world.lock, CAIRN_RANK_GC_WORLD);
	to->allocated_bytes += sum;
}

void cairn_gc_stats_get(cairn_gc_heap *h, cairn_gc_stats *to)
{
	cairn_gc_looks *k = &h->looks;
	const cairn_gc_sizing *s = &h->sizing;
	uint64_t calm = cairn_gc_calm();
	cairn_lock_take(&k->lock, CAIRN_RANK_GC_PARTS);
	*to = k->shown;
	looks_utilisations(k, to->utilisation);
	cairn_lock_drop(&k->lock, CAIRN_RANK_GC_PARTS);
	looks_add_current(h, to);
	cairn_gc_uncalm(calm);
	size_t peak = __atomic_load_n(&s->peak, __ATOMIC_RELAXED); /* all of these: figures, nothing is published */
	to->held_bytes = cairn_gc_held(h);
	to->free_bytes = __atomic_load_n(&h->blocks.empty_dirty, __ATOMIC_RELAXED); /* see above */
	to->free_bytes *= CAIRN_GC_BLOCK_BYTES;
	to->held_peak_bytes = peak > to->held_bytes ? peak : to->held_bytes;
	to->external_bytes = __atomic_load_n(&h->deaths.external_bytes, __ATOMIC_RELAXED); /* see above */
	to->record_bytes = __atomic_load_n(&s->record_bytes, __ATOMIC_RELAXED);            /* see above */
	to->limit_bytes = __atomic_load_n(&s->limit, __ATOMIC_RELAXED);                    /* see above */
	to->max_bytes = h->config.max;
	to->opened_ns = cairn_clock_fine_ns() - k->opened_at_ns;
}

void cairn_gc_listen(cairn_gc_heap *h, void (*call)(const cairn_gc_event *e, void *arg), void *arg)
{
	uint64_t calm = cairn_gc_calm();
	cairn_lock_take(&h->looks.lock, CAIRN_RANK_GC_PARTS);
	h->looks.listener = call;
	h->looks.listener_arg = arg;
	cairn_lock_drop(&h->looks.lock, CAIRN_RANK_GC_PARTS);
	cairn_gc_uncalm(calm);
}

static bool looks_histogram_agrees(const cairn_gc_histogram *of)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < CAIRN_GC_BUCKETS; i++)
		sum += of->bucket[i];
	return sum == of->count;
}

void cairn_gc_looks_validate(cairn_gc_heap *h)
{
	const cairn_gc_stats *s = &h->looks.shown;
	cairn_assert(looks_histogram_agrees(&s->pause) && looks_histogram_agrees(&s->time_to_safepoint)); /* (GK1) */
	cairn_assert(looks_histogram_agrees(&s->young.pause) && s->young.pause.count == s->young.collections);
	cairn_assert(s->pause.count == s->collections && s->pause.sum == s->pause_ns);                    /* (GK2) */
	(void)s;
}
