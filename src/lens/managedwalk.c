/* lens/managedwalk.c - managed heaps as another process has them. What is counted is in managedwalk.h. */
#include "lens/managedwalk.h"

#include "gc/grains.h"
#include "gc/managed.h"

#include <stddef.h>
#include <string.h>

enum {
	MANAGED_HEAPS_MAX = 4096, /* that are looked at; slabs of others are nobody's */
	MANAGED_UNIT = 4096,      /* the least OS page */
	MANAGED_UNITS = CAIRN_GC_BLOCK_BYTES / MANAGED_UNIT,
	MANAGED_UNIT_GRAINS = MANAGED_UNIT / CAIRN_GC_GRAIN,
};

_Static_assert(CAIRN_MANAGED_BYTES == CAIRN_GC_SLAB_BLOCKS * CAIRN_GC_META_BYTES, "see there");

/* What stands before the workers, which are of no interest and large. */
typedef union managed_head {
	char bytes[offsetof(cairn_gc_heap, tracing)];
	cairn_gc_heap *unused; /* its alignment */
} managed_head;

#define MANAGED_FIELD(head, member)                                                                                    \
	((const __typeof__(((cairn_gc_heap *)0)->member) *)(const void *)((head)->bytes +                              \
									  offsetof(cairn_gc_heap, member)))

/* ---- the heaps ---- */

/* A text of the process, cut, up to the end of what can be read. */
static void managed_read_text(cairn_heapwalk *h, uint64_t at, char *to, size_t room)
{
	size_t in_page = MANAGED_UNIT - at % MANAGED_UNIT;
	memset(to, 0, room);
	if (!cairn_peer_read(h->peer, at, to, room - 1) && in_page < room - 1)
		cairn_peer_read(h->peer, at, to, in_page);
}

static void managed_read_heap(cairn_heapwalk *h, uint64_t at, const managed_head *head, cairn_heapwalk_managed *to)
{
	cairn_gc_plan plan = { 0 };
	uint64_t looks = at + offsetof(cairn_gc_heap, looks);
	const cairn_gc_config *config = MANAGED_FIELD(head, config);
	const cairn_gc_sizing *sizing = MANAGED_FIELD(head, sizing);
	to->at = at;
	managed_read_text(h, (uintptr_t)config->name, to->name, sizeof to->name);
	cairn_peer_read(h->peer, (uintptr_t)*MANAGED_FIELD(head, plan), &plan, sizeof plan);
	const char *collector = cairn_gc_collector_name(plan.collector);
	memcpy(to->collector, collector ? collector : "?", collector ? strlen(collector) + 1 : 2);
	if (!cairn_peer_read(h->peer, looks + offsetof(cairn_gc_looks, shown), &to->stats, sizeof to->stats))
		memset(&to->stats, 0, sizeof to->stats);
	cairn_peer_read(h->peer, looks + offsetof(cairn_gc_looks, last_pause_ns), &to->last_pause_ns, 8);
	to->records_bytes = sizing->record_bytes;
	to->external_bytes = MANAGED_FIELD(head, deaths)->external_bytes;
	to->held_bytes = MANAGED_FIELD(head, blocks)->held_bytes + to->records_bytes + to->external_bytes;
	to->limit_bytes = sizing->limit;
	to->max_bytes = config->max;
}

void cairn_managedwalk_read(cairn_heapwalk *h)
{
	uint64_t root = 0;
	cairn_gc_heaps list;
	cairn_heapwalk_managed *to = cairn_peer_room_add(&h->managed, sizeof *to); /* nobody's */
	if (!to || !h->map.managed || !cairn_peer_read(h->peer, (uintptr_t)h->map.managed, &root, sizeof root) || !root)
		return;
	if (!cairn_peer_read(h->peer, root, &list, sizeof list) || list.layout != CAIRN_GC_LAYOUT)
		return;
	uint64_t end = root + offsetof(cairn_gc_heaps, all), at = (uintptr_t)list.all.next;
	for (unsigned i = 0; at && at != end && i < MANAGED_HEAPS_MAX; i++) {
		managed_head head;
		at -= offsetof(cairn_gc_heap, node);
		if (!cairn_peer_read(h->peer, at, &head, sizeof head) ||
			!(to = cairn_peer_room_add(&h->managed, sizeof *to)))
			break;
		managed_read_heap(h, at, &head, to);
		h->managed_heaps++;
		at = (uintptr_t)MANAGED_FIELD(&head, node)->next;
	}
	cairn_peer_room_sort(&h->managed);
}

