/* lens/heapwalk.c - the walk. What it counts is in heapwalk.h. */
#include "lens/heapwalk.h"

#include "base/bits.h"
#include "lens/managedwalk.h"
#include "malloc/threads.h"
#include "os/mappings.h"
#include "os/vm.h"

#include <string.h>

enum {
	WALK_BIT_WORDS = CAIRN_CHUNK_BYTES / 16 / 64 + CAIRN_CHUNK_GRANULES, /* of all slabs of a chunk, at most */
	WALK_SLAB_WORDS = 64,
	WALK_TRIES = 4,               /* to read a chunk that is being changed */
	WALK_REGIONS_MAX = 65536,
	WALK_SLOTS_MAX = 16 << 20,   /* that magazines hold together; what is beyond counts as live */
	WALK_CACHES_MAX = CAIRN_CACHE_LEAVES * CAIRN_CACHE_LEAF_GROUPS * CAIRN_CACHES_TOGETHER,
	WALK_SLOTS_TOGETHER = 512,
	WALK_MAPPINGS_MAX = 65536,
	WALK_MAPPINGS_TOGETHER = 128,
};

/* A span that leads into the chunks that follow. */
typedef struct walk_long {
	uint64_t used_end, end;
	bool is_kept;
	bool is_counted; /* a slab, which was counted where it began */
	uint8_t managed_kind; /* of a managed heap's span; else 0, and then: */
	uint64_t start;
	size_t which;    /* of the managed heaps */
} walk_long;

typedef struct walk_room {
	cairn_walk_slice slice;
	uint64_t open_end; /* of the region */
	cairn_chunk chunks[CAIRN_WALK_CHUNKS];
	cairn_span spans[CAIRN_CHUNK_GRANULES]; /* of one chunk */
	uint16_t bits_at[CAIRN_CHUNK_GRANULES]; /* where the free bits of the slab that begins there stand */
	uint64_t bits[WALK_BIT_WORDS];
	cairn_peer_piece pieces[CAIRN_CHUNK_GRANULES];
	uint8_t grains[CAIRN_MANAGED_BYTES]; /* of a slab of a managed heap */
	walk_long large;
} walk_room;

/* ---- what is read once ---- */

cairn_heapwalk_opened cairn_heapwalk_open(cairn_heapwalk *h, cairn_peer *p, uint64_t at)
{
	uint64_t control = 0;
	memset(h, 0, sizeof *h);
	h->peer = p;
	if (!at || !cairn_peer_read(p, at, &h->map, sizeof h->map) || h->map.magic != CAIRN_HEAPMAP_MAGIC)
		return CAIRN_HEAPWALK_NONE;
	if (h->map.layout != CAIRN_HEAPMAP_LAYOUT)
		return CAIRN_HEAPWALK_OTHER;
	if (!cairn_peer_read(p, (uintptr_t)h->map.classes, h->classes, sizeof h->classes))
		return CAIRN_HEAPWALK_NONE;
	if (cairn_peer_read(p, (uintptr_t)h->map.control, &control, sizeof control))
		cairn_peer_read(p, control, &h->control, sizeof h->control);
	return CAIRN_HEAPWALK_OPENED;
}

void cairn_heapwalk_free(cairn_heapwalk *h)
{
	cairn_peer_room_free(&h->managed);
	cairn_peer_room_free(&h->threads);
	cairn_peer_room_free(&h->cached);
}

/* A class as the process has it is a divisor and a length here. */
static bool walk_class_is_sound(const cairn_heapwalk *h, unsigned i)
{
	const cairn_class *k = &h->classes[i];
	return i > 0 && i < CAIRN_CLASS_COUNT && k->bytes >= 16 && k->granules > 0 &&
	       k->granules <= CAIRN_CHUNK_GRANULES && k->capacity > 0 && k->capacity <= WALK_SLAB_WORDS * 64 &&
	       (uint64_t)k->capacity * k->bytes <= (uint64_t)k->granules * CAIRN_GRANULE_BYTES;
}

/* ---- thread caches ---- */

