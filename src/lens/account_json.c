/* lens/account_json.c - an account as one JSON object on one line.
 *
 * Bytes are bytes, times are seconds, a figure nobody could take is null. Keys are only ever added. A child has the
 * same shape as its parent, but no children of its own: the list is flat, parent_pid tells the tree.
 *
 * Not here: the words for people (account_text.c). */
#include <cairn/stats.h>

#include "lens/print.h"
#include "lens/writer.h"

static void json_key(cairn_writer *w, const char *key, bool is_first)
{
	if (!is_first)
		cairn_writer_text(w, ", ");
	cairn_writer_json_text(w, key);
	cairn_writer_text(w, ": ");
}

static void json_number(cairn_writer *w, const char *key, uint64_t n)
{
	json_key(w, key, false);
	cairn_writer_json_number(w, n);
}

static void json_seconds(cairn_writer *w, const char *key, uint64_t ns)
{
	json_key(w, key, false);
	cairn_writer_json_seconds(w, ns);
}

static void json_flag(cairn_writer *w, const char *key, bool is_set)
{
	json_key(w, key, false);
	cairn_writer_text(w, is_set ? "true" : "false");
}

static void json_text(cairn_writer *w, const char *key, const char *s)
{
	json_key(w, key, false);
	if (s && *s)
		cairn_writer_json_text(w, s);
	else
		cairn_writer_text(w, "null");
}

static void json_who(cairn_writer *w, const cairn_account *a)
{
	json_key(w, "program", true);
	cairn_writer_json_text(w, a->program);
	json_text(w, "executable", a->executable);
	json_number(w, "pid", a->pid);
	json_number(w, "parent_pid", a->parent_pid);
	json_number(w, "status", a->status < 0 ? CAIRN_UNKNOWN : (uint64_t)a->status);
	json_number(w, "signal", a->signal > 0 ? (uint64_t)a->signal : CAIRN_UNKNOWN);
	json_flag(w, "core_dumped", a->is_core_dumped);
	json_flag(w, "served", a->is_served);
	json_text(w, "why_not", a->why_not);
	json_text(w, "note", a->note);
	json_flag(w, "exact", a->is_exact && !a->uncounted_processes);
	json_flag(w, "forked", a->is_forked);
	json_flag(w, "replaced", a->is_replaced);
	json_flag(w, "running", a->is_running);
}

/* Without cairn's malloc there are no figures of it; 0 would be a lie. */
static void json_figures(cairn_writer *w, const cairn_account *a)
{
	uint64_t hide = a->is_served ? 0 : CAIRN_UNKNOWN;
	json_seconds(w, "seconds", a->duration_ns);
	json_number(w, "peak_rss_bytes", a->peak_rss_bytes);
	json_seconds(w, "peak_rss_seconds", a->peak_rss_ns);
	json_number(w, "exit_rss_bytes", a->exit_rss_bytes);
	json_number(w, "minor_faults", a->minor_faults);
	json_number(w, "major_faults", a->major_faults);
	json_number(w, "allocations", a->allocations | hide);
	json_number(w, "frees", a->frees | hide);
	json_number(w, "allocated_bytes", a->has_requested ? a->allocated_bytes | hide : CAIRN_UNKNOWN);
	json_number(w, "live_peak_bytes", a->live_peak_bytes | hide);
	json_seconds(w, "live_peak_seconds", a->live_peak_ns);
	json_number(w, "cached_max_bytes", a->cached_max_bytes | hide);
	json_number(w, "never_freed_blocks", a->never_freed_blocks | hide);
	json_number(w, "never_freed_bytes", a->never_freed_bytes | hide);
	json_number(w, "inherited_bytes", a->inherited_bytes | hide);
	json_number(w, "foreign_frees", a->foreign_frees | hide);
	json_number(w, "threads", a->threads | hide);
	json_number(w, "uncounted_processes", a->uncounted_processes);
}

