/* malloc/info.c - mallinfo, mallinfo2, malloc_info, malloc_stats, mallopt: glibc's questions, answered by our numbers.
 *
 * As in glibc, large blocks are hblks and hblkhd, and the rest is without them: arena is memory in use or kept for
 * reuse, uordblks live bytes, fordblks what of arena is not live, keepcost what a trim could give back. ordblks, free
 * runs, nobody counts here (0). mallinfo's ints saturate. */
#if CAIRN_INTERPOSE
#include "malloc/sizeclass.h"
#include "malloc/start.h"
#include "malloc/stats.h"
#include "malloc/threads.h"
#include "os/meta.h"
#include "os/report.h"
#include "page/pageheap.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

typedef struct heap_numbers {
	size_t open_bytes, held_bytes, dirty_bytes, live_bytes, large_bytes, large_blocks, cached_bytes, purged_bytes;
} heap_numbers;

/* Takes locks: the caller is busy, so that a signal handler that allocates does not wait for them. */
static heap_numbers numbers_look(void)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	cairn_stats_cached(held);
	const cairn_control *control = cairn_stats_control();
	uint64_t large_blocks, large_bytes;
	cairn_stats_large_sums(&large_blocks, &large_bytes);
	cairn_pageheap_numbers pages = cairn_pageheap_count();
	heap_numbers n = {
		.open_bytes = pages.open_granules << CAIRN_GRANULE_SHIFT,
		.held_bytes = (pages.used_granules + pages.dirty_granules) << CAIRN_GRANULE_SHIFT,
		.dirty_bytes = pages.dirty_granules << CAIRN_GRANULE_SHIFT,
		.purged_bytes = pages.purged_granules << CAIRN_GRANULE_SHIFT,
		.large_bytes = large_bytes,
		.large_blocks = large_blocks,
	};
	n.live_bytes = n.large_bytes;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		uint64_t out = control->out[i];
		n.live_bytes += (out > held[i] ? out - held[i] : 0) * cairn_classes[i].bytes;
		n.cached_bytes += held[i] * cairn_classes[i].bytes;
	}
	return n;
}

static heap_numbers numbers_now(void)
{
	cairn_start();
	if (cairn_thread_is_nested())
		return numbers_look();
	cairn_cache *c = cairn_thread_enter();
	heap_numbers n = numbers_look();
	cairn_thread_leave(c);
	return n;
}

#define PUBLIC __attribute__((visibility("default")))

PUBLIC struct mallinfo2 mallinfo2(void)
{
	heap_numbers n = numbers_now();
	return (struct mallinfo2){
		.arena = n.held_bytes - n.large_bytes,
		.hblks = n.large_blocks,
		.hblkhd = n.large_bytes,
		.fsmblks = n.cached_bytes,
		.uordblks = n.live_bytes - n.large_bytes,
		.fordblks = n.held_bytes > n.live_bytes ? n.held_bytes - n.live_bytes : 0,
		.keepcost = n.dirty_bytes,
	};
}

static int saturate(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

PUBLIC struct mallinfo mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();
	return (struct mallinfo){
		.arena = saturate(m.arena),
		.hblks = saturate(m.hblks),
		.hblkhd = saturate(m.hblkhd),
		.fsmblks = saturate(m.fsmblks),
		.uordblks = saturate(m.uordblks),
		.fordblks = saturate(m.fordblks),
		.keepcost = saturate(m.keepcost),
	};
}

PUBLIC int malloc_info(int options, FILE *out)
{
	if (options)
		return EINVAL; /* as glibc does, and its manual does not */
	heap_numbers n = numbers_now();
	fprintf(out, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		if (cairn_stats_out_of(i))
			fprintf(out, "  <size from=\"%u\" to=\"%u\" total=\"%zu\" count=\"%zu\"/>\n",
			        i > 1 ? cairn_classes[i - 1].bytes + 1 : 1, cairn_classes[i].bytes,
			        (size_t)cairn_stats_out_of(i) * cairn_classes[i].bytes, (size_t)cairn_stats_out_of(i));
	fprintf(out, "</sizes>\n<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n", n.cached_bytes);
	fprintf(out, "<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n", n.dirty_bytes);
	fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n", n.open_bytes,
		n.open_bytes);
	fprintf(out, "</heap>\n<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n", n.cached_bytes);
	fprintf(out, "<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n", n.dirty_bytes);
	fprintf(out, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", n.large_blocks, n.large_bytes);
	fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n</malloc>\n",
		n.open_bytes, n.open_bytes);
	return 0;
}

static void report_bytes(const char *what, size_t bytes)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: ");
	cairn_line_text(&l, what);
	cairn_line_bytes(&l, bytes);
	cairn_report(&l);
}

PUBLIC void malloc_stats(void)
{
	heap_numbers n = numbers_now();
	report_bytes("live                    ", n.live_bytes);
	report_bytes("of that, large blocks   ", n.large_bytes);
	report_bytes("in thread caches        ", n.cached_bytes);
	report_bytes("free, kept for reuse    ", n.dirty_bytes);
	report_bytes("opened from the system  ", n.open_bytes);
	report_bytes("given back so far       ", n.purged_bytes);
	report_bytes("cairn's own records     ", cairn_meta_bytes());
}

/* Accepted and refused as by glibc; how memory is kept and given back is learnt, not set (page/purge.h). */
PUBLIC int mallopt(int option, int value)
{
	enum { MXFAST = 1, MXFAST_MOST = 80 * sizeof(size_t) / 4 };
	return option != MXFAST || (value >= 0 && value <= (int)MXFAST_MOST);
}
#endif
