/* malloc/outside.h - the constant that leads a reader in another process to the heap's records.
 *
 * It costs the process that is read nothing: no instruction, no memory but this constant. The reader is
 * lens/heapwalk.c.
 *
 * Invariant, checked by tests/unit/test_snapshot.c: (H1) the note leads from wherever the library lies to the constant.
 *
 * No locks: const after the dynamic linker. */
#ifndef CAIRN_MALLOC_OUTSIDE_H
#define CAIRN_MALLOC_OUTSIDE_H

#include "base/heapmappage.h"
#include "malloc/cache.h"
#include "os/mappings.h"
#include "page/window.h"

extern const cairn_heapmap cairn_heapmap_here;

/* Changes with every size and place that a reader relies on. */
#define CAIRN_HEAPMAP_MIX(sum, n) ((sum) * 1000003u + (uint64_t)(n))
#define CAIRN_HEAPMAP_PAGES                                                                                            \
	CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(sizeof(cairn_chunk),                   \
		offsetof(cairn_chunk, back)), offsetof(cairn_chunk, spans)), sizeof(cairn_span)),                      \
		offsetof(cairn_span, free_bits))
#define CAIRN_HEAPMAP_REGIONS                                                                                          \
	CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(sizeof(cairn_page_region), offsetof(cairn_page_region, next)),             \
		offsetof(cairn_window, chunks))
#define CAIRN_HEAPMAP_CACHES                                                                                           \
	CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(sizeof(cairn_cache), offsetof(cairn_cache, shelf)),      \
		CAIRN_COUNTER_DISTANCE), offsetof(cairn_cache, cold))
#define CAIRN_HEAPMAP_MAPPINGS                                                                                         \
	CAIRN_HEAPMAP_MIX(sizeof(cairn_mapping), offsetof(cairn_mappings_table, capacity))
#define CAIRN_HEAPMAP_LAYOUT                                                                                           \
	CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_PAGES, CAIRN_HEAPMAP_REGIONS),             \
		CAIRN_HEAPMAP_CACHES), CAIRN_HEAPMAP_MIX(CAIRN_HEAPMAP_MAPPINGS,                             \
		CAIRN_CLASS_COUNT * 65536 + sizeof(cairn_thread_counters) + sizeof(cairn_heapmap)))

#endif
