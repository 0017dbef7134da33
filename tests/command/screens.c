/* What `cairn top` draws and how it judges growth: series whose truth is known, and screens made by hand. Built with
 * AddressSanitizer and UndefinedBehaviorSanitizer by the script `screens`. */
#include "../../cli/figure.c"
#include "../../cli/growth.c"
#include "../../cli/screen.c"
#include "../../cli/top_list.c"
#include "../../cli/top_state.c"
#include "../../cli/top_views.c"

#include <errno.h>
#include <locale.h>
#include <math.h>

#include "support/test.h"

#define MIB 1048576.0
#define KIB 1024.0


/* clang-format off */
#define LEAK_HEAD \
	" cairn top ─ server 31245 ─ sleeps ─ up 1 min 41 s ─ 2 threads ────── every 1 s\n" \
	" RSS     111 MiB            ▁▂▂▃▄▄▅▅▆▇▇█   +1.00 MiB/s  43.4 % full: cgroup me…\n" \
	" rate     1024/s             ███████████    1.00 MiB/s  0 % of a processor\n" \
	" grows by 1.00 MiB/s, mostly blocks of 1 KiB; 2 min 25 s to cgroup memory.max\n"
#define LEAK_FOOT \
	" q quit  tab view  s sort  r reverse  p pause  P purge  + - interval  h help\n"
#define LEAK_ACCOUNT LEAK_HEAD \
	"─[1 account]─ 2 classes ─ 3 threads ─ 4 limits ─────── 400 ms old, took 3.1 ms ─\n" \
	"▸ live objects                      71.0 MiB   ± 1.00 MiB  64.0 %  ███████▋\n" \
	"  program                           36.0 MiB               32.4 %  ███▉\n" \
	"  unexplained                       4.00 MiB                3.6 %  ▍\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	LEAK_FOOT
#define LEAK_CLASSES LEAK_HEAD \
	"─ 1 account ─[2 classes]─ 3 threads ─ 4 limits ─────── 400 ms old, took 3.1 ms ─\n" \
	"  blocks of      ↓live        growth    blocks      holes  in caches\n" \
	"▸     1 KiB   71.0 MiB   +1.00 MiB/s    72.7 k        0 B        0 B  █████▊\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	LEAK_FOOT
#define LEAK_THREADS LEAK_HEAD \
	"─ 1 account ─ 2 classes ─[3 threads]─ 4 limits ─────────────────────────────────\n" \
	"   thread  name              ↓allocs  processor  in caches      stack\n" \
	"▸   31246  worker             1000/s     50.0 %        0 B        0 B  runs\n" \
	"    31245  server                1/s        0 %        0 B        0 B  sleeps\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	LEAK_FOOT
#define LEAK_LIMITS LEAK_HEAD \
	"─ 1 account ─ 2 classes ─ 3 threads ─[4 limits]─────── 400 ms old, took 3.1 ms ─\n" \
	"  limit                       used      full in        growth      limit\n" \
	"▸ cgroup memory.max         43.4 %   2 min 25 s   +1.00 MiB/s    256 MiB  ██▏\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	"\n" \
	LEAK_FOOT
#define LEAK_SMALL \
	" cairn top ─ server 31245 ─────── ended\n" \
	" RSS     111 MiB           ▁▂▂▃▄▄▅▅▆▇▇█\n" \
	" rate        0/s            ███████████\n" \
	" ended at 12:03:04: exit status 3\n" \
	"─[1 account]─ 2 ─ 3 ─ 4 ────────────────\n" \
	"▸ live objects      71.0 MiB  64.0 %  ▋\n" \
	"  program           36.0 MiB  32.4 %  ▍\n" \
	"  unexplained       4.00 MiB   3.6 %  ▏\n" \
	"\n" \
	" q quit  tab view  s sort  r reverse\n"
/* clang-format on */

static uint64_t seed = 20260607; /* fixed: these tests say the same each time */

static unsigned below(unsigned n) { return (unsigned)(test_random(&seed) % n); }
static double uniform(void) { return ((double)(test_random(&seed) >> 11) + 0.5) / 9007199254740992.0; }

