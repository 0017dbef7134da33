/* gc/pace.h - of a collector that has young and old: how much is made until the young are collected, and when all are.
 *
 * All are collected when little room is left, or when collections of the young do not pay: one costs y ns for each
 * byte that was made before it, and leaves r of that byte in the room; one of all costs F and wins R bytes of room. So
 * of each byte made the young cost y + r * F / R, and doing without them F / R: they pay where y < (1 - r) * F / R.
 * Where what is made lives on, a cache for one, all are collected each time, and nothing is copied in vain. In each of
 * those is counted how much of what is young lives, so that it is seen when that has changed. Where that was an
 * accident, a document that had just come to its end, it is believed the less the next time.
 *
 * With a pause goal the young are collected as often as it takes, whatever that costs.
 *
 * sync: in a stop, all. Not here: what the room is (gc/sizing.h). */
#ifndef CAIRN_GC_PACE_H
#define CAIRN_GC_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cairn_gc_heap;

typedef struct cairn_gc_pace {
	double made, lived, pause_ns; /* sums over collections of the young that forget by half: bytes, bytes, ns */
	double copied, copying_ns;    /* likewise, of those alone in which much lived */
	double all_ns, all_room;      /* F and R, of the last collection of all */
	bool pays;                    /* collections of the young do, as was seen; at first: not */
	unsigned paid;                /* so many of the young did, one after the other */
	unsigned said;                /* so many of all said that they would, likewise */
	unsigned doubt;               /* and so many are not enough: more with each time that it was not so */
	uint64_t apart_ns;            /* the last two collections, while the program ran; 0: not known */
	size_t goal_bytes;            /* by the pause goal: made between two */
	double goal_cost;             /* ns of pause for each of them, a mean that forgets; 0: not known */
	double goal_spread;           /* and by what part of that pauses are off it, likewise */
} cairn_gc_pace;

/* Would collections of the young pay, had they more room than this? */
bool cairn_gc_pace_lacks_room(const struct cairn_gc_heap *h, size_t room);
/* In a collection of all, with so many blocks of cells in which nothing lives: are holes as good as empty blocks? Where
 * the young are not collected by themselves mutators fill them, so that moving what lives together would be for
 * nothing, but for memory that the heap is to give back: what it holds is more than it is to grow to again. */
bool cairn_gc_pace_can_do_with_holes(const struct cairn_gc_heap *h, size_t dead_blocks);
/* Bytes that may be made until all are to be collected: empty ones; and, where nothing moved, those of holes, which
 * mutators fill while all are collected each time. */
typedef struct cairn_gc_room {
	size_t empty, holes;
} cairn_gc_room;

/* After a collection: pause_ns long, of `made` bytes since the one before, after which so much room is left. Returns
 * what is to be made until the next one; sets h->young.wants_all where that is to be of all. */
size_t cairn_gc_pace_after(struct cairn_gc_heap *h, uint64_t pause_ns, uint64_t made, cairn_gc_room room);

#endif
