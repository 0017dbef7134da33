/* gc/external.c - bytes outside the heap that live as long as an object: buffers that never move, for the kernel and
 * for other libraries, which go when the object does, and count against its heap until then.
 *
 *   up to 8 KiB   a record's memory, a power of two (os/meta.h)
 *   larger        a span of the page heap, of kind CAIRN_SPAN_MANAGED_EXTERNAL
 *
 * They are found by a map from objects to external_memory. An object whose drop is due keeps them until that has run.
 *
 * Lock: the deaths'. Failure: NULL, nothing changed. (GD3) is checked by cairn_gc_externals_validate(). */
#include "base/assert.h"
#include "gc/hash.h"
#include "gc/managed.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <string.h>

enum { EXTERNAL_LEAST = 16, EXTERNAL_RECORD_MOST = 8 * 1024, EXTERNAL_DEAD = 1 /* in an entry's object */ };

typedef struct external_memory { /* sync: deaths lock */
	void *memory;
	size_t asked, bytes; /* bytes: that it takes */
	cairn_span *span;    /* NULL: of os/meta */
} external_memory;

/* Bytes that so many take; 0: too many. */
static size_t external_takes(size_t bytes)
{
	if (bytes <= EXTERNAL_LEAST)
		return EXTERNAL_LEAST;
	if (bytes <= EXTERNAL_RECORD_MOST)
		return (size_t)2 << cairn_log2(bytes - 1);
	return bytes <= PTRDIFF_MAX ? cairn_granules_for(bytes) << CAIRN_GRANULE_SHIFT : 0;
}

/* Memory for e->bytes. By who is calm. */
static bool external_get(external_memory *e, bool *is_zero)
{
	if (e->bytes <= EXTERNAL_RECORD_MOST) {
		e->memory = cairn_meta_alloc(e->bytes);
	} else {
		e->span = cairn_pageheap_alloc(
			e->bytes >> CAIRN_GRANULE_SHIFT, 1, CAIRN_SPAN_MANAGED_EXTERNAL, is_zero);
		if (e->span && !cairn_window_open_pages(e->span->base, e->bytes)) {
			cairn_pageheap_free(e->span, e->bytes >> CAIRN_GRANULE_SHIFT, e->bytes >> CAIRN_GRANULE_SHIFT);
			e->span = NULL;
		}
		e->memory = e->span ? e->span->base : NULL;
		if (e->span)
			e->span->large_granules = e->bytes >> CAIRN_GRANULE_SHIFT; /* for who walks spans */
	}
	return e->memory;
}

