/* gc/managed.h - one managed heap, put together from its parts, and what a collector is.
 *
 *   cairn_gc_open ──▶ OPEN ──a mutator finds no room, or asks──▶ STOPPING ──all are stopped or out──▶ STOPPED
 *                       ▲                                                                                │
 *                       └────────────────────────── resume ◀── plan->collect (gc/collect.c) ◀────────────┘
 *
 * Each part has a file of its own, which says what it holds and who may touch it:
 *   blocks   where objects lie                gc/blocks.h        roots   what is kept, and stacks      gc/roots.h
 *   world    mutators, and stopping them      gc/world.h         deaths  weak fields, tables, drops    gc/deaths.h
 *   sizing   when to collect, limits          gc/sizing.h        looks   what it did, for people       gc/looks.h
 *   zeal     modes that look for our errors   gc/zeal.h          trace   workers and their work        gc/trace.h
 *
 * Locks of a managed heap, in rising rank: the list of heaps (GC_HEAPS), its world (GC_WORLD: held through a
 * collection), its parts' (GC_PARTS: roots, handles, deaths: never two at once), a table's (GC_TABLES), its blocks
 * (GC_BLOCKS). All rank below malloc's. A lock of the page heap or os/meta is never taken with signals open, for a
 * handler may call malloc, which would wait for its own thread: cairn_gc_calm.
 *
 * Not here: the public entry points; they are with the part that does the work. */
#ifndef CAIRN_GC_MANAGED_H
#define CAIRN_GC_MANAGED_H

#include "gc/blocks.h"
#include "gc/deaths.h"
#include "gc/looks.h"
#include "gc/roots.h"
#include "gc/sizing.h"
#include "gc/slot.h"
#include "gc/trace.h"
#include "gc/world.h"
#include "gc/mixed.h"
#include "gc/young.h"
#include "gc/zeal.h"

/* Why a collection is made: for the log. */
typedef enum cairn_gc_cause {
	CAIRN_GC_CAUSE_FULL,  /* held what it may */
	CAIRN_GC_CAUSE_ASKED, /* cairn_gc_collect */
	CAIRN_GC_CAUSE_LIMIT, /* an allocation was refused: everything is tried */
	CAIRN_GC_CAUSE_ZEAL,
} cairn_gc_cause;

/* A collector. Its functions are called in a stop, by the collecting thread. */
typedef struct cairn_gc_plan {
	const char *name;
	cairn_gc_collector collector;
	uint8_t barrier;      /* of mutators between collections */
	bool is_moving;
	bool has_young;       /* gc/young.h; then mutators allocate into whole blocks */
	/* Bytes held that the next collection itself may need, when `held` are: room that allocation leaves under
	 * max. NULL: none. */
	size_t (*headroom)(const struct cairn_gc_heap *h, size_t held);
	/* The whole of a collection but for what comes before and after in every one: see gc/collect.c. */
	void (*collect)(struct cairn_gc_heap *h);
} cairn_gc_plan;

extern const cairn_gc_plan cairn_gc_plan_none, cairn_gc_plan_marksweep, cairn_gc_plan_semispace,
	cairn_gc_plan_markcompact, cairn_gc_plan_generational;
/* NULL: not built, or none such. */
const cairn_gc_plan *cairn_gc_plan_of(cairn_gc_collector c);

struct cairn_gc_heap {
	cairn_node node; /* in the list of heaps; sync: its lock */
	cairn_gc_config config;    /* const while it lives, defaults filled in */
	const cairn_gc_plan *plan; /* const while it lives */
	uint64_t collection;       /* number of the last one, from 1; sync: changes in a stop */
	bool is_compressed;        /* its references are: gc/slot.h; const while it lives */
	bool is_collecting;        /* sync: in a stop */
	bool has_conservative;     /* some type is CAIRN_GC_CONSERVATIVE; of the collection at work; sync: in a stop */
	cairn_gc_cause cause;      /* likewise */
	cairn_gc_blocks blocks;
	cairn_gc_young young;
	cairn_gc_mixed mixed;
	cairn_gc_world world;
	cairn_gc_roots roots;
	cairn_gc_deaths deaths;
	cairn_gc_sizing sizing;
	cairn_gc_tracing tracing;
	cairn_gc_looks looks;
	cairn_gc_zeal zeal;
};

