/* malloc/sizeclass.h - which slot sizes there are, and which serves a request.
 *
 * Sizes to 256 are 16 apart; above that each doubling is cut in 8, up to 32 KiB; two more stand between 4096 and 4608,
 * where a page of a data base with its header falls: 74 classes, numbered from 1. Class 0 means "none of them": large
 * blocks, and addresses that are no slab's. The first of the two is there so that sizes that are a multiple of 256 find
 * slots so aligned (malloc/family.c).
 *
 * Invariants, each a case of tests/unit/test_sizeclass.c, which tries every size:
 *   (S1) cairn_classes[cairn_class_of(n)].bytes >= n for n <= CAIRN_SMALL_MAX.
 *   (S2) class_of is monotone and leaves no class out.
 *   (S3) A slot is at most 16 B or an eighth larger than its smallest request; the mean over sizes log-uniform in
 *        16 B..32 KiB (bytes handed out over bytes asked for, less 1) is at most 4.5 %.
 *   (S4) Every slot size is a multiple of 16.
 *   (S5) For every offset in a slab, cairn_class_index gives offset / bytes (Granlund and Montgomery, "Division by
 *        invariant integers using multiplication", PLDI 1994, theorem 4.2).
 *   (S6) A class's slots are aligned to the largest power of two that divides its size, up to a granule.
 *
 * No locks: the table is const after start. */
#ifndef CAIRN_MALLOC_SIZECLASS_H
#define CAIRN_MALLOC_SIZECLASS_H

#include "base/bits.h"
#include "page/chunk.h"

enum {
	CAIRN_CLASS_COUNT = 75,     /* class 0 included */
	CAIRN_SMALL_MAX = 32 << 10, /* largest request that a class serves, bytes */
	CAIRN_PAGE_AND_HEADER = 4352, /* slots of the two classes that stand between 4096 and 4608 */
	CAIRN_PAGE_AND_LARGE_HEADER = 4480,
	CAIRN_FINE_MAX = 1024,      /* up to here a request is looked up by 16 B, above by 128 B */
	CAIRN_LINE_BYTES = 64,      /* of the processor's caches */
};

typedef struct cairn_class {
	uint64_t reciprocal;   /* 2^32 / (bytes / 16) + 1: see cairn_class_index */
	uint32_t bytes;        /* of a slot */
	uint16_t capacity;     /* slots of a slab */
	uint16_t magazine_max; /* most slots in a thread's magazine: a power of two less 2 */
	uint16_t granules;     /* of a slab */
} cairn_class;

extern cairn_class cairn_classes[CAIRN_CLASS_COUNT]; /* const after start */

/* offset / k->bytes. In units of 16 B the product stays exact: offset / 16 < 2^14, so the error of the reciprocal,
 * under bytes / 16 <= 2^11, adds up to less than 2^32. */
static inline size_t cairn_class_index(const cairn_class *k, size_t offset)
{
	return (offset >> 4) * k->reciprocal >> 32;
}

/* Slots in a row, from a multiple of it on, that share cache lines with none but each other; 1 where a slot is a line
 * and more. */
static inline size_t cairn_class_line_slots(const cairn_class *k)
{
	return k->bytes < CAIRN_LINE_BYTES ? CAIRN_LINE_BYTES / (k->bytes & -k->bytes) : 1;
}

/* At start, under a limit on memory, which counts slots that were never used: slabs as small as they may be without
 * losing more than a quarter at the end. Before the first slab. */
void cairn_class_use_small_slabs(void);
/* The class that serves bytes (0 counts as 1), or 0 above CAIRN_SMALL_MAX. */
unsigned cairn_class_of(size_t bytes);
/* The smallest class that serves bytes at addresses that are multiples of align (a power of two, at most a granule),
 * or 0. */
unsigned cairn_class_of_aligned(size_t bytes, size_t align);

#endif
