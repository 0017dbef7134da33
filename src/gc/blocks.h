/* gc/blocks.h - where a managed heap's objects lie: slabs of blocks of grains, and one byte about each grain.
 *
 *   slab      2 MiB, aligned, from the page heap:
 *     ┌────────────────────────────┬──────────┬──────────┬─────┬───────────┐
 *     │ bytes about grains: 256 KiB│ block 4  │ block 5  │ ... │ block 31  │   64 KiB each
 *     └────────────────────────────┴──────────┴──────────┴─────┴───────────┘
 *       └ the first 32 KiB of them would be about the bytes themselves: there the slab's and its blocks' records lie,
 *         and in the second half the cards of its blocks of CELLS, where there are any (gc/young.h)
 *
 *   block     EMPTY ──▶ CELLS: cells of up to CAIRN_GC_CELL_MAX bytes, allocated from left to right into its holes
 *                └────▶ LARGE, with the blocks behind it that it needs LARGE_MORE: one object; where it needs more than
 *                       a slab has, its slab is longer than others, has no other block in use, and is its own span.
 *
 * The slab, the block and the byte about an object follow from the address of its start alone. The bytes say:
 *   colour    1, 2, 3 in turn, a mark phase each: the object that starts here lived when that phase ended.
 *             0: nothing starts here, or what does was made since.
 *   END       the last grain of the cell of such an object. (A cell of one grain has both.)
 *   PINNED    in this collection: an ambiguous word points at it, or it is pinned: it does not move
 *   START     in this collection: an object that was made since the last one starts here (cairn_gc_block_find_starts)
 *   WAITED    in this collection: the key of an ephemeron whose value is to be traced when this is: gc/tables.c
 * While several workers mark and no type is CONSERVATIVE a start's byte is stored as a whole (gc/trace.c): then nobody
 * sets a bit in it but who has just stored the colour there, and sets END or PINNED afterwards.
 *
 * How a block of CELLS is read, at any stop, by cairn_gc_block_next: left to right; where a byte has the heap's colour
 * a cell starts that lived; else this is a hole. A hole below `filled` was allocated into: cell after cell, up to a
 * zero header, or its end. A hole at or above it was not: what lies there is dead, whatever it looks like.
 *
 * Invariants, checked by cairn_gc_blocks_validate(), in a stop between collections:
 *   (GB1) Every block of a slab is EMPTY, CELLS, or of one LARGE object; the sums of each kind are those of the heap.
 *   (GB2) In a block of CELLS that has been swept no byte has another colour than the heap's, and none is PINNED, START
 *         or WAITED; each start is followed by its END, as far on as its header says, with nothing between.
 *   (GB3) A block that is said to read zero does, but for what lies below `filled`.
 *   (GB4) held_bytes is the sum over slabs of what their blocks and records take, see block_held in gc/blocks.c, but
 *         for what is cut (gc/blockpurge.c).
 *   (GB5) live_bytes of a block of CELLS that has been swept is the sum of the cells that have the heap's colour, but
 *         where one was shortened or lengthened since the last mark phase.
 *   (GB6) empty_dirty counts EMPTY blocks that do not read zero; where the bytes about an EMPTY block's grains are said
 *         to be clear they are.
 *
 * Lock: the heap's blocks lock, rank CAIRN_RANK_GC_BLOCKS, for kinds and lists; in a stop, nobody's but the collector.
 * A block that a mutator allocates into is that mutator's. Failure: NULL, nothing changed.
 * Not here: when to collect (gc/sizing.h); what an object refers to (gc/trace.h). */
#ifndef CAIRN_GC_BLOCKS_H
#define CAIRN_GC_BLOCKS_H

#include "base/list.h"
#include "gc/object.h"
#include "os/lock.h"
#include "page/chunk.h"