/* Changes with every size and place that a reader from outside relies on (lens/managedwalk.c). */
#define CAIRN_GC_LAYOUT_MIX(sum, n) ((sum) * 1000003u + (uint64_t)(n))
#define CAIRN_GC_LAYOUT                                                                                                \
	CAIRN_GC_LAYOUT_MIX(CAIRN_GC_LAYOUT_MIX(CAIRN_GC_LAYOUT_MIX(CAIRN_GC_LAYOUT_MIX(CAIRN_GC_LAYOUT_MIX(           \
		sizeof(cairn_gc_slab) * 65536 + CAIRN_GC_GRAIN * 256 + CAIRN_GC_FIRST_BLOCK,                           \
		offsetof(cairn_gc_block, filled)), sizeof(cairn_gc_heap)),                                             \
		offsetof(cairn_gc_heap, sizing)), offsetof(cairn_gc_heap, looks)),                                     \
		sizeof(cairn_gc_stats) * 65536 + offsetof(cairn_gc_looks, stats))

/* The list of all heaps, for fork and for who looks from outside: cairn_window_managed leads here. */
typedef struct cairn_gc_heaps {
	uint64_t layout; /* CAIRN_GC_LAYOUT, from the first heap on; sync: lock */
	cairn_lock lock;
	cairn_node all; /* sync: lock; a list head, both NULL before the first */
	size_t count;   /* sync: lock */
} cairn_gc_heaps;
extern cairn_gc_heaps cairn_gc_heaps_here;

/* What programs with compressed references call by the names without the end: see CAIRN_GC_KIND_ in cairn/gc.h. */
#define CAIRN_GC_PUBLIC __attribute__((visibility("default")))
CAIRN_GC_PUBLIC cairn_gc_heap *cairn_gc_open_compressed_(const cairn_gc_config *config);
CAIRN_GC_PUBLIC cairn_gc_mutator *cairn_gc_attach_compressed_(cairn_gc_heap *h);
CAIRN_GC_PUBLIC void cairn_gc_register_compressed_(cairn_gc_type *t);
cairn_gc_mutator *cairn_gc_attach_any(cairn_gc_heap *h); /* cairn_gc_attach, of whatever kind the heap is */

/* One whole collection by m's thread: stops the world, collects, resumes. If another thread's came first, that one was
 * waited for, and nothing more is done unless cause is ASKED or LIMIT. A safepoint. */
void cairn_gc_collect_now(cairn_gc_mutator *m, cairn_gc_cause cause);
/* The same where t's registers and sp were saved when the program called, and no code of its own has run since. */
void cairn_gc_collect_saved(cairn_gc_thread *t, cairn_gc_cause cause);

/* Blocks all signals around calls into the page heap or os/meta; nests. Returns what to give to uncalm. */
uint64_t cairn_gc_calm(void);
void cairn_gc_uncalm(uint64_t before);
/* Records of the collector's own, zeroed, by os/meta, calmly. They count into record_bytes of the heap (NULL: none). */
void *cairn_gc_meta_alloc(struct cairn_gc_heap *h, size_t bytes);
void cairn_gc_meta_free(struct cairn_gc_heap *h, void *p, size_t bytes);
/* The same by who is calm already: two system calls are ten times what the rest takes. p: not NULL. */
void *cairn_gc_meta_alloc_calm(struct cairn_gc_heap *h, size_t bytes);
void cairn_gc_meta_free_calm(struct cairn_gc_heap *h, void *p, size_t bytes);

/* "cairn: gc: WHAT (heap NAME)", and abort. */
_Noreturn void cairn_gc_misuse(const struct cairn_gc_heap *h, const char *what, const void *p);

#endif
