/* gc/workers.c - workers: the parts of their stacks, and their threads.
 *
 * A worker has one part of a stack from the heap's opening to its end, so that tracing can go on where no memory is to
 * be had: see has_left_out in trace.h. Others are taken when they are needed, and given back when the tracing ends.
 *
 * Not here: what a worker does with its work (gc/trace.c). */
#include "gc/managed.h"

#include "base/assert.h"

/* ---- Parts ---- */

static cairn_gc_chunk *chunk_new(cairn_gc_heap *h) { return cairn_gc_meta_alloc(h, sizeof(cairn_gc_chunk)); }
static void chunk_free(cairn_gc_heap *h, cairn_gc_chunk *c) { cairn_gc_meta_free(h, c, sizeof *c); }

bool cairn_gc_chunk_push(cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t item)
{
	if (!*top || (*top)->count == CAIRN_GC_CHUNK_ITEMS) {
		cairn_gc_chunk *c = chunk_new(h);
		if (!c)
			return false;
		c->next = *top;
		*top = c;
	}
	(*top)->item[(*top)->count++] = item;
	return true;
}

bool cairn_gc_chunk_pop(cairn_gc_heap *h, cairn_gc_chunk **top, uintptr_t *item)
{
	cairn_gc_chunk *c = *top;
	if (!c)
		return false;
	*item = c->item[--c->count];
	if (!c->count) {
		*top = c->next;
		chunk_free(h, c);
	}
	return true;
}

void cairn_gc_worker_open_chunk(cairn_gc_worker *w)
{
	cairn_gc_chunk *c = w->spare;
	if (c)
		w->spare = c->next;
	else if (w->parts < w->heap->tracing.parts_most && (c = chunk_new(w->heap)))
		w->parts++;
	if (!c)
		return;
	c->next = w->top;
	w->top = c;
}

void cairn_gc_worker_close_chunk(cairn_gc_worker *w)
{
	cairn_gc_chunk *c = w->top;
	cairn_assert(!c->count && c->next);
	w->top = c->next;
	c->next = w->spare;
	w->spare = c;
}

void cairn_gc_worker_push_slow(cairn_gc_worker *w, uintptr_t item)
{
	cairn_gc_worker_open_chunk(w);
	if (w->top->count < CAIRN_GC_CHUNK_ITEMS) /* past `room` where there is no other part */
		w->top->item[w->top->count++] = item;
	else
		w->has_left_out = true;
}

void cairn_gc_worker_rest(cairn_gc_worker *w)
{
	while (w->spare) {
		cairn_gc_chunk *c = w->spare;
		w->spare = c->next;
		chunk_free(w->heap, c);
		w->parts--;
	}
}

/* ---- All of them ---- */

void cairn_gc_workers_drain(cairn_gc_heap *h) { cairn_gc_worker_drain(&h->tracing.worker[0]); }

bool cairn_gc_tracing_init(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	t->workers = 1;
	t->parts_most = SIZE_MAX;
	for (unsigned i = 0; i < t->workers; i++) {
		t->worker[i] = (cairn_gc_worker){ .heap = h, .index = i, .top = chunk_new(h) };
		if (!t->worker[i].top) {
			cairn_gc_tracing_close(h);
			return false;
		}
	}
	return true;
}

void cairn_gc_tracing_close(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	for (unsigned i = 0; i < t->workers; i++) {
		cairn_gc_worker *w = &t->worker[i];
		for (uintptr_t item; cairn_gc_chunk_pop(h, &w->weak, &item);)
			;
		if (w->top)
			chunk_free(h, w->top);
		w->top = NULL;
	}
}

void cairn_gc_tracing_fork_child(struct cairn_gc_heap *h) { h->tracing.workers = 1; }