enum {
	CAIRN_GC_SLAB_SHIFT = 21,
	CAIRN_GC_SLAB_BYTES = 1 << CAIRN_GC_SLAB_SHIFT,
	CAIRN_GC_BLOCK_SHIFT = 16,
	CAIRN_GC_BLOCK_BYTES = 1 << CAIRN_GC_BLOCK_SHIFT,
	CAIRN_GC_BLOCK_GRAINS = CAIRN_GC_BLOCK_BYTES / CAIRN_GC_GRAIN,
	CAIRN_GC_SLAB_BLOCKS = CAIRN_GC_SLAB_BYTES / CAIRN_GC_BLOCK_BYTES,
	CAIRN_GC_FIRST_BLOCK = 4,
	CAIRN_GC_SLAB_USABLE = CAIRN_GC_SLAB_BLOCKS - CAIRN_GC_FIRST_BLOCK,
	CAIRN_GC_CELL_MAX = 16 * 1024, /* over it: LARGE */
	CAIRN_GC_META_BYTES = CAIRN_GC_BLOCK_GRAINS, /* about a block's grains */
	CAIRN_GC_LARGE_META_BYTES = CAIRN_GC_CELL_MAX / CAIRN_GC_GRAIN + 8, /* of those about a LARGE one, in use */
	CAIRN_GC_RECORD_BYTES = 4096,                /* a slab's record and its blocks': one OS page */
	CAIRN_GC_CARD_BYTES = 128,
	CAIRN_GC_CARDS_BYTES = CAIRN_GC_SLAB_BYTES / CAIRN_GC_CARD_BYTES, /* of a slab's: one byte a card, 0 or 1 */

	CAIRN_GC_COLOUR = 3, /* the mask */
	CAIRN_GC_END = 4,
	CAIRN_GC_PIN = 8,
	CAIRN_GC_START = 16,
	CAIRN_GC_WAITED = 32,
};

typedef enum cairn_gc_block_kind {
	CAIRN_GC_BLOCK_EMPTY,
	CAIRN_GC_BLOCK_CELLS,
	CAIRN_GC_BLOCK_LARGE,
	CAIRN_GC_BLOCK_LARGE_MORE,
} cairn_gc_block_kind;

/* sync: the blocks lock, but what says otherwise; in a stop the collecting thread's. What is of a collection is of its
 * stop. Who has an object in a block, or owns it, reads what the block is without the lock: it stays that. */
typedef struct cairn_gc_block {
	cairn_node node;     /* in one of the heap's lists */
	uint8_t kind;        /* cairn_gc_block_kind */
	bool is_zero;        /* EMPTY: reads zero; CELLS: from `filled` on; LARGE: as it was taken */
	bool is_from;        /* in a collection: what lives here and is not pinned moves away */
	bool has_pins;       /* in a collection: some object is PINNED; sync: atomic, relaxed: by workers */
	bool has_starts;     /* in a collection: START bytes are set for all that was made since the last one */
	bool is_swept;       /* CELLS: (GB2) holds */
	bool is_owned;       /* some mutator or worker allocates into it; sync: who has taken it, else the lock */
	bool is_packed;      /* in a collection: copies fill it from its start to `filled`, and it has no other byte */
	bool is_counted;     /* in a collection: swept already, by the new colour */
	bool bytes_are_clear; /* EMPTY, LARGE_MORE: those about its grains are 0; not in a slab that was just taken */
	bool is_closed;      /* EMPTY: there is no access to it: gc/zeal.h */
	bool is_dense;       /* in a collection that copies: what lives here stays, and a word may find it */
	bool is_young;       /* what it has was made since the last collection, or was_recent: gc/young.h */
	bool is_recent;      /* in a collection of the young: made last, and left young */
	bool was_recent;     /* in the last one: young, and not recent once more */
	bool is_shortened;   /* CELLS: some object was, or lengthened, since the last mark phase */
	bool has_frames;     /* the bytes about its grains have, as far as is known; sync: who visits its slab */
	uint32_t filled;     /* CELLS: bytes from the start; see above; sync: its owner, or the stop. LARGE, but huge
			      * ones: as it was taken */
	uint32_t live_bytes; /* CELLS: in cells that lived after the last mark phase, where the plan counts them */
	uint32_t blocks;     /* LARGE: how many it takes, this one included; of a huge one, those in its slab */
	uint32_t cards;      /* LARGE: how many `card` has; 0: none */
	uint8_t group;       /* CELLS: not 0: of those that are taken with the young, in that order: gc/mixed.h */
	bool is_absent;      /* with is_zero: the system has its memory still to find */
	bool is_cut;         /* LARGE: what its object does not fill has no frames, and is not held: gc/blockpurge.c */
	bool may_have_frames; /* all bytes about its grains; sync: as kind */
	union {
		uint8_t *card;               /* LARGE: one a card of its object: gc/young.h; sync: there */
		struct cairn_gc_block *next; /* in a list of the collection at work: gc/plan/markcompact.c */
		uintptr_t *places;           /* where its cells go, by KiB: gc/plan/slide.c */
	};
} cairn_gc_block;

