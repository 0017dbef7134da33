/* malloc/stats.h - what malloc counts, and where.
 *
 * Allocations are counted by the fast path itself: one plain add into a page that belongs to the thread's cache.
 * Nothing else is: a free is an allocation that is no longer live, and what is live is known where slots are taken
 * and given back in batches. Under `cairn run` all numbers lie in a file mapped shared (os/shared.h), so
 * they survive the process; otherwise in private memory. Where the file cannot be had or not grow,
 * that is told: figures that are missing must not look like figures. The layout is wire/control.h, the account
 * docs/design/statistics.md.
 *
 * Locks: none; sums are relaxed atomics, per-thread counters plain. Threads: any. */
#ifndef CAIRN_MALLOC_STATS_H
#define CAIRN_MALLOC_STATS_H

#include "base/controlpage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the control block; counting: requested bytes are summed and the peak is kept. Called once, at malloc's start.
 * */
void cairn_stats_init(bool counting);
bool cairn_stats_is_counting(void);

/* Maps the counters of thread caches [first, first + n) at `at`: from the control file when there is one. False: what
 * is there is private memory, and may be what fork copied. */
bool cairn_stats_map_counters(void *at, uint32_t first, uint32_t n);
/* Before the counters of one cache are first touched. Where the file has no room they are kept in private memory, and
 * the control block says that they are missing. False: no memory either. */
bool cairn_stats_hold_counters(void *at);

void cairn_stats_out(unsigned size_class, int64_t blocks);    /* slots left (+) or came back to (-) the central lists */
void cairn_stats_large(int64_t blocks, int64_t usable_bytes); /* large blocks made (+) or freed (-) */
void cairn_stats_magazine(unsigned size_class, int64_t slots); /* a magazine can hold so many more (+) or fewer (-) */
void cairn_stats_foreign_free(void);
uint64_t cairn_stats_out_of(unsigned size_class);

extern cairn_control *cairn_stats_block; /* for a reader from outside: malloc/outside.h */
/* For the lens. Returns borrowed. */
const cairn_control *cairn_stats_control(void);
const cairn_thread_counters *cairn_stats_thread(uint32_t index); /* NULL: no such cache */
/* Empties nothing, but fills in the exit_ fields exactly: out less what magazines hold. Idempotent; called at exit.
 * Nothing when the caller is nested (malloc/threads.h). */
void cairn_stats_settle(void);

/* Live large blocks and their usable bytes, what threads have counted apart included; racy like the above. */
void cairn_stats_large_sums(uint64_t *blocks, uint64_t *usable_bytes);
/* Slots in magazines by class, CAIRN_CLASS_COUNT places; of class 0 the frees that threads counted apart; racy. */
void cairn_stats_cached(uint64_t held[]);
void cairn_stats_cache_count(uint32_t n);
/* Before fork, under every lock: notes what the child begins with. */
void cairn_stats_fork_before(void);
/* Fork's child: a control block of its own, before its caches are settled; and what it inherited, after. */
void cairn_stats_fork_child(void);
void cairn_stats_fork_settled(bool is_nested);

#endif
