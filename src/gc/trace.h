/* gc/trace.h - from roots to everything they reach: workers, the work in hand, and prefetching.
 *
 * A worker holds a stack of objects that are to be scanned, or, of objects of few fields when marking, that are to be
 * visited; and before it a short ring of fields whose referents' header and byte have been asked for (prefetched),
 * and are looked at when they come out of it (OCaml 5's marker, #10195: waits for memory overlap). With several workers
 * full parts of a stack are handed over through a shared list.
 *
 *   field ──put──▶ ring of CAIRN_GC_AHEAD ──out──▶ visit: marked: done; else mark or copy ──▶ stack ──▶ scan ──▶ fields
 *
 * What visiting does is the plan's mode:
 *   MARK   sets the referent's colour, and END.
 *   COPY   where the referent's block is_from and it is not PINNED: copies it to the worker's own block, and leaves its
 *          new address in the old header; sets the field to that. Else as MARK. Where no block can be had: as MARK, in
 *          place, and the block has_pins from then on.
 * Copies carry the new colour, and END, too: in both modes what is reached, and has not moved, has the colour.
 *
 * A stack that cannot grow leaves its object out and says so; then every marked object is scanned once more, until none
 * was left out (cairn_gc_trace_all does). Nothing here recurses.
 *
 * Invariants:
 *   (GT1) After cairn_gc_trace_all no live object refers, by a strong field, to one that is not live, nor to one that
 *         has moved. Checked by cairn_gc_verify.
 *   (GT2) A worker's stack and queue are empty then. Checked by cairn_gc_trace_validate.
 * Threads: workers but the first are threads of the heap's (gc/workers.c). Failure: less parallel, or slower, never
 * incomplete.
 *
 * The same threads walk over slabs: cairn_gc_workers_each_slab. */
#ifndef CAIRN_GC_TRACE_H
#define CAIRN_GC_TRACE_H

#include "base/list.h"
#include "gc/object.h"
#include "os/lock.h"

#include <pthread.h>

struct cairn_gc_heap;
struct cairn_gc_block;
struct cairn_gc_slab;

enum {
	CAIRN_GC_AHEAD = 64,          /* fields in the queue */
	CAIRN_GC_CHUNK_ITEMS = 1022,  /* objects in one part of a stack */
	CAIRN_GC_WORKERS_MAX = 32,
	CAIRN_GC_SLICE_WORDS = 2048,  /* of an object that are scanned before others get a turn */
};

/* Kinds of words of an object that may refer to others: bits, for a choice of several. */
typedef enum cairn_gc_field_kind {
	CAIRN_GC_FIELD_STRONG = 1,    /* by the bitmaps of its type: its own words, and trailing elements */
	CAIRN_GC_FIELD_WEAK = 2,
	CAIRN_GC_FIELD_TRACED = 4,    /* strong, and known to its type's trace function alone */
	CAIRN_GC_FIELD_AMBIGUOUS = 8, /* any word of a CONSERVATIVE type; gc/verify.h only */
	CAIRN_GC_FIELD_EXACT = CAIRN_GC_FIELD_STRONG | CAIRN_GC_FIELD_WEAK | CAIRN_GC_FIELD_TRACED,
} cairn_gc_field_kind;

typedef struct cairn_gc_chunk {
	struct cairn_gc_chunk *next;
	size_t count;
	/* an object; or with bit 0 set, an object of which a part is left, and below it the word to go on with */
	uintptr_t item[CAIRN_GC_CHUNK_ITEMS];
} cairn_gc_chunk;

/* One worker; the visitor that a type's trace function is given is one. sync: its own thread's while it works on a
 * round, else the collecting thread's. */
