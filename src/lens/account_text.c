/* lens/account_text.c - an account for people: at most 80 columns.
 *
 *   title          program, how it ended, how long
 *   figures        memory on the left, allocation on the right
 *   curves         resident memory and allocation rate over time
 *   size classes   the busy ones a row each, quiet neighbours together
 *   processes      where there are children: the ten largest, and the sum
 *   remarks        what the figures do not say by themselves
 *
 * Where there are children, title to size classes are about all processes together, and say so.
 *
 * Invariants:
 *   (T1) No line passes 80 columns, whatever the names and figures.
 *   (T2) A figure that is not known is a dash, never 0.
 *
 * Not here: JSON (account_json.c), what the figures mean (docs/design/statistics.md). */
#include <cairn/stats.h>

#include "lens/print.h"
#include "lens/writer.h"

enum {
	TEXT_WIDTH = 80,
	TEXT_CURVE = 52,      /* columns of a curve */
	TEXT_ROWS_ALONE = 7,  /* size classes that get a row of their own */
	TEXT_PROCESSES = 10,
};

static void text_words(cairn_writer *w, const char *s) { cairn_writer_words(w, s, 3, TEXT_WIDTH); }

static void text_counted(cairn_field *f, uint64_t n, const char *one, const char *many)
{
	cairn_field_count(f, n);
	cairn_field_text(f, " ");
	cairn_field_text(f, n == 1 ? one : many);
}

/* Without its SIG; all real-time signals have one name. */
static const char *text_signal_name(int signal)
{
	static const char *const names[] = {
		"",     "HUP",  "INT",    "QUIT", "ILL",  "TRAP",   "ABRT", "BUS",   "FPE",  "KILL", "USR1",
		"SEGV", "USR2", "PIPE",   "ALRM", "TERM", "STKFLT", "CHLD", "CONT",  "STOP", "TSTP", "TTIN",
		"TTOU", "URG",  "XCPU",   "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS",
	};
	return signal > 0 && signal < (int)(sizeof names / sizeof *names) ? names[signal] : "RT";
}

static void text_ending(cairn_field *f, const cairn_account *a)
{
	if (a->signal > 0) {
		cairn_field_text(f, "killed by SIG");
		cairn_field_text(f, text_signal_name(a->signal));
		cairn_field_text(f, a->is_core_dumped ? ", core dumped · " : " · ");
	} else if (a->status >= 0) {
		cairn_field_text(f, "exit ");
		cairn_field_dec(f, (uint64_t)a->status);
		cairn_field_text(f, " · ");
	}
}

static void text_title(cairn_writer *w, const cairn_account *a, const cairn_account *all)
{
	cairn_field name = { .used = 0 }, end = { .used = 0 };
	text_ending(&end, a);
	cairn_field_duration(&end, a->duration_ns);
	if (all->processes > 1 || a->threads > 1)
		cairn_field_text(&end, " · ");
	if (all->processes > 1)
		text_counted(&end, all->processes, "process", "processes");
	else if (a->threads > 1)
		text_counted(&end, a->threads, "thread", "threads");
	unsigned room = TEXT_WIDTH - 14;
	cairn_field_name(&name, a->command ? a->command : a->program, room > end.columns + 8 ? room - end.columns : 8);
	cairn_writer_title(w, &name, &end, TEXT_WIDTH);
}

/* One half of a line of figures: the label, the figure to the right of its column, and a word on it. */
static void text_cell(cairn_writer *w, unsigned at, const char *label, const cairn_field *figure,
		      const cairn_field *word)
{
	cairn_writer_pad(w, at);
	cairn_writer_text(w, label);
	cairn_writer_strong(w, true);
	cairn_writer_field_right(w, figure, at + 22);
	cairn_writer_strong(w, false);
	if (word->columns)
		cairn_writer_text(w, "  ");
	cairn_writer_field(w, word);
}

static uint64_t text_per_second(uint64_t n, uint64_t ns)
{
	return ns == CAIRN_UNKNOWN || ns < 1000 ? CAIRN_UNKNOWN : cairn_ratio(n, 1000000000, ns);
}

static void text_peak_rss(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_bytes(&figure, all->peak_rss_bytes);
	if (all->peak_rss_ns != CAIRN_UNKNOWN) {
		cairn_field_text(&word, "at ");
		cairn_field_duration(&word, all->peak_rss_ns);
	}
	text_cell(w, 3, "Peak RSS", &figure, &word);
}

