/* malloc/limit.h - the soft and the hard limit: what the heap may grow to, and what is done on the way there.
 *
 *   GROWING ──used and dirty memory reach `most`──▶ LOOK: how much room is left below the soft limit?
 *      ▲                                              │ plenty: `most` rises by half of it, an eighth of the limit
 *      └──────────────────────────────────────────────┤         at most
 *                                                     ▼ little:
 *      NEAR: this thread's magazines and every shelf are given back, all that is free is purged, purging turns eager;
 *      if that was not enough: the callbacks; then on, past the limit, with the next look 1/64 of it further.
 *      Past the hard limit: NULL.
 *
 * Where a span is taken (a slab, a large block) used and dirty bytes are compared with `most`, a word. What is over is
 * refused as if by the OS, so that whoever holds a class's lock drops it; the slow path then comes here, and tries
 * again. So an ordinary request executes nothing for this, and one that takes a span three loads and a compare.
 *
 * Room is the least of what is left to: 90 % (CAIRN_LIMIT) of the tightest cgroup, less what it holds that the kernel
 * cannot drop; of RLIMIT_AS and RLIMIT_DATA, less what is mapped but for our free granules; the soft limit that was set
 * in bytes, less this process's resident memory. RAM alone is none of these: it belongs to everybody, and a machine
 * that uses nearly all of it may be well. Pressure is evidence: where threads waited for memory (PSI: some in 10 % of
 * the last 10 s, or all in 1 %) what is free goes back and purging turns eager whatever room there is; no callback is
 * called.
 *
 * Which cgroup that is is read at the first look, at 8 MiB, so that a small program opens no file for it. Where a
 * filter of the program's may kill for that (os/sandbox.h) everything is read at start, once, and from then on room is
 * what it was less what the heap has grown.
 *
 * Invariants; the first is checked by cairn_limit_validate(), the others by tests/unit/test_limit.c:
 *   (L1) most <= the hard limit.
 *   (L2) One thread looks or relieves at a time; until it is done others, and callbacks, are held to the hard limit
 *        only.
 *   (L3) No lock is held during a relief, and the thread is in no slow path while callbacks run.
 *
 * Threads: any. Failure: what cannot be read is no limit. Design: docs/design/limits.md. */
#ifndef CAIRN_MALLOC_LIMIT_H
#define CAIRN_MALLOC_LIMIT_H

#include "base/assert.h"
#include "page/pageheap.h"

#include <stdbool.h>
#include <stddef.h>

extern size_t cairn_limit_most_bytes; /* sync: atomic, relaxed: a stale value shifts a look by a span */

/* For a span over `most`: is it allowed nevertheless? No also makes cairn_limit_has_refused true. */
bool cairn_limit_passes(size_t bytes);

/* May the heap have so many granules more? */
static inline bool cairn_limit_allows(size_t granules)
{
	size_t bytes = granules << CAIRN_GRANULE_SHIFT;
	size_t held = cairn_pageheap_used_bytes() + cairn_pageheap_dirty_bytes();
	size_t most = __atomic_load_n(&cairn_limit_most_bytes, __ATOMIC_RELAXED); /* see there */
	return cairn_likely(held + bytes <= most) || cairn_limit_passes(bytes);
}

/* Is there a hard limit? Then nothing is taken that is not asked for. */
bool cairn_limit_is_hard(void);
/* Has this thread been refused since it last asked? */
bool cairn_limit_has_refused(void);
/* Makes room for so many bytes, as above. By a thread that is in no slow path and holds no lock. What it asks for
 * between begin and end is then held to the hard limit only. */
void cairn_limit_begin_retry(size_t bytes);
void cairn_limit_end_retry(void);
/* The OS has refused a block: everything back, and the callbacks. False: there is nothing that could help. */
bool cairn_limit_relieve(size_t bytes);

void cairn_limit_start(void);               /* reads CAIRN_LIMIT and CAIRN_PREWARM; opens no file */
void cairn_limit_may_read(bool may);        /* once it is known what the program was linked against */
void cairn_limit_fork_child(void);          /* nobody is at it in the child */
void cairn_limit_validate(void);            /* while nobody sets a limit */

#endif
