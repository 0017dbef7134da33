/* cli/top_state.c - what `cairn top` knows and was asked to show. See top_state.h.
 *
 *   glances, each frame ──▶ curves, rates, limits
 *   snapshots, as many as cost no more than 0.5 % ──▶ lines, classes
 *
 * Another program in the same process (execve) begins all of it anew.
 *
 * Invariants:
 *   (O1) The order of a view holds each of its rows once, whatever it is sorted by.
 *   (O2) The selected row is one of them, or 0. */
#include "top_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "figure.h"
#include "terminal.h"

#define TOP_WINDOW_NS     60000000000u
#define TOP_MESSAGE_NS    6000000000u
#define TOP_PURGE_WAIT_NS 30000000000u
#define TOP_PURGE_LEAST   131072u /* of resident memory that goes back by itself */
#define TOP_INTERVAL_MAX  60000000000u
#define TOP_INTERVAL_MIN  100000000u

void cairn_top_init(cairn_top_state *t, uint64_t interval_ns)
{
	memset(t, 0, sizeof *t);
	cairn_watch_init(&t->watch);
	t->interval_ns = interval_ns;
}

uint64_t cairn_top_window_ns(const cairn_top_state *t)
{
	return 20 * t->interval_ns > TOP_WINDOW_NS ? 20 * t->interval_ns : TOP_WINDOW_NS;
}

void cairn_top_say(cairn_top_state *t, uint64_t until_ns, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(t->message, sizeof t->message, format, arguments);
	va_end(arguments);
	t->message_until_ns = until_ns;
}

static unsigned state_least(unsigned a, unsigned b) { return a < b ? a : b; }

/* ---- Looks ---- */

static double state_per_s(uint64_t now, uint64_t before, uint64_t ns)
{
	return ns && now >= before ? (double)(now - before) * 1e9 / (double)ns : 0;
}

static void state_add_history(cairn_top_state *t, double rss, double rate)
{
	if (t->history == CAIRN_TOP_HISTORY) {
		memmove(t->rss, t->rss + 1, sizeof t->rss - sizeof *t->rss);
		memmove(t->rate, t->rate + 1, sizeof t->rate - sizeof *t->rate);
		t->history--;
	}
	t->rss[t->history] = rss;
	t->rate[t->history++] = rate;
}

/* Both lists have rising ids. */
static void state_rate_threads(cairn_top_state *t, uint64_t ns)
{
	const cairn_snapshot *now = &t->now, *before = &t->before;
	uint32_t k = 0;
	for (uint32_t i = 0; i < now->thread_count && i < CAIRN_SNAPSHOT_THREADS; i++) {
		const cairn_snapshot_thread *a = &now->threads[i];
		for (; k < before->thread_count && k < CAIRN_SNAPSHOT_THREADS && before->threads[k].id < a->id; k++)
			;
		const cairn_snapshot_thread *b = &before->threads[k];
		bool is_new = !ns || k >= before->thread_count || k >= CAIRN_SNAPSHOT_THREADS || b->id != a->id;
		t->threads[i].allocations_per_s = is_new ? -1 : state_per_s(a->allocations, b->allocations, ns);
		t->threads[i].cpu = is_new ? -1 : state_per_s(a->cpu_ns, b->cpu_ns, ns) / 1e9;
	}
}

static void state_rate_growth(cairn_top_state *t)
{
	uint64_t window = cairn_top_window_ns(t);
	t->rss_rate = cairn_watch_resident(&t->watch, window);
	for (uint32_t i = 0; i < state_least(t->now.limit_count, CAIRN_SNAPSHOT_LIMITS); i++)
		t->limit_rates[i] = cairn_watch_limit(&t->watch, t->now.limits[i].name, window);
	for (uint32_t i = 0; i < state_least(t->account.class_count, CAIRN_ACCOUNT_CLASSES); i++)
		t->class_rates[i] = cairn_watch_class(&t->watch, t->account.classes[i].size_bytes, window);
}

