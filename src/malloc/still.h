/* malloc/still.h - the heap held still, for who looks at all of it.
 *
 *   begin ──▶ every lock of THREADS, HEAPS, HEAP, CENTRAL and every shelf, in order of rank ──▶ end
 *
 * What stands still: which blocks are out of the central lists, all slabs, first-class heaps, shelves, and which thread
 * has which cache. What does not: the fast paths of other threads, which pop from and push on their magazines, and
 * large blocks that they make or free; so what is read is exact when no other thread allocates or frees meanwhile.
 * Purging goes on, and changes nothing that is counted as live.
 *
 * The calling thread is busy in between: a signal handler of it is served without a lock, and nothing here may
 * allocate. The page heap's lock is left to the caller, as its own calls take it.
 *
 * Locks: none held on entry. Failure: false, in a signal handler that interrupted malloc itself; nothing is held. */
#ifndef CAIRN_MALLOC_STILL_H
#define CAIRN_MALLOC_STILL_H

#include "malloc/threads.h"

bool cairn_still_begin(cairn_cache **c); /* *c: for end; may be NULL */
void cairn_still_end(cairn_cache *c);

/* The slots in a magazine: *top is where it ends. Another thread may be using it; what is between the two can be read.
 * Returns borrowed. Between begin and end. */
void **cairn_still_magazine(const cairn_cache *c, unsigned size_class, void ***top);

#endif