/* ---- growth.c ---- */

typedef double (*series)(double t, double parameter);

static double line(double t, double rate) { return rate * t; }
static double steps(double t, double phase) { return MIB * floor(t + phase); }
static double slow_steps(double t, double phase) { return 5 * MIB * floor(t / 5 + phase); }
static double bursts(double t, double phase) { return MIB * (floor(t + phase) + fmin(1, fmod(t + phase, 1) * 3)); }
static double jump(double t, double at) { return t > at ? 64 * MIB : 0; }
static double jump_and_line(double t, double at) { return jump(t, at) + MIB * t; }
static double line_that_ends(double t, double end) { return MIB * fmin(t, end); }
static double late_line(double t, double start) { return MIB * fmax(0, t - start); }
static double sawtooth(double t, double rate) { return 8 * MIB * fmod(t, 1.7) + rate * t; }

static cairn_growth_rate rate_of(series f, double parameter, double seconds, double interval)
{
	static cairn_growth g;
	cairn_growth_init(&g);
	for (double t = 0; t <= seconds + 1e-9; t += interval) {
		double value = floor((200 * MIB + f(t, parameter)) / 4096) * 4096;
		cairn_growth_add(&g, (uint64_t)((100 + t) * 1e9), (uint64_t)value);
	}
	return cairn_growth_rate_of(&g, 0);
}

static bool within(double x, double truth, double part) { return fabs(x - truth) <= part * fabs(truth); }

static void an_even_growth_is_its_slope(void)
{
	for (double rate = 128 * KIB; rate < 1e12; rate *= 3)
		for (double seconds = 1; seconds < 61; seconds *= 2) {
			cairn_growth_rate r = rate_of(line, rate, seconds, seconds > 4 ? 1 : 0.05);
			EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, rate, 0.1));
			r = rate_of(line, -MIB, seconds, seconds > 4 ? 1 : 0.05);
			EXPECT(r.kind == CAIRN_GROWTH_FALLING && within(r.bytes_per_s, -MIB, 0.1));
		}
}

static void steps_are_told_within_a_quarter_whatever_their_phase(void)
{
	unsigned told = 0;
	for (double phase = 0; phase < 1; phase += 0.01) {
		cairn_growth_rate r = rate_of(steps, phase, 3, 0.05);
		EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.06));
		r = rate_of(steps, phase, 2.2, 0.05);
		EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.06));
		r = rate_of(steps, phase, 1, 0.05);
		EXPECT(r.kind == CAIRN_GROWTH_ONCE && r.wants_more && r.step_bytes == (int64_t)MIB);
		for (double seconds = 8; seconds < 61; seconds += 7) { /* looked at as often as it steps, or nearly */
			r = rate_of(steps, phase, seconds, 1);
			EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.25));
			r = rate_of(steps, phase, seconds, 0.93);
			EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.25));
			told++;
		}
		r = rate_of(slow_steps, phase, 60, 1);
		EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.1));
		r = rate_of(bursts, phase, 20, 0.1);
		EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.25));
	}
	EXPECT(told > 700);
}

static void steps_at_random_moments_are_told_on_average(void)
{
	double sum = 0;
	unsigned far = 0;
	for (int round = 0; round < 200; round++) {
		static cairn_growth g;
		double value = 0, next = 0;
		cairn_growth_init(&g);
		for (double t = 0; t < 60; t += 0.5) {
			for (; next < t; next -= log(uniform()))
				value += 2 * MIB * uniform();
			cairn_growth_add(&g, (uint64_t)(t * 1e9), (uint64_t)value);
		}
		cairn_growth_rate r = cairn_growth_rate_of(&g, 0);
		far += r.kind != CAIRN_GROWTH_RISING || !within(r.bytes_per_s, MIB, 0.6);
		sum += r.bytes_per_s;
	}
	EXPECT(within(sum / 200, MIB, 0.1));
	EXPECT(far <= 10);
}

