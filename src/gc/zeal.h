/* gc/zeal.h - modes that make rare things common, to find errors: ours, and programs'.
 *
 * CAIRN_GC_ZEAL, or the config's field, is a list of words, parted by commas:
 *   collect=N   a collection at every Nth allocation (1: each)
 *   move        what can move moves, in every collection
 *   small       buffers of one: bumps of one cell, parts of stacks of two objects, no prefetching
 *   pins=N      one of N objects is pinned in each collection, by chance
 *   poison      what was freed is filled with 0xdb, and its memory is made inaccessible where it is whole pages
 *   delay       waits for up to 1 ms at named points, by chance
 *   verify      cairn_gc_verify before and after each collection; an error aborts
 *   shadow      each store by the barrier is written down twice; a field that was stored to otherwise is told and aborts
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

typedef struct cairn_gc_zeal {
	bool is_on, moves, is_small, poisons, delays, verifies, shadows;
	uint32_t collect_every, pin_one_of;
	uint64_t state; /* of chance; sync: atomic, relaxed */
	struct cairn_gc_shadow *shadow;
} cairn_gc_zeal;

void cairn_gc_zeal_init(struct cairn_gc_heap *h);
void cairn_gc_zeal_close(struct cairn_gc_heap *h);
uint64_t cairn_gc_chance(struct cairn_gc_heap *h);
struct cairn_gc_thread;
bool cairn_gc_zeal_wants(struct cairn_gc_thread *t);      /* an allocation: is a collection due? */
void cairn_gc_zeal_delay(struct cairn_gc_heap *h);        /* a named point: where it is called */
void cairn_gc_zeal_before(struct cairn_gc_heap *h);       /* of a collection, in its stop */
void cairn_gc_zeal_after(struct cairn_gc_heap *h);
/* b has become EMPTY; or is handed out again. */
void cairn_gc_zeal_poison(struct cairn_gc_heap *h, struct cairn_gc_block *b);
void cairn_gc_zeal_unpoison(struct cairn_gc_heap *h, struct cairn_gc_block *b);
/* The shadow of stores: see there. */
void cairn_gc_shadow_store(struct cairn_gc_heap *h, void *object, uintptr_t *field, uintptr_t value);

#endif
