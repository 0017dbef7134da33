/* os/meta.c - memory for cairn's own records.
 *
 *   slab    | small blocks, upwards ──▶      untouched      ◀── blocks of 4096 B and more, downwards |
 *           start                     low                  high                                     end
 *
 * A block's size is a power of two, 16 B to 64 KiB. Small ones grow from the low end, each aligned to its size; what is
 * skipped for that goes to the free lists in pieces. The others come from the high end, aligned to 4096. So a small
 * program touches one page, and a large block's pages are touched by its user alone. Freed blocks go to their size's
 * free list.
 *
 * Invariants, checked by cairn_meta_validate():
 *   (M1) start <= low <= high <= end, and low is a multiple of 16.
 *   (M2) A block on the free list of a size is aligned to the smaller of that size and 4096.
 *   (M3) live + free + (high - low) == mapped for slabs: every byte is in one place. (So no list has a loop.)
 *   (M4) mapped for slabs + mapped for large blocks == cairn_meta_bytes().
 *
 * Lock: meta, rank CAIRN_RANK_META. A slab is mapped under it; blocks are zeroed outside.
 * Failure: NULL, nothing changed. A new slab that is refused is asked for again at half the size, down to the block's.
 * Not here: giving slabs back; records are small beside what they describe. */
#include "base/assert.h"
#include "base/bits.h"
#include "os/limits.h"
#include "os/lock.h"
#include "os/meta.h"
#include "os/vm.h"

enum {
	META_MIN_BYTES = 16,
	META_MAX_BYTES = 64 * 1024,
	META_SIZES = 13, /* 2^4 .. 2^16 */
	META_ALIGN_MAX = 4096,
	META_SLAB_BYTES = 64 * 1024, /* a page under a limit */
	META_SLAB_MAX_BYTES = 1024 * 1024,
	META_AREA_BYTES = 192 * 1024,
	META_TIGHT_BYTES = 16 * 1024, /* reserved at once under a limit */
	META_AREA_TAIL_BYTES = 64 * 1024, /* a multiple of every OS page */
};
static const size_t META_AREA_DISTANCE = (size_t)12 << 30;
_Static_assert(META_MIN_BYTES << (META_SIZES - 1) == META_MAX_BYTES, "one list for each size");

typedef struct meta_free {
	struct meta_free *next;
} meta_free;

static struct {
	cairn_lock lock;
	meta_free *free[META_SIZES]; /* sync: lock; all fields below too */
	char *area_start;            /* NULL at first */
	char *area_open, *area_end;  /* reserved and not open yet; NULL at first */
	char *low, *high;            /* of the slab in use; NULL at first */
	size_t next_slab_bytes;      /* 0 at first, which stands for the least: this struct is in .bss */
	size_t live_bytes;           /* blocks from slabs that are in use */
	size_t slab_bytes;           /* mapped for slabs */
	size_t large_bytes;          /* mapped for blocks over META_MAX_BYTES */
} meta_pool;

static unsigned meta_index(size_t bytes)
{
	return bytes <= META_MIN_BYTES ? 0 : cairn_log2(bytes - 1) - 3;
}
static size_t meta_index_bytes(unsigned index) { return (size_t)META_MIN_BYTES << index; }
static size_t meta_align(size_t block) { return block < META_ALIGN_MAX ? block : META_ALIGN_MAX; }

static void meta_push(void *p, unsigned index)
{
	meta_free *f = p;
	f->next = meta_pool.free[index];
	meta_pool.free[index] = f;
}

/* Puts [from, to) on the free lists in the largest aligned pieces. Both ends are multiples of 16. */
static void meta_give_range(char *from, char *to)
{
	while (from < to) {
		unsigned index = META_SIZES - 1;
		while (meta_index_bytes(index) > (size_t)(to - from) ||
		       ((size_t)from & (meta_align(meta_index_bytes(index)) - 1)))
			index--;
		meta_push(from, index);
		from += meta_index_bytes(index);
	}
}

