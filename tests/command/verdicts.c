/* What compare concludes from figures: against values from printed tables and from hand calculation, and against many
 * thousand comparisons whose truth is known. Built with AddressSanitizer and UndefinedBehaviorSanitizer by the script
 * `verdicts`. */
#include "../../cli/comparison.c"
#include "../../cli/comparison_json.c"
#include "../../cli/comparison_text.c"
#include "../../cli/paired.c"
#include "../../cli/verdict.c"

#include "support/test.h"

static uint64_t seed = 20240607; /* fixed: these tests say the same each time */

static bool near(double a, double b) { return a > b * (1 - 1e-12) && a < b * (1 + 1e-12); }

static double uniform(void) { return ((double)(test_random(&seed) >> 11) + 0.5) / 9007199254740992.0; }

/* ---- paired.c ---- */

/* Critical values T of Wilcoxon's signed rank test, two-sided, as printed in tables (Wilcoxon and Wilcox, 1964): the
 * interval begins at the average after it. */
static void the_rank_agrees_with_printed_tables(void)
{
	static const struct {
		size_t n, at_5, at_1; /* per cent */
	} table[] = {
		{ 6, 0, 99 },   { 7, 2, 99 },   { 8, 3, 0 },    { 9, 5, 1 },    { 10, 8, 3 },   { 11, 10, 5 },
		{ 12, 13, 7 },  { 13, 17, 9 },  { 14, 21, 12 }, { 15, 25, 15 }, { 16, 29, 19 }, { 17, 34, 23 },
		{ 18, 40, 27 }, { 19, 46, 32 }, { 20, 52, 37 }, { 25, 89, 68 }, { 30, 137, 109 },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		EXPECT_EQ(cairn_paired_rank(table[i].n, 0.05), table[i].at_5 + 1);
		EXPECT_EQ(cairn_paired_rank(table[i].n, 0.01), table[i].at_1 == 99 ? 0 : table[i].at_1 + 1);
	}
	for (size_t n = 0; n < 6; n++)
		EXPECT_EQ(cairn_paired_rank(n, 0.05), 0);
}

/* For many pairs T is nearly normal: c = n (n + 1) / 4 - 1.96 sqrt(n (n + 1) (2 n + 1) / 24). */
static void the_rank_of_many_pairs_is_near_the_normal_one(void)
{
	EXPECT(cairn_paired_rank(100, 0.05) >= 1955 && cairn_paired_rank(100, 0.05) <= 1957); /* 2525 - 1.96 * 290.8 */
	size_t c = cairn_paired_rank(1000, 0.05);
	EXPECT(c >= 232300 && c <= 232500); /* 250250 - 1.96 * 9135 */
}

/* d = 0 1 2 3 4 10, so the sums of pairs are 0 1 2 2 3 3 4 4 4 5 5 6 6 7 8 10 11 12 13 14 20: the middle one is 5. */
static void a_ratio_and_its_interval_are_as_calculated_by_hand(void)
{
	const double figures[] = { 8, 1, 1024, 2, 16, 4 }, base[] = { 1, 1, 1, 1, 1, 1 };
	cairn_paired p;
	EXPECT(cairn_paired_ratio(&p, figures, base, 6, cairn_paired_rank(6, 0.05)));
	EXPECT(near(p.ratio, 5.656854249492381)); /* 2^2.5 */
	EXPECT(p.has_interval && near(p.low, 1) && near(p.high, 1024));
	/* d = 0 ... 6: the third lowest sum is 2, the third highest 10, the middle one 6 */
	const double seven[] = { 7, 14, 28, 56, 112, 224, 448 }, sevens[] = { 7, 7, 7, 7, 7, 7, 7 };
	EXPECT(cairn_paired_ratio(&p, seven, sevens, 7, cairn_paired_rank(7, 0.05)));
	EXPECT(near(p.ratio, 8) && p.has_interval && near(p.low, 2) && near(p.high, 32));
	/* an even number of sums: d = 0 1 3 has 0 1 2 3 4 6, the middle is between 2 and 3 */
	const double three[] = { 1, 2, 8 };
	EXPECT(cairn_paired_ratio(&p, three, base, 3, cairn_paired_rank(3, 0.05)));
	EXPECT(near(p.ratio, 2.378414230005442) && !p.has_interval); /* 2^1.25 */
}

