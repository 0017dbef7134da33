/* cli/comparison_json.c - a comparison as one JSON object on one line.
 *
 * Bytes are bytes, times are seconds, what nobody could know is null. Keys are only ever added. Texts may hold any
 * bytes: what is no UTF-8 is replaced.
 *
 * Not here: the words for people (comparison_text.c, verdict.c). */
#include <string.h>
#include <sys/wait.h>

#include "comparison.h"

/* How many bytes the character has that begins here; 0: it is no UTF-8. */
static size_t json_character(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	unsigned char next = n > 2 ? (unsigned char)s[1] : 0;
	if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) ||
	    (c == 0xf4 && next > 0x8f))
		return 0;
	return n;
}

static void json_text(FILE *to, const char *s)
{
	putc('"', to);
	while (*s) {
		size_t n = json_character(s);
		if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(to, "\\u%04x", *s);
		else if (n)
			fwrite(s, 1, n, to);
		else
			fputs("\\ufffd", to);
		s += n ? n : 1;
	}
	putc('"', to);
}

static void json_text_or_null(FILE *to, const char *key, const char *s)
{
	fprintf(to, ", \"%s\": ", key);
	if (s && *s)
		json_text(to, s);
	else
		fputs("null", to);
}

static void json_ending(FILE *to, const char *prefix, bool is_known, int wait_status)
{
	fprintf(to, ", \"%sstatus\": ", prefix);
	if (!is_known)
		fputs("null", to);
	else
		fprintf(to, "%d", WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	fprintf(to, ", \"%ssignal\": ", prefix);
	if (is_known && WIFSIGNALED(wait_status))
		fprintf(to, "%d", WTERMSIG(wait_status));
	else
		fputs("null", to);
}

static void json_ratio(FILE *to, const cairn_result *r)
{
	if (r->has_ratio)
		fprintf(to, ", \"ratio\": %.9g", r->ratio.ratio);
	else
		fputs(", \"ratio\": null", to);
	if (r->has_ratio && r->ratio.has_interval)
		fprintf(to, ", \"ratio_low\": %.9g, \"ratio_high\": %.9g", r->ratio.low, r->ratio.high);
	else
		fputs(", \"ratio_low\": null, \"ratio_high\": null", to);
	fprintf(to, ", \"verdict\": \"%s\"", cairn_verdict_word(r->verdict));
}

/* A run that does not count is null among the values, so that places are rounds in every row. */
static void json_values(FILE *to, const cairn_comparison *c, const cairn_row *row, cairn_figure f)
{
	fputs(", \"values\": [", to);
	for (unsigned i = 0; i < c->rounds; i++) {
		fputs(i ? ", " : "", to);
		if (row->is_good[i])
			fprintf(to, "%.12g", row->samples[i].figures[f]);
		else
			fputs("null", to);
	}
	putc(']', to);
}

static void json_figure(FILE *to, const cairn_comparison *c, size_t row, cairn_figure f)
{
	static const char *const names[] = { "wall_seconds", "cpu_seconds", "peak_rss_bytes", "minor_faults",
					     "major_faults", "user_seconds", "system_seconds" };
	_Static_assert(sizeof names / sizeof *names == CAIRN_FIGURES, "every figure has a key");
	const cairn_result *r = &c->rows[row].results[f];
	fprintf(to, ", \"%s\": {", names[f]);
	if (r->count)
		fprintf(to, "\"median\": %.12g, \"spread\": %.12g, \"lowest\": %.12g, \"highest\": %.12g", r->median,
			r->spread, r->lowest, r->highest);
	else
		fputs("\"median\": null, \"spread\": null, \"lowest\": null, \"highest\": null", to);
	if (row && f < CAIRN_FIGURES_JUDGED)
		json_ratio(to, r);
	json_values(to, c, &c->rows[row], f);
	putc('}', to);
}

static void json_row(FILE *to, const cairn_comparison *c, size_t row)
{
	const cairn_row *r = &c->rows[row];
	char text[CAIRN_COMPARISON_SENTENCE];
	fputs("{\"name\": ", to);
	json_text(to, r->preload.name);
	json_text_or_null(to, "library", r->preload.path);
	fprintf(to, ", \"good_runs\": %zu, \"differing_runs\": %u", r->results[0].count, r->differing);
	json_ending(to, "differing_", r->differing > 0, r->first_difference);
	for (cairn_figure f = 0; f < CAIRN_FIGURES; f++)
		json_figure(to, c, row, f);
	text[0] = 0;
	if (row)
		cairn_verdict_sentence(c, row, text, sizeof text);
	json_text_or_null(to, "sentence", text);
	cairn_verdict_difference(c, row, text, sizeof text);
	json_text_or_null(to, "difference", text);
	putc('}', to);
}

void cairn_comparison_print_json(const cairn_comparison *c, FILE *to)
{
	fputs("{\"command\": [", to);
	for (size_t i = 0; c->argv[i]; i++) {
		fputs(i ? ", " : "", to);
		json_text(to, c->argv[i]);
	}
	putc(']', to);
	json_text_or_null(to, "executable", c->executable);
	fprintf(to, ", \"rounds\": %u, \"rounds_wanted\": %u, \"warmup\": %u, \"seconds\": %.6f", c->rounds,
		c->rounds_wanted, c->warmup, c->seconds);
	json_ending(to, "", c->has_status, c->status);
	fprintf(to, ", \"alike\": %s, \"stopped_by\": ", cairn_comparison_differs(c) ? "false" : "true");
	fprintf(to, c->stop_signal ? "%d" : "null", c->stop_signal);
	fprintf(to, ", \"interval_level\": 0.95, \"certain_level\": %.6g, \"allocators\": [", 1 - c->certain_error);
	for (size_t i = 0; i < c->row_count; i++) {
		fputs(i ? ", " : "", to);
		json_row(to, c, i);
	}
	fputs("], \"notes\": [", to);
	for (size_t i = 0; i < c->note_count; i++) {
		fputs(i ? ", " : "", to);
		json_text(to, c->notes[i]);
	}
	fputs("]}\n", to);
}
