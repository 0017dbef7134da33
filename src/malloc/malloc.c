/* malloc/malloc.c - malloc and free: the fast paths, and calloc and realloc on top of them.
 *
 *   malloc(n)   table: n -> magazine of the thread's cache; pop; count
 *   free(p)     page map: p -> size class -> magazine; compare with the two top slots; push
 *
 * Neither touches the block, a lock, an atomic, or a page's records, and neither asks whether the thread has a cache,
 * whether anybody looks, or whether the pointer is sane: every such case is a magazine that is empty (malloc) or full
 * (free), and goes to malloc/slow.c. tests/unit/test_instructions.c counts what is left: at most 18 and 26
 * instructions up to 1 KiB, 3 more above.
 *
 * Requested bytes. Under `cairn run` a cache's fine_max and small_max are 0, so that every request takes the later
 * branch, where the counting body is: the choice is made when the cache is made, and costs nothing where nobody
 * counts.
 *
 * A commit is one store (malloc) or two (free: the slot, then top), so that a signal handler which allocates and frees
 * between any two instructions of ours leaves the magazine whole.
 *
 * Not here: other entry points (malloc/family.c), C++ (malloc/cxx.c). */
#include "cairn/malloc.h"

#include "base/assert.h"
#include "base/single.h"
#include "malloc/fork.h"
#include "malloc/large.h"
#include "malloc/misuse.h"
#include "malloc/slab.h"
#include "malloc/slow.h"
#include "malloc/start.h"
#include "malloc/stranger.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/limits.h"
#include "page/window.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Pops from the magazine at `offset` of the cache and counts; the slow path when it is empty. */
#define POP_OR_SLOW(cache, offset, size)                                                                               \
	cairn_magazine *m = (cairn_magazine *)((char *)(cache) + (offset));                                            \
	void *block = m->top[-1];                                                                                      \
	if (cairn_unlikely(!block))                                                                                    \
		return cairn_slow_alloc(size, 16, NULL);                                                               \
	cairn_single_pop(&m->top);                                                                                     \
	cairn_class_counter *counter = (cairn_class_counter *)((char *)m + CAIRN_COUNTER_DISTANCE);                    \
	cairn_single_add(&counter->allocations, 1)

/* No instruction: keeps the compiler from joining the ends of two bodies by a jump, which one of them would pay for. */
#if defined(__x86_64__)
#define KEEP_APART(body) __asm__ volatile("" : "+a"(block) : "i"(body))
#else
#define KEEP_APART(body) __asm__ volatile("" : "+r"(block) : "i"(body))
#endif

void *cairn_malloc(size_t size)
{
	cairn_cache *cache = cairn_thread_cache();
	if (cairn_likely(size <= cache->fine_max)) {
		POP_OR_SLOW(cache, cache->fine[(size + 15) >> 4], size);
		KEEP_APART(1);
		return block;
	}
	if (size <= CAIRN_FINE_MAX) { /* requested bytes are counted */
		POP_OR_SLOW(cache, cache->fine[(size + 15) >> 4], size);
		cairn_single_add(&counter->requested, size);
		KEEP_APART(2);
		return block;
	}
	if (cairn_likely(size <= cache->small_max)) {
		POP_OR_SLOW(cache, cache->coarse[(size + 127) >> 7], size);
		KEEP_APART(3);
		return block;
	}
	if (size <= CAIRN_SMALL_MAX) { /* likewise */
		POP_OR_SLOW(cache, cache->coarse[(size + 127) >> 7], size);
		cairn_single_add(&counter->requested, size);
		KEEP_APART(4);
		return block;
	}
	return cairn_slow_alloc(size, 16, NULL);
}

void cairn_free(void *p)
{
	uintptr_t offset = cairn_window_offset(p);
	if (cairn_unlikely(offset >= __atomic_load_n(&cairn_window_first.bytes, __ATOMIC_RELAXED))) { /* only grows */
		cairn_slow_free(p, "free");
		return;
	}
	cairn_magazine *m =
		&cairn_thread_cache()->magazine[cairn_window_first.class_map[offset >> CAIRN_GRANULE_SHIFT]];
	void **top = m->top;
	if (cairn_unlikely(top == m->limit || top[-1] == p || top[-2] == p)) {
		cairn_slow_free(p, "free");
		return;
	}
	*top = p;
	m->top = top + 1;
}

