/* gc/object.h - what lies before every managed object: its header.
 *
 *   63                    28 27           8 76  5       4        3           2        1        0
 *   ┌───────────────────────┬──────────────┬──┬───────┬────────┬───────────┬────────┬─────────┬───┐
 *   │ size in bytes         │ type         │0 │ STAYS │ LISTED │ HASH_KEPT │ HASHED │ WATCHED │ 1 │  an object's
 *   ├───────────────────────┴──────────────┴──┴───────┴────────┴───────────┴────────┴─────────┼───┤
 *   │ address that the object has moved to, a multiple of 8                                   │ 0 │  what has moved
 *   └─────────────────────────────────────────────────────────────────────────────────────────┴───┘
 *   0: no object lies here.
 *
 * A *cell* is a header and its object, rounded up to a multiple of 8 bytes, a *grain*. So a block can be walked from
 * cell to cell without its types. (A self-describing header: Whippet and MPS ask the embedder.)
 *
 * Size is what was asked for, without the word that HASH_KEPT appends. Threads: an object's header changes while the
 * mutators are stopped, or by an atomic operation on its low byte. */
#ifndef CAIRN_GC_OBJECT_H
#define CAIRN_GC_OBJECT_H

#include "base/bits.h"
#include "cairn/gc.h"

enum {
	CAIRN_GC_GRAIN = 8,
	CAIRN_GC_HEADER_BYTES = 8,
	CAIRN_GC_HEADER_OBJECT = 1,
	CAIRN_GC_WATCHED = CAIRN_GC_BARRIER_WATCHED, /* stores into it are to be told: gc/young.h */
	CAIRN_GC_HASHED = 4,     /* its hash is that of its address */
	CAIRN_GC_HASH_KEPT = 8,  /* its hash is in the word behind it: it has moved since */
	CAIRN_GC_LISTED = 16,    /* something is written down about it beside the heap: gc/deaths.h */
	CAIRN_GC_STAYS = 32,     /* in a collection that copies: there was no room for its copy */
	CAIRN_GC_TYPE_SHIFT = 8,
	CAIRN_GC_TYPE_BITS = 20,
	CAIRN_GC_SIZE_SHIFT = 28,
};
#define CAIRN_GC_SIZE_MAX (((size_t)1 << (64 - CAIRN_GC_SIZE_SHIFT)) - 64)

/* Of registration, what tracing reads: one cache line. */
typedef struct cairn_gc_record {
	uint64_t refs, weak;
	uint32_t tail_offset, tail_stride; /* stride 0: no trailing array */
	uint64_t tail_refs;
	void (*trace)(cairn_gc_visitor *v, void *object);
	void (*drop)(void *object);
	size_t size;
	const char *name;
	uint32_t flags;   /* cairn_gc_type_flags */
	bool is_leaf;     /* nothing to trace: no strong reference in it, and none to be cleared */
	bool has_more;    /* to trace than `refs`: weak fields, a trailing array, a trace function, ambiguous words */
	bool is_narrow;   /* all that is to be traced are a few of `refs` */
	bool is_fixed;    /* PINNED by its type, which says so or wants 16 bytes' alignment */
	bool is_compressed; /* its slots are: gc/slot.h; false where it has none */
} cairn_gc_record;

/* Has it words that refer to others? */
static inline bool cairn_gc_has_slots(const cairn_gc_record *r) { return r->refs || r->has_more; }

enum {
	CAIRN_GC_TYPE_BYTES = 1, /* of cairn_gc_new_bytes; a leaf */
	CAIRN_GC_TYPE_FREED = 2, /* what cairn_gc_free leaves: no object, but a cell that is walked over; a leaf */
};

/* sync: atomic, release-published by cairn_gc_register, acquired where a heap is opened; entries below the count are
 * const, and the former array stays. */
extern const cairn_gc_record *const *cairn_gc_records;
uint32_t cairn_gc_type_count(void); /* ids are below it */

static inline uint64_t cairn_gc_header_make(uint32_t type, size_t size)
{
	return (uint64_t)size << CAIRN_GC_SIZE_SHIFT | (uint64_t)type << CAIRN_GC_TYPE_SHIFT | CAIRN_GC_HEADER_OBJECT;
}
static inline uint64_t *cairn_gc_header_at(const void *object) { return (uint64_t *)object - 1; }
static inline uint64_t cairn_gc_header_of(const void *object)
{
	/* relaxed: see above; acquire is not needed to follow an object that one has a reference to */
	return __atomic_load_n(cairn_gc_header_at(object), __ATOMIC_RELAXED);
}
static inline bool cairn_gc_header_is_object(uint64_t header) { return header & CAIRN_GC_HEADER_OBJECT; }
static inline bool cairn_gc_header_is_moved(uint64_t header) { return header && !(header & CAIRN_GC_HEADER_OBJECT); }
static inline uint32_t cairn_gc_header_type(uint64_t header)
{
	return header >> CAIRN_GC_TYPE_SHIFT & ((1u << CAIRN_GC_TYPE_BITS) - 1);
}
static inline size_t cairn_gc_header_size(uint64_t header) { return header >> CAIRN_GC_SIZE_SHIFT; }
/* Bytes of the cell. A kept hash lies behind the size rounded up to 8. */
static inline size_t cairn_gc_header_cell(uint64_t header)
{
	_Static_assert(CAIRN_GC_HASH_KEPT == 8, "the bit is the bytes of the hash");
	size_t kept = header & CAIRN_GC_HASH_KEPT;
	return cairn_round_up(cairn_gc_header_size(header) + kept + CAIRN_GC_HEADER_BYTES, CAIRN_GC_GRAIN);
}
static inline size_t cairn_gc_cell_of_size(size_t size)
{
	return cairn_round_up(size + CAIRN_GC_HEADER_BYTES, CAIRN_GC_GRAIN);
}
static inline const cairn_gc_record *cairn_gc_record_of(uint64_t header)
{
	return cairn_gc_records[cairn_gc_header_type(header)];
}
/* Elements in the trailing array. */
static inline size_t cairn_gc_header_length(uint64_t header, const cairn_gc_record *r)
{
	size_t size = cairn_gc_header_size(header);
	return r->tail_stride && size > r->tail_offset ? (size - r->tail_offset) / r->tail_stride : 0;
}

#endif
