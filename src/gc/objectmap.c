/* gc/objectmap.c - the pages and the directory of a map from objects to words: see objectmap.h. */
#include "gc/objectmap.h"

#include "base/assert.h"
#include "gc/hash.h"
#include "gc/managed.h"

#include <string.h>

typedef struct cairn_gc_map_page { /* sync: the map's */
	struct cairn_gc_map_page *more; /* one more for the same slots; depth is the first's */
	uint8_t room;   /* entries */
	uint8_t filled; /* numbers up to this were ever used */
	uint8_t used;
	uint8_t free;   /* the first of those below `filled` that are not used; they follow by next */
	uint8_t shape;
	uint8_t depth;
} cairn_gc_map_page;

/* Numbers of entries count from 1; 0 is none. */
static const struct map_shape {
	uint16_t bytes, entries_at;
	uint8_t room, bucket_bits;
} map_shapes[] = {
	{ 256, 48, 13, 4 },
	{ 1024, 112, 57, 5 },
	{ 4096, 376, 232, 7 },
};
enum {
	MAP_SHAPE_LAST = 2,
	MAP_BITS_MAX = 40,
	MAP_SPARSE = 58, /* entries a page, on average, below which pages are put together */
};

_Static_assert(sizeof(cairn_gc_map_page) == 16, "the shapes count on it");

static uint8_t *map_heads(const cairn_gc_map_page *p) { return (uint8_t *)(p + 1); }
static uint8_t *map_next(const cairn_gc_map_page *p) /* by number less 1 */
{
	return map_heads(p) + (1u << map_shapes[p->shape].bucket_bits);
}
static cairn_gc_entry *map_entries(const cairn_gc_map_page *p) /* likewise */
{
	return (cairn_gc_entry *)((char *)p + map_shapes[p->shape].entries_at);
}
static uint8_t *map_head(const cairn_gc_map_page *p, uint64_t hash)
{
	return map_heads(p) + (hash & ((1u << map_shapes[p->shape].bucket_bits) - 1));
}

static size_t map_slot(const cairn_gc_map *map, uint64_t hash) { return map->bits ? hash >> (64 - map->bits) : 0; }
static size_t map_slots(const cairn_gc_map *map) { return (size_t)1 << map->bits; }
/* From the slot of one page to that of the next. */
static size_t map_stride(const cairn_gc_map *map, const cairn_gc_map_page *p) { return map_slots(map) >> p->depth; }

/* ---- Pages ---- */

static cairn_gc_map_page *map_new_page(cairn_gc_heap *h, cairn_gc_map *map, uint8_t shape, uint8_t depth)
{
	size_t bytes = map_shapes[shape].bytes;
	cairn_gc_map_page *p = cairn_gc_may_hold(h, bytes) ? cairn_gc_meta_alloc(h, bytes) : NULL;
	if (!p)
		return NULL;
	p->room = map_shapes[shape].room;
	p->shape = shape;
	p->depth = depth;
	map->page_count++;
	map->bytes += bytes;
	return p;
}

static void map_free_page(cairn_gc_heap *h, cairn_gc_map *map, cairn_gc_map_page *p)
{
	size_t bytes = map_shapes[p->shape].bytes;
	map->page_count--;
	map->bytes -= bytes;
	cairn_gc_meta_free(h, p, bytes);
}

static void map_free_chain(cairn_gc_heap *h, cairn_gc_map *map, cairn_gc_map_page *p)
{
	while (p) {
		cairn_gc_map_page *more = p->more;
		map_free_page(h, map, p);
		p = more;
	}
}

/* An entry in p, which has room, for an object with that hash. */
static cairn_gc_entry *map_page_add(cairn_gc_map_page *p, uintptr_t object, uint64_t hash)
{
	uint8_t number = p->free, *head = map_head(p, hash), *next = map_next(p);
	if (number)
		p->free = next[number - 1];
	else
		number = ++p->filled;
	next[number - 1] = *head;
	*head = number;
	p->used++;
	cairn_gc_entry *e = &map_entries(p)[number - 1];
	e->object = object;
	e->value = 0;
	return e;
}