static void text_allocations(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_count(&figure, all->allocations);
	cairn_field_count(&word, text_per_second(all->allocations, all->duration_ns));
	cairn_field_text(&word, "/s");
	text_cell(w, 43, "Allocations", &figure, &word);
}

static void text_exit_rss(cairn_writer *w, const cairn_account *a)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_bytes(&figure, a->exit_rss_bytes);
	if (a->exit_rss_bytes != CAIRN_UNKNOWN && !a->is_exact)
		cairn_field_text(&word, "when last seen");
	text_cell(w, 3, "RSS at exit", &figure, &word);
}

static void text_bytes(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_bytes(&figure, all->has_requested ? all->allocated_bytes : CAIRN_UNKNOWN);
	if (all->has_requested) {
		cairn_field_bytes(&word, text_per_second(all->allocated_bytes, all->duration_ns));
		cairn_field_text(&word, "/s");
	}
	text_cell(w, 43, "Bytes", &figure, &word);
}

static void text_heap_peak(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_bytes(&figure, all->live_peak_bytes);
	cairn_field_text(&word, "± ");
	cairn_field_bytes(&word, all->cached_max_bytes);
	text_cell(w, 3, "Heap peak", &figure, &word);
}

static void text_never_freed(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_count(&figure, all->never_freed_blocks);
	cairn_field_bytes(&word, all->never_freed_bytes);
	text_cell(w, 43, "Never freed", &figure, &word);
}

static void text_faults(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	cairn_field_count(&figure, all->minor_faults);
	if (all->major_faults != CAIRN_UNKNOWN) {
		cairn_field_count(&word, all->major_faults);
		cairn_field_text(&word, " major");
	}
	text_cell(w, 3, "Faults", &figure, &word);
}

static void text_churn(cairn_writer *w, const cairn_account *all)
{
	cairn_field figure = { .used = 0 }, word = { .used = 0 };
	uint64_t tenths = cairn_ratio(all->allocated_bytes, 10, all->live_peak_bytes);
	if (!all->has_requested || !all->live_peak_bytes) {
		cairn_field_text(&figure, "–");
	} else {
		if (tenths < 1000)
			cairn_field_tenths(&figure, tenths);
		else
			cairn_field_count(&figure, (tenths + 5) / 10);
		cairn_field_text(&figure, "×");
		cairn_field_text(&word, "the heap peak");
	}
	text_cell(w, 43, "Churn", &figure, &word);
}

static void text_figures(cairn_writer *w, const cairn_account *a, const cairn_account *all)
{
	text_peak_rss(w, all);
	if (all->is_served)
		text_allocations(w, all);
	cairn_writer_text(w, "\n");
	text_exit_rss(w, a);
	if (all->is_served)
		text_bytes(w, all);
	cairn_writer_text(w, "\n");
	if (all->is_served) {
		text_heap_peak(w, all);
		text_never_freed(w, all);
		cairn_writer_text(w, "\n");
	}
	text_faults(w, all);
	if (all->is_served)
		text_churn(w, all);
	cairn_writer_text(w, "\n");
}

/* Column x of a curve of `columns` over `count` steps: the highest of its steps. */
static uint64_t text_curve_at(const uint64_t *steps, size_t count, size_t columns, size_t x)
{
	uint64_t highest = 0;
	for (size_t i = x * count / columns; i < (x + 1) * count / columns; i++)
		highest = steps[i] > highest ? steps[i] : highest;
	return highest;
}

/* Draws the curve and returns its highest point. */
static uint64_t text_curve(cairn_writer *w, const char *label, const uint64_t *steps, size_t count)
{
	static const char *const bars[] = { "▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	size_t columns = count < TEXT_CURVE ? count : TEXT_CURVE;
	uint64_t highest = text_curve_at(steps, count, 1, 0);
	cairn_writer_text(w, "   ");
	cairn_writer_text(w, label);
	cairn_writer_pad(w, 10);
	for (size_t x = 0; x < columns; x++) {
		uint64_t here = text_curve_at(steps, count, columns, x);
		cairn_writer_text(w, bars[highest ? cairn_ratio(here, 8, highest) : 0]);
	}
	cairn_writer_text(w, "  ");
	return highest;
}

static void text_curves(cairn_writer *w, const cairn_account *all, const cairn_account_timeline *t)
{
	cairn_field rss = { .used = 0 }, rate = { .used = 0 };
	if (!t || t->count < 4 || !t->step_ns)
		return;
	cairn_writer_text(w, "\n");
	cairn_field_bytes(&rss, text_curve(w, "RSS", t->rss_bytes, t->count));
	cairn_writer_field(w, &rss);
	cairn_writer_text(w, "\n");
	if (!all->is_served)
		return;
	cairn_field_count(&rate, text_per_second(text_curve(w, "rate", t->allocations, t->count), t->step_ns));
	cairn_field_text(&rate, "/s");
	cairn_writer_field(w, &rate);
	cairn_writer_text(w, "\n");
}

/* A row of the size class table: one class, or quiet neighbours added up. */
typedef struct text_row {
	uint64_t low_bytes, high_bytes; /* both 0: the large blocks */
	uint64_t allocations, requested_bytes, given_bytes, peak_bytes;
	bool is_alone;
} text_row;

static uint64_t class_peak_bytes(const cairn_account *a, uint32_t i)
{
	return i ? a->classes[i].peak_blocks * a->classes[i].size_bytes : a->large_peak_bytes;
}

/* All classes at the peak; of several processes each at its own, which is more than live_peak_bytes. */
static uint64_t classes_peak_bytes(const cairn_account *a)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < a->class_count; i++)
		bytes += class_peak_bytes(a, i);
	return bytes;
}

