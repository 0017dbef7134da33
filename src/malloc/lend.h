/* malloc/lend.h - under a limit on memory: the first blocks of a size class come from a larger one.
 *
 * A small program uses twenty size classes, most of them for a block or two. Where memory is limited, a slab for each
 * would be most of what such a program needs. There a class takes slots of its lender, the next class of 64, 256, 1024
 * or 4096 B, as long as that is cheap: until the lender would need more than a few slabs for it, and at most a
 * thousand times, for each loan is a slow path. From then on it has slabs of its own. A request over 4 KiB is a large
 * block until there were 32 KiB of them.
 *
 * Invariants, each a case of tests/unit/test_lend.c:
 *   (L1) A lender serves the size: its slots are at least as large, and as aligned. Its slots are at most four times as
 *        large.
 *   (L2) Without a limit every class serves itself.
 *   (L3) Lending to a class ends, and does not begin again.
 *
 * A borrowed block is a block of the lender's class in every respect: its usable size, its counters, where free puts
 * it. Only the slow path of malloc asks: the borrower's magazine stays empty until its class serves itself.
 * Locks: the lender's central lock, while it is asked for a free slot. Threads: any. Failure: none. */
#ifndef CAIRN_MALLOC_LEND_H
#define CAIRN_MALLOC_LEND_H

#include "malloc/cache.h"

/* At malloc's start, under a limit on memory. */
void cairn_lend_begin(void);
/* Which class serves a request of this class, 0: a large block. A loan is counted. c: the thread's cache, or NULL. */
unsigned cairn_lend_class(const cairn_cache *c, unsigned size_class);
/* Usable bytes of a block lent to this class for a request of so many bytes; 0: nothing is lent. */
size_t cairn_lend_usable_bytes(unsigned size_class, size_t bytes);

#endif
