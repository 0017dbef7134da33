/* malloc/slow.c - the slow paths. What they are for is in slow.h. */
#include "malloc/slow.h"

#include "base/assert.h"
#include "malloc/cache.h"
#include "malloc/central.h"
#include "malloc/emergency.h"
#include "malloc/heap.h"
#include "malloc/large.h"
#include "malloc/lend.h"
#include "malloc/limit.h"
#include "malloc/start.h"
#include "malloc/stranger.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"

#include <errno.h>

/* Counts one allocation: in the thread's own counters, or, without a cache, in everybody's. */
static void count_alloc(cairn_cache *c, unsigned size_class, size_t bytes)
{
	if (c) {
		cairn_class_counter *counter = cairn_cache_counter(c, size_class);
		counter->allocations++;
		counter->requested += bytes;
		return;
	}
	cairn_thread_counters *shared = cairn_threads_shared_counters();
	if (!shared)
		return;
	__atomic_add_fetch(&shared->by_class[size_class].allocations, 1, __ATOMIC_RELAXED);   /* a sum */
	__atomic_add_fetch(&shared->by_class[size_class].requested, bytes, __ATOMIC_RELAXED); /* a sum */
}

/* Rounding of one request, for who sums no requested bytes: with a block of the class taken from a refill, or a large
 * one. In the thread's own counters; a request without a cache is left out. */
static void sample_rounding(cairn_cache *c, unsigned size_class, size_t usable, size_t bytes)
{
	cairn_class_rounding *r = &cairn_cache_counters(c)->rounding[size_class];
	uint64_t slack = usable - bytes;
	r->slack_bytes += (uint32_t)slack;
	r->slack_squared += slack * slack;
	if (cairn_unlikely(++r->samples >= CAIRN_ROUNDING_SAMPLES)) {
		r->samples /= 2;
		r->slack_bytes /= 2;
		r->slack_squared /= 2;
	}
}

/* A large block that was taken from or put on c's shelf. Where others look on, sums are kept right. */
static void count_large(cairn_cache *c, int64_t blocks, int64_t usable_bytes)
{
	if (cairn_stats_is_counting())
		cairn_stats_large(blocks, usable_bytes);
	else
		cairn_shelf_count(&c->shelf, blocks, usable_bytes);
}

static void *alloc_small(cairn_cache *c, unsigned size_class, size_t bytes)
{
	cairn_magazine *m = &c->magazine[size_class];
	if (!m->top[-1]) {
		if (!cairn_cache_refill(c, size_class))
			return NULL;
		sample_rounding(c, size_class, cairn_classes[size_class].bytes, bytes);
	}
	return *--m->top;
}

/* One slot straight from the central list. */
static void *alloc_uncached(unsigned size_class)
{
	void *slot = NULL;
	cairn_central *central = cairn_central_lock(size_class);
	cairn_central_take(central, &slot + 1, 1);
	cairn_central_unlock(central);
	return slot;
}

static void *alloc_span(cairn_cache *c, size_t bytes, size_t align, bool *is_zero)
{
	if (cairn_unlikely(!cairn_limit_allows(cairn_granules_for(bytes))))
		return NULL;
	void *p = cairn_large_alloc(bytes, align, is_zero);
	if (p && c)
		sample_rounding(c, 0, cairn_large_usable_bytes(bytes ? bytes : 1), bytes);
	if (p)
		cairn_purge_hold_peak(bytes);
	return p;
}

static void *alloc_any(cairn_cache *c, unsigned size_class, size_t bytes, size_t align, bool *is_zero)
{
	if (is_zero)
		*is_zero = false;
	if (!size_class)
		return alloc_span(c, bytes, align, is_zero);
	return c ? alloc_small(c, size_class, bytes) : alloc_uncached(size_class);
}

/* A small request may be an aligned one that came as malloc's, of a size that is a multiple of its alignment
 * (malloc/family.c): what the size is a multiple of serves either. */
static void *alloc_nested(size_t bytes, size_t align, bool *is_zero)
{
	size_t own = bytes <= CAIRN_SMALL_MAX ? bytes & -bytes : 0;
	if (is_zero)
		*is_zero = false;
	align = align < own ? own : align;
	void *p = cairn_emergency_alloc(bytes, align);
	if (!p)
		errno = ENOMEM;
	return p;
}

/* The calling thread's cache, busy, for a stretch that touches its shelf and no magazine: the fast paths may be left in
 * place. NULL: none. Not when cairn_thread_is_nested(). */
static inline cairn_cache *shelf_begin(void)
{
	cairn_cache *c = cairn_thread_self.own;
	if (!cairn_thread_has_cache())
		return NULL;
	c->is_busy = 1;
	__asm__ volatile("" ::: "memory");
	return c;
}

static inline void shelf_end(cairn_cache *c)
{
	__asm__ volatile("" ::: "memory");
	c->is_busy = 0;
}

