/* gc/verify.h - a second opinion on a managed heap: what lies in it, and what is reachable, by simple code of its own.
 *
 *   survey_begin ──▶ starts: each block read by its bytes and headers, which are checked
 *   survey_reach ──▶ reached: from the roots, breadth first, each with who led to it; edges are checked
 *   findings     ──▶ lines, written down in the stop and printed after it
 *
 * It shares with the collectors the records it looks at, the walk over roots, and types' trace functions; nothing of
 * marking, moving, or finding the object that a word points at. gc/missing.c and lens/undeclared.c stand on it, too.
 *
 * Memory: 64 KiB a slab, 16 bytes a reached object, by os/meta; given back at the end. No malloc: it runs in stops.
 * Invariants: (GV1) of `reached`, a parent's index is less than its child's. (GV2) Each reached object is a start.
 *   Checked by cairn_gc_survey_validate().
 * Threads: one, in a stop, for as long as the survey lives. Failure: no memory: is_short, and what was found stands. */
#ifndef CAIRN_GC_VERIFY_H
#define CAIRN_GC_VERIFY_H

#include "base/line.h"
#include "gc/managed.h"

enum {
	CAIRN_GC_FINDINGS_LINES = 128, /* that are kept; all are counted */
	CAIRN_GC_FIELD_UNIT = 4,       /* bytes: fields lie at multiples of it */
	CAIRN_GC_SURVEY_GRAINS = CAIRN_GC_SLAB_BYTES / CAIRN_GC_GRAIN,
};

typedef struct cairn_gc_findings {
	cairn_line *lines; /* CAIRN_GC_FINDINGS_LINES of them; NULL: no memory */
	size_t count;      /* of lines */
	size_t errors;     /* of findings, kept or not */
	bool is_short;     /* one of them is that there was no memory to look at all */
} cairn_gc_findings;

bool cairn_gc_findings_begin(cairn_gc_findings *f);
/* A finding's first line, or more about the last one. Borrows l. */
void cairn_gc_found(cairn_gc_findings *f, const cairn_line *l);
void cairn_gc_found_more(cairn_gc_findings *f, const cairn_line *l);
/* With the world running: to the file, or through os/report.h where it is NULL. */
void cairn_gc_findings_print(const cairn_gc_findings *f, FILE *to);
void cairn_gc_findings_end(cairn_gc_findings *f);

typedef struct cairn_gc_survey_slab {
	cairn_gc_slab *slab; /* NULL: a free place */
	uint64_t *starts;    /* a bit for each grain: a cell begins in it */
	uint64_t *marks;     /* reached */
} cairn_gc_survey_slab;

/* In `parent`: not an object, but a root. */
#define CAIRN_GC_BY_ROOT   UINT32_MAX       /* field: index in `roots` */
#define CAIRN_GC_BY_RECORD (UINT32_MAX - 1) /* a table, a cleanup that is due, a guardian */

typedef struct cairn_gc_reached_entry {
	uintptr_t object;
	uint32_t parent; /* index, or one of the above */
	uint32_t field;  /* where in the parent, in units of CAIRN_GC_FIELD_UNIT bytes; of a root: see above */
} cairn_gc_reached_entry;

typedef struct cairn_gc_survey {
	struct cairn_gc_heap *heap;
	cairn_gc_findings *findings;
	cairn_gc_survey_slab *slabs; /* open addressing by address */
	size_t room;                 /* a power of two */
	uintptr_t low, high;         /* of all slabs */
	cairn_gc_reached_entry *reached;
	size_t count, reached_room;
	uintptr_t *roots;            /* addresses of the words that led somewhere */
	size_t root_count, root_room;
	size_t objects;              /* starts */
	uint32_t from;               /* while fields are looked at: whose */
	bool is_short;               /* no memory: not all was looked at */
	bool is_after;               /* just behind a collection: what is reachable has the colour */
} cairn_gc_survey;

/* Reads all blocks, and tells what is wrong with cells. False: no memory, nothing is held. */
bool cairn_gc_survey_begin(cairn_gc_survey *s, struct cairn_gc_heap *h, cairn_gc_findings *f);
/* Follows all roots, and tells of edges that lead to no object. */
void cairn_gc_survey_reach(cairn_gc_survey *s);
void cairn_gc_survey_end(cairn_gc_survey *s);
bool cairn_gc_survey_is_start(const cairn_gc_survey *s, uintptr_t p);
bool cairn_gc_survey_is_reached(const cairn_gc_survey *s, const void *object);
/* The object in which p lies; with_end: or at whose end. NULL: none. Any word may be asked for. */
void *cairn_gc_survey_at(const cairn_gc_survey *s, uintptr_t p, bool with_end);
/* Calls visit(arg, object) for all objects by their starts. */
void cairn_gc_survey_each(const cairn_gc_survey *s, void (*visit)(void *arg, void *object), void *arg);
bool cairn_gc_survey_validate(const cairn_gc_survey *s);

/* Calls visit(arg, field, kind) for each field: by bitmaps, trailing elements, trace function; in conservative types
 * each word. */
void cairn_gc_survey_fields(
	void *object, void (*visit)(void *arg, void *field, cairn_gc_field_kind kind), void *arg);

/* Reads one block as gc/blocks.h says. Calls object(arg, p) for each object, until that says false; and, unless it is
 * NULL, wrong(arg, cell, what) for a cell that cannot be, behind which the block is not read on. */
void cairn_gc_survey_block(const cairn_gc_block *b, uint8_t colour, bool (*object)(void *arg, void *p),
	void (*wrong)(void *arg, uintptr_t cell, const char *what), void *arg);

/* Words for lines: "node 0x7f00"; " +8" or " [3]" or " [3]+8". */
void cairn_gc_say_object(cairn_line *l, const void *object);
void cairn_gc_say_field(cairn_line *l, const void *object, const void *field);
/* "path: stack of thread 12 +0x40 -> vec 0x... [3] -> node 0x...", to reached[index]. */
void cairn_gc_say_path(const cairn_gc_survey *s, cairn_line *l, uint32_t index);
/* Why p is no object: "dead", "inside node 0x...", "of another heap"... */
void cairn_gc_say_why_not(const cairn_gc_survey *s, cairn_line *l, uintptr_t p);

/* Calls call(h, arg) with m's heap stopped. A safepoint. */
void cairn_gc_in_a_stop(cairn_gc_mutator *m, void (*call)(struct cairn_gc_heap *h, void *arg), void *arg);
/* All checks, in a stop; an error is told, and aborts. is_after: see the survey. */
void cairn_gc_verify_stopped(struct cairn_gc_heap *h, bool is_after);
/* Words outside their types' bitmaps that look like references. After survey_begin. */
void cairn_gc_missing_fields(cairn_gc_survey *s);

#endif