/* Which of them lies there; 0: none. */
static size_t managed_find(const cairn_heapwalk *h, uint64_t at)
{
	const cairn_heapwalk_managed *m = h->managed.items;
	size_t low = 0, high = h->managed.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (m[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < h->managed.count && m[low].at == at ? low : 0;
}

/* ---- slabs ---- */

/* Grains of each unit of a block that are in objects. */
static void managed_count_grains(const uint8_t *bytes, uint8_t colour, uint32_t filled_bytes, uint16_t *to)
{
	size_t filled = filled_bytes / CAIRN_GC_GRAIN;
	bool is_in = false; /* a cell leads in from the word before */
	memset(to, 0, MANAGED_UNITS * sizeof *to);
	for (size_t i = 0; i < CAIRN_GC_BLOCK_GRAINS; i += CAIRN_GC_GRAINS_STEP) {
		uint64_t cells = cairn_gc_grains_of(bytes + i, colour, &is_in);
		if (filled > i)
			cells |= filled - i >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (filled - i)) - 1;
		to[i / MANAGED_UNIT_GRAINS] += (uint16_t)cairn_bits_count(cells);
	}
}

typedef struct managed_slab {
	cairn_heapwalk *h;
	const cairn_walk_slice *slice;
	cairn_heapwalk_managed *sums;
	uint64_t at;
	uint8_t *bytes;
	uint8_t colour;
	bool has_bytes; /* they were read */
} managed_slab;

static bool managed_has_bytes(managed_slab *s)
{
	if (!s->has_bytes)
		s->has_bytes = cairn_peer_read(s->h->peer, s->at, s->bytes, CAIRN_MANAGED_BYTES);
	return s->has_bytes;
}

/* Where the record does not say it, the bytes about its grains are asked. */
static void managed_add_cells(managed_slab *s, const cairn_gc_block *b, size_t i, uint64_t resident)
{
	uint64_t at = s->at + i * CAIRN_GC_BLOCK_BYTES, objects = 0;
	uint16_t grains[MANAGED_UNITS];
	bool is_plain = b->is_swept && resident == CAIRN_GC_BLOCK_BYTES && (!b->filled || !b->live_bytes);
	if (is_plain && !b->is_owned) {
		objects = b->live_bytes + b->filled;
	} else if (b->is_owned || !managed_has_bytes(s)) {
		objects = resident;
	} else {
		managed_count_grains(s->bytes + i * CAIRN_GC_META_BYTES, s->colour, b->filled, grains);
		for (size_t u = 0; u < MANAGED_UNITS; u++)
			if (cairn_walk_page_is_resident(s->slice, at + u * MANAGED_UNIT))
				objects += (uint64_t)grains[u] * CAIRN_GC_GRAIN;
	}
	objects = objects < resident ? objects : resident;
	s->sums->object_bytes += objects;
	s->sums->hole_bytes += resident - objects;
}

static void managed_add_block(managed_slab *s, const cairn_gc_block *b, size_t i)
{
	uint64_t at = s->at + i * CAIRN_GC_BLOCK_BYTES;
	uint64_t resident = cairn_walk_resident(s->slice, at, at + CAIRN_GC_BLOCK_BYTES);
	switch (b->kind) {
	case CAIRN_GC_BLOCK_EMPTY:
		s->sums->free_blocks += resident > 0;
		s->sums->free_bytes += resident;
		break;
	case CAIRN_GC_BLOCK_LARGE:
	case CAIRN_GC_BLOCK_LARGE_MORE: s->sums->large_bytes += resident; break;
	case CAIRN_GC_BLOCK_CELLS: managed_add_cells(s, b, i, resident); break;
	default: s->h->torn++; s->sums->object_bytes += resident;
	}
}

static uint8_t managed_colour(cairn_heapwalk *h, uint64_t heap)
{
	uint8_t colour = 0;
	uint64_t at = heap + offsetof(cairn_gc_heap, blocks) + offsetof(cairn_gc_blocks, colour);
	return cairn_peer_read(h->peer, at, &colour, 1) ? colour & CAIRN_GC_COLOUR : 0;
}

size_t cairn_managedwalk_slab(
	cairn_heapwalk *h, const cairn_walk_slice *slice, uint64_t at, uint64_t end, uint8_t *bytes)
{
	cairn_gc_slab slab;
	cairn_heapwalk_managed *all = h->managed.items;
	if (!all) { /* no memory for the list */
		h->unknown_bytes += cairn_walk_resident(slice, at, end);
		return 0;
	}
	bool is_read =
		h->managed_heaps && end - at == CAIRN_GC_SLAB_BYTES && cairn_peer_read(h->peer, at, &slab, sizeof slab);
	size_t which = is_read ? managed_find(h, (uintptr_t)slab.heap) : 0;
	if (!which) {
		all[0].object_bytes += cairn_walk_resident(slice, at, end);
		return 0;
	}
	managed_slab s = { h, slice, &all[which], at, bytes, 0, false };
	s.colour = managed_colour(h, all[which].at);
	all[which].slab_bytes +=
		cairn_walk_resident(slice, at, at + CAIRN_GC_FIRST_BLOCK * (uint64_t)CAIRN_GC_BLOCK_BYTES);
	CAIRN_GC_EACH_BLOCK_OF(b, &slab)
		managed_add_block(&s, b, (size_t)(b - slab.block));
	return which;
}

void cairn_managedwalk_more(cairn_heapwalk *h, size_t which, uint64_t resident_bytes)
{
	cairn_heapwalk_managed *all = h->managed.items;
	if (which < h->managed.count)
		all[which].large_bytes += resident_bytes;
	else
		h->unknown_bytes += resident_bytes;
}

uint64_t cairn_managedwalk_told(const cairn_heapwalk *h)
{
	const cairn_heapwalk_managed *m = h->managed.items;
	uint64_t sum = h->managed_external_bytes;
	for (size_t i = 0; i < h->managed.count; i++)
		sum += m[i].object_bytes + m[i].hole_bytes + m[i].free_bytes + m[i].large_bytes + m[i].slab_bytes;
	return sum;
}
