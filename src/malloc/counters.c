/* malloc/counters.c - what malloc has counted, at one moment, for the program itself (cairn/stats.h). mallinfo and its
 * kin (malloc/info.c) are made of the same.
 *
 * Nothing is counted for it: allocations are the threads' own counters, live blocks what the central lists are out of
 * less what lies in magazines, large ones a sum and what each thread adds to it (malloc/stats.h).
 *
 * Locks: malloc/still.h's, and the page heap's after them. Failure: false, all zero.
 * Not here: what of it is resident (lens/). */
#include <cairn/stats.h>

#include <string.h>

#include "malloc/central.h"
#include "malloc/slabpurge.h"
#include "malloc/still.h"
#include "os/meta.h"
#include "page/pageheap.h"

_Static_assert((int)CAIRN_ACCOUNT_CLASSES >= (int)CAIRN_CLASS_COUNT, "there is room for every class");

/* A thread's magazines, its shelf, and what it adds to the sums of large blocks. */
static void count_cache(cairn_cache *c, void *arg)
{
	cairn_counters *n = arg;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		void **top, **base = cairn_still_magazine(c, i, &top);
		n->classes[i].cached_blocks += (uint64_t)(top - base);
	}
	n->kept_bytes += (uint64_t)c->shelf.held << CAIRN_GRANULE_SHIFT;
	n->large_blocks += (uint64_t)__atomic_load_n(&c->shelf.block_delta, __ATOMIC_RELAXED); /* a sum */
	n->large_bytes += (uint64_t)__atomic_load_n(&c->shelf.byte_delta, __ATOMIC_RELAXED);   /* a sum */
}

/* Everything but what threads have: the sums over all of them, and the central lists. */
static void count_shared(cairn_counters *n)
{
	const cairn_control *control = cairn_stats_control();
	n->large_blocks = cairn_stats_out_of(0);
	n->large_bytes = __atomic_load_n(&control->large_bytes, __ATOMIC_RELAXED);     /* a sum */
	n->foreign_frees = __atomic_load_n(&control->foreign_frees, __ATOMIC_RELAXED); /* a sum */
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		const cairn_central *central = cairn_central_of(i);
		n->classes[i].size_bytes = cairn_classes[i].bytes;
		n->classes[i].live_blocks = cairn_stats_out_of(i);
		n->classes[i].free_blocks = central->slots - central->out;
	}
	const cairn_thread_counters *of;
	for (uint32_t cache = 0; (of = cairn_stats_thread(cache)); cache++)
		for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
			n->classes[i].allocations += of->by_class[i].allocations;
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; /* b may be of a moment later */ }

static void add_up(cairn_counters *n)
{
	const uint64_t *inherited = cairn_stats_control()->live_at_start;
	n->class_count = CAIRN_CLASS_COUNT;
	n->classes[0].live_blocks = n->large_blocks;
	n->live_bytes = n->large_bytes;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		cairn_counters_class *k = &n->classes[i];
		k->live_blocks = less(k->live_blocks, k->cached_blocks);
		k->frees = less(k->allocations + inherited[i], k->live_blocks);
		n->allocations += k->allocations;
		n->frees += k->frees;
		n->live_blocks += k->live_blocks;
		n->live_bytes += k->live_blocks * k->size_bytes;
		n->cached_blocks += k->cached_blocks;
		n->cached_bytes += k->cached_blocks * k->size_bytes;
		n->free_blocks += k->free_blocks;
		n->free_bytes += k->free_blocks * k->size_bytes;
	}
}

bool cairn_counters_get(cairn_counters *n)
{
	cairn_cache *c;
	memset(n, 0, sizeof *n);
	if (!cairn_still_begin(&c))
		return false;
	count_shared(n);
	cairn_threads_visit_held(count_cache, n);
	cairn_pageheap_numbers pages = cairn_pageheap_count();
	n->used_bytes = (pages.used_granules - pages.managed_granules) << CAIRN_GRANULE_SHIFT;
	n->managed_bytes = pages.managed_granules << CAIRN_GRANULE_SHIFT;
	n->dirty_bytes = pages.dirty_granules << CAIRN_GRANULE_SHIFT;
	n->open_bytes = pages.open_granules << CAIRN_GRANULE_SHIFT;
	n->purged_bytes = (pages.purged_granules << CAIRN_GRANULE_SHIFT) + cairn_slabpurge_bytes();
	n->meta_bytes = cairn_meta_bytes();
	cairn_still_end(c);
	add_up(n);
	return true;
}