/* From the slab in use; NULL where it has no room. */
static void *meta_cut(size_t block)
{
	if (block >= META_ALIGN_MAX) {
		if ((size_t)(meta_pool.high - meta_pool.low) < block)
			return NULL;
		return meta_pool.high -= block;
	}
	char *p = (char *)cairn_round_up((size_t)meta_pool.low, block);
	if (p > meta_pool.high || (size_t)(meta_pool.high - p) < block)
		return NULL;
	meta_give_range(meta_pool.low, p);
	meta_pool.low = p + block;
	return p;
}

/* Where the area is wished: far below where the OS puts what others map, so that it can be lengthened in place. */
static void *meta_area_hint(void)
{
	size_t page = cairn_vm_page_bytes();
	char *somewhere = cairn_vm_reserve(NULL, page, page);
	if (!somewhere)
		return NULL;
	cairn_vm_release(somewhere, page);
	return (uintptr_t)somewhere > 2 * META_AREA_DISTANCE ? somewhere - META_AREA_DISTANCE : NULL;
}

/* Memory for a slab, from one reserved area that is lengthened in place and opened from its start: two mappings however
 * much there is, so that a process that may have no more of them goes on. Part of the area always stays reserved, for a
 * mapping can only be lengthened while it is one. */
static char *meta_area_take(size_t bytes, size_t tail_bytes)
{
	if (!meta_pool.area_open) {
		size_t area = cairn_limits_are_tight() ? bytes + tail_bytes : META_AREA_BYTES;
		meta_pool.area_open = cairn_vm_reserve(meta_area_hint(), area, cairn_vm_page_bytes());
		if (!meta_pool.area_open)
			return NULL;
		meta_pool.area_start = meta_pool.area_open;
		meta_pool.area_end = meta_pool.area_open + area;
	}
	size_t room = (size_t)(meta_pool.area_end - meta_pool.area_open);
	if (room < bytes + tail_bytes) {
		size_t more = cairn_limits_are_tight() ? META_TIGHT_BYTES : meta_pool.slab_bytes; /* doubles */
		more = cairn_round_up(more + bytes, cairn_vm_page_bytes());
		if (!cairn_vm_extend(meta_pool.area_open, room, more))
			return NULL;
		meta_pool.area_end += more;
	}
	char *p = meta_pool.area_open;
	if (!cairn_vm_open(p, bytes))
		return NULL;
	meta_pool.area_open += bytes;
	return p;
}

static char *meta_map(size_t bytes)
{
	char *p = meta_area_take(bytes, cairn_limits_are_tight() ? cairn_vm_page_bytes() : META_AREA_TAIL_BYTES);
	if (!p)
		p = cairn_vm_map(bytes);
	return p ? p : meta_area_take(bytes, 0);
}

/* Under a limit what is open counts, and a block that does not fit leaves little behind. */
static size_t meta_slab_least(void) { return cairn_limits_are_tight() ? cairn_vm_page_bytes() : META_SLAB_BYTES; }

static char *meta_map_slab(size_t least, size_t *bytes)
{
	least = cairn_round_up(least, cairn_vm_page_bytes());
	size_t want = meta_pool.next_slab_bytes ? meta_pool.next_slab_bytes : meta_slab_least();
	char *slab = NULL;
	do {
		*bytes = want < least ? least : want;
		slab = meta_map(*bytes);
		want /= 2;
	} while (!slab && *bytes > least);
	return slab;
}

/* A new slab for a block that the present one cannot hold. A slab with much room left is kept: the block gets its own
 * mapping, so that one large record does not cost a small program the rest of its only slab. */
static bool meta_add_slab(size_t block, void **p)
{
	size_t rest = (size_t)(meta_pool.high - meta_pool.low);
	size_t used_slab = meta_pool.next_slab_bytes / 2;
	bool is_kept = rest > used_slab / 8 && rest > META_ALIGN_MAX;
	size_t bytes;
	char *slab = is_kept ? meta_map(bytes = cairn_round_up(block, cairn_vm_page_bytes()))
	                     : meta_map_slab(block, &bytes);
	if (!slab)
		return false;
	meta_pool.slab_bytes += bytes;
	if (is_kept) {
		meta_give_range(slab + block, slab + bytes);
		*p = slab;
		return true;
	}
	meta_give_range(meta_pool.low, meta_pool.high);
	meta_pool.low = slab;
	meta_pool.high = slab + bytes;
	if (!cairn_limits_are_tight())
		meta_pool.next_slab_bytes = bytes < META_SLAB_MAX_BYTES / 2 ? 2 * bytes : META_SLAB_MAX_BYTES;
	*p = meta_cut(block);
	return true;
}

