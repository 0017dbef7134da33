/* malloc/emergency.c - the handler's store. The design is in emergency.h. */
#include "malloc/emergency.h"

#include "base/bits.h"
#include "os/vm.h"

#include <stdatomic.h>

enum { STORE_BYTES = 4 << 20, HEADER_BYTES = 16 };

/* How much of the store is cut off, and how many of its blocks are live: in one word, so that the last free can reset
 * the first in one step. */
typedef struct store_state {
	uint32_t used_bytes, live;
} store_state;

static _Atomic uintptr_t store;          /* sync: atomic; 0 until the first use */
static _Atomic store_state store_now;    /* sync: atomic */
static _Atomic(void *) deferred;         /* sync: atomic; a stack linked through the blocks' first words */

/* The store's start, mapped at the first use. Two threads at once map two; one is given back. */
static uintptr_t store_start(void)
{
	uintptr_t start = atomic_load(&store);
	if (start)
		return start;
	void *mine = cairn_vm_map(STORE_BYTES);
	if (!mine)
		return 0;
	if (atomic_compare_exchange_strong(&store, &start, (uintptr_t)mine))
		return (uintptr_t)mine;
	cairn_vm_release(mine, STORE_BYTES);
	return start;
}

void *cairn_emergency_alloc(size_t bytes, size_t align)
{
	align = align < HEADER_BYTES ? HEADER_BYTES : align;
	uintptr_t start = store_start();
	if (!start || bytes > STORE_BYTES || align > STORE_BYTES)
		return NULL;
	size_t need = cairn_round_up(bytes ? bytes : 1, 16) + HEADER_BYTES + align - 16;
	store_state was = atomic_load(&store_now), now;
	do {
		if (was.used_bytes + need > STORE_BYTES)
			return NULL;
		now = (store_state){ was.used_bytes + (uint32_t)need, was.live + 1 };
	} while (!atomic_compare_exchange_weak(&store_now, &was, now));
	uintptr_t p = cairn_round_up(start + was.used_bytes + HEADER_BYTES, align);
	((size_t *)p)[-1] = start + now.used_bytes - p;
	return (void *)p;
}

void cairn_emergency_free(void *p)
{
	(void)p;
	store_state was = atomic_load(&store_now), now;
	do {
		now = (store_state){ was.used_bytes, was.live - 1 };
		if (!now.live)
			now.used_bytes = 0;
	} while (!atomic_compare_exchange_weak(&store_now, &was, now));
}

bool cairn_emergency_owns(const void *p)
{
	uintptr_t start = atomic_load(&store);
	return start && (uintptr_t)p - start < STORE_BYTES;
}

size_t cairn_emergency_usable_bytes(const void *p) { return ((const size_t *)p)[-1]; }

void cairn_emergency_defer_free(void *p)
{
	void *head = atomic_load(&deferred);
	do
		*(void **)p = head;
	while (!atomic_compare_exchange_weak(&deferred, &head, p)); /* no ABA: the taker takes the whole stack */
}

void *cairn_emergency_take_deferred(void)
{
	return atomic_load_explicit(&deferred, memory_order_relaxed) ? atomic_exchange(&deferred, NULL)
								     : NULL; /* a hint */
}
