/* gc/blockpurge.c - blocks: what they do not need goes back to the system. The design is in blocks.h.
 *
 *   LARGE block, and those behind it, while it is_cut
 *     ├ its object ───────────┤ the page's rest │····· no frames, and not held ·····│
 *                             └ filled
 *
 * A large object's blocks are more than it fills: up to four times, where it has a little over 16 KiB. That costs
 * nothing while there is room, for pages that were never touched have no frames. Where a heap comes near its max they
 * are cut, of the oldest first, before it collects or refuses.
 *
 * Lock: the blocks lock, taken here. Failure: what the system does not take stays, and counts. */
#include "gc/blocks.h"

#include "gc/managed.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"

enum { TRIM_STEP_BYTES = CAIRN_PURGE_KEEP_MIN_BYTES, TRIM_STEP_US = 100, TRIM_BYTES_PER_US = 4096 };

_Static_assert(CAIRN_GC_LARGE_META_BYTES <= 4096, "what is said about a LARGE object lies in the first page of it");

size_t cairn_gc_block_cut_meta_bytes(void)
{
	size_t page = cairn_vm_page_bytes();
	return page < CAIRN_GC_META_BYTES ? CAIRN_GC_META_BYTES - page : 0;
}

static uintptr_t cut_from(const cairn_gc_block *b)
{
	return cairn_round_up((uintptr_t)cairn_gc_block_start(b) + b->filled, cairn_vm_page_bytes());
}

size_t cairn_gc_block_cut_bytes(const cairn_gc_block *b)
{
	return (uintptr_t)cairn_gc_block_start(b) + b->blocks * (size_t)CAIRN_GC_BLOCK_BYTES - cut_from(b);
}

/* Is so much more cut, or less? */
static void block_count_cut(cairn_gc_heap *h, cairn_gc_block *b, bool is_cut)
{
	size_t sign = is_cut ? 1 : (size_t)-1, bytes = sign * cairn_gc_block_cut_bytes(b);
	size_t meta = sign * cairn_gc_block_cut_meta_bytes();
	b->is_cut = is_cut;
	h->blocks.large_cut += bytes;
	h->blocks.large_cuttable -= bytes;
	h->blocks.large_unfilled -= bytes;
	h->blocks.large_meta -= meta;
	cairn_gc_blocks_add_held(&h->blocks, -(ptrdiff_t)(bytes + meta));
}

void cairn_gc_block_uncut(cairn_gc_heap *h, cairn_gc_block *b)
{
	if (b->is_cut)
		block_count_cut(h, b, false);
}

static void block_purge_pages(cairn_gc_heap *h, cairn_gc_block *b)
{
	bool was_dirty = !b->is_zero;
	b->is_zero = b->is_absent = cairn_vm_purge(cairn_gc_block_start(b), CAIRN_GC_BLOCK_BYTES);
	if (b->is_zero && CAIRN_GC_META_BYTES % cairn_vm_page_bytes() == 0)
		b->bytes_are_clear = cairn_vm_purge(cairn_gc_block_bytes(b), CAIRN_GC_META_BYTES);
	b->has_frames = b->may_have_frames = false;
	cairn_gc_blocks_add_dirty(&h->blocks, (ptrdiff_t)!b->is_zero - (ptrdiff_t)was_dirty);
}

/* A huge page has frames behind blocks, too, that were never in use. */
static void slab_be_plain(cairn_gc_heap *h, cairn_gc_slab *slab)
{
	if (!cairn_pageheap_forget_huge(slab))
		return;
	cairn_vm_no_huge(slab, CAIRN_GC_SLAB_BYTES);
	CAIRN_GC_EACH_BLOCK_OF(b, slab)
		if (b->kind == CAIRN_GC_BLOCK_EMPTY && b->is_zero)
			block_purge_pages(h, b);
}

static void block_cut(cairn_gc_heap *h, cairn_gc_block *b)
{
	size_t bytes = cairn_gc_block_cut_bytes(b), meta = cairn_gc_block_cut_meta_bytes();
	char *said = (char *)cairn_gc_block_bytes(b) + CAIRN_GC_META_BYTES - meta;
	slab_be_plain(h, cairn_gc_slab_of(b));
	if (bytes && !cairn_vm_purge((void *)cut_from(b), bytes))
		return;
	if (meta && b->may_have_frames && !cairn_vm_purge(said, meta))
		return;
	b->may_have_frames = false;
	block_count_cut(h, b, true);
}

