/* gc/young.h - the young and the old, for collectors that collect the young alone; and which old objects were stored
 * into since.
 *
 *   made ──▶ young ──lives through a collection──▶ old, WATCHED ──a store──▶ written down ──the next one──▶ WATCHED
 *             └──made just before it──▶ young once more
 *
 * What was made since the last collection is young, by its block: it is_young until then. The blocks that were taken
 * last are recent: a collection of the young reads them as if all in them lived, and leaves them to the next one. An
 * old object's header says WATCHED, so that a store into it is told (cairn/gc.h, the barrier): the first takes it off
 * and writes the object down, and the next collection scans it. So a store into what is young, or was stored into
 * before, costs what it costs elsewhere. (A log of objects: Hosking, Moss and Stefanović, "A comparative performance
 * evaluation of write barrier implementations", OOPSLA 1992.)
 *
 * A LARGE object stays WATCHED: each store into it is told, and the first into a card of it, 128 bytes, sets the card
 * and writes that down; the next collection scans the card. So a table of a million slots costs what is stored into it.
 * (Not of types with a trace function or weak fields, or CONSERVATIVE ones: these are scanned whole.)
 *
 * That is the default; config.remember has two others, to measure it against. By the log, a LARGE object is written
 * down whole, too. By cards, small objects stay WATCHED as well. Their cards are 128 bytes of a block each, at a fixed
 * place of the slab (gc/blocks.h): the next collection scans the fields in them, whosever they are.
 *
 * Invariants:
 *   (GYO1) An old object that is WATCHED refers to no young one but from cards that are set. Checked by
 *          cairn_gc_verify.
 *   (GYO2) One that is not is written down, or is_short. Checked, by their number, by cairn_gc_young_validate().
 *   (GYO3) So is each card that is set. Checked likewise. None is set but of LARGE objects and, by cards, of blocks of
 *          cells that are not young; by the log, none at all.
 *   (GYO4) In a young block of cells nothing has a colour. Checked likewise.
 *
 * Lock: one, rank CAIRN_RANK_GC_PARTS. Failure: where an object cannot be written down, is_short: the next collection
 * is of all, which needs no list. Not here: when which collection is made (gc/plan/generational.c). */
#ifndef CAIRN_GC_YOUNG_H
#define CAIRN_GC_YOUNG_H

#include "gc/blocks.h"
#include "gc/pace.h"
#include "gc/trace.h"

struct cairn_gc_heap;

enum {
	CAIRN_GC_ZEAL_ALL_ONE_OF = 4, /* collections that zeal makes */
	CAIRN_GC_RECENT_EACH = 2 * CAIRN_GC_BLOCK_BYTES, /* one is being filled; the other is time to die */
};

typedef struct cairn_gc_young {
	cairn_lock lock;
	/* Old objects stored into; cards: the address of what they span, + 1; sync: lock, or the stop */
	cairn_gc_chunk *stored;
	bool is_short;          /* some are missing; sync: lock, or the stop */
	/* sync, both: written in a stop; read there, and by mutators that run */
	bool is_minor;          /* at work, or the last one: a collection of the young alone */
	bool wants_all;         /* the next is to be of all */
	/* Made before the last collection and since the one before, and what lived of it; sync: in a stop */
	size_t made_bytes, lived_bytes;
	cairn_gc_pace pace;
	bool always_tells;        /* stores, whatever the next collection is to be; const but for tests */
	size_t recent_each;       /* a mutator: so much of what was made last is left young; const but for tests */
	size_t recent_bytes, recent_objects; /* what the last one left young; sync: in a stop */
	size_t old_bytes, old_objects; /* that lived when all was collected, or became old since; sync: in a stop */
} cairn_gc_young;

/* Have small objects cards, too? const while it lives. */
bool cairn_gc_young_has_cards(const struct cairn_gc_heap *h);
/* Told before a store into a field of an object that is WATCHED, or may be. Any thread. */
void cairn_gc_young_store(struct cairn_gc_heap *h, void *object, const void *field);
/* What a mutator's barrier is where stores are told. */
uint8_t cairn_gc_barrier(const struct cairn_gc_heap *h);
/* In the stop, when it is decided what the next collection is. One of all asks for no list; so where it will be, no
 * store is told until then. (An array of a million references that was stored into all over took twice as long.) */
void cairn_gc_young_set_barriers(struct cairn_gc_heap *h);
/* Something is not written down: the next collection is of all. Any thread. */
void cairn_gc_young_is_short(struct cairn_gc_heap *h);
/* Is a reference from this field to a young object known? In a stop. */
bool cairn_gc_young_is_told(const void *object, const void *field);
/* It is LARGE, and goes: its cards with it. Under the blocks lock. */
void cairn_gc_young_drop_cards(struct cairn_gc_heap *h, struct cairn_gc_block *b);
/* A LARGE object goes by hand. */
void cairn_gc_young_forget(struct cairn_gc_heap *h, void *object);
/* Calls visit for each that was written down, of a card with what it spans of an object, else the whole of the object;
 * none is afterwards, and no card is set. NULL: they are forgotten. In a stop. */
typedef void cairn_gc_young_visit(struct cairn_gc_heap *h, void *object, size_t from, size_t to);
void cairn_gc_young_each_stored(struct cairn_gc_heap *h, cairn_gc_young_visit *visit);
void cairn_gc_young_validate(struct cairn_gc_heap *h); /* in a stop */
void cairn_gc_young_close(struct cairn_gc_heap *h);

#endif