typedef struct cairn_gc_worker {
	struct cairn_gc_heap *heap; /* const */
	unsigned index;             /* const; 0 is the collecting thread */
	uint32_t first_round;       /* its thread waits for the one after it; const when that is made */
	bool is_copying;            /* the mode */
	bool is_compressed;         /* likewise: of the heap; const */
	bool is_shared;             /* other workers are at work, too */
	bool is_contended;          /* and may set other bits of a byte that gets its colour */
	bool has_left_out;          /* an object was marked and not put on the stack */
	bool has_weak_left_out;     /* likewise of `weak` */
	bool has_no_room;           /* no more blocks to copy to are to be had */
	bool has_stays;             /* some header says STAYS */
	bool has_waited;            /* there may be WAITED bytes */
	uint8_t colour;             /* being given */
	uint8_t watched;            /* CAIRN_GC_WATCHED where what is reached is old from now on, else 0 */
	cairn_gc_chunk *top;        /* of its stack, never NULL; those below follow by next */
	cairn_gc_chunk *spare;      /* empty ones */
	size_t parts;               /* of its stack and spare, besides the first */
	size_t room;                /* items that are put into a chunk */
	unsigned queued, queue_at, queue_mask; /* the ring: where the next is put, that many behind the oldest */
	uintptr_t scanned;          /* the object whose fields are being put into it */
	uintptr_t queue[CAIRN_GC_AHEAD]; /* objects, or when copying fields; 0: none, all but the queued */
	cairn_gc_bump copy;         /* where it copies to */
	struct cairn_gc_block *copy_block;
	uintptr_t copy_start;       /* what lies from there to where the next copy goes is not counted yet */
	bool fills_holes;           /* of a block that was there; else it copies to a block that was empty */
	size_t live_bytes, live_objects, moved_bytes, moved_objects; /* of this collection */
	size_t new_bytes;                    /* of live, when marking: made since the last collection */
	size_t aged_bytes;                   /* of moved: out of blocks that were recent in the last collection */
	size_t pinned_bytes, pinned_objects; /* likewise: by cairn_gc_trace_pinned */
	size_t counted_bytes, counted_objects; /* likewise: by cairn_gc_count_reached */
	uint64_t cpu_ns;
	cairn_gc_chunk *weak;       /* objects with weak fields that were reached: cairn_gc_each_weak */
	void (*relay)(void *arg, void *field); /* not NULL: no worker, but a visitor for cairn_gc_each_field */
	void *relay_arg;
} cairn_gc_worker;

typedef struct cairn_gc_tracing {
	cairn_gc_worker *worker; /* sync: each its own; in a stop. NULL: the heap was never opened */
	unsigned wanted;         /* so many records of them; const */
	unsigned workers;        /* that may take part; sync: in a stop, and in the child of a fork */
	unsigned hired;          /* whose threads are made, and the collecting one; sync: atomic */
	bool hires_late;         /* when it is seen that they are worth it; const */
	bool is_hiring;          /* somebody makes them, or has; sync: atomic */
	bool counts_again;       /* two workers may have counted one object; sync: in a stop */
	size_t most;             /* of held bytes, for blocks to copy to; sync: in a stop */
	size_t copied_bytes;     /* by the last collection that copied; sync: in a stop */
	size_t alone;            /* objects that are scanned before a round begins; const but for tests */
	size_t parts_most;       /* parts that a stack may have besides the first; const but for tests */
	cairn_lock lock;         /* rank GC_PARTS */
	cairn_gc_chunk *shared;  /* sync: lock; read without as a hint: parts of stacks that anybody may take */
	uint32_t idle;           /* sync: lock; read without as a hint: workers that look for work */
	uint32_t joined;         /* sync: lock: workers that take part in the round */
	bool is_done;            /* sync: lock: all were idle, and nothing was shared */
	uint32_t news;           /* sync: atomic, a futex: something was shared, or all is done */
	uint32_t round;          /* sync: atomic, a futex: grows when threads are to begin */
	uint32_t at_work;        /* sync: atomic, a futex: threads that joined the round, and whether more may */
	void (*job)(cairn_gc_worker *w); /* of the round; sync: by round, as the next two */
	bool is_closing;         /* sync: atomic, by round */
	struct {
		void (*visit)(cairn_gc_worker *w, struct cairn_gc_slab *s, void *arg);
		void *arg;
		cairn_node *next; /* the slab to be visited next; sync: atomic in the round */
	} walk;
	pthread_t thread[CAIRN_GC_WORKERS_MAX]; /* const; that of worker 0 is none */
} cairn_gc_tracing;

/* False: no memory. */
bool cairn_gc_tracing_init(struct cairn_gc_heap *h);
void cairn_gc_tracing_close(struct cairn_gc_heap *h);
/* In the child: the threads are not there, and the forking thread does their work. */
void cairn_gc_tracing_fork_child(struct cairn_gc_heap *h);
/* Begins a collection's tracing in that mode and colour. */
void cairn_gc_trace_begin(struct cairn_gc_heap *h, bool is_copying, uint8_t colour);
/* By the collecting thread, in between: what this exact field refers to is reached, and the field updated, when it
 * returns; what that refers to is, after trace_all. */
void cairn_gc_trace_field(struct cairn_gc_heap *h, uintptr_t *field);
/* What lies here is reached, and stays where it is: PINNED. Copies nothing. */
void cairn_gc_trace_pinned(struct cairn_gc_heap *h, void *object);
/* What this object, which is old, refers to is reached after trace_all. */
void cairn_gc_trace_old(struct cairn_gc_heap *h, void *object);
/* What the fields in these bytes of it refer to is, of a type of references at fixed places alone. */
void cairn_gc_trace_part(struct cairn_gc_heap *h, void *object, size_t from, size_t to);
/* What the objects of recent blocks refer to is reached after trace_all. */
void cairn_gc_trace_recent(struct cairn_gc_heap *h);
/* Each object of a CONSERVATIVE type that lived, or was made since; before anything is copied. */
void cairn_gc_each_conservative(struct cairn_gc_heap *h, void (*visit)(struct cairn_gc_heap *h, void *object));
/* Sets PINNED for what objects of CONSERVATIVE types point at: before anything is copied. */
void cairn_gc_trace_pin_conservative(struct cairn_gc_heap *h);
/* Until nothing is left. May be called again after more was reached. */
void cairn_gc_trace_all(struct cairn_gc_heap *h);
void cairn_gc_trace_end(struct cairn_gc_heap *h); /* sums up; gives copy blocks up */
void cairn_gc_trace_validate(struct cairn_gc_heap *h);