static void threads_add_counters(cairn_heapwalk *h, const cairn_thread_counters *t, cairn_heapwalk_thread *thread)
{
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		h->by_class[i].allocations += t->by_class[i].allocations;
		h->by_class[i].requested_bytes += t->by_class[i].requested;
		h->by_class[i].samples += t->rounding[i].samples;
		h->by_class[i].slack_bytes += t->rounding[i].slack_bytes;
		h->by_class[i].slack_squared += t->rounding[i].slack_squared;
		if (thread)
			thread->allocations += t->by_class[i].allocations;
	}
}

static void threads_add_slots(cairn_heapwalk *h, uint64_t base, size_t n)
{
	uint64_t slots[WALK_SLOTS_TOGETHER];
	for (size_t at = 0; at < n; at += WALK_SLOTS_TOGETHER) {
		size_t some = n - at < WALK_SLOTS_TOGETHER ? n - at : WALK_SLOTS_TOGETHER;
		if (!cairn_peer_read(h->peer, base + at * 8, slots, some * 8))
			return;
		for (size_t i = 0; i < some; i++) {
			if (h->cached.count >= WALK_SLOTS_MAX)
				return;
			uint64_t *place = slots[i] ? cairn_peer_room_add(&h->cached, sizeof *place) : NULL;
			if (place)
				*place = slots[i];
		}
	}
}

static void threads_add_cache(cairn_heapwalk *h, const cairn_cache *c, const cairn_thread_counters *t, bool with_slots)
{
	cairn_heapwalk_thread *thread = cairn_peer_room_add(&h->threads, sizeof *thread);
	if (!thread)
		return;
	*thread = (cairn_heapwalk_thread){ .id = c->thread_id };
	if (c->shelf.held <= UINT32_MAX >> 1)
		thread->shelf_bytes = (uint64_t)c->shelf.held << CAIRN_GRANULE_SHIFT;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		uint64_t base = (uint64_t)(uintptr_t)c->cold[i].base, top = (uint64_t)(uintptr_t)c->magazine[i].top;
		size_t n = c->cold[i].capacity && top >= base ? (size_t)(top - base) / 8 : 0;
		if (n > c->cold[i].capacity)
			continue;
		thread->cached_bytes += n * h->classes[i].bytes;
		if (with_slots && h->cached.count < WALK_SLOTS_MAX)
			threads_add_slots(h, base, n);
	}
	threads_add_counters(h, t, thread);
}

/* Number 0 is nobody's cache: only its counters are used. */
static void threads_read_group(cairn_heapwalk *h, uint64_t pages, uint32_t first, uint32_t n, bool with_slots)
{
	for (uint32_t i = 0; i < n; i++) {
		cairn_cache cache;
		cairn_thread_counters counters;
		uint64_t at = pages + (uint64_t)i * CAIRN_CACHE_BYTES;
		if (!cairn_peer_read(h->peer, at + CAIRN_COUNTERS_DISTANCE, &counters, sizeof counters))
			memset(&counters, 0, sizeof counters);
		if (first + i == 0)
			threads_add_counters(h, &counters, NULL);
		else if (cairn_peer_read(h->peer, at, &cache, sizeof cache))
			threads_add_cache(h, &cache, &counters, with_slots);
	}
}

void cairn_heapwalk_read_threads(cairn_heapwalk *h, bool with_slots)
{
	uint64_t leaves[CAIRN_CACHE_LEAVES], pages;
	uint32_t count = 0;
	if (!cairn_peer_read(h->peer, (uintptr_t)h->map.cache_count, &count, sizeof count) ||
		!cairn_peer_read(h->peer, (uintptr_t)h->map.cache_leaves, leaves, sizeof leaves))
		return;
	count = count < WALK_CACHES_MAX ? count : WALK_CACHES_MAX;
	for (uint32_t i = 0; i < count; i += CAIRN_CACHES_TOGETHER) {
		uint32_t group = i / CAIRN_CACHES_TOGETHER, n = count - i;
		uint64_t at = leaves[group / CAIRN_CACHE_LEAF_GROUPS] + group % CAIRN_CACHE_LEAF_GROUPS * 8u;
		if (cairn_peer_read(h->peer, at, &pages, sizeof pages))
			threads_read_group(
				h, pages, i, n < CAIRN_CACHES_TOGETHER ? n : CAIRN_CACHES_TOGETHER, with_slots);
	}
	cairn_peer_room_sort(&h->threads);
	cairn_peer_room_sort(&h->cached);
}

