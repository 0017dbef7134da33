/* page/window.c - windows, their maps, and the regions reserved inside them. The design is in window.h. */
#include "page/window.h"

#include "os/limits.h"
#include "os/meta.h"
#include "os/vm.h"

#include <stdint.h>

enum {
	REGION_MIN_BYTES = 256 << 10,
	TAIL_BYTES = 64 << 10, /* of the newest region stays reserved: a multiple of every OS page */
	REGION_MAX_BYTES = 1 << 30,
	LAZY_BYTES = 8 << 20, /* no more: a block that ends before its granule does may split a mapping */
	LAZY_PAGES = LAZY_BYTES / 4096,
};

cairn_window cairn_window_first = { .base = CAIRN_WINDOW_NOWHERE };
cairn_page_region *cairn_window_regions; /* sync: pageheap lock */
const void *cairn_window_managed;
static size_t reserved_bytes;       /* sync: pageheap lock */
static size_t open_bytes;           /* sync: pageheap lock */

size_t cairn_window_lazy_bytes;
static uint64_t lazy_is_open[LAZY_PAGES / 64]; /* sync: atomic; a page's bit is set by who holds its span */

cairn_page_region *cairn_window_newest(void) { return cairn_window_regions; }
size_t cairn_window_open_bytes(void) { return open_bytes; }

/* Addresses for which the maps are reserved: enough for what this process can ever hold, at 1/8192 of it. */
static size_t window_span_bytes(void)
{
	const cairn_limits *limits = cairn_limits_get();
	size_t most = limits->ram_bytes > SIZE_MAX / 4 ? SIZE_MAX / 4 : 2 * limits->ram_bytes;
	size_t limit = limits->address_bytes < limits->data_bytes ? limits->address_bytes : limits->data_bytes;
	if (limit < most / 4)
		most = 4 * limit;
	size_t span = (size_t)1 << 30;
	while (span < most && span < (size_t)1 << 40)
		span *= 2;
	return span;
}

/* Opens a further part of a map; where the map's addresses are only meant for it, takes them first. */
static bool map_open(const cairn_window *w, void *from, size_t bytes)
{
	if (!bytes)
		return true;
	if (!w->maps_are_reserved && !cairn_vm_reserve_at(from, bytes))
		return false;
	if (cairn_vm_open(from, bytes))
		return true;
	if (!w->maps_are_reserved)
		cairn_vm_release(from, bytes);
	return false;
}

/* The first window is extended in steps: every region that begins within its span is its own. A further window covers
 * its one region and no more, for another window may begin right behind. */
static size_t window_unit(const cairn_window *w)
{
	return w == &cairn_window_first ? (size_t)CAIRN_WINDOW_STEP : (size_t)CAIRN_CHUNK_BYTES;
}

/* Opens w's maps so that they cover [base, base + bytes). */
static bool window_extend(cairn_window *w, size_t bytes)
{
	bytes = cairn_round_up(bytes, window_unit(w));
	if (bytes <= w->bytes)
		return true;
	if (bytes > w->span_bytes)
		return false;
	size_t page = cairn_vm_page_bytes();
	size_t class_from = cairn_round_up(w->bytes >> CAIRN_GRANULE_SHIFT, page);
	size_t class_to = cairn_round_up(bytes >> CAIRN_GRANULE_SHIFT, page);
	size_t chunk_from = cairn_round_up((w->bytes >> CAIRN_CHUNK_SHIFT) * sizeof(cairn_chunk), page);
	size_t chunk_to = cairn_round_up((bytes >> CAIRN_CHUNK_SHIFT) * sizeof(cairn_chunk), page);
	if (!map_open(w, w->class_map + class_from, class_to - class_from))
		return false;
	if (!map_open(w, (char *)w->chunks + chunk_from, chunk_to - chunk_from)) {
		if (!w->maps_are_reserved && class_to > class_from) /* else the next try finds its addresses taken */
			cairn_vm_release(w->class_map + class_from, class_to - class_from);
		return false;
	}
	/* Publishes the open maps; readers need no acquire: they hold an older block, or learn of theirs later. */
	__atomic_store_n(&w->bytes, bytes, __ATOMIC_RELEASE);
	return true;
}

/* Fills in w as a window that begins at base. Where it is alone there, far below what others map, the addresses right
 * below it are its maps', but not reserved: RLIMIT_MEMLOCK counts what is reserved (docs/design/os.md). */
