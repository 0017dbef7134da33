/* malloc/large.c - large blocks. The design is in large.h. */
#include "malloc/large.h"

#include "malloc/limit.h"
#include "malloc/stats.h"
#include "os/limits.h"
#include "os/thread.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"

#include <string.h>

enum {
	USABLE_UNIT = 4096,
	RUNWAY_MIN_GRANULES = (4 << 20) / CAIRN_GRANULE_BYTES,
	RUNWAY_DIRTY_MAX = UINT16_MAX,                           /* a span remembers no more */
	RUNWAYS_MAX_GRANULES = (32 << 20) / CAIRN_GRANULE_BYTES, /* all of them: a core dump has them too, as holes */
	TAILS_KEPT_BYTES = 1 << 20,
	TAIL_UNITS_MAX = 127, /* a span remembers no more: cairn_span.bucket */
	TAIL_SHARE = 8,   /* of a block: never worth a call */
	TAILS_SHARE = 16, /* of what is in use: may be tails */
	ASK_FROM_BYTES = 1 << 30,
	MOVE_MIN_BYTES = 1 << 20, /* from here on remapping beats copying, and the mapping it may split is worth it */
	SPARSE_FROM_BYTES = 32 << 20, /* glibc maps blocks anew from here on, and programs rely on it */
	CLEARED_BYTES_PER_MS = 4 << 20, /* by memset, faults included */
	PURGE_WAITS_MAX = 100,          /* of a millisecond each */
	MOVES_MAX = 2000,         /* mappings split by moves, at most: the kernel allows a process 65,530 */
};

static size_t runway_granules;  /* sync: atomic, relaxed: held behind the blocks' own; decides when */
static size_t runway_dirty;     /* sync: atomic, relaxed: granules in runways that may be resident; decides when */
static size_t tails_kept_bytes; /* sync: atomic, relaxed: a sum that decides when, not what */
static uint32_t moves;          /* sync: atomic, relaxed: a budget that may be overdrawn by a thread or two */

/* Relaxed: others read it who look at all blocks (malloc/visit.c) and take what they find, 0 for a block to come. */
static inline void set_large_bytes(cairn_span *s, size_t bytes)
{
	__atomic_store_n(&s->large_bytes, bytes, __ATOMIC_RELAXED); /* see above */
}

size_t cairn_large_usable_bytes(size_t bytes) { return cairn_round_up(bytes, USABLE_UNIT); }

/* Room behind a block that is likely to grow: half as much again, as long as it costs nothing but addresses. Granules
 * that are still resident from an earlier use may be part of it, as far as they would be kept anyway (page/purge.h). */
static void add_runway(cairn_span *s, size_t granules)
{
	if (granules < RUNWAY_MIN_GRANULES || cairn_limits_are_tight() || cairn_limits_get()->commit_is_strict ||
		cairn_limit_is_hard())
		return;
	size_t all = __atomic_load_n(&runway_granules, __ATOMIC_RELAXED), more = granules / 2; /* a hint */
	if (more > RUNWAYS_MAX_GRANULES)
		more = RUNWAYS_MAX_GRANULES;
	if (all + more > RUNWAYS_MAX_GRANULES)
		return;
	size_t kept = __atomic_load_n(&runway_dirty, __ATOMIC_RELAXED); /* a hint */
	size_t most = cairn_purge_hysteresis_bytes() >> CAIRN_GRANULE_SHIFT, dirty = most > kept ? most - kept : 0;
	dirty = dirty > RUNWAY_DIRTY_MAX ? RUNWAY_DIRTY_MAX : dirty;
	if (!cairn_pageheap_grow(s, granules, granules + more, &dirty))
		return;
	s->large_granules = granules + more;
	s->free_count = (uint16_t)dirty;
	if (dirty)
		s->touched_granules = s->large_granules;
	__atomic_add_fetch(&runway_dirty, dirty, __ATOMIC_RELAXED); /* a sum */
}

