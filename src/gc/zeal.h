/* gc/zeal.h - modes that make rare things common, to find errors: ours, and programs'.
 *
 * CAIRN_GC_ZEAL, or the config's field, is a list of words, parted by commas:
 *   collect=N   a collection at every Nth allocation (1: each)
 *   move        what can move moves, in every collection of all, or each other time with the young after it
 *   small       buffers of one: bumps of one cell, parts of stacks of two objects, no prefetching
 *   pins=N      one of N objects is pinned in each collection, by chance
 *   poison      what was freed is filled with 0xdb, and its memory is made inaccessible where it is whole pages
 *   delay       waits for up to 1 ms at named points, by chance
 *   verify      cairn_gc_verify before and after each collection; an error aborts
 *   shadow      each store by the barrier is written down twice; a field stored to otherwise is told, and aborts
 *   seed=N      of chance; else a new one, which is said
 * An unknown word: one line, and it is ignored.
 *
 * With none of them is_on is false, and nothing of this costs anything. */
#ifndef CAIRN_GC_ZEAL_H
#define CAIRN_GC_ZEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cairn_gc_heap;
struct cairn_gc_block;
struct cairn_gc_thread;

typedef struct cairn_gc_zeal {
	bool is_on, moves, is_small, poisons, delays, verifies, shadows; /* const, as all but state */
	uint32_t collect_every, pin_one_of;
	uint64_t state; /* of chance; sync: atomic, relaxed */
	struct cairn_gc_shadow *shadow;
} cairn_gc_zeal;

/* Reads the config and the environment. No memory for what a mode needs: a line, and that mode is off. */
void cairn_gc_zeal_init(struct cairn_gc_heap *h);
void cairn_gc_zeal_close(struct cairn_gc_heap *h);
/* The next number of the heap's chance. Any thread. */
uint64_t cairn_gc_chance(struct cairn_gc_heap *h);
void cairn_gc_zeal_delay(struct cairn_gc_heap *h);        /* a named point: where it is called */
/* t is about to allocate: does collect=N want a collection first? Counts. By t's thread. */
bool cairn_gc_zeal_wants(struct cairn_gc_thread *t);
void cairn_gc_zeal_before(struct cairn_gc_heap *h);       /* of a collection, in its stop */
void cairn_gc_zeal_after(struct cairn_gc_heap *h);        /* in its stop, when all is done */
/* pins=N: calls found(arg, object) for one of N objects, as cairn_gc_roots_ambiguous does, and after it. In a stop. */
void cairn_gc_zeal_pins(struct cairn_gc_heap *h, void (*found)(void *arg, void *object), void *arg);
/* b has become EMPTY; or is handed out again, or goes back to the page heap: it can be written to then, and reads zero
 * where it was poisoned. */
void cairn_gc_zeal_poison(struct cairn_gc_heap *h, struct cairn_gc_block *b);
void cairn_gc_zeal_unpoison(struct cairn_gc_heap *h, struct cairn_gc_block *b);
void cairn_gc_zeal_validate(struct cairn_gc_heap *h); /* in a stop */

/* ---- The shadow: gc/shadow.c ---- */

bool cairn_gc_shadow_init(struct cairn_gc_heap *h);
void cairn_gc_shadow_close(struct cairn_gc_heap *h);
/* The barrier is about to store, or has stored, value to a field of object; NULL: a root, of which nothing is written
 * down. Any mutator. */
void cairn_gc_shadow_store(struct cairn_gc_heap *h, void *object, void *field, uintptr_t value);
/* Between these two a store and its shadow are one step to all others. They nest in nothing. */
void cairn_gc_shadow_enter(struct cairn_gc_heap *h);
void cairn_gc_shadow_leave(struct cairn_gc_heap *h);
void cairn_gc_shadow_fork_child(struct cairn_gc_heap *h); /* what fork entered is left */
/* These bytes, of one slab, hold no object any more, or read zero again: free and resize. */
void cairn_gc_shadow_forget(struct cairn_gc_heap *h, void *object, const void *start, size_t bytes);
/* In a stop: tells each field that does not hold what the barrier left there, eight at most; how many there are. */
size_t cairn_gc_shadow_compare(struct cairn_gc_heap *h);
/* In a stop, after a collection: what the fields hold now is right. */
void cairn_gc_shadow_renew(struct cairn_gc_heap *h);

#endif
