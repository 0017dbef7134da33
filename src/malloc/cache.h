/* malloc/cache.h - a thread's cache: one magazine a size class, in front of the central lists.
 *
 * A magazine is an array of pointers to free slots, used as a stack. malloc pops, free pushes; nothing else is touched,
 * not even the block.
 *
 *      base[-2] base[-1]  base                top        limit
 *       NULL     NULL      p    p    p    p    .    .    .        a pop that reads NULL is a refill,
 *                                                                  a push at limit is a flush
 *
 * Below base lie two NULLs: the pop's sentinel, and what lets free compare with the two top slots without a test.
 * A cache is one 4 KiB page; its counters lie in a page CAIRN_COUNTERS_DISTANCE behind it, which may be
 * mapped from a file (malloc/stats.h) while the cache itself never is: after a raw fork two processes would share it.
 *
 * The static empty cache is every thread's first: all its requests fall on magazine 0, which is empty for malloc, and
 * every magazine of it is full for free. So nothing on the fast paths asks whether a thread has a cache, and whoever
 * wants to see every operation puts the empty one back (malloc/threads.h).
 *
 * Invariants, checked by cairn_cache_validate():
 *   (M1) base <= top <= limit, limit - base = capacity, base[-1] and base[-2] are NULL.
 *   (M2) Every pointer in [base, top) is a slot of the magazine's class whose free bit is 0, and stands there once.
 *   (M3) Magazine 0 is empty and full.
 *
 * Locks: a cache belongs to its thread; magazines change outside the fast paths only under their class's central
 * lock, so that a fork, which holds all of those, sees them whole. Failure: refill returns false when the OS refuses.
 * Not here: which thread has which cache (malloc/threads.h). */
#ifndef CAIRN_MALLOC_CACHE_H
#define CAIRN_MALLOC_CACHE_H

#include "malloc/misuse.h"
#include "malloc/shelf.h"
#include "malloc/sizeclass.h"
#include "malloc/stats.h"

enum {
	CAIRN_CACHE_BYTES = 4096,
	CAIRN_CACHES_TOGETHER = 16, /* caches of one group: their pages lie together, then their counters' */
	CAIRN_COUNTERS_DISTANCE = CAIRN_CACHES_TOGETHER * CAIRN_CACHE_BYTES,
	/* From a magazine to its class's counter. Not a multiple of 4 KiB: malloc writes both and the next call reads
	 * the magazine; where the low 12 bits agree the processor takes that for a read of what was just written. */
	CAIRN_COUNTER_DISTANCE = CAIRN_COUNTERS_DISTANCE + offsetof(cairn_thread_counters, by_class),
};

typedef struct cairn_magazine {
	void **top;   /* sync: owner thread */
	void **limit; /* sync: owner thread */
} cairn_magazine;

/* What the fast paths do not need. */
typedef struct cairn_magazine_cold {
	void **base;       /* sync: owner thread */
	uint16_t capacity; /* slots; 0: no memory yet */
	uint16_t batch;    /* slots the next refill asks for */
	uint16_t flushes;  /* flushes since the last refill */
	uint16_t refills;  /* refills so far, up to SLOW_START_REFILLS */
} cairn_magazine_cold;

typedef struct cairn_cache {
	cairn_magazine magazine[CAIRN_CLASS_COUNT]; /* sync: owner thread */
	size_t fine_max;   /* requests up to this take the fast path; 0 while requested bytes are counted */
	size_t small_max;  /* requests up to this take the second step; 0 likewise */
	uint16_t fine[CAIRN_FINE_MAX / 16 + 1];        /* (bytes + 15) / 16 -> offset of the class's magazine */
	uint16_t coarse[CAIRN_SMALL_MAX / 128 + 1];    /* (bytes + 127) / 128 -> the same */
	cairn_magazine_cold cold[CAIRN_CLASS_COUNT];
	cairn_shelf shelf;     /* sync: see malloc/shelf.h */
	cairn_node node;       /* in the list of idle caches; sync: threads lock */
	uint32_t index;        /* const: of its counters */
	uint32_t thread_id;    /* sync: owner thread; 0 when idle */
	volatile uint8_t is_busy; /* sync: owner thread and its signal handlers: inside a slow path */
} cairn_cache;

_Static_assert(sizeof(cairn_cache) <= CAIRN_CACHE_BYTES, "a cache is one OS page");
_Static_assert(sizeof(cairn_magazine) == sizeof(cairn_class_counter), "counters lie as far apart as magazines");
_Static_assert((int)CAIRN_CLASS_COUNT <= (int)CAIRN_WIRE_CLASSES, "the wire has room for every class");

extern cairn_cache cairn_cache_empty; /* never written */

static inline cairn_class_counter *cairn_cache_counter(cairn_cache *c, unsigned size_class)
{
	return &((cairn_class_counter *)((char *)c + CAIRN_COUNTER_DISTANCE))[size_class];
}

static inline cairn_thread_counters *cairn_cache_counters(cairn_cache *c)
{
	return (cairn_thread_counters *)((char *)c + CAIRN_COUNTERS_DISTANCE);
}

/* Fills in a zeroed page as a cache with empty magazines. */
void cairn_cache_init(cairn_cache *c, uint32_t index);
/* At least one slot into the class's magazine. False: the OS refused. */
bool cairn_cache_refill(cairn_cache *c, unsigned size_class);
/* Makes room in a full magazine: gives the oldest slots back. False: no magazine could be made, give the block
 * directly. */
bool cairn_cache_flush(cairn_cache *c, unsigned size_class);
/* Gives every slot back and the magazines' memory too. */
void cairn_cache_drain(cairn_cache *c);
/* Puts every slot back but keeps the magazines: for purging, and the check at exit. */
void cairn_cache_empty_magazines(cairn_cache *c);
/* Blocks in the class's magazine; racy when c is another thread's. */
size_t cairn_cache_fill(const cairn_cache *c, unsigned size_class);
void cairn_cache_validate(const cairn_cache *c);

#endif
