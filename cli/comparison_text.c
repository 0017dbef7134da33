/* cli/comparison_text.c - a comparison for people: a table of at most 80 columns, the sentences, the remarks.
 *
 * Invariants:
 *   (X1) No line passes 80 columns, whatever the names and figures.
 *   (X2) A figure that is not known is a dash, never 0.
 *
 * Not here: what the sentences say (verdict.c), JSON (comparison_json.c). */
#include <string.h>

#include "comparison.h"

enum {
	TABLE_WIDTH = 80,
	TABLE_INDENT = 3,
	TABLE_TITLE = 17, /* columns of what stands before the program */
	TABLE_FIELD = 48, /* bytes of a figure */
};

/* Columns of a text in UTF-8. */
static size_t table_columns(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void table_pad(FILE *to, size_t columns)
{
	for (; columns > 0; columns--)
		putc(' ', to);
}

static void table_left(FILE *to, const char *s, size_t columns)
{
	size_t n = table_columns(s);
	fputs(s, to);
	table_pad(to, n < columns ? columns - n : 0);
}

static void table_right(FILE *to, const char *s, size_t columns)
{
	size_t n = table_columns(s);
	table_pad(to, n < columns ? columns - n : 0);
	fputs(s, to);
}

/* ---- Figures ---- */

/* Three digits and the unit. */
static void table_three(char *text, double x, const char *unit)
{
	int digits = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
	snprintf(text, TABLE_FIELD, "%.*f %s", digits, x, unit);
}

static void table_seconds(char *text, double s)
{
	if (s < 0.9995e-3)
		table_three(text, s * 1e6, "µs");
	else if (s < 0.9995)
		table_three(text, s * 1e3, "ms");
	else
		table_three(text, s, "s");
}

static void table_bytes(char *text, double bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	for (bytes /= 1024; bytes >= 999.5 && unit < 3; unit++)
		bytes /= 1024;
	table_three(text, bytes, units[unit]);
}

static void table_count(char *text, double n)
{
	if (n < 9999.5)
		snprintf(text, TABLE_FIELD, "%.0f", n);
	else if (n < 99999.5)
		snprintf(text, TABLE_FIELD, "%ld %03ld", (long)(n + 0.5) / 1000, (long)(n + 0.5) % 1000);
	else if (n < 999500)
		table_three(text, n / 1e3, "k");
	else if (n < 999.5e6)
		table_three(text, n / 1e6, "M");
	else
		table_three(text, n / 1e9, "G");
}

static void table_figure(char *text, cairn_figure f, double x)
{
	if (f == CAIRN_FIGURE_PEAK)
		table_bytes(text, x);
	else if (f == CAIRN_FIGURE_MINOR || f == CAIRN_FIGURE_MAJOR)
		table_count(text, x);
	else
		table_seconds(text, x);
}

/* "0.916", "12.3", "145" */
static void table_ratio(char *text, double ratio)
{
	if (ratio < 99999)
		snprintf(text, TABLE_FIELD, "%.*f", ratio < 9.9995 ? 3 : ratio < 99.95 ? 1 : 0, ratio);
	else
		snprintf(text, TABLE_FIELD, "many");
}

/* ---- The table ---- */

static void table_strong(FILE *to, bool has_colour, bool is_on)
{
	if (has_colour)
		fputs(is_on ? "\033[1m" : "\033[0m", to);
}

static void table_row_ratio(const cairn_result *r, FILE *to)
{
	char ratio[TABLE_FIELD] = "–", interval[3 * TABLE_FIELD] = "–", low[TABLE_FIELD], high[TABLE_FIELD];
	if (r->has_ratio)
		table_ratio(ratio, r->ratio.ratio);
	if (r->has_ratio && r->ratio.has_interval) {
		table_ratio(low, r->ratio.low);
		table_ratio(high, r->ratio.high);
		snprintf(interval, sizeof interval, "%s – %s", low, high);
	}
	table_right(to, ratio, 8);
	table_right(to, interval, 16);
	fprintf(to, "  %s", r->verdict == CAIRN_VERDICT_UNKNOWN ? "–" : cairn_verdict_word(r->verdict));
}

static void table_row(const cairn_comparison *c, size_t row, cairn_figure f, FILE *to)
{
	const cairn_result *r = &c->rows[row].results[f];
	char middle[TABLE_FIELD] = "–", spread[TABLE_FIELD] = "–";
	if (r->count)
		table_figure(middle, f, r->median);
	if (r->count && r->median > 0)
		snprintf(spread, sizeof spread, "± %.1f %%", 100 * r->spread / r->median);
	table_pad(to, TABLE_INDENT);
	table_left(to, c->rows[row].preload.name, CAIRN_PRELOAD_NAME);
	table_right(to, middle, 10);
	table_right(to, spread, 10);
	if (row)
		table_row_ratio(r, to);
	putc('\n', to);
}

static void table_rows(const cairn_comparison *c, FILE *to, bool has_colour)
{
	static const char *const names[] = { "Wall time", "Processor time", "Peak RSS", "Page faults" };
	for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++) {
		table_pad(to, TABLE_INDENT);
		table_strong(to, has_colour, true);
		fputs(names[f], to);
		table_strong(to, has_colour, false);
		if (!f)
			fputs("            median    spread   ratio   95 % interval", to);
		putc('\n', to);
		for (size_t i = 0; i < c->row_count; i++)
			table_row(c, i, f, to);
		putc('\n', to);
	}
}

