/* gc/grains.h - the bytes about grains, 64 of them at once: sets of bits, bit i for the i-th grain.
 *
 * Sweeping, counting what lives in a block, and the account's walk over another process's blocks stand on this. A block
 * is 128 such steps without a branch a cell. What the bytes say: gc/blocks.h. Threads and failure: none. */
#ifndef CAIRN_GC_GRAINS_H
#define CAIRN_GC_GRAINS_H

#include "gc/blocks.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { CAIRN_GC_GRAINS_STEP = 64 };

/* Where a byte has this value under this mask. */
static inline uint64_t cairn_gc_grains_where(const uint8_t *bytes, uint8_t mask, uint8_t value)
{
	uint64_t where = 0;
#ifdef __SSE2__
	const __m128i masks = _mm_set1_epi8((char)mask), values = _mm_set1_epi8((char)value);
	for (unsigned i = 0; i < CAIRN_GC_GRAINS_STEP; i += 16) {
		__m128i are = _mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)(bytes + i)), masks);
		where |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(are, values)) << i;
	}
#else
	const uint64_t ones = 0x0101010101010101, sevens = 0x7f * ones;
	for (unsigned i = 0; i < CAIRN_GC_GRAINS_STEP; i += 8) {
		uint64_t word;
		memcpy(&word, bytes + i, sizeof word);
		word = (word & mask * ones) ^ value * ones;
		uint64_t equal = ~(((word & sevens) + sevens) | word) >> 7 & ones; /* 1 in each byte that is 0 */
		where |= (equal * 0x0102040810204080 >> 56) << i;
	}
#endif
	return where;
}

/* The grains of cells that have the colour. *is_in: such a cell leads in from the step before; afterwards, on into the
 * next. A start, added to what is no END, is carried up to the END: what the addition changes is the cell. */
static inline uint64_t cairn_gc_grains_of(const uint8_t *bytes, uint8_t colour, bool *is_in)
{
	uint64_t starts = cairn_gc_grains_where(bytes, CAIRN_GC_COLOUR, colour), sum;
	uint64_t inner = cairn_gc_grains_where(bytes, CAIRN_GC_END, 0);
	*is_in = __builtin_add_overflow(inner, starts | *is_in, &sum);
	return sum ^ inner;
}

#endif
