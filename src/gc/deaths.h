/* gc/deaths.h - what happens when objects die: weak fields, tables, drops, cleanups, guardians, external bytes.
 *
 * After the strong closure, in this order (cairn_gc_deaths_settle):
 *   1. what waits here already is reached: what guardians have to give back, and objects whose drop is due or runs.
 *   2. tables: the value of each entry whose key is reached is reached, until nothing changes: gc/tables.c.
 *   3. guardians: who is guarded and not reached goes to its guardian's queue, and is reached from then on with all it
 *      refers to; tables again.
 *   4. drops and cleanups of who is not reached now are due.
 *   5. weak fields that refer to who is not reached are cleared, table entries of such keys are removed.
 *   6. an object whose drop is due is kept, alone: its references are set to NULL. It is known to nobody by now.
 *   7. external bytes of who is not reached go.
 *
 * What is listed of an object (drop, cleanup, guard) is a record of 32 bytes. Records change lists, and never need
 * memory in a stop. The list is also a log: an object that is freed by hand is written behind what was listed of it,
 * which is crossed out later, all at once (cairn_gc_deaths_reconcile), so that neither listing nor freeing searches.
 *
 * Invariants, checked by cairn_gc_deaths_validate():
 *   (GD1) What is listed, due, or in a guardian's queue is an object of the heap, with LISTED in its header.
 *   (GD2) A key is in a table once, at the place its hash leads to; it is LISTED, and key and value are objects.
 *   (GD3) external_bytes is the sum of the external blocks; each is of an object of the heap, which is LISTED.
 * and (GC1) of gc/cleanups.c.
 *
 * Locks: the part's own, rank CAIRN_RANK_GC_PARTS; under it a table's, CAIRN_RANK_GC_TABLES. In a stop no mutator holds
 * one; who is none may make and free tables and guardians even then: it pushes new ones before those that are walked,
 * and leaves it to the walker to free (is_walked). Failure: see each; what happens in a stop does not fail.
 * Not here: gc/cleanups.c runs what is due; gc/guardians.c, gc/external.c, gc/tables.c are the public halves. */
#ifndef CAIRN_GC_DEATHS_H
#define CAIRN_GC_DEATHS_H

#include "base/list.h"
#include "cairn/gc.h"
#include "gc/objectmap.h"
#include "os/lock.h"

#include <pthread.h>

struct cairn_gc_heap;
struct cairn_gc_worker;

/* A record. Which kind it is: call: a cleanup; arg alone: a guard; neither: a drop. Bit 0 of object: it was freed. */
typedef struct cairn_gc_listed {
	struct cairn_gc_listed *next;
	uintptr_t object;        /* due cleanups: 0; sync: that of the list it is in, as all of it */
	void (*call)(void *arg);
	void *arg;               /* cleanup's argument; guardian; of what runs: the mutator that runs it */
} cairn_gc_listed;

/* First in, first out. */
typedef struct cairn_gc_queue {
	cairn_gc_listed *first, **last; /* last: where the next one's address goes; NULL: to first */
	size_t count;                   /* written as sync says of the whole; read by anybody, relaxed */
} cairn_gc_queue;

/* Table entries whose key was not reached yet. sync: in a stop, the collecting thread's, but what says otherwise. */
typedef struct cairn_gc_waiting {
	struct cairn_gc_waiter *items;
	size_t count, room;
	uint32_t *heads;      /* by the key's address, while is_indexed; numbers from 1 */
	size_t mask;
	uint32_t ready;       /* those whose key was reached, by next; sync: lock */
	bool is_indexed;      /* keys have WAITED */
	bool is_short;        /* there was no memory for items: all entries are looked at until nothing changes */
	cairn_lock lock;      /* rank GC_PARTS; by workers */
	size_t steps;         /* entries looked at in the last collection: what it costs, for tests */
} cairn_gc_waiting;

typedef struct cairn_gc_deaths {
	cairn_lock lock;
	cairn_gc_listed *listed;   /* newest first; sync: lock, as all below; in a stop the collecting thread's */
	size_t listed_count;       /* records in it, those of freed objects included */
	size_t forgotten;          /* of those */
	cairn_gc_queue due;        /* drops and cleanups to run */
	cairn_gc_listed *running;
	cairn_gc_listed *free;     /* records that are in no list */
	struct cairn_gc_listed_chunk *chunks;
	size_t used;               /* records that are in some list */
	cairn_node tables;
	cairn_node guardians;
	cairn_gc_map externals;    /* to what gc/external.c writes down */
	size_t external_bytes;     /* also read without the lock, relaxed */
	bool is_walked;            /* tables and guardians are: see above */
	/* Collection in which `due` began to wait; 0: empty. sync: atomic, relaxed: who resumes mutators sets their
	 * poll for it, where that is the heap's way, and cairn_gc_poll then calls cairn_gc_run_cleanups. */
	uint64_t due_since;
	bool has_run;              /* somebody ran what is due since the last collection; sync: atomic, relaxed */
	uint32_t thread_state;     /* of gc/cleanups.c; sync: atomic, a futex */
	pthread_t thread;          /* sync: who changes thread_state from none; joined by close */
	cairn_gc_waiting waiting;
	size_t weak_cleared, dropped, entries_gone; /* by the last collection; sync: in a stop */
} cairn_gc_deaths;