static inline size_t runway_of(const cairn_span *s, size_t usable)
{
	return s->large_granules < RUNWAY_MIN_GRANULES ? 0 : s->large_granules - cairn_granules_for(usable);
}

/* When the size of s is set; forget_runway undoes it before that changes. */
static inline void count_runway(const cairn_span *s, size_t usable)
{
	if (runway_of(s, usable))
		__atomic_add_fetch(&runway_granules, runway_of(s, usable), __ATOMIC_RELAXED); /* a sum */
}

/* s is freed or gets another size: its runway is used, or goes back. */
static void forget_runway(cairn_span *s)
{
	if (runway_of(s, s->large_bytes))
		__atomic_sub_fetch(&runway_granules, runway_of(s, s->large_bytes), __ATOMIC_RELAXED); /* a sum */
	if (s->free_count)
		__atomic_sub_fetch(&runway_dirty, s->free_count, __ATOMIC_RELAXED); /* a sum */
	s->free_count = 0;
}

/* The OS pages of s behind its usable bytes, in the granules that were used before: resident, and of use to nobody.
 * With OS pages over a granule neither the span's start nor its end need be one's: what it shares with others stays. */
static size_t tail_bytes(const cairn_span *s, size_t granules, uintptr_t *from)
{
	size_t page = cairn_vm_page_bytes();
	uintptr_t end = cairn_round_down((uintptr_t)s->base + (granules << CAIRN_GRANULE_SHIFT), page);
	*from = cairn_round_up((uintptr_t)s->base + s->large_bytes, page);
	return end > *from ? end - *from : 0;
}

/* s is freed or gets another size: its tail is no longer kept. */
static void forget_tail(cairn_span *s)
{
	if (s->bucket)
		__atomic_sub_fetch(&tails_kept_bytes, (size_t)s->bucket * USABLE_UNIT, __ATOMIC_RELAXED); /* a sum */
	s->bucket = 0;
}

/* A block made of used granules brings resident pages that it does not need: up to three of its last granule, and on a
 * kept span granules behind that. What is no more than an eighth of the block is left alone, and so are a few others:
 * a system call a block is dear where blocks come and go. Past a sixteenth of what is in use each new one is given
 * back. What s->bucket says is counted already; it may be too much. */
static void tend_tail(cairn_span *s, size_t granules)
{
	uintptr_t from;
	size_t tail = tail_bytes(s, granules, &from);
	if (tail <= s->large_bytes / TAIL_SHARE || tail / USABLE_UNIT <= s->bucket)
		return;
	size_t most = cairn_pageheap_used_bytes() / TAILS_SHARE;
	most = most < TAILS_KEPT_BYTES ? TAILS_KEPT_BYTES : most;
	forget_tail(s);
	if (tail / USABLE_UNIT > TAIL_UNITS_MAX ||
		__atomic_load_n(&tails_kept_bytes, __ATOMIC_RELAXED) + tail > most) { /* a hint */
		if (!cairn_purge_enter())
			return; /* a tail that nobody counts: a few, and rarely */
		cairn_vm_purge((void *)from, tail);
		cairn_purge_leave();
	} else {
		__atomic_add_fetch(&tails_kept_bytes, tail, __ATOMIC_RELAXED); /* a sum */
		s->bucket = (uint8_t)(tail / USABLE_UNIT);
	}
}

/* Another thread may be purging: it is waited for no longer than clearing so much would take, and not for good, for it
 * may itself wait for this one (page/purge.h). */
static bool enter_purge_soon(size_t bytes)
{
	size_t waits = bytes / CLEARED_BYTES_PER_MS;
	waits = waits < PURGE_WAITS_MAX ? waits : PURGE_WAITS_MAX;
	for (size_t i = 0; !cairn_purge_enter(); i++) {
		if (i >= waits)
			return false;
		cairn_thread_sleep_ms(1);
	}
	return true;
}

