/* cli/comparison.c - a program's figures on several allocators, and what they say. See comparison.h.
 *
 * A verdict that says "certain" must not be one of twenty that chance makes at 95 %. So it is given at the level of
 * 1 - 0.05 / v for v verdicts in the comparison (Bonferroni), and what only the 95 % interval shows is called likely.
 *
 * Pairs are runs of the same round. A round where either run was not good is left out for that pair only.
 *
 * Invariants, checked by cairn_comparison_validate():
 *   (C1) low <= ratio <= high, and lowest <= median <= highest.
 *   (C2) less and likely less have their interval below 1, more and likely more above.
 *   (C3) A row has as many good runs as its results count, and at most as many as rounds.
 *
 * Failure: false. */
#include "comparison.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COMPARISON_ERROR 0.05 /* of a 95 % interval */
#define COMPARISON_SAME  0.01 /* this near to 1 is the same */

bool cairn_comparison_add(cairn_comparison *c, const cairn_preload *preload)
{
	if (c->row_count == CAIRN_COMPARISON_ROWS)
		return false;
	cairn_row *r = &c->rows[c->row_count];
	memset(r, 0, sizeof *r);
	r->preload = *preload;
	r->samples = calloc(CAIRN_COMPARISON_ROUNDS, sizeof *r->samples);
	r->is_good = calloc(CAIRN_COMPARISON_ROUNDS, sizeof *r->is_good);
	if (!r->samples || !r->is_good)
		return false;
	c->row_count++;
	return true;
}

void cairn_comparison_note(cairn_comparison *c, const char *format, ...)
{
	va_list arguments;
	if (c->note_count == CAIRN_COMPARISON_NOTES)
		return;
	va_start(arguments, format);
	vsnprintf(c->notes[c->note_count++], sizeof *c->notes, format, arguments);
	va_end(arguments);
}

/* The bit that says whether a core was dumped is no difference. */
static bool comparison_is_same_end(int a, int b) { return (a & ~0x80) == (b & ~0x80); }

void cairn_comparison_record(cairn_comparison *c, size_t row, unsigned round, const cairn_sample *s, const char *words)
{
	cairn_row *r = &c->rows[row];
	if (!s->is_whole)
		return;
	if (!c->has_status && row == 0) {
		c->has_status = true;
		c->status = s->wait_status;
		snprintf(c->words, sizeof c->words, "%s", s->wait_status ? words : "");
	}
	bool is_same = c->has_status && comparison_is_same_end(s->wait_status, c->status);
	r->runs++;
	if (!is_same && !r->differing++) {
		r->first_difference = s->wait_status;
		r->first_round = round;
		snprintf(r->words, sizeof r->words, "%s", words);
	}
	if (round && round <= CAIRN_COMPARISON_ROUNDS) {
		r->samples[round - 1] = *s;
		r->is_good[round - 1] = is_same;
	}
}

bool cairn_comparison_differs(const cairn_comparison *c)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (c->rows[i].differing)
			return true;
	return false;
}

/* What cairn_paired_rank says, remembered: most rows have as many pairs as the one before. */
typedef struct comparison_ranks {
	size_t n, plain, certain;
	double certain_error;
} comparison_ranks;

static void comparison_rank(comparison_ranks *k, size_t n)
{
	if (k->n == n)
		return;
	k->n = n;
	k->plain = cairn_paired_rank(n, COMPARISON_ERROR);
	k->certain = cairn_paired_rank(n, k->certain_error);
}

static cairn_verdict comparison_verdict(const cairn_paired *plain, const cairn_paired *certain)
{
	if (certain->has_interval && certain->high < 1)
		return CAIRN_VERDICT_LESS;
	if (certain->has_interval && certain->low > 1)
		return CAIRN_VERDICT_MORE;
	if (!plain->has_interval)
		return CAIRN_VERDICT_UNKNOWN;
	if (plain->low >= 1 - COMPARISON_SAME && plain->high <= 1 + COMPARISON_SAME)
		return CAIRN_VERDICT_SAME;
	if (plain->high < 1)
		return CAIRN_VERDICT_LIKELY_LESS;
	return plain->low > 1 ? CAIRN_VERDICT_LIKELY_MORE : CAIRN_VERDICT_NOISE;
}