/* In a collection of the young: is what it has collected? */
static inline bool cairn_gc_block_leaves(const cairn_gc_block *b) { return b->is_young && !b->is_recent; }

_Static_assert(sizeof(cairn_gc_block) == 64, "32 of them and the slab's record lie in the first page");

typedef struct cairn_gc_slab {
	cairn_gc_block block[CAIRN_GC_SLAB_BLOCKS]; /* the first four describe nothing */
	struct cairn_gc_heap *heap; /* const while the slab lives; sync: atomic: a word may point here ever */
	cairn_node node;            /* in the heap's list of slabs; sync: blocks lock */
	size_t granules;            /* of its span: CAIRN_CHUNK_GRANULES, or more for one huge object; const */
	uint32_t empty_blocks;      /* sync: blocks lock */
	bool is_to_walk;            /* sync: in a stop: gc/mixed.h */
	bool is_huge;               /* its one object takes all of it; const from its first block on */
} cairn_gc_slab;

_Static_assert(sizeof(cairn_gc_slab) <= CAIRN_GC_RECORD_BYTES, "the records have that much room");
_Static_assert(CAIRN_GC_RECORD_BYTES <= CAIRN_GC_CARDS_BYTES &&
	2 * CAIRN_GC_CARDS_BYTES <= CAIRN_GC_SLAB_BYTES / CAIRN_GC_GRAIN / CAIRN_GC_GRAIN, "and cards behind them");

typedef struct cairn_gc_blocks {
	cairn_lock lock;
	uint8_t colour;         /* of what lived at the last mark phase; 1..3; sync: changes in a stop */
	cairn_node slabs;       /* sync: lock, as all below; oldest first */
	cairn_node empty;       /* blocks */
	cairn_node partial;     /* swept, with a hole that is worth it */
	cairn_node unswept;     /* to be swept by who wants a hole */
	cairn_node full;        /* CELLS, with no hole worth allocating into, or owned */
	cairn_node fresh;       /* CELLS taken since the last collection, where the plan has_young: and copies */
	cairn_node large;       /* LARGE blocks; those that are young last */
	size_t slab_count, empty_count, cells_count, large_blocks; /* large: blocks of LARGE and LARGE_MORE */
	/* of a row of so many empty blocks: slabs older than it have none, unless a block was freed since */
	struct cairn_gc_slab *row_from[CAIRN_GC_SLAB_USABLE + 1];
	uint64_t frees, rows_frees; /* blocks that were freed, and slabs given back; by when row_from was right */
	size_t empty_dirty;     /* EMPTY blocks that do not read zero; sync: as held_bytes */
	size_t large_unfilled;  /* bytes of those blocks that are held and behind their objects */
	size_t large_cuttable;  /* of these, what cuts would take */
	size_t large_cut;       /* bytes of those blocks that are not held */
	size_t large_meta;      /* bytes that are held for what is said about large objects, huge ones too */
	size_t huge_bytes;      /* of the spans of huge slabs */
	struct cairn_span *ahead; /* of the next slab for CELLS: gc/slabs.c; NULL: none */
	bool ahead_is_zero;
	size_t held_bytes;      /* sync: atomic, relaxed, written under lock: read to decide when to collect */
} cairn_gc_blocks;

static inline cairn_gc_slab *cairn_gc_slab_of(const void *object)
{
	return (cairn_gc_slab *)((uintptr_t)object & ~((uintptr_t)CAIRN_GC_SLAB_BYTES - 1));
}
static inline cairn_gc_block *cairn_gc_block_of(const void *object)
{
	return &cairn_gc_slab_of(object)->block[(uintptr_t)object >> CAIRN_GC_BLOCK_SHIFT & (CAIRN_GC_SLAB_BLOCKS - 1)];
}
/* The byte about the grain that this cell, or any address, lies in. A cell's start is its header: the grain before that
 * of its object's first byte. */