/* Takes the entry that *link names out of its bucket. */
static void map_page_remove(cairn_gc_map_page *p, uint8_t *link)
{
	uint8_t number = *link, *next = map_next(p);
	*link = next[number - 1];
	next[number - 1] = p->free;
	p->free = number;
	p->used--;
	map_entries(p)[number - 1] = (cairn_gc_entry){ 0 };
}

static cairn_gc_map_page *map_with_room(cairn_gc_map_page *p)
{
	while (p && p->used == p->room)
		p = p->more;
	return p;
}

/* ---- Finding ---- */

/* What names the entry of that object: *page is set. NULL: none. */
static uint8_t *map_link(const cairn_gc_map *map, const void *object, uint64_t hash, cairn_gc_map_page **page)
{
	for (cairn_gc_map_page *p = map->pages[map_slot(map, hash)]; p; p = p->more) {
		const cairn_gc_entry *entries = map_entries(p);
		uint8_t *next = map_next(p);
		for (uint8_t *link = map_head(p, hash); *link; link = &next[*link - 1]) {
			if (entries[*link - 1].object == (uintptr_t)object) {
				*page = p;
				return link;
			}
		}
	}
	return NULL;
}

cairn_gc_entry *cairn_gc_map_find(const cairn_gc_map *map, const void *object, uint64_t hash)
{
	cairn_gc_map_page *p;
	uint8_t *link = map_link(map, object, hash, &p);
	return link ? &map_entries(p)[*link - 1] : NULL;
}

static void map_count(cairn_gc_map *map, size_t count)
{
	__atomic_store_n(&map->count, count, __ATOMIC_RELAXED); /* relaxed: who has no lock wants a number */
}

bool cairn_gc_map_remove(cairn_gc_map *map, const void *object, uint64_t hash)
{
	cairn_gc_map_page *p;
	uint8_t *link = map_link(map, object, hash, &p);
	if (!link)
		return false;
	map_page_remove(p, link);
	map_count(map, map->count - 1);
	return true;
}

/* ---- Growing ---- */

/* Moves every entry of a chain whose hash has that bit, or every one where bit is 0, to another; that has room. */
static void map_move(cairn_gc_map_page *from, cairn_gc_map_page *to, uint64_t bit)
{
	for (; from; from = from->more) {
		for (unsigned bucket = 0; bucket < 1u << map_shapes[from->shape].bucket_bits; bucket++) {
			uint8_t *link = &map_heads(from)[bucket];
			while (*link) {
				cairn_gc_entry e = map_entries(from)[*link - 1];
				uint64_t hash = cairn_gc_hash_of((void *)e.object);
				if (bit && !(hash & bit)) {
					link = &map_next(from)[*link - 1];
					continue;
				}
				map_page_remove(from, link);
				map_page_add(map_with_room(to), e.object, hash)->value = e.value;
			}
		}
	}
}

/* The map's one page is replaced by a larger one. */
static bool map_enlarge(cairn_gc_heap *h, cairn_gc_map *map)
{
	cairn_gc_map_page *small = map->only, *p = map_new_page(h, map, small ? small->shape + 1 : 0, 0);
	if (!p)
		return false;
	if (small) {
		map_move(small, p, 0);
		map_free_page(h, map, small);
	}
	map->only = p;
	return true;
}

