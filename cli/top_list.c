/* cli/top_list.c - the list of processes that `cairn top` can watch. See top_list.h.
 *
 * The choice is a process and not a row, so it stays while the list moves under it. */
#include "top_list.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "figure.h"
#include "terminal.h"

static bool list_is_in(const cairn_top_list *l, size_t i)
{
	const cairn_process *p = &l->processes.list[i];
	return !l->name || !strncmp(p->name, l->name, sizeof p->name - 1);
}

/* The place of the chosen one; of the first, where it is gone; the count, where there is none. */
static size_t list_place(const cairn_top_list *l)
{
	size_t first = l->processes.count;
	for (size_t i = l->processes.count; i-- > 0;) {
		if (!list_is_in(l, i))
			continue;
		first = i;
		if (l->processes.list[i].pid == l->selected)
			break;
	}
	return first;
}

static void list_move(cairn_top_list *l, int by)
{
	size_t at = list_place(l), last = at;
	while (by && at < l->processes.count) {
		at += by > 0 ? 1 : (size_t)-1; /* from 0 to the largest: behind the end */
		if (at >= l->processes.count)
			break;
		if (!list_is_in(l, at))
			continue;
		last = at;
		by += by > 0 ? -1 : 1;
	}
	if (last < l->processes.count)
		l->selected = l->processes.list[last].pid;
}

static void list_choose(cairn_top_list *l)
{
	size_t at = list_place(l);
	if (at >= l->processes.count)
		return;
	l->selected = l->processes.list[at].pid;
	l->is_chosen = true;
}

cairn_top_wish cairn_top_list_key(cairn_top_list *l, unsigned key)
{
	switch (key) {
	case 'q': case 'Q': return CAIRN_TOP_QUIT;
	case CAIRN_KEY_UP: case 'k': list_move(l, -1); break;
	case CAIRN_KEY_DOWN: case 'j': list_move(l, 1); break;
	case CAIRN_KEY_PAGE_UP: list_move(l, -10); break;
	case CAIRN_KEY_PAGE_DOWN: list_move(l, 10); break;
	case CAIRN_KEY_HOME: l->selected = 0; break;
	case CAIRN_KEY_END: list_move(l, CAIRN_PROCESSES_MOST); break;
	case '\r': case '\n': case CAIRN_KEY_RIGHT: list_choose(l); break;
	default: return CAIRN_TOP_NOTHING;
	}
	return CAIRN_TOP_REDRAW;
}

static void list_row(cairn_screen *s, unsigned row, const cairn_process *p, bool is_selected, uint64_t now_ns)
{
	char text[48];
	unsigned ink = is_selected ? CAIRN_INK_BOLD : 0;
	if (is_selected)
		cairn_screen_text(s, row, 0, 0, CAIRN_INK_BOLD | CAIRN_INK_CYAN, "▸");
	snprintf(text, sizeof text, "%u", p->pid);
	cairn_screen_right(s, row, 9, 8, ink, text);
	cairn_screen_text(s, row, 11, 27, CAIRN_INK_BOLD, p->name);
	cairn_screen_right(s, row, 38, 10, ink, cairn_figure_bytes((double)p->rss_bytes).text);
	cairn_screen_right(s, row, 50, 10, ink, cairn_figure_bytes((double)p->live_bytes).text);
	snprintf(text, sizeof text, "%s/s", cairn_figure_count(p->allocations_per_s).text);
	cairn_screen_right(s, row, 62, 11, ink, p->allocations_per_s < 0 ? "–" : text);
	if (p->state == 'T' || p->state == 't')
		cairn_screen_right(s, row, 77, 13, CAIRN_INK_YELLOW, "stopped");
	else if (now_ns > p->started_ns && p->started_ns)
		cairn_screen_right(s, row, 77, 13, ink, cairn_figure_time(now_ns - p->started_ns).text);
}

static void list_head(const cairn_top_list *l, cairn_screen *s, size_t count)
{
	static const struct {
		unsigned end;
		const char *name;
	} columns[] = { { 9, "pid" }, { 15, "name" }, { 38, "RSS" }, { 50, "live" }, { 62, "allocs" }, { 77, "up" } };
	unsigned column;
	cairn_screen_text(s, 0, 1, 0, CAIRN_INK_BOLD | CAIRN_INK_CYAN, "cairn top");
	cairn_screen_text(s, 0, 10, 0, CAIRN_INK_DIM, " ─ ");
	column = cairn_screen_textf(s, 0, 13, 0, 0, "%zu process%s on cairn%s%.40s ", count, count == 1 ? "" : "es",
				    l->name ? ", called " : "", l->name ? l->name : "");
	cairn_screen_fill(s, 0, column, 0, CAIRN_INK_DIM, "─");
	for (size_t i = 0; count && i < sizeof columns / sizeof *columns; i++)
		cairn_screen_right(s, 2, columns[i].end, 12, CAIRN_INK_DIM, columns[i].name);
}

static void list_rows(const cairn_top_list *l, cairn_screen *s, unsigned rows)
{
	struct timespec now;
	size_t chosen = list_place(l), before = 0;
	unsigned row = 3;
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	for (size_t i = 0; i < chosen && i < l->processes.count; i++)
		before += list_is_in(l, i);
	size_t skip = before >= rows ? before - rows + 1 : 0;
	for (size_t i = 0; i < l->processes.count && row < 3 + rows; i++) {
		if (!list_is_in(l, i) || (skip && skip--))
			continue;
		list_row(s, row++, &l->processes.list[i], i == chosen && !l->is_plain, now_ns);
	}
}

void cairn_top_list_draw(const cairn_top_list *l, cairn_screen *s)
{
	size_t count = 0;
	cairn_screen_clear(s);
	for (size_t i = 0; i < l->processes.count; i++)
		count += list_is_in(l, i);
	list_head(l, s, count);
	if (!count) {
		cairn_screen_text(s, 2, 1, 0, 0, "none that this user may read");
		cairn_screen_text(s, 3, 1, 0, 0, "start something: cairn run -- PROGRAM");
	}
	if (s->rows > 5)
		list_rows(l, s, s->rows - 5);
	if (!l->is_plain)
		cairn_screen_text(s, s->rows - 1, 1, 0, CAIRN_INK_DIM, "↑ ↓ choose  enter watch  q quit");
}
