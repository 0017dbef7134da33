/* gc/roots.h - what a collection starts from: exact roots, handles, pins, ambiguous ranges, stacks.
 *
 * Exact roots are variables that hold references and are updated when those move. Ambiguous words may be anything: what
 * one points at, into, or to the end of, is PINNED for this collection, and kept. All ambiguous words are looked at before
 * the first exact one, so that nothing has moved yet.
 *
 * Invariants, checked by cairn_gc_roots_validate(), in a stop:
 *   (GR1) Every exact root and handle holds NULL or an object of the heap.
 *   (GR2) No two ranges, and no two runs of exact roots, begin at the same address; counts are those of the tables.
 *   (GR3) A pin's count is not 0, and it is of an object of the heap.
 *
 * Lock: the roots' own, rank CAIRN_RANK_GC_PARTS. Failure: false, nothing changed. */
#ifndef CAIRN_GC_ROOTS_H
#define CAIRN_GC_ROOTS_H

#include "cairn/gc.h"
#include "os/lock.h"

struct cairn_gc_heap;
struct cairn_gc_worker;

typedef struct cairn_gc_run {
	uintptr_t start; /* of words */
	size_t count;    /* of words */
} cairn_gc_run;

/* Growing arrays of os/meta's, sorted by start where looked up. */
typedef struct cairn_gc_runs {
	cairn_gc_run *items;
	size_t count, room;
} cairn_gc_runs;

struct cairn_gc_handle {
	uintptr_t word;               /* sync: atomic; NULL or an object */
	struct cairn_gc_handle *next; /* while it is free */
	bool is_used;
};

typedef struct cairn_gc_handles {
	struct cairn_gc_handle_page *pages;
	struct cairn_gc_handle *free;
	size_t count;
} cairn_gc_handles;

typedef struct cairn_gc_roots {
	cairn_lock lock;
	cairn_gc_runs exact;     /* sync: lock, all of them */
	cairn_gc_runs ranges;
	cairn_gc_handles handles;
	struct cairn_gc_pin {
		uintptr_t object;
		size_t count;
	} *pins;
	size_t pin_count, pin_room;
} cairn_gc_roots;

void cairn_gc_roots_init(struct cairn_gc_heap *h);
void cairn_gc_roots_close(struct cairn_gc_heap *h);
/* Calls found(arg, object) for what every ambiguous word points at (cairn_gc_object_at), repeats included: stacks,
 * registers and thread-local data of all mutators unless roots are exact, ranges, and pins. In a stop. */
void cairn_gc_roots_ambiguous(struct cairn_gc_heap *h, void (*found)(void *arg, void *object), void *arg);
/* Calls visit(arg, word) for every exact root and handle. In a stop. */
void cairn_gc_roots_exact(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
/* Says where root number `which` of the two walks above lies, for the verifier: "handle 0x..", "stack of thread 12+0x40",
 * "static top+0x0". Into to[0..room). */
void cairn_gc_root_name(struct cairn_gc_heap *h, const uintptr_t *word, char *to, size_t room);
void cairn_gc_roots_validate(struct cairn_gc_heap *h);

#endif