static bool map_set_bits(cairn_gc_heap *h, cairn_gc_map *map, unsigned bits)
{
	size_t slots = (size_t)1 << bits, bytes = slots * sizeof *map->pages, was = map->bits ? map_slots(map) : 0;
	cairn_gc_map_page **pages = &map->only;
	if (bits) {
		bool is_more = bits > map->bits;
		pages = !is_more || cairn_gc_may_hold(h, bytes) ? cairn_gc_meta_alloc(h, bytes) : NULL;
		if (!pages)
			return false;
		map->bytes += bytes;
	}
	for (size_t i = 0; i < slots; i++)
		pages[i] = map->pages[bits > map->bits ? i >> (bits - map->bits) : i << (map->bits - bits)];
	if (map->bits) {
		map->bytes -= was * sizeof *map->pages;
		cairn_gc_meta_free(h, map->pages, was * sizeof *map->pages);
	}
	map->pages = pages;
	map->bits = bits;
	return true;
}

/* How many entries of a chain have that bit in their hash; *all is how many there are. */
static size_t map_count_bit(const cairn_gc_map_page *p, uint64_t bit, size_t *all)
{
	size_t n = 0;
	for (*all = 0; p; p = p->more) {
		const cairn_gc_entry *e = map_entries(p);
		for (unsigned i = 0; i < p->filled; i++)
			n += e[i].object && cairn_gc_hash_of((void *)e[i].object) & bit;
		*all += p->used;
	}
	return n;
}

static cairn_gc_map_page *map_new_chain(cairn_gc_heap *h, cairn_gc_map *map, size_t entries, uint8_t depth)
{
	cairn_gc_map_page *chain = NULL;
	size_t room = 0;
	do {
		cairn_gc_map_page *p = map_new_page(h, map, MAP_SHAPE_LAST, depth);
		if (!p) {
			map_free_chain(h, map, chain);
			return NULL;
		}
		p->more = chain;
		chain = p;
		room += p->room;
	} while (room < entries);
	return chain;
}

static void map_drop_empty(cairn_gc_heap *h, cairn_gc_map *map, cairn_gc_map_page *first)
{
	for (cairn_gc_map_page **at = &first->more, *p; (p = *at);) {
		if (p->used) {
			at = &p->more;
			continue;
		}
		*at = p->more;
		map_free_page(h, map, p);
	}
}

/* The page at a slot, and what is behind it, becomes two by its hashes' next bit. False: no memory. */
static bool map_split(cairn_gc_heap *h, cairn_gc_map *map, uint64_t hash, size_t leaving, uint64_t bit)
{
	cairn_gc_map_page *p = map->pages[map_slot(map, hash)];
	cairn_gc_map_page *other = map_new_chain(h, map, leaving, (uint8_t)(p->depth + 1));
	if (!other)
		return false;
	if (p->depth == map->bits && !map_set_bits(h, map, map->bits + 1)) {
		map_free_chain(h, map, other);
		return false;
	}
	size_t stride = map_stride(map, p), first = map_slot(map, hash) & ~(stride - 1);
	for (size_t i = stride / 2; i < stride; i++)
		map->pages[first + i] = other;
	p->depth++;
	map_move(p, other, bit);
	map_drop_empty(h, map, p);
	return true;
}

/* No page for that hash has room: makes some. */
static bool map_make_room(cairn_gc_heap *h, cairn_gc_map *map, uint64_t hash)
{
	cairn_gc_map_page *p = map->pages[map_slot(map, hash)];
	if (!p || p->shape < MAP_SHAPE_LAST)
		return map_enlarge(h, map);
	uint64_t bit = UINT64_C(1) << (63 - p->depth);
	size_t all, leaving = map_count_bit(p, bit, &all);
	bool has_slots = p->depth < map->bits || (map->bits < MAP_BITS_MAX && map_slots(map) < 4 * map->page_count);
	if (leaving && leaving < all && has_slots)
		return map_split(h, map, hash, leaving, bit);
	cairn_gc_map_page *more = map_new_page(h, map, MAP_SHAPE_LAST, 0);
	if (!more)
		return false;
	more->more = p->more;
	p->more = more;
	return true;
}

