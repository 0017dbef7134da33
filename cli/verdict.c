/* cli/verdict.c - what a comparison says, in plain English. See comparison.h.
 *
 *   With cairn it certainly takes 7 to 11 % less time and 12 % less memory than with glibc's malloc. The difference in
 *   page faults (-1.2 to +2.0 %) is noise.
 *
 * First what is certain, then what is likely, then what is the same, then what is noise, each with what the 95 %
 * interval allows. Nothing is said of a figure that has no verdict. */
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "comparison.h"

/* A text that grows, and is cut rather than overrun. */
typedef struct verdict_text {
	char *to;
	size_t bytes, used;
} verdict_text;

__attribute__((format(printf, 2, 3))) static void verdict_add(verdict_text *t, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(t->to + t->used, t->bytes - t->used, format, arguments);
	va_end(arguments);
	if (n > 0)
		t->used = (size_t)n < t->bytes - t->used ? t->used + (size_t)n : t->bytes - 1;
}

const char *cairn_verdict_word(cairn_verdict v)
{
	static const char *const words[] = { "unknown", "less", "more", "likely less", "likely more", "same", "noise" };
	_Static_assert(sizeof words / sizeof *words == CAIRN_VERDICTS, "every verdict has a word");
	return words[v];
}

/* "7.2", "12": two digits are as much as anybody reads. */
static void verdict_number(char *text, size_t bytes, double percent, bool has_sign)
{
	double size = percent < 0 ? -percent : percent;
	int digits = size < 0.095 ? 2 : size < 9.95 ? 1 : 0;
	snprintf(text, bytes, has_sign ? "%+.*f" : "%.*f", digits, percent);
}

/* "7 to 11 %", or "12 %" where both ends read the same. */
static void verdict_range(verdict_text *t, double low, double high, bool has_sign)
{
	char from[32], to[32];
	verdict_number(from, sizeof from, low, has_sign);
	verdict_number(to, sizeof to, high, has_sign);
	if (strcmp(from, to))
		verdict_add(t, "%s to %s %%", from, to);
	else
		verdict_add(t, "%s %%", from);
}

static const char *const verdict_name[] = { "wall time", "processor time", "peak memory", "page faults" };
static const char *const verdict_taken[] = { "time", "processor time", "memory", "page faults" };
_Static_assert(sizeof verdict_name / sizeof *verdict_name == CAIRN_FIGURES_JUDGED, "every figure has a name");

/* "7 to 11 % less time" */
static void verdict_difference(verdict_text *t, cairn_figure f, const cairn_result *r)
{
	bool is_less = r->verdict == CAIRN_VERDICT_LESS || r->verdict == CAIRN_VERDICT_LIKELY_LESS;
	const cairn_paired *p = &r->ratio;
	if (is_less)
		verdict_range(t, 100 - 100 * p->high, 100 - 100 * p->low, false);
	else
		verdict_range(t, 100 * p->low - 100, 100 * p->high - 100, false);
	verdict_add(t, " %s %s", !is_less ? "more" : f == CAIRN_FIGURE_MINOR ? "fewer" : "less", verdict_taken[f]);
}

static bool verdict_is(cairn_verdict v, cairn_verdict a, cairn_verdict b) { return v == a || v == b; }

static unsigned verdict_count(const cairn_row *r, cairn_verdict a, cairn_verdict b)
{
	unsigned n = 0;
	for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++)
		n += verdict_is(r->results[f].verdict, a, b);
	return n;
}

/* "A, B and C" of the figures with one of two verdicts. */
static void verdict_list(verdict_text *t, const cairn_row *r, cairn_verdict a, cairn_verdict b)
{
	unsigned left = verdict_count(r, a, b);
	for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++) {
		const cairn_result *result = &r->results[f];
		if (!verdict_is(result->verdict, a, b))
			continue;
		if (a != CAIRN_VERDICT_SAME && a != CAIRN_VERDICT_NOISE)
			verdict_difference(t, f, result);
		else
			verdict_add(t, "%s", verdict_name[f]);
		if (a == CAIRN_VERDICT_NOISE) {
			verdict_add(t, " (");
			verdict_range(t, 100 * result->ratio.low - 100, 100 * result->ratio.high - 100, true);
			verdict_add(t, ")");
		}
		verdict_add(t, "%s", --left > 1 ? ", " : left ? " and " : "");
	}
}

static void verdict_base(const cairn_comparison *c, verdict_text *t)
{
	bool is_libc = !strcmp(c->rows[0].preload.name, "glibc");
	verdict_add(t, "%s%s", c->rows[0].preload.name, is_libc ? "'s malloc" : "");
}

static void verdict_capital(verdict_text *t, size_t at)
{
	if (at < t->used && t->to[at] >= 'a' && t->to[at] <= 'z')
		t->to[at] = (char)(t->to[at] - 'a' + 'A');
}