static void what_slows_both_runs_of_a_round_is_not_in_the_ratio(void)
{
	double figures[10], base[10];
	cairn_paired p;
	for (size_t i = 0; i < 10; i++) {
		base[i] = (double)(1 + i * i); /* rounds take 1 to 82 */
		figures[i] = 0.5 * base[i];
	}
	EXPECT(cairn_paired_ratio(&p, figures, base, 10, 9));
	EXPECT(near(p.low, 0.5) && near(p.ratio, 0.5) && near(p.high, 0.5));
}

static void exchanging_the_sides_inverts_the_ratio(void)
{
	double a[17], b[17];
	cairn_paired p, q;
	for (int round = 0; round < 1000; round++) {
		size_t n = 6 + (size_t)(uniform() * 12);
		for (size_t i = 0; i < n; i++) {
			a[i] = uniform() + 0.01;
			b[i] = uniform() + 0.01;
		}
		size_t c = cairn_paired_rank(n, 0.05);
		EXPECT(cairn_paired_ratio(&p, a, b, n, c) && cairn_paired_ratio(&q, b, a, n, c));
		EXPECT(near(p.ratio, 1 / q.ratio) && near(p.low, 1 / q.high) && near(p.high, 1 / q.low)); /* S2 */
		EXPECT(p.low <= p.ratio && p.ratio <= p.high);                                            /* S1 */
	}
}

static void what_is_not_above_zero_has_no_ratio(void)
{
	const double good[] = { 1, 2, 3 }, bad[] = { 1, 0, 3 };
	cairn_paired p;
	EXPECT(!cairn_paired_ratio(&p, good, bad, 3, 0) && !p.has_interval);
	EXPECT(!cairn_paired_ratio(&p, bad, good, 3, 0));
	EXPECT(!cairn_paired_ratio(&p, good, good, 0, 0));
	EXPECT(!cairn_paired_ratio(&p, good, good, CAIRN_PAIRED_MAX + 1, 0));
}

static void median_and_spread_are_as_calculated_by_hand(void)
{
	const double odd[] = { 100, 1, 4, 3, 2 }, even[] = { 4, 1, 3, 10 };
	EXPECT(near(cairn_paired_median(odd, 5), 3) && near(cairn_paired_spread(odd, 5), 1)); /* 0 1 1 2 97 */
	EXPECT(near(cairn_paired_median(even, 4), 3.5));
	EXPECT(near(cairn_paired_spread(even, 4), 1.5)); /* 0.5 0.5 2.5 6.5 */
	EXPECT(near(cairn_paired_median(odd, 1), 100) && cairn_paired_spread(odd, 1) == 0);
	EXPECT(!(cairn_paired_median(odd, 0) == cairn_paired_median(odd, 0))); /* NAN */
}

/* ---- comparison.c ---- */

static cairn_comparison comparison;
static char *arguments[] = { "program", "with \"quotes\"", NULL };

/* A fresh comparison of so many rows, and rounds without figures. */
static void begin(size_t rows, unsigned rounds)
{
	static const char *const names[] = { "glibc", "cairn", "third" };
	for (size_t i = 0; i < comparison.row_count; i++) {
		free(comparison.rows[i].samples);
		free(comparison.rows[i].is_good);
	}
	memset(&comparison, 0, sizeof comparison);
	comparison.argv = arguments;
	comparison.rounds = comparison.rounds_wanted = rounds;
	for (size_t i = 0; i < rows; i++) {
		cairn_preload preload = { .path = "" };
		snprintf(preload.name, sizeof preload.name, "%s", names[i]);
		EXPECT(cairn_comparison_add(&comparison, &preload));
	}
}

static cairn_sample sample(double wall, double cpu, double peak, double faults)
{
	cairn_sample s = { .is_whole = true };
	s.figures[CAIRN_FIGURE_WALL] = wall;
	s.figures[CAIRN_FIGURE_CPU] = cpu;
	s.figures[CAIRN_FIGURE_PEAK] = peak;
	s.figures[CAIRN_FIGURE_MINOR] = faults;
	return s;
}

static void record(size_t row, unsigned round, cairn_sample s)
{
	cairn_comparison_record(&comparison, row, round, &s, "words");
}