static bool window_init(cairn_window *w, uintptr_t base, size_t span_bytes, size_t first_bytes, bool is_alone)
{
	size_t page = cairn_vm_page_bytes();
	size_t class_bytes = cairn_round_up(span_bytes >> CAIRN_GRANULE_SHIFT, page);
	size_t chunk_bytes = cairn_round_up((span_bytes >> CAIRN_CHUNK_SHIFT) * sizeof(cairn_chunk), page);
	char *below = (char *)base - class_bytes - chunk_bytes;
	char *maps = is_alone ? below : cairn_vm_reserve(NULL, class_bytes + chunk_bytes, page);
	if (!maps)
		return false;
	w->maps_are_reserved = !is_alone;
	w->class_map = (uint8_t *)maps;
	w->chunks = (cairn_chunk *)(maps + class_bytes);
	w->span_bytes = span_bytes;
	__atomic_store_n(&w->base, base, __ATOMIC_RELAXED); /* see cairn_window_offset */
	if (window_extend(w, first_bytes))
		return true;
	if (!is_alone)
		cairn_vm_release(maps, class_bytes + chunk_bytes);
	*w = (cairn_window){ .base = CAIRN_WINDOW_NOWHERE };
	return false;
}

/* A further window from base on, of whose maps what [base, base + bytes) needs is open. */
static cairn_window *window_make(uintptr_t base, size_t span_bytes, size_t bytes)
{
	cairn_window *w = cairn_meta_alloc(sizeof *w);
	if (!w)
		return NULL;
	if (!window_init(w, base, span_bytes, bytes, false)) {
		cairn_meta_free(w, sizeof *w);
		return NULL;
	}
	cairn_window *last = &cairn_window_first;
	while (atomic_load_explicit(&last->next, memory_order_relaxed)) /* written under the lock that we hold */
		last = atomic_load_explicit(&last->next, memory_order_relaxed); /* likewise */
	atomic_store_explicit(&last->next, w, memory_order_release); /* publishes *w; pairs with cairn_window_of */
	return w;
}

/* Pages as large as a granule are not opened apart. */
static void lazy_begin(void)
{
	if (cairn_limits_get()->data_bytes != SIZE_MAX && cairn_vm_page_bytes() < CAIRN_GRANULE_BYTES)
		cairn_window_lazy_bytes = LAZY_BYTES;
}

static cairn_page_region *region_make(cairn_window *w, uintptr_t start, size_t bytes)
{
	cairn_page_region *r = cairn_meta_alloc(sizeof *r);
	if (!r)
		return NULL;
	*r = (cairn_page_region){
		.window = w, .start = start, .open_end = start, .end = start + bytes, .next = cairn_window_regions
	};
	cairn_window_regions = r;
	reserved_bytes += bytes;
	return r;
}

/* Where the first region should lie: well below where the OS puts what others map, so that our regions can grow next to
 * each other. The distance is kept when a limit or an emulator refuses it: then the hint is not taken. */
static void *first_hint(size_t span_bytes)
{
	size_t page = cairn_vm_page_bytes();
	char *somewhere = cairn_vm_reserve(NULL, page, page);
	if (!somewhere)
		return NULL;
	cairn_vm_release(somewhere, page);
	uintptr_t gap = span_bytes + ((uintptr_t)16 << 30);
	if ((uintptr_t)somewhere < 2 * gap)
		return NULL;
	return (void *)cairn_round_down((uintptr_t)somewhere - gap, CAIRN_CHUNK_BYTES);
}

/* A region apart from the others: in the first window when it lies there, in a window of its own otherwise. */
static cairn_page_region *reserve_apart(size_t bytes)
{
	bool is_first = !cairn_window_first.span_bytes;
	size_t span_bytes = is_first ? window_span_bytes() : 0;
	void *hint = is_first ? first_hint(span_bytes) : NULL;
	char *start = cairn_vm_reserve(hint, bytes, CAIRN_CHUNK_BYTES);
	if (!start)
		return NULL;
	cairn_vm_no_huge(start, bytes);
	cairn_window *w = &cairn_window_first;
	bool ok;
	if (is_first)
		ok = window_init(w, (uintptr_t)start,
			bytes > span_bytes ? cairn_round_up(bytes, CAIRN_WINDOW_STEP) : span_bytes, bytes,
			hint && start == hint);
	else if ((uintptr_t)start - w->base < w->span_bytes) /* false where it would lead beyond the span */
		ok = window_extend(w, (uintptr_t)start - w->base + bytes);
	else
		ok = (w = window_make((uintptr_t)start, cairn_round_up(bytes, CAIRN_WINDOW_STEP), bytes)) != NULL;
	cairn_page_region *r = ok ? region_make(w, (uintptr_t)start, bytes) : NULL;
	if (r && is_first)
		lazy_begin();
	if (!r)
		cairn_vm_release(start, bytes);
	return r;
}

