/* lens/snapshot_json.c - a snapshot as one JSON object on one line.
 *
 * The bytes of `lines` add up to rss_bytes, and the last of them is `unexplained`; `below_the_line` has the same shape.
 * Keys are only ever added. Not here: the text for people (snapshot_text.c). */
#include <cairn/stats.h>

#include "lens/print.h"
#include "lens/writer.h"

static const char *const snapshot_kinds[] = { "live", "rounding", "holes", "kept", "metadata", "stacks", "program",
	"files", "shared", "other", "unexplained", "outside" };

static void snapshot_key(cairn_writer *w, const char *key, bool is_first)
{
	cairn_writer_text(w, is_first ? "" : ", ");
	cairn_writer_json_text(w, key);
	cairn_writer_text(w, ": ");
}

static void snapshot_number(cairn_writer *w, const char *key, uint64_t n)
{
	snapshot_key(w, key, false);
	cairn_writer_json_number(w, n);
}

static void snapshot_string(cairn_writer *w, const char *key, const char *s, bool is_first)
{
	snapshot_key(w, key, is_first);
	cairn_writer_json_text(w, s);
}

static void snapshot_flag(cairn_writer *w, const char *key, bool is_set)
{
	snapshot_key(w, key, false);
	cairn_writer_text(w, is_set ? "true" : "false");
}

static void snapshot_lines(cairn_writer *w, const char *key, const cairn_snapshot_line *lines, uint32_t count)
{
	snapshot_key(w, key, false);
	for (uint32_t i = 0; i < count; i++) {
		cairn_writer_text(w, i ? ", {" : "[{");
		snapshot_string(w, "name", lines[i].name, true);
		snapshot_string(w, "kind", snapshot_kinds[lines[i].kind], false);
		snapshot_number(w, "bytes", lines[i].bytes);
		snapshot_number(w, "error_bytes", lines[i].error_bytes);
		snapshot_string(w, "why", lines[i].why, false);
		cairn_writer_text(w, "}");
	}
	cairn_writer_text(w, count ? "]" : "[]");
}

static void snapshot_class(cairn_writer *w, const cairn_snapshot_class *c, bool is_first)
{
	cairn_writer_text(w, is_first ? "{" : ", {");
	snapshot_key(w, "size_bytes", true);
	cairn_writer_json_number(w, c->size_bytes);
	snapshot_number(w, "slabs", c->slabs);
	snapshot_number(w, "live_blocks", c->live_blocks);
	snapshot_number(w, "live_bytes", c->live_bytes);
	snapshot_number(w, "untouched_bytes", c->untouched_bytes);
	snapshot_number(w, "rounding_bytes", c->rounding_bytes);
	snapshot_number(w, "hole_bytes", c->hole_bytes);
	snapshot_number(w, "cached_bytes", c->cached_bytes);
	snapshot_number(w, "sparse_slabs", c->sparse_slabs);
	snapshot_number(w, "sparse_bytes", c->sparse_bytes);
	snapshot_number(w, "allocations", c->allocations);
	cairn_writer_text(w, "}");
}

static void snapshot_classes(cairn_writer *w, const cairn_snapshot *s)
{
	bool is_first = true;
	snapshot_key(w, "classes", false);
	cairn_writer_text(w, "[");
	for (uint32_t i = 0; i < s->class_count; i++)
		if (s->classes[i].slabs || s->classes[i].allocations) {
			snapshot_class(w, &s->classes[i], is_first);
			is_first = false;
		}
	cairn_writer_text(w, "]");
}

static void snapshot_threads(cairn_writer *w, const cairn_snapshot *s)
{
	snapshot_key(w, "threads", false);
	for (uint32_t i = 0; i < s->thread_count; i++) {
		const cairn_snapshot_thread *t = &s->threads[i];
		char state[2] = { t->state ? t->state : '?', 0 };
		cairn_writer_text(w, i ? ", {" : "[{");
		snapshot_string(w, "name", t->name, true);
		snapshot_string(w, "state", state, false);
		snapshot_number(w, "id", t->id);
		snapshot_number(w, "stack_bytes", t->stack_bytes);
		snapshot_number(w, "cached_bytes", t->cached_bytes);
		snapshot_number(w, "allocations", t->allocations);
		cairn_writer_text(w, "}");
	}
	cairn_writer_text(w, s->thread_count ? "]" : "[]");
}

