/* Size classes: every size and every alignment is tried. Cases cite the invariants of malloc/sizeclass.h. */
#include "malloc/sizeclass.h"
#include "support/test.h"

#include <math.h>

static void every_small_size_fits_its_class(void) /* S1 */
{
	for (size_t n = 0; n <= CAIRN_SMALL_MAX; n++) {
		unsigned c = cairn_class_of(n);
		EXPECT(c > 0 && c < CAIRN_CLASS_COUNT && cairn_classes[c].bytes >= n);
		EXPECT(c == 1 || cairn_classes[c - 1].bytes < n); /* and no smaller one would do */
	}
	EXPECT_EQ(cairn_class_of(CAIRN_SMALL_MAX + 1), 0);
	EXPECT_EQ(cairn_class_of(SIZE_MAX), 0);
}

static void classes_rise_and_none_is_left_out(void) /* S2 */
{
	unsigned last = cairn_class_of(0);
	EXPECT_EQ(last, 1);
	for (size_t n = 1; n <= CAIRN_SMALL_MAX; n++) {
		unsigned c = cairn_class_of(n);
		EXPECT(c == last || c == last + 1);
		last = c;
	}
	EXPECT_EQ(last, CAIRN_CLASS_COUNT - 1);
}

static void a_slot_is_at_most_16_bytes_or_an_eighth_too_large(void) /* S3 */
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++) {
		size_t smallest = c == 1 ? 1 : cairn_classes[c - 1].bytes + 1, over = cairn_classes[c].bytes - smallest;
		EXPECT(over <= 16 || over * 8 <= smallest);
	}
}

static void mean_rounding_is_under_4_and_a_half_percent(void) /* S3 */
{
	double asked = 0, given = 0;
	for (size_t n = 16; n <= CAIRN_SMALL_MAX; n++) {
		double weight = log((double)(n + 1) / (double)n); /* log-uniform */
		asked += weight * (double)n;
		given += weight * cairn_classes[cairn_class_of(n)].bytes;
	}
	NOTE("mean rounding %.2f %%", 100 * (given / asked - 1));
	EXPECT(given / asked - 1 <= 0.045);
}

static void every_slot_is_a_multiple_of_16(void) /* S4 */
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		EXPECT_EQ(cairn_classes[c].bytes % 16, 0);
}

static void the_reciprocal_divides_exactly(void) /* S5 */
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++) {
		const cairn_class *k = &cairn_classes[c];
		size_t all = (size_t)k->granules * CAIRN_GRANULE_BYTES;
		for (size_t offset = 0; offset < all; offset++)
			if (cairn_class_index(k, offset) != offset / k->bytes) {
				EXPECT_EQ(cairn_class_index(k, offset), offset / k->bytes);
				return;
			}
	}
}

static void every_alignment_is_served_by_a_class_that_has_it(void) /* S6 */
{
	for (size_t align = 16; align <= CAIRN_GRANULE_BYTES; align *= 2)
		for (size_t n = 0; n <= CAIRN_SMALL_MAX; n++) {
			unsigned c = cairn_class_of_aligned(n, align);
			if (n + align <= CAIRN_SMALL_MAX) /* what aligned requests are served by */
				EXPECT_EQ(c, cairn_class_of(cairn_round_up(n ? n : 1, align)));
			if (!c)
				continue; /* such a request is a large block */
			EXPECT(cairn_classes[c].bytes >= n && cairn_classes[c].bytes % align == 0);
			for (unsigned smaller = cairn_class_of(n); smaller < c; smaller++)
				EXPECT(cairn_classes[smaller].bytes % align); /* none before it would do */
		}
	EXPECT_EQ(cairn_class_of_aligned(100, CAIRN_GRANULE_BYTES), cairn_class_of(CAIRN_GRANULE_BYTES));
}

static void a_slab_has_8_slots_and_loses_little(void)
{
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++) {
		const cairn_class *k = &cairn_classes[c];
		size_t all = (size_t)k->granules * CAIRN_GRANULE_BYTES, used = (size_t)k->capacity * k->bytes;
		EXPECT(k->capacity >= 8 && used <= all && all - used < k->bytes);
		EXPECT((all - used) * 1000 <= all * 36);
		EXPECT(k->granules <= 16); /* 64 OS pages of 4 KiB: clean_pages is one word */
		EXPECT(cairn_is_power_of_two(k->magazine_max + 2u));
	}
}

int main(void)
{
	RUN(every_small_size_fits_its_class);
	RUN(classes_rise_and_none_is_left_out);
	RUN(a_slot_is_at_most_16_bytes_or_an_eighth_too_large);
	RUN(mean_rounding_is_under_4_and_a_half_percent);
	RUN(every_slot_is_a_multiple_of_16);
	RUN(the_reciprocal_divides_exactly);
	RUN(every_alignment_is_served_by_a_class_that_has_it);
	RUN(a_slab_has_8_slots_and_loses_little);
	DONE();
}