/* Lets the newest region grow by bytes in place. The maps come first: where one mapping more may be had it is for them.
 * Where the region then cannot grow they do not reach further than it did, or they would answer for what comes to lie
 * there (W4); the first window has its span to itself. */
static bool region_extend(cairn_page_region *r, size_t bytes)
{
	cairn_window *w = r->window;
	size_t before = w->bytes;
	if (!window_extend(w, r->end - w->base + bytes))
		return false;
	bool has_tail = r->end - r->open_end >= TAIL_BYTES;
	if (!has_tail || !cairn_vm_extend((char *)r->end - TAIL_BYTES, TAIL_BYTES, bytes)) {
		if (!cairn_vm_reserve_at((void *)r->end, bytes)) {
			/* relaxed: for who reads it meanwhile nothing of ours lies there */
			if (w != &cairn_window_first)
				__atomic_store_n(&w->bytes, before, __ATOMIC_RELAXED);
			return false;
		}
		cairn_vm_no_huge((void *)r->end, bytes);
	}
	r->end += bytes;
	reserved_bytes += bytes;
	return true;
}

cairn_page_region *cairn_window_reserve(size_t bytes)
{
	cairn_page_region *r = cairn_window_regions;
	size_t room = r ? r->end - r->open_end : 0;
	if (room >= bytes + TAIL_BYTES) /* a reserved tail always stays: see region_extend */
		return r;
	size_t wish = cairn_round_up(reserved_bytes / 8, TAIL_BYTES);
	size_t least = cairn_limits_are_tight() ? TAIL_BYTES : REGION_MIN_BYTES;
	wish = wish < least ? least : wish > REGION_MAX_BYTES ? REGION_MAX_BYTES : wish;
	size_t need = cairn_round_up(bytes + TAIL_BYTES - room, TAIL_BYTES);
	if (r && (region_extend(r, wish < need ? need : wish) || region_extend(r, need) || room >= bytes))
		return r;
	if (r && region_extend(r, cairn_round_up(bytes - room, TAIL_BYTES))) /* and no tail is left */
		return r;
	need = cairn_round_up(bytes + TAIL_BYTES, TAIL_BYTES);
	r = reserve_apart(wish < need ? need : wish);
	return r ? r : reserve_apart(cairn_round_up(bytes, TAIL_BYTES));
}

/* Behind the newest region, for that is the one that grows: there is one before. */
cairn_page_region *cairn_window_reserve_private(size_t bytes)
{
	if (!cairn_window_regions && !cairn_window_reserve(CAIRN_GRANULE_BYTES))
		return NULL;
	cairn_page_region *newest = cairn_window_regions, *r = cairn_meta_alloc(sizeof *r);
	char *start = r ? cairn_vm_reserve(NULL, bytes, bytes) : NULL;
	cairn_window *w = start ? window_make((uintptr_t)start, bytes, 0) : NULL;
	if (!w) {
		if (start)
			cairn_vm_release(start, bytes);
		if (r)
			cairn_meta_free(r, sizeof *r);
		return NULL;
	}
	cairn_vm_no_huge(start, bytes);
	*r = (cairn_page_region){ .window = w, .start = w->base, .open_end = w->base, .end = w->base,
		.next = newest->next, .is_private = true };
	newest->next = r;
	return r;
}

bool cairn_window_extend_private(cairn_page_region *r, size_t bytes)
{
	uintptr_t end = r->open_end + bytes;
	if (bytes > r->window->span_bytes || end - r->start > r->window->span_bytes)
		return false;
	if (end > r->end && !window_extend(r->window, end - r->start))
		return false;
	r->end = end > r->end ? end : r->end;
	return true;
}

bool cairn_window_open(cairn_page_region *r, size_t bytes)
{
	cairn_assert(bytes <= r->end - r->open_end && bytes % CAIRN_GRANULE_BYTES == 0);
	/* With a larger OS page the last open page may be open already. */
	size_t page = cairn_vm_page_bytes();
	uintptr_t from = cairn_round_up(r->open_end, page), to = cairn_round_up(r->open_end + bytes, page);
	if (cairn_window_is_lazy((void *)from))
		from = cairn_window_first.base + cairn_window_lazy_bytes;
	if (to > from && !cairn_vm_open((void *)from, to - from))
		return false;
	r->open_end += bytes;
	open_bytes += bytes;
	return true;
}