void *cairn_calloc(size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (cairn_unlikely(cairn_fork_is_due()))
		cairn_fork_register();
	if (bytes > CAIRN_SMALL_MAX) {
		bool is_zero;
		void *p = cairn_slow_alloc(bytes, 16, &is_zero);
		return p && !is_zero ? memset(p, 0, bytes) : p;
	}
	void *p = cairn_malloc(bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

/* The block of p moved to a new one of size bytes. Counts as one allocation and one free. */
static void *realloc_by_copy(void *p, size_t old_bytes, size_t size)
{
	void *to = cairn_malloc(size);
	if (!to)
		return NULL;
	memcpy(to, p, old_bytes < size ? old_bytes : size);
	cairn_free(p);
	return to;
}

/* Does p, of a slab of the class, lie in one of the two top slots of its magazine? What free compares with. */
static inline bool is_just_freed(const void *p, unsigned size_class)
{
	cairn_cache *cache = cairn_thread_cache();
	void **top = cache->magazine[size_class].top;
	return cache != &cairn_cache_empty && (top[-1] == p || top[-2] == p);
}

/* Is size near enough to what a slot of k has? */
static inline bool is_fitting(const cairn_class *k, size_t size)
{
	return size <= k->bytes && (size > k->bytes - k->bytes / 4 || size > k[-1].bytes);
}

/* What to ask for when a block of had bytes moves to have size. Who grows by no more than an eighth does it again: an
 * eighth more saves half of the copies, and is no wrong size for free_sized; under 128 bytes it could be one, classes
 * lie further apart there. Not where memory is limited, nor where what was requested is counted. */
static size_t with_room(size_t had, size_t size)
{
	bool is_step = had >= 128 && size > had && size - had <= had / 8;
	bool may_add = is_step && !cairn_limits_are_tight() && !cairn_stats_is_counting();
	return may_add ? size + size / 8 : size;
}

/* Is p plainly a block of the class, in the first window? Asked without its slab's header and bits, which are two
 * misses. So of a block that was freed it is seen, as by free, when that was the last or the last but one. False: no,
 * or it must be looked at; with the empty cache (CAIRN_CHECK) everything. */
static inline bool is_plainly_block(const void *p, unsigned size_class)
{
	if (cairn_unlikely(cairn_thread_cache() == &cairn_cache_empty || is_just_freed(p, size_class)))
		return false;
	const cairn_class *k = &cairn_classes[size_class];
	size_t in_slab = cairn_window_slab_offset(cairn_window_offset(p));
	size_t i = cairn_class_index(k, in_slab);
	return cairn_likely(i * k->bytes == in_slab && i < k->capacity);
}

/* The block p of slab s moved to one of size bytes, or freed. */
static __attribute__((noinline)) void *move_small(const cairn_span *s, void *p, size_t size)
{
	cairn_give verdict = cairn_slab_look(s, p);
	if (cairn_unlikely(verdict != CAIRN_GIVE_OK))
		cairn_misuse_verdict("realloc", p, verdict);
	if (cairn_unlikely(is_just_freed(p, s->size_class)))
		cairn_misuse_already_free("realloc", p);
	size_t had = cairn_classes[s->size_class].bytes;
	if (cairn_likely(size))
		return realloc_by_copy(p, had, with_room(had, size));
	cairn_free(p);
	return NULL;
}

/* Every other realloc, and of a block that must be looked at. */
static __attribute__((noinline)) void *realloc_other(void *p, size_t size)
{
	if (!p)
		return cairn_malloc(size);
	cairn_span *s = cairn_window_span((uintptr_t)p);
	if (s && s->kind == CAIRN_SPAN_LARGE && s->base == p && size > CAIRN_SMALL_MAX) {
		void *q = cairn_slow_realloc_large(s, size);
		return q ? q : realloc_by_copy(p, s->large_bytes, size);
	}
	bool is_slot = s && s->kind == CAIRN_SPAN_SLAB;
	if (is_slot && (is_just_freed(p, s->size_class) || !is_fitting(&cairn_classes[s->size_class], size)))
		return move_small(s, p, size);
	size_t old_bytes = cairn_slow_usable_bytes(p, "realloc");
	if (cairn_unlikely(!old_bytes))
		return cairn_stranger_realloc(p, size, "realloc");
	if (!size) {
		cairn_free(p);
		return NULL;
	}
	if (is_slot || (size <= old_bytes && size > old_bytes - old_bytes / 4))
		return p;
	return realloc_by_copy(p, old_bytes, size);
}

/* Of what lies in the first window and in no slab: a large block within its runway above all. */
static __attribute__((noinline)) void *realloc_no_slot(void *p, size_t size)
{
	cairn_span *s = cairn_window_span_in(&cairn_window_first, (uintptr_t)p);
	if (cairn_likely(s && s->kind == CAIRN_SPAN_LARGE && s->base == p && size > CAIRN_SMALL_MAX) &&
		cairn_large_resize_within(s, size))
		return p;
	return realloc_other(p, size);
}

void *cairn_realloc(void *p, size_t size)
{
	uintptr_t offset = cairn_window_offset(p);
	if (cairn_unlikely(offset >= __atomic_load_n(&cairn_window_first.bytes, __ATOMIC_RELAXED))) /* only grows */
		return realloc_other(p, size);
	unsigned size_class = cairn_window_first.class_map[offset >> CAIRN_GRANULE_SHIFT];
	if (!size_class)
		return realloc_no_slot(p, size);
	if (!is_fitting(&cairn_classes[size_class], size))
		return move_small(cairn_window_slab(offset), p, size);
	return is_plainly_block(p, size_class) ? p : realloc_other(p, size);
}

/* The public names: the same code. They are interposable: whoever needs the program's malloc calls these by name. */
#if CAIRN_INTERPOSE
#define ALIAS(name) __attribute__((alias(#name), visibility("default")))
extern __typeof__(cairn_malloc) malloc ALIAS(cairn_malloc);
extern __typeof__(cairn_free) free ALIAS(cairn_free);
extern __typeof__(cairn_calloc) calloc ALIAS(cairn_calloc);
extern __typeof__(cairn_realloc) realloc ALIAS(cairn_realloc);
#undef ALIAS
#endif