static void state_look_for_purge(cairn_top_state *t)
{
	uint64_t rss = t->now.rss_bytes, before = t->purge_rss_bytes, ns = t->now.taken_ns;
	if (!t->purge_asked_ns)
		return;
	if (rss + TOP_PURGE_LEAST <= before) {
		cairn_top_say(t, ns + TOP_MESSAGE_NS, "given back: %s",
			      cairn_figure_bytes((double)(before - rss)).text);
	} else if (t->purge_served_ns) {
		cairn_top_say(t, ns + TOP_MESSAGE_NS, "it looked, and had nothing to give back");
	} else if (ns > t->purge_asked_ns + TOP_PURGE_WAIT_NS) {
		cairn_top_say(t, ns + TOP_MESSAGE_NS, "asked half a minute ago: it has not looked since");
		t->purge_asked_ns = 0;
	}
	if (t->purge_served_ns && ns > t->purge_served_ns + TOP_MESSAGE_NS / 2)
		t->purge_asked_ns = 0; /* what changes later has other reasons */
}

static void state_begin_anew(cairn_top_state *t, uint64_t now_ns)
{
	t->history = 0;
	t->now.taken_ns = t->before.taken_ns = t->account.taken_ns = 0;
	t->account.line_count = t->account.class_count = t->account.below_count = 0;
	t->purge_asked_ns = 0;
	cairn_watch_init(&t->watch);
	cairn_top_say(t, now_ns + TOP_MESSAGE_NS, "it executed another program");
}

void cairn_top_add(cairn_top_state *t, const cairn_snapshot *s)
{
	/* A program that replaced itself: its counters went far back. */
	if (t->now.taken_ns && (s->is_served != t->now.is_served || s->allocations < t->now.allocations / 2))
		state_begin_anew(t, s->taken_ns);
	t->before = t->now;
	t->now = *s;
	uint64_t ns = t->before.taken_ns ? s->taken_ns - t->before.taken_ns : 0;
	t->bytes_per_s = state_per_s(s->allocated_bytes, t->before.allocated_bytes, ns);
	t->cpu = state_per_s(s->cpu_ns, t->before.cpu_ns, ns) / 1e9;
	cairn_watch_add(&t->watch, s);
	if (ns || !t->history)
		state_add_history(t, (double)s->rss_bytes, state_per_s(s->allocations, t->before.allocations, ns));
	state_rate_threads(t, ns);
	state_rate_growth(t);
	state_look_for_purge(t);
	t->error = 0;
}

void cairn_top_add_account(cairn_top_state *t, const cairn_snapshot *s)
{
	if (t->account.taken_ns && strcmp(t->account.executable, s->executable))
		state_begin_anew(t, s->taken_ns);
	t->account = *s;
	if (!t->now.class_count)
		cairn_watch_add(&t->watch, s);
	state_rate_growth(t);
}

void cairn_top_purge_asked(cairn_top_state *t, int error, uint64_t now_ns)
{
	if (error) {
		cairn_top_say(t, now_ns + TOP_MESSAGE_NS, "it cannot be asked: %s", strerror(error));
		return;
	}
	t->purge_asked_ns = now_ns;
	t->purge_served_ns = 0;
	t->purge_rss_bytes = t->now.rss_bytes;
	cairn_top_say(t, now_ns + TOP_PURGE_WAIT_NS, "asked: it gives back at its next slow free");
}

void cairn_top_purge_served(cairn_top_state *t, uint64_t now_ns)
{
	if (!t->purge_served_ns)
		t->purge_served_ns = now_ns;
}

/* ---- Orders ---- */

static const char *const state_sort_names[CAIRN_TOP_VIEWS][CAIRN_TOP_SORTS] = {
	{ "as it stands", "bytes" },
	{ "live", "growth", "holes", "cached", "size" },
	{ "rate", "processor", "cached", "stack", "id" },
	{ "as it stands", "time left" },
};

unsigned cairn_top_sorts(cairn_top_view view)
{
	unsigned n = 0;
	while (n < CAIRN_TOP_SORTS && state_sort_names[view][n])
		n++;
	return n;
}

