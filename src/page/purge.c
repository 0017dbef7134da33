/* page/purge.c - purging free granules. The policy is in purge.h. */
#include "page/purge.h"

#include "base/assert.h"
#include "os/clock.h"
#include "os/vm.h"
#include "page/pageheap.h"

#include <stdatomic.h>

enum {
	RUN_GRANULES = 44, /* 704 KiB in one call: at most 100 us */
	SELF_BUDGET_US = 100,
	FAULT_BYTES_PER_US = 4096,
	PURGE_BYTES_PER_US = 2048, /* a pessimist's: so that all of it is reached */
	LEARN_SHARE = 8, /* more than an eighth of the hysteresis wanted again since the last look: it doubles */
	ALLOWANCE_SHARE = 4,               /* of the highest use, or */
	ALLOWANCE_LEAST_BYTES = 16 << 20, /* the more: what churn is given over the peak */
	REST_LEAST_NS = 50 * 1000 * 1000,
	REST_MOST_NS = 1000 * 1000 * 1000,
	REST_NS_PER_BYTE = 3, /* 100 ms for 32 MiB: half of that, purged in vain, costs 4 ms */
	REFUSED_NS = 1000 * 1000 * 1000,
	EAGER_NS = 1000 * 1000 * 1000,
};

/* All: sync: atomic, relaxed; hints that decide when, never what. */
static _Atomic size_t hysteresis_bytes; /* sync: atomic, relaxed; what was learnt, over the floor; eager: the least */
static _Atomic size_t learnt_bytes;     /* sync: atomic, relaxed */
static _Atomic size_t floor_bytes;      /* sync: atomic, relaxed */
static _Atomic size_t eager_until_bytes; /* sync: atomic, relaxed; 0: not eager */
static _Atomic uint64_t eager_until_ns;  /* sync: atomic, relaxed */
_Atomic uint32_t cairn_purge_request;    /* sync: atomic, relaxed, also written from outside: a hint to come by */
_Atomic uint32_t cairn_purge_served;     /* sync: atomic: released when what was asked for is done */
static _Atomic size_t allowance_bytes; /* sync: atomic, relaxed; over the highest use */
static _Atomic size_t held_down_bytes; /* sync: atomic, relaxed; purged for the peak since the allowance rose */
static _Atomic size_t seen_rewanted_bytes; /* sync: atomic, relaxed */
static _Atomic size_t noted_rewanted_bytes; /* sync: atomic, relaxed */
static _Atomic uint64_t last_change_ns; /* sync: atomic, relaxed */
static _Atomic uint64_t refused_until_ns; /* sync: atomic, relaxed */
static _Atomic bool is_purging;           /* sync: atomic: whoever sets it may purge, and clears it */

/* One name for the only order used here: every value is a hint of its own, nothing is published by it. */
static size_t hint(const _Atomic size_t *a) { return atomic_load_explicit(a, memory_order_relaxed); }
static void set_hint(_Atomic size_t *a, size_t n) { atomic_store_explicit(a, n, memory_order_relaxed); }

size_t cairn_purge_hysteresis_bytes(void)
{
	size_t h = hint(&hysteresis_bytes);
	return h < CAIRN_PURGE_KEEP_MIN_BYTES ? CAIRN_PURGE_KEEP_MIN_BYTES : h;
}

bool cairn_purge_is_due(void)
{
	return cairn_pageheap_dirty_bytes() > cairn_purge_hysteresis_bytes() || cairn_pageheap_hide_is_due();
}

void cairn_purge_note_rewanted(size_t bytes)
{
	atomic_fetch_add_explicit(&noted_rewanted_bytes, bytes, memory_order_relaxed); /* a hint */
}

bool cairn_purge_is_eager(void) { return hint(&eager_until_bytes); }

size_t cairn_purge_floor_bytes(void)
{
	size_t floor = hint(&floor_bytes), most = floor ? cairn_pageheap_highest_used_bytes() : 0;
	return cairn_purge_is_eager() || floor <= most ? 0 : floor - most;
}

/* What is kept from now on. */
static void settle_hysteresis(void)
{
	size_t h = hint(&learnt_bytes), floor = cairn_purge_floor_bytes();
	set_hint(&hysteresis_bytes, cairn_purge_is_eager() ? CAIRN_PURGE_KEEP_MIN_BYTES : h < floor ? floor : h);
}

