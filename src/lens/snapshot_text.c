/* lens/snapshot_text.c - a snapshot for people: at most 80 columns.
 *
 *   title      program, pid, how long it has run, threads
 *   account    a row a line, with a bar and its share; why, for what is a fiftieth and more
 *   below      what is not in the resident set
 *   classes    the size classes that hold most
 *   remarks    what cannot be known
 *
 * Invariant: (X1) no line passes 80 columns, whatever the names and figures.
 * Not here: JSON (snapshot_json.c). */
#include <cairn/stats.h>

#include <string.h>

#include "lens/print.h"
#include "lens/writer.h"

enum {
	SNAP_WIDTH = 80,
	SNAP_BAR_AT = 34,
	SNAP_BAR_END = 58,
	SNAP_BYTES_END = 70,
	SNAP_SHARE_END = 79,
	SNAP_ROW_BAR_END = 50, /* a row a kind, with a column for what was left at last */
	SNAP_ROW_BYTES_END = 60,
	SNAP_ROW_SHARE_END = 68,
	SNAP_ROW_LAST_END = 79,
	SNAP_WHY_SHARE = 50, /* a line with less than a fiftieth goes without why */
	SNAP_CLASSES = 8,
};

static void snap_words(cairn_writer *w, const char *s, unsigned indent)
{
	cairn_writer_words(w, s, indent, SNAP_WIDTH);
	cairn_writer_text(w, "\n");
}

static void snap_title(cairn_writer *w, const cairn_snapshot *s)
{
	cairn_field name = { .used = 0 }, end = { .used = 0 };
	uint32_t threads = s->thread_count + s->threads_left_out;
	cairn_field_text(&end, "pid ");
	cairn_field_dec(&end, s->pid);
	cairn_field_text(&end, " · ");
	if (s->taken_ns > s->started_ns) {
		cairn_field_text(&end, s->state == 'T' ? "stopped, up " : "up ");
		cairn_field_duration(&end, s->taken_ns - s->started_ns);
		cairn_field_text(&end, " · ");
	}
	cairn_field_count(&end, threads);
	cairn_field_text(&end, threads == 1 ? " thread" : " threads");
	cairn_field_name(&name, s->command[0] ? s->command : s->name, SNAP_WIDTH - 16 - end.columns);
	cairn_writer_title(w, &name, &end, SNAP_WIDTH);
}

static void snap_bytes(cairn_writer *w, uint64_t bytes, uint64_t of)
{
	cairn_field f = { .used = 0 }, share = { .used = 0 };
	cairn_field_bytes(&f, bytes);
	cairn_writer_field_right(w, &f, SNAP_BYTES_END);
	if (of) {
		cairn_field_tenths(&share, cairn_ratio(bytes, 1000, of));
		cairn_field_text(&share, " %");
		cairn_writer_field_right(w, &share, SNAP_SHARE_END);
	}
	cairn_writer_text(w, "\n");
}

/* Eighths of a column. */
static void snap_bar(cairn_writer *w, uint64_t bytes, uint64_t of, unsigned end)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	uint64_t eighths = of ? cairn_ratio(bytes, (end - SNAP_BAR_AT) * 8, of) : 0;
	cairn_writer_pad(w, SNAP_BAR_AT);
	cairn_writer_fill(w, "█", SNAP_BAR_AT + (unsigned)(eighths / 8));
	cairn_writer_text(w, parts[eighths % 8]);
}

static void snap_line(cairn_writer *w, const cairn_snapshot_line *l, uint64_t of)
{
	cairn_field name = { .used = 0 };
	cairn_field_name(&name, l->name, SNAP_BAR_AT - 5);
	cairn_writer_pad(w, 3);
	cairn_writer_field(w, &name);
	snap_bar(w, l->bytes, of, SNAP_BAR_END);
	snap_bytes(w, l->bytes, of);
}

static void snap_why(cairn_writer *w, const cairn_snapshot_line *l)
{
	cairn_field f = { .used = 0 };
	if (l->error_bytes) {
		cairn_field_text(&f, "± ");
		cairn_field_bytes(&f, l->error_bytes);
		cairn_field_text(&f, "; ");
	}
	cairn_field_text(&f, l->why);
	snap_words(w, f.text, 6);
}