cairn_gc_entry *cairn_gc_map_add(cairn_gc_heap *h, cairn_gc_map *map, void *object, uint64_t hash)
{
	cairn_gc_map_page *p;
	while (!(p = map_with_room(map->pages[map_slot(map, hash)])))
		if (!map_make_room(h, map, hash))
			return NULL;
	map_count(map, map->count + 1);
	return map_page_add(p, (uintptr_t)object, hash);
}

/* ---- All of it ---- */

void cairn_gc_map_init(cairn_gc_map *map)
{
	*map = (cairn_gc_map){ 0 };
	map->pages = &map->only;
}

void cairn_gc_map_close(cairn_gc_heap *h, cairn_gc_map *map)
{
	for (size_t i = 0, stride; i < map_slots(map) && map->pages[i]; i += stride) {
		stride = map_stride(map, map->pages[i]);
		map_free_chain(h, map, map->pages[i]);
	}
	if (map->bits)
		cairn_gc_meta_free(h, map->pages, map_slots(map) * sizeof *map->pages);
	cairn_gc_map_init(map);
}

/* Asks for what will be read of a page's objects: they lie anywhere. */
static void map_prefetch(const cairn_gc_map_page *p)
{
	const cairn_gc_entry *e = map_entries(p);
	for (unsigned i = 0; i < p->filled; i++) {
		if (!e[i].object)
			continue;
		__builtin_prefetch(cairn_gc_header_at((void *)e[i].object));
		__builtin_prefetch(cairn_gc_byte_of((void *)e[i].object));
	}
}

void cairn_gc_map_each(cairn_gc_map *map, void (*visit)(void *arg, cairn_gc_entry *e), void *arg)
{
	for (size_t i = 0; i < map_slots(map) && map->pages[i]; i += map_stride(map, map->pages[i])) {
		for (cairn_gc_map_page *p = map->pages[i]; p; p = p->more) {
			cairn_gc_entry *e = map_entries(p);
			map_prefetch(p);
			for (unsigned n = 0; n < p->filled; n++)
				if (e[n].object)
					visit(arg, &e[n]);
		}
	}
}

static size_t map_prune_page(cairn_gc_map_page *p, bool (*stays)(void *arg, cairn_gc_entry *e), void *arg)
{
	uint8_t before = p->used, *next = map_next(p);
	for (unsigned bucket = 0; bucket < 1u << map_shapes[p->shape].bucket_bits; bucket++) {
		for (uint8_t *link = &map_heads(p)[bucket]; *link;) {
			if (stays(arg, &map_entries(p)[*link - 1]))
				link = &next[*link - 1];
			else
				map_page_remove(p, link);
		}
	}
	return (size_t)(before - p->used);
}

/* Entries keep their bucket, so no hash is needed. */
static void map_join(cairn_gc_heap *h, cairn_gc_map *map, size_t slot, cairn_gc_map_page *to, cairn_gc_map_page *from)
{
	size_t stride = map_stride(map, from);
	for (unsigned bucket = 0; bucket < 1u << map_shapes[from->shape].bucket_bits; bucket++) {
		for (uint8_t n = map_heads(from)[bucket]; n; n = map_next(from)[n - 1]) {
			const cairn_gc_entry *e = &map_entries(from)[n - 1];
			map_page_add(to, e->object, bucket)->value = e->value;
		}
	}
	for (size_t i = 0; i < stride; i++)
		map->pages[slot + i] = to;
	to->depth--;
	map_free_page(h, map, from);
}

/* Puts neighbours that are nearly empty together. True: some were. */
static bool map_join_all(cairn_gc_heap *h, cairn_gc_map *map)
{
	bool has_joined = false;
	for (size_t i = 0; i < map_slots(map);) {
		cairn_gc_map_page *p = map->pages[i];
		size_t stride = map_stride(map, p);
		cairn_gc_map_page *other = p->depth && !(i & stride) ? map->pages[i + stride] : NULL;
		bool fits = other && other->depth == p->depth && !p->more && !other->more;
		if (fits && p->used + other->used <= p->room / 2) {
			map_join(h, map, i + stride, p, other);
			has_joined = true;
		}
		i += map_stride(map, p);
	}
	return has_joined;
}