/* A large block out of a span that this thread has just freed, or NULL. */
static void *alloc_kept(size_t bytes)
{
	cairn_cache *c = shelf_begin();
	if (!c)
		return NULL;
	void *p = NULL;
	cairn_span *s = cairn_shelf_take(&c->shelf, cairn_granules_for(bytes));
	if (s) {
		p = cairn_large_reuse(s, bytes);
		count_large(c, 1, (int64_t)s->large_bytes);
		count_alloc(c, 0, bytes);
		sample_rounding(c, 0, s->large_bytes, bytes);
	}
	shelf_end(c);
	return p;
}

/* What was refused, once more: at a limit of ours after room was made; else when what this thread and the shelves hold,
 * which may be what is missing (slots pin slabs, slabs chunks), is back; and once more when the program was asked. */
static void *alloc_again(cairn_cache **c, unsigned size_class, size_t bytes, size_t align, bool *is_zero)
{
	void *p = NULL;
	bool is_at_limit = cairn_limit_has_refused();
	if (is_at_limit) {
		cairn_thread_leave(*c);
		cairn_limit_begin_retry(bytes);
		*c = cairn_thread_enter();
		p = alloc_any(*c, size_class, bytes, align, is_zero);
	}
	if (!p && *c) {
		cairn_cache_empty_magazines(*c);
		cairn_shelves_empty();
		p = alloc_any(*c, size_class, bytes, align, is_zero);
	}
	if (!p && !is_at_limit) {
		cairn_thread_leave(*c);
		bool may_help = cairn_limit_relieve(bytes);
		*c = cairn_thread_enter();
		p = may_help ? alloc_any(*c, size_class, bytes, align, is_zero) : NULL;
	}
	if (is_at_limit)
		cairn_limit_end_retry();
	return p;
}

void *cairn_slow_alloc(size_t bytes, size_t align, bool *is_zero)
{
	if (cairn_thread_is_nested())
		return alloc_nested(bytes, align, is_zero);
	if (bytes > CAIRN_SMALL_MAX && bytes <= CAIRN_SHELF_BYTES && align <= CAIRN_GRANULE_BYTES) {
		void *kept = alloc_kept(bytes);
		if (kept && is_zero)
			*is_zero = false;
		if (cairn_likely(kept != NULL))
			return kept;
	}
	unsigned size_class = align <= 16                    ? cairn_class_of(bytes)
			      : align <= CAIRN_GRANULE_BYTES ? cairn_class_of_aligned(bytes, align)
							     : 0;
	cairn_cache *c = cairn_thread_enter();
	if (!c)
		cairn_start();
	size_class = cairn_lend_class(c, size_class);
	void *p = alloc_any(c, size_class, bytes, align, is_zero);
	if (cairn_unlikely(!p))
		p = alloc_again(&c, size_class, bytes, align, is_zero);
	if (cairn_likely(p))
		count_alloc(c, size_class, bytes);
	cairn_thread_leave(c);
	if (cairn_unlikely(!p))
		errno = ENOMEM;
	return p;
}

/* The class byte of p's granule in whatever window covers it. */
static unsigned class_byte(const void *p)
{
	cairn_window *w = cairn_window_of((uintptr_t)p);
	return w ? w->class_map[((uintptr_t)p - w->base) >> CAIRN_GRANULE_SHIFT] : 0;
}

static void free_uncached(void *p, unsigned size_class, const char *who)
{
	cairn_central *central = cairn_central_lock(size_class);
	cairn_give verdict = cairn_central_give(central, &p, 1).verdict;
	cairn_central_unlock(central);
	if (cairn_unlikely(verdict != CAIRN_GIVE_OK))
		cairn_misuse_verdict(who, p, verdict);
}

static void free_cached(cairn_cache *c, void *p, unsigned size_class, const char *who)
{
	cairn_magazine *m = &c->magazine[size_class];
	if (m->top[-1] == p || m->top[-2] == p) {
		cairn_thread_leave(c);
		cairn_misuse_already_free(who, p);
	}
	if (m->top == m->limit && !cairn_cache_flush(c, size_class)) {
		free_uncached(p, size_class, who);
		return;
	}
	*m->top = p;
	m->top++;
}

/* A block that is in no slab: large, of a first-class heap, or of the emergency store. False: none of these. */
static bool free_other(void *p, const char *who)
{
	cairn_span *s = cairn_window_span((uintptr_t)p);
	if (cairn_emergency_owns(p)) {
		cairn_emergency_free(p);
	} else if (s && s->kind == CAIRN_SPAN_LARGE) {
		if (s->base != p)
			cairn_misuse_not_start(who, p);
		cairn_large_free(s);
	} else if (s && s->kind == CAIRN_SPAN_KEPT) {
		cairn_misuse_already_free(who, p);
	} else if (s && cairn_span_is_managed(s->kind)) {
		cairn_misuse_managed(who, p);
	} else if (s && s->kind != CAIRN_SPAN_SLAB) {
		cairn_heap_free_block(s, p, who);
	} else if (cairn_window_is_open((uintptr_t)p)) {
		cairn_misuse_already_free(who, p);
	} else {
		return false;
	}
	return true;
}

