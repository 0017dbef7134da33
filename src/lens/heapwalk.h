/* lens/heapwalk.h - what each resident byte of a process's heap is: a walk over the page heap's records, from outside.
 *
 *   regions ──▶ chunks ──▶ spans ──▶ slabs: free bits and what magazines hold ──▶ live, holes, cached
 *                                    large: the block, its tail and runway; kept: on a shelf
 *                                    managed: slabs of managed heaps, see lens/managedwalk.h
 *                     ──▶ free granules
 *
 * Each resident page of a region's open part is put into the figures by bytes; a live slot's bytes that are not
 * resident are `untouched`. The sum of what is resident is exact whatever the process does meanwhile, for each page is
 * looked at once and what has no record is `unknown`; to which figure a byte is put is as of the instant in which its
 * record was read.
 *
 * Invariant, checked by cairn_heapwalk_validate(): (K1) resident = live + holes + queue + cached + shelves + dirty +
 * tails + managed ones + unknown.
 *
 * The records are bounded before they are believed: a hostile process makes figures wrong and nothing else.
 * Locks: none. Failure: false; what was counted until then stands. */
#ifndef CAIRN_LENS_HEAPWALK_H
#define CAIRN_LENS_HEAPWALK_H

#include "lens/places.h"
#include "malloc/outside.h"

typedef struct cairn_heapwalk_class {
	uint64_t slabs, live_blocks;
	uint64_t live_bytes, untouched_bytes, hole_bytes, queue_bytes, cached_bytes;
	uint64_t sparse_slabs, sparse_bytes; /* slabs with at most CAIRN_HEAPWALK_SPARSE live blocks; their holes */
	uint64_t allocations, requested_bytes;
	uint64_t samples, slack_bytes, slack_squared; /* of sampled requests: see wire/control.h */
} cairn_heapwalk_class;

enum { CAIRN_HEAPWALK_SPARSE = 3 };

typedef struct cairn_heapwalk_thread {
	uint64_t id; /* 0: nobody's now */
	uint64_t cached_bytes, shelf_bytes, allocations;
} cairn_heapwalk_thread;

typedef struct cairn_heapwalk {
	cairn_peer *peer;
	cairn_heapmap map;                      /* the process's */
	cairn_class classes[CAIRN_CLASS_COUNT]; /* the process's: slabs are smaller under a limit */
	cairn_control control;                  /* the process's, as far as it could be read */

	cairn_heapwalk_class
		by_class[CAIRN_CLASS_COUNT]; /* [0] the large blocks: holes are tails, cached is on shelves */
	uint64_t resident_bytes, huge_bytes, dirty_bytes, unknown_bytes, open_bytes;
	uint64_t mapped_bytes; /* of the process: the regions are no more */
	uint64_t dirty_runs;     /* stretches of free granules with something resident */
	uint64_t torn;           /* records that made no sense: the process was changing them */
	uint64_t managed_external_bytes; /* resident, of spans for external bytes of managed objects */
	uint64_t managed_heaps;  /* of the process, as far as they were read */
	cairn_peer_room managed; /* cairn_heapwalk_managed, sorted by where their heap is: lens/managedwalk.h */
	cairn_peer_room threads; /* cairn_heapwalk_thread, sorted by id */
	cairn_peer_room cached;  /* uint64_t: slots that magazines hold, sorted */
} cairn_heapwalk;

typedef enum cairn_heapwalk_opened {
	CAIRN_HEAPWALK_OPENED,
	CAIRN_HEAPWALK_NONE,  /* there is no heap of cairn's */
	CAIRN_HEAPWALK_OTHER, /* another version's */
} cairn_heapwalk_opened;

/* Reads the map at `at` of the process. To be freed, however it went. */
cairn_heapwalk_opened cairn_heapwalk_open(cairn_heapwalk *h, cairn_peer *p, uint64_t at);
void cairn_heapwalk_read_threads(cairn_heapwalk *h, bool with_slots); /* caches, counters; with what magazines hold */
void cairn_heapwalk_label(cairn_heapwalk *h, cairn_places *l);        /* the heap and cairn's records */
bool cairn_heapwalk_walk(cairn_heapwalk *h); /* after that: it goes no further than the process has mapped memory */
uint64_t cairn_heapwalk_told(const cairn_heapwalk *h); /* resident bytes that have a figure */
void cairn_heapwalk_free(cairn_heapwalk *h);
bool cairn_heapwalk_validate(const cairn_heapwalk *h);

#endif