static const cairn_result *result(size_t row, cairn_figure f) { return &comparison.rows[row].results[f]; }

static const char *sentence(size_t row)
{
	static char text[CAIRN_COMPARISON_SENTENCE];
	cairn_verdict_sentence(&comparison, row, text, sizeof text);
	return text;
}

/* Wall: 10 % less with a little noise. Processor time: noise. Memory: always the same ratio. Faults: equal. */
static void fill(unsigned rounds)
{
	for (unsigned i = 1; i <= rounds; i++) {
		double sway = i % 2 ? 1.05 : 0.95;
		record(0, i, sample(10, 10 * sway, 1000, 500));
		record(1, i, sample(9 + 0.01 * i, 10 / sway, 1120, 500));
	}
	cairn_comparison_judge(&comparison);
	EXPECT(cairn_comparison_validate(&comparison));
}

static void the_sentence_says_what_is_certain_and_what_is_noise(void)
{
	begin(2, 10);
	fill(10);
	EXPECT_EQ(result(1, CAIRN_FIGURE_WALL)->verdict, CAIRN_VERDICT_LESS);
	EXPECT_EQ(result(1, CAIRN_FIGURE_CPU)->verdict, CAIRN_VERDICT_NOISE);
	EXPECT_EQ(result(1, CAIRN_FIGURE_PEAK)->verdict, CAIRN_VERDICT_MORE);
	EXPECT_EQ(result(1, CAIRN_FIGURE_MINOR)->verdict, CAIRN_VERDICT_SAME);
	NOTE("%s", sentence(1));
	EXPECT(!strcmp(sentence(1), "With cairn it certainly takes 9.2 to 9.7 % less time and 12 % more memory than "
				    "with glibc's malloc. Page faults are the same within 1 %; the difference in "
				    "processor time (-9.3 to +11 %) is noise."));
}

static void with_six_rounds_nothing_is_more_than_likely(void)
{
	begin(2, 6);
	fill(6);
	EXPECT_EQ(result(1, CAIRN_FIGURE_WALL)->verdict, CAIRN_VERDICT_LIKELY_LESS);
	EXPECT_EQ(result(1, CAIRN_FIGURE_PEAK)->verdict, CAIRN_VERDICT_LIKELY_MORE);
	EXPECT(strstr(sentence(1), "likely takes") && !strstr(sentence(1), "certain"));
}

static void with_five_rounds_nothing_is_said(void)
{
	begin(2, 5);
	fill(5);
	for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++)
		EXPECT_EQ(result(1, f)->verdict, CAIRN_VERDICT_UNKNOWN);
	EXPECT(!strcmp(sentence(1), "With cairn nothing is certain: 5 good runs are too few, 6 are needed (-n)."));
}

static void without_a_difference_no_sentence_claims_one(void)
{
	begin(2, 10);
	for (unsigned i = 1; i <= 10; i++) {
		double sway = i % 2 ? 1.05 : 0.95;
		record(0, i, sample(10 * sway, 10, 1000, 500));
		record(1, i, sample(10 / sway, 10 + 0.01 * (i % 3 - 1.0), 1000, 500));
	}
	cairn_comparison_judge(&comparison);
	NOTE("%s", sentence(1));
	EXPECT(!strcmp(sentence(1), "Between cairn and glibc's malloc no difference is certain: processor time, peak "
				    "memory and page faults are the same within 1 %; the difference in wall time (-9.3 "
				    "to +11 %) is noise."));
}

static void runs_that_end_differently_are_left_out_and_told(void)
{
	char text[CAIRN_COMPARISON_SENTENCE];
	begin(2, 10);
	fill(10);
	cairn_sample crash = sample(0.001, 0.001, 1, 1);
	crash.wait_status = 11;
	record(1, 3, crash);
	cairn_comparison_judge(&comparison);
	EXPECT(cairn_comparison_validate(&comparison));
	EXPECT(cairn_comparison_differs(&comparison));
	EXPECT_EQ(result(1, CAIRN_FIGURE_WALL)->count, 9);
	EXPECT(result(1, CAIRN_FIGURE_WALL)->lowest > 9);
	cairn_verdict_difference(&comparison, 1, text, sizeof text);
	EXPECT(!strcmp(text, "With glibc the program first exited with 0. With cairn 1 of 11 runs ended differently "
			     "and are left out: in round 3 it was killed by signal 11 (Segmentation fault), saying "
			     "\"words\"."));
	cairn_verdict_failure(&comparison, text, sizeof text);
	EXPECT(!*text);
}