static void meta_zero(void *p, size_t bytes)
{
	uint64_t *word = p;
	for (size_t i = 0; i < bytes / 8; i++)
		word[i] = 0;
}

/* The rest of a larger free block goes back in pieces. NULL where none is free. */
static void *meta_split(unsigned index)
{
	for (unsigned i = index; i < META_SIZES; i++) {
		char *p = (char *)meta_pool.free[i];
		if (!p)
			continue;
		meta_pool.free[i] = meta_pool.free[i]->next;
		meta_give_range(p + meta_index_bytes(index), p + meta_index_bytes(i));
		return p;
	}
	return NULL;
}

/* First what was freed, then untouched memory of the slab; larger free blocks before a new slab. */
static void *meta_alloc_small(unsigned index)
{
	size_t block = meta_index_bytes(index);
	bool is_fresh = false;
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	void *p = meta_pool.free[index] ? meta_split(index) : NULL;
	if (!p)
		is_fresh = (p = meta_cut(block));
	if (!p)
		p = meta_split(index);
	if (!p)
		is_fresh = meta_add_slab(block, &p);
	if (p)
		meta_pool.live_bytes += block;
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
	if (p && !is_fresh)
		meta_zero(p, block);
	return p;
}

static void meta_count_large(size_t added, size_t removed)
{
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	meta_pool.large_bytes += added;
	meta_pool.large_bytes -= removed;
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
}

void *cairn_meta_alloc(size_t bytes)
{
	cairn_assert_slow(cairn_meta_validate());
	if (bytes <= META_MAX_BYTES)
		return meta_alloc_small(meta_index(bytes));
	size_t mapped = cairn_round_up(bytes, cairn_vm_page_bytes());
	void *p = mapped >= bytes ? cairn_vm_map(mapped) : NULL;
	if (p)
		meta_count_large(mapped, 0);
	return p;
}

void cairn_meta_free(void *p, size_t bytes)
{
	if (!p)
		return;
	if (bytes > META_MAX_BYTES) {
		size_t mapped = cairn_round_up(bytes, cairn_vm_page_bytes());
		cairn_vm_release(p, mapped);
		meta_count_large(0, mapped);
		return;
	}
	unsigned index = meta_index(bytes);
	cairn_assert(!((size_t)p & (meta_align(meta_index_bytes(index)) - 1)));
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	cairn_assert(meta_pool.live_bytes >= meta_index_bytes(index));
	meta_pool.live_bytes -= meta_index_bytes(index);
	meta_push(p, index);
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
}

size_t cairn_meta_bytes(void)
{
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	size_t bytes = meta_pool.slab_bytes + meta_pool.large_bytes;
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
	return bytes;
}

bool cairn_meta_owns(const void *p)
{
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	bool owns = (const char *)p >= meta_pool.area_start && (const char *)p < meta_pool.area_open;
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
	return owns;
}

void cairn_meta_lock(void) { cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META); }
void cairn_meta_unlock(void) { cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META); }
void cairn_meta_fork_child(void) { cairn_lock_renew(&meta_pool.lock); }

static bool meta_is_sound(void)
{
	size_t free_bytes = 0;
	if (meta_pool.low > meta_pool.high || ((size_t)meta_pool.low & (META_MIN_BYTES - 1)))
		return false;
	for (unsigned index = 0; index < META_SIZES; index++) {
		size_t block = meta_index_bytes(index);
		for (meta_free *f = meta_pool.free[index]; f; f = f->next) {
			free_bytes += block;
			if (((size_t)f & (meta_align(block) - 1)) || free_bytes > meta_pool.slab_bytes)
				return false;
		}
	}
	return meta_pool.live_bytes + free_bytes + (size_t)(meta_pool.high - meta_pool.low) == meta_pool.slab_bytes;
}

bool cairn_meta_validate(void)
{
	cairn_lock_take(&meta_pool.lock, CAIRN_RANK_META);
	bool is_sound = meta_is_sound();
	cairn_lock_drop(&meta_pool.lock, CAIRN_RANK_META);
	return is_sound;
}
