/* lens/snapshot.h - what the parts of a snapshot share: cairn_snapshot of <cairn/stats.h> is made in two steps.
 *
 *   look (lens/snapshot.c): /proc, mappings, labels, the heap ──▶ cairn_look ──▶ lines and words (lens/snapshotlines.c)
 */
#ifndef CAIRN_LENS_SNAPSHOT_H
#define CAIRN_LENS_SNAPSHOT_H

#include <cairn/stats.h>

#include "lens/heapwalk.h"
#include "lens/places.h"
#include "lens/writer.h"

/* Everything that one look at a process brought. */
typedef struct cairn_look {
	cairn_peer peer;
	cairn_places places;
	cairn_heapwalk heap;
	cairn_heapwalk_opened opened;
	bool is_whole;       /* all of the heap was walked */
	uint64_t page_table_bytes;
	double rounding_error; /* bytes, either way */
	bool is_light;       /* without the kernel's sums */
	bool is_spared;      /* ... though they were wanted: reading them would hold it up */
} cairn_look;

/* Fills in classes, lines and what is below the line; rss_bytes is set already. */
void cairn_snapshot_fill_classes(cairn_snapshot *s, cairn_look *k);
void cairn_snapshot_fill_lines(cairn_snapshot *s, cairn_look *k);
void cairn_snapshot_fill_limits(cairn_snapshot *s);
void cairn_snapshot_fill_cgroup(cairn_snapshot *s); /* below the line */
/* Lines for managed heaps, where there are some, in the places of their kinds; and a row for each heap. */
void cairn_snapshot_fill_managed_live(cairn_snapshot *s, const cairn_look *k);
void cairn_snapshot_fill_managed_holes(cairn_snapshot *s, const cairn_look *k);
void cairn_snapshot_fill_managed_kept(cairn_snapshot *s, const cairn_look *k);
void cairn_snapshot_fill_managed_records(cairn_snapshot *s, const cairn_look *k);
void cairn_snapshot_fill_heaps(cairn_snapshot *s, const cairn_look *k);

/* A line more, its texts cut where they are too long. */
cairn_snapshot_line *cairn_snapshot_add_line(
	cairn_snapshot *s, cairn_snapshot_kind kind, const char *name, uint64_t bytes, const cairn_field *why);
/* What the lines explain, before they have words: the kernel's sum less this is what was not explained. */
uint64_t cairn_snapshot_explained(const cairn_look *k);

#endif