static void a_single_change_is_no_rate(void)
{
	for (double at = 0.1; at < 2.9; at += 0.1) {
		cairn_growth_rate r = rate_of(jump, at, 3, 0.05);
		EXPECT(r.kind == CAIRN_GROWTH_ONCE && r.wants_more && r.bytes_per_s == 0);
		EXPECT_EQ(r.step_bytes, 64 << 20);
		EXPECT_EQ(cairn_growth_left_ns(&r, 1 << 30, 1 << 20), UINT64_MAX);
	}
	cairn_growth_rate r = rate_of(jump_and_line, 2.5, 40, 1);
	EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.1));
}

static void what_ended_is_steady_and_what_began_counts_from_then(void)
{
	cairn_growth_rate r = rate_of(line_that_ends, 5, 60, 1);
	EXPECT(r.kind == CAIRN_GROWTH_ONCE || r.kind == CAIRN_GROWTH_STEADY);
	EXPECT(r.bytes_per_s == 0);
	r = rate_of(late_line, 40, 60, 1);
	EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.1));
}

static void noise_is_not_growth_and_hides_none_that_is_larger(void)
{
	unsigned wrong = 0;
	for (int round = 0; round < 400; round++) {
		static cairn_growth still, growing;
		cairn_growth_init(&still);
		cairn_growth_init(&growing);
		for (double t = 0; t < 60; t++) {
			double noise = 4 * MIB * uniform();
			cairn_growth_add(&still, (uint64_t)(t * 1e9), (uint64_t)(100 * MIB + noise));
			cairn_growth_add(&growing, (uint64_t)(t * 1e9), (uint64_t)(100 * MIB + noise + MIB * t));
		}
		wrong += cairn_growth_rate_of(&still, 0).kind != CAIRN_GROWTH_STEADY;
		cairn_growth_rate r = cairn_growth_rate_of(&growing, 0);
		EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.25));
	}
	EXPECT(wrong <= 40); /* one in twenty is what two standard errors promise */
	EXPECT_EQ(rate_of(sawtooth, 0, 60, 0.5).kind, CAIRN_GROWTH_STEADY);
	EXPECT(within(rate_of(sawtooth, MIB, 60, 0.5).bytes_per_s, MIB, 0.25));
}

static void too_few_looks_are_unknown_and_a_flat_line_is_steady(void)
{
	EXPECT_EQ(rate_of(line, MIB, 0, 1).kind, CAIRN_GROWTH_UNKNOWN);
	EXPECT_EQ(rate_of(line, MIB, 1, 1).kind, CAIRN_GROWTH_UNKNOWN);
	EXPECT_EQ(rate_of(line, MIB, 0.2, 0.05).kind, CAIRN_GROWTH_UNKNOWN);
	cairn_growth_rate r = rate_of(line, 0, 1, 0.05);
	EXPECT(r.kind == CAIRN_GROWTH_STEADY && !r.wants_more);
	EXPECT_EQ(rate_of(line, 100, 60, 1).kind, CAIRN_GROWTH_STEADY); /* a page now and then */
}

static void any_series_gives_a_finite_rate(void)
{
	for (int round = 0; round < 3000; round++) {
		static cairn_growth g;
		uint64_t at = 0;
		unsigned bits = (unsigned)(test_random(&seed) % 64), n = (unsigned)(test_random(&seed) % 300);
		cairn_growth_init(&g);
		for (unsigned i = 0; i < n; i++) {
			at += test_random(&seed) % 3 ? test_random(&seed) >> (20 + bits % 44) : 0;
			cairn_growth_add(&g, at, test_random(&seed) >> bits);
		}
		cairn_growth_rate r = cairn_growth_rate_of(&g, test_random(&seed) >> bits);
		EXPECT(isfinite(r.bytes_per_s) && isfinite(r.error_per_s)); /* G1 */
		EXPECT(r.kind != CAIRN_GROWTH_RISING || r.bytes_per_s >= 0);
		EXPECT(r.kind != CAIRN_GROWTH_FALLING || r.bytes_per_s <= 0);
		cairn_growth_left_ns(&r, test_random(&seed), test_random(&seed) >> bits);
	}
}

