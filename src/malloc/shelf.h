/* malloc/shelf.h - large spans that a thread has just freed, kept at hand for its next large blocks.
 *
 *               free                          malloc of as many granules, or up to an eighth fewer
 *   LARGE ────────────────▶ KEPT, on the shelf of the thread that freed ────────────────────▶ LARGE
 *                             │
 *                             └─ no room, idle, thread's end, trim, want of memory ──▶ page heap
 *
 * Spans of up to CAIRN_SHELF_GRANULES granules hang in one list for each length, newest first, and a word says which
 * lists have any. A hit takes no lock and changes no sum that threads share.
 *
 * How much a shelf may hold (`most`) begins with nothing. A request that finds no fitting span, within 128 hits of the
 * last such, raises it by up to twice what was asked, as far as spans had to be sent away before: who only frees,
 * or only allocates, gets none. Past 1 MiB each granule of room takes eight sent away. All shelves together may hold 1
 * MiB or half of what is in use, whichever is more. Frees that find no room several times with no request between halve
 * it, down to CAIRN_SHELF_LEAST_GRANULES: the program is letting go. Looks (a tenth of a second apart, malloc/tend.h)
 * send away half of what was not needed since the last, and all of it after three without use. Under a limit on memory
 * nothing is kept.
 *
 * A kept block is free: its second free, its realloc, a question for its size are told at once, as for every large
 * block. Its memory is as the program left it: nothing is known to be zero.
 *
 * Who may touch a shelf: its thread, inside a slow path, with is_taken set; likewise the janitor, malloc_trim, and a
 * thread that is refused memory. Nobody waits for it: who finds it taken goes on without. A thread that is certainly
 * the process's only one does not set it. No lock is taken while it is set.
 *
 * Invariants, checked by cairn_shelf_validate():
 *   (V1) Every span in list[n - 1] is of kind KEPT, holds n granules, and stands there once.
 *   (V2) Bit n - 1 of filled is set exactly when list[n - 1] is not empty; held is the sum of all granules, at most
 *        `most`.
 *
 * Not here: who calls when (malloc/slow.c, malloc/tend.c, malloc/threads.c). */
#ifndef CAIRN_MALLOC_SHELF_H
#define CAIRN_MALLOC_SHELF_H

#include "page/chunk.h"

enum {
	CAIRN_SHELF_GRANULES = 64,       /* the longest span that is kept */
	CAIRN_SHELF_BYTES = CAIRN_SHELF_GRANULES * CAIRN_GRANULE_BYTES,
	CAIRN_SHELF_LEAST_GRANULES = 64, /* what letting go leaves */
};

typedef struct cairn_shelf {
	uint64_t filled;      /* sync: is_taken; see V2 */
	uint32_t held;        /* granules; sync: is_taken */
	uint32_t most;        /* granules; sync: is_taken */
	uint32_t sent_away;   /* granules that found no room, less what misses asked for; sync: is_taken */
	uint32_t lowest;      /* the least held since the last look; sync: is_taken */
	uint16_t full_frees;  /* in a row, with no request between; sync: is_taken */
	uint8_t makes_room;   /* the list that does next; sync: is_taken */
	uint8_t is_used;      /* since the last look; sync: is_taken */
	uint8_t idle_looks;   /* sync: is_taken */
	uint8_t hits;         /* since the last miss, up to 255; sync: is_taken */
	volatile uint8_t is_taken; /* sync: atomic */
	int64_t block_delta;  /* sync: atomic, relaxed, written by the owner thread: what its takes and puts add */
	int64_t byte_delta;   /* to the sums of malloc/stats.h (blocks: never over 0); unused while those are shown */
	cairn_span *list[CAIRN_SHELF_GRANULES]; /* sync: is_taken */
} cairn_shelf;

/* A kept span of granules (<= CAIRN_SHELF_GRANULES) or a little more, now of kind LARGE, or NULL. For the owner. */
cairn_span *cairn_shelf_take(cairn_shelf *f, size_t granules);
/* Takes s, of kind LARGE and not too long. False: not taken. For the owner. */
bool cairn_shelf_put(cairn_shelf *f, cairn_span *s);
/* Adds to this thread's share of the sums of blocks and bytes. For the owner. */
void cairn_shelf_count(cairn_shelf *f, int64_t blocks, int64_t bytes);

/* Gives all of it to the page heap; it may hold nothing until it learns again. For a thread that ends. */
void cairn_shelf_close(cairn_shelf *f);
/* Every thread's shelf. Locks: none held on entry. */
void cairn_shelves_empty(void);
void cairn_shelves_look(void);
/* Is there more room on shelves than may stay with nobody looking? */
bool cairn_shelves_are_due(void);
size_t cairn_shelves_kept_bytes(void); /* as of the last look */
/* At start: asks libc whether this thread is alone, from now on. */
void cairn_shelves_begin(void);
/* The process has, or is to have, a second thread, of which libc may not know: from now on nobody is alone. */
void cairn_shelves_share(void);

/* Around fork and a validator, and only there: the shelf is whole while it is held. */
void cairn_shelf_hold(cairn_shelf *f);
void cairn_shelf_drop(cairn_shelf *f);

void cairn_shelf_validate(const cairn_shelf *f);

#endif