/* Makes s, a new block of dirty and clean granules, zero with no frames behind it. One dirty granule in it, and memset
 * would make all of a large sparse table resident. Chunks that were given huge pages are asked back, or the kernel
 * would fill them at the first touch. False: it must be cleared, and parts may be zero already. */
static bool purge_block(const cairn_span *s, size_t granules)
{
	size_t page = cairn_vm_page_bytes();
	char *end = s->base + s->large_bytes, *from = (char *)cairn_round_up((uintptr_t)s->base, page);
	char *to = (char *)cairn_round_down((uintptr_t)s->base + (granules << CAIRN_GRANULE_SHIFT), page);
	if (!enter_purge_soon(s->large_bytes))
		return false;
	for (char *p = s->base; p < end; p += CAIRN_CHUNK_BYTES) /* a span of this length begins with a chunk */
		if (cairn_pageheap_forget_huge(p))
			cairn_vm_no_huge((void *)cairn_round_down((uintptr_t)p, CAIRN_CHUNK_BYTES), CAIRN_CHUNK_BYTES);
	bool ok = cairn_vm_purge_unlocked(from, (size_t)(to - from));
	cairn_purge_leave();
	if (!ok)
		return false;
	memset(s->base, 0, (size_t)(from - s->base)); /* the OS pages that it shares with other spans */
	if (end > to)
		memset(to, 0, (size_t)(end - to));
	return true;
}

/* A program may ask for more than the machine has to see whether it can be had, and touch it if so. What malloc may
 * promise is the kernel's to say (vm.overcommit_memory), as it is where each such block is a mapping of its own. Under
 * a limit on address space the reservation itself is the question. */
static bool is_granted(size_t bytes)
{
	return bytes < ASK_FROM_BYTES || cairn_limits_get()->address_bytes != SIZE_MAX || cairn_vm_would_grant(bytes);
}

/* Clears what of s is not zero. What was clean stays without frames. */
static void clear_parts(const cairn_span *s, const cairn_dirty_parts *parts)
{
	char *end = s->base + s->large_bytes;
	for (unsigned i = 0; i < parts->count && parts->part[i].from < end; i++) {
		char *to = parts->part[i].to < end ? parts->part[i].to : end;
		memset(parts->part[i].from, 0, (size_t)(to - parts->part[i].from));
	}
}

void *cairn_large_alloc(size_t bytes, size_t align, bool *is_zero)
{
	if (bytes > PTRDIFF_MAX || align > PTRDIFF_MAX || !is_granted(bytes))
		return NULL;
	size_t granules = cairn_granules_for(bytes ? bytes : 1);
	size_t align_granules = align <= CAIRN_GRANULE_BYTES ? 1 : align >> CAIRN_GRANULE_SHIFT;
	if (align_granules > CAIRN_CHUNK_GRANULES && granules < CAIRN_CHUNK_GRANULES)
		granules = CAIRN_CHUNK_GRANULES; /* what the page heap will make of it */
	cairn_dirty_parts parts;
	bool is_sparse = is_zero && bytes >= SPARSE_FROM_BYTES;
	cairn_span *s = cairn_pageheap_alloc_parts(granules, align_granules, CAIRN_SPAN_LARGE, is_sparse, &parts);
	if (!s)
		return NULL;
	s->large_granules = s->touched_granules = granules;
	set_large_bytes(s, cairn_large_usable_bytes(bytes ? bytes : 1));
	if (!cairn_window_open_pages(s->base, s->large_bytes)) {
		cairn_pageheap_free(s, granules, parts.count ? granules : 0);
		return NULL;
	}
	if (is_zero) {
		if (parts.count && !(is_sparse && purge_block(s, granules)))
			clear_parts(s, &parts);
		*is_zero = true;
	}
	if (parts.count)
		tend_tail(s, granules);
	add_runway(s, granules);
	count_runway(s, s->large_bytes);
	cairn_stats_large(1, (int64_t)s->large_bytes);
	return s->base;
}