static void comparison_describe(const cairn_comparison *c, const cairn_row *r, cairn_figure f, cairn_result *result)
{
	double figures[CAIRN_COMPARISON_ROUNDS];
	size_t n = 0;
	for (unsigned i = 0; i < c->rounds; i++)
		if (r->is_good[i])
			figures[n++] = r->samples[i].figures[f];
	*result = (cairn_result){ .count = n };
	if (!n)
		return;
	result->median = cairn_paired_median(figures, n);
	result->spread = cairn_paired_spread(figures, n);
	result->lowest = result->highest = figures[0];
	for (size_t i = 1; i < n; i++) {
		result->lowest = figures[i] < result->lowest ? figures[i] : result->lowest;
		result->highest = figures[i] > result->highest ? figures[i] : result->highest;
	}
}

static void comparison_relate(const cairn_comparison *c, const cairn_row *r, cairn_figure f, cairn_result *result,
			      comparison_ranks *ranks)
{
	double figures[CAIRN_COMPARISON_ROUNDS], base[CAIRN_COMPARISON_ROUNDS];
	cairn_paired certain;
	size_t n = 0;
	for (unsigned i = 0; i < c->rounds; i++) {
		if (!r->is_good[i] || !c->rows[0].is_good[i])
			continue;
		base[n] = c->rows[0].samples[i].figures[f];
		figures[n++] = r->samples[i].figures[f];
	}
	comparison_rank(ranks, n);
	result->has_ratio = cairn_paired_ratio(&result->ratio, figures, base, n, ranks->plain) &&
			    cairn_paired_ratio(&certain, figures, base, n, ranks->certain);
	if (result->has_ratio)
		result->verdict = comparison_verdict(&result->ratio, &certain);
}

void cairn_comparison_judge(cairn_comparison *c)
{
	size_t verdicts = (c->row_count - 1) * CAIRN_FIGURES_JUDGED;
	c->certain_error = COMPARISON_ERROR / (double)(verdicts ? verdicts : 1);
	comparison_ranks ranks = { .certain_error = c->certain_error };
	for (size_t i = 0; i < c->row_count; i++) {
		for (cairn_figure f = 0; f < CAIRN_FIGURES; f++) {
			comparison_describe(c, &c->rows[i], f, &c->rows[i].results[f]);
			if (i && f < CAIRN_FIGURES_JUDGED)
				comparison_relate(c, &c->rows[i], f, &c->rows[i].results[f], &ranks);
		}
	}
}

static bool comparison_result_is_valid(const cairn_result *r)
{
	const cairn_paired *p = &r->ratio;
	bool is_less = r->verdict == CAIRN_VERDICT_LESS || r->verdict == CAIRN_VERDICT_LIKELY_LESS;
	bool is_more = r->verdict == CAIRN_VERDICT_MORE || r->verdict == CAIRN_VERDICT_LIKELY_MORE;
	if (r->count && !(r->lowest <= r->median && r->median <= r->highest))
		return false; /* (C1) */
	if (!r->has_ratio)
		return r->verdict == CAIRN_VERDICT_UNKNOWN;
	if (p->has_interval && !(p->low <= p->ratio && p->ratio <= p->high))
		return false; /* (C1) */
	return !(is_less && !(p->high < 1)) && !(is_more && !(p->low > 1)); /* (C2) */
}

bool cairn_comparison_validate(const cairn_comparison *c)
{
	for (size_t i = 0; i < c->row_count; i++) {
		const cairn_row *r = &c->rows[i];
		size_t good = 0;
		for (unsigned k = 0; k < c->rounds; k++)
			good += r->is_good[k];
		for (cairn_figure f = 0; f < CAIRN_FIGURES; f++)
			if (r->results[f].count != good || !comparison_result_is_valid(&r->results[f])) /* (C3) */
				return false;
	}
	return true;
}