const char *cairn_top_sort_name(cairn_top_view view, unsigned sort)
{
	return state_sort_names[view][sort];
}

static double state_class_weight(const cairn_top_state *t, unsigned row)
{
	const cairn_snapshot_class *c = &t->account.classes[row];
	const double by[] = { (double)(c->live_bytes + c->untouched_bytes), t->class_rates[row].bytes_per_s,
			      (double)c->hole_bytes, (double)c->cached_bytes, -(double)row };
	return by[t->sort[CAIRN_TOP_CLASSES]];
}

static double state_thread_weight(const cairn_top_state *t, unsigned row)
{
	const cairn_snapshot_thread *s = &t->now.threads[row];
	const double by[] = { t->threads[row].allocations_per_s, t->threads[row].cpu, (double)s->cached_bytes,
			      (double)s->stack_bytes, -(double)s->id };
	return by[t->sort[CAIRN_TOP_THREADS]];
}

/* What has more weight stands further up; rows of the same weight as they come. */
static double state_weight(const cairn_top_state *t, unsigned row)
{
	uint32_t limits = t->now.limit_count;
	switch (t->view) {
	case CAIRN_TOP_ACCOUNT:
		return t->sort[CAIRN_TOP_ACCOUNT] ? (double)t->account.lines[row].bytes : -(double)row;
	case CAIRN_TOP_CLASSES:
		return state_class_weight(t, row);
	case CAIRN_TOP_THREADS:
		return state_thread_weight(t, row);
	default:
		if (!t->sort[CAIRN_TOP_LIMITS] || row >= limits)
			return row < limits ? -(double)row : -1e30 * (1 + (double)row);
		return -(double)cairn_growth_left_ns(&t->limit_rates[row], t->now.limits[row].limit_bytes,
						     t->now.limits[row].used_bytes);
	}
}

static unsigned state_rows(const cairn_top_state *t)
{
	switch (t->view) {
	case CAIRN_TOP_ACCOUNT:
		return state_least(t->account.line_count, CAIRN_SNAPSHOT_LINES);
	case CAIRN_TOP_CLASSES:
		return state_least(t->account.class_count, CAIRN_ACCOUNT_CLASSES);
	case CAIRN_TOP_THREADS:
		return state_least(t->now.thread_count, CAIRN_SNAPSHOT_THREADS);
	default:
		return state_least(t->now.limit_count, CAIRN_SNAPSHOT_LIMITS) +
		       state_least(t->account.below_count, CAIRN_SNAPSHOT_LINES);
	}
}

/* A class that has no block says nothing, nor does a line of nothing. */
static bool state_is_shown(const cairn_top_state *t, unsigned row)
{
	if (t->view == CAIRN_TOP_ACCOUNT) {
		const cairn_snapshot_line *l = &t->account.lines[row];
		return l->bytes || l->kind == CAIRN_SNAPSHOT_LIVE || l->kind == CAIRN_SNAPSHOT_UNEXPLAINED;
	}
	if (t->view == CAIRN_TOP_CLASSES) {
		const cairn_snapshot_class *c = &t->account.classes[row];
		return c->slabs || c->live_blocks || c->cached_bytes;
	}
	return true;
}

unsigned cairn_top_order(const cairn_top_state *t, unsigned *rows, unsigned most)
{
	double weights[CAIRN_SNAPSHOT_THREADS];
	unsigned n = 0, count = state_rows(t);
	double sign = t->is_reversed[t->view] ? -1 : 1;
	if (most > CAIRN_SNAPSHOT_THREADS)
		most = CAIRN_SNAPSHOT_THREADS;
	for (unsigned row = 0; row < count && n < most; row++) {
		if (!state_is_shown(t, row))
			continue;
		double weight = sign * state_weight(t, row);
		unsigned i = n++;
		for (; i && weights[i - 1] < weight; i--) {
			weights[i] = weights[i - 1];
			rows[i] = rows[i - 1];
		}
		weights[i] = weight;
		rows[i] = row;
	}
	return n;
}

/* ---- Keys ---- */

