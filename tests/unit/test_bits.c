/* Bits: each function against the plainest loop that says the same. */
#include "base/bits.h"
#include "support/test.h"

static bool bit_of(cairn_bits128 b, unsigned i) { return (b >> i) & 1; }

static int plain_find_run(cairn_bits128 b, unsigned n)
{
	for (unsigned from = 0; from + n <= 128; from++) {
		unsigned k = 0;
		while (k < n && bit_of(b, from + k))
			k++;
		if (k == n)
			return (int)from;
	}
	return -1;
}

static unsigned plain_longest_run(cairn_bits128 b)
{
	unsigned longest = 0, run = 0;
	for (unsigned i = 0; i < 128; i++) {
		run = bit_of(b, i) ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* Sets of every density: random, sparse, dense, and with long runs. */
static cairn_bits128 some_set(uint64_t *seed)
{
	cairn_bits128 b = (cairn_bits128)test_random(seed) << 64 | test_random(seed);
	cairn_bits128 other = (cairn_bits128)test_random(seed) << 64 | test_random(seed);
	switch (test_random(seed) % 4) {
	case 0: return b;
	case 1: return b & other;
	case 2: return b | other;
	default: return ~cairn_bits128_run((unsigned)(b % 100), (unsigned)(other % 28) + 1);
	}
}

static void rounding_hits_multiples(void)
{
	EXPECT_EQ(cairn_round_up(0, 4096), 0);
	EXPECT_EQ(cairn_round_up(1, 4096), 4096);
	EXPECT_EQ(cairn_round_up(4096, 4096), 4096);
	EXPECT_EQ(cairn_round_up(4097, 4096), 8192);
	EXPECT_EQ(cairn_round_down(4095, 4096), 0);
	EXPECT_EQ(cairn_round_down(8191, 4096), 4096);
	EXPECT_EQ(cairn_round_up(7, 1), 7);
}

static void powers_and_logarithms_agree(void)
{
	EXPECT(!cairn_is_power_of_two(0));
	for (unsigned i = 0; i < 64; i++) {
		size_t n = (size_t)1 << i;
		EXPECT(cairn_is_power_of_two(n));
		EXPECT_EQ(cairn_log2(n), i);
		EXPECT_EQ(cairn_log2(n | (n - 1)), i);
		EXPECT(i < 2 || !cairn_is_power_of_two(n - 1));
	}
}

static void a_bit_is_what_was_last_stored(void)
{
	uint64_t words[4] = { 0 };
	bool model[256] = { 0 };
	uint64_t seed = test_seed();
	for (int i = 0; i < 10000; i++) {
		size_t bit = test_random(&seed) % 256;
		model[bit] = test_random(&seed) & 1;
		if (model[bit])
			cairn_bit_set(words, bit);
		else
			cairn_bit_clear(words, bit);
	}
	for (size_t bit = 0; bit < 256; bit++)
		EXPECT(cairn_bit_get(words, bit) == model[bit]);
}

static void every_run_has_its_bits_and_no_other(void)
{
	for (unsigned from = 0; from < 128; from++)
		for (unsigned n = 0; from + n <= 128; n++) {
			cairn_bits128 b = cairn_bits128_run(from, n);
			EXPECT_EQ(cairn_bits128_count(b), n);
			if (n) {
				EXPECT_EQ(cairn_bits128_lowest(b), from);
				EXPECT(bit_of(b, from + n - 1));
			}
		}
}

static void find_run_finds_the_lowest(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < 3000; i++) {
		cairn_bits128 b = some_set(&seed);
		for (unsigned n = 1; n <= 128; n += 1 + (unsigned)(test_random(&seed) % 4))
			EXPECT_EQ(cairn_bits128_find_run(b, n), plain_find_run(b, n));
	}
	EXPECT_EQ(cairn_bits128_find_run(0, 1), -1);
	EXPECT_EQ(cairn_bits128_find_run(~(cairn_bits128)0, 128), 0);
	EXPECT_EQ(cairn_bits128_find_run(~(cairn_bits128)1, 128), -1);
	EXPECT_EQ(cairn_bits128_find_run(~(cairn_bits128)1, 127), 1);
}

static void longest_run_is_the_longest(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < 20000; i++) {
		cairn_bits128 b = some_set(&seed);
		EXPECT_EQ(cairn_bits128_longest_run(b), plain_longest_run(b));
	}
	EXPECT_EQ(cairn_bits128_longest_run(0), 0);
	EXPECT_EQ(cairn_bits128_longest_run(~(cairn_bits128)0), 128);
	EXPECT_EQ(cairn_bits128_longest_run((cairn_bits128)1 << 127), 1);
}

static void count_and_lowest_cross_the_word(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < 10000; i++) {
		cairn_bits128 b = some_set(&seed);
		unsigned count = 0, lowest = 128;
		for (unsigned k = 128; k-- > 0;)
			if (bit_of(b, k)) {
				count++;
				lowest = k;
			}
		EXPECT_EQ(cairn_bits128_count(b), count);
		if (b)
			EXPECT_EQ(cairn_bits128_lowest(b), lowest);
	}
}

int main(void)
{
	RUN(rounding_hits_multiples);
	RUN(powers_and_logarithms_agree);
	RUN(a_bit_is_what_was_last_stored);
	RUN(every_run_has_its_bits_and_no_other);
	RUN(find_run_finds_the_lowest);
	RUN(longest_run_is_the_longest);
	RUN(count_and_lowest_cross_the_word);
	DONE();
}