bool cairn_gc_blocks_cut(cairn_gc_heap *h, size_t worth, size_t least)
{
	cairn_gc_blocks *s = &h->blocks;
	if (h->zeal.poisons)
		return false;
	cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS);
	size_t before = s->held_bytes;
	uint64_t calm = cairn_gc_calm();
	if (s->large_cuttable >= worth)
		for (cairn_node *n = s->large.next; n != &s->large && before - s->held_bytes < least; n = n->next) {
			cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
			if (!b->is_cut && !cairn_gc_slab_of(b)->is_huge)
				block_cut(h, b);
		}
	cairn_gc_uncalm(calm);
	bool is_less = s->held_bytes < before;
	cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS);
	return is_less;
}

/* Every block of it is empty. */
static void slab_drop(cairn_gc_heap *h, cairn_gc_slab *slab)
{
	CAIRN_GC_EACH_BLOCK_OF(b, slab) {
		cairn_list_remove(&b->node);
		cairn_gc_blocks_add_dirty(&h->blocks, -(ptrdiff_t)!b->is_zero);
		if (h->zeal.poisons)
			cairn_gc_zeal_unpoison(h, b);
	}
	h->blocks.empty_count -= CAIRN_GC_SLAB_USABLE;
	cairn_gc_slab_give(h, slab);
}

static void block_purge(cairn_gc_heap *h, cairn_gc_block *b)
{
	if (b->is_zero || h->zeal.poisons)
		return;
	uint64_t before = cairn_gc_calm();
	slab_be_plain(h, cairn_gc_slab_of(b));
	block_purge_pages(h, b);
	cairn_gc_uncalm(before);
}

/* What the heap holds, and its empty blocks keep. */
static size_t resident_most(const cairn_gc_heap *h)
{
	size_t dirty = __atomic_load_n(&h->blocks.empty_dirty, __ATOMIC_RELAXED); /* a figure to decide by */
	return cairn_gc_held(h) + dirty * (CAIRN_GC_BLOCK_BYTES + CAIRN_GC_META_BYTES);
}

static void blocks_trim(cairn_gc_heap *h)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS);
	for (cairn_node *n = s->empty.prev; n != &s->empty && resident_most(h) > h->config.max; n = n->prev)
		block_purge(h, cairn_container(n, cairn_gc_block, node));
	cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS);
}

/* What the page heap keeps may be malloc's, and wanted: an eighth of max is left to it. */
static bool is_over_with_page_heap(const cairn_gc_heap *h)
{
	size_t dirty = cairn_pageheap_dirty_bytes();
	return dirty > CAIRN_PURGE_KEEP_MIN_BYTES && resident_most(h) + dirty > h->config.max + h->config.max / 8;
}

void cairn_gc_blocks_trim(cairn_gc_heap *h, size_t taken)
{
	if (resident_most(h) > h->config.max && !h->zeal.poisons)
		blocks_trim(h);
	if (is_over_with_page_heap(h)) {
		uint64_t before = cairn_gc_calm();
		size_t step = taken > TRIM_STEP_BYTES ? taken : TRIM_STEP_BYTES, dirty = cairn_pageheap_dirty_bytes();
		cairn_purge_step(dirty > step ? dirty - step : 0, TRIM_STEP_US + (unsigned)(taken / TRIM_BYTES_PER_US));
		cairn_gc_uncalm(before);
	}
}

void cairn_gc_blocks_purge(cairn_gc_heap *h, size_t keep_bytes)
{
	cairn_gc_blocks *s = &h->blocks;
	cairn_gc_slab_ahead_drop(h);
	cairn_lock_take(&s->lock, CAIRN_RANK_GC_BLOCKS);
	for (cairn_node *n = s->slabs.prev, *before; n != &s->slabs; n = before) {
		before = n->prev;
		cairn_gc_slab *slab = cairn_container(n, cairn_gc_slab, node);
		if (slab->empty_blocks == CAIRN_GC_SLAB_USABLE && !slab->is_huge &&
			(s->empty_count - CAIRN_GC_SLAB_USABLE) * CAIRN_GC_BLOCK_BYTES >= keep_bytes)
			slab_drop(h, slab);
	}
	size_t kept = 0; /* the warmest stay */
	for (cairn_node *n = s->empty.next; n != &s->empty; n = n->next) {
		cairn_gc_block *b = cairn_container(n, cairn_gc_block, node);
		kept += b->is_zero ? 0 : CAIRN_GC_BLOCK_BYTES;
		if (kept > keep_bytes)
			block_purge(h, b);
	}
	cairn_lock_drop(&s->lock, CAIRN_RANK_GC_BLOCKS);
}
