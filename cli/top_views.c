/* cli/top_views.c - how `cairn top` looks. See top_state.h.
 *
 *   cairn top ─ leak 31245 ─ up 2 h 14 min ─ 48 threads ─ sleeps ──────────── every 1 s      title
 *   RSS   1.84 GiB ▁▁▂▂▂▃▃▃▃▄▄▄▅▅▅▅▆▆▆▇▇▇▇██  +3.10 MiB/s    92 % full: memory cgroup app   figures
 *   rate  2.31 M/s ▆▇▆▆▇▇▅▆▇▆▇▇▆▆▇▇▆▇▆▇▇▆▇▇▆    612 MiB/s    34 % of a processor
 *   grows by 3.10 MiB/s, mostly blocks of 1 KiB; 53 s to cgroup memory.max                   what it means
 *   ─[1 account]─ 2 classes ─ 3 threads ─ 4 limits ──────────────── 0.4 s old, 3.1 ms ─      views
 *   ...                                                                                      one of them
 *   q quit  tab view  s sort  ...                                                            keys, or a message
 *
 * Figures stand as far right as the screen is wide; what does not fit is cut, names first.
 *
 * Invariant (B1): nothing is drawn but on the screen, whatever its size and the snapshot's figures. */
#include <stdio.h>
#include <string.h>

#include "figure.h"
#include "top_state.h"

#define VIEWS_YEAR_NS 31557600000000000u

enum {
	VIEWS_COLUMNS = 40, VIEWS_ROWS = 10, /* the smallest that can be read */
	VIEWS_FIRST = 5,                     /* row of a view */
	VIEWS_WHY = 18,                      /* a screen of so many rows has room for why a line is there */
};

static const char views_help[][2][64] = {
	{ "q", "quit" },
	{ "tab  1 2 3 4", "next view, or that one" },
	{ "↑ ↓ page home end", "another row" },
	{ "s", "sort by something else" },
	{ "r", "the other way round" },
	{ "p", "pause: the picture stays" },
	{ "+ -", "more, or less time between frames" },
	{ "P", "ask the process to give its free memory back" },
	{ "h", "this help" },
};

typedef struct views_area {
	unsigned first, rows; /* of the screen */
	unsigned order[CAIRN_SNAPSHOT_THREADS];
	unsigned count, from; /* rows of the view, and the first that is shown */
} views_area;