static bool class_is_used(const cairn_account *a, uint32_t i)
{
	return a->classes[i].allocations || a->classes[i].peak_blocks;
}

/* How much a class matters: its share, in thousandths, of the allocations or of the heap, whichever is greater. */
static uint64_t class_weight(const cairn_account *a, uint32_t i)
{
	uint64_t calls = cairn_ratio(a->classes[i].allocations, 1000, a->allocations);
	uint64_t bytes = cairn_ratio(class_peak_bytes(a, i), 1000, classes_peak_bytes(a));
	return calls > bytes ? calls : bytes;
}

/* A class stands alone when fewer than TEXT_ROWS_ALONE matter more than it does. */
static bool class_is_alone(const cairn_account *a, uint32_t i)
{
	uint64_t weight = class_weight(a, i);
	unsigned heavier = 0;
	for (uint32_t k = 0; k < a->class_count; k++) {
		uint64_t other = class_is_used(a, k) ? class_weight(a, k) : 0;
		heavier += other > weight || (other == weight && k < i && other);
	}
	return heavier < TEXT_ROWS_ALONE;
}

static void row_add(text_row *r, const cairn_account *a, uint32_t i)
{
	const cairn_account_class *k = &a->classes[i];
	if (!r->low_bytes)
		r->low_bytes = k->size_bytes;
	r->high_bytes = k->size_bytes;
	r->allocations += k->allocations;
	r->requested_bytes += k->requested_bytes;
	r->given_bytes += k->allocations * k->size_bytes;
	r->peak_bytes += class_peak_bytes(a, i);
}

static void row_label(cairn_field *f, const cairn_account *a, const text_row *r)
{
	if (!r->high_bytes) {
		cairn_field_text(f, a->class_count > 1 ? "over " : "all");
		if (a->class_count > 1)
			cairn_field_size(f, a->classes[a->class_count - 1].size_bytes);
		return;
	}
	if (r->low_bytes != r->high_bytes) {
		if (r->high_bytes < 1024)
			cairn_field_dec(f, r->low_bytes);
		else
			cairn_field_size(f, r->low_bytes);
		cairn_field_text(f, "–");
	}
	cairn_field_size(f, r->high_bytes);
}

static void text_per_cent(cairn_field *f, uint64_t tenths)
{
	cairn_field_tenths(f, tenths);
	cairn_field_text(f, " %");
}

static void text_row_print(cairn_writer *w, const cairn_account *a, const text_row *r)
{
	cairn_field label = { .used = 0 }, count = { .used = 0 }, share = { .used = 0 }, peak = { .used = 0 };
	cairn_field rounding = { .used = 0 };
	row_label(&label, a, r);
	cairn_field_count(&count, r->allocations);
	text_per_cent(&share, cairn_ratio(r->allocations, 1000, a->allocations));
	cairn_field_bytes(&peak, r->peak_bytes);
	if (a->has_requested && r->given_bytes >= r->requested_bytes && r->given_bytes)
		text_per_cent(&rounding, cairn_ratio(r->given_bytes - r->requested_bytes, 1000, r->given_bytes));
	else
		cairn_field_text(&rounding, "–");
	cairn_writer_field_right(w, &label, 24);
	cairn_writer_field_right(w, &count, 36);
	cairn_writer_field_right(w, &share, 46);
	cairn_writer_field_right(w, &peak, 62);
	cairn_writer_field_right(w, &rounding, 75);
	cairn_writer_text(w, "\n");
}

