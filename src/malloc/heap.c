/* malloc/heap.c - first-class heaps. The design is in heap.h. */
#include "malloc/heap.h"

#include "base/assert.h"
#include "malloc/emergency.h"
#include "malloc/large.h"
#include "malloc/limit.h"
#include "malloc/misuse.h"
#include "malloc/start.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/lock.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <errno.h>

struct cairn_heap {
	cairn_lock lock;
	size_t live_bytes;                     /* sync: lock */
	cairn_node node;                       /* in the list of heaps; sync: heaps_lock */
	cairn_node partial[CAIRN_CLASS_COUNT]; /* sync: lock; slabs with a free slot */
	cairn_node full, large;                /* sync: lock */
};

static cairn_lock heaps_lock = CAIRN_LOCK_INIT;
static cairn_node heaps; /* sync: heaps_lock */

static cairn_heap *heap_make(void)
{
	cairn_heap *h = cairn_meta_alloc(sizeof *h);
	if (!h)
		return NULL;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
		cairn_node_init(&h->partial[i]);
	cairn_node_init(&h->full);
	cairn_node_init(&h->large);
	cairn_lock_take(&heaps_lock, CAIRN_RANK_HEAPS);
	if (!heaps.next)
		cairn_node_init(&heaps);
	cairn_list_push(&heaps, &h->node);
	cairn_lock_drop(&heaps_lock, CAIRN_RANK_HEAPS);
	return h;
}

cairn_heap *cairn_heap_create(void)
{
	cairn_start();
	if (cairn_thread_is_nested()) {
		errno = ENOMEM;
		return NULL;
	}
	cairn_cache *c = cairn_thread_enter();
	cairn_heap *h = heap_make();
	cairn_thread_leave(c);
	if (!h)
		errno = ENOMEM;
	return h;
}

/* The heap's lock, held by a thread that is busy: a signal handler that strikes meanwhile waits for no lock. */
static cairn_cache *heap_enter(cairn_heap *h)
{
	cairn_cache *c = cairn_thread_enter();
	cairn_lock_take(&h->lock, CAIRN_RANK_HEAP);
	return c;
}

static void heap_leave(cairn_heap *h, cairn_cache *c)
{
	cairn_lock_drop(&h->lock, CAIRN_RANK_HEAP);
	cairn_thread_leave(c);
}

/* Counts an allocation that no thread cache saw. */
static void count_alloc_apart(unsigned size_class, size_t bytes)
{
	cairn_thread_counters *shared = cairn_threads_shared_counters();
	if (!shared)
		return;
	__atomic_add_fetch(&shared->by_class[size_class].allocations, 1, __ATOMIC_RELAXED);   /* a sum */
	__atomic_add_fetch(&shared->by_class[size_class].requested, bytes, __ATOMIC_RELAXED); /* a sum */
}

static bool slab_add(cairn_heap *h, unsigned size_class)
{
	cairn_span *fresh = cairn_slab_create(size_class, CAIRN_SPAN_HEAP);
	if (!fresh)
		return false;
	fresh->heap = h;
	cairn_list_push(&h->partial[size_class], &fresh->node);
	return true;
}

/* A slot of the class's first slab; a new one where that has none to give (a page of it may be refused). */
static void *alloc_slot(cairn_heap *h, unsigned size_class)
{
	cairn_node *list = &h->partial[size_class];
	void *slot;
	if (cairn_list_is_empty(list) && !slab_add(h, size_class))
		return NULL;
	cairn_span *s = cairn_container(list->next, cairn_span, node);
	if (!cairn_slab_take(s, &slot + 1, 1)) {
		if (!slab_add(h, size_class))
			return NULL;
		s = cairn_container(list->next, cairn_span, node);
		cairn_slab_take(s, &slot + 1, 1);
	}
	if (!s->free_count) {
		cairn_list_remove(&s->node);
		cairn_list_push(&h->full, &s->node);
	}
	h->live_bytes += cairn_classes[size_class].bytes;
	cairn_stats_out(size_class, 1);
	return slot;
}

