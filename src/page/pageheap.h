/* page/pageheap.h - hands out spans and takes them back; every floor above gets its memory here.
 *
 * Threads: any. Failure: NULL or false when the OS refuses; nothing has changed. errno is not touched.
 * The design, invariants and locks are in pageheap.c. */
#ifndef CAIRN_PAGE_PAGEHEAP_H
#define CAIRN_PAGE_PAGEHEAP_H

#include "page/chunk.h"

typedef struct cairn_pageheap_numbers {
	size_t open_granules;  /* opened from the OS, ever growing */
	size_t used_granules;  /* in spans */
	size_t managed_granules; /* of those, in managed heaps */
	size_t free_granules;  /* open and in no span */
	size_t dirty_granules; /* of the free ones, those that may have frames behind them */
	size_t purged_granules; /* given back to the OS, cumulative */
} cairn_pageheap_numbers;

/* A span of `granules` (> 0), its base aligned to `align_granules` (a power of two). The span's header is zeroed but
 * for base and kind. is_zero (may be NULL): set to whether every byte reads zero. Returns owned. */
cairn_span *cairn_pageheap_alloc(size_t granules, size_t align_granules, cairn_span_kind kind, bool *is_zero);

/* Where a span may not read zero: as many stretches of its granules, in order; the last may be longer than it need. */
typedef struct cairn_dirty_parts {
	unsigned count;
	struct {
		char *from, *to;
	} part[8];
} cairn_dirty_parts;
/* The same, and what of it must be cleared to read zero. is_sparse: no huge pages, however others were written to. */
cairn_span *cairn_pageheap_alloc_parts(
	size_t granules, size_t align_granules, cairn_span_kind kind, bool is_sparse, cairn_dirty_parts *parts);

/* Addresses for what must lie near to each other: a window of its own, of so many bytes and aligned to them (a power of
 * two), reserved at the first call; a process has one, from which alloc_private alone takes. Where it begins; 0: the OS
 * refused. */
uintptr_t cairn_pageheap_private(size_t bytes);
/* A span in it, as by cairn_pageheap_alloc: of whole chunks, aligned to one. */
cairn_span *cairn_pageheap_alloc_private(size_t granules, cairn_span_kind kind, bool *is_zero);

/* A span of one chunk, that reads zero, is about to be written all over: it is to be a huge page, unless these are
 * never asked for or dear just now (page/huge.h). Touches it then. */
void cairn_pageheap_will_fill(const cairn_span *s);

/* Opens so many granules more, writes to every OS page of them, and leaves them free and dirty; the highest use does
 * not count them. False: refused, and nothing is open. For the start. */
bool cairn_pageheap_prewarm(size_t granules);

/* Takes the span; granules as allocated or resized, of which those from `touched` on were never written. Its class
 * bytes must be 0 already. */
void cairn_pageheap_free(cairn_span *s, size_t granules, size_t touched);

/* Lengthens a span in place, or returns false. For spans of kind LARGE. dirty: in, how many of the added granules may
 * have frames behind them; out, how many do. NULL: any. */
bool cairn_pageheap_grow(cairn_span *s, size_t from_granules, size_t to_granules, size_t *dirty);
/* Shortens it: [to, from) becomes free, clean from `touched` on. */
void cairn_pageheap_shrink(cairn_span *s, size_t from_granules, size_t to_granules, size_t touched);

/* For page/purge.c: takes a free, dirty run of a chunk out of the free set, so that it can be purged without the lock.
 * False when nothing is dirty. */
typedef struct cairn_dirty_run {
	uintptr_t start;
	size_t granules;
	bool is_huge; /* part of a chunk that was huge: MADV_NOHUGEPAGE before it is purged */
} cairn_dirty_run;
bool cairn_pageheap_take_dirty(cairn_dirty_run *run, size_t most_granules);
/* Gives it back, clean when purged. */
void cairn_pageheap_give_run(const cairn_dirty_run *run, bool purged);
/* As many granules around p as one OS page of span headers describes, when all are free and clean.
 * They are out of the free set until give_bare; meanwhile the page at *headers, of cairn_vm_page_bytes(), describes
 * nothing and may be purged: zeroed headers are those of no span. */
bool cairn_pageheap_take_bare(uintptr_t p, cairn_dirty_run *bare, void **headers);
void cairn_pageheap_give_bare(const cairn_dirty_run *bare);

/* Free memory and core files: see page/corefile.h. Is a step worth it (a hint, without the lock)? One step, at most 16
 * system calls; true: there may be more to do. */
bool cairn_pageheap_hide_is_due(void);
bool cairn_pageheap_hide_step(void);

cairn_pageheap_numbers cairn_pageheap_count(void); /* consistent: taken under the lock */
size_t cairn_pageheap_dirty_bytes(void);           /* a recent value, without the lock */
size_t cairn_pageheap_used_bytes(void);            /* likewise */
size_t cairn_pageheap_highest_used_bytes(void);    /* the most that was ever used at once, likewise */
size_t cairn_pageheap_rewanted_bytes(void);        /* handed out from purged memory, cumulative: see page/purge.c */

/* Calls visit for every span, in no order, under the lock: visit takes no lock of lower rank and calls nothing here. */
void cairn_pageheap_visit(void (*visit)(cairn_span *s, void *arg), void *arg);

void cairn_pageheap_lock(void);   /* for fork, in order of rank */
void cairn_pageheap_unlock(void);
void cairn_pageheap_fork_child(void);
void cairn_pageheap_validate(void);

/* Was the chunk of p asked to be huge? It no longer counts as such: the caller gives MADV_NOHUGEPAGE. */
bool cairn_pageheap_forget_huge(const void *p);

#endif