static void snap_account(cairn_writer *w, const cairn_snapshot *s)
{
	cairn_writer_text(w, "   Where the resident bytes are");
	cairn_writer_pad(w, SNAP_BYTES_END - 8);
	cairn_writer_text(w, "resident    share\n");
	for (uint32_t i = 0; i < s->line_count; i++) {
		const cairn_snapshot_line *l = &s->lines[i];
		bool is_last = l->kind == CAIRN_SNAPSHOT_UNEXPLAINED;
		if (!l->bytes && !is_last)
			continue;
		snap_line(w, l, s->rss_bytes);
		if (l->bytes > s->rss_bytes / SNAP_WHY_SHARE)
			snap_why(w, l);
	}
	cairn_writer_strong(w, true);
	cairn_writer_pad(w, 3);
	cairn_writer_text(w, "resident set");
	snap_bytes(w, s->rss_bytes, s->rss_bytes);
	cairn_writer_strong(w, false);
}

static void snap_below(cairn_writer *w, const cairn_snapshot *s)
{
	bool is_first = true;
	for (uint32_t i = 0; i < s->below_count; i++) {
		cairn_field name = { .used = 0 };
		if (!s->below[i].bytes)
			continue;
		cairn_writer_text(w, is_first ? "\n   Below the line\n" : "");
		is_first = false;
		cairn_field_name(&name, s->below[i].name, SNAP_BAR_END - 5);
		cairn_writer_pad(w, 3);
		cairn_writer_field(w, &name);
		snap_bytes(w, s->below[i].bytes, 0);
		if (s->below[i].bytes > s->rss_bytes / SNAP_WHY_SHARE)
			snap_words(w, s->below[i].why, 6);
	}
}

static uint64_t snap_class_bytes(const cairn_snapshot_class *c)
{
	return c->live_bytes + c->hole_bytes + c->cached_bytes;
}

/* The class with the most resident bytes less than `under`, ties by number; or NULL. */
static const cairn_snapshot_class *snap_next_class(const cairn_snapshot *s, const cairn_snapshot_class *last)
{
	const cairn_snapshot_class *best = NULL;
	for (uint32_t i = 0; i < s->class_count; i++) {
		const cairn_snapshot_class *c = &s->classes[i];
		uint64_t bytes = snap_class_bytes(c);
		bool is_behind =
			!last || bytes < snap_class_bytes(last) || (bytes == snap_class_bytes(last) && c > last);
		if (bytes && is_behind && (!best || bytes > snap_class_bytes(best)))
			best = c;
	}
	return best;
}

static void snap_class(cairn_writer *w, const cairn_snapshot_class *c)
{
	cairn_field f = { .used = 0 };
	if (c->size_bytes)
		cairn_field_size(&f, c->size_bytes);
	else
		cairn_field_text(&f, "large");
	cairn_writer_field_right(w, &f, 13);
	const uint64_t figures[] = { c->live_blocks, c->live_bytes, c->hole_bytes, c->cached_bytes,
		c->untouched_bytes };
	for (unsigned i = 0; i < 5; i++) {
		f = (cairn_field){ .used = 0 };
		if (i)
			cairn_field_bytes(&f, figures[i]);
		else
			cairn_field_count(&f, figures[i]);
		cairn_writer_field_right(w, &f, 26 + i * 13);
	}
	cairn_writer_text(w, "\n");
}

static void snap_classes(cairn_writer *w, const cairn_snapshot *s)
{
	const cairn_snapshot_class *c = snap_next_class(s, NULL);
	if (!s->is_served || !c)
		return;
	cairn_writer_text(w, "\n   Size class  live blocks    live bytes        holes       cached    untouched\n");
	for (unsigned i = 0; c && i < SNAP_CLASSES; i++, c = snap_next_class(s, c))
		snap_class(w, c);
}

/* ---- managed heaps ---- */

