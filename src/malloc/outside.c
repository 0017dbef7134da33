/* malloc/outside.c - the constant itself, and the note that leads to it. What it is for is in outside.h. */
#include "malloc/outside.h"

#include "malloc/stats.h"
#include "malloc/threads.h"
#include "os/mappings.h"
#include "page/purge.h"

const cairn_heapmap cairn_heapmap_here = {
	.magic = CAIRN_HEAPMAP_MAGIC,
	.layout = CAIRN_HEAPMAP_LAYOUT,
	.regions = &cairn_window_regions,
	.cache_leaves = &cairn_threads_leaves,
	.cache_count = &cairn_threads_made,
	.classes = cairn_classes,
	.control = &cairn_stats_block,
	.mappings = &cairn_mappings,
	.managed = &cairn_window_managed,
	.purge_request = &cairn_purge_request,
	.purge_served = &cairn_purge_served,
};

/* A distance and no address, so that nothing has to be written there when the library is loaded. Linkers keep notes,
 * and what they refer to, when they leave out what nobody calls. */
__asm__(".pushsection .note.cairn,\"a\",%note\n"
	"	.balign 4\n"
	"	.long 6, 8, 1\n" /* lengths of name and contents, CAIRN_HEAPMAP_NOTE */
	"	.asciz \"cairn\"\n"
	"	.balign 4\n"
	"	.quad cairn_heapmap_here - .\n"
	"	.popsection\n");
_Static_assert(CAIRN_HEAPMAP_NOTE == 1, "as above");
