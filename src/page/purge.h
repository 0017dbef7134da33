/* page/purge.h - gives the frames of free granules back to the OS: how much to keep, and the work itself in small
 * steps.
 *
 * A page that is given back and wanted again costs a fault (about 1 us) and the giving (0.25 us); a page that is kept
 * costs 4 KiB to everyone else. So some dirty memory is kept, and how much is learnt:
 *
 *   hysteresis   kept at any time, at least KEEP_MIN. Memory that is purged and soon wanted again raises it by what was
 *                wanted, or doubles it when that is much, up to the most that was ever used and the allowance; rest
 *                halves it, of 50 ms where it is small, 100 for 32 MiB, a second at most: what is all in use gives no
 *                proof, and losing half of it in vain may cost a 25th of the time.
 *   floor        what was opened before it was wanted (CAIRN_PREWARM): kept as far as it was never in use, until
 *                something asks for everything back.
 *   eager        near a limit (malloc/limit.h) only KEEP_MIN stays, floor and proof or not.
 *   allowance    over the highest use ever: the most that used and dirty memory may come to. It begins with nothing;
 *                purging for that bound again and again, by half of the highest use in all, gives half of what may
 *                be, then all; rest halves it likewise.
 *
 * One thread purges at a time; another that would like to goes on without. The purging system call may sleep for as
 * long as it takes a userfaultfd monitor to answer, and the monitor may be a thread of this process that allocates and
 * frees before it answers: it must not come to wait for itself.
 *
 * Invariants, checked by cairn_purge_validate():
 *   (U1) KEEP_MIN <= hysteresis <= max(KEEP_MIN, the highest use and the allowance, the floor).
 *   (U2) The allowance is at most a quarter of the highest use, or 16 MiB.
 *
 * Threads: any; state is relaxed atomics, a lost update shifts a purge by one step. No lock is held during a system
 * call. Failure: when the OS will not take pages, purging stops for a second; nothing else changes. */
#ifndef CAIRN_PAGE_PURGE_H
#define CAIRN_PAGE_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAIRN_PURGE_KEEP_MIN_BYTES = 1 << 20 };

/* More dirty than the hysteresis allows? For the thread that frees, in a process without threads. */
bool cairn_purge_is_due(void);
/* Around every purging system call: false when another thread is at it (nothing is waited for); leave undoes a true
 * enter. is_busy: is some thread at it? fork_child: in a child none is. */
bool cairn_purge_enter(void);
void cairn_purge_leave(void);
bool cairn_purge_is_busy(void);
void cairn_purge_fork_child(void);
/* Purges until keep_bytes are dirty or about budget_us microseconds are used; false when nothing more can be done
 * now, or another thread is purging. */
bool cairn_purge_step(size_t keep_bytes, unsigned budget_us);
/* One step of self-purging: down to half of the hysteresis, at most 100 us and what it takes to purge freed_bytes. */
void cairn_purge_self(size_t freed_bytes);
/* After an allocation of so many bytes: when what is used and what is dirty come to more than was ever used at once
 * and the allowance, the dirty memory did not serve, and is given back instead of adding to the highest residency:
 * about as much as was allocated. */
void cairn_purge_hold_peak(size_t bytes);
/* Pages purged by others than this file (inside slabs) are wanted again. */
void cairn_purge_note_rewanted(size_t bytes);
/* Lets the hysteresis follow what happened since the last call. now_ns: cairn_clock_coarse_ns(). */
void cairn_purge_learn(uint64_t now_ns);
size_t cairn_purge_hysteresis_bytes(void);
/* The floor: bytes that are kept until as much was in use; 0: none. */
void cairn_purge_set_floor(size_t bytes);
size_t cairn_purge_floor_bytes(void); /* what is left of it */
/* Eager or not. set_eager keeps for a second at least, and until used and dirty memory are below until_bytes, when
 * cairn_purge_learn ends it. */
void cairn_purge_set_eager(size_t until_bytes, uint64_t now_ns);
bool cairn_purge_is_eager(void);

/* Everything back, asked for by one store into this word, from outside as well (process_vm_writev): a thread that sees
 * it differ from what it saw last gives its magazines back, and one of them everything else, then stores it in
 * `served`. Looked at by slow frees and by the janitor: an idle process serves it with its next free. Both count up;
 * who asks waits until served - its value >= 0. */
extern _Atomic uint32_t cairn_purge_request; /* sync: atomic, relaxed: a hint to come by */
extern _Atomic uint32_t cairn_purge_served;  /* sync: atomic: released when it is done */
void cairn_purge_validate(void);

#endif
