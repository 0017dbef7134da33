/* gc/sizing.h - how large a heap may be: when the next collection begins, and what max means.
 *
 * held = slabs' blocks and bytes in use, large objects, external bytes, and records. A collection begins when held
 * would pass `limit`; an allocation is refused when it would pass `most`, max less what the next collection itself may
 * need.
 * After a collection with `live` bytes, external ones and records among them:
 *   growth:   limit = live + live * growth / 100
 *   balance:  limit = live + sqrt(live * g / (c * s)), g bytes allocated and s bytes collected a second, c the constant
 *             (MemBalancer, OOPSLA 2022): a MiB more is worth c percent of the time
 * both at least min, and at most `most`. Past the soft limit it is the soft limit instead, unless collections have had
 * half of the time of late (a bucket that fills by the mutators' time): then growth wins, for a program that does
 * nothing but collect is no better off. Foreign bytes count as live, and what came of them since as held.
 *
 * A collection that comes before a quarter of what it was to leave room for was allocated came too early: holes are too
 * small, or blocks are not swept yet. Then the limit rises by that quarter, and falls slowly while it fits.
 *
 * Memory that was never held is not free: the system clears it, a page at a time. So a plan that has young, which can
 * collect for little, comes to the limit by degrees: it holds a quarter of max, and `worth`, which grows with what
 * collections have cost, by about as much as could have been had in that time (rent or buy: Karlin, Manasse, Rudolph,
 * Sleator, Algorithmica 1988). A program that ends before, or that has little to collect, never takes the rest.
 *
 * Invariants, checked by cairn_gc_sizing_validate(): (GS1) min <= limit <= most <= max, or min and limit are at most.
 * (GS2) records are >= 0. (GS3) |credit| is at most a second. (GS4) worth <= config.max.
 * Lock: none: changes in a stop; read by mutators, relaxed. Design: docs/design/gc-sizing.md. */
#ifndef CAIRN_GC_SIZING_H
#define CAIRN_GC_SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cairn_gc_heap;

enum {
	CAIRN_GC_MIN_DEFAULT = 4 << 20,
	CAIRN_GC_MAX_LEAST = 1 << 20, /* with less, a heap of few small objects would find no block for a second size */
};

typedef struct cairn_gc_sizing {
	size_t all_limit;      /* where all are to be collected; limit may be of the young alone. sync: in a stop */
	size_t limit;          /* sync: atomic, relaxed; written in a stop */
	size_t max;            /* sync: likewise; less the reserve until on_no_memory was called */
	size_t most;           /* sync: likewise; see above */
	size_t room;           /* below most, after the last collection of all; sync: likewise */
	size_t peak;           /* the most that was held; sync: atomic, relaxed */
	size_t record_bytes;   /* sync: atomic, relaxed */
	ptrdiff_t foreign;     /* cairn_gc_external_add; sync: atomic, relaxed */
	ptrdiff_t foreign_at;  /* by the end of the last collection; sync: atomic, relaxed; written in a stop */
	uint64_t ended_ns;     /* the last collection's end; sync: as foreign_at, the next two likewise */
	uint64_t pause_ns;     /* its length */
	size_t unwanted;       /* the least that lay dirty in the page heap when a collection began; sync: in a stop */
	uint64_t unwanted_since; /* that time; likewise */
	uint64_t apart_ns;     /* from the end of the one before to its begin; sync: as foreign_at */
	/* Collections in a row that gave back next to nothing while nothing else ran. sync: as foreign_at */
	uint32_t fruitless;
	uint64_t allocated_at; /* bytes allocated by then; sync: in a stop, as all below */
	uint64_t all_allocated_at; /* by the last collection of all */
	ptrdiff_t all_foreign_at;  /* likewise: foreign bytes */
	double allocated, allocating_s; /* of late, by which g is known: sums that forget, see sizing.c */
	double collected, collecting_s;
	int64_t credit_ns;     /* of the CPU limiter */
	size_t worth;          /* of what may be held, by what collections have cost until now */
	size_t slack;          /* by which the limit is raised because collections came too early */
	size_t need[2];        /* empty bytes that the last two left room for, the newer first; sync: as foreign_at */
} cairn_gc_sizing;

/* Fills in what config leaves at 0, reads the environment. An errno value, or 0. */
int cairn_gc_sizing_init(struct cairn_gc_heap *h);
size_t cairn_gc_held(const struct cairn_gc_heap *h);
/* May so many bytes more be held: without a collection; at all. */
bool cairn_gc_may_grow(const struct cairn_gc_heap *h, size_t bytes);
bool cairn_gc_may_hold(const struct cairn_gc_heap *h, size_t bytes);
/* What is left of limit, and of most, for blocks: up to which cairn_gc_blocks_take may go. */
size_t cairn_gc_limit(const struct cairn_gc_heap *h);
size_t cairn_gc_most(const struct cairn_gc_heap *h);
/* A block was refused: is less held now, for what lies behind large objects was cut? Where that is more than a
 * collection would gain, if it is not the last resort. Any thread. */
bool cairn_gc_sizing_cuts(struct cairn_gc_heap *h, bool is_last);
/* Is it a waste to go on? Two collections in a row left less than 2 % of max free and the mutators less than 2 % of the
 * time. Then what little there is is not handed out, and the allocation that asks is refused. Any thread. */
bool cairn_gc_is_hopeless(const struct cairn_gc_heap *h);
/* An allocation was refused, and its caller may let go of something: the next one that needs it has its collection. */
void cairn_gc_refused(struct cairn_gc_heap *h);
/* Held is at its most before a collection, or amid one that copies: told at each phase of it. */
void cairn_gc_note_peak(struct cairn_gc_heap *h);
/* Before on_no_memory is called: the reserve may be used, until a collection ends with it free again. Any thread. */
void cairn_gc_open_reserve(struct cairn_gc_heap *h);
/* After a collection of that length, in the stop. looks.stats tell what lives; looks.held_before, and cause. */
void cairn_gc_sizing_after(struct cairn_gc_heap *h, uint64_t pause_ns);
/* In a collection of all, when looks.stats tell what lives: what may be held after it until the next. */
size_t cairn_gc_sizing_expect(const struct cairn_gc_heap *h);
/* How many bytes of empty blocks are kept after a collection made for that cause (cairn_gc_cause), because they will be
 * allocated into before long: for cairn_gc_blocks_purge. Any thread. */
size_t cairn_gc_sizing_keep(const struct cairn_gc_heap *h, int cause);
/* At the end of a collection, in the stop; so much lay dirty in the page heap when it began, and the heap held most.
 * How many bytes of that nobody has wanted since the last collection of all, or for a second; else 0. *since_ns: so
 * long. */
size_t cairn_gc_sizing_unwanted(struct cairn_gc_heap *h, size_t dirty, uint64_t now_ns, uint64_t *since_ns);
/* Is a collection for that cause, or the heap's end, to give so many bytes of the page heap's back, whoever may want
 * them again? Where that and having them again costs a tenth of the time since the one before, or of the heap's life.
 * Any thread. */
bool cairn_gc_sizing_gives_all(const struct cairn_gc_heap *h, int cause, size_t bytes);
bool cairn_gc_sizing_close_gives_all(const struct cairn_gc_heap *h, size_t bytes);
void cairn_gc_sizing_validate(struct cairn_gc_heap *h);

/* The same by a clock of one's own, for tests. */
void cairn_gc_sizing_after_at(struct cairn_gc_heap *h, uint64_t pause_ns, uint64_t now_ns);

#endif