/* Prints a text up to so many columns, with an ellipsis where it is cut; what could move the cursor is a question mark.
 * Returns the columns. */
static size_t table_cut(FILE *to, const char *s, size_t columns)
{
	size_t used = 0;
	for (bool is_cut = table_columns(s) > columns; *s; s++) {
		used += ((unsigned char)*s & 0xc0) != 0x80;
		if (is_cut && used == columns)
			break;
		putc((unsigned char)*s < ' ' || *s == 127 ? '?' : *s, to);
	}
	if (*s)
		fputs("…", to);
	return used;
}

static void table_title(const cairn_comparison *c, FILE *to, bool has_colour)
{
	char command[4 * TABLE_WIDTH] = "", end[2 * TABLE_FIELD], seconds[TABLE_FIELD];
	size_t used = 0;
	for (char **argument = c->argv; *argument && used < sizeof command - 1; argument++)
		used += (size_t)snprintf(command + used, sizeof command - used, "%s%s", used ? " " : "", *argument);
	table_seconds(seconds, c->seconds);
	snprintf(end, sizeof end, " %u run%s each · %s", c->rounds, c->rounds == 1 ? "" : "s", seconds);
	size_t room = TABLE_WIDTH - TABLE_TITLE - 1 - table_columns(end);
	fputs("\n ", to);
	table_strong(to, has_colour, true);
	fputs("cairn compare", to);
	table_strong(to, has_colour, false);
	fputs(" ─ ", to);
	size_t columns = table_cut(to, command, room - 2);
	putc(' ', to);
	for (; columns < room; columns++)
		fputs("─", to);
	fprintf(to, "%s\n\n", end);
}

/* ---- Words ---- */

/* Wrapped; a word that is wider than a line is cut. */
static void table_paragraph(FILE *to, const char *s)
{
	size_t column = 0;
	while (*(s += strspn(s, " "))) {
		char word[4 * TABLE_WIDTH];
		size_t length = strcspn(s, " ");
		snprintf(word, sizeof word, "%.*s", (int)length, s);
		size_t columns = table_columns(word);
		if (column && column + 1 + columns > TABLE_WIDTH) {
			putc('\n', to);
			column = 0;
		}
		table_pad(to, column ? 1 : TABLE_INDENT);
		column += column ? 1 : TABLE_INDENT;
		column += table_cut(to, word, TABLE_WIDTH - TABLE_INDENT);
		s += length;
	}
	if (column)
		putc('\n', to);
}

static void table_sentences(const cairn_comparison *c, FILE *to)
{
	char text[CAIRN_COMPARISON_SENTENCE];
	for (size_t i = 1; i < c->row_count; i++) {
		cairn_verdict_sentence(c, i, text, sizeof text);
		table_paragraph(to, text);
	}
}

static void table_remarks(const cairn_comparison *c, FILE *to)
{
	char text[CAIRN_COMPARISON_SENTENCE];
	cairn_verdict_failure(c, text, sizeof text);
	if (c->note_count || *text || cairn_comparison_differs(c))
		putc('\n', to);
	table_paragraph(to, text);
	for (size_t i = 0; i < c->row_count; i++) {
		cairn_verdict_difference(c, i, text, sizeof text);
		table_paragraph(to, text);
	}
	for (size_t i = 0; i < c->note_count; i++)
		table_paragraph(to, c->notes[i]);
}

void cairn_comparison_print(const cairn_comparison *c, FILE *to, bool has_colour)
{
	table_title(c, to, has_colour);
	table_rows(c, to, has_colour);
	table_sentences(c, to);
	table_remarks(c, to);
	putc('\n', to);
}

void cairn_comparison_print_line(const cairn_comparison *c, FILE *to)
{
	char text[CAIRN_COMPARISON_SENTENCE];
	const char *blank = "";
	for (size_t i = 0; i <= 2 * c->row_count; i++) {
		size_t row = i / 2;
		text[0] = 0;
		if (row == c->row_count)
			cairn_verdict_failure(c, text, sizeof text);
		else if (i % 2)
			cairn_verdict_difference(c, row, text, sizeof text);
		else if (row)
			cairn_verdict_sentence(c, row, text, sizeof text);
		if (*text) {
			fputs(blank, to);
			table_cut(to, text, sizeof text);
			blank = " ";
		}
	}
	putc('\n', to);
}
