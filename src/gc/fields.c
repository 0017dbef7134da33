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
static void field_told(cairn_gc_mutator *m, void *object, void *field, uintptr_t value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	if (h->plan->has_young && object)
		cairn_gc_young_store(h, object, field);
	if (h->zeal.shadows)
		cairn_gc_shadow_store(h, object, field, value);
}

/* release: publishes the referent */
static void field_store(const cairn_gc_heap *h, void *field, uintptr_t value)
{
	if (h->is_compressed)
		__atomic_store_n((uint32_t *)field, cairn_gc_slot_compress(value), __ATOMIC_RELEASE);
	else
		__atomic_store_n((uintptr_t *)field, value, __ATOMIC_RELEASE);
}

/* The shadow of a store and the store are one step, for two threads may store to one field. */
void cairn_gc_store_slow_(cairn_gc_mutator *m, void *object, void *field, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_shadow_enter(h);
	field_told(m, object, field, (uintptr_t)value);
	cairn_gc_zeal_delay(h); /* told, and not stored */
	field_store(h, field, (uintptr_t)value);
	cairn_gc_shadow_leave(h);
}

void cairn_gc_store_word(cairn_gc_mutator *m, uintptr_t *word, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_shadow_enter(h);
	if (is_watched(m, NULL))
		field_told(m, NULL, word, (uintptr_t)value);
	__atomic_store_n(word, (uintptr_t)value, __ATOMIC_RELEASE); /* publishes the referent */
	cairn_gc_shadow_leave(h);
}

static bool field_exchange(const cairn_gc_heap *h, void *field, uintptr_t was, uintptr_t value)
{
	uint32_t slot = cairn_gc_slot_compress(was);
	if (h->is_compressed)
		return __atomic_compare_exchange_n((uint32_t *)field, &slot, cairn_gc_slot_compress(value), false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n(
		(uintptr_t *)field, &was, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool cairn_gc_cas_(cairn_gc_mutator *m, void *object, void *field, void *expected, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_shadow_enter(h);
	bool is_done = field_exchange(h, field, (uintptr_t)expected, (uintptr_t)value);
	if (is_done && is_watched(m, object))
		field_told(m, object, field, (uintptr_t)value);
	cairn_gc_shadow_leave(h);
	return is_done;
}

void *cairn_gc_swap_(cairn_gc_mutator *m, void *object, void *field, void *value)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	uintptr_t to = (uintptr_t)value, was;
	cairn_gc_shadow_enter(h);
	if (is_watched(m, object))
		field_told(m, object, field, to);
	if (h->is_compressed)
		was = cairn_gc_slot_expand(
			__atomic_exchange_n((uint32_t *)field, cairn_gc_slot_compress(to), __ATOMIC_SEQ_CST));
	else
		was = __atomic_exchange_n((uintptr_t *)field, to, __ATOMIC_SEQ_CST);
	cairn_gc_shadow_leave(h);
	return (void *)was;
}

static uintptr_t field_load(const cairn_gc_heap *h, const void *field)
{
	if (h->is_compressed) /* relaxed, both: as cairn_gc_get */
		return cairn_gc_slot_expand(__atomic_load_n((const uint32_t *)field, __ATOMIC_RELAXED));
	return __atomic_load_n((const uintptr_t *)field, __ATOMIC_RELAXED);
}

void cairn_gc_copy_(cairn_gc_mutator *m, void *object, void *to, const void *from, size_t n)
{
	cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	size_t bytes = n * cairn_gc_slot_bytes(h->is_compressed);
	bool is_backwards = (char *)to > (const char *)from && (char *)to < (const char *)from + bytes;
	cairn_gc_shadow_enter(h);
	for (size_t i = 0; i < n; i++) {
		size_t at = is_backwards ? n - 1 - i : i;
		void *field = cairn_gc_slot_at(to, at, h->is_compressed);
		uintptr_t value = field_load(h, cairn_gc_slot_at(from, at, h->is_compressed));
		if (is_watched(m, object))
			field_told(m, object, field, value);
		field_store(h, field, value);
	}
	cairn_gc_shadow_leave(h);
}