static void a_program_that_always_fails_is_compared_and_told(void)
{
	char text[CAIRN_COMPARISON_SENTENCE];
	begin(2, 10);
	for (unsigned i = 1; i <= 10; i++)
		for (size_t row = 0; row < 2; row++) {
			cairn_sample s = sample(1 + 0.1 * (double)row, 1, 1, 1);
			s.wait_status = 3 << 8;
			record(row, i, s);
		}
	cairn_comparison_judge(&comparison);
	EXPECT(!cairn_comparison_differs(&comparison));
	EXPECT_EQ(result(1, CAIRN_FIGURE_WALL)->verdict, CAIRN_VERDICT_MORE);
	cairn_verdict_failure(&comparison, text, sizeof text);
	EXPECT(!strcmp(text, "The program exited with 3 in every run, saying \"words\"."));
}

static void a_core_dump_is_no_difference(void)
{
	begin(2, 1);
	cairn_sample s = sample(1, 1, 1, 1);
	s.wait_status = 6;
	record(0, 1, s);
	s.wait_status = 6 | 0x80;
	record(1, 1, s);
	EXPECT(!cairn_comparison_differs(&comparison));
}

static void the_validator_sees_what_is_wrong(void)
{
	begin(2, 10);
	fill(10);
	cairn_row *r = &comparison.rows[1];
	r->results[CAIRN_FIGURE_WALL].verdict = CAIRN_VERDICT_MORE;
	EXPECT(!cairn_comparison_validate(&comparison)); /* C2 */
	r->results[CAIRN_FIGURE_WALL].verdict = CAIRN_VERDICT_LESS;
	EXPECT(cairn_comparison_validate(&comparison));
	r->results[CAIRN_FIGURE_WALL].ratio.low = 2;
	EXPECT(!cairn_comparison_validate(&comparison)); /* C1 */
	cairn_comparison_judge(&comparison);
	r->is_good[4] = false;
	EXPECT(!cairn_comparison_validate(&comparison)); /* C3 */
}

/* ---- Many comparisons whose truth is known ---- */

/* Noise as machines make it: mostly little, now and then a lot, and a drift that both runs of a round share. */
static double noisy(double truth, double drift)
{
	double noise = uniform() + uniform() + uniform() - 1.5;
	if (uniform() < 0.1)
		noise += 3 * uniform();
	return truth * (1 + 0.05 * noise) * drift;
}

enum { EXPERIMENTS = 4000 };

/* Of so many comparisons, how many have a figure with one of two verdicts; true ratio as given. */
static unsigned experiments(unsigned rounds, double truth, cairn_verdict a, cairn_verdict b, unsigned *covered)
{
	unsigned found = 0;
	*covered = 0;
	for (unsigned k = 0; k < EXPERIMENTS; k++) {
		begin(2, rounds);
		for (unsigned i = 1; i <= rounds; i++) {
			double d = 1 + uniform();
			record(0, i, sample(noisy(1, d), noisy(1, d), noisy(1, d), noisy(1, d)));
			record(1, i, sample(noisy(truth, d), noisy(truth, d), noisy(truth, d), noisy(truth, d)));
		}
		cairn_comparison_judge(&comparison);
		bool is_found = false;
		for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++) {
			const cairn_result *r = result(1, f);
			is_found |= r->verdict == a || r->verdict == b;
			*covered += r->ratio.low <= truth && truth <= r->ratio.high;
		}
		found += is_found;
	}
	return found;
}

static void nothing_is_certain_between_equals_but_once_in_twenty(void)
{
	unsigned covered, found = experiments(10, 1, CAIRN_VERDICT_LESS, CAIRN_VERDICT_MORE, &covered);
	NOTE("certain: %u of %d; the interval holds the truth: %u of %d", found, EXPERIMENTS, covered, 4 * EXPERIMENTS);
	EXPECT(found <= EXPERIMENTS / 20);
	EXPECT(found > 0);
	EXPECT(covered > 0.945 * 4 * EXPERIMENTS && covered < 0.965 * 4 * EXPERIMENTS); /* 0.951 exactly */
}