static void snap_heap(cairn_writer *w, const cairn_snapshot_heap *h)
{
	cairn_field f = { .used = 0 };
	cairn_writer_pad(w, 3);
	cairn_field_name(&f, h->name, 13);
	cairn_writer_field(w, &f);
	cairn_writer_pad(w, 17);
	f = (cairn_field){ .used = 0 };
	cairn_field_name(&f, h->collector, 12);
	cairn_writer_field(w, &f);
	const uint64_t bytes[] = { h->held_bytes, h->live_bytes, h->limit_bytes, h->max_bytes };
	for (unsigned i = 0; i < 4; i++) {
		f = (cairn_field){ .used = 0 };
		cairn_field_bytes(&f, bytes[i]);
		cairn_writer_field_right(w, &f, 38 + i * 9);
	}
	cairn_field count = { .used = 0 };
	cairn_field_count(&count, h->collections);
	cairn_writer_field_right(w, &count, 71);
	f = (cairn_field){ .used = 0 };
	if (h->last_pause_ns)
		cairn_field_duration(&f, h->last_pause_ns);
	cairn_writer_field_right(w, &f, SNAP_SHARE_END);
	cairn_writer_text(w, "\n");
}

static void snap_heaps(cairn_writer *w, const cairn_snapshot *s)
{
	if (!s->heap_count)
		return;
	cairn_writer_text(w, "\n   Managed heap  collector        held     live  next at      max  runs   pause\n");
	for (uint32_t i = 0; i < s->heap_count; i++)
		snap_heap(w, &s->heaps[i]);
	if (s->heaps_left_out) {
		cairn_field f = { .used = 0 };
		cairn_field_text(&f, "and ");
		cairn_field_count(&f, s->heaps_left_out);
		cairn_field_text(&f, " more, which hold less");
		snap_words(w, f.text, 3);
	}
}

/* ---- huge pages, growth and limits ---- */

static void snap_huge(cairn_writer *w, const cairn_snapshot *s)
{
	cairn_field f = { .used = 0 };
	if (!s->huge_bytes)
		return;
	cairn_field_text(&f, "Huge pages hold ");
	cairn_field_bytes(&f, s->huge_bytes);
	cairn_field_text(&f, ", ");
	cairn_field_tenths(&f, cairn_ratio(s->huge_bytes, 1000, s->heap_bytes));
	cairn_field_text(&f, " % of the heap (");
	cairn_field_bytes(&f, s->heap_bytes);
	cairn_field_text(&f, ").");
	cairn_writer_text(w, "\n");
	snap_words(w, f.text, 3);
}

static void snap_rate(cairn_field *f, int64_t bytes)
{
	cairn_field_text(f, bytes < 0 ? "−" : "+");
	cairn_field_bytes(f, bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes);
	cairn_field_text(f, "/s");
}

static void snap_growth(cairn_writer *w, const cairn_snapshot *s)
{
	cairn_field f = { .used = 0 };
	if (!s->has_growth)
		return;
	if (!s->growth_bytes) {
		cairn_field_text(&f, "The resident set does not grow.");
	} else {
		cairn_field_text(&f, "The resident set: ");
		snap_rate(&f, s->growth_bytes);
		cairn_field_text(&f, ", seen over ");
		cairn_field_duration(&f, s->grown_over_ns);
	}
	if (s->growth_bytes && s->has_growing_class) {
		cairn_field_text(&f, "; most in ");
		if (s->growing_class_bytes) {
			cairn_field_text(&f, "blocks of ");
			cairn_field_size(&f, s->growing_class_bytes);
		} else {
			cairn_field_text(&f, "large blocks");
		}
		cairn_field_text(&f, ": ");
		snap_rate(&f, s->class_growth_bytes);
	}
	cairn_writer_text(w, "\n");
	snap_words(w, f.text, 3);
}

