/* base/bits.h - rounding, and sets of bits.
 *
 * A bit set is an array of 64-bit words, bit i in word i / 64. Every function here is pure. */
#ifndef CAIRN_BASE_BITS_H
#define CAIRN_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 cairn_bits128; /* a chunk's granules, one bit each: see page/chunk.h */

static inline size_t cairn_round_up(size_t n, size_t to) { return (n + to - 1) & ~(to - 1); } /* to: power of two */
static inline size_t cairn_round_down(size_t n, size_t to) { return n & ~(to - 1); }
static inline bool cairn_is_power_of_two(size_t n) { return n && !(n & (n - 1)); }
static inline unsigned cairn_log2(size_t n) { return 63u - (unsigned)__builtin_clzll(n); } /* floor; n > 0 */

static inline bool cairn_bit_get(const uint64_t *w, size_t i) { return w[i / 64] >> (i % 64) & 1; }
static inline void cairn_bit_set(uint64_t *w, size_t i) { w[i / 64] |= 1ull << (i % 64); }
static inline void cairn_bit_clear(uint64_t *w, size_t i) { w[i / 64] &= ~(1ull << (i % 64)); }

/* Ones in a word. Without the instruction, which not every x86-64 has, the compiler's builtin is a call of a table
 * look-up; this is twelve instructions (Hacker's Delight, 5-1). */
static inline unsigned cairn_bits_count(uint64_t w)
{
	w -= w >> 1 & 0x5555555555555555;
	w = (w & 0x3333333333333333) + (w >> 2 & 0x3333333333333333);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(w * 0x0101010101010101 >> 56);
}

static inline unsigned cairn_bits128_count(cairn_bits128 b)
{
	uint64_t low = (uint64_t)b, high = (uint64_t)(b >> 64);
	if (!~(low & high))
		return 128;
	return (low ? cairn_bits_count(low) : 0) + (high ? cairn_bits_count(high) : 0);
}

/* Index of the lowest set bit; b must not be 0. */
static inline unsigned cairn_bits128_lowest(cairn_bits128 b)
{
	uint64_t low = (uint64_t)b;
	return low ? (unsigned)__builtin_ctzll(low) : 64u + (unsigned)__builtin_ctzll((uint64_t)(b >> 64));
}

/* n ones from bit `from`; from + n <= 128. */
static inline cairn_bits128 cairn_bits128_run(unsigned from, unsigned n)
{
	cairn_bits128 ones = n >= 128 ? ~(cairn_bits128)0 : ((cairn_bits128)1 << n) - 1;
	return ones << from;
}

/* The start of the lowest run of n ones, or -1. By doubling: after the step that has joined k, a bit is set where a run
 * of k ones begins (Hacker's Delight, 6-2). */
static inline int cairn_bits128_find_run(cairn_bits128 b, unsigned n)
{
	for (unsigned k = 1; b && k < n;) {
		unsigned step = n - k < k ? n - k : k;
		b &= b >> step;
		k += step;
	}
	return b ? (int)cairn_bits128_lowest(b) : -1;
}

/* Length of the longest run of ones. */
static inline unsigned cairn_bits128_longest_run(cairn_bits128 b)
{
	unsigned longest = 0;
	if (!~b)
		return 128;
	while (b) {
		unsigned from = cairn_bits128_lowest(b);
		cairn_bits128 shifted = ~(b >> from);
		unsigned n = shifted ? cairn_bits128_lowest(shifted) : 128;
		longest = n > longest ? n : longest;
		if (from + n >= 128)
			break;
		b &= ~cairn_bits128_run(from, n);
	}
	return longest;
}

#endif
