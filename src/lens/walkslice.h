/* lens/walkslice.h - which pages of a stretch of the heap are resident, as the kernel told once: what every part of the
 * walk asks, so that each page is counted with the same answer. No locks; a slice belongs to its maker. */
#ifndef CAIRN_LENS_WALKSLICE_H
#define CAIRN_LENS_WALKSLICE_H

#include "base/bits.h"
#include "page/chunk.h"

enum {
	CAIRN_WALK_CHUNKS = 32, /* looked at together */
	/* a slab may lead into the chunk behind */
	CAIRN_WALK_PAGES = (CAIRN_WALK_CHUNKS + 1) * CAIRN_CHUNK_BYTES / 4096,
};

typedef struct cairn_walk_slice {
	uint64_t start;
	size_t page_bytes;
	uint64_t resident[CAIRN_WALK_PAGES / 64], huge[CAIRN_WALK_PAGES / 64]; /* a bit a page */
} cairn_walk_slice;

static inline size_t cairn_walk_ones(const uint64_t *bits, size_t from, size_t to)
{
	size_t n = 0;
	for (size_t i = from; i < to;) {
		size_t end = (i / 64 + 1) * 64 < to ? (i / 64 + 1) * 64 : to;
		uint64_t word = bits[i / 64] >> i % 64;
		n += cairn_bits_count(end - i < 64 ? word & ((1ull << (end - i)) - 1) : word);
		i = end;
	}
	return n;
}

static inline bool cairn_walk_page_is_resident(const cairn_walk_slice *s, uint64_t at)
{
	return cairn_bit_get(s->resident, (size_t)((at - s->start) / s->page_bytes));
}

/* Resident bytes of [from, to), which lies in the slice. */
static inline uint64_t cairn_walk_resident(const cairn_walk_slice *s, uint64_t from, uint64_t to)
{
	uint64_t first = cairn_round_up(from, s->page_bytes), last = cairn_round_down(to, s->page_bytes), sum = 0;
	if (from >= to)
		return 0;
	if (first > last) /* within one page */
		return cairn_walk_page_is_resident(s, from) ? to - from : 0;
	if (first > from && cairn_walk_page_is_resident(s, from))
		sum += first - from;
	if (to > last && cairn_walk_page_is_resident(s, last))
		sum += to - last;
	return sum + cairn_walk_ones(s->resident, (size_t)((first - s->start) / s->page_bytes),
			     (size_t)((last - s->start) / s->page_bytes)) *
			     s->page_bytes;
}

#endif