static inline uint8_t *cairn_gc_byte_of_cell(uintptr_t cell)
{
	return (uint8_t *)(cell & ~((uintptr_t)CAIRN_GC_SLAB_BYTES - 1)) +
	       (cell & (CAIRN_GC_SLAB_BYTES - 1)) / CAIRN_GC_GRAIN;
}
static inline uint8_t *cairn_gc_byte_of(const void *object) { return cairn_gc_byte_of_cell((uintptr_t)object - 8); }

/* The card of this address in a block of CELLS: where its slab has cards. */
static inline uint8_t *cairn_gc_card_of(uintptr_t address)
{
	return (uint8_t *)cairn_gc_slab_of((void *)address) + CAIRN_GC_CARDS_BYTES +
	       (address & (CAIRN_GC_SLAB_BYTES - 1)) / CAIRN_GC_CARD_BYTES;
}

static inline char *cairn_gc_block_start(const cairn_gc_block *b)
{
	uintptr_t slab = (uintptr_t)b & ~((uintptr_t)CAIRN_GC_SLAB_BYTES - 1);
	size_t index = ((uintptr_t)b - slab) / sizeof *b;
	return (char *)slab + (index << CAIRN_GC_BLOCK_SHIFT);
}
/* Of CELLS: they lie in [first, end). The last 8 bytes are in none, so that an object of no bytes, too, has an address
 * within its block, and a cell that ends here does not touch one that begins in the next block. */
static inline uintptr_t cairn_gc_block_first(const cairn_gc_block *b) { return (uintptr_t)cairn_gc_block_start(b); }
static inline uintptr_t cairn_gc_block_end(const cairn_gc_block *b)
{
	return (uintptr_t)cairn_gc_block_start(b) + CAIRN_GC_BLOCK_BYTES - CAIRN_GC_GRAIN;
}
static inline uint8_t *cairn_gc_block_bytes(const cairn_gc_block *b) /* about its grains: CAIRN_GC_META_BYTES of them */
{
	return cairn_gc_byte_of_cell((uintptr_t)cairn_gc_block_start(b));
}
/* The object of a LARGE block: aligned to 16, whatever its type. */
static inline void *cairn_gc_block_large(const cairn_gc_block *b) { return cairn_gc_block_start(b) + 16; }

/* Of a LARGE block that is not huge: the bytes behind its object, and room for its hash. */
static inline size_t cairn_gc_block_unfilled(const cairn_gc_block *b)
{
	return b->blocks * (size_t)CAIRN_GC_BLOCK_BYTES - b->filled;
}
/* What LARGE objects hold, but for what is said about them. */
static inline size_t cairn_gc_blocks_large_bytes(const cairn_gc_blocks *s)
{
	return s->large_blocks * (size_t)CAIRN_GC_BLOCK_BYTES - s->large_cut + s->huge_bytes;
}

static inline void *cairn_gc_cell_object(uintptr_t cell) { return (void *)(cell + 8); }

void cairn_gc_blocks_init(cairn_gc_blocks *s);
/* Gives every slab back. */
void cairn_gc_blocks_close(cairn_gc_blocks *s);

/* An EMPTY block made one of CELLS, owned: it reads zero, or is_zero is false and who allocates clears. Takes a slab
 * from the page heap where there is none. NULL: refused, by the system or because held_bytes would pass `most`. */
