/* malloc/sizeclass.c - the table of size classes. The scheme and its invariants are in sizeclass.h.
 *
 * Each row: slot bytes, granules of a slab, most slots in a magazine. A slab has at least 8 slots and loses at most
 * 3.5 % of its granules at the end; a magazine holds at most 64 KiB, of 64-byte slots 128 KiB, of slots over 4 KiB 192
 * KiB, and at least 6 slots. */
#include "malloc/sizeclass.h"

#define K(slot, slab_granules, magazine)                                                                               \
	{                                                                                                              \
		.bytes = slot, .reciprocal = (1ull << 32) / ((slot) / 16) + 1,                                         \
		.capacity = (slab_granules)*CAIRN_GRANULE_BYTES / (slot), .magazine_max = magazine,                    \
		.granules = slab_granules                                                                              \
	}

/* clang-format off */
cairn_class cairn_classes[CAIRN_CLASS_COUNT] = {
	[0] = { 0 }, /* blocks over the largest class: no slab */
	K(16, 1, 2046), K(32, 1, 2046), K(48, 1, 2046), K(64, 1, 2046),
	K(80, 1, 510), K(96, 1, 510), K(112, 1, 510), K(128, 1, 510),
	K(144, 1, 254), K(160, 1, 254), K(176, 1, 254), K(192, 1, 254),
	K(208, 1, 254), K(224, 1, 254), K(240, 1, 254), K(256, 1, 254),
	K(288, 1, 126), K(320, 1, 126), K(352, 1, 126), K(384, 1, 126),
	K(416, 1, 126), K(448, 1, 126), K(480, 1, 126), K(512, 1, 126),
	K(576, 1, 62), K(640, 1, 62), K(704, 1, 62), K(768, 1, 62),
	K(832, 2, 62), K(896, 1, 62), K(960, 1, 62), K(1024, 1, 62),
	K(1152, 1, 30), K(1280, 2, 30), K(1408, 2, 30), K(1536, 2, 30),
	K(1664, 3, 30), K(1792, 1, 30), K(1920, 2, 30), K(2048, 1, 30),
	K(2304, 2, 14), K(2560, 3, 14), K(2816, 3, 14), K(3072, 3, 14),
	K(3328, 5, 14), K(3584, 2, 14), K(3840, 4, 14), K(4096, 2, 14),
	K(CAIRN_PAGE_AND_HEADER, 4, 14), K(CAIRN_PAGE_AND_LARGE_HEADER, 11, 14),
	K(4608, 4, 14), K(5120, 5, 14), K(5632, 6, 14), K(6144, 3, 14),
	K(6656, 5, 14), K(7168, 4, 14), K(7680, 8, 14), K(8192, 4, 14),
	K(9216, 8, 6), K(10240, 5, 6), K(11264, 7, 6), K(12288, 6, 6),
	K(13312, 9, 6), K(14336, 7, 6), K(15360, 15, 6), K(16384, 8, 6),
	K(18432, 9, 6), K(20480, 10, 6), K(22528, 11, 6), K(24576, 12, 6),
	K(26624, 13, 6), K(28672, 14, 6), K(30720, 15, 6), K(32768, 16, 6),
};
/* clang-format on */

void cairn_class_use_small_slabs(void)
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		cairn_class *k = &cairn_classes[i];
		size_t granules = cairn_granules_for(k->bytes), slots;
		while (slots = (granules << CAIRN_GRANULE_SHIFT) / k->bytes,
			(granules << CAIRN_GRANULE_SHIFT) - slots * k->bytes > granules << (CAIRN_GRANULE_SHIFT - 2))
			granules++;
		k->granules = (uint16_t)granules;
		k->capacity = (uint16_t)slots;
	}
}

unsigned cairn_class_of(size_t bytes)
{
	if (bytes <= 256)
		return bytes ? (unsigned)(bytes + 15) / 16 : 1;
	if (bytes > CAIRN_SMALL_MAX)
		return 0;
	unsigned doubling = cairn_log2(bytes - 1); /* 8 for 257..512 */
	unsigned c = 16 + (doubling - 8) * 8 + (unsigned)((bytes - 1) >> (doubling - 3)) - 7;
	return c + (bytes > CAIRN_PAGE_AND_HEADER) + (bytes > CAIRN_PAGE_AND_LARGE_HEADER);
}

unsigned cairn_class_of_aligned(size_t bytes, size_t align)
{
	unsigned c = cairn_class_of(bytes > align ? bytes : align);
	while (c && c < CAIRN_CLASS_COUNT && cairn_classes[c].bytes % align)
		c++;
	return c < CAIRN_CLASS_COUNT ? c : 0;
}