static void a_leak_names_its_class_and_its_limit(void)
{
	static cairn_watch w;
	static cairn_snapshot s;
	uint64_t left, size;
	cairn_growth_rate r;
	cairn_watch_init(&w);
	for (unsigned i = 0; i <= 30; i++) {
		memset(&s, 0, sizeof s);
		s.is_served = true;
		s.taken_ns = 1000000000ull * (i + 7);
		s.rss_bytes = (64ull + i) << 20;
		s.limit_count = 2;
		s.limits[0] = (cairn_snapshot_limit){ "RLIMIT_DATA", 1ull << 30, 80ull << 20 };
		s.limits[1] = (cairn_snapshot_limit){ "cgroup memory.max", 256ull << 20, (70ull + i) << 20 };
		s.class_count = i % 5 ? 0 : 3; /* a snapshot is dear */
		s.classes[0] = (cairn_snapshot_class){ .size_bytes = 0, .live_bytes = 30 << 20 };
		s.classes[1] = (cairn_snapshot_class){ .size_bytes = 64, .live_bytes = (10 << 20) + i * 65536 };
		s.classes[2] = (cairn_snapshot_class){ .size_bytes = 1024, .live_bytes = (24 << 20) + i * 983040ull };
		cairn_watch_add(&w, &s);
	}
	EXPECT(cairn_watch_growing_class(&w, 0, &size, &r));
	EXPECT_EQ(size, 1024);
	EXPECT(within(r.bytes_per_s, 983040, 0.05));
	EXPECT_EQ(cairn_watch_first_limit(&w, &s, 0, &left), 1);
	EXPECT(within((double)left, 156e9, 0.05));
	r = cairn_watch_limit(&w, "RLIMIT_DATA", 0); /* taken in large steps: it goes by what is resident */
	EXPECT(r.kind == CAIRN_GROWTH_RISING && within(r.bytes_per_s, MIB, 0.05));
	EXPECT_EQ(cairn_watch_limit(&w, "RLIMIT_AS", 0).kind, CAIRN_GROWTH_UNKNOWN);
	EXPECT_EQ(cairn_watch_class(&w, 0, 0).kind, CAIRN_GROWTH_STEADY);
}

static void test_growth(void)
{
	RUN(an_even_growth_is_its_slope);
	RUN(steps_are_told_within_a_quarter_whatever_their_phase);
	RUN(steps_at_random_moments_are_told_on_average);
	RUN(a_single_change_is_no_rate);
	RUN(what_ended_is_steady_and_what_began_counts_from_then);
	RUN(noise_is_not_growth_and_hides_none_that_is_larger);
	RUN(too_few_looks_are_unknown_and_a_flat_line_is_steady);
	RUN(any_series_gives_a_finite_rate);
	RUN(a_leak_names_its_class_and_its_limit);
}

/* ---- screen.c ---- */

static uint32_t shown[64][256]; /* what a terminal shows that got the output */
static unsigned colours;

static unsigned rune_of(const char **p)
{
	unsigned c = (unsigned char)*(*p)++;
	unsigned more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	for (c &= more ? 0x3fu >> more : 0xff; more; more--)
		c = c << 6 | ((unsigned char)*(*p)++ & 0x3f);
	return c;
}

static void play(cairn_screen *s)
{
	unsigned row = 0, column = 0;
	EXPECT(screen_reserve(s, 1));
	s->output[s->output_used] = 0;
	for (const char *p = s->output; p < s->output + s->output_used;) {
		if (*p != '\033') {
			EXPECT(row < s->rows && column < s->columns);
			shown[row % 64][column++ % 256] = rune_of(&p);
			continue;
		}
		int taken = 0;
		unsigned to_row, to_column;
		if (sscanf(p, "\033[%u;%uH%n", &to_row, &to_column, &taken) == 2 && taken) {
			row = to_row - 1;
			column = to_column - 1;
		} else {
			taken = (int)(strchr(p, 'm') - p) + 1;
			colours++;
		}
		p += taken;
	}
	cairn_screen_sent(s, s->output_used);
}

