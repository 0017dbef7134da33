/* malloc/slabpurge.h - gives OS pages back that are empty inside slabs in use.
 *
 * One survivor keeps a slab from the page heap, but not the frames of its other pages. Slabs that had slots given
 * back queue in their class (malloc/central.c); here a few at a time are looked at, the free slots on their empty
 * pages taken out, the pages purged with no lock held, and the slots put back.
 *
 * Threads: any. Locks: a central lock, never during a system call, but where a slab with too
 * many hidden runs is shown (malloc/slabhide.h). Failure: pages the OS keeps stay as they were. */
#ifndef CAIRN_MALLOC_SLABPURGE_H
#define CAIRN_MALLOC_SLABPURGE_H

#include "page/chunk.h"

/* Is enough queued to be worth a step: half of what page/purge.c keeps? */
bool cairn_slabpurge_is_due(void);
/* Purges for about budget_us microseconds; false when the queues are empty. */
bool cairn_slabpurge_step(unsigned budget_us);
size_t cairn_slabpurge_bytes(void); /* given back so, cumulative */
/* Pages of the slab, as bits, that are being purged now: its slots on them are free, and their bits do not say so.
 * Under the class's central lock. */
uint64_t cairn_slabpurge_held_pages(const cairn_span *s);
/* What another thread was purging is put back: it is not here. */
void cairn_slabpurge_fork_child(void);

#endif
