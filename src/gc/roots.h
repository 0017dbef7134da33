/* gc/roots.h - what a collection starts from: exact roots, handles, pins, ambiguous ranges, stacks.
 *
 * Exact roots are variables that hold references and are updated when those move. Ambiguous words may be anything: what
 * one points at, into, or to the end of, is PINNED for this collection, and kept. All ambiguous words are looked at
 * before the first exact one, so that nothing has moved yet.
 *
 * Invariants, checked by cairn_gc_roots_validate(), in a stop:
 *   (GR1) Every exact root and handle holds NULL or an object of the heap.
 *   (GR2) No two ranges, and no two runs of exact roots, begin at the same address; counts are those of the tables.
 *         Runs may overlap: a word of several is visited once.
 *   (GR3) A pin's count is not 0, and it is of an object of the heap.
 *
 *   (GR4) A stack that was left is of a mutator of the heap, and sp lies in it.
 *
 * Lock: the roots' own, rank CAIRN_RANK_GC_PARTS. The two walks do not hold it, for what they call takes others of that
 * rank; while one is under way whoever would change something waits (cairn_gc_roots_take). Mutators are stopped then:
 * those that wait are other threads, and mutators that are out. Failure: false, nothing changed. */
#ifndef CAIRN_GC_ROOTS_H
#define CAIRN_GC_ROOTS_H

#include "cairn/gc.h"
#include "os/lock.h"

struct cairn_gc_heap;
struct cairn_gc_worker;

typedef struct cairn_gc_run {
	uintptr_t start; /* 0: nothing here */
	size_t count;    /* exact: words; a range: bytes; a pin of the object at start: how many were asked for */
} cairn_gc_run;

/* A table of os/meta's, open addressing by start. sync: who has the table's. */
typedef struct cairn_gc_runs {
	cairn_gc_run *items;
	size_t count, room; /* room: 0, or a power of two */
} cairn_gc_runs;

struct cairn_gc_handle {
	uintptr_t word;               /* sync: atomic; NULL or an object */
	struct cairn_gc_handle *next; /* while it is free; sync: roots lock */
	bool is_used;                 /* sync: roots lock; who has the handle reads it without */
};

typedef struct cairn_gc_handles { /* sync: roots lock */
	struct cairn_gc_handle_page *pages;
	struct cairn_gc_handle *free;
	size_t count;
} cairn_gc_handles;

/* A stack that a mutator has left for another: looked at as it was when it was left. const, but for next: sync: roots
 * lock. */
typedef struct cairn_gc_left_stack {
	struct cairn_gc_left_stack *next;
	const struct cairn_gc_thread *of;
	uintptr_t low, base, sp;
	void *fake_stack;
	uintptr_t registers[20]; /* as they were, CAIRN_GC_REGISTERS of them */
	/* What lay at sp: a function that goes on to the next stack by its last call has taken its frame down, and what
	 * was its caller's registers lies nowhere else */
	uintptr_t frame[32];
	uint32_t words; /* of it */
} cairn_gc_left_stack;

typedef struct cairn_gc_roots {
	cairn_lock lock;
	uint32_t is_walked;      /* sync: atomic, written under lock: a walk is under way; a futex */
	cairn_gc_runs exact;     /* sync: lock, all of them; in a walk const */
	cairn_gc_runs ranges;
	cairn_gc_runs pins;
	cairn_gc_handles handles;
	cairn_gc_left_stack *left_stacks;
	const void *word;        /* where what `found` or `visit` is told of lies; sync: in a stop */
} cairn_gc_roots;

void cairn_gc_roots_init(struct cairn_gc_heap *h);
void cairn_gc_roots_close(struct cairn_gc_heap *h);
/* Calls found(arg, object) for what every ambiguous word points at (cairn_gc_object_at), repeats included: stacks,
 * registers and thread-local data of all mutators unless roots are exact, ranges, and pins. In a stop. */
void cairn_gc_roots_ambiguous(struct cairn_gc_heap *h, void (*found)(void *arg, void *object), void *arg);
/* Calls visit(arg, word) for every exact root and handle: an address, in the root itself or, where that is a compressed
 * slot, in a word for as long as the call, which is stored to it. In a stop. */
void cairn_gc_roots_exact(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
/* Says where a root lies, for the verifier, by the roots' `word` in `visit` or `found`: "handle 0x55..", "stack of
 * thread 12+0x40", "root in prog+0x4010". Into to[0..room). In a stop. */
void cairn_gc_root_name(struct cairn_gc_heap *h, const void *word, char *to, size_t room);
void cairn_gc_roots_validate(struct cairn_gc_heap *h);

/* Stores to a root of cairn's own, whose word is an address in every heap; by gc/fields.c. */
void cairn_gc_store_word(cairn_gc_mutator *m, uintptr_t *word, void *value);

/* For this part's files: the lock, when no walk is under way. */
void cairn_gc_roots_take(cairn_gc_roots *r);
void cairn_gc_roots_drop(cairn_gc_roots *r);
void cairn_gc_roots_walk(cairn_gc_roots *r, bool begins);
/* Where start is, or NULL. */
cairn_gc_run *cairn_gc_runs_find(const cairn_gc_runs *t, uintptr_t start);
/* A new entry, whose start is not in it and not 0. False: no memory. */
bool cairn_gc_runs_add(struct cairn_gc_heap *h, cairn_gc_runs *t, uintptr_t start, size_t count);
void cairn_gc_runs_remove(cairn_gc_runs *t, cairn_gc_run *run);
void cairn_gc_runs_close(struct cairn_gc_heap *h, cairn_gc_runs *t);
void cairn_gc_runs_validate(const cairn_gc_runs *t);
void cairn_gc_handles_walk(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
bool cairn_gc_handle_has(const struct cairn_gc_heap *h, const void *word); /* is it a handle's? */
void cairn_gc_handles_close(struct cairn_gc_heap *h);
void cairn_gc_handles_validate(struct cairn_gc_heap *h);
/* t is no mutator any more: the stacks that it left are forgotten. */
void cairn_gc_left_stacks_forget(struct cairn_gc_heap *h, const struct cairn_gc_thread *t);
/* Forgets the one that begins at low. False: there is none. Under the lock. */
bool cairn_gc_left_stack_remove(struct cairn_gc_heap *h, uintptr_t low);

#endif