static bool is_as_drawn(const cairn_screen *s)
{
	for (unsigned row = 0; row < s->rows; row++)
		for (unsigned column = 0; column < s->columns - (row + 1 == s->rows); column++)
			if (shown[row][column] != s->cells[row * s->columns + column].character)
				return false;
	return true;
}

static void draw_something(cairn_screen *s)
{
	static const char *const texts[] = { "", "a", "resident", "─────", "█▋ ± ≈ …", "\xff\xc3", "x\033[2Jy\t\n",
					     "日本" };
	unsigned row = below(70), column = below(260), end = below(300), ink = below(64);
	const char *text = texts[test_random(&seed) % 8];
	const double values[5] = { 1, NAN, -3, 1e300, 2 };
	switch (test_random(&seed) % 6) {
	case 0: cairn_screen_text(s, row, column, end, ink, text); break;
	case 1: cairn_screen_right(s, row, end, column, ink, text); break;
	case 2: cairn_screen_fill(s, row, column, end, ink, text); break;
	case 3: cairn_screen_bar(s, row, column, end, ink, uniform() * 2 - 0.5); break;
	case 4: cairn_screen_spark(s, row, column, end, ink, values, 5, 0, 2); break;
	default: cairn_screen_textf(s, row, column, end, ink, "%s %u", text, row); break;
	}
}

static void a_terminal_that_gets_the_differences_shows_the_frame(void)
{
	cairn_screen s;
	cairn_screen_init(&s, true, true);
	for (int size = 0; size < 60; size++) {
		EXPECT(cairn_screen_resize(&s, below(60), below(250)));
		memset(shown, 0, sizeof shown);
		for (int frame = 0; frame < 20; frame++) {
			if (test_random(&seed) % 3)
				cairn_screen_clear(&s);
			for (uint64_t n = test_random(&seed) % 20; n; n--)
				draw_something(&s);
			cairn_screen_update(&s);
			play(&s);
			EXPECT(is_as_drawn(&s)); /* W1, W2 */
		}
		cairn_screen_update(&s);
		EXPECT_EQ(s.output_used, 0);
	}
	cairn_screen_free(&s);
}

static void without_colour_no_ink_is_sent_and_without_utf8_no_byte_over_127(void)
{
	cairn_screen s;
	cairn_screen_init(&s, false, false);
	EXPECT(cairn_screen_resize(&s, 20, 60));
	colours = 0;
	for (int frame = 0; frame < 200; frame++) {
		for (int i = 0; i < 10; i++)
			draw_something(&s);
		cairn_screen_update(&s);
		for (size_t i = 0; i < s.output_used; i++)
			EXPECT((unsigned char)s.output[i] < 0x7f);
		play(&s);
	}
	EXPECT_EQ(colours, 0); /* W3 */
	cairn_screen_print(&s);
	EXPECT(!memchr(s.output, '\033', s.output_used));
	cairn_screen_free(&s);
}

static const char *row_of(cairn_screen *s)
{
	cairn_screen_print(s);
	EXPECT(screen_reserve(s, 1));
	s->output[s->output_used] = 0;
	s->output_used = 0;
	return s->output;
}

static void bars_and_curves_are_in_eighths(void)
{
	cairn_screen s;
	cairn_screen_init(&s, false, true);
	EXPECT(cairn_screen_resize(&s, 1, 12));
	static const struct {
		double part;
		const char *bar;
	} bars[] = { { 0, "" }, { 1e-9, "▏\n" }, { 0.25, "██▌\n" }, { 0.5, "█████\n" }, { 1, "██████████\n" },
		     { 7, "██████████\n" } };
	for (size_t i = 0; i < sizeof bars / sizeof *bars; i++) {
		cairn_screen_clear(&s);
		cairn_screen_bar(&s, 0, 0, 10, 0, bars[i].part);
		EXPECT(!strcmp(row_of(&s), bars[i].bar));
	}
	const double values[] = { 9, 0, 1, 2, 3, 4, 5, 6, 7, 100 };
	cairn_screen_clear(&s);
	cairn_screen_spark(&s, 0, 0, 9, 0, values, 10, 0, 7);
	EXPECT(!strcmp(row_of(&s), "▁▂▃▄▅▆▇██\n"));
	cairn_screen_clear(&s);
	cairn_screen_text(&s, 0, 0, 6, 0, "resident");
	cairn_screen_right(&s, 0, 11, 4, 0, "figure");
	EXPECT(!strcmp(row_of(&s), "resid… fig…\n"));
	cairn_screen_free(&s);
}