/* Was it reached so far in this collection? Object of the heap; its new address if it has moved, else itself. NULL: not
 * reached. */
void *cairn_gc_reached(struct cairn_gc_heap *h, void *object);
/* Calls visit(arg, field) for each field, a slot, of these kinds (cairn_gc_field_kind, without AMBIGUOUS) of an object
 * that has a header. Always up to the last trailing element. */
void cairn_gc_each_field(void *object, unsigned which, void (*visit)(void *arg, void *field), void *arg);

/* What was reached, by the bytes: bytes of cells, objects. */
void cairn_gc_count_reached(struct cairn_gc_heap *h, size_t *bytes, size_t *objects); /* by all workers */
/* Calls visit(arg, object) for every object that was reached, by its byte. */
void cairn_gc_each_reached(struct cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg);
/* The same for those in this slab. */
void cairn_gc_each_reached_in(const struct cairn_gc_slab *s, uint8_t colour, void (*visit)(void *arg, void *object),
	void *arg);
/* The same for each object of a recent block, which is not coloured. */
void cairn_gc_each_recent(struct cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg);
/* The same for those in blocks that has_pins, of all slabs: among them all that stayed where they were in a copying
 * collection. */
void cairn_gc_each_in_place(struct cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg);
/* The same for those of types with weak fields; of others, too, where the list of them could not be kept. */
void cairn_gc_each_weak(struct cairn_gc_heap *h, void (*visit)(void *arg, void *object), void *arg);
/* The first cell in b at or after `from`, a cell's place, whose byte has the colour; 0: none. Also of LARGE ones. */
uintptr_t cairn_gc_next_of_colour(const struct cairn_gc_block *b, uint8_t colour, uintptr_t from);

/* Between gc/trace.c, gc/tracing.c and gc/workers.c. */
void cairn_gc_worker_push(cairn_gc_worker *w, void *object); /* it is to be scanned */
void cairn_gc_worker_scan(cairn_gc_worker *w, void *object); /* now; what it refers to is to be visited */
void cairn_gc_worker_end_copies(cairn_gc_worker *w); /* its block of copies is as any other now, and holds them */
void cairn_gc_worker_open_chunk(cairn_gc_worker *w);  /* a new part on top of its stack, if there is memory */
void cairn_gc_worker_close_chunk(cairn_gc_worker *w); /* the top part is empty, and not the only one */
void cairn_gc_worker_push_slow(cairn_gc_worker *w, uintptr_t item); /* the top part is full */
/* Scans at most budget objects. True: it has nothing left to do. */
bool cairn_gc_worker_drain(cairn_gc_worker *w, size_t budget);
void cairn_gc_worker_share(cairn_gc_worker *w);       /* others are idle: gives some of its stack away, if it can */
void cairn_gc_worker_rest(cairn_gc_worker *w);        /* keeps no more than from one collection to the next */
void cairn_gc_workers_drain(struct cairn_gc_heap *h); /* does all that there is to do, by all workers */

/* At the end of a collection, in the stop: nobody said how many there are to be, and more than a little lives. */
bool cairn_gc_workers_are_worth_it(const struct cairn_gc_heap *h);
/* Makes their threads, once. The calling thread stops nobody, and is out of its heaps meanwhile: a stop that waited for
 * it might hold up who has the lock of libc's that it wants. */
void cairn_gc_workers_hire(struct cairn_gc_heap *h);
void cairn_gc_workers_come(struct cairn_gc_heap *h); /* when a collection begins: those that were made take part */
unsigned cairn_gc_workers_default(void); /* how many there are where nobody said */

/* Calls visit(w, slab, arg) once for every slab of the heap, by all workers where there are more than a few; w is who
 * does. It may write to that slab's blocks, its bytes and its objects, and to w; slabs and lists stay as they are. In a
 * stop, called by the collecting thread, and not while there is something to trace. */
void cairn_gc_workers_each_slab(
	struct cairn_gc_heap *h, void (*visit)(cairn_gc_worker *w, struct cairn_gc_slab *s, void *arg), void *arg);

/* A stack of words that grows by chunks: for the lists that other parts keep during a collection. False: no memory. */
bool cairn_gc_chunk_push(struct cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t item);
bool cairn_gc_chunk_pop(struct cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t *item);

#endif