/* ---- slabs ---- */

typedef struct walk_slab {
	const cairn_class *kind;
	const uint64_t *free;
	const uint64_t *cached; /* NULL: none of it is in a magazine */
	uint64_t start;
	cairn_heapwalk_class *sums;
	uint64_t holes;
} walk_slab;

typedef struct walk_shares {
	uint64_t live, cached, free;
} walk_shares;

/* What the bytes [at, end) of a slab, within one page, are. Whole slots are counted by their bits. */
static walk_shares slab_bytes(const walk_slab *s, uint64_t at, uint64_t end)
{
	walk_shares b = { 0, 0, 0 };
	uint64_t size = s->kind->bytes, capacity = s->kind->capacity;
	for (at -= s->start, end -= s->start; at < end;) {
		uint64_t slot = at / size, last = end / size < capacity ? end / size : capacity;
		if (slot >= capacity) {
			b.free += end - at;
			break;
		}
		if (slot * size == at && last > slot) {
			uint64_t free = cairn_walk_ones(s->free, slot, last);
			uint64_t cached = s->cached ? cairn_walk_ones(s->cached, slot, last) : 0;
			uint64_t taken = free + cached < last - slot ? free + cached : last - slot;
			b.free += free * size;
			b.cached += (taken - free) * size;
			b.live += (last - slot - taken) * size;
			at = last * size;
			continue;
		}
		uint64_t to = (slot + 1) * size < end ? (slot + 1) * size : end;
		*(cairn_bit_get(s->free, slot)                        ? &b.free
			: s->cached && cairn_bit_get(s->cached, slot) ? &b.cached
								      : &b.live) += to - at;
		at = to;
	}
	return b;
}

static void slab_add_page(walk_slab *s, const walk_shares *b, bool is_resident)
{
	if (!is_resident) {
		s->sums->untouched_bytes += b->live;
		return;
	}
	s->sums->live_bytes += b->live;
	s->sums->cached_bytes += b->cached;
	if (b->live || b->cached)
		s->holes += b->free;
	else
		s->sums->queue_bytes += b->free;
}