static void figures_have_three_digits_and_a_unit(void)
{
	EXPECT(!strcmp(cairn_figure_bytes(0).text, "0 B"));
	EXPECT(!strcmp(cairn_figure_bytes(1023).text, "1023 B"));
	EXPECT(!strcmp(cairn_figure_bytes(8.2 * MIB).text, "8.20 MiB"));
	EXPECT(!strcmp(cairn_figure_bytes(123456).text, "121 KiB"));
	EXPECT(!strcmp(cairn_figure_bytes(1.8446744073709552e19).text, "–"));
	EXPECT(!strcmp(cairn_figure_size(1280).text, "1.25 KiB"));
	EXPECT(!strcmp(cairn_figure_count(3094).text, "3094"));
	EXPECT(!strcmp(cairn_figure_count(4820000).text, "4.82 M"));
	EXPECT(!strcmp(cairn_figure_rate(MIB).text, "+1.00 MiB/s"));
	EXPECT(!strcmp(cairn_figure_rate(-MIB).text, "-1.00 MiB/s"));
	EXPECT(!strcmp(cairn_figure_time(192ull * 1000000000).text, "3 min 12 s"));
	EXPECT(!strcmp(cairn_figure_time(8040ull * 1000000000).text, "2 h 14 min"));
	EXPECT(!strcmp(cairn_figure_percent(0.658).text, "65.8 %"));
	EXPECT(!strcmp(cairn_figure_percent(0).text, "0 %"));
}

/* ---- top_state.c, top_views.c ---- */

static cairn_top_state top;
static cairn_snapshot snapshot;

static uint64_t any(void) { return test_random(&seed) >> (test_random(&seed) % 64); }

static void any_text(char *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(any() % 256);
	to[any() % n] = 0;
	to[n - 1] = 0;
}

static void make_any_snapshot(uint64_t taken_ns)
{
	uint64_t *words = (uint64_t *)&snapshot;
	for (size_t i = 0; i < sizeof snapshot / 8; i++)
		words[i] = any();
	any_text(snapshot.name, sizeof snapshot.name);
	any_text(snapshot.executable, sizeof snapshot.executable);
	any_text(snapshot.unknown, sizeof snapshot.unknown);
	snapshot.is_served = any() % 2;
	snapshot.is_approximate = false;
	snapshot.taken_ns = taken_ns;
	snapshot.line_count = (uint32_t)(any() % (CAIRN_SNAPSHOT_LINES + 1));
	snapshot.below_count = (uint32_t)(any() % (CAIRN_SNAPSHOT_LINES + 1));
	snapshot.class_count = (uint32_t)(any() % (CAIRN_ACCOUNT_CLASSES + 1));
	snapshot.thread_count = (uint32_t)(any() % (CAIRN_SNAPSHOT_THREADS + 1));
	snapshot.limit_count = (uint32_t)(any() % (CAIRN_SNAPSHOT_LIMITS + 1));
	for (unsigned i = 0; i < CAIRN_SNAPSHOT_LINES; i++) {
		any_text(snapshot.lines[i].name, CAIRN_SNAPSHOT_NAME);
		any_text(snapshot.lines[i].why, CAIRN_SNAPSHOT_WHY);
		any_text(snapshot.below[i].name, CAIRN_SNAPSHOT_NAME);
		any_text(snapshot.below[i].why, CAIRN_SNAPSHOT_WHY);
	}
	for (unsigned i = 0; i < CAIRN_SNAPSHOT_THREADS; i++)
		any_text(snapshot.threads[i].name, sizeof snapshot.threads[i].name);
	for (unsigned i = 0; i < CAIRN_SNAPSHOT_LIMITS; i++)
		any_text(snapshot.limits[i].name, CAIRN_SNAPSHOT_NAME);
}

