/* Lines: what is printed, and that nothing is overrun. Cases cite the invariants of base/line.c. */
#include "base/line.h"
#include "support/test.h"

static bool line_is(const cairn_line *l, const char *wanted)
{
	bool same = l->used == strlen(wanted) && !memcmp(l->text, wanted, l->used);
	if (!same)
		NOTE("got \"%.*s\", wanted \"%s\"", (int)l->used, l->text, wanted);
	return same;
}

static bool bytes_read(uint64_t bytes, const char *wanted)
{
	cairn_line l = { 0 };
	cairn_line_bytes(&l, bytes);
	return line_is(&l, wanted);
}

static void parts_follow_each_other(void)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: free: ");
	cairn_line_hex(&l, 0x7f12);
	cairn_line_text(&l, " ");
	cairn_line_dec(&l, 12345);
	EXPECT(line_is(&l, "cairn: free: 0x7f12 12345"));
}

static void the_extremes_are_printed_whole(void)
{
	cairn_line l = { 0 };
	cairn_line_dec(&l, 0);
	cairn_line_text(&l, " ");
	cairn_line_dec(&l, UINT64_MAX);
	cairn_line_text(&l, " ");
	cairn_line_hex(&l, 0);
	cairn_line_text(&l, " ");
	cairn_line_hex(&l, UINTPTR_MAX);
	EXPECT(line_is(&l, "0 18446744073709551615 0x0 0xffffffffffffffff"));
}

static void null_text_prints_nothing(void)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, NULL);
	cairn_line_text(&l, "");
	EXPECT(line_is(&l, ""));
}

static void bytes_are_said_in_the_largest_fitting_unit(void)
{
	EXPECT(bytes_read(0, "0 B"));
	EXPECT(bytes_read(64, "64 B"));
	EXPECT(bytes_read(1023, "1023 B"));
	EXPECT(bytes_read(1024, "1.0 KiB"));
	EXPECT(bytes_read(1536, "1.5 KiB"));
	EXPECT(bytes_read(100 * 1024, "100.0 KiB"));
	EXPECT(bytes_read(12 << 20, "12.0 MiB"));
	EXPECT(bytes_read(5ull << 30, "5.0 GiB"));
	EXPECT(bytes_read(1ull << 60, "1.0 EiB"));
	EXPECT(bytes_read(UINT64_MAX, "16.0 EiB"));
}

static void bytes_are_rounded_and_never_read_1024(void)
{
	EXPECT(bytes_read(1024 + 51, "1.0 KiB"));
	EXPECT(bytes_read(1024 + 52, "1.1 KiB"));
	EXPECT(bytes_read(1024 * 1024 - 1, "1.0 MiB"));
	EXPECT(bytes_read((1ull << 30) - 1, "1.0 GiB"));
	EXPECT(bytes_read(1024 * 1024 - 60 * 1024, "964.0 KiB"));
}

/* Every size that is printed as n.d UNIT is within half a tenth of that unit. */
static void rounding_is_within_half_a_tenth(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < 100000; i++) {
		uint64_t bytes = test_random(&seed) >> (test_random(&seed) % 54);
		cairn_line l = { 0 };
		cairn_line_bytes(&l, bytes);
		l.text[l.used] = 0;
		double value = atof(l.text), unit = 1;
		const char *names = "KMGTPE", *found = strchr(names, l.text[l.used - 3]);
		for (long k = found ? found - names + 1 : 0; k > 0; k--)
			unit *= 1024;
		double off = value * unit - (double)bytes;
		EXPECT((off < 0 ? -off : off) <= unit * 0.0511);
	}
}

static void a_long_line_is_cut_not_overrun(void) /* N1 */
{
	cairn_line l;
	memset(&l, 0x55, sizeof l);
	l.used = 0;
	for (int i = 0; i < 100; i++) {
		cairn_line_text(&l, "abcdefg");
		cairn_line_hex(&l, UINTPTR_MAX);
		EXPECT(l.used <= CAIRN_LINE_MAX);
	}
	EXPECT_EQ(l.used, CAIRN_LINE_MAX);
	for (size_t i = CAIRN_LINE_MAX; i < sizeof l.text; i++)
		EXPECT(l.text[i] == 0x55);
}

static void control_characters_cannot_break_the_line(void) /* N2 */
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "a\nb\033[31mc\x7f\xc3\xa9");
	EXPECT(line_is(&l, "a?b?[31mc?\xc3\xa9"));
}

int main(void)
{
	RUN(parts_follow_each_other);
	RUN(the_extremes_are_printed_whole);
	RUN(null_text_prints_nothing);
	RUN(bytes_are_said_in_the_largest_fitting_unit);
	RUN(bytes_are_rounded_and_never_read_1024);
	RUN(rounding_is_within_half_a_tenth);
	RUN(a_long_line_is_cut_not_overrun);
	RUN(control_characters_cannot_break_the_line);
	DONE();
}