/* A stranger is freed outside the slow path: libc's free may come back to us. */
static void free_any(void *p, const char *who)
{
	unsigned size_class = class_byte(p);
	bool is_ours = true;
	cairn_cache *c = cairn_thread_enter();
	if (!size_class)
		is_ours = free_other(p, who);
	else if (c)
		free_cached(c, p, size_class, who);
	else
		free_uncached(p, size_class, who);
	cairn_thread_leave(c);
	if (cairn_unlikely(!is_ours))
		cairn_stranger_free(p, who);
}

/* Blocks that signal handlers could not free themselves. */
static void free_deferred(void)
{
	void *p = cairn_emergency_take_deferred();
	while (p) {
		void *next = *(void **)p;
		free_any(p, "free");
		p = next;
	}
}

/* Puts p, when it is a large block, on the thread's shelf. False: it is not, or there is no room. */
static bool free_kept(void *p)
{
	cairn_span *s = cairn_window_span((uintptr_t)p);
	if (!s || s->kind != CAIRN_SPAN_LARGE || s->base != p || s->large_granules > CAIRN_SHELF_GRANULES)
		return false;
	cairn_cache *c = shelf_begin();
	if (!c)
		return false;
	int64_t usable_bytes = (int64_t)s->large_bytes;
	bool is_kept = cairn_shelf_put(&c->shelf, s);
	if (is_kept)
		count_large(c, -1, -usable_bytes);
	shelf_end(c);
	return is_kept;
}

void cairn_slow_free(void *p, const char *who)
{
	if (!p)
		return;
	if (cairn_thread_is_nested()) {
		if (cairn_emergency_owns(p))
			cairn_emergency_free(p);
		else if (cairn_window_span((uintptr_t)p))
			cairn_emergency_defer_free(p);
		return;
	}
	size_t dirty_before = cairn_pageheap_dirty_bytes();
	if (!free_kept(p))
		free_any(p, who);
	free_deferred();
	cairn_tend(dirty_before);
}

size_t cairn_slow_usable_bytes(void *p, const char *who)
{
	cairn_span *s = p ? cairn_window_span((uintptr_t)p) : NULL;
	if (!s) {
		if (p && cairn_window_is_open((uintptr_t)p))
			cairn_misuse_already_free(who, p);
		return p && cairn_emergency_owns(p) ? cairn_emergency_usable_bytes(p) : 0;
	}
	if (s->kind == CAIRN_SPAN_SLAB || s->kind == CAIRN_SPAN_HEAP) {
		cairn_give verdict =
			cairn_slab_look(s, p); /* without the lock: the bit of a block that is held cannot change */
		if (verdict != CAIRN_GIVE_OK)
			cairn_misuse_verdict(who, p, verdict);
		return cairn_classes[s->size_class].bytes;
	}
	if (s->kind == CAIRN_SPAN_KEPT)
		cairn_misuse_already_free(who, p);
	if (cairn_span_is_managed(s->kind))
		cairn_misuse_managed(who, p);
	if (s->base != p)
		cairn_misuse_not_start(who, p);
	return s->large_bytes;
}

/* Growing was refused at a limit: once more, after room was made. False: past the hard limit. */
static bool grow_again(cairn_cache **c, cairn_span *s, size_t bytes)
{
	cairn_thread_leave(*c);
	cairn_limit_begin_retry(bytes - s->large_bytes);
	*c = cairn_thread_enter();
	bool is_grown = cairn_large_resize(s, bytes);
	cairn_limit_end_retry();
	return is_grown;
}

void *cairn_slow_realloc_large(cairn_span *s, size_t bytes)
{
	if (cairn_thread_is_nested())
		return NULL;
	bool is_larger = bytes > s->large_bytes;
	size_t dirty_before = cairn_pageheap_dirty_bytes();
	cairn_cache *c = cairn_thread_enter();
	void *to = cairn_large_resize(s, bytes) ? s->base : NULL;
	bool is_at_limit = !to && is_larger && cairn_limit_has_refused();
	if (cairn_unlikely(is_at_limit) && grow_again(&c, s, bytes))
		to = s->base;
	if (!to && is_larger && !is_at_limit && (to = cairn_large_move(s, bytes))) {
		count_alloc(c, 0, bytes);
		if (c)
			sample_rounding(c, 0, cairn_large_usable_bytes(bytes), bytes);
	}
	cairn_thread_leave(c);
	if (!is_larger)
		cairn_tend(dirty_before);
	return to;
}