cairn_gc_block *cairn_gc_blocks_take(struct cairn_gc_heap *h, size_t most);
/* Would that take a slab whose memory is to be filled first? Then a mutator does that aside, before. */
bool cairn_gc_blocks_want_ahead(struct cairn_gc_heap *h, size_t most);
void cairn_gc_slab_fill_ahead(struct cairn_gc_heap *h); /* without the lock; may take ms */
/* A LARGE one of that many bytes, header included, zeroed; its header is still 0. NULL: likewise. */
cairn_gc_block *cairn_gc_blocks_take_large(struct cairn_gc_heap *h, size_t cell_bytes, size_t most);
/* CELLS or LARGE become EMPTY; the bytes about them are cleared. A slab whose blocks are all empty may go back. */
void cairn_gc_blocks_give(struct cairn_gc_heap *h, cairn_gc_block *b);
/* At the end of a collection that has coloured what lives: every block of CELLS but those that are packed or counted is
 * unswept, nothing has been made in it since; LARGE blocks of another colour are given back, as counted ones that hold
 * nothing. */
void cairn_gc_blocks_turn(struct cairn_gc_heap *h, uint8_t colour);
/* A block with holes for a mutator, or for copies: swept, owned. NULL: none. Sweeps as many as it needs to find one. */
cairn_gc_block *cairn_gc_blocks_take_partial(struct cairn_gc_heap *h);
/* It may have holes still; live_bytes is right. */
void cairn_gc_blocks_put_partial(struct cairn_gc_heap *h, cairn_gc_block *b);
/* Sweeps all that is unswept: what is empty by then is EMPTY. In a stop, or by who may wait. */
void cairn_gc_blocks_sweep_all(struct cairn_gc_heap *h);
/* The END of an object that lived, and is found by that, is moved to where its new cell ends. Any mutator. */
void cairn_gc_blocks_move_end(struct cairn_gc_heap *h, void *object, size_t cell, size_t new_cell);
/* In a collection of the young: they are left by what lives in them, but for the last so many bytes, which are recent;
 * and after it, what they have become. */
void cairn_gc_blocks_leave_young(struct cairn_gc_heap *h, size_t most_recent);
void cairn_gc_blocks_turn_young(struct cairn_gc_heap *h);
/* Gives the memory of empty blocks back to the system but for keep_bytes of them; whole slabs go to the page heap. */
void cairn_gc_blocks_purge(struct cairn_gc_heap *h, size_t keep_bytes);
/* After a mutator has taken so many bytes: what is held and what empty blocks keep is not more than max, for the
 * coldest of these go; nor more than an eighth over it with what the page heap keeps. */
void cairn_gc_blocks_trim(struct cairn_gc_heap *h, size_t taken);
/* Cuts LARGE objects' blocks until at least so much less is held, where what they do not fill is worth so much; the
 * oldest first. False: nothing is less. */
bool cairn_gc_blocks_cut(struct cairn_gc_heap *h, size_t worth, size_t least);
/* What was given to the page heap goes back to the system. malloc's free sees to that for all; a program of managed
 * heaps alone has none. All without the lock.
 * purge: so much was freed just now, and what page/purge.h finds too much goes at once. all: all but 1 MiB of it.
 * purge_unwanted: not more than that, which nobody has wanted for so long; takes a twentieth of that time at most. */
void cairn_gc_slabs_purge(size_t freed, bool all);
bool cairn_gc_slabs_may_purge(size_t unwanted); /* is there anything to do for these two? SIZE_MAX: all is unwanted */
void cairn_gc_slabs_hold_peak(size_t taken); /* so much was taken for a LARGE object: cairn_purge_hold_peak */
void cairn_gc_slabs_purge_unwanted(size_t unwanted, uint64_t since_ns);
void cairn_gc_blocks_validate(struct cairn_gc_heap *h);
/* One of CELLS: (GB2), (GB3), (GB5), and (GA1) of gc/allocate.c. */
void cairn_gc_block_validate(const cairn_gc_block *b, uint8_t colour);

