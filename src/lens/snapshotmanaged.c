/* lens/snapshotmanaged.c - managed heaps in a snapshot: lines, which are there where such a heap is, and a row each.
 *
 * Not here: where the figures come from (managedwalk.c). */
#include "lens/snapshot.h"

#include "lens/managedwalk.h"
#include "lens/writer.h"

#include <stddef.h>
#include <string.h>

/* A figure of all heaps, and of the one that has most of it. */
typedef struct managed_sum {
	uint64_t bytes, most_bytes;
	const cairn_heapwalk_managed *most; /* NULL: none, or nobody's */
} managed_sum;

static managed_sum managed_add_up(const cairn_look *k, size_t offset)
{
	managed_sum sum = { 0, 0, NULL };
	const cairn_heapwalk_managed *m = k->heap.managed.items;
	for (size_t i = 0; i < k->heap.managed.count; i++) {
		uint64_t n;
		memcpy(&n, (const char *)&m[i] + offset, sizeof n);
		sum.bytes += n;
		if (n > sum.most_bytes) {
			sum.most_bytes = n;
			sum.most = m[i].at ? &m[i] : NULL;
		}
	}
	return sum;
}

#define MANAGED_SUM(k, field) managed_add_up(k, offsetof(cairn_heapwalk_managed, field))

static bool managed_is_there(const cairn_look *k) { return k->heap.managed_heaps || cairn_managedwalk_told(&k->heap); }

/* ", most in heap "cache" (semispace, 12 MiB)" */
static void managed_why_most(cairn_field *f, const managed_sum *sum)
{
	if (!sum->most)
		return;
	cairn_field_text(f, ", most in heap \"");
	cairn_field_name(f, sum->most->name, 24);
	cairn_field_text(f, "\" (");
	cairn_field_text(f, sum->most->collector);
	cairn_field_text(f, ", ");
	cairn_field_bytes(f, sum->most_bytes);
	cairn_field_text(f, ")");
}

static void managed_line(cairn_snapshot *s, cairn_snapshot_kind kind, const char *name, const managed_sum *sum,
	const char *what, const char *then)
{
	cairn_field why = { .used = 0 };
	cairn_field_text(&why, what);
	managed_why_most(&why, sum);
	cairn_field_text(&why, then);
	cairn_snapshot_add_line(s, kind, name, sum->bytes, &why);
}

void cairn_snapshot_fill_managed_live(cairn_snapshot *s, const cairn_look *k)
{
	if (!managed_is_there(k))
		return;
	managed_sum objects = MANAGED_SUM(k, object_bytes), large = MANAGED_SUM(k, large_bytes);
	managed_sum external = { k->heap.managed_external_bytes, 0, NULL };
	managed_line(s, CAIRN_SNAPSHOT_LIVE, "managed objects", &objects,
		"what lived at the last collection or came since", ": a collection takes what it finds dead");
	managed_line(s, CAIRN_SNAPSHOT_LIVE, "managed large objects", &large,
		"objects over 16 KiB, in blocks of their own", ": a collection takes those it finds dead");
	managed_line(s, CAIRN_SNAPSHOT_LIVE, "managed: external bytes", &external, "memory beside objects",
		" (cairn_gc_external): goes with them");
}

void cairn_snapshot_fill_managed_holes(cairn_snapshot *s, const cairn_look *k)
{
	managed_sum holes = MANAGED_SUM(k, hole_bytes);
	if (managed_is_there(k))
		managed_line(s, CAIRN_SNAPSHOT_HOLES, "managed holes", &holes, "room between objects",
			": allocated into before the heap grows; a collector that moves gives it back");
}

void cairn_snapshot_fill_managed_kept(cairn_snapshot *s, const cairn_look *k)
{
	cairn_field what = { .used = 0 };
	managed_sum free = MANAGED_SUM(k, free_bytes), blocks = MANAGED_SUM(k, free_blocks);
	if (!managed_is_there(k))
		return;
	cairn_field_count(&what, blocks.bytes);
	cairn_field_text(&what, blocks.bytes == 1 ? " empty block" : " empty blocks");
	managed_line(s, CAIRN_SNAPSHOT_KEPT, "managed: free blocks", &free, what.text,
		": wanted until the next collection is over; cairn_gc_collect() gives them back");
}

void cairn_snapshot_fill_managed_records(cairn_snapshot *s, const cairn_look *k)
{
	managed_sum slabs = MANAGED_SUM(k, slab_bytes);
	if (managed_is_there(k))
		managed_line(s, CAIRN_SNAPSHOT_METADATA, "managed: records of slabs", &slabs,
			"a byte for each 8 of blocks that were in use", ": go with their slab");
}

/* ---- a row each ---- */

static void managed_fill(cairn_snapshot_heap *to, const cairn_heapwalk_managed *m)
{
	memset(to, 0, sizeof *to);
	memcpy(to->name, m->name, sizeof to->name - 1);
	memcpy(to->collector, m->collector, sizeof to->collector - 1);
	to->held_bytes = m->held_bytes;
	to->live_bytes = m->stats.live_bytes;
	to->live_objects = m->stats.live_objects;
	to->limit_bytes = m->limit_bytes;
	to->max_bytes = m->max_bytes;
	to->external_bytes = m->external_bytes;
	to->record_bytes = m->records_bytes;
	to->resident_bytes = m->object_bytes + m->hole_bytes + m->free_bytes + m->large_bytes + m->slab_bytes;
	to->collections = m->stats.collections;
	to->young_collections = m->stats.young.collections;
	to->made_bytes = m->stats.young.made_bytes;
	to->lived_bytes = m->stats.young.lived_bytes;
	to->donated_bytes = m->stats.young.donated_bytes;
	to->recent_bytes = m->stats.young.recent_bytes;
	to->aged_bytes = m->stats.young.aged_bytes;
	to->scanned_cards = m->stats.young.scanned_cards;
	to->mixed_blocks = m->stats.young.mixed_blocks;
	to->mixed_bytes = m->stats.young.mixed_bytes;
	to->last_pause_ns = m->last_pause_ns;
}

/* Those that hold most, the most first. */
void cairn_snapshot_fill_heaps(cairn_snapshot *s, const cairn_look *k)
{
	const cairn_heapwalk_managed *m = k->heap.managed.items;
	for (size_t i = 0; i < k->heap.managed.count; i++) {
		uint32_t at = s->heap_count;
		if (!m[i].at)
			continue;
		while (at && s->heaps[at - 1].held_bytes < m[i].held_bytes)
			at--;
		s->heaps_left_out += s->heap_count == CAIRN_SNAPSHOT_HEAPS;
		s->heap_count += s->heap_count < CAIRN_SNAPSHOT_HEAPS;
		if (at == CAIRN_SNAPSHOT_HEAPS)
			continue;
		memmove(&s->heaps[at + 1], &s->heaps[at], (s->heap_count - 1 - at) * sizeof s->heaps[0]);
		managed_fill(&s->heaps[at], &m[i]);
	}
}
