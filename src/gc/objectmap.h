/* gc/objectmap.h - from objects to words, by identity hash: what tables and external bytes are found by.
 *
 *   directory, 2^bits slots, by the hash's highest bits          page: up to 232 entries
 *     ┌────┬────┬────┬────┬────┬────┬────┬────┐                   ┌────────┬───────┬──────┬─────────────────────┐
 *     │ 000│ 001│ 010│ 011│ 100│ 101│ 110│ 111│                   │ header │ heads │ next │ entries             │
 *     └─┬──┴─┬──┴─┬──┴─┬──┴─┬──┴─┬──┴─┬──┴─┬──┘                   └────────┴───────┴──────┴─────────────────────┘
 *       └────┴─▶A │    │    └────┴──┐ │ ┌──┘                        heads: first of each bucket, by the hash's lowest
 *       depth 1..3▼    ▼            ▼ ▼ ▼                           bits; next: of the same bucket; both by number
 *
 * This is extendible hashing (Fagin and others, 1979). What a full page costs is its own split; the directory, one word
 * for some 160 entries, doubles now and then; nothing else grows, so no put is long. An object's hash stays when the
 * object moves, so nothing is put in order again after a collection: the words change, and that is all.
 *
 * Hashes may be the same: of two objects that lay at one place, one after the other, for instance. Where a page's
 * entries cannot be told apart by the next bit, or the directory would have more than four slots for each page, it gets
 * one more behind it, and is slower.
 *
 * Invariants, checked by cairn_gc_map_validate():
 *   (GM1) Each entry is in the page and the bucket that its object's hash leads to, and no object has two.
 *   (GM2) A page of depth d is in 2^(bits - d) slots of the directory, one after the other; its counts are right.
 *   (GM3) count and bytes are those of the pages.
 * Lock: the owner's. Failure: NULL, nothing changed. Not here: what the words mean, and whether objects live. */
#ifndef CAIRN_GC_OBJECTMAP_H
#define CAIRN_GC_OBJECTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cairn_gc_heap;

typedef struct cairn_gc_entry {
	uintptr_t object; /* 0: none */
	uintptr_t value;
} cairn_gc_entry;

/* sync: its owner's lock. */
typedef struct cairn_gc_map {
	struct cairn_gc_map_page **pages; /* the directory; &only where bits are 0 */
	struct cairn_gc_map_page *only;
	unsigned bits;
	size_t count;      /* entries; sync: read by anybody, relaxed */
	size_t page_count;
	size_t bytes;      /* of pages and directory */
} cairn_gc_map;

/* The map does not move from here on. */
void cairn_gc_map_init(cairn_gc_map *map);
void cairn_gc_map_close(struct cairn_gc_heap *h, cairn_gc_map *map);
/* The entry of an object with that hash, or NULL. Borrowed until the map is changed. */
cairn_gc_entry *cairn_gc_map_find(const cairn_gc_map *map, const void *object, uint64_t hash);
/* A new entry for an object that has none, and is HASHED. NULL: no memory, or the heap's max is reached. */
cairn_gc_entry *cairn_gc_map_add(struct cairn_gc_heap *h, cairn_gc_map *map, void *object, uint64_t hash);
bool cairn_gc_map_remove(cairn_gc_map *map, const void *object, uint64_t hash);
/* Calls visit for every entry, in no order. It may change the words, not the map. */
void cairn_gc_map_each(cairn_gc_map *map, void (*visit)(void *arg, cairn_gc_entry *e), void *arg);
/* Removes each entry for which stays(arg, e) is false, and gives memory back; how many. */
size_t cairn_gc_map_prune(
	struct cairn_gc_heap *h, cairn_gc_map *map, bool (*stays)(void *arg, cairn_gc_entry *e), void *arg);
bool cairn_gc_map_is_sparse(const cairn_gc_map *map); /* pruning may give memory back even if all stay */
void cairn_gc_map_validate(const cairn_gc_map *map);

#endif
