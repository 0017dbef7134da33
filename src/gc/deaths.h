/* gc/deaths.h - what happens when objects die: weak fields, tables, drops, cleanups, guardians, external bytes.
 *
 * After the strong closure, in this order (cairn_gc_deaths_settle):
 *   1. tables: the value of each entry whose key is reached is reached; until nothing changes. A waiting entry is found
 *      by its key's WAITED byte when that is reached, so chains cost time in their length (Whippet's ephemerons).
 *   2. guardians, then drops and cleanups: who is not reached goes to a queue. A guarded object is reached from then on,
 *      with all it refers to; an object with a drop function is kept, alone: its references are set to NULL.
 *   3. tables again, for what step 2 reached.
 *   4. weak fields, table entries, external bytes, handles of the dead: cleared, removed, released.
 *
 * Invariants, checked by cairn_gc_deaths_validate():
 *   (GD1) Everything that is listed of an object (drop, cleanup, guard, external, pending) has the LISTED bit in its
 *         header, and is of an object of the heap.
 *   (GD2) A key is in a table once, at the slot its hash leads to.
 *   (GD3) external_bytes is the sum of the external blocks' spans.
 *
 * Lock: the part's own, rank CAIRN_RANK_GC_PARTS, and each table's, likewise. */
#ifndef CAIRN_GC_DEATHS_H
#define CAIRN_GC_DEATHS_H

#include "base/list.h"
#include "cairn/gc.h"
#include "os/lock.h"

struct cairn_gc_heap;

/* A list of words in records of os/meta. */
typedef struct cairn_gc_list {
	struct cairn_gc_listed *items;
	size_t count, room;
} cairn_gc_list;

typedef struct cairn_gc_listed {
	uintptr_t object;
	void (*call)(void *arg); /* cleanup; NULL: a drop of its type's */
	void *arg;               /* cleanup's argument; guardian; external memory */
	size_t bytes;            /* external */
} cairn_gc_listed;

typedef struct cairn_gc_deaths {
	cairn_lock lock;
	cairn_gc_list drops, cleanups, guarded, externals; /* sync: lock */
	cairn_gc_list due;        /* drops and cleanups to run; sync: lock */
	cairn_node tables;        /* sync: lock */
	cairn_node guardians;     /* sync: lock */
	size_t external_bytes;    /* sync: lock; also read without */
	uint64_t due_since;       /* collection in which `due` began to wait; 0: empty */
	uint32_t thread_state;    /* sync: atomic, a futex: the cleanup thread's */
	size_t weak_cleared, dropped, entries_gone; /* of the last collection */
} cairn_gc_deaths;

void cairn_gc_deaths_init(struct cairn_gc_heap *h);
void cairn_gc_deaths_close(struct cairn_gc_heap *h); /* runs what is to be run: see cairn_gc_close */
/* The steps above. In a stop, after cairn_gc_trace_all; traces more. */
void cairn_gc_deaths_settle(struct cairn_gc_heap *h);
/* After objects were moved by other means than tracing (markcompact's second phase): updates what is written down here:
 * calls visit(arg, word) for each word that holds an object's address, weak fields of objects not among them. */
void cairn_gc_deaths_each_word(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
/* After words changed: tables whose keys moved and are found by address are put in order again. */
void cairn_gc_deaths_rehash(struct cairn_gc_heap *h);
/* A new object of a type with a drop function. False: no memory. */
bool cairn_gc_deaths_list_drop(struct cairn_gc_heap *h, void *object);
/* After a collection, with the world running: where cleanups are due and nobody polls. */
void cairn_gc_deaths_nudge(struct cairn_gc_heap *h);
/* The object is freed by hand: forgets what is listed of it; external bytes go. */
void cairn_gc_deaths_forget(struct cairn_gc_heap *h, void *object);
/* A waiting key was reached: its values are (called by tracing for an object whose byte is WAITED). */
struct cairn_gc_worker;
void cairn_gc_deaths_key_reached(struct cairn_gc_worker *w, void *object);
void cairn_gc_deaths_validate(struct cairn_gc_heap *h);

#endif