static void snapshot_heaps(cairn_writer *w, const cairn_snapshot *s)
{
	snapshot_key(w, "managed_heaps", false);
	for (uint32_t i = 0; i < s->heap_count; i++) {
		const cairn_snapshot_heap *h = &s->heaps[i];
		cairn_writer_text(w, i ? ", {" : "[{");
		snapshot_string(w, "name", h->name, true);
		snapshot_string(w, "collector", h->collector, false);
		snapshot_number(w, "held_bytes", h->held_bytes);
		snapshot_number(w, "live_bytes", h->live_bytes);
		snapshot_number(w, "live_objects", h->live_objects);
		snapshot_number(w, "limit_bytes", h->limit_bytes);
		snapshot_number(w, "max_bytes", h->max_bytes);
		snapshot_number(w, "external_bytes", h->external_bytes);
		snapshot_number(w, "record_bytes", h->record_bytes);
		snapshot_number(w, "resident_bytes", h->resident_bytes);
		snapshot_number(w, "collections", h->collections);
		snapshot_number(w, "young_collections", h->young_collections);
		snapshot_number(w, "young_made_bytes", h->made_bytes);
		snapshot_number(w, "young_lived_bytes", h->lived_bytes);
		snapshot_number(w, "young_donated_bytes", h->donated_bytes);
		snapshot_number(w, "young_recent_bytes", h->recent_bytes);
		snapshot_number(w, "young_aged_bytes", h->aged_bytes);
		snapshot_number(w, "young_scanned_cards", h->scanned_cards);
		snapshot_number(w, "young_mixed_blocks", h->mixed_blocks);
		snapshot_number(w, "young_mixed_bytes", h->mixed_bytes);
		snapshot_key(w, "last_pause_seconds", false);
		cairn_writer_json_seconds(w, h->last_pause_ns);
		cairn_writer_text(w, "}");
	}
	cairn_writer_text(w, s->heap_count ? "]" : "[]");
	snapshot_number(w, "managed_heaps_left_out", s->heaps_left_out);
}

static void snapshot_limits(cairn_writer *w, const cairn_snapshot *s)
{
	snapshot_key(w, "limits", false);
	for (uint32_t i = 0; i < s->limit_count; i++) {
		cairn_writer_text(w, i ? ", {" : "[{");
		snapshot_string(w, "name", s->limits[i].name, true);
		snapshot_number(w, "limit_bytes", s->limits[i].limit_bytes);
		snapshot_number(w, "used_bytes", s->limits[i].used_bytes);
		snapshot_key(w, "seconds_left", false);
		cairn_writer_json_seconds(w, s->limits[i].left_ns);
		cairn_writer_text(w, "}");
	}
	cairn_writer_text(w, s->limit_count ? "]" : "[]");
}

/* A number with its sign: JSON has no other. */
static void snapshot_signed(cairn_writer *w, const char *key, int64_t n)
{
	snapshot_key(w, key, false);
	cairn_writer_text(w, n < 0 ? "-" : "");
	cairn_writer_json_number(w, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static void snapshot_growth(cairn_writer *w, const cairn_snapshot *s)
{
	snapshot_key(w, "growth", false);
	if (!s->has_growth) {
		cairn_writer_text(w, "null");
		return;
	}
	cairn_writer_text(w, "{");
	snapshot_key(w, "seconds", true);
	cairn_writer_json_seconds(w, s->grown_over_ns);
	snapshot_signed(w, "rss_bytes_per_second", s->growth_bytes);
	if (s->has_growing_class) {
		snapshot_number(w, "class_bytes", s->growing_class_bytes);
		snapshot_signed(w, "class_bytes_per_second", s->class_growth_bytes);
	}
	cairn_writer_text(w, "}");
}

static void snapshot_figures(cairn_writer *w, const cairn_snapshot *s)
{
	char state[2] = { s->state ? s->state : '?', 0 };
	snapshot_key(w, "pid", true);
	cairn_writer_json_number(w, s->pid);
	snapshot_string(w, "name", s->name, false);
	snapshot_string(w, "executable", s->executable, false);
	snapshot_string(w, "command", s->command, false);
	snapshot_string(w, "state", state, false);
	snapshot_flag(w, "served", s->is_served);
	snapshot_flag(w, "approximate", s->is_approximate);
	snapshot_string(w, "unknown", s->unknown, false);
	snapshot_number(w, "rss_bytes", s->rss_bytes);
	snapshot_number(w, "pss_bytes", s->pss_bytes);
	snapshot_number(w, "peak_rss_bytes", s->peak_rss_bytes);
	snapshot_number(w, "heap_bytes", s->heap_bytes);
	snapshot_number(w, "huge_bytes", s->huge_bytes);
	snapshot_number(w, "live_blocks", s->live_blocks);
	snapshot_number(w, "allocations", s->allocations);
	snapshot_number(w, "minor_faults", s->minor_faults);
	snapshot_number(w, "major_faults", s->major_faults);
	snapshot_key(w, "cost_seconds", false);
	cairn_writer_json_seconds(w, s->cost_ns);
}

void cairn_snapshot_write_lines(cairn_writer *w, const cairn_snapshot *s)
{
	snapshot_key(w, "pid", true);
	cairn_writer_json_number(w, s->pid);
	snapshot_number(w, "rss_bytes", s->rss_bytes);
	snapshot_lines(w, "lines", s->lines, s->line_count);
	snapshot_lines(w, "below_the_line", s->below, s->below_count);
	snapshot_limits(w, s);
}

int cairn_snapshot_print_json(const cairn_snapshot *s, int fd)
{
	char buffer[CAIRN_WRITER_BYTES];
	cairn_writer w;
	cairn_writer_open(&w, fd, buffer, sizeof buffer);
	cairn_writer_text(&w, "{");
	snapshot_figures(&w, s);
	snapshot_lines(&w, "lines", s->lines, s->line_count);
	snapshot_lines(&w, "below_the_line", s->below, s->below_count);
	snapshot_limits(&w, s);
	snapshot_growth(&w, s);
	snapshot_classes(&w, s);
	snapshot_heaps(&w, s);
	snapshot_threads(&w, s);
	cairn_writer_text(&w, "}\n");
	return cairn_writer_close(&w);
}