void cairn_purge_set_floor(size_t bytes)
{
	set_hint(&floor_bytes, bytes);
	settle_hysteresis();
}

void cairn_purge_set_eager(size_t until_bytes, uint64_t now_ns)
{
	atomic_store_explicit(&eager_until_ns, now_ns + EAGER_NS, memory_order_relaxed); /* a hint */
	set_hint(&eager_until_bytes, until_bytes ? until_bytes : 1);
	settle_hysteresis();
}

static void end_eager(uint64_t now_ns)
{
	if (now_ns > atomic_load_explicit(&eager_until_ns, memory_order_relaxed) && /* a hint */
		cairn_pageheap_used_bytes() + cairn_pageheap_dirty_bytes() < hint(&eager_until_bytes))
		set_hint(&eager_until_bytes, 0);
}

/* How long h lasts without proof. When all of it is in use it proves nothing, is halved, and half of it is faulted in
 * again: so seldom that this takes no more than a 25th of the time. */
static uint64_t rest_ns(size_t h)
{
	uint64_t rest = (uint64_t)h * REST_NS_PER_BYTE;
	return rest < REST_LEAST_NS ? REST_LEAST_NS : rest > REST_MOST_NS ? REST_MOST_NS : rest;
}

void cairn_purge_learn(uint64_t now_ns)
{
	size_t rewanted = cairn_pageheap_rewanted_bytes() + hint(&noted_rewanted_bytes);
	size_t most = cairn_pageheap_highest_used_bytes() + hint(&allowance_bytes);
	size_t h = hint(&learnt_bytes) < CAIRN_PURGE_KEEP_MIN_BYTES ? CAIRN_PURGE_KEEP_MIN_BYTES : hint(&learnt_bytes);
	size_t again = rewanted - hint(&seen_rewanted_bytes);
	bool is_much = again > h / LEARN_SHARE;
	if (again) {
		set_hint(&seen_rewanted_bytes, rewanted);
		size_t raised = is_much ? 2 * h + again : h + again;
		h = raised > most ? most : raised;
	}
	if (is_much) {
		atomic_store_explicit(&last_change_ns, now_ns, memory_order_relaxed); /* a hint */
	} else if (now_ns - atomic_load_explicit(&last_change_ns, memory_order_relaxed) > rest_ns(h)) { /* a hint */
		h /= 2;
		set_hint(&allowance_bytes, hint(&allowance_bytes) / 2);
		set_hint(&held_down_bytes, hint(&held_down_bytes) / 2);
		atomic_store_explicit(&last_change_ns, now_ns, memory_order_relaxed); /* a hint */
	}
	set_hint(&learnt_bytes, h < CAIRN_PURGE_KEEP_MIN_BYTES ? CAIRN_PURGE_KEEP_MIN_BYTES : h);
	if (cairn_purge_is_eager())
		end_eager(now_ns);
	settle_hysteresis();
}

/* The relaxed look first: a thread that finds another at it leaves that one's line alone. */
bool cairn_purge_enter(void)
{
	bool is_busy = atomic_load_explicit(&is_purging, memory_order_relaxed); /* a hint */
	return !is_busy && !atomic_exchange(&is_purging, true);
}

void cairn_purge_leave(void) { atomic_store(&is_purging, false); }
bool cairn_purge_is_busy(void) { return atomic_load(&is_purging); }
void cairn_purge_fork_child(void) { atomic_store(&is_purging, false); }

/* Span headers are a 256th of the memory they describe; where nothing is left to describe they go with it. */
static void purge_headers(uintptr_t of)
{
	cairn_dirty_run bare;
	void *headers;
	if (!cairn_pageheap_take_bare(of, &bare, &headers))
		return;
	cairn_vm_purge(headers, cairn_vm_page_bytes());
	cairn_pageheap_give_bare(&bare);
}

static bool purge_runs(size_t keep_bytes, unsigned budget_us)
{
	uint64_t start = cairn_clock_fine_ns();
	if (start < atomic_load_explicit(&refused_until_ns, memory_order_relaxed)) /* a hint */
		return false;
	cairn_dirty_run run;
	while (cairn_pageheap_dirty_bytes() > keep_bytes) {
		if (!cairn_pageheap_take_dirty(&run, RUN_GRANULES))
			return false;
		size_t bytes = run.granules << CAIRN_GRANULE_SHIFT;
		if (run.is_huge)
			cairn_vm_no_huge((void *)cairn_round_down(run.start, CAIRN_CHUNK_BYTES), CAIRN_CHUNK_BYTES);
		bool ok = cairn_vm_purge((void *)run.start, bytes);
		cairn_pageheap_give_run(&run, ok);
		if (!ok) {
			atomic_store_explicit(&refused_until_ns, start + REFUSED_NS, memory_order_relaxed); /* a hint */
			return false;
		}
		purge_headers(run.start);
		purge_headers(run.start + bytes - 1);
		if (cairn_clock_fine_ns() - start > (uint64_t)budget_us * 1000 / 2)
			return true;
	}
	return false;
}

