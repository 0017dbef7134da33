/* Lending between size classes, as under a limit on memory. Cases cite the invariants of malloc/lend.h. */
#include "malloc/lend.h"

#include "cairn/malloc.h"
#include "malloc/central.h"
#include "os/limits.h"
#include "support/test.h"

enum { MOST = 3000, LOANS_AT_MOST = 1000, CLASS_64 = 4 };

static void *blocks[MOST];

static void without_a_limit_every_class_serves_itself(void) /* L2 */
{
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		EXPECT_EQ(cairn_lend_class(NULL, i), i);
		EXPECT_EQ(cairn_lend_usable_bytes(i, 1), 0);
	}
}

static void a_lender_serves_the_size_and_the_alignment(void) /* L1 */
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		size_t bytes = cairn_classes[i].bytes, align = bytes & -bytes;
		unsigned lender = cairn_lend_class(NULL, i);
		if (!lender) {
			EXPECT(bytes > 4096); /* a large block begins with a granule */
			continue;
		}
		size_t lent = cairn_classes[lender].bytes;
		EXPECT(lent >= bytes && lent <= (bytes < 16 * 4 ? 64 : 4 * bytes));
		EXPECT(lender == i || lent % align == 0);
		EXPECT(lender == i || cairn_lend_usable_bytes(i, bytes) == lent);
		EXPECT(cairn_lend_class(NULL, lender) == lender); /* who lends does not borrow */
	}
}

static size_t usable(size_t bytes)
{
	void *p = cairn_malloc(bytes);
	size_t n = cairn_malloc_usable_size(p);
	cairn_free_sized(p, bytes);
	return n;
}

static void blocks_of_several_classes_share_a_slab(void)
{
	uint64_t slots = 0;
	for (unsigned i = 1; i < CLASS_64; i++)
		EXPECT_EQ(usable(cairn_classes[i].bytes), 64);
	for (unsigned i = 1; i <= CLASS_64; i++) {
		cairn_central *c = cairn_central_lock(i);
		slots += c->slots;
		cairn_central_unlock(c);
	}
	EXPECT_EQ(slots, cairn_classes[CLASS_64].capacity);
	EXPECT_EQ(usable(100), 256);
	EXPECT_EQ(usable(2000), 4096);
	EXPECT_EQ(usable(5000), 8192); /* a large block: rounded to 4 KiB */
}

static void lending_ends_when_the_lender_is_full(void) /* L3 */
{
	size_t count = 0;
	while (count < MOST && (blocks[count] = cairn_malloc(600)) && cairn_malloc_usable_size(blocks[count]) == 1024)
		count++;
	EXPECT(count > 0 && count < MOST);
	EXPECT_EQ(cairn_malloc_usable_size(blocks[count]), 640);
	for (size_t i = 0; i <= count; i++)
		cairn_free_sized(blocks[i], 600);
	EXPECT_EQ(usable(600), 640);  /* and does not begin again */
	EXPECT_EQ(usable(700), 1024); /* for others it goes on: the lender has free slots again */
}

static void lending_ends_after_a_thousand_loans(void) /* L3 */
{
	size_t count = 0;
	while (count < 2 * LOANS_AT_MOST && usable(208) == 256)
		count++;
	EXPECT_EQ(count, LOANS_AT_MOST - 1); /* one was counted by the case about sizes */
	EXPECT_EQ(usable(208), 208);
}

static void large_loans_end_early(void) /* L3 */
{
	unsigned size_class = cairn_class_of(12000);
	EXPECT_EQ(cairn_lend_class(NULL, size_class), 0); /* 16 KiB each; one was lent by the case about sizes */
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(cairn_lend_class(NULL, size_class), size_class);
}

int main(void)
{
	if (cairn_limits_are_tight())
		SKIP_ALL("a limit is in force already");
	cairn_free(cairn_malloc(100000)); /* malloc's start */
	RUN(without_a_limit_every_class_serves_itself);
	cairn_lend_begin();
	RUN(a_lender_serves_the_size_and_the_alignment);
	RUN(blocks_of_several_classes_share_a_slab);
	RUN(lending_ends_when_the_lender_is_full);
	RUN(lending_ends_after_a_thousand_loans);
	RUN(large_loans_end_early);
	DONE();
}
