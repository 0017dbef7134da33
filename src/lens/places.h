/* lens/places.h - whose each mapped byte of a process is, as far as the kernel, the files mapped, its threads and the
 * table of who mapped what (os/mappings.h) tell. What lies inside cairn's heap is lens/heapwalk.h's.
 *
 *   smaps ──▶ mappings and the objects (files, names) they belong to
 *   labels, strongest first: cairn's heap, cairn's records, threads' stacks, what bss and loader need, who mapped it
 *   each mapping's resident bytes ──▶ to its label; where several lie in one mapping, page by page
 *
 * The kernel joins neighbouring mappings of the same kind, whoever made them: a mapping says nothing about whose it is.
 *
 * Invariants: (L1), checked by cairn_places_validate(): pieces are sorted, do not overlap, and none is empty.
 *   (L2) Where the process stood still, the bytes of all places, but the heap's, and the heap's by the walk add up to
 *        the kernel's sum: held against smaps_rollup by tests/account.
 *
 * Locks: none. Failure: an errno. Not here: words (lens/snapshot.c). */
#ifndef CAIRN_LENS_PLACES_H
#define CAIRN_LENS_PLACES_H

#include "lens/peer.h"

typedef enum cairn_place {
	CAIRN_PLACE_UNKNOWN,
	CAIRN_PLACE_HEAP,
	CAIRN_PLACE_METADATA,
	CAIRN_PLACE_STACK,        /* of the first thread */
	CAIRN_PLACE_STACKS,       /* of the others */
	CAIRN_PLACE_STACKS_ENDED, /* kept by libc for threads to come */
	CAIRN_PLACE_TEXT,         /* of program and libraries, and what else of them is not written */
	CAIRN_PLACE_DATA,         /* of program, libraries and the loader */
	CAIRN_PLACE_FILE,
	CAIRN_PLACE_SHARED,
	CAIRN_PLACE_BREAK,  /* brk, sbrk */
	CAIRN_PLACE_NAMED,  /* anonymous memory to which the program has given a name */
	CAIRN_PLACE_MAPPED, /* anonymous memory by who mapped it */
	CAIRN_PLACE_COUNT,
} cairn_place;

enum { CAIRN_OBJECT_NAME = 232, CAIRN_NO_OBJECT = 0, CAIRN_PLACES_BUCKETS = 1024 };

/* A file, or a name in brackets. Number 0 is "none". */
typedef struct cairn_object {
	char name[CAIRN_OBJECT_NAME]; /* cut at the front; terminated */
	bool is_code;                 /* some of it may be executed, or it is an ELF file */
	bool is_looked_at;
	uint32_t next;           /* of the same bucket; 0: none */
	uint64_t resident_bytes; /* of its own mappings */
	uint64_t mapped_bytes;   /* resident, of anonymous memory that its code has mapped */
} cairn_object;

typedef struct cairn_vma {
	uint64_t start, end; /* start first: what arrays are sorted by */
	uint64_t rss_bytes;
	uint64_t offset;
	uint32_t object;
	bool is_readable, is_writable, is_executable, is_shared;
} cairn_vma;

typedef struct cairn_label {
	uint64_t start, end;
	uint64_t rank;   /* the higher wins */
	uint32_t place;  /* cairn_place */
	uint32_t object; /* who mapped it */
} cairn_label;

typedef struct cairn_places {
	cairn_peer *peer;
	cairn_peer_room vmas;              /* cairn_vma, sorted */
	cairn_peer_room objects;           /* cairn_object */
	uint32_t buckets[CAIRN_PLACES_BUCKETS]; /* objects by name: the newest of each, 0: none */
	cairn_peer_room labels;            /* cairn_label; sorted and without overlap once painted */
	uint64_t heapmap;                  /* the address of the process's cairn_heapmap, 0: none was found */
	uint64_t bytes[CAIRN_PLACE_COUNT]; /* resident */
	uint64_t rss_bytes, pss_bytes, swap_bytes, lazy_bytes, hugetlb_bytes, huge_bytes; /* the kernel's sums */
	bool has_sums;
	bool has_used_heap; /* heapmap is that of a copy of the library that serves */
	bool is_out_of_memory;
} cairn_places;

/* Labels, from the weakest; notes about who mapped what lie between by their sequence. */
#define CAIRN_PAINT_LOADER (1ull << 56)
#define CAIRN_PAINT_NOTE   (2ull << 56)
#define CAIRN_PAINT_DATA   (3ull << 56)
#define CAIRN_PAINT_STACK  (4ull << 56)
#define CAIRN_PAINT_RECORD (5ull << 56)
#define CAIRN_PAINT_HEAP   (6ull << 56)

/* Reads all mappings. 0 or an errno. with_sums: also what is resident, by smaps; else addresses and names, and
 * cairn_places_count asks for what is resident page by page: no Pss, no swap, but a fifth of the time. */
int cairn_places_read(cairn_places *l, cairn_peer *p, bool with_sums);
/* Looks into the ELF files that are mapped: labels for bss, and the heapmap. */
void cairn_places_look_at_files(cairn_places *l);
/* Labels for the stacks of its threads, as the kernel names them in /proc/PID/task. */
void cairn_places_label_stack(cairn_places *l, uint32_t thread_id);
/* Where the stack of a thread other than the first lies. False: not known. */
bool cairn_places_stack(const cairn_places *l, uint32_t thread_id, uint64_t *start, uint64_t *end);
void cairn_places_label_ended(cairn_places *l); /* and for those that libc keeps of threads that ended */
void cairn_places_label(
	cairn_places *l, uint64_t start, uint64_t end, uint64_t rank, cairn_place place, uint32_t object);
/* Once all labels are there: bytes and the objects' figures. */
void cairn_places_count(cairn_places *l);
/* The mapping at an address, or NULL. Before cairn_places_count, too. */
cairn_vma *cairn_places_at(const cairn_places *l, uint64_t at);
cairn_object *cairn_places_object(const cairn_places *l, uint32_t object);
uint64_t cairn_places_resident(cairn_places *l, uint64_t start, uint64_t end); /* of a range, page by page */
void cairn_places_free(cairn_places *l);
bool cairn_places_validate(const cairn_places *l);

#endif