/* Between gc/slabs.c, gc/blockpurge.c and gc/blocks.c, under the lock. */
/* What a cut takes of what this LARGE block holds, and of what is held for what is said about it. */
size_t cairn_gc_block_cut_bytes(const cairn_gc_block *b);
size_t cairn_gc_block_cut_meta_bytes(void);
void cairn_gc_block_uncut(struct cairn_gc_heap *h, cairn_gc_block *b); /* before it is given back */
/* Of so many granules, for a block of that kind, its record made; the blocks hang in no list. NULL: refused. */
cairn_gc_slab *cairn_gc_slab_take(struct cairn_gc_heap *h, size_t granules, cairn_gc_block_kind kind);
size_t cairn_gc_slab_record_bytes(const struct cairn_gc_heap *h); /* what it counts beside its blocks, cards too */
void cairn_gc_slab_give(struct cairn_gc_heap *h, cairn_gc_slab *slab);
bool cairn_gc_slab_will_fill(const struct cairn_gc_heap *h); /* the next one for CELLS */
void cairn_gc_slab_ahead_drop(struct cairn_gc_heap *h); /* without the lock */
static inline void cairn_gc_blocks_add_held(cairn_gc_blocks *s, ptrdiff_t bytes)
{
	/* relaxed: a figure to decide by */
	__atomic_store_n(&s->held_bytes, s->held_bytes + (size_t)bytes, __ATOMIC_RELAXED);
}

static inline void cairn_gc_blocks_add_dirty(cairn_gc_blocks *s, ptrdiff_t blocks)
{
	__atomic_store_n(&s->empty_dirty, s->empty_dirty + (size_t)blocks, __ATOMIC_RELAXED); /* likewise */
}

/* Sweeps one block: (GB2) holds, live_bytes is set. */
void cairn_gc_block_sweep(cairn_gc_block *b, uint8_t colour);
/* The first hole at or after `from` (an address in b): *end is its end. 0: there is none. b is swept. Takes the blocks
 * lock where an END is being moved: see cairn_gc_blocks_move_end. */
uintptr_t cairn_gc_block_hole(const cairn_gc_block *b, uint8_t colour, uintptr_t from, uintptr_t *end);
/* Reading a block in a stop: the first cell at or after `from`, which is the block's first cell or the end of a cell;
 * 0: none. Also of LARGE ones. */
uintptr_t cairn_gc_block_next(const cairn_gc_block *b, uint8_t colour, uintptr_t from);
/* Of CELLS: the first cell that lived and does not end at or before this grain of it; 0: none. */
uintptr_t cairn_gc_block_cell_from(const cairn_gc_block *b, uint8_t colour, uintptr_t at);
/* Sets START for each cell that was made since the last mark phase, once in a collection. */
void cairn_gc_block_find_starts(cairn_gc_block *b, uint8_t colour);
void cairn_gc_block_forget_starts(cairn_gc_block *b); /* undoes it */
/* In a stop that is no collection, at its end: undoes it in all blocks, for more cells will be made. */
void cairn_gc_blocks_forget_starts(struct cairn_gc_heap *h);
/* The object that p points at or into, or to whose end: NULL: none. Any word may be asked for. In a stop. A dead object
 * of a block that is not swept is none. colour: of the last mark phase; may be used while the next is at work. */
void *cairn_gc_object_at(struct cairn_gc_heap *h, uintptr_t p);
/* Misuse, told with what was called, where no object of h begins at p, as far as its header tells: an address within an
 * object may look like one. While mutators run. */
void cairn_gc_must_be_object(struct cairn_gc_heap *h, const void *p, const char *called);
/* The managed slab whose span p lies in, of any heap, or NULL. */
cairn_gc_slab *cairn_gc_slab_at(uintptr_t p);

#define CAIRN_GC_EACH_SLAB(s, blocks_)                                                                                 \
	for (cairn_gc_slab *s = cairn_container((blocks_)->slabs.next, cairn_gc_slab, node);                           \
		&s->node != &(blocks_)->slabs; s = cairn_container(s->node.next, cairn_gc_slab, node))
/* Each block of a slab that may hold something. Of a huge one: those whose records it has. */
#define CAIRN_GC_EACH_BLOCK_OF(b, slab_)                                                                               \
	for (__typeof__(&(slab_)->block[0]) b = &(slab_)->block[CAIRN_GC_FIRST_BLOCK];                                 \
		b < &(slab_)->block[CAIRN_GC_SLAB_BLOCKS]; b++)
/* Each block of a heap. break leaves one slab's only. */
#define CAIRN_GC_EACH_BLOCK(b, blocks_) CAIRN_GC_EACH_SLAB(b##_slab, blocks_) CAIRN_GC_EACH_BLOCK_OF(b, b##_slab)

#endif
