/* gc/fields.c - stores to fields that are more than a store: the barrier's slow half, and those that are not inline.
 *
 * Every way to change a field of an object comes here, or through cairn_gc_store_ in cairn/gc.h, which asks the same
 * question. There is no safepoint in any of them: between a barrier and its store nothing may stop the thread.
 *
 * (GF1) A field's change and field_told are one step, between shadow_enter and shadow_leave: checked by the shadow of
 * stores (gc/zeal.h). */
#include "gc/managed.h"

#include <string.h>

static bool is_watched(const cairn_gc_mutator *m, const void *object)
{
	return object ? m->barrier & cairn_gc_header_of(object) : m->barrier != CAIRN_GC_BARRIER_NONE;
}

/* The store that is about to be made. */
static void field_told(cairn_gc_mutator *m, void *object, uintptr_t *field, uintptr_t value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	if (h->plan->has_young && object)
		cairn_gc_young_store(h, object, field);
	if (h->zeal.shadows)
		cairn_gc_shadow_store(h, object, field, value);
}

/* The shadow of a store and the store are one step, for two threads may store to one field. */
void cairn_gc_store_slow_(cairn_gc_mutator *m, void *object, uintptr_t *field, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_shadow_enter(h);
	field_told(m, object, field, (uintptr_t)value);
	cairn_gc_zeal_delay(h); /* told, and not stored */
	__atomic_store_n(field, (uintptr_t)value, __ATOMIC_RELEASE); /* publishes the referent */
	cairn_gc_shadow_leave(h);
}

bool cairn_gc_cas_(cairn_gc_mutator *m, void *object, uintptr_t *field, void *expected, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	uintptr_t was = (uintptr_t)expected;
	cairn_gc_shadow_enter(h);
	bool is_done = __atomic_compare_exchange_n(
		field, &was, (uintptr_t)value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	if (is_done && is_watched(m, object))
		field_told(m, object, field, (uintptr_t)value);
	cairn_gc_shadow_leave(h);
	return is_done;
}

void *cairn_gc_swap_(cairn_gc_mutator *m, void *object, uintptr_t *field, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_shadow_enter(h);
	if (is_watched(m, object))
		field_told(m, object, field, (uintptr_t)value);
	uintptr_t was = __atomic_exchange_n(field, (uintptr_t)value, __ATOMIC_SEQ_CST);
	cairn_gc_shadow_leave(h);
	return (void *)was;
}

void cairn_gc_copy_(cairn_gc_mutator *m, void *object, uintptr_t *to, const uintptr_t *from, size_t n)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	bool is_backwards = to > from && to < from + n;
	cairn_gc_shadow_enter(h);
	for (size_t i = 0; i < n; i++) {
		size_t at = is_backwards ? n - 1 - i : i;
		uintptr_t value = __atomic_load_n(&from[at], __ATOMIC_RELAXED); /* as cairn_gc_get */
		if (is_watched(m, object))
			field_told(m, object, &to[at], value);
		__atomic_store_n(&to[at], value, __ATOMIC_RELEASE); /* as cairn_gc_set */
	}
	cairn_gc_shadow_leave(h);
}
