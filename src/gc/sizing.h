/* gc/sizing.h - how large a heap may be: when the next collection begins, and what max means.
 *
 * held = slabs' blocks and bytes in use, large objects, external bytes, and records. A collection begins when held would
 * pass `limit`; an allocation is refused when it would pass max even after one. After a collection with `live` bytes:
 *   growth:   limit = live * (1 + growth / 100)
 *   balance:  limit = live + sqrt(live * allocation rate / (balance * collection speed))  (MemBalancer, OOPSLA 2022)
 * both at least min, and at most max less the plan's headroom. Past the soft limit it is the soft limit instead, unless
 * collections have had half of the time of late (a bucket that fills by the mutators' time): then growth wins, for a
 * program that does nothing but collect is no better off.
 *
 * Invariants, checked by cairn_gc_sizing_validate(): (GS1) min <= limit <= max. (GS2) records are >= 0.
 * Lock: none: changes in a stop; read by mutators, relaxed. */
#ifndef CAIRN_GC_SIZING_H
#define CAIRN_GC_SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cairn_gc_heap;

typedef struct cairn_gc_sizing {
	size_t limit;          /* sync: atomic, relaxed; written in a stop */
	size_t max;            /* sync: likewise; less the reserve until on_no_memory was called */
	size_t peak;           /* the most that was held; sync: atomic, relaxed */
	size_t record_bytes;   /* sync: atomic, relaxed */
	ptrdiff_t foreign;     /* cairn_gc_external_add; sync: atomic, relaxed */
	uint64_t allocated_at; /* bytes allocated by the end of the last collection */
	uint64_t ended_ns;     /* its end */
	double rate, speed;    /* smoothed: bytes a second allocated, and collected */
	int64_t credit_ns;     /* of the CPU limiter */
	unsigned fruitless;    /* collections in a row that gave back next to nothing */
} cairn_gc_sizing;

/* Fills in what config leaves at 0, reads the environment. An errno value, or 0. */
int cairn_gc_sizing_init(struct cairn_gc_heap *h);
size_t cairn_gc_held(const struct cairn_gc_heap *h);
/* May so many bytes more be held: without a collection; at all. */
bool cairn_gc_may_grow(const struct cairn_gc_heap *h, size_t bytes);
bool cairn_gc_may_hold(const struct cairn_gc_heap *h, size_t bytes);
size_t cairn_gc_limit(const struct cairn_gc_heap *h); /* up to which cairn_gc_blocks_take may go: less external, records */
size_t cairn_gc_most(const struct cairn_gc_heap *h);  /* likewise, of max */
/* Is next to nothing else done than to collect, for next to nothing? Then allocation gives up: see above. */
bool cairn_gc_is_hopeless(const struct cairn_gc_heap *h);
void cairn_gc_open_reserve(struct cairn_gc_heap *h);  /* on_no_memory is about to be called: max is whole now */
/* After a collection of that length, in the stop. */
void cairn_gc_sizing_after(struct cairn_gc_heap *h, uint64_t pause_ns);
void cairn_gc_sizing_validate(struct cairn_gc_heap *h);

#endif