static void snap_limit(cairn_writer *w, const cairn_snapshot_limit *l)
{
	cairn_field f = { .used = 0 };
	cairn_writer_pad(w, 3);
	cairn_field_name(&f, l->name, SNAP_BAR_AT - 5);
	cairn_writer_field(w, &f);
	f = (cairn_field){ .used = 0 };
	cairn_field_bytes(&f, l->used_bytes);
	cairn_field_text(&f, " of ");
	cairn_field_bytes(&f, l->limit_bytes);
	cairn_field_text(&f, ", ");
	cairn_field_tenths(&f, cairn_ratio(l->used_bytes, 1000, l->limit_bytes));
	cairn_field_text(&f, " %");
	if (l->left_ns != CAIRN_UNKNOWN) {
		cairn_field_text(&f, ", full in ≈ ");
		cairn_field_duration(&f, l->left_ns);
	}
	cairn_writer_pad(w, SNAP_BAR_AT);
	cairn_writer_field(w, &f);
	cairn_writer_text(w, "\n");
}

static void snap_limits(cairn_writer *w, const cairn_snapshot *s)
{
	if (s->limit_count)
		cairn_writer_text(w, "\n   Limits, the tightest first\n");
	for (uint32_t i = 0; i < s->limit_count; i++)
		snap_limit(w, &s->limits[i]);
}

/* ---- within the account of a run: a row a kind ---- */

static const char *const snap_kinds[] = {
	"live objects",
	"rounding to size class",
	"holes in used slabs",
	"free, kept for reuse",
	"cairn's metadata",
	"stacks",
	"program and libraries",
	"file mappings",
	"shared memory",
	"other mappings",
	"unexplained",
};

static uint64_t snap_kind_bytes(const cairn_snapshot *s, unsigned kind)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->line_count; i++)
		sum += s->lines[i].kind == kind ? s->lines[i].bytes : 0;
	return sum;
}

/* The row of a sum where the name is "". */
static void snap_row(cairn_writer *w, const char *name, uint64_t bytes, uint64_t of, const uint64_t *last)
{
	cairn_field f = { .used = 0 };
	cairn_writer_pad(w, 3);
	cairn_writer_text(w, name);
	if (*name)
		snap_bar(w, bytes, of, SNAP_ROW_BAR_END);
	cairn_field_bytes(&f, bytes);
	cairn_writer_field_right(w, &f, SNAP_ROW_BYTES_END);
	f = (cairn_field){ .used = 0 };
	cairn_field_tenths(&f, cairn_ratio(bytes, 1000, of));
	cairn_field_text(&f, " %");
	cairn_writer_field_right(w, &f, SNAP_ROW_SHARE_END);
	f = (cairn_field){ .used = 0 };
	if (last) {
		cairn_field_bytes(&f, *last);
		cairn_writer_field_right(w, &f, SNAP_ROW_LAST_END);
	}
	cairn_writer_text(w, "\n");
}

void cairn_snapshot_write_kinds(cairn_writer *w, const cairn_snapshot *s, const cairn_snapshot *last)
{
	for (unsigned kind = 0; kind <= CAIRN_SNAPSHOT_UNEXPLAINED; kind++) {
		uint64_t bytes = snap_kind_bytes(s, kind), later = last ? snap_kind_bytes(last, kind) : 0;
		if (bytes || later || kind == CAIRN_SNAPSHOT_UNEXPLAINED)
			snap_row(w, snap_kinds[kind], bytes, s->rss_bytes, last ? &later : NULL);
	}
	snap_row(w, "", s->rss_bytes, s->rss_bytes, last ? &last->rss_bytes : NULL);
}

int cairn_snapshot_print(const cairn_snapshot *s, int fd, bool with_colour)
{
	char buffer[CAIRN_WRITER_BYTES];
	cairn_writer w;
	cairn_writer_open(&w, fd, buffer, sizeof buffer);
	w.has_colour = with_colour;
	w.limit = SNAP_WIDTH;
	snap_title(&w, s);
	snap_account(&w, s);
	snap_below(&w, s);
	snap_huge(&w, s);
	snap_growth(&w, s);
	snap_limits(&w, s);
	snap_classes(&w, s);
	snap_heaps(&w, s);
	if (s->unknown[0]) {
		cairn_writer_text(&w, "\n");
		snap_words(&w, s->unknown, 3);
	}
	cairn_writer_text(&w, "\n");
	return cairn_writer_close(&w);
}
