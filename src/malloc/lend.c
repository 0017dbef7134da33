/* malloc/lend.c - who lends to a size class, and for how long. The design is in lend.h. */
#include "malloc/lend.h"

#include "malloc/central.h"
#include "malloc/large.h"
#include "page/window.h"

enum {
	LENDER_MIN_BYTES = 64,
	LENDER_MAX_BYTES = 4096,
	LEND_SLABS = 6,                  /* that a lender gets for others, at most */
	LEND_SLABS_LAZY = 2,             /* where a slab costs the pages that are used: page/window.h */
	LEND_LARGE_MAX_BYTES = 32 << 10, /* where the lender is large.c */
	LOANS_MAX = 1000,                /* each costs a slow path */
	LOANS_ENDED = UINT16_MAX,
};

static bool is_lending;                   /* const after start */
static uint16_t loans[CAIRN_CLASS_COUNT]; /* sync: atomic, relaxed: decides when, and two at once may be one too few */

void cairn_lend_begin(void) { is_lending = true; }

/* 0: large.c. */
static unsigned lender_of(unsigned size_class)
{
	size_t bytes = cairn_classes[size_class].bytes, lender = LENDER_MIN_BYTES;
	while (lender < bytes)
		lender *= 4;
	return lender > LENDER_MAX_BYTES ? 0 : cairn_class_of(lender);
}

/* What a loan takes as a large block. */
static size_t loan_bytes(unsigned size_class)
{
	size_t bytes = cairn_classes[size_class].bytes;
	return cairn_window_lazy_bytes ? cairn_large_usable_bytes(bytes) : cairn_round_up(bytes, CAIRN_GRANULE_BYTES);
}

/* A free slot costs nothing, and few slabs for all classes less than one for each. */
static bool can_lend(const cairn_cache *c, unsigned lender)
{
	if (c && c->magazine[lender].top[-1])
		return true;
	cairn_central *central = cairn_central_lock(lender);
	bool has_slot = central->slots > central->out + central->held;
	size_t most = cairn_window_lazy_bytes ? LEND_SLABS_LAZY : LEND_SLABS;
	bool is_small = central->slots < most * cairn_classes[lender].capacity;
	cairn_central_unlock(central);
	return has_slot || is_small;
}

unsigned cairn_lend_class(const cairn_cache *c, unsigned size_class)
{
	if (!is_lending || !size_class)
		return size_class;
	unsigned lender = lender_of(size_class);
	size_t so_far = __atomic_load_n(&loans[size_class], __ATOMIC_RELAXED); /* decides when, here and below */
	if (lender == size_class || so_far == LOANS_ENDED)
		return size_class;
	bool ends = lender ? so_far == LOANS_MAX || !can_lend(c, lender)
	                   : (so_far + 1) * loan_bytes(size_class) > LEND_LARGE_MAX_BYTES;
	__atomic_store_n(&loans[size_class], ends ? LOANS_ENDED : (uint16_t)(so_far + 1), __ATOMIC_RELAXED);
	return ends ? size_class : lender;
}

size_t cairn_lend_usable_bytes(unsigned size_class, size_t bytes)
{
	if (!is_lending || !size_class)
		return 0;
	unsigned lender = lender_of(size_class);
	return lender ? cairn_classes[lender].bytes : cairn_large_usable_bytes(bytes ? bytes : 1);
}