/* What is clean may be left out of core files. */
static bool hide_clean(unsigned budget_us)
{
	uint64_t start = cairn_clock_fine_ns();
	if (!cairn_pageheap_hide_is_due())
		return false;
	while (cairn_pageheap_hide_step())
		if (cairn_clock_fine_ns() - start > (uint64_t)budget_us * 1000 / 2)
			return true;
	return false;
}

bool cairn_purge_step(size_t keep_bytes, unsigned budget_us)
{
	bool is_dirty = cairn_pageheap_dirty_bytes() > keep_bytes;
	if ((!is_dirty && !cairn_pageheap_hide_is_due()) || !cairn_purge_enter())
		return false;
	bool more = is_dirty && purge_runs(keep_bytes, budget_us);
	more |= hide_clean(budget_us);
	cairn_purge_leave();
	return more;
}

static size_t allowance_most(size_t most)
{
	return most / ALLOWANCE_SHARE > ALLOWANCE_LEAST_BYTES ? most / ALLOWANCE_SHARE : ALLOWANCE_LEAST_BYTES;
}

/* A program that frees one kind and makes another goes through this once. One that goes on and on takes up and drops
 * the same memory, and is given more room: half of what it may have at first, then all. */
static void learn_allowance(size_t purged_bytes, size_t most)
{
	size_t purged = hint(&held_down_bytes) + purged_bytes;
	if (purged > most / 2) {
		size_t allowance = allowance_most(most);
		set_hint(&allowance_bytes, hint(&allowance_bytes) ? allowance : allowance / 2);
		purged = 0;
	}
	set_hint(&held_down_bytes, purged);
}

void cairn_purge_hold_peak(size_t bytes)
{
	size_t used = cairn_pageheap_used_bytes(), dirty = cairn_pageheap_dirty_bytes();
	size_t most = cairn_pageheap_highest_used_bytes();
	size_t allowed = most + CAIRN_PURGE_KEEP_MIN_BYTES + hint(&allowance_bytes);
	if (cairn_unlikely(hint(&floor_bytes) > 0))
		allowed += cairn_purge_floor_bytes();
	if (dirty <= CAIRN_PURGE_KEEP_MIN_BYTES || used + dirty <= allowed)
		return;
	/* As long as touching what was allocated will take: the OS gives pages more slowly than it takes them. */
	cairn_purge_step(allowed - used, SELF_BUDGET_US + (unsigned)(bytes / FAULT_BYTES_PER_US));
	size_t left = cairn_pageheap_dirty_bytes();
	learn_allowance(dirty > left ? dirty - left : 0, most);
}

void cairn_purge_self(size_t freed_bytes)
{
	cairn_purge_learn(cairn_clock_coarse_ns());
	size_t h = cairn_purge_hysteresis_bytes(), keep = cairn_pageheap_dirty_bytes() > h ? h / 2 : h;
	size_t floor = cairn_purge_floor_bytes();
	keep = keep < floor ? floor : keep;
	if (cairn_purge_is_due())
		cairn_purge_step(keep, SELF_BUDGET_US + (unsigned)(freed_bytes / PURGE_BYTES_PER_US));
}

void cairn_purge_validate(void)
{
	size_t h = cairn_purge_hysteresis_bytes(), most = cairn_pageheap_highest_used_bytes();
	size_t allowed = most + hint(&allowance_bytes);
	cairn_assert(h >= CAIRN_PURGE_KEEP_MIN_BYTES);                                                 /* U1 */
	size_t least = hint(&floor_bytes);
	least = least < CAIRN_PURGE_KEEP_MIN_BYTES ? CAIRN_PURGE_KEEP_MIN_BYTES : least;
	cairn_assert(h <= (allowed > least ? allowed : least)); /* U1 */
	cairn_assert(hint(&allowance_bytes) <= allowance_most(most));                                          /* U2 */
}