/* Small to large; the large blocks, which are class 0, last. */
static void text_classes(cairn_writer *w, const cairn_account *a)
{
	text_row group = { .is_alone = false };
	if (!a->is_served || !a->allocations || !a->class_count)
		return;
	cairn_writer_text(w, "\n              Size class       allocs     share    live at peak     rounding\n");
	for (uint32_t n = 1; n <= a->class_count; n++) {
		uint32_t i = n % a->class_count;
		if (!class_is_used(a, i))
			continue;
		bool is_alone = !i || class_is_alone(a, i);
		if (is_alone && group.allocations + group.peak_bytes) {
			text_row_print(w, a, &group);
			group = (text_row){ .is_alone = false };
		}
		row_add(&group, a, i);
		if (is_alone) {
			text_row_print(w, a, &group);
			group = (text_row){ .is_alone = false };
		}
	}
	if (group.allocations + group.peak_bytes)
		text_row_print(w, a, &group);
}

/* The best snapshot of the process that had most. It may have been taken a little before or after the very peak. */
static void text_peak(cairn_writer *w, const cairn_account *a)
{
	const cairn_snapshot *s = a->peak;
	cairn_field f = { .used = 0 };
	if (!s)
		return;
	cairn_writer_text(w, "\n   Where the peak was");
	if (a->total && s->pid != a->pid) {
		cairn_field_text(&f, ", of ");
		cairn_field_name(&f, s->name, 16);
		cairn_field_text(&f, " ");
		cairn_field_dec(&f, s->pid);
	}
	if (s->taken_ns > a->start_ns) {
		cairn_field_text(&f, ", at ");
		cairn_field_duration(&f, s->taken_ns - a->start_ns);
	}
	cairn_writer_field(w, &f);
	cairn_writer_pad(w, 52);
	cairn_writer_text(w, a->last ? "resident   share  last seen\n" : "resident   share\n");
	cairn_snapshot_write_kinds(w, s, a->last);
}

/* A limit that the peak came near. */
static void text_near_limit(cairn_writer *w, const cairn_account *a)
{
	for (uint32_t i = 0; a->peak && i < a->peak->limit_count; i++) {
		const cairn_snapshot_limit *l = &a->peak->limits[i];
		cairn_field f = { .used = 0 };
		if (l->used_bytes < l->limit_bytes - l->limit_bytes / 8)
			continue;
		cairn_field_text(&f, "Near a limit: ");
		cairn_field_text(&f, l->name);
		cairn_field_text(&f, " allows ");
		cairn_field_bytes(&f, l->limit_bytes);
		cairn_field_text(&f, ", and ");
		cairn_field_bytes(&f, l->used_bytes);
		cairn_field_text(&f, " counted against it at the peak.");
		text_words(w, f.text);
		cairn_writer_text(w, "\n");
	}
}

static const char *text_base_name(const char *path)
{
	const char *base = path;
	for (const char *s = path; *s; s++)
		if (*s == '/' && s[1])
			base = s + 1;
	return base;
}

static void text_process_bytes(cairn_writer *w, uint64_t bytes, unsigned column)
{
	cairn_field f = { .used = 0 };
	cairn_field_bytes(&f, bytes);
	cairn_writer_field_right(w, &f, column);
}

static void text_process(cairn_writer *w, const cairn_account *a, const char *name)
{
	cairn_field label = { .used = 0 }, pid = { .used = 0 }, count = { .used = 0 };
	uint64_t hide = a->is_served ? 0 : CAIRN_UNKNOWN;
	cairn_field_name(&label, name, 23);
	if (a->pid)
		cairn_field_dec(&pid, a->pid);
	cairn_field_count(&count, a->allocations | hide);
	cairn_writer_pad(w, 3);
	cairn_writer_field(w, &label);
	cairn_writer_field_right(w, &pid, 33);
	text_process_bytes(w, a->peak_rss_bytes, 42);
	text_process_bytes(w, a->live_peak_bytes | hide, 52);
	cairn_writer_field_right(w, &count, 61);
	text_process_bytes(w, a->has_requested ? a->allocated_bytes | hide : CAIRN_UNKNOWN, 70);
	text_process_bytes(w, a->never_freed_bytes | hide, 80);
	cairn_writer_text(w, "\n");
}