static void an_interval_holds_the_true_ratio_in_95_of_100(void)
{
	unsigned covered, found = experiments(12, 0.9, CAIRN_VERDICT_MORE, CAIRN_VERDICT_LIKELY_MORE, &covered);
	NOTE("wrong: %u of %d; the interval holds the truth: %u of %d", found, EXPERIMENTS, covered, 4 * EXPERIMENTS);
	EXPECT(covered > 0.94 * 4 * EXPERIMENTS && covered < 0.97 * 4 * EXPERIMENTS);
	EXPECT(found < EXPERIMENTS / 100);
}

static void ten_per_cent_are_found_in_noise_of_three(void)
{
	unsigned covered, found = experiments(20, 0.9, CAIRN_VERDICT_LESS, CAIRN_VERDICT_LESS, &covered);
	NOTE("found: %u of %d", found, EXPERIMENTS);
	EXPECT(found > 0.99 * EXPERIMENTS);
}

/* ---- How it looks ---- */

static void lines_have_at_most_80_columns_whatever_the_names(void)
{
	char *text = NULL;
	size_t bytes, column = 0;
	begin(3, 10);
	comparison.argv = (char *[]){ "ein Prögramm mit einem sehr langen Namen, der nicht endet\n\033[31m",
				      "und Argumenten, die es ebenso wenig tun, so viel man auch davon liest", NULL };
	for (size_t i = 0; i < 3; i++)
		memset(comparison.rows[i].preload.name, 'x', CAIRN_PRELOAD_NAME - 1);
	for (unsigned i = 1; i <= 10; i++)
		for (size_t row = 0; row < 3; row++)
			record(row, i, sample(1e-7 + 99999.0 * row, 1 + 123456.0 * row, 1e13, 1 + 1e9 * row));
	cairn_comparison_judge(&comparison);
	for (int i = 0; i < 3; i++)
		cairn_comparison_note(&comparison, "%s",
				      "a note that is longer than one line of eighty columns, with a word of many-many-"
				      "many-many-many-many-many-many-many-many-many-many-many-many-many-many-letters");
	FILE *to = open_memstream(&text, &bytes);
	cairn_comparison_print(&comparison, to, false);
	fclose(to);
	for (const char *s = text; *s; s++) {
		column = *s == '\n' ? 0 : column + ((*s & 0xc0) != 0x80);
		EXPECT(column <= 80); /* X1 */
		EXPECT(*s == '\n' || (unsigned char)*s >= ' ');
	}
	EXPECT(bytes > 1000);
	free(text);
	comparison.argv = arguments;
}

static void json_holds_any_bytes(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);
	json_text(to, "\"\\\n\xc3\xa4\xff\xed\xa0\x80\xe2\x82");
	fclose(to);
	EXPECT(!strcmp(text, "\"\\\"\\\\\\u000a\xc3\xa4\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\""));
	free(text);
}

int main(void)
{
	RUN(the_rank_agrees_with_printed_tables);
	RUN(the_rank_of_many_pairs_is_near_the_normal_one);
	RUN(a_ratio_and_its_interval_are_as_calculated_by_hand);
	RUN(what_slows_both_runs_of_a_round_is_not_in_the_ratio);
	RUN(exchanging_the_sides_inverts_the_ratio);
	RUN(what_is_not_above_zero_has_no_ratio);
	RUN(median_and_spread_are_as_calculated_by_hand);
	RUN(the_sentence_says_what_is_certain_and_what_is_noise);
	RUN(with_six_rounds_nothing_is_more_than_likely);
	RUN(with_five_rounds_nothing_is_said);
	RUN(without_a_difference_no_sentence_claims_one);
	RUN(runs_that_end_differently_are_left_out_and_told);
	RUN(a_program_that_always_fails_is_compared_and_told);
	RUN(a_core_dump_is_no_difference);
	RUN(the_validator_sees_what_is_wrong);
	RUN(nothing_is_certain_between_equals_but_once_in_twenty);
	RUN(an_interval_holds_the_true_ratio_in_95_of_100);
	RUN(ten_per_cent_are_found_in_noise_of_three);
	RUN(lines_have_at_most_80_columns_whatever_the_names);
	RUN(json_holds_any_bytes);
	begin(0, 0);
	DONE();
}
