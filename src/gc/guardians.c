/* gc/guardians.c - guardians: who asks for objects back that nobody else refers to (Dybvig and others, "Guardians in a
 * generation-based garbage collector", PLDI 1993). What a collection does about them is in gc/deaths.c.
 *
 * A guard is a record in the list of the deaths; once its object is found dead but for guardians the record is in the
 * guardian's queue, which is a root, until it is asked for. Lock: the deaths'. Failure: see cairn/gc.h. */
#include "gc/managed.h"

cairn_gc_guardian *cairn_gc_guardian_new(cairn_gc_heap *h)
{
	cairn_gc_guardian *g = cairn_gc_may_hold(h, sizeof *g) ? cairn_gc_meta_alloc(h, sizeof *g) : NULL;
	if (!g)
		return NULL;
	g->heap = h;
	cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	cairn_list_push(&h->deaths.guardians, &g->node); /* before those that may be walked */
	cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	return g;
}

bool cairn_gc_guard(cairn_gc_mutator *m, cairn_gc_guardian *g, void *object)
{
	(void)m; /* says that no stop is in force */
	cairn_gc_must_be_object(g->heap, object, "cairn_gc_guard: no object of the guardian's heap");
	return cairn_gc_deaths_list(g->heap, object, NULL, g);
}

void *cairn_gc_guardian_next(cairn_gc_mutator *m, cairn_gc_guardian *g)
{
	(void)m;
	cairn_gc_deaths *d = &g->heap->deaths;
	/* relaxed: what another thread's collection has queued since is seen at the next safepoint */
	if (!__atomic_load_n(&g->queue.count, __ATOMIC_RELAXED))
		return NULL;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	cairn_gc_listed *r = cairn_gc_queue_take(&g->queue);
	void *object = r ? (void *)r->object : NULL;
	if (r)
		cairn_gc_listed_free(d, r);
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return object;
}

/* What it guards is only found among all that is listed: the next stop, which looks there anyway, does the rest. */
void cairn_gc_guardian_free(cairn_gc_guardian *g)
{
	if (!g)
		return;
	cairn_gc_deaths *d = &g->heap->deaths;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	g->is_gone = true;
	/* no collection will come to take it */
	bool is_now = g->heap->plan->collector == CAIRN_GC_NONE && !d->is_walked;
	if (is_now)
		cairn_list_remove(&g->node);
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	if (is_now)
		cairn_gc_meta_free(g->heap, g, sizeof *g);
}
