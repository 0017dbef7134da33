/* malloc/info.c - mallinfo, mallinfo2, malloc_info, malloc_stats, mallopt: glibc's questions, answered from
 * cairn_counters (cairn/stats.h), so that they agree with it and with each other.
 *
 * As in glibc, large blocks are hblks and hblkhd, and the rest is without them:
 *
 *   arena      memory in use or kept for reuse           uordblks   live bytes
 *   fordblks   arena less uordblks: what is not live     ordblks    free slots in slabs
 *   smblks     free slots in thread caches               fsmblks    their bytes, which are part of fordblks
 *   keepcost   what a trim could give back               usmblks    0, as there
 *
 * malloc_info has glibc's elements, attributes and order: one heap, whose sizes are free slots (glibc: free chunks);
 * "fast" is what thread caches have, "rest" what else is free, "mmap" large blocks. mallinfo's ints saturate. */
#if CAIRN_INTERPOSE
#include <cairn/stats.h>

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "os/report.h"

#define PUBLIC __attribute__((visibility("default")))

static size_t not_below(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static struct mallinfo2 info_of(const cairn_counters *n)
{
	struct mallinfo2 m = {
		.arena = not_below(n->used_bytes + n->dirty_bytes, n->large_bytes),
		.ordblks = n->free_blocks,
		.smblks = n->cached_blocks,
		.hblks = n->large_blocks,
		.hblkhd = n->large_bytes,
		.fsmblks = n->cached_bytes,
		.uordblks = n->live_bytes - n->large_bytes,
		.keepcost = n->dirty_bytes,
	};
	m.fordblks = not_below(m.arena, m.uordblks);
	return m;
}

PUBLIC struct mallinfo2 mallinfo2(void)
{
	cairn_counters n;
	cairn_counters_get(&n);
	return info_of(&n);
}

static int saturate(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

PUBLIC struct mallinfo mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();
	return (struct mallinfo){
		.arena = saturate(m.arena),
		.ordblks = saturate(m.ordblks),
		.smblks = saturate(m.smblks),
		.hblks = saturate(m.hblks),
		.hblkhd = saturate(m.hblkhd),
		.fsmblks = saturate(m.fsmblks),
		.uordblks = saturate(m.uordblks),
		.fordblks = saturate(m.fordblks),
		.keepcost = saturate(m.keepcost),
	};
}

/* What stands in the heap's element and once more behind it. */
static void print_totals(FILE *out, const struct mallinfo2 *m)
{
	fprintf(out, "<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n", m->smblks, m->fsmblks);
	fprintf(out, "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n", m->ordblks,
		not_below(m->fordblks, m->fsmblks));
}

static void print_system(FILE *out, const struct mallinfo2 *m, size_t most)
{
	fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n", m->arena,
		most);
	fprintf(out, "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n", most, most);
}

PUBLIC int malloc_info(int options, FILE *out)
{
	cairn_counters n;
	if (options)
		return EINVAL; /* as glibc does, and its manual does not */
	cairn_counters_get(&n);
	struct mallinfo2 m = info_of(&n);
	fprintf(out, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
	for (unsigned i = 1; i < n.class_count; i++) {
		const cairn_counters_class *k = &n.classes[i];
		size_t free = k->free_blocks + k->cached_blocks;
		if (free)
			fprintf(out, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n",
				(size_t)k[-1].size_bytes + 1, (size_t)k->size_bytes, free * (size_t)k->size_bytes,
				free);
	}
	fprintf(out, "</sizes>\n");
	print_totals(out, &m);
	print_system(out, &m, n.open_bytes);
	fprintf(out, "</heap>\n");
	print_totals(out, &m);
	fprintf(out, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", m.hblks, m.hblkhd);
	print_system(out, &m, n.open_bytes);
	fprintf(out, "</malloc>\n");
	return 0;
}

static void report_bytes(const char *what, uint64_t bytes)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: ");
	cairn_line_text(&l, what);
	cairn_line_bytes(&l, bytes);
	cairn_report(&l);
}

PUBLIC void malloc_stats(void)
{
	cairn_counters n;
	cairn_counters_get(&n);
	report_bytes("live                    ", n.live_bytes);
	report_bytes("of that, large blocks   ", n.large_bytes);
	report_bytes("in thread caches        ", n.cached_bytes);
	report_bytes("free, kept for reuse    ", n.dirty_bytes);
	report_bytes("opened from the system  ", n.open_bytes);
	report_bytes("given back so far       ", n.purged_bytes);
	report_bytes("cairn's own records     ", n.meta_bytes);
}

/* Accepted and refused as by glibc; how memory is kept and given back is learnt, not set (page/purge.h). */
PUBLIC int mallopt(int option, int value)
{
	enum { MXFAST = 1, MXFAST_MOST = 80 * sizeof(size_t) / 4 };
	return option != MXFAST || (value >= 0 && value <= (int)MXFAST_MOST);
}
#endif
