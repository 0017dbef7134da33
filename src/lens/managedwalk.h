/* lens/managedwalk.h - the part of the walk that is over managed heaps: their list, and the blocks of their slabs.
 *
 *   heaps ──▶ each: name, collector, figures           span of kind MANAGED ──▶ slab ──▶ its heap, its blocks
 *
 * Resident bytes of a slab are records (its first four blocks' room), free blocks that are kept, large objects, and of
 * blocks of cells objects and holes: what the bytes about grains call alive, and what was allocated since, is an
 * object. A block that a mutator fills right now counts as objects whole.
 *
 * The records are bounded before they are believed. Locks: none. Failure: what cannot be read is an object. */
#ifndef CAIRN_LENS_MANAGEDWALK_H
#define CAIRN_LENS_MANAGEDWALK_H

#include "cairn/gc.h"
#include "lens/heapwalk.h"
#include "lens/walkslice.h"

enum { CAIRN_MANAGED_NAME = 32 };

typedef struct cairn_heapwalk_managed {
	uint64_t at; /* of its heap in the process; 0: of slabs whose heap is not known */
	char name[CAIRN_MANAGED_NAME];
	char collector[16];
	cairn_gc_stats stats; /* as the process shows them: after its last collection */
	uint64_t held_bytes, limit_bytes, max_bytes, last_pause_ns, records_bytes, external_bytes; /* now */
	uint64_t free_blocks; /* with something resident */
	uint64_t object_bytes, hole_bytes, free_bytes, large_bytes, slab_bytes; /* resident; slab: records */
} cairn_heapwalk_managed;

/* The process's managed heaps, sorted by address, into h->managed; the first is nobody's. */
void cairn_managedwalk_read(cairn_heapwalk *h);
/* The slab whose span begins at `at`, up to `end`, which may be less than all of it. bytes: room for what is about its
 * grains, CAIRN_MANAGED_BYTES. Which of h->managed it is of. */
enum { CAIRN_MANAGED_BYTES = 256 * 1024 };
size_t cairn_managedwalk_slab(
	cairn_heapwalk *h, const cairn_walk_slice *slice, uint64_t at, uint64_t end, uint8_t *bytes);
/* Of the huge object of that heap, what lies in a chunk behind the first. */
void cairn_managedwalk_more(cairn_heapwalk *h, size_t which, uint64_t resident_bytes);
uint64_t cairn_managedwalk_told(const cairn_heapwalk *h); /* resident bytes that have a figure */

#endif
