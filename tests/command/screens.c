/* What `cairn top` draws and how it judges growth: series whose truth is known, and screens made by hand. Built with
 * AddressSanitizer and UndefinedBehaviorSanitizer by the script `screens`. */
#include "../../cli/growth.c"

#include <math.h>

#include "support/test.h"

#define MIB 1048576.0
#define KIB 1024.0

static uint64_t seed = 20260607; /* fixed: these tests say the same each time */

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
	EXPECT_EQ(cairn_watch_limit(&w, "RLIMIT_DATA", 0).kind, CAIRN_GROWTH_STEADY);
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

int main(void)
{
	test_growth();
	DONE();
}