/* What differs, certainly and likely. */
static void verdict_differing(const cairn_comparison *c, const cairn_row *r, verdict_text *t)
{
	bool is_certain = verdict_count(r, CAIRN_VERDICT_LESS, CAIRN_VERDICT_MORE);
	bool is_likely = verdict_count(r, CAIRN_VERDICT_LIKELY_LESS, CAIRN_VERDICT_LIKELY_MORE);
	verdict_add(t, "With %s it %s takes ", r->preload.name, is_certain ? "certainly" : "likely");
	if (is_certain)
		verdict_list(t, r, CAIRN_VERDICT_LESS, CAIRN_VERDICT_MORE);
	if (is_certain && is_likely)
		verdict_add(t, ", and likely ");
	if (is_likely)
		verdict_list(t, r, CAIRN_VERDICT_LIKELY_LESS, CAIRN_VERDICT_LIKELY_MORE);
	verdict_add(t, "%s than with ", is_certain && is_likely ? "," : "");
	verdict_base(c, t);
	verdict_add(t, ".");
}

/* What does not: the same, and noise. */
static void verdict_rest(const cairn_row *r, verdict_text *t, bool begins)
{
	unsigned same = verdict_count(r, CAIRN_VERDICT_SAME, CAIRN_VERDICT_SAME);
	unsigned noise = verdict_count(r, CAIRN_VERDICT_NOISE, CAIRN_VERDICT_NOISE);
	if (!same && !noise)
		return;
	verdict_add(t, " ");
	size_t start = t->used;
	if (same) {
		verdict_list(t, r, CAIRN_VERDICT_SAME, CAIRN_VERDICT_SAME);
		verdict_add(t, " %s the same within 1 %%", same == 1 && r->results[CAIRN_FIGURE_MINOR].verdict !=
				CAIRN_VERDICT_SAME ? "is" : "are");
	}
	if (noise) {
		verdict_add(t, "%sthe difference%s in ", same ? "; " : "", noise == 1 ? "" : "s");
		verdict_list(t, r, CAIRN_VERDICT_NOISE, CAIRN_VERDICT_NOISE);
		verdict_add(t, noise == 1 ? " is noise" : " are noise");
	}
	verdict_add(t, ".");
	if (begins)
		verdict_capital(t, start);
}

void cairn_verdict_sentence(const cairn_comparison *c, size_t row, char *text, size_t bytes)
{
	const cairn_row *r = &c->rows[row];
	verdict_text t = { text, bytes, 0 };
	text[0] = 0;
	bool differs = verdict_count(r, CAIRN_VERDICT_LESS, CAIRN_VERDICT_MORE) ||
		       verdict_count(r, CAIRN_VERDICT_LIKELY_LESS, CAIRN_VERDICT_LIKELY_MORE);
	if (verdict_count(r, CAIRN_VERDICT_UNKNOWN, CAIRN_VERDICT_UNKNOWN) == CAIRN_FIGURES_JUDGED) {
		if (r->results[CAIRN_FIGURE_WALL].count)
			verdict_add(&t, "With %s nothing is certain: %zu good runs are too few, 6 are needed (-n).",
				    r->preload.name, r->results[CAIRN_FIGURE_WALL].count);
		return;
	}
	if (differs) {
		verdict_differing(c, r, &t);
	} else {
		verdict_add(&t, "Between %s and ", r->preload.name);
		verdict_base(c, &t);
		verdict_add(&t, " no difference is certain:");
	}
	verdict_rest(r, &t, differs);
}

void cairn_verdict_ending(int wait_status, char *text, size_t bytes)
{
	if (WIFSIGNALED(wait_status))
		snprintf(text, bytes, "was killed by signal %d (%s)", WTERMSIG(wait_status),
			 strsignal(WTERMSIG(wait_status)));
	else
		snprintf(text, bytes, "exited with %d", WEXITSTATUS(wait_status));
}

static void verdict_words(verdict_text *t, const char *words)
{
	if (*words)
		verdict_add(t, ", saying \"%s\"", words);
	verdict_add(t, ".");
}

void cairn_verdict_difference(const cairn_comparison *c, size_t row, char *text, size_t bytes)
{
	const cairn_row *r = &c->rows[row];
	verdict_text t = { text, bytes, 0 };
	char other[80], base[80];
	text[0] = 0;
	if (!r->differing)
		return;
	cairn_verdict_ending(r->first_difference, other, sizeof other);
	cairn_verdict_ending(c->status, base, sizeof base);
	verdict_add(&t, "With %s the program first %s. ", c->rows[0].preload.name, base);
	verdict_add(&t, "With %s %u of %u runs ended differently and are left out: in ",
		    row ? r->preload.name : "the same", r->differing, r->runs);
	if (r->first_round)
		verdict_add(&t, "round %u", r->first_round);
	else
		verdict_add(&t, "the warm-up");
	verdict_add(&t, " it %s", other);
	verdict_words(&t, r->words);
}

void cairn_verdict_failure(const cairn_comparison *c, char *text, size_t bytes)
{
	verdict_text t = { text, bytes, 0 };
	char ending[80];
	text[0] = 0;
	if (!c->has_status || !c->status || cairn_comparison_differs(c))
		return;
	cairn_verdict_ending(c->status, ending, sizeof ending);
	verdict_add(&t, "The program %s in every run", ending);
	verdict_words(&t, c->words);
}