static void *alloc_large(cairn_heap *h, size_t bytes, size_t align)
{
	void *p = cairn_limit_allows(cairn_granules_for(bytes)) ? cairn_large_alloc(bytes, align, NULL) : NULL;
	if (!p)
		return NULL;
	cairn_span *s = cairn_window_span((uintptr_t)p);
	s->heap = h;
	__atomic_store_n(&s->kind, CAIRN_SPAN_HEAP_LARGE, __ATOMIC_RELAXED); /* nobody else knows the block yet */
	cairn_list_push(&h->large, &s->node);
	h->live_bytes += s->large_bytes;
	return p;
}

static void *alloc_block(cairn_heap *h, unsigned size_class, size_t size, size_t align)
{
	cairn_cache *c = heap_enter(h);
	void *p = size_class ? alloc_slot(h, size_class) : alloc_large(h, size, align);
	heap_leave(h, c);
	return p;
}

void *cairn_heap_alloc_aligned(cairn_heap *h, size_t align, size_t size)
{
	if (!cairn_is_power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	if (cairn_thread_is_nested()) {
		errno = ENOMEM;
		return NULL;
	}
	unsigned size_class = align > CAIRN_GRANULE_BYTES ? 0 : cairn_class_of_aligned(size, align < 16 ? 16 : align);
	void *p = alloc_block(h, size_class, size, align);
	if (!p && cairn_limit_has_refused()) {
		cairn_limit_begin_retry(size);
		p = alloc_block(h, size_class, size, align);
		cairn_limit_end_retry();
	}
	if (p)
		count_alloc_apart(size_class, size);
	else
		errno = ENOMEM;
	return p;
}

void *cairn_heap_alloc(cairn_heap *h, size_t size) { return cairn_heap_alloc_aligned(h, 16, size); }

/* Under the heap's lock. */
static cairn_give give_slot(cairn_heap *h, cairn_span *s, void *p)
{
	cairn_give give;
	cairn_slab_give(s, &p, 1, &give);
	if (give != CAIRN_GIVE_OK)
		return give;
	h->live_bytes -= cairn_classes[s->size_class].bytes;
	cairn_stats_out(s->size_class, -1);
	cairn_list_remove(&s->node);
	if (s->free_count == cairn_classes[s->size_class].capacity)
		cairn_slab_destroy(s);
	else
		cairn_list_push(&h->partial[s->size_class], &s->node);
	return CAIRN_GIVE_OK;
}

void cairn_heap_free_block(cairn_span *s, void *p, const char *who)
{
	cairn_heap *h = s->heap;
	cairn_give give = CAIRN_GIVE_OK;
	cairn_lock_take(&h->lock, CAIRN_RANK_HEAP);
	if (s->kind == CAIRN_SPAN_HEAP) {
		give = give_slot(h, s, p);
	} else if (s->base != p) {
		give = CAIRN_GIVE_NOT_START;
	} else {
		h->live_bytes -= s->large_bytes;
		cairn_list_remove(&s->node);
		cairn_large_free(s);
	}
	cairn_lock_drop(&h->lock, CAIRN_RANK_HEAP);
	if (give != CAIRN_GIVE_OK)
		cairn_misuse_verdict(who, p, give);
}

void cairn_heap_free(cairn_heap *h, void *p)
{
	if (!p)
		return;
	cairn_span *s = cairn_window_span((uintptr_t)p);
	if ((!s && cairn_window_is_open((uintptr_t)p)) || (s && s->kind == CAIRN_SPAN_KEPT))
		cairn_misuse_already_free("cairn_heap_free", p);
	if (!s || (s->kind != CAIRN_SPAN_HEAP && s->kind != CAIRN_SPAN_HEAP_LARGE) || s->heap != h)
		cairn_misuse_not_of_heap("cairn_heap_free", p);
	if (cairn_thread_is_nested()) {
		cairn_emergency_defer_free(p);
		return;
	}
	size_t dirty_before = cairn_pageheap_dirty_bytes();
	cairn_cache *c = cairn_thread_enter();
	cairn_heap_free_block(s, p, "cairn_heap_free");
	cairn_thread_leave(c);
	cairn_tend(dirty_before);
}

size_t cairn_heap_live_bytes(cairn_heap *h)
{
	cairn_cache *c = heap_enter(h);
	size_t bytes = h->live_bytes;
	heap_leave(h, c);
	return bytes;
}

static void destroy_slabs(cairn_node *list)
{
	while (!cairn_list_is_empty(list)) {
		cairn_span *s = cairn_container(list->next, cairn_span, node);
		cairn_list_remove(&s->node);
		cairn_stats_out(s->size_class, (int64_t)s->free_count - cairn_classes[s->size_class].capacity);
		cairn_slab_destroy(s);
	}
}

void cairn_heap_destroy(cairn_heap *h)
{
	if (!h)
		return;
	size_t dirty_before = cairn_pageheap_dirty_bytes();
	cairn_cache *c = heap_enter(h); /* whoever looks at all heaps finds it whole, or empty, or not at all */
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		destroy_slabs(&h->partial[i]);
	destroy_slabs(&h->full);
	while (!cairn_list_is_empty(&h->large)) {
		cairn_span *s = cairn_container(h->large.next, cairn_span, node);
		cairn_list_remove(&s->node);
		cairn_large_free(s);
	}
	cairn_lock_drop(&h->lock, CAIRN_RANK_HEAP);
	cairn_lock_take(&heaps_lock, CAIRN_RANK_HEAPS);
	cairn_list_remove(&h->node);
	cairn_lock_drop(&heaps_lock, CAIRN_RANK_HEAPS);
	cairn_meta_free(h, sizeof *h);
	cairn_thread_leave(c);
	cairn_tend(dirty_before);
}

void cairn_heaps_lock(void)
{
	cairn_lock_take(&heaps_lock, CAIRN_RANK_HEAPS);
	for (cairn_node *n = heaps.next; n && n != &heaps; n = n->next)
		cairn_lock_take(&cairn_container(n, cairn_heap, node)->lock, CAIRN_RANK_HEAP);
}

void cairn_heaps_unlock(void)
{
	for (cairn_node *n = heaps.next; n && n != &heaps; n = n->next)
		cairn_lock_drop(&cairn_container(n, cairn_heap, node)->lock, CAIRN_RANK_HEAP);
	cairn_lock_drop(&heaps_lock, CAIRN_RANK_HEAPS);
}

void cairn_heaps_fork_child(void)
{
	for (cairn_node *n = heaps.next; n && n != &heaps; n = n->next)
		cairn_lock_renew(&cairn_container(n, cairn_heap, node)->lock);
	cairn_lock_renew(&heaps_lock);
}

void cairn_heap_validate(cairn_heap *h)
{
	cairn_lock_take(&h->lock, CAIRN_RANK_HEAP);
	size_t bytes = 0;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		for (cairn_node *n = h->partial[i].next; n != &h->partial[i]; n = n->next) {
			cairn_span *s = cairn_container(n, cairn_span, node);
			cairn_assert(s->kind == CAIRN_SPAN_HEAP && s->heap == h && s->size_class == i &&
				     s->free_count); /* H1 */
			bytes += (size_t)(cairn_classes[i].capacity - s->free_count) * cairn_classes[i].bytes;
		}
	for (cairn_node *n = h->full.next; n != &h->full; n = n->next) {
		cairn_span *s = cairn_container(n, cairn_span, node);
		cairn_assert(s->kind == CAIRN_SPAN_HEAP && s->heap == h && !s->free_count); /* H1 */
		bytes += (size_t)cairn_classes[s->size_class].capacity * cairn_classes[s->size_class].bytes;
	}
	for (cairn_node *n = h->large.next; n != &h->large; n = n->next) {
		cairn_span *s = cairn_container(n, cairn_span, node);
		cairn_assert(s->kind == CAIRN_SPAN_HEAP_LARGE && s->heap == h); /* H1 */
		bytes += s->large_bytes;
	}
	cairn_assert(bytes == h->live_bytes); /* H2 */
	cairn_lock_drop(&h->lock, CAIRN_RANK_HEAP);
}