static size_t slab_first_cached(const cairn_heapwalk *h, uint64_t at)
{
	const uint64_t *slots = h->cached.items;
	size_t low = 0, high = h->cached.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (slots[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The slots of the slab that lie in magazines, as bits; false: none. A slot stands twice where it moved meanwhile. */
static bool slab_mark_cached(const cairn_heapwalk *h, const walk_slab *s, uint64_t *cached)
{
	const uint64_t *slots = h->cached.items;
	uint64_t bytes = s->kind->bytes, end = s->start + s->kind->capacity * bytes;
	size_t i = slab_first_cached(h, s->start);
	if (i == h->cached.count || slots[i] >= end)
		return false;
	memset(cached, 0, WALK_SLAB_WORDS * 8);
	for (; i < h->cached.count && slots[i] < end; i++) {
		size_t slot = (size_t)((slots[i] - s->start) / bytes);
		if (!cairn_bit_get(s->free, slot))
			cairn_bit_set(cached, slot);
	}
	return true;
}

static void walk_add_slab(
	cairn_heapwalk *h, const walk_room *r, uint64_t at, uint64_t end, unsigned size_class, const uint64_t *free)
{
	uint64_t cached[WALK_SLAB_WORDS];
	const cairn_class *k = &h->classes[size_class];
	walk_slab s = { k, free, NULL, at, &h->by_class[size_class], 0 };
	if (slab_mark_cached(h, &s, cached))
		s.cached = cached;
	uint64_t taken =
		cairn_walk_ones(free, 0, k->capacity) + (s.cached ? cairn_walk_ones(cached, 0, k->capacity) : 0);
	uint64_t live = taken < k->capacity ? k->capacity - taken : 0;
	for (uint64_t from = at; from < end;) {
		uint64_t to = cairn_round_down(from, r->slice.page_bytes) + r->slice.page_bytes;
		to = to < end ? to : end;
		walk_shares b = slab_bytes(&s, from, to);
		slab_add_page(&s, &b, cairn_walk_page_is_resident(&r->slice, from));
		from = to;
	}
	s.sums->slabs++;
	s.sums->live_blocks += live;
	s.sums->hole_bytes += s.holes;
	if (live <= CAIRN_HEAPWALK_SPARSE) {
		s.sums->sparse_slabs++;
		s.sums->sparse_bytes += s.holes;
	}
}

/* ---- chunks ---- */

static bool is_slab(const cairn_heapwalk *h, const cairn_span *s)
{
	return (s->kind == CAIRN_SPAN_SLAB || s->kind == CAIRN_SPAN_HEAP) && walk_class_is_sound(h, s->size_class);
}

/* The free bits of all slabs of the chunk, by few calls. */
static void chunk_read_bits(cairn_heapwalk *h, walk_room *r, const cairn_chunk *c)
{
	size_t pieces = 0, used = 0;
	for (size_t g = 0; g < CAIRN_CHUNK_GRANULES; g++) {
		const cairn_span *s = &r->spans[g];
		if (c->free >> g & 1 || c->back[g] || !is_slab(h, s))
			continue;
		size_t words = (h->classes[s->size_class].capacity + 63u) / 64;
		if (used + words > WALK_BIT_WORDS)
			break;
		r->bits_at[g] = (uint16_t)used;
		r->pieces[pieces++] = (cairn_peer_piece){ (uintptr_t)s->free_bits, r->bits + used, words * 8 };
		used += words;
	}
	h->torn += pieces - cairn_peer_read_all(h->peer, r->pieces, pieces);
}

/* The part [at, end) of a large block. */
static void large_add(cairn_heapwalk *h, const walk_room *r, const walk_long *l, uint64_t at, uint64_t end)
{
	cairn_heapwalk_class *sums = &h->by_class[0];
	uint64_t used = l->used_end < at ? at : l->used_end < end ? l->used_end : end;
	uint64_t block = cairn_walk_resident(&r->slice, at, used), tail = cairn_walk_resident(&r->slice, used, end);
	if (l->is_kept) {
		sums->cached_bytes += block + tail;
		return;
	}
	sums->live_bytes += block;
	sums->untouched_bytes += used - at - block;
	sums->hole_bytes += tail;
}

static uint64_t chunk_add_large(cairn_heapwalk *h, walk_room *r, const cairn_span *s, uint64_t at, uint64_t limit)
{
	uint64_t bytes = (uint64_t)s->large_granules << CAIRN_GRANULE_SHIFT;
	if (!bytes || bytes >> 47 || s->large_bytes > bytes) {
		h->torn++;
		bytes = CAIRN_GRANULE_BYTES;
	}
	r->large = (walk_long){ .used_end = at + (s->large_bytes < bytes ? s->large_bytes : bytes),
		.end = at + bytes,
		.is_kept = s->kind == CAIRN_SPAN_KEPT };
	uint64_t end = at + bytes < limit ? at + bytes : limit;
	h->by_class[0].slabs++;
	h->by_class[0].live_blocks += !r->large.is_kept;
	large_add(h, r, &r->large, at, end);
	return end;
}

static uint64_t chunk_add_slab(cairn_heapwalk *h, walk_room *r, size_t g, uint64_t at, uint64_t limit)
{
	const cairn_span *s = &r->spans[g];
	uint64_t end = at + ((uint64_t)h->classes[s->size_class].granules << CAIRN_GRANULE_SHIFT);
	if (end > r->open_end) {
		h->unknown_bytes += cairn_walk_resident(&r->slice, at, limit);
		h->torn++;
		return limit;
	}
	walk_add_slab(h, r, at, end, s->size_class, r->bits + r->bits_at[g]);
	r->large = (walk_long){ .used_end = end, .end = end, .is_counted = true };
	return end < limit ? end : limit;
}

/* A span of a managed heap, as far as it lies in this chunk: how long it is is not needed. */
static uint64_t chunk_add_managed(
	cairn_heapwalk *h, walk_room *r, const cairn_chunk *c, size_t g, uint64_t at, uint64_t limit)
{
	uint64_t end = at + CAIRN_GRANULE_BYTES;
	for (size_t i = 1; end < limit && g + i < CAIRN_CHUNK_GRANULES && c->back[g + i] == i; i++)
		end += CAIRN_GRANULE_BYTES;
	uint8_t kind = r->spans[g].kind;
	r->large = (walk_long){ .managed_kind = kind, .start = at };
	if (kind == CAIRN_SPAN_MANAGED)
		r->large.which = cairn_managedwalk_slab(h, &r->slice, at, end, r->grains);
	else
		h->managed_external_bytes += cairn_walk_resident(&r->slice, at, end);
	return end;
}

/* The part [at, end) of one that began in a chunk before. */
static void managed_add_lead(cairn_heapwalk *h, const walk_room *r, uint64_t at, uint64_t end)
{
	uint64_t resident = cairn_walk_resident(&r->slice, at, end);
	if (r->large.managed_kind == CAIRN_SPAN_MANAGED)
		cairn_managedwalk_more(h, r->large.which, resident);
	else
		h->managed_external_bytes += resident;
}

/* Free granules in a row. */
static uint64_t chunk_add_free(cairn_heapwalk *h, walk_room *r, const cairn_chunk *c, uint64_t at, uint64_t limit)
{
	uint64_t end = at;
	while (end < limit && c->free >> cairn_granule_in_chunk(end) & 1)
		end += CAIRN_GRANULE_BYTES;
	uint64_t resident = cairn_walk_resident(&r->slice, at, end);
	h->dirty_bytes += resident;
	h->dirty_runs += resident > 0;
	return end;
}

/* What leads in from the chunk before. */
static uint64_t chunk_add_lead(cairn_heapwalk *h, walk_room *r, const cairn_chunk *c, uint64_t at, uint64_t limit)
{
	uint64_t end = at + ((uint64_t)c->lead_granules << CAIRN_GRANULE_SHIFT);
	end = end < limit ? end : limit;
	uint64_t start = at - (uint64_t)c->lead * CAIRN_CHUNK_BYTES;
	if (r->large.managed_kind && c->lead && r->large.start == start) {
		managed_add_lead(h, r, at, end);
	} else if (r->large.end >= end && c->lead) {
		if (!r->large.is_counted)
			large_add(h, r, &r->large, at, end);
	} else if (end > at) {
		h->unknown_bytes += cairn_walk_resident(&r->slice, at, end);
		h->torn++;
	}
	return end;
}

/* The spans of a chunk, and its record of the same instant: where that is another behind the spans than before them,
 * both are read again. False: no spans. */
static bool chunk_read(cairn_heapwalk *h, walk_room *r, cairn_chunk *c, uint64_t record)
{
	for (unsigned i = 0; i < WALK_TRIES; i++) {
		cairn_chunk before = *c;
		if (!c->spans || !cairn_peer_read(h->peer, (uintptr_t)c->spans, r->spans, sizeof r->spans))
			return false;
		if (!cairn_peer_read(h->peer, record, c, sizeof *c)) {
			*c = before;
			return true;
		}
		if (before.free == c->free && !memcmp(before.back, c->back, sizeof c->back) &&
		    before.lead == c->lead && before.lead_granules == c->lead_granules)
			return true;
	}
	h->torn++;
	return true;
}

static void walk_chunk(cairn_heapwalk *h, walk_room *r, cairn_chunk *c, uint64_t record, uint64_t start,
	uint64_t limit)
{
	bool has_spans = chunk_read(h, r, c, record);
	if (has_spans)
		chunk_read_bits(h, r, c);
	for (uint64_t at = chunk_add_lead(h, r, c, start, limit); at < limit;) {
		size_t g = cairn_granule_in_chunk(at);
		const cairn_span *s = has_spans && !c->back[g] ? &r->spans[g] : NULL;
		if (c->free >> g & 1) {
			at = chunk_add_free(h, r, c, at, limit);
		} else if (s && cairn_span_is_managed(s->kind)) {
			at = chunk_add_managed(h, r, c, g, at, limit);
		} else if (s && is_slab(h, s)) {
			at = chunk_add_slab(h, r, g, at, limit);
		} else if (s && (s->kind == CAIRN_SPAN_LARGE || s->kind == CAIRN_SPAN_HEAP_LARGE ||
					s->kind == CAIRN_SPAN_KEPT)) {
			at = chunk_add_large(h, r, s, at, limit);
		} else {
			h->unknown_bytes += cairn_walk_resident(&r->slice, at, at + CAIRN_GRANULE_BYTES);
			at += CAIRN_GRANULE_BYTES;
		}
	}
}

/* ---- regions ---- */

static bool walk_slice(cairn_heapwalk *h, walk_room *r, const cairn_window *w, uint64_t start, uint64_t end)
{
	uint64_t seen = end + CAIRN_CHUNK_BYTES < r->open_end ? end + CAIRN_CHUNK_BYTES : r->open_end;
	size_t pages = (size_t)((end - start) / r->slice.page_bytes);
	size_t chunks = (size_t)((end - start + CAIRN_CHUNK_BYTES - 1) / CAIRN_CHUNK_BYTES);
	uint64_t at = (uint64_t)(uintptr_t)w->chunks + (start - w->base) / CAIRN_CHUNK_BYTES * sizeof(cairn_chunk);
	r->slice.start = start;
	if (!cairn_peer_resident(
		    h->peer, start, (size_t)((seen - start) / r->slice.page_bytes), r->slice.resident, r->slice.huge) ||
		!cairn_peer_read(h->peer, at, r->chunks, chunks * sizeof(cairn_chunk)))
		return false;
	h->resident_bytes += cairn_walk_ones(r->slice.resident, 0, pages) * r->slice.page_bytes;
	h->huge_bytes += cairn_walk_ones(r->slice.huge, 0, pages) * r->slice.page_bytes;
	for (size_t i = 0; i < chunks; i++) {
		uint64_t from = start + i * CAIRN_CHUNK_BYTES, to = from + CAIRN_CHUNK_BYTES;
		walk_chunk(h, r, &r->chunks[i], at + i * sizeof(cairn_chunk), from, to < end ? to : end);
	}
	return true;
}

static bool region_read(cairn_heapwalk *h, uint64_t at, cairn_page_region *region, cairn_window *w)
{
	return at && cairn_peer_read(h->peer, at, region, sizeof *region) && region->start % CAIRN_CHUNK_BYTES == 0 &&
	       region->open_end % CAIRN_GRANULE_BYTES == 0 && region->start <= region->open_end &&
	       region->open_end <= region->end && region->end >> 47 == 0 &&
	       cairn_peer_read(h->peer, (uintptr_t)region->window, w, sizeof *w) && w->base <= region->start;
}

/* Calls with each region, the newest first. Regions do not overlap, so that all of them together are no more than what
 * is mapped; a list that leads back to itself is. */
static bool regions_visit(cairn_heapwalk *h,
	bool (*visit)(cairn_heapwalk *, const cairn_page_region *, const cairn_window *, void *), void *arg)
{
	uint64_t at = 0, bytes = 0;
	cairn_page_region region;
	cairn_window window;
	if (!cairn_peer_read(h->peer, (uintptr_t)h->map.regions, &at, sizeof at))
		return false;
	for (unsigned i = 0; at && i < WALK_REGIONS_MAX; i++) {
		if (!region_read(h, at, &region, &window))
			return false;
		bytes += region.open_end - region.start;
		if (bytes > h->mapped_bytes || !visit(h, &region, &window, arg))
			return false;
		at = (uint64_t)(uintptr_t)region.next;
	}
	return true;
}

static bool walk_region(cairn_heapwalk *h, const cairn_page_region *region, const cairn_window *w, void *arg)
{
	walk_room *r = arg;
	h->open_bytes += region->open_end - region->start;
	r->open_end = region->open_end;
	r->large = (walk_long){ 0 };
	for (uint64_t at = region->start; at < region->open_end;) {
		uint64_t end = at + (uint64_t)CAIRN_WALK_CHUNKS * CAIRN_CHUNK_BYTES;
		end = end < region->open_end ? end : region->open_end;
		if (!walk_slice(h, r, w, at, end))
			return false;
		at = end;
	}
	return true;
}

bool cairn_heapwalk_walk(cairn_heapwalk *h)
{
	size_t bytes = cairn_round_up(sizeof(walk_room), cairn_vm_page_bytes());
	walk_room *r = cairn_vm_map(bytes);
	if (!r)
		return false;
	r->slice.page_bytes = h->peer->page_bytes;
	cairn_managedwalk_read(h);
	bool ok = regions_visit(h, walk_region, r);
	cairn_vm_release(r, bytes);
	return ok;
}

static bool label_region(cairn_heapwalk *h, const cairn_page_region *region, const cairn_window *w, void *arg)
{
	(void)h, (void)w;
	cairn_places_label(arg, region->start, region->open_end, CAIRN_PAINT_HEAP, CAIRN_PLACE_HEAP, CAIRN_NO_OBJECT);
	return true;
}

static void label_mapping(cairn_places *l, const cairn_mapping *m)
{
	if (!m->sequence || m->start >= m->end)
		return;
	if (m->by == CAIRN_MAPPING_OWN) {
		cairn_places_label(l, m->start, m->end, CAIRN_PAINT_RECORD, CAIRN_PLACE_METADATA, CAIRN_NO_OBJECT);
		return;
	}
	const cairn_vma *code = cairn_places_at(l, m->by);
	uint64_t newer = m->sequence < CAIRN_PAINT_LOADER - 1 ? m->sequence : CAIRN_PAINT_LOADER - 1;
	cairn_places_label(l, m->start, m->end, CAIRN_PAINT_NOTE + newer, CAIRN_PLACE_MAPPED, code ? code->object : 0);
}

/* The table may move while it is read: what was read then may be of a table that is gone, and is read again. */
static void label_mappings(cairn_heapwalk *h, cairn_places *l)
{
	cairn_mappings_table table, after;
	cairn_mapping some[WALK_MAPPINGS_TOGETHER];
	for (unsigned tries = 0; tries < 3; tries++) {
		if (!h->map.mappings || !cairn_peer_read(h->peer, (uintptr_t)h->map.mappings, &table, sizeof table))
			return;
		size_t labels = l->labels.count,
		       all = table.capacity < WALK_MAPPINGS_MAX ? table.capacity : WALK_MAPPINGS_MAX;
		for (size_t at = 0; at < all && table.entries; at += WALK_MAPPINGS_TOGETHER) {
			size_t n = all - at < WALK_MAPPINGS_TOGETHER ? all - at : WALK_MAPPINGS_TOGETHER;
			if (!cairn_peer_read(h->peer, (uintptr_t)(table.entries + at), some, n * sizeof some[0]))
				break;
			for (size_t i = 0; i < n; i++)
				label_mapping(l, &some[i]);
		}
		if (!cairn_peer_read(h->peer, (uintptr_t)h->map.mappings, &after, sizeof after) ||
			(after.entries == table.entries && after.capacity == table.capacity))
			return;
		l->labels.count = labels;
	}
}

void cairn_heapwalk_label(cairn_heapwalk *h, cairn_places *l)
{
	const cairn_vma *v = l->vmas.items;
	for (size_t i = 0; i < l->vmas.count; i++)
		h->mapped_bytes += v[i].end - v[i].start;
	regions_visit(h, label_region, l);
	label_mappings(h, l);
}

uint64_t cairn_heapwalk_told(const cairn_heapwalk *h)
{
	uint64_t sum = h->dirty_bytes + cairn_managedwalk_told(h);
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		const cairn_heapwalk_class *k = &h->by_class[i];
		sum += k->live_bytes + k->hole_bytes + k->queue_bytes + k->cached_bytes;
	}
	return sum;
}

bool cairn_heapwalk_validate(const cairn_heapwalk *h)
{
	return cairn_heapwalk_told(h) + h->unknown_bytes == h->resident_bytes; /* K1 */
}
