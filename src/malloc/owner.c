/* malloc/owner.c - what lies at an address (cairn/stats.h).
 *
 * From the page map down, as a free would go, but with the heap held still, so that any address can be asked for and
 * none is read. It takes every lock, some microseconds: for reports, debuggers and tests.
 *
 * Locks: malloc/still.h's, then the page heap's. Failure: CAIRN_OWNER_UNKNOWN in a signal handler that interrupted
 * malloc. */
#include <cairn/stats.h>

#include "malloc/emergency.h"
#include "malloc/slabpurge.h"
#include "malloc/still.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"

typedef struct slot_search {
	const char *slot;
	unsigned size_class;
	bool is_found;
} slot_search;

static void search_magazine(cairn_cache *c, void *arg)
{
	slot_search *search = arg;
	void **top, **at = cairn_still_magazine(c, search->size_class, &top);
	for (; at < top && !search->is_found; at++)
		search->is_found = *at == search->slot;
}

static void own_slot(cairn_owner *o, const cairn_span *s, const char *p)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	size_t i = cairn_class_index(k, (size_t)(p - s->base));
	slot_search search = { s->base + i * k->bytes, s->size_class, false };
	if (i >= k->capacity)
		return; /* behind the last slot */
	o->start = s->base + i * k->bytes;
	o->usable_bytes = k->bytes;
	o->size_class = s->size_class;
	if (cairn_bit_get(s->free_bits, i) || cairn_slab_slot_touches(s, i, cairn_slabpurge_held_pages(s))) {
		o->kind = CAIRN_OWNER_FREE_SLOT;
		return;
	}
	if (s->kind == CAIRN_SPAN_SLAB)
		cairn_threads_visit_held(search_magazine, &search);
	o->kind = s->kind == CAIRN_SPAN_HEAP ? CAIRN_OWNER_HEAP
		  : search.is_found          ? CAIRN_OWNER_CACHED
					     : CAIRN_OWNER_SMALL;
}

static void own_large(cairn_owner *o, const cairn_span *s, const char *p)
{
	size_t bytes = __atomic_load_n(&s->large_bytes, __ATOMIC_RELAXED); /* see large.c */
	if ((size_t)(p - s->base) >= bytes)
		return; /* room that the span has behind its block */
	o->kind = s->kind == CAIRN_SPAN_LARGE  ? CAIRN_OWNER_LARGE
		  : s->kind == CAIRN_SPAN_KEPT ? CAIRN_OWNER_KEPT
					       : CAIRN_OWNER_HEAP;
	o->start = s->base;
	o->usable_bytes = bytes;
}

static void own(cairn_owner *o, const char *p)
{
	cairn_span *s = cairn_window_span((uintptr_t)p);
	bool is_slab = s && (s->kind == CAIRN_SPAN_SLAB || s->kind == CAIRN_SPAN_HEAP);
	if (cairn_window_is_reserved((uintptr_t)p))
		o->kind = CAIRN_OWNER_FREE;
	else if (cairn_window_maps_have((uintptr_t)p) || cairn_threads_own(p) || cairn_meta_owns(p) ||
		 cairn_emergency_owns(p))
		o->kind = CAIRN_OWNER_RECORDS;
	else
		return;
	if (!s || o->kind != CAIRN_OWNER_FREE)
		return;
	if (cairn_span_is_managed(s->kind))
		o->kind = CAIRN_OWNER_MANAGED;
	else if (is_slab)
		own_slot(o, s, p);
	else
		own_large(o, s, p);
	if (s->kind == CAIRN_SPAN_HEAP || s->kind == CAIRN_SPAN_HEAP_LARGE)
		o->heap = s->heap;
}

cairn_owner cairn_owner_of(const void *p)
{
	cairn_owner o = { .kind = CAIRN_OWNER_UNKNOWN };
	cairn_cache *c;
	if (!cairn_still_begin(&c))
		return o;
	o.kind = CAIRN_OWNER_NONE;
	cairn_pageheap_lock();
	own(&o, p);
	cairn_pageheap_unlock();
	cairn_still_end(c);
	return o;
}