static void state_move(cairn_top_state *t, int by)
{
	unsigned rows[CAIRN_SNAPSHOT_THREADS], n = cairn_top_order(t, rows, CAIRN_SNAPSHOT_THREADS);
	long at = (long)t->selected[t->view] + by;
	t->selected[t->view] = at < 0 || !n ? 0 : at < (long)n ? (unsigned)at : n - 1; /* O2 */
}

static void state_change_interval(cairn_top_state *t, bool up, uint64_t now_ns)
{
	static const uint64_t steps[] = { 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000 };
	size_t n = sizeof steps / sizeof *steps;
	uint64_t ms = t->interval_ns / 1000000, next = ms;
	for (size_t i = 0; i < n; i++)
		if (up ? steps[n - 1 - i] > ms : steps[i] < ms)
			next = up ? steps[n - 1 - i] : steps[i];
	t->interval_ns = next * 1000000;
	cairn_top_say(t, now_ns + TOP_MESSAGE_NS / 2, "a frame every %.3g s", (double)t->interval_ns / 1e9);
}

static cairn_top_wish state_purge_key(cairn_top_state *t, unsigned key, uint64_t now_ns)
{
	t->asks_purge = false;
	if (key == 'y' || key == 'Y')
		return CAIRN_TOP_PURGE;
	cairn_top_say(t, now_ns + TOP_MESSAGE_NS / 2, "not asked");
	return CAIRN_TOP_REDRAW;
}

static void state_view(cairn_top_state *t, unsigned view)
{
	t->view = (cairn_top_view)(view % CAIRN_TOP_VIEWS);
	t->shows_help = false;
}

static bool state_key_moves(cairn_top_state *t, unsigned key)
{
	switch (key) {
	case CAIRN_KEY_UP: case 'k': state_move(t, -1); return true;
	case CAIRN_KEY_DOWN: case 'j': state_move(t, 1); return true;
	case CAIRN_KEY_PAGE_UP: state_move(t, -10); return true;
	case CAIRN_KEY_PAGE_DOWN: state_move(t, 10); return true;
	case CAIRN_KEY_HOME: state_move(t, -1000); return true;
	case CAIRN_KEY_END: state_move(t, 1000); return true;
	case '\t': case CAIRN_KEY_RIGHT: state_view(t, t->view + 1u); return true;
	case CAIRN_KEY_BACKTAB: case CAIRN_KEY_LEFT: state_view(t, t->view + CAIRN_TOP_VIEWS - 1u); return true;
	case '1': case '2': case '3': case '4': state_view(t, key - '1'); return true;
	default: return false;
	}
}

static void state_sort(cairn_top_state *t, uint64_t now_ns)
{
	unsigned *sort = &t->sort[t->view];
	*sort = (*sort + 1) % cairn_top_sorts(t->view);
	t->selected[t->view] = 0;
	cairn_top_say(t, now_ns + TOP_MESSAGE_NS / 2, "sorted by %s", cairn_top_sort_name(t->view, *sort));
}

cairn_top_wish cairn_top_key(cairn_top_state *t, unsigned key, uint64_t now_ns)
{
	if (t->asks_purge && key != 'q')
		return state_purge_key(t, key, now_ns);
	if (state_key_moves(t, key))
		return CAIRN_TOP_REDRAW;
	switch (key) {
	case 'q': case 'Q': return CAIRN_TOP_QUIT;
	case 's': state_sort(t, now_ns); break;
	case 'r': t->is_reversed[t->view] = !t->is_reversed[t->view]; break;
	case 'p': case ' ': t->is_paused = !t->is_paused; break;
	case 'h': case '?': t->shows_help = !t->shows_help; break;
	case '\033': t->shows_help = false; break;
	case '+': state_change_interval(t, true, now_ns); break;
	case '-': state_change_interval(t, false, now_ns); break;
	case 'P':
		t->asks_purge = !t->is_ended;
		break;
	default:
		return key == '\f' ? CAIRN_TOP_REDRAW : CAIRN_TOP_NOTHING;
	}
	return CAIRN_TOP_REDRAW;
}
