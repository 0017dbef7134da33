/* malloc/still.c - holding the heap still. What that means is in still.h. */
#include "malloc/still.h"

#include "base/assert.h"
#include "malloc/central.h"
#include "malloc/heap.h"
#include "malloc/start.h"

bool cairn_still_begin(cairn_cache **c)
{
	cairn_start();
	if (cairn_thread_is_nested())
		return false;
	*c = cairn_thread_enter();
	cairn_threads_lock();
	if (*c)
		cairn_shelf_hold(&(*c)->shelf); /* the lock leaves out a busy thread's own */
	cairn_heaps_lock();
	cairn_central_lock_all();
	return true;
}

void cairn_still_end(cairn_cache *c)
{
	cairn_central_unlock_all();
	cairn_heaps_unlock();
	if (c)
		cairn_shelf_drop(&c->shelf);
	cairn_threads_unlock();
	cairn_thread_leave(c);
}

void **cairn_still_magazine(const cairn_cache *c, unsigned size_class, void ***top)
{
	void **base = c->cold[size_class].base, **most = base + c->cold[size_class].capacity;
	/* Relaxed: its thread moves it by a slot at a time, and every slot below was written at some time. */
	void **now = __atomic_load_n(&c->magazine[size_class].top, __ATOMIC_RELAXED);
	*top = now < base ? base : now > most ? most : now;
	return base;
}
