/* os/mappings.h - who mapped which memory: a table that another process can read.
 *
 * The kernel says of anonymous memory where it is and not whose. So each mapping that cairn makes, and each anonymous
 * one that the program makes by mmap or mremap where the preloaded library sees it (malloc/mapcalls.c), is noted with
 * the address that asked for it. The command reads the table from outside and paints the process's memory with it.
 *
 * What a reader does: it reads cairn_mappings, then `capacity` entries, then cairn_mappings again; where `entries` or
 * `capacity` changed between, it begins anew. An entry counts when its `sequence` is not 0 and start < end. Where
 * entries overlap, the one with the highest `sequence` is right, for munmap is not noted: an entry says who mapped that
 * memory last, and nothing of whether it is still mapped.
 *
 * Threads: any, also signal handlers, and children that share the memory. A note waits some milliseconds at most, takes
 * no lock, allocates nothing and leaves errno alone. Failure: counted in `dropped`; nothing else is different.
 * Not here: what the kernel made without being asked through us (stacks that libc maps, brk, files). */
#ifndef CAIRN_OS_MAPPINGS_H
#define CAIRN_OS_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAIRN_MAPPING_OWN = 1 }; /* in `by`: cairn itself */

typedef struct cairn_mapping {
	uintptr_t start;   /* 0: a free entry. sync, all four: atomic; written by who holds the table */
	uintptr_t end;     /* equal to start: forgotten */
	uintptr_t by;      /* where the call returns to, or CAIRN_MAPPING_OWN */
	uint64_t sequence; /* the higher the newer; 0 while the entry is being written */
} cairn_mapping;

typedef struct cairn_mappings_table {
	cairn_mapping *entries; /* NULL at first. sync, all: atomic; written by who holds it, `dropped` by any */
	size_t capacity;        /* a power of two */
	size_t count;           /* entries in use, forgotten ones too */
	uint64_t dropped;       /* notes that found no table or no room in it, or found it taken */
	uint64_t sequence;      /* of the newest entry */
} cairn_mappings_table;

extern cairn_mappings_table cairn_mappings __attribute__((visibility("hidden")));

/* Makes the first table, where there is room for it. Until then own memory is not noted, and the first mapping of the
 * program's makes it. Once, at malloc's start. */
void cairn_mappings_begin(void);
/* [start, start + bytes) was asked for by a call that returns to `by`. What older notes have beside it stays. */
void cairn_mappings_note(const void *start, size_t bytes, uintptr_t by);
/* Own memory only. The entry that ends at `end`, if there is one, grows by more; else the new part is noted alone. */
void cairn_mappings_extend(const void *end, size_t more);
/* Own memory only, before it is released: an entry that holds more keeps the rest. */
void cairn_mappings_forget(const void *start, size_t bytes);
void cairn_mappings_fork_child(void);
bool cairn_mappings_validate(void); /* true also where the table is taken and cannot be looked at */

#endif