/* The large blocks, of any size over the largest class, come first, with size 0. */
static void json_class(cairn_writer *w, const cairn_account *a, uint32_t i, bool is_first)
{
	const cairn_account_class *k = &a->classes[i];
	cairn_writer_text(w, is_first ? "{" : ", {");
	json_key(w, "size", true);
	cairn_writer_json_number(w, k->size_bytes);
	json_number(w, "allocations", k->allocations);
	json_number(w, "requested_bytes", a->has_requested ? k->requested_bytes : CAIRN_UNKNOWN);
	json_number(w, "live_blocks", k->live_blocks);
	json_number(w, "peak_blocks", k->peak_blocks);
	if (k->inherited_blocks)
		json_number(w, "inherited_blocks", k->inherited_blocks);
	cairn_writer_text(w, "}");
}

/* Classes that were never used are left out. */
static void json_classes(cairn_writer *w, const cairn_account *a)
{
	bool is_first = true;
	json_key(w, "classes", false);
	cairn_writer_text(w, "[");
	for (uint32_t i = 0; i < a->class_count; i++) {
		const cairn_account_class *k = &a->classes[i];
		if (!(k->allocations | k->live_blocks | k->peak_blocks | k->inherited_blocks))
			continue;
		json_class(w, a, i, is_first);
		is_first = false;
	}
	cairn_writer_text(w, "]");
}

static void json_numbers(cairn_writer *w, const char *key, const uint64_t *numbers, size_t count)
{
	json_key(w, key, false);
	cairn_writer_text(w, "[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			cairn_writer_text(w, ", ");
		cairn_writer_json_number(w, numbers[i]);
	}
	cairn_writer_text(w, "]");
}

static void json_timeline(cairn_writer *w, const cairn_account_timeline *t)
{
	json_key(w, "timeline", false);
	cairn_writer_text(w, "{");
	json_key(w, "step_seconds", true);
	cairn_writer_json_seconds(w, t->step_ns);
	json_numbers(w, "rss_bytes", t->rss_bytes, t->count);
	json_numbers(w, "allocations", t->allocations, t->count);
	json_numbers(w, "live_bytes", t->live_bytes, t->count);
	cairn_writer_text(w, "}");
}

/* Of the process that had most: when it had most, and what was left at the last look. */
static void json_snapshot(cairn_writer *w, const cairn_account *a, const char *key, const cairn_snapshot *s)
{
	if (!s)
		return;
	json_key(w, key, false);
	cairn_writer_text(w, "{");
	cairn_snapshot_write_lines(w, s);
	json_seconds(w, "seconds", s->taken_ns > a->start_ns ? s->taken_ns - a->start_ns : CAIRN_UNKNOWN);
	cairn_writer_text(w, "}");
}

static void json_total(cairn_writer *w, const cairn_account *t)
{
	json_key(w, "total", false);
	cairn_writer_text(w, "{");
	json_key(w, "processes", true);
	cairn_writer_json_number(w, t->processes);
	json_figures(w, t);
	json_classes(w, t);
	cairn_writer_text(w, "}");
}

static void json_account(cairn_writer *w, const cairn_account *a)
{
	cairn_writer_text(w, "{");
	json_who(w, a);
	json_figures(w, a);
	json_classes(w, a);
	json_key(w, "children", false);
	cairn_writer_text(w, "[");
}

int cairn_account_print_json_by(const cairn_account *a, int fd, char *buffer, size_t bytes)
{
	cairn_writer w;
	cairn_writer_open(&w, fd, buffer, bytes);
	json_account(&w, a);
	for (size_t i = 0; i < a->child_count; i++) {
		cairn_writer_text(&w, i ? ", " : "");
		json_account(&w, &a->children[i]);
		cairn_writer_text(&w, "]}");
	}
	cairn_writer_text(&w, "]");
	json_number(&w, "children_left_out", a->children_left_out);
	if (a->total)
		json_total(&w, a->total);
	if (a->timeline)
		json_timeline(&w, a->timeline);
	json_snapshot(&w, a, "peak", a->peak);
	json_snapshot(&w, a, "last", a->last);
	cairn_writer_text(&w, "}\n");
	return cairn_writer_close(&w);
}

int cairn_account_print_json(const cairn_account *a, int fd)
{
	char buffer[CAIRN_WRITER_BYTES];
	return cairn_account_print_json_by(a, fd, buffer, sizeof buffer);
}