void *cairn_large_reuse(cairn_span *s, size_t bytes)
{
	size_t granules = cairn_granules_for(bytes);
	set_large_bytes(s, cairn_large_usable_bytes(bytes));
	s->is_zero = 0;
	if (granules > s->touched_granules)
		s->touched_granules = granules;
	tend_tail(s, s->touched_granules);
	return s->base;
}

void cairn_large_give(cairn_span *s)
{
	forget_tail(s);
	forget_runway(s);
	cairn_pageheap_free(s, s->large_granules, s->touched_granules);
}

void cairn_large_free(cairn_span *s)
{
	cairn_stats_large(-1, -(int64_t)s->large_bytes);
	cairn_large_give(s);
}

/* Sets the usable size; the span has the granules. */
static inline void set_usable(cairn_span *s, size_t granules, size_t usable)
{
	forget_tail(s);
	s->touched_granules = granules > s->touched_granules ? granules : s->touched_granules;
	cairn_stats_large(0, (int64_t)usable - (int64_t)s->large_bytes);
	set_large_bytes(s, usable);
	s->is_zero = 0;
	count_runway(s, usable);
}

bool cairn_large_resize_within(cairn_span *s, size_t bytes)
{
	size_t usable = cairn_large_usable_bytes(bytes);
	if (bytes > PTRDIFF_MAX || usable < s->large_bytes || usable > s->large_granules << CAIRN_GRANULE_SHIFT ||
		!cairn_window_open_pages(s->base, usable))
		return false;
	forget_runway(s);
	set_usable(s, cairn_granules_for(bytes), usable);
	return true;
}

bool cairn_large_resize(cairn_span *s, size_t bytes)
{
	if (bytes > PTRDIFF_MAX)
		return false;
	size_t granules = cairn_granules_for(bytes), usable = cairn_large_usable_bytes(bytes), held = s->large_granules;
	bool grows = granules > held, shrinks = usable < s->large_bytes && granules < held;
	if (grows && (!cairn_limit_allows(granules - held) || !is_granted(bytes) ||
			!cairn_pageheap_grow(s, held, granules, NULL)))
		return false;
	if (!cairn_window_open_pages(s->base, usable)) {
		if (grows)
			cairn_pageheap_shrink(s, granules, held, granules);
		return false;
	}
	forget_runway(s);
	if (shrinks)
		cairn_pageheap_shrink(s, held, granules, s->touched_granules);
	if (shrinks && granules < s->touched_granules)
		s->touched_granules = granules;
	if (grows || shrinks)
		s->large_granules = granules;
	set_usable(s, granules, usable);
	return true;
}

void *cairn_large_move(cairn_span *s, size_t bytes)
{
	size_t old_bytes = s->large_bytes;
	if (old_bytes < MOVE_MIN_BYTES || __atomic_load_n(&moves, __ATOMIC_RELAXED) >= MOVES_MAX) /* a budget */
		return NULL;
	/* With OS pages over a granule a span may share its first or last page with others: those are copied. */
	size_t page = cairn_vm_page_bytes(), moved = cairn_round_up(old_bytes, page);
	if ((uintptr_t)s->base % page || moved > s->large_granules << CAIRN_GRANULE_SHIFT ||
		moved > cairn_granules_for(bytes) << CAIRN_GRANULE_SHIFT)
		return NULL;
	char *to = cairn_large_alloc(bytes, page, NULL);
	if (!to)
		return NULL;
	cairn_vm_moved result = cairn_vm_move(s->base, to, moved);
	if (result == CAIRN_VM_KEPT)
		cairn_large_free(cairn_window_span((uintptr_t)to));
	if (result != CAIRN_VM_MOVED) /* a span whose addresses are lost stays in use for ever */
		return NULL;
	__atomic_add_fetch(&moves, 1, __ATOMIC_RELAXED); /* a budget */
	cairn_large_free(s);
	return to;
}
