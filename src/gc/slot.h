/* gc/slot.h - a word that refers to an object: an address, or, compressed, what the window leaves of it.
 *
 *   window    32 GiB, aligned to that, reserved when the first heap is opened whose references are compressed; the
 *             slabs of all such heaps lie in it (page/pageheap.h); no object begins with it, for a slab's record does
 *   slot      4 bytes: (address - window) / 8; 0: NULL. Of other heaps: 8 bytes, the address
 *
 * A heap is of one kind, and so is every type that has references. Slots are the cairn_refs of objects and of exact
 * roots. All other words that hold an address (handles, records, what moved objects left, stacks) are addresses always.
 * What scans many objects is compiled for each kind (gc/trace.c); what does not asks by these functions.
 *
 * Invariant: (GW7) a slot of a compressed heap holds 0 or an object's address in the window: cairn_gc_verify.
 * Threads and failure: as of who reads a field. Not here: opening the window (gc/managed.c). */
#ifndef CAIRN_GC_SLOT_H
#define CAIRN_GC_SLOT_H

#include "base/bits.h"
#include "gc/object.h"

enum { CAIRN_GC_SLOT_SHIFT = 3, CAIRN_GC_MEANINGS = 3 };
#define CAIRN_GC_WINDOW_BYTES ((size_t)32 << 30)

/* Where it begins; 0: none yet. sync: atomic, relaxed: who has a compressed heap has seen it. */
extern uintptr_t cairn_gc_window;

static inline size_t cairn_gc_slot_bytes(bool is_compressed)
{
	return is_compressed ? sizeof(uint32_t) : sizeof(uintptr_t);
}

static inline uintptr_t cairn_gc_slot_expand(uint32_t slot)
{
	return slot ? cairn_gc_window + ((uintptr_t)slot << CAIRN_GC_SLOT_SHIFT) : 0;
}
static inline uint32_t cairn_gc_slot_compress(uintptr_t object) { return (uint32_t)(object >> CAIRN_GC_SLOT_SHIFT); }

static inline __attribute__((always_inline)) uintptr_t cairn_gc_slot_get(const void *slot, bool is_compressed)
{
	return is_compressed ? cairn_gc_slot_expand(*(const uint32_t *)slot) : *(const uintptr_t *)slot;
}

static inline __attribute__((always_inline)) void cairn_gc_slot_set(void *slot, uintptr_t object, bool is_compressed)
{
	if (is_compressed)
		*(uint32_t *)slot = cairn_gc_slot_compress(object);
	else
		*(uintptr_t *)slot = object;
}

/* Beside others, who may read it, and what it refers to, without having claimed that: release, publishes the object's
 * header and the byte about it; pairs with the address that is read. */
static inline __attribute__((always_inline)) void cairn_gc_slot_publish(
	void *slot, uintptr_t object, bool is_compressed)
{
	if (is_compressed)
		__atomic_store_n((uint32_t *)slot, cairn_gc_slot_compress(object), __ATOMIC_RELEASE);
	else
		__atomic_store_n((uintptr_t *)slot, object, __ATOMIC_RELEASE);
}

/* The i-th of those that lie from `first` on. */
static inline __attribute__((always_inline)) void *cairn_gc_slot_at(const void *first, size_t i, bool is_compressed)
{
	return (char *)first + i * cairn_gc_slot_bytes(is_compressed);
}

/* What a word of a CONSERVATIVE object may mean: an address; in a compressed heap also that each half of it is a slot,
 * which refers to an object's start alone. How many meanings there are, the address first. */
static inline unsigned cairn_gc_slot_meanings(uintptr_t word, bool is_compressed, uintptr_t to[CAIRN_GC_MEANINGS])
{
	to[0] = word;
	if (!is_compressed)
		return 1;
	to[1] = cairn_gc_slot_expand((uint32_t)word);
	to[2] = cairn_gc_slot_expand((uint32_t)(word >> 32));
	return CAIRN_GC_MEANINGS;
}

#endif