static void an_order_holds_each_row_once(void)
{
	unsigned rows[CAIRN_SNAPSHOT_THREADS];
	bool seen[CAIRN_SNAPSHOT_THREADS] = { false };
	unsigned n = cairn_top_order(&top, rows, CAIRN_SNAPSHOT_THREADS);
	for (unsigned i = 0; i < n; i++) {
		EXPECT(rows[i] < CAIRN_SNAPSHOT_THREADS && !seen[rows[i]]); /* O1 */
		seen[rows[i] % CAIRN_SNAPSHOT_THREADS] = true;
	}
	EXPECT(top.selected[top.view] < CAIRN_SNAPSHOT_THREADS); /* O2 */
}

static void any_snapshot_any_keys_and_any_size_can_be_drawn(void)
{
	static const unsigned keys[] = { '\t', 's', 'r', 'p', 'h', '+', '-', 'P', 'y', 'n', '1', '2', '3', '4', 0,
					 CAIRN_KEY_UP, CAIRN_KEY_DOWN, CAIRN_KEY_PAGE_DOWN, CAIRN_KEY_END,
					 CAIRN_KEY_HOME, '\033' };
	cairn_screen s;
	uint64_t now = 1000000000;
	cairn_screen_init(&s, true, true);
	cairn_top_init(&top, 1000000000);
	for (int round = 0; round < 400; round++) {
		EXPECT(cairn_screen_resize(&s, below(60), below(250)));
		make_any_snapshot(now += 1 + any() % 2000000000);
		if (any() % 4)
			cairn_top_add(&top, &snapshot);
		else
			cairn_top_add_account(&top, &snapshot);
		for (int i = 0; i < 6; i++)
			cairn_top_key(&top, keys[test_random(&seed) % (sizeof keys / sizeof *keys)], now);
		top.is_ended = any() % 16 == 1;
		an_order_holds_each_row_once();
		cairn_top_draw(&top, &s, now + any() % 1000000000);
		cairn_screen_update(&s);
		play(&s);
	}
	cairn_screen_free(&s);
}

/* A program that leaks, made by hand. */
static void make_leak(unsigned second)
{
	memset(&snapshot, 0, sizeof snapshot);
	snapshot.pid = 31245;
	strcpy(snapshot.name, "server");
	snapshot.state = 'S';
	snapshot.is_served = true;
	snapshot.taken_ns = (100 + second) * 1000000000ull;
	snapshot.started_ns = 10000000000ull;
	snapshot.cost_ns = 3100000;
	snapshot.rss_bytes = (100ull + second) << 20;
	snapshot.allocations = 1024ull * second;
	snapshot.allocated_bytes = (uint64_t)second << 20;
	snapshot.line_count = 3;
	snapshot.lines[0] = (cairn_snapshot_line){ CAIRN_SNAPSHOT_LIVE, "live objects", "only it can free them",
						   (60ull + second) << 20, 1 << 20 };
	snapshot.lines[1] = (cairn_snapshot_line){ CAIRN_SNAPSHOT_PROGRAM, "program", "it ran", 36 << 20, 0 };
	snapshot.lines[2] = (cairn_snapshot_line){ CAIRN_SNAPSHOT_UNEXPLAINED, "unexplained", "", 4 << 20, 0 };
	snapshot.class_count = 2;
	snapshot.classes[1] = (cairn_snapshot_class){ .size_bytes = 1024, .slabs = 9,
						      .live_blocks = (60 + second) << 10,
						      .live_bytes = (60ull + second) << 20 };
	snapshot.thread_count = 2;
	snapshot.threads[0] = (cairn_snapshot_thread){ .id = 31245, .name = "server", .state = 'S',
						       .allocations = second };
	snapshot.threads[1] = (cairn_snapshot_thread){ .id = 31246, .name = "worker", .state = 'R',
						       .allocations = 1000ull * second,
						       .cpu_ns = second * 500000000ull };
	snapshot.limit_count = 1;
	snapshot.limits[0] = (cairn_snapshot_limit){ "cgroup memory.max", 256 << 20, (100ull + second) << 20 };
}

