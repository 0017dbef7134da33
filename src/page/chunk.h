/* page/chunk.h - the three units of the page heap, and what is written down about each.
 *
 *   granule   16 KiB: the unit of the page heap. A larger OS page changes only what can be purged, not this.
 *   chunk     2 MiB, aligned, 128 granules: the size of a huge page. Its record is a cairn_chunk.
 *   span      a run of granules with one purpose: a slab of one size class, or one large block. Its record is a
 *             cairn_span, kept at the index of the span's first granule in its chunk's table.
 *
 * A span of at most 128 granules lies in one chunk. A longer one begins at a chunk's first granule and leads into the
 * chunks that follow; the rest of the last one is free for others. Under a limit on memory a shorter one may begin near
 * the end of a chunk and lead into the next.
 *
 *   chunk k (lead 0)                    chunk k+1 (lead 1, lead_granules 40)
 *   ┌──────────────────────────────────┬──────────┬─────────────────────────┐
 *   │ span, 168 granules               │ its tail │ other spans, free runs  │
 *   └──────────────────────────────────┴──────────┴─────────────────────────┘
 *
 * All records live outside the memory that they describe, in os/meta or the window's maps. */
#ifndef CAIRN_PAGE_CHUNK_H
#define CAIRN_PAGE_CHUNK_H

#include "base/bits.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CAIRN_GRANULE_SHIFT = 14,
	CAIRN_GRANULE_BYTES = 1 << CAIRN_GRANULE_SHIFT,
	CAIRN_CHUNK_SHIFT = 21,
	CAIRN_CHUNK_BYTES = 1 << CAIRN_CHUNK_SHIFT,
	CAIRN_CHUNK_GRANULES = CAIRN_CHUNK_BYTES / CAIRN_GRANULE_BYTES,
};

typedef enum cairn_span_kind {
	CAIRN_SPAN_NONE,  /* no span begins here */
	CAIRN_SPAN_SLAB,  /* equal slots of one size class, served through thread caches */
	CAIRN_SPAN_LARGE, /* one block */
	CAIRN_SPAN_HEAP,  /* a slab that belongs to a first-class heap */
	CAIRN_SPAN_HEAP_LARGE,
	CAIRN_SPAN_KEPT, /* a large block that was freed and lies on a thread's shelf */
	CAIRN_SPAN_MANAGED, /* a slab of a managed heap: gc/blocks.h */
	CAIRN_SPAN_MANAGED_EXTERNAL, /* external bytes of a managed object: gc/external.c */
} cairn_span_kind;

/* One span. The page heap writes base and kind; the rest belongs to the floor that holds the span. */
typedef struct cairn_span {
	cairn_node node;        /* sync: owner's lock (central list or heap) */
	union {
		cairn_node queued;  /* slab: in its class's purge queue; sync: central lock */
		struct {
			void *heap;             /* heap's span: its cairn_heap; const while the span lives */
			size_t touched_granules; /* large: how many were ever handed out; sync: as large_bytes */
		};
	};
	char *base;             /* const while the span lives */
	union {
		uint64_t *free_bits;   /* slab: 1 = free and in nobody's magazine; sync: owner's lock */
		size_t large_bytes;    /* large: usable bytes; sync: whoever holds the block; see malloc/large.c */
	};
	union {
		uint64_t clean_pages;  /* slab: OS pages purged inside it; sync: owner's lock */
		size_t large_granules; /* large: granules held, runway included; sync: as large_bytes */
	};
	/* slab: ones in free_bits, sync: owner's lock; large: granules of its runway that may be resident, sync: as
	 * large_bytes */
	uint16_t free_count;
	uint16_t scan_at; /* slab: free_count at which it is worth looking for empty pages again; sync: owner's lock */
	uint8_t kind; /* cairn_span_kind; sync: pageheap lock, or who frees a large block; readable by who holds one */
	uint8_t size_class;     /* const while the span lives */
	/* slab: which list of its class it is in; large: 4 KiB units of its tail that are counted; sync: as
	 * free_count */
	uint8_t bucket : 7;
	uint8_t is_hidden : 1;  /* slab: its clean pages are not in core files: malloc/slabhide.h; sync: owner's lock */
	union {
		uint8_t is_zero; /* large: never written since the OS gave it; sync: who holds the block */
		uint8_t holds;      /* slab: purges at work inside it; sync: owner's lock */
	};
} cairn_span;

_Static_assert(sizeof(cairn_span) == 64, "a span header is one cache line");

/* Is it a managed heap's, and no business of malloc's? */
static inline bool cairn_span_is_managed(uint8_t kind)
{
	return kind == CAIRN_SPAN_MANAGED || kind == CAIRN_SPAN_MANAGED_EXTERNAL;
}

typedef struct cairn_chunk {
	cairn_bits128 free;     /* granules that are open and in no span; sync: pageheap lock */
	cairn_bits128 dirty;    /* of those, which may have frames behind them; sync: pageheap lock */
	cairn_node node;        /* in the page heap's list of this longest run; sync: pageheap lock */
	cairn_node dirty_node;  /* in the list of chunks with dirty granules; sync: pageheap lock */
	cairn_span *spans;      /* CAIRN_CHUNK_GRANULES headers, NULL until the first is needed; const once set */
	uint32_t lead;          /* chunks back to where the span over granule 0 begins; sync: pageheap lock */
	/* granules of this chunk that it covers; sync: pageheap lock to write; see window_span */
	uint8_t lead_granules;
	uint8_t longest;        /* longest run in free; sync: pageheap lock */
	uint8_t is_huge;        /* asked to be a huge page; sync: pageheap lock */
	uint8_t dense_ticks;    /* for how many ticks it has been full; sync: pageheap lock */
	cairn_bits128 hidden;   /* granules that are not in core files; sync: pageheap lock; see page/corefile.h */
	uint8_t is_private;     /* of a private region, and taken as a whole; const once it is open */
	uint8_t pad[31];
	/* granules back to its span's first, 0 in free ones; sync: as cairn_span.kind */
	uint8_t back[CAIRN_CHUNK_GRANULES];
} cairn_chunk;

_Static_assert(sizeof(cairn_chunk) == 256, "16 chunk records fill an OS page: 32 MiB of heap");

static inline size_t cairn_granules_for(size_t bytes)
{
	return (bytes + CAIRN_GRANULE_BYTES - 1) >> CAIRN_GRANULE_SHIFT;
}

static inline size_t cairn_granule_in_chunk(uintptr_t p)
{
	return p >> CAIRN_GRANULE_SHIFT & (CAIRN_CHUNK_GRANULES - 1);
}

#endif