/* Counts so many before they are had: two threads do not both pass where there is room for one. */
static bool external_reserve(cairn_gc_heap *h, size_t bytes)
{
	size_t now = __atomic_load_n(&h->deaths.external_bytes, __ATOMIC_RELAXED); /* relaxed, both: a figure */
	do {
		if (!cairn_gc_may_hold(h, bytes + sizeof(external_memory)))
			return false;
	} while (!__atomic_compare_exchange_n(
		&h->deaths.external_bytes, &now, now + bytes, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static void external_count(cairn_gc_heap *h, ptrdiff_t bytes)
{
	__atomic_fetch_add(&h->deaths.external_bytes, (size_t)bytes, __ATOMIC_RELAXED); /* relaxed: a figure */
}

/* Gives the memory and the record back. By who is calm. */
static void external_release_calm(cairn_gc_heap *h, external_memory *e)
{
	if (e->span) {
		size_t granules = e->bytes >> CAIRN_GRANULE_SHIFT;
		cairn_pageheap_free(e->span, granules, granules);
	} else if (e->memory) {
		cairn_meta_free(e->memory, e->bytes);
	}
	cairn_gc_meta_free_calm(h, e, sizeof *e);
}

static void external_release(cairn_gc_heap *h, external_memory *e)
{
	uint64_t before = cairn_gc_calm();
	external_release_calm(h, e);
	cairn_gc_uncalm(before);
}

/* A record with memory that is zeroed, or NULL. */
static external_memory *external_make(cairn_gc_heap *h, size_t n, size_t bytes)
{
	bool is_zero = true;
	uint64_t before = cairn_gc_calm();
	external_memory *e = cairn_gc_meta_alloc_calm(h, sizeof *e);
	if (e) {
		e->asked = n;
		e->bytes = bytes;
		if (!external_get(e, &is_zero)) {
			external_release_calm(h, e);
			e = NULL;
		}
	}
	cairn_gc_uncalm(before);
	if (e && !is_zero)
		memset(e->memory, 0, e->bytes);
	return e;
}

/* Enters e for object; the lock is taken. False: it has one, or no memory. */
static bool external_enter(cairn_gc_heap *h, void *object, uint64_t hash, external_memory *e)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	bool has_one = cairn_gc_map_find(&d->externals, object, hash);
	cairn_gc_entry *entry = has_one ? NULL : cairn_gc_map_add(h, &d->externals, object, hash);
	if (entry)
		entry->value = (uintptr_t)e;
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return entry;
}

/* NULL: no memory as it is. */
static void *external_try(cairn_gc_mutator *m, void *object, size_t n, size_t bytes)
{
	cairn_gc_heap *h = cairn_gc_heap_of(m);
	if (!external_reserve(h, bytes))
		return NULL;
	external_memory *e = external_make(h, n, bytes);
	if (e) {
		uint64_t hash = cairn_gc_hash(m, object);
		cairn_gc_header_set(object, CAIRN_GC_LISTED);
		if (external_enter(h, object, hash, e))
			return e->memory;
		external_release(h, e);
	}
	external_count(h, -(ptrdiff_t)bytes);
	return NULL;
}

/* Collects, twice at most. */
static void *external_new(cairn_gc_mutator *m, void *object, size_t n)
{
	cairn_gc_heap *h = cairn_gc_heap_of(m);
	size_t bytes = external_takes(n);
	size_t most = __atomic_load_n(&h->sizing.max, __ATOMIC_RELAXED); /* relaxed: a bound, of some moment */
	if (!bytes || bytes > most || cairn_gc_external_of(m, object, NULL))
		return NULL;
	if (!cairn_gc_may_grow(h, bytes))
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	void *memory = external_try(m, object, n, bytes);
	if (memory)
		return memory;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_LIMIT);
	memory = external_try(m, object, n, bytes);
	while (!memory && cairn_gc_sizing_cuts(h, true))
		memory = external_try(m, object, n, bytes);
	return memory;
}

void *cairn_gc_external(cairn_gc_mutator *m, void *object, size_t n)
{
	cairn_gc_must_be_object(cairn_gc_heap_of(m), object, "cairn_gc_external: no object of this heap");
	/* the collection that this may need must neither take nor move who is to have the bytes */
	if (!cairn_gc_heap_of(m)->config.exact_roots) {
		void *memory = external_new(m, object, n);
		cairn_gc_keep(object);
		return memory;
	}
	if (!cairn_gc_pin(m, object))
		return NULL;
	void *memory = external_new(m, object, n);
	cairn_gc_unpin(m, object);
	return memory;
}

void *cairn_gc_external_of(cairn_gc_mutator *m, const void *object, size_t *n)
{
	cairn_gc_deaths *d = &cairn_gc_heap_of(m)->deaths;
	external_memory *e = NULL;
	if (cairn_gc_is_hashed(object)) {
		uint64_t hash = cairn_gc_hash_of((void *)object);
		cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
		cairn_gc_entry *entry = cairn_gc_map_find(&d->externals, object, hash);
		e = entry ? (external_memory *)entry->value : NULL;
		cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	}
	if (n)
		*n = e ? e->asked : 0;
	return e ? e->memory : NULL;
}

void cairn_gc_external_add(cairn_gc_mutator *m, ptrdiff_t bytes)
{
	__atomic_fetch_add(&cairn_gc_heap_of(m)->sizing.foreign, bytes, __ATOMIC_RELAXED); /* relaxed: a figure */
}

/* ---- For the deaths ---- */

void cairn_gc_external_forget(cairn_gc_heap *h, void *object)
{
	uint64_t hash = cairn_gc_hash_of(object);
	cairn_gc_entry *entry = cairn_gc_map_find(&h->deaths.externals, object, hash);
	if (!entry)
		return;
	external_memory *e = (external_memory *)entry->value;
	cairn_gc_map_remove(&h->deaths.externals, object, hash);
	external_count(h, -(ptrdiff_t)e->bytes);
	external_release(h, e);
}

typedef struct external_look {
	cairn_gc_heap *h;
	bool has_dead;
} external_look;

/* Of who is not reached: released, and marked. */
static void external_mark(void *arg, cairn_gc_entry *entry)
{
	external_look *look = arg;
	void *there = cairn_gc_reached(look->h, (void *)entry->object);
	if (there) {
		entry->object = (uintptr_t)there;
		return;
	}
	external_memory *e = (external_memory *)entry->value;
	entry->object |= EXTERNAL_DEAD;
	look->has_dead = true;
	external_count(look->h, -(ptrdiff_t)e->bytes);
	external_release_calm(look->h, e);
}

static bool external_stays(void *arg, cairn_gc_entry *entry)
{
	(void)arg;
	return !(entry->object & EXTERNAL_DEAD);
}

void cairn_gc_externals_prune(cairn_gc_heap *h)
{
	external_look look = { h, false };
	uint64_t before = cairn_gc_calm();
	cairn_gc_map_each(&h->deaths.externals, external_mark, &look);
	cairn_gc_uncalm(before);
	if (look.has_dead)
		cairn_gc_map_prune(h, &h->deaths.externals, external_stays, NULL);
}

typedef struct external_call {
	void (*visit)(void *arg, uintptr_t *word);
	void *arg;
} external_call;

static void external_visit(void *arg, cairn_gc_entry *entry)
{
	const external_call *c = arg;
	c->visit(c->arg, &entry->object);
}

void cairn_gc_externals_each_word(cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	external_call c = { visit, arg };
	cairn_gc_map_each(&h->deaths.externals, external_visit, &c);
}

static void external_close_one(void *arg, cairn_gc_entry *entry)
{
	external_release_calm(arg, (external_memory *)entry->value);
}

void cairn_gc_externals_close(cairn_gc_heap *h)
{
	uint64_t before = cairn_gc_calm();
	cairn_gc_map_each(&h->deaths.externals, external_close_one, h);
	cairn_gc_uncalm(before);
	cairn_gc_map_close(h, &h->deaths.externals);
	h->deaths.external_bytes = 0;
}

typedef struct external_sum {
	cairn_gc_heap *h;
	size_t bytes;
} external_sum;

static void external_validate(void *arg, cairn_gc_entry *entry)
{
	external_sum *sum = arg;
	const external_memory *e = (const external_memory *)entry->value;
	cairn_assert(cairn_gc_object_at(sum->h, entry->object) == (void *)entry->object);
	cairn_assert(cairn_gc_header_of((void *)entry->object) & CAIRN_GC_LISTED);
	cairn_assert(e->bytes == external_takes(e->asked));
	cairn_assert(!e->span || e->span->kind == CAIRN_SPAN_MANAGED_EXTERNAL);
	sum->bytes += e->bytes;
}

void cairn_gc_externals_validate(cairn_gc_heap *h)
{
	external_sum sum = { h, 0 };
	cairn_gc_map_each(&h->deaths.externals, external_validate, &sum);
	cairn_assert(sum.bytes == h->deaths.external_bytes); /* GD3 */
	cairn_gc_map_validate(&h->deaths.externals);
}