static bool looks(cairn_screen *s, const char *wanted)
{
	cairn_top_draw(&top, s, snapshot.taken_ns + 400000000);
	const char *got = row_of(s);
	if (!strcmp(got, wanted))
		return true;
	write(2, got, strlen(got));
	return false;
}

static void a_leak_looks_like_this(void)
{
	cairn_screen s;
	cairn_screen_init(&s, false, true);
	EXPECT(cairn_screen_resize(&s, 14, 80));
	cairn_top_init(&top, 1000000000);
	for (unsigned second = 0; second < 12; second++) {
		make_leak(second);
		cairn_top_add(&top, &snapshot);
		cairn_top_add_account(&top, &snapshot);
	}
	EXPECT(looks(&s, LEAK_ACCOUNT));
	cairn_top_key(&top, '\t', snapshot.taken_ns);
	EXPECT(looks(&s, LEAK_CLASSES));
	cairn_top_key(&top, '3', snapshot.taken_ns);
	EXPECT(looks(&s, LEAK_THREADS));
	cairn_top_key(&top, '4', snapshot.taken_ns);
	EXPECT(looks(&s, LEAK_LIMITS));
	top.is_ended = true;
	strcpy(top.how_ended, "ended at 12:03:04: exit status 3");
	cairn_top_key(&top, '1', snapshot.taken_ns);
	EXPECT(cairn_screen_resize(&s, 10, 40));
	EXPECT(looks(&s, LEAK_SMALL));
	cairn_screen_free(&s);
}

static void a_purge_is_told_once_memory_went_back(void)
{
	cairn_top_init(&top, 1000000000);
	make_leak(20);
	cairn_top_add(&top, &snapshot);
	EXPECT_EQ(cairn_top_key(&top, 'P', snapshot.taken_ns), CAIRN_TOP_REDRAW);
	EXPECT(top.asks_purge);
	EXPECT_EQ(cairn_top_key(&top, 'y', snapshot.taken_ns), CAIRN_TOP_PURGE);
	cairn_top_purge_asked(&top, 0, snapshot.taken_ns);
	EXPECT(!strncmp(top.message, "asked: ", 7));
	make_leak(20);
	snapshot.taken_ns += 1000000;
	cairn_top_purge_served(&top, snapshot.taken_ns);
	cairn_top_add(&top, &snapshot);
	EXPECT(!strcmp(top.message, "it looked, and had nothing to give back"));
	make_leak(21);
	snapshot.rss_bytes = (120ull << 20) - 12900000;
	cairn_top_add(&top, &snapshot);
	EXPECT(!strcmp(top.message, "given back: 12.3 MiB"));
	cairn_top_purge_asked(&top, EACCES, snapshot.taken_ns);
	EXPECT(!strcmp(top.message, "it cannot be asked: Permission denied"));
}

static void another_program_in_the_process_begins_anew(void)
{
	cairn_top_init(&top, 1000000000);
	for (unsigned second = 0; second < 12; second++) {
		make_leak(second);
		cairn_top_add(&top, &snapshot);
	}
	EXPECT_EQ(top.history, 12);
	make_leak(1);
	snapshot.taken_ns += 20000000000ull;
	cairn_top_add(&top, &snapshot);
	EXPECT_EQ(top.history, 1);
	EXPECT_EQ(top.rss_rate.kind, CAIRN_GROWTH_UNKNOWN);
	EXPECT(!strcmp(top.message, "it executed another program"));
}

int main(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	test_growth();
	RUN(a_terminal_that_gets_the_differences_shows_the_frame);
	RUN(without_colour_no_ink_is_sent_and_without_utf8_no_byte_over_127);
	RUN(bars_and_curves_are_in_eighths);
	RUN(figures_have_three_digits_and_a_unit);
	RUN(any_snapshot_any_keys_and_any_size_can_be_drawn);
	RUN(a_leak_looks_like_this);
	RUN(a_purge_is_told_once_memory_went_back);
	RUN(another_program_in_the_process_begins_anew);
	DONE();
}