/* ---- Lazy pages. The bits are relaxed: who held the span before handed it over under the pageheap lock, and a bit
 * that is read too early, or whose process forked before it was set, costs one call more. ---- */

static bool lazy_page_is_open(size_t i)
{
	return __atomic_load_n(&lazy_is_open[i / 64], __ATOMIC_RELAXED) >> i % 64 & 1; /* see above */
}

/* The pages of [p, p + bytes) from the first to the last that is not open; false when all are. */
static bool lazy_pages(const void *p, size_t bytes, size_t *first, size_t *last)
{
	unsigned shift = cairn_log2(cairn_vm_page_bytes());
	size_t from = (uintptr_t)p - cairn_window_first.base, to = from + bytes;
	if (!bytes || from >= cairn_window_lazy_bytes)
		return false;
	to = to < cairn_window_lazy_bytes ? to : cairn_window_lazy_bytes;
	*first = from >> shift;
	*last = (to - 1) >> shift;
	while (*first <= *last && lazy_page_is_open(*first))
		++*first;
	while (*first < *last && lazy_page_is_open(*last))
		--*last;
	return *first <= *last;
}

bool cairn_window_pages_are_open(const void *p, size_t bytes)
{
	size_t first, last;
	return !lazy_pages(p, bytes, &first, &last);
}

bool cairn_window_open_lazy(const void *p, size_t bytes)
{
	size_t first, last, page = cairn_vm_page_bytes();
	if (!lazy_pages(p, bytes, &first, &last))
		return true;
	if (!cairn_vm_open((void *)(cairn_window_first.base + first * page), (last + 1 - first) * page))
		return false;
	for (size_t i = first; i <= last; i++)
		__atomic_fetch_or(&lazy_is_open[i / 64], 1ull << i % 64, __ATOMIC_RELAXED); /* see above */
	return true;
}

bool cairn_window_is_open(uintptr_t p)
{
	for (cairn_page_region *r = cairn_window_regions; r; r = r->next)
		if (p - r->start < r->open_end - r->start)
			return true;
	return false;
}

bool cairn_window_is_reserved(uintptr_t p)
{
	for (cairn_page_region *r = cairn_window_regions; r; r = r->next)
		if (p - r->start < r->end - r->start)
			return true;
	return false;
}

bool cairn_window_maps_have(uintptr_t p)
{
	for (cairn_window *w = &cairn_window_first; w;
		w = atomic_load_explicit(&w->next, memory_order_relaxed)) /* written under the lock that we hold */
		if (p - (uintptr_t)w->class_map < w->bytes >> CAIRN_GRANULE_SHIFT ||
			p - (uintptr_t)w->chunks < (w->bytes >> CAIRN_CHUNK_SHIFT) * sizeof(cairn_chunk))
			return true;
	return false;
}

void cairn_window_set_class(uintptr_t start, size_t granules, uint8_t size_class)
{
	cairn_window *w = cairn_window_of(start);
	uint8_t *map = &w->class_map[(start - w->base) >> CAIRN_GRANULE_SHIFT];
	for (size_t i = 0; i < granules; i++)
		__atomic_store_n(&map[i], size_class, __ATOMIC_RELAXED); /* readers own a block here, or misuse one */
}

void cairn_window_validate(void)
{
	for (cairn_window *w = &cairn_window_first; w; w = w->next)
		cairn_assert(w->bytes % window_unit(w) == 0 && w->bytes <= w->span_bytes); /* W1 */
	for (cairn_page_region *r = cairn_window_regions; r; r = r->next) {
		cairn_assert(r->start % CAIRN_CHUNK_BYTES == 0 && r->end % TAIL_BYTES == 0); /* W2 */
		cairn_assert(r->start <= r->open_end && r->open_end <= r->end);
		cairn_assert(r->start >= r->window->base && r->end - r->window->base <= r->window->bytes);
		cairn_assert(cairn_window_of(r->start) == r->window); /* W4 */
		cairn_assert(cairn_window_of(r->end - 1) == r->window);
		for (cairn_page_region *o = r->next; o; o = o->next)
			cairn_assert(r->end <= o->start || o->end <= r->start);
		for (uintptr_t p = r->start; p < r->open_end; p += CAIRN_GRANULE_BYTES) { /* W3 */
			uint8_t class = r->window->class_map[(p - r->window->base) >> CAIRN_GRANULE_SHIFT];
			cairn_span *s = class ? cairn_window_span(p) : NULL;
			cairn_assert(!class || (s && s->kind == CAIRN_SPAN_SLAB && s->size_class == class));
		}
	}
}
