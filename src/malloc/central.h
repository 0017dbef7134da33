/* malloc/central.h - per size class, the slabs that all threads share.
 *
 * Thread caches refill from here and flush to here in batches, under the class's lock: one lock operation a batch. No
 * slab belongs to a thread, so a thread that ends, sleeps or only frees strands nothing, and 200 threads with few
 * blocks each share the same pages.
 *
 *   slab (none) ──take: no partial slab──▶ PARTIAL ──last slot taken──▶ FULL (in no list)
 *                   PARTIAL ◀──a slot given back── FULL
 *                   PARTIAL ──last block given back──▶ (none): to the page heap at once
 *
 * Partial slabs hang in BUCKETS lists by how full they are; the fullest serve first, so that sparse ones can empty out.
 * Slabs that had slots given back wait in the purge queue for a look at their empty pages: malloc/slabpurge.c.
 *
 * Invariants, checked by cairn_central_validate():
 *   (C1) A slab is in a list iff it has a free slot, and in the list of its bucket.
 *   (C2) No slab in a list is entirely free, unless pages of it are being purged.
 *   (C3) slots = out + held + the free slots of the slabs in the lists; out: live blocks and those in magazines.
 *   (C4) While nobody holds the lock, told = out.
 *
 * Locks: one a class, rank CENTRAL. Failure: take gives fewer than asked, give reports misuse and
 * leaves the wrong slot and those behind it. */
#ifndef CAIRN_MALLOC_CENTRAL_H
#define CAIRN_MALLOC_CENTRAL_H

#include "malloc/slab.h"
#include "os/lock.h"

enum { CAIRN_CENTRAL_BUCKETS = 4 };

/* Two cache lines of its own: the lock, for which others spin, and the lists. */
typedef struct cairn_central {
	_Alignas(CAIRN_LINE_BYTES) cairn_lock lock;
	uint32_t size_class;    /* const after first use */
	uint64_t slots;         /* sync: lock; of all slabs of the class, free ones included */
	uint64_t out;           /* sync: lock; of those, live or in a magazine */
	uint64_t told;          /* sync: lock; of out, what the sums for everybody have been told */
	uint64_t held;          /* sync: lock; of slots, out of the free bits while being purged */
	cairn_node purge_queue; /* sync: lock; slabs whose empty pages are worth a look */
	_Alignas(CAIRN_LINE_BYTES) cairn_node partial[CAIRN_CENTRAL_BUCKETS]; /* sync: lock; [0] the fullest */
} cairn_central;

/* How giving went. */
typedef struct cairn_given {
	size_t slots;       /* that were taken; fewer than given: the next one is wrong */
	size_t runs;        /* in how many runs of slots of one granule they came */
	cairn_give verdict; /* on the next one */
} cairn_given;

/* The class's lock, held: */
cairn_central *cairn_central_lock(unsigned size_class);
bool cairn_central_try_lock(unsigned size_class, cairn_central **c); /* false: held by somebody */
void cairn_central_unlock(cairn_central *c); /* and tells malloc/stats.h how many more are out */

/* Under the lock. Up to n slots into end[-1], end[-2] ...; how many. */
size_t cairn_central_take(cairn_central *c, void **end, size_t n);
/* Under the lock. Takes n pointers into granules of this class. Cheapest where neighbours in the array are neighbours
 * in memory. */
cairn_given cairn_central_give(cairn_central *c, void **slots, size_t n);
/* Under the lock: s is entirely free; it leaves. */
void cairn_central_drop_slab(cairn_central *c, cairn_span *s);
/* Under the lock: puts s where its free_count belongs. */
void cairn_central_place(cairn_central *c, cairn_span *s);

size_t cairn_central_queued_bytes(void);         /* what slabs in purge queues may give; a hint */
void cairn_central_unqueue(cairn_span *s);       /* under the lock */

void cairn_central_lock_all(void); /* for fork and malloc/still.h, in order of class */
void cairn_central_unlock_all(void);
void cairn_central_fork_child(void);
const cairn_central *cairn_central_of(unsigned size_class); /* to read under its lock; returns borrowed */
void cairn_central_validate(unsigned size_class);

#endif