static unsigned map_deepest(const cairn_gc_map *map)
{
	unsigned deepest = 0;
	for (size_t i = 0; i < map_slots(map) && map->pages[i]; i += map_stride(map, map->pages[i]))
		deepest = map->pages[i]->depth > deepest ? map->pages[i]->depth : deepest;
	return deepest;
}

bool cairn_gc_map_is_sparse(const cairn_gc_map *map)
{
	return map->count < map->page_count * MAP_SPARSE && (map->bits || !map->count);
}

static void map_shrink(cairn_gc_heap *h, cairn_gc_map *map)
{
	while (map->bits && cairn_gc_map_is_sparse(map) && map_join_all(h, map))
		;
	unsigned deepest = map_deepest(map);
	if (deepest + 1 < map->bits || (!deepest && map->bits))
		map_set_bits(h, map, deepest); /* refused: it stays as it is */
	if (!map->count && !map->bits) {
		map_free_chain(h, map, map->only);
		map->only = NULL;
	}
}

size_t cairn_gc_map_prune(cairn_gc_heap *h, cairn_gc_map *map, bool (*stays)(void *arg, cairn_gc_entry *e), void *arg)
{
	size_t gone = 0;
	for (size_t i = 0; i < map_slots(map) && map->pages[i]; i += map_stride(map, map->pages[i])) {
		for (cairn_gc_map_page *p = map->pages[i]; p; p = p->more)
			gone += map_prune_page(p, stays, arg);
		map_drop_empty(h, map, map->pages[i]);
	}
	map_count(map, map->count - gone);
	map_shrink(h, map);
	return gone;
}

/* ---- Validation ---- */

/* (GM1) for a page, and its counts; how many entries it has. */
static size_t map_validate_page(const cairn_gc_map *map, const cairn_gc_map_page *p, size_t slot)
{
	size_t n = 0;
	for (unsigned bucket = 0; bucket < 1u << map_shapes[p->shape].bucket_bits; bucket++) {
		for (uint8_t *link = &map_heads(p)[bucket]; *link; link = &map_next(p)[*link - 1], n++) {
			void *object = (void *)map_entries(p)[*link - 1].object;
			cairn_assert(*link <= p->filled && cairn_gc_is_hashed(object));
			uint64_t hash = cairn_gc_hash_of(object);
			cairn_assert(map_head(p, hash) == &map_heads(p)[bucket]);
			cairn_assert(map->pages[map_slot(map, hash)] == map->pages[slot]);
			cairn_gc_map_page *page;
			cairn_assert(map_link(map, object, hash, &page) == link);
		}
	}
	cairn_assert(n == p->used && p->filled <= p->room && p->room == map_shapes[p->shape].room);
	return n;
}

void cairn_gc_map_validate(const cairn_gc_map *map)
{
	size_t count = 0, pages = 0, bytes = map->bits ? map_slots(map) * sizeof *map->pages : 0;
	for (size_t i = 0, stride; i < map_slots(map) && map->pages[i]; i += stride) {
		const cairn_gc_map_page *first = map->pages[i];
		cairn_assert(first->depth <= map->bits);
		stride = map_stride(map, first);
		cairn_assert(i % stride == 0);
		for (size_t s = 0; s < stride; s++)
			cairn_assert(map->pages[i + s] == first);
		for (const cairn_gc_map_page *p = first; p; p = p->more, pages++) {
			count += map_validate_page(map, p, i);
			bytes += map_shapes[p->shape].bytes;
		}
	}
	cairn_assert(count == map->count && pages == map->page_count && bytes == map->bytes);
}
