/* wire/heapmap.h - where a process's heap is written down, for a reader in another process. No code.
 *
 * The library holds one constant cairn_heapmap and points to it from a note of its ELF file, so that it is found in the
 * memory of any process that runs on cairn, however it got there: preloaded, linked, its file replaced since.
 *
 *   PT_NOTE, name "cairn", type CAIRN_HEAPMAP_NOTE ──8 bytes: distance from themselves──▶ cairn_heapmap ──▶ records
 *
 * What the records look like is the business of the floors that keep them. A reader is built from the same tree, and
 * believes them only where `layout`, a sum over their sizes and places, is its own: otherwise the process runs another
 * version. Addresses are those of the process that is read. */
#ifndef CAIRN_WIRE_HEAPMAP_H
#define CAIRN_WIRE_HEAPMAP_H

#include <stdint.h>

#define CAIRN_HEAPMAP_MAGIC 0x3170616d6e726963ull /* "cirnmap1" */
enum { CAIRN_HEAPMAP_NOTE = 1 };

typedef struct cairn_heapmap {
	uint64_t magic;             /* CAIRN_HEAPMAP_MAGIC */
	uint64_t layout;            /* of the records: see malloc/outside.h */
	const void *regions;        /* a pointer to the newest cairn_page_region */
	const void *cache_leaves;   /* the leaves of the table of thread caches */
	const void *cache_count;    /* uint32_t: caches ever made */
	const void *classes;        /* cairn_class, CAIRN_CLASS_COUNT of them */
	const void *control;        /* a pointer to the cairn_control */
	const void *mappings;       /* who mapped what: os/mappings.h */
	const void *managed;        /* a pointer to the cairn_gc_heaps, NULL where there was none: gc/managed.h */
	const void *purge_request;  /* uint32_t, written by the reader: see page/purge.h */
	const void *purge_served;   /* uint32_t: the last request that was served */
} cairn_heapmap;

#endif