/* A guardian and a table, here for who walks them. */
struct cairn_gc_guardian {
	cairn_node node;             /* sync: deaths lock, as all */
	struct cairn_gc_heap *heap;  /* const */
	cairn_gc_queue queue;        /* to be given back */
	bool is_gone;                /* freed: goes in the next stop */
};

struct cairn_gc_table {
	cairn_node node;             /* sync: deaths lock */
	struct cairn_gc_heap *heap;  /* const */
	cairn_lock lock;             /* rank GC_TABLES */
	cairn_gc_map map;            /* sync: lock */
	bool has_dead;               /* it is to be pruned: some entry's object may have bit 0 set; sync: in a stop */
	bool is_gone;                /* freed while tables were walked; sync: deaths lock */
};

/* ---- For the other parts ---- */

void cairn_gc_deaths_init(struct cairn_gc_heap *h);
/* Ends the thread that runs cleanups, if there is one. Before the world is closed; this thread may be attached. */
void cairn_gc_deaths_stop_thread(struct cairn_gc_heap *h);
/* Runs what is to be run, see cairn_gc_close; frees tables, guardians, external bytes. There are no mutators left. */
void cairn_gc_deaths_close(struct cairn_gc_heap *h);
/* The steps above. In a stop, after cairn_gc_trace_all; traces more. */
void cairn_gc_deaths_settle(struct cairn_gc_heap *h);
/* After objects were moved by other means than tracing (markcompact's second phase): calls visit(arg, word) for each
 * word here that holds an object's address; none is NULL. Weak fields of objects are not among them. */
void cairn_gc_deaths_each_word(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
/* A new object of a type with a drop function. False: no memory. */
bool cairn_gc_deaths_list_drop(struct cairn_gc_heap *h, void *object);
/* After a collection, with the world running, by who holds no lock: where cleanups are due and nobody polls. */
void cairn_gc_deaths_nudge(struct cairn_gc_heap *h);
/* The object, which is LISTED, is freed by hand: forgets what is listed of it; its entries in tables and its external
 * bytes go. */
void cairn_gc_deaths_forget(struct cairn_gc_heap *h, void *object);
/* A waiting key was reached: its values will be. Called by tracing, by any worker that holds no lock, once it has given
 * an object its colour whose byte has WAITED; object: where it was, if it has moved. Clears nothing: WAITED is taken
 * back by settle. */
void cairn_gc_deaths_key_reached(struct cairn_gc_worker *w, void *object);
/* In the child: the lock is made new, the thread and what other threads were running are not there. */
void cairn_gc_deaths_fork_child(struct cairn_gc_heap *h);
void cairn_gc_deaths_validate(struct cairn_gc_heap *h);

/* ---- Between the files of this part ---- */

/* A record, in use. NULL: no memory, or the heap's max is reached. The lock is held. */
cairn_gc_listed *cairn_gc_listed_new(struct cairn_gc_heap *h);
void cairn_gc_listed_free(cairn_gc_deaths *d, cairn_gc_listed *r);
void cairn_gc_queue_append(cairn_gc_queue *q, cairn_gc_listed *r);
cairn_gc_listed *cairn_gc_queue_take(cairn_gc_queue *q); /* NULL: it is empty */
/* Lists a cleanup or guard of object, and sets LISTED. False: no memory. */
bool cairn_gc_deaths_list(struct cairn_gc_heap *h, void *object, void (*call)(void *arg), void *arg);
/* Crosses out what was listed of objects that were freed since. The lock is held, or in a stop. */
void cairn_gc_deaths_reconcile(struct cairn_gc_heap *h);
/* From here to walk_end tables and guardians that are in the lists stay; end frees those that were freed meanwhile. */
void cairn_gc_deaths_walk_begin(struct cairn_gc_heap *h);
void cairn_gc_deaths_walk_end(struct cairn_gc_heap *h);
/* The first of tables or guardians, to walk from by next until it is the list's head. */
cairn_node *cairn_gc_deaths_first(cairn_gc_deaths *d, cairn_node *list);
/* Sets a dead object's references to NULL, for its drop function. */
void cairn_gc_deaths_clear_fields(void *object);

/* gc/tables.c, in a stop. begin: every entry is looked at. close_over: until nothing changes; after more was reached,
 * again. prune: entries of dead keys go; how many. */
void cairn_gc_tables_begin(struct cairn_gc_heap *h);
void cairn_gc_tables_close_over(struct cairn_gc_heap *h);
size_t cairn_gc_tables_prune(struct cairn_gc_heap *h);
void cairn_gc_tables_forget(struct cairn_gc_heap *h, void *object);
void cairn_gc_tables_each_word(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
void cairn_gc_tables_validate(struct cairn_gc_heap *h);
void cairn_gc_table_release(cairn_gc_table *t); /* it is in no list */

/* gc/external.c. */
void cairn_gc_external_forget(struct cairn_gc_heap *h, void *object); /* the lock is held */
void cairn_gc_externals_prune(struct cairn_gc_heap *h);               /* those of who is not reached; in a stop */
void cairn_gc_externals_each_word(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg);
void cairn_gc_externals_close(struct cairn_gc_heap *h);
void cairn_gc_externals_validate(struct cairn_gc_heap *h);

/* gc/cleanups.c: runs what is due first, and frees its record. False: nothing is due. m NULL: the heap is being
 * closed. */
bool cairn_gc_run_due(struct cairn_gc_heap *h, cairn_gc_mutator *m);

#endif