static double views_part(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

/* ---- Title ---- */

static const char *views_state_word(char state)
{
	switch (state) {
	case 'R': return "runs";
	case 'S': case 'I': return "sleeps";
	case 'D': return "waits for a device";
	case 'T': return "stopped";
	case 't': return "stopped by a debugger";
	case 'Z': case 'X': return "ended";
	default: return "";
	}
}

/* " ─ text" behind what stands there, while there is room. */
static unsigned views_append(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			     const char *text)
{
	if (!*text || column + 3 + cairn_screen_width(text) >= end)
		return column;
	column = cairn_screen_text(s, row, column, end, CAIRN_INK_DIM, " ─ ");
	return cairn_screen_text(s, row, column, end, ink, text);
}

static void views_title(const cairn_top_state *t, cairn_screen *s, uint64_t now_ns)
{
	char text[96];
	const cairn_snapshot *p = &t->now;
	unsigned end = s->columns - 1, column;
	unsigned ink = p->state == 'T' || p->state == 't' ? CAIRN_INK_BOLD | CAIRN_INK_YELLOW : 0;
	snprintf(text, sizeof text, t->is_ended ? "ended" : t->is_paused ? "paused, every %.3g s" : "every %.3g s",
		 (double)t->interval_ns / 1e9);
	unsigned right = s->columns >= 60 || t->is_ended || t->is_paused ? cairn_screen_width(text) + 2 : 0;
	cairn_screen_text(s, 0, 1, end, CAIRN_INK_BOLD | CAIRN_INK_CYAN, "cairn top");
	column = cairn_screen_text(s, 0, 10, end, CAIRN_INK_DIM, " ─ ");
	column = cairn_screen_textf(s, 0, column, end - right, CAIRN_INK_BOLD, "%s %u", p->name, p->pid);
	if (!t->is_ended)
		column = views_append(s, 0, column, end - right, ink, views_state_word(p->state));
	now_ns = t->is_ended ? p->taken_ns : now_ns;
	if (p->started_ns && now_ns > p->started_ns) {
		char up[64];
		snprintf(up, sizeof up, "up %s", cairn_figure_time(now_ns - p->started_ns).text);
		column = views_append(s, 0, column, end - right, 0, up);
	}
	char threads[32];
	uint32_t count = p->thread_count + p->threads_left_out;
	snprintf(threads, sizeof threads, "%u thread%s", count, count == 1 ? "" : "s");
	column = views_append(s, 0, column, end - right, 0, count ? threads : "");
	cairn_screen_text(s, 0, column, 0, 0, " ");
	cairn_screen_fill(s, 0, column + 1, right ? end - right + 1 : 0, CAIRN_INK_DIM, "─");
	if (right)
		cairn_screen_text(s, 0, end - right + 2, 0, t->is_paused ? CAIRN_INK_YELLOW : 0, text);
}

/* ---- Figures ---- */

static double views_highest(const double *x, size_t n)
{
	double most = 0;
	for (size_t i = 0; i < n; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

static double views_lowest(const double *x, size_t n)
{
	double least = n ? x[0] : 0;
	for (size_t i = 0; i < n; i++)
		least = x[i] < least ? x[i] : least;
	return least;
}

/* Where the curve of a figure ends: two words of 13 and 24 columns stand behind it where there is room. */
static unsigned views_curve_end(const cairn_screen *s)
{
	return s->columns >= 76 ? s->columns - 40 : s->columns >= 50 ? s->columns - 15 : s->columns - 1;
}

static void views_figure(cairn_screen *s, unsigned row, const char *label, const char *figure, const char *first,
			 unsigned ink, const char *second)
{
	unsigned end = views_curve_end(s);
	cairn_screen_text(s, row, 1, 0, CAIRN_INK_DIM, label);
	cairn_screen_right(s, row, 16, 10, CAIRN_INK_BOLD, figure);
	if (s->columns >= 50)
		cairn_screen_right(s, row, end + 14, 13, ink, first);
	if (s->columns >= 76)
		cairn_screen_text(s, row, end + 16, s->columns - 1, 0, second);
}

/* Of the values that fit: the curve is of what is seen. */
static void views_curve(cairn_screen *s, unsigned row, unsigned ink, const double *values, size_t n, bool is_level)
{
	unsigned from = 17, end = views_curve_end(s);
	size_t seen = end > from ? end - from : 0;
	if (n > seen) {
		values += n - seen;
		n = seen;
	}
	double top = views_highest(values, n), low = is_level ? views_lowest(values, n) : 0;
	if (is_level) { /* a level that moves by a tenth is seen to, and one that hardly moves is flat, half way up */
		double room = top / 16 > top - low ? top / 16 - (top - low) : 0;
		low = low - room / 2 > 0 && top - low < top / 2 ? low - room / 2 : 0;
		top += room / 2;
	}
	cairn_screen_spark(s, row, from, end, ink, values, n, low, top);
}

static int views_limit(const cairn_top_state *t, uint64_t *left_ns)
{
	int first = cairn_watch_first_limit(&t->watch, &t->now, cairn_top_window_ns(t), left_ns);
	return first >= 0 ? first : t->now.limit_count ? 0 : -1;
}

static unsigned views_rate_ink(const cairn_growth_rate *r)
{
	if (r->kind == CAIRN_GROWTH_RISING)
		return CAIRN_INK_YELLOW;
	return r->kind == CAIRN_GROWTH_FALLING ? CAIRN_INK_GREEN : 0;
}

static const char *views_rate_text(const cairn_growth_rate *r, cairn_figure_text *f)
{
	switch (r->kind) {
	case CAIRN_GROWTH_UNKNOWN: return "…";
	case CAIRN_GROWTH_STEADY: return "steady";
	case CAIRN_GROWTH_ONCE: return "once";
	default:
		*f = cairn_figure_rate(r->bytes_per_s);
		return f->text;
	}
}

static void views_figures(const cairn_top_state *t, cairn_screen *s)
{
	cairn_figure_text f;
	char text[128] = "";
	uint64_t left;
	int i = views_limit(t, &left);
	const char *grows = views_rate_text(&t->rss_rate, &f);
	if (i >= 0) {
		double part = views_part(t->now.limits[i].used_bytes, t->now.limits[i].limit_bytes);
		snprintf(text, sizeof text, "%s full: %s", cairn_figure_percent(part).text, t->now.limits[i].name);
	}
	views_figure(s, 1, "RSS", cairn_figure_bytes((double)t->now.rss_bytes).text, grows,
		     views_rate_ink(&t->rss_rate), text);
	views_curve(s, 1, CAIRN_INK_CYAN, t->rss, t->history, true);
	double rate = t->history ? t->rate[t->history - 1] : 0;
	char per_s[40], volume[40];
	snprintf(per_s, sizeof per_s, "%s/s", t->is_ended ? "0" : cairn_figure_count(rate).text);
	snprintf(volume, sizeof volume, "%s/s", cairn_figure_bytes(t->bytes_per_s).text);
	snprintf(text, sizeof text, "%s of a processor", cairn_figure_percent(t->cpu).text);
	views_figure(s, 2, "rate", t->history > 1 ? per_s : "…", t->history > 1 ? volume : "", 0,
		     t->history > 1 ? text : "");
	if (t->history > 1)
		views_curve(s, 2, CAIRN_INK_BLUE, t->rate + 1, t->history - 1, false);
}

/* ---- What it means ---- */

static void views_add(char *text, size_t bytes, const char *more)
{
	size_t used = strlen(text);
	snprintf(text + used, bytes - used, "%s", more);
}

static void views_say_class(const cairn_top_state *t, char *text, size_t bytes)
{
	uint64_t size;
	cairn_growth_rate r;
	char more[96];
	if (!cairn_watch_growing_class(&t->watch, cairn_top_window_ns(t), &size, &r))
		return;
	const char *how_much = r.bytes_per_s > t->rss_rate.bytes_per_s / 2 ? ", mostly" : ", part of it";
	if (size)
		snprintf(more, sizeof more, "%s blocks of %s", how_much, cairn_figure_size(size).text);
	else
		snprintf(more, sizeof more, "%s large blocks", how_much);
	views_add(text, bytes, more);
}

static void views_say_limit(const cairn_top_state *t, char *text, size_t bytes, bool *is_near)
{
	uint64_t left;
	char more[160];
	int i = cairn_watch_first_limit(&t->watch, &t->now, cairn_top_window_ns(t), &left);
	*is_near = i >= 0 && left < 600000000000u;
	if (i < 0)
		return;
	cairn_figure_text when = cairn_figure_time(left);
	snprintf(more, sizeof more, "; %s to %s", left > VIEWS_YEAR_NS ? "over a year" : when.text,
		 t->now.limits[i].name); /* when goes first: the line may be cut */
	views_add(text, bytes, more);
}

static void views_sentence(const cairn_top_state *t, cairn_screen *s)
{
	char text[400] = "";
	bool is_near = false;
	const cairn_growth_rate *r = &t->rss_rate;
	if (t->is_ended || t->error) {
		cairn_screen_text(s, 3, 1, s->columns - 1, CAIRN_INK_BOLD | CAIRN_INK_RED, t->how_ended);
		return;
	}
	switch (r->kind) {
	case CAIRN_GROWTH_UNKNOWN: views_add(text, sizeof text, "watching how it grows"); break;
	case CAIRN_GROWTH_STEADY: views_add(text, sizeof text, "does not grow"); break;
	case CAIRN_GROWTH_ONCE:
		snprintf(text, sizeof text, "%s by %s once", r->step_bytes < 0 ? "shrank" : "grew",
			 cairn_figure_bytes(r->step_bytes < 0 ? -(double)r->step_bytes : (double)r->step_bytes).text);
		break;
	case CAIRN_GROWTH_FALLING:
		snprintf(text, sizeof text, "shrinks by %s", cairn_figure_rate(-r->bytes_per_s).text + 1);
		break;
	case CAIRN_GROWTH_RISING:
		snprintf(text, sizeof text, "grows by %s", cairn_figure_rate(r->bytes_per_s).text + 1);
		views_say_class(t, text, sizeof text);
		break;
	}
	views_say_limit(t, text, sizeof text, &is_near);
	cairn_screen_text(s, 3, 1, s->columns - 1, is_near ? CAIRN_INK_BOLD | CAIRN_INK_RED : 0, text);
}

/* ---- Views: what they share ---- */

static void views_tabs(const cairn_top_state *t, cairn_screen *s, uint64_t now_ns)
{
	static const char *const names[] = { "account", "classes", "threads", "limits" };
	char age[96];
	unsigned column = 1;
	bool is_narrow = s->columns < 60; /* the names of the others are left out */
	cairn_screen_fill(s, 4, 0, 0, CAIRN_INK_DIM, "─");
	for (unsigned i = 0; i < CAIRN_TOP_VIEWS; i++) {
		bool is_this = i == t->view;
		unsigned ink = is_this ? CAIRN_INK_BOLD | CAIRN_INK_REVERSE : CAIRN_INK_DIM;
		const char *format = is_this ? "[%u %s]" : is_narrow ? " %u " : " %u %s ";
		column = cairn_screen_textf(s, 4, column, 0, ink, format, i + 1, names[i]) + 1;
	}
	uint64_t taken = t->account.taken_ns;
	if (!taken || t->is_ended || s->columns < 76 || t->view == CAIRN_TOP_THREADS)
		return;
	cairn_figure_text old = cairn_figure_time(now_ns > taken ? now_ns - taken : 0);
	snprintf(age, sizeof age, " %s%s old, took %s ", t->account.is_approximate ? "≈ " : "", old.text,
		 cairn_figure_time(t->account.cost_ns).text);
	cairn_screen_right(s, 4, s->columns - 1, s->columns - column - 1, CAIRN_INK_DIM, age);
}

/* Which rows of the view are seen: the selected one is among them. */
static void views_scroll(const cairn_top_state *t, views_area *a)
{
	unsigned selected = t->selected[t->view];
	a->count = cairn_top_order(t, a->order, CAIRN_SNAPSHOT_THREADS);
	a->from = selected >= a->rows ? selected - a->rows + 1 : 0;
	if (a->from + a->rows > a->count)
		a->from = a->count > a->rows ? a->count - a->rows : 0;
}

/* Marks the selected row; false: there is no such row to be drawn. */
static bool views_row(const cairn_top_state *t, cairn_screen *s, const views_area *a, unsigned i, unsigned *screen_row,
		      unsigned *row)
{
	if (i >= a->rows || a->from + i >= a->count)
		return false;
	*screen_row = a->first + i;
	*row = a->order[a->from + i];
	if (a->from + i == t->selected[t->view] && !t->is_plain)
		cairn_screen_text(s, *screen_row, 0, 0, CAIRN_INK_BOLD | CAIRN_INK_CYAN, "▸");
	return true;
}

/* What a column is called, with an arrow where it is sorted by it. */
static void views_heading(const cairn_top_state *t, cairn_screen *s, unsigned row, unsigned end, const char *name,
			  int sort)
{
	char text[64];
	bool is_sorted = sort >= 0 && t->sort[t->view] == (unsigned)sort;
	snprintf(text, sizeof text, "%s%s", is_sorted ? t->is_reversed[t->view] ? "↑" : "↓" : "", name);
	cairn_screen_right(s, row, end, 12, is_sorted ? CAIRN_INK_BOLD : CAIRN_INK_DIM, text);
}

static void views_paragraph(cairn_screen *s, unsigned row, unsigned rows, const char *text)
{
	unsigned width = s->columns > 4 ? s->columns - 4 : 1;
	for (; rows && *text; rows--, row++) {
		size_t fits = 0, at = 0;
		for (unsigned column = 0; text[at] && column < width; column++) {
			for (at++; (text[at] & 0xc0) == 0x80; at++)
				;
			if (!text[at] || text[at] == ' ')
				fits = at;
		}
		fits = fits && rows > 1 ? fits : strlen(text);
		char line[512];
		snprintf(line, sizeof line, "%.*s", (int)fits, text);
		cairn_screen_text(s, row, 2, s->columns - 1, CAIRN_INK_DIM, line);
		for (text += fits; *text == ' '; text++)
			;
	}
}

/* Why the selected line is there, below the view. */
static void views_why(const cairn_top_state *t, cairn_screen *s, views_area *a)
{
	unsigned selected = t->selected[t->view], limits = t->now.limit_count;
	if (s->rows < VIEWS_WHY || t->is_plain)
		return;
	a->rows -= 3;
	views_scroll(t, a);
	cairn_screen_fill(s, a->first + a->rows, 0, 0, CAIRN_INK_DIM, "─");
	unsigned row = selected < a->count ? a->order[selected] : 0;
	if (selected >= a->count)
		return;
	if (t->view == CAIRN_TOP_ACCOUNT)
		views_paragraph(s, a->first + a->rows + 1, 2, t->account.lines[row].why);
	else if (row >= limits)
		views_paragraph(s, a->first + a->rows + 1, 2, t->account.below[row - limits].why);
}

/* ---- The four ---- */

static unsigned views_kind_ink(cairn_snapshot_kind kind)
{
	switch (kind) {
	case CAIRN_SNAPSHOT_LIVE: return CAIRN_INK_GREEN;
	case CAIRN_SNAPSHOT_ROUNDING: case CAIRN_SNAPSHOT_HOLES: return CAIRN_INK_YELLOW;
	case CAIRN_SNAPSHOT_KEPT: return CAIRN_INK_BLUE;
	case CAIRN_SNAPSHOT_METADATA: return CAIRN_INK_MAGENTA;
	case CAIRN_SNAPSHOT_UNEXPLAINED: return CAIRN_INK_RED;
	default: return CAIRN_INK_CYAN;
	}
}

static void views_account_row(const cairn_top_state *t, cairn_screen *s, unsigned at, const cairn_snapshot_line *l)
{
	unsigned width = s->columns, name = width * 2 / 5 > 34 ? 34 : width * 2 / 5;
	unsigned figure = name + 12, error = width >= 76 ? figure + 13 : figure, percent = error + 8;
	cairn_screen_text(s, at, 2, name, 0, l->name);
	cairn_screen_right(s, at, figure, 11, CAIRN_INK_BOLD, cairn_figure_bytes((double)l->bytes).text);
	if (l->error_bytes && error > figure) {
		char text[48];
		snprintf(text, sizeof text, "± %s", cairn_figure_bytes((double)l->error_bytes).text);
		cairn_screen_right(s, at, error, 12, CAIRN_INK_DIM, text);
	}
	double part = views_part(l->bytes, t->account.rss_bytes);
	cairn_screen_right(s, at, percent, 8, 0, cairn_figure_percent(part).text);
	if (percent + 2 < width - 1)
		cairn_screen_bar(s, at, percent + 2, width - 1, views_kind_ink(l->kind), part);
}

static void views_account(const cairn_top_state *t, cairn_screen *s, views_area *a)
{
	unsigned at, row;
	if (!t->account.line_count) {
		cairn_screen_text(s, a->first, 2, 0, 0, t->error ? "" : "the account comes with the next frame");
		return;
	}
	views_scroll(t, a);
	views_why(t, s, a);
	for (unsigned i = 0; views_row(t, s, a, i, &at, &row); i++)
		views_account_row(t, s, at, &t->account.lines[row]);
	if (a->count + 3 <= a->rows) /* what cannot be known of it */
		views_paragraph(s, a->first + a->count + 1, 2, t->account.unknown);
}

static void views_class_row(const cairn_top_state *t, cairn_screen *s, unsigned at, unsigned row)
{
	const cairn_snapshot_class *c = &t->account.classes[row];
	const cairn_growth_rate *r = &t->class_rates[row];
	cairn_figure_text f;
	uint64_t bytes = c->live_bytes + c->untouched_bytes;
	cairn_screen_right(s, at, 11, 10, 0, c->size_bytes ? cairn_figure_size(c->size_bytes).text : "large");
	cairn_screen_right(s, at, 22, 10, CAIRN_INK_BOLD, cairn_figure_bytes((double)bytes).text);
	cairn_screen_right(s, at, 36, 13, views_rate_ink(r), views_rate_text(r, &f));
	cairn_screen_right(s, at, 46, 9, 0, cairn_figure_count((double)c->live_blocks).text);
	cairn_screen_right(s, at, 57, 10, 0, cairn_figure_bytes((double)c->hole_bytes).text);
	cairn_screen_right(s, at, 68, 10, 0, cairn_figure_bytes((double)c->cached_bytes).text);
	if (s->columns > 71)
		cairn_screen_bar(s, at, 70, s->columns - 1, CAIRN_INK_GREEN, views_part(bytes, t->account.rss_bytes));
}

static void views_classes(const cairn_top_state *t, cairn_screen *s, views_area *a)
{
	unsigned at, row;
	views_heading(t, s, a->first, 11, "blocks of", 4);
	views_heading(t, s, a->first, 22, "live", 0);
	views_heading(t, s, a->first, 36, "growth", 1);
	views_heading(t, s, a->first, 46, "blocks", -1);
	views_heading(t, s, a->first, 57, "holes", 2);
	views_heading(t, s, a->first, 68, "in caches", 3);
	a->first++;
	a->rows--;
	views_scroll(t, a);
	for (unsigned i = 0; views_row(t, s, a, i, &at, &row); i++)
		views_class_row(t, s, at, row);
	if (!a->count)
		cairn_screen_text(s, a->first, 2, 0, 0, t->now.is_served ? "" : "its malloc is not cairn's");
}

static void views_thread_row(const cairn_top_state *t, cairn_screen *s, unsigned at, unsigned row)
{
	const cairn_snapshot_thread *p = &t->now.threads[row];
	const cairn_top_thread *r = &t->threads[row];
	char id[16], rate[40];
	snprintf(id, sizeof id, "%u", p->id);
	snprintf(rate, sizeof rate, "%s/s", cairn_figure_count(r->allocations_per_s).text);
	cairn_screen_right(s, at, 9, 8, 0, id);
	cairn_screen_text(s, at, 11, 27, CAIRN_INK_BOLD, p->name);
	cairn_screen_right(s, at, 36, 9, 0, r->allocations_per_s < 0 ? "–" : rate);
	cairn_screen_right(s, at, 47, 10, 0, r->cpu < 0 ? "–" : cairn_figure_percent(r->cpu).text);
	cairn_screen_right(s, at, 58, 10, 0, cairn_figure_bytes((double)p->cached_bytes).text);
	cairn_screen_right(s, at, 69, 10, 0, cairn_figure_bytes((double)p->stack_bytes).text);
	if (s->columns > 78)
		cairn_screen_text(s, at, 71, s->columns - 1, 0, views_state_word(p->state));
}

static void views_threads(const cairn_top_state *t, cairn_screen *s, views_area *a)
{
	unsigned at, row;
	views_heading(t, s, a->first, 9, "thread", 4);
	cairn_screen_text(s, a->first, 11, 0, CAIRN_INK_DIM, "name");
	views_heading(t, s, a->first, 36, "allocs", 0);
	views_heading(t, s, a->first, 47, "processor", 1);
	views_heading(t, s, a->first, 58, "in caches", 2);
	views_heading(t, s, a->first, 69, "stack", 3);
	a->first++;
	a->rows--;
	views_scroll(t, a);
	for (unsigned i = 0; views_row(t, s, a, i, &at, &row); i++)
		views_thread_row(t, s, at, row);
}

/* Time to a limit, or why there is none. */
static const char *views_left(const cairn_growth_rate *r, const cairn_snapshot_limit *l, cairn_figure_text *f)
{
	uint64_t left = cairn_growth_left_ns(r, l->limit_bytes, l->used_bytes);
	if (!left)
		return "full";
	if (left == UINT64_MAX)
		return r->kind == CAIRN_GROWTH_UNKNOWN ? "…" : "–";
	*f = cairn_figure_time(left);
	return left > VIEWS_YEAR_NS ? "over a year" : f->text;
}

static void views_limit_row(const cairn_top_state *t, cairn_screen *s, unsigned at, unsigned row)
{
	const cairn_snapshot_limit *l = &t->now.limits[row];
	const cairn_growth_rate *r = &t->limit_rates[row];
	double part = views_part(l->used_bytes, l->limit_bytes);
	unsigned width = s->columns, name = width >= 76 ? 26 : width * 2 / 5;
	cairn_figure_text f;
	cairn_screen_text(s, at, 2, name, CAIRN_INK_BOLD, l->name);
	cairn_screen_right(s, at, name + 8, 7, part > 0.9 ? CAIRN_INK_RED : 0, cairn_figure_percent(part).text);
	cairn_screen_right(s, at, name + 21, 12, CAIRN_INK_BOLD, views_left(r, l, &f));
	cairn_screen_right(s, at, name + 35, 13, views_rate_ink(r), views_rate_text(r, &f));
	cairn_screen_right(s, at, name + 46, 10, 0, cairn_figure_bytes((double)l->limit_bytes).text);
	if (name + 48 < width - 1)
		cairn_screen_bar(s, at, name + 48, width - 1, part > 0.9 ? CAIRN_INK_RED : CAIRN_INK_GREEN, part);
}

static void views_limits(const cairn_top_state *t, cairn_screen *s, views_area *a)
{
	unsigned at, row, name = s->columns >= 76 ? 26 : s->columns * 2 / 5, limits = t->now.limit_count;
	cairn_screen_text(s, a->first, 2, limits ? name : 0, CAIRN_INK_DIM, limits ? "limit" : "no limit; beside RSS:");
	views_heading(t, s, a->first, name + 8, limits ? "used" : "", -1);
	views_heading(t, s, a->first, name + 21, limits ? "full in" : "", 1);
	views_heading(t, s, a->first, name + 35, limits ? "growth" : "", -1);
	views_heading(t, s, a->first, name + 46, limits ? "limit" : "", -1);
	a->first++;
	a->rows--;
	views_scroll(t, a);
	views_why(t, s, a);
	for (unsigned i = 0; views_row(t, s, a, i, &at, &row); i++) {
		if (row < limits) {
			views_limit_row(t, s, at, row);
			continue;
		}
		const cairn_snapshot_line *l = &t->account.below[row - limits];
		unsigned end = s->columns >= 76 ? 60 : name + 8;
		cairn_screen_text(s, at, 2, end - 10, 0, l->name);
		cairn_screen_right(s, at, end, 10, 0, cairn_figure_bytes((double)l->bytes).text);
	}
}

static void views_show_help(cairn_screen *s, const views_area *a)
{
	for (unsigned i = 0; i < sizeof views_help / sizeof *views_help && i < a->rows; i++) {
		cairn_screen_text(s, a->first + i, 2, 0, CAIRN_INK_BOLD, views_help[i][0]);
		cairn_screen_text(s, a->first + i, s->columns >= 60 ? 22 : 14, s->columns - 1, 0, views_help[i][1]);
	}
}

static void views_last_line(const cairn_top_state *t, cairn_screen *s, unsigned hidden, uint64_t now_ns)
{
	unsigned row = s->rows - 1, column = 1, end = hidden ? s->columns - 10 : s->columns;
	static const char *const keys[][2] = {
		{ "q", "quit" }, { "tab", "view" }, { "s", "sort" }, { "r", "reverse" },
		{ "p", "pause" }, { "P", "purge" }, { "+ -", "interval" }, { "h", "help" },
	};
	if (hidden)
		cairn_screen_textf(s, row, end, 0, CAIRN_INK_BOLD, "↓ %u more", hidden);
	if (t->asks_purge) {
		cairn_screen_textf(s, row, 1, 0, CAIRN_INK_BOLD | CAIRN_INK_YELLOW,
				   "ask %u to give its free memory back?  y n", t->now.pid);
		return;
	}
	if (t->message[0] && now_ns < t->message_until_ns) {
		cairn_screen_text(s, row, 1, 0, CAIRN_INK_BOLD, t->message);
		return;
	}
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (column + strlen(keys[i][0]) + strlen(keys[i][1]) + 2 > end)
			break;
		column = cairn_screen_text(s, row, column, 0, CAIRN_INK_BOLD, keys[i][0]) + 1;
		column = cairn_screen_text(s, row, column, 0, CAIRN_INK_DIM, keys[i][1]) + 2;
	}
}

/* How many rows of the view did not fit, below those that did. */
static unsigned views_one(const cairn_top_state *t, cairn_screen *s)
{
	static views_area a; /* static: it is large */
	a = (views_area){ .first = VIEWS_FIRST, .rows = s->rows - VIEWS_FIRST - !t->is_plain };
	if (t->shows_help)
		views_show_help(s, &a);
	else if (t->view == CAIRN_TOP_ACCOUNT)
		views_account(t, s, &a);
	else if (t->view == CAIRN_TOP_CLASSES)
		views_classes(t, s, &a);
	else if (t->view == CAIRN_TOP_THREADS)
		views_threads(t, s, &a);
	else
		views_limits(t, s, &a);
	return a.count > a.from + a.rows ? a.count - a.from - a.rows : 0;
}

void cairn_top_draw(const cairn_top_state *t, cairn_screen *s, uint64_t now_ns)
{
	cairn_screen_clear(s);
	if (s->columns < VIEWS_COLUMNS || s->rows < VIEWS_ROWS) {
		cairn_screen_textf(s, 0, 0, 0, 0, "%ux%u: too small", s->columns, s->rows);
		cairn_screen_textf(s, 1, 0, 0, 0, "%ux%u is needed", VIEWS_COLUMNS, VIEWS_ROWS);
		return;
	}
	views_title(t, s, now_ns);
	views_figures(t, s);
	views_sentence(t, s);
	views_tabs(t, s, now_ns);
	unsigned hidden = views_one(t, s);
	if (!t->is_plain)
		views_last_line(t, s, hidden, now_ns);
}