static void text_processes(cairn_writer *w, const cairn_account *a)
{
	cairn_field more = { .used = 0 };
	size_t shown = a->child_count < TEXT_PROCESSES ? a->child_count : TEXT_PROCESSES;
	uint64_t others = (uint64_t)(a->child_count - shown) + a->children_left_out;
	if (!a->total)
		return;
	cairn_writer_text(w, "\n   Process                    pid peak RSS heap peak   allocs    bytes not freed\n");
	text_process(w, a, text_base_name(a->executable[0] ? a->executable : a->program));
	for (size_t i = 0; i < shown; i++)
		text_process(w, &a->children[i], text_base_name(a->children[i].program));
	if (others) {
		text_counted(&more, others, "smaller one", "smaller ones");
		cairn_writer_text(w, "   ");
		cairn_writer_field(w, &more);
		cairn_writer_text(w, "\n");
	}
	text_process(w, a->total, "all together");
}

static void text_remark(cairn_writer *w, const char *before, const char *s, const char *after)
{
	text_words(w, before);
	text_words(w, s);
	cairn_writer_text(w, after);
	cairn_writer_text(w, "\n");
}

static void text_remark_foreign(cairn_writer *w, const cairn_account *all)
{
	cairn_field n = { .used = 0 };
	cairn_writer_pad(w, 3);
	text_counted(&n, all->foreign_frees, "block", "blocks");
	cairn_writer_field(w, &n);
	text_remark(w, "of another allocator came to free and stayed.", "", "");
}

static void text_remarks(cairn_writer *w, const cairn_account *a, const cairn_account *all)
{
	cairn_writer_text(w, "\n");
	if (a->why_not)
		text_remark(w, "cairn could not serve it:", a->why_not, ".");
	if (a->note)
		text_remark(w, a->note, "", "");
	text_near_limit(w, a);
	if (all->is_served)
		text_remark(w, "± what thread caches held of freed blocks at the heap peak.", "", "");
	if (all->is_served && !all->is_exact)
		text_remark(w, a->total ? "Not every process" : "The program did not",
			    a->total ? "came to exit():" : "come to exit():",
			    " never freed is what was held then,\n   freed blocks in thread caches included.");
	if (a->total)
		text_remark(w, "RSS of several processes is added up, and pages they share count in each;",
			    "live at peak is each one's own peak.", "");
	if (all->foreign_frees)
		text_remark_foreign(w, all);
	cairn_writer_text(w, "\n");
}

int cairn_account_print_by(const cairn_account *a, int fd, bool with_colour, char *buffer, size_t bytes)
{
	const cairn_account *all = a->total ? a->total : a;
	cairn_writer w;
	cairn_writer_open(&w, fd, buffer, bytes);
	w.limit = TEXT_WIDTH;
	w.has_colour = with_colour;
	text_title(&w, a, all);
	text_figures(&w, a, all);
	text_curves(&w, all, a->timeline);
	text_peak(&w, a);
	text_classes(&w, all);
	text_processes(&w, a);
	text_remarks(&w, a, all);
	return cairn_writer_close(&w);
}

int cairn_account_print(const cairn_account *a, int fd, bool with_colour)
{
	char buffer[CAIRN_WRITER_BYTES];
	return cairn_account_print_by(a, fd, with_colour, buffer, sizeof buffer);
}

static void text_line_served(cairn_field *f, const cairn_account *a, const cairn_account *all)
{
	if (a->signal <= 0) { /* both would not fit */
		cairn_field_text(f, " (heap ");
		cairn_field_bytes(f, all->live_peak_bytes);
		cairn_field_text(f, ")");
	}
	cairn_field_text(f, all->uncounted_processes ? " · ≥ " : " · ");
	cairn_field_count(f, all->allocations);
	cairn_field_text(f, " allocs · ");
	if (a->signal <= 0) {
		cairn_field_bytes(f, all->never_freed_bytes);
		cairn_field_text(f, " left");
	} else {
		cairn_field_text(f, "killed by SIG");
		cairn_field_text(f, text_signal_name(a->signal));
	}
}

int cairn_account_print_line(const cairn_account *a, int fd)
{
	const cairn_account *all = a->total ? a->total : a;
	cairn_field f = { .used = 0 };
	char buffer[CAIRN_WRITER_BYTES];
	cairn_writer w;
	cairn_writer_open(&w, fd, buffer, sizeof buffer);
	w.limit = TEXT_WIDTH;
	cairn_field_text(&f, "cairn: ");
	cairn_field_duration(&f, a->duration_ns);
	cairn_field_text(&f, " · peak ");
	cairn_field_bytes(&f, all->peak_rss_bytes);
	if (all->is_served)
		text_line_served(&f, a, all);
	else
		cairn_field_text(&f, " · not served");
	cairn_writer_field(&w, &f);
	cairn_writer_text(&w, "\n");
	return cairn_writer_close(&w);
}
