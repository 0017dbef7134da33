/* malloc/tend.c - purging at the right time. The design is in tend.h. */
#include "malloc/tend.h"

#include "cairn/malloc.h"
#include "malloc/cache.h"
#include "malloc/fork.h"
#include "malloc/limit.h"
#include "malloc/shelf.h"
#include "malloc/slabpurge.h"
#include "malloc/start.h"
#include "malloc/threads.h"
#include "os/clock.h"
#include "os/env.h"
#include "os/identity.h"
#include "os/thread.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/purge.h"

#include <stdatomic.h>

enum {
	LOOK_MS = 100,
	LOOK_NS = LOOK_MS * 1000 * 1000,
	DEMAND_LOOKS = 5,
	IDLE_LOOKS_MAX = 15,          /* without work, then the janitor goes */
	UNKNOWN_LOOKS = 10,           /* then a janitor goes that may be who the program is no more */
	STEP_US = 500,                /* of the janitor; no lock is held during a system call, so nobody waits for it */
	SELF_STEP_US = 100,
	LEARN_CALLS = 128,            /* slow frees between two looks at the clock */
	JANITOR_KEEP_BYTES = 256 << 10,
	ASK_AGAIN_NS = 1000 * 1000 * 1000,
	OTHER_WAITS = 100,            /* of a millisecond each */
};

typedef enum janitor_wish { JANITOR_WITH_THREADS, JANITOR_ALWAYS, JANITOR_NEVER } janitor_wish;

static janitor_wish wish;                 /* const after start */
static _Atomic bool is_janitor_there;     /* sync: atomic: whoever sets it starts the janitor */
static _Atomic uint64_t ask_again_ns;     /* sync: atomic, relaxed: a hint */
/* sync: atomic, relaxed: a hint; a second thread has allocated in this process */
static _Atomic bool has_threads;

void cairn_tend_start(void)
{
	const char *text = cairn_env_text("CAIRN_JANITOR");
	wish = !text ? JANITOR_WITH_THREADS : cairn_env_flag("CAIRN_JANITOR", false) ? JANITOR_ALWAYS : JANITOR_NEVER;
}

/* What must stay: the most that was in use at one of the last looks, less what is in use now. */
static size_t demand_bytes(size_t looks[DEMAND_LOOKS], unsigned n)
{
	size_t used = cairn_pageheap_used_bytes(), kept = cairn_shelves_kept_bytes(), most;
	most = used -= kept < used ? kept : used; /* what lies on shelves is free */
	looks[n % DEMAND_LOOKS] = used;
	for (unsigned i = 0; i < DEMAND_LOOKS; i++)
		most = looks[i] > most ? looks[i] : most;
	return most - used;
}

static bool is_asked(void)
{
	return atomic_load_explicit(&cairn_purge_request, memory_order_relaxed) != /* a word from outside */
	       atomic_load_explicit(&cairn_purge_served, memory_order_relaxed);    /* a hint */
}

/* Everything back that is not in another thread's magazines. What was asked for meanwhile is served next time. */
static void serve_request(void)
{
	uint32_t request = atomic_load_explicit(&cairn_purge_request, memory_order_relaxed); /* likewise */
	cairn_tend_now(0);
	atomic_store_explicit(&cairn_purge_served, request, memory_order_release); /* publishes that it is done */
}

/* Somebody wants memory back: this thread's magazines, and what nobody else has served. */
static void answer_call(void)
{
	cairn_cache *c = cairn_thread_enter();
	if (c)
		cairn_cache_empty_magazines(c);
	cairn_thread_leave(c);
	if (is_asked())
		serve_request();
}

void cairn_tend_call_all(void)
{
	uint32_t request = atomic_fetch_add(&cairn_purge_request, 1) + 1;
	/* Publishes what the caller has done. */
	atomic_store_explicit(&cairn_purge_served, request, memory_order_release);
}

/* One look. Was there anything to do? */
static bool janitor_look(size_t looks[DEMAND_LOOKS], unsigned n)
{
	if (cairn_unlikely(is_asked()))
		serve_request();
	cairn_shelves_look();
	size_t keep = demand_bytes(looks, n), dirty = cairn_pageheap_dirty_bytes();
	size_t least = cairn_purge_floor_bytes();
	least = least < JANITOR_KEEP_BYTES ? JANITOR_KEEP_BYTES : least;
	keep = keep < least || cairn_purge_is_eager() ? least : keep;
	bool worked = cairn_shelves_kept_bytes() > JANITOR_KEEP_BYTES;
	if (dirty > keep || cairn_pageheap_hide_is_due()) {
		size_t over = dirty > keep ? dirty - keep : 0;
		size_t third = over / 3 > JANITOR_KEEP_BYTES ? dirty - over / 3 : keep;
		while (cairn_purge_step(third, STEP_US))
			;
		worked = true;
	}
	for (unsigned i = 0; i < LOOK_MS * 1000 / STEP_US / 4 && cairn_slabpurge_step(STEP_US); i++)
		worked = true;
	if (n % 10 == 0)
		cairn_huge_tick();
	return worked;
}

/* The last look of a janitor that cannot know whether the program has changed its identity. Nobody may come after it,
 * so it keeps nothing for the demand. */
static void janitor_last_look(void)
{
	if (cairn_shelves_kept_bytes() > JANITOR_KEEP_BYTES)
		cairn_shelves_empty();
	size_t looks[DEMAND_LOOKS] = { 0 };
	janitor_look(looks, 0);
	while (cairn_purge_step(JANITOR_KEEP_BYTES, STEP_US))
		;
}

static void janitor(void *arg)
{
	(void)arg;
	size_t looks[DEMAND_LOOKS] = { 0 };
	unsigned idle = 0;
	cairn_identity identity = cairn_identity_lay_down();
	for (unsigned n = 0; idle < IDLE_LOOKS_MAX; n++) {
		cairn_thread_sleep_ms(LOOK_MS);
		if (identity == CAIRN_IDENTITY_UNKNOWN && n + 1 == UNKNOWN_LOOKS) {
			janitor_last_look();
			break;
		}
		if (identity == CAIRN_IDENTITY_WATCHED && !cairn_identity_is_current())
			break; /* the next may come at once, as who the program is now */
		idle = janitor_look(looks, n) ? 0 : idle + 1;
	}
	atomic_store(&is_janitor_there, false);
}

/* Is there a janitor now, made if need be? */
static bool have_janitor(void)
{
	bool is_alone = !atomic_load_explicit(&has_threads, memory_order_relaxed); /* a hint */
	if (wish == JANITOR_NEVER || (wish == JANITOR_WITH_THREADS && is_alone))
		return false;
	if (atomic_load(&is_janitor_there))
		return true;
	cairn_fork_register(); /* the janitor takes locks: a child must find them free, and know that it is not there */
	uint64_t now = cairn_clock_coarse_ns();
	if (now < atomic_load_explicit(&ask_again_ns, memory_order_relaxed) ||
		atomic_exchange(&is_janitor_there, true))                                /* a hint */
		return now >= atomic_load_explicit(&ask_again_ns, memory_order_relaxed); /* a hint */
	cairn_shelves_share();
	bool ok = cairn_thread_start_helper(janitor, NULL);
	if (!ok) {
		atomic_store_explicit(&ask_again_ns, now + ASK_AGAIN_NS, memory_order_relaxed); /* a hint */
		atomic_store(&is_janitor_there, false);
	}
	return ok;
}

/* Where there is no janitor, whoever frees looks at the shelves now and then. */
static void look_at_shelves(uint64_t now)
{
	static _Atomic uint64_t last; /* sync: atomic, relaxed: a hint */
	if (!cairn_shelves_are_due() || atomic_load_explicit(&is_janitor_there, memory_order_relaxed) || /* a hint */
		now - atomic_load_explicit(&last, memory_order_relaxed) < LOOK_NS) /* a hint */
		return;
	atomic_store_explicit(&last, now, memory_order_relaxed); /* a hint */
	cairn_cache *c = cairn_thread_enter();
	cairn_shelves_look();
	cairn_thread_leave(c);
}

void cairn_tend(size_t dirty_before)
{
	static __thread unsigned calls __attribute__((tls_model("initial-exec")));
	static __thread uint32_t seen __attribute__((tls_model("initial-exec")));
	uint32_t request = atomic_load_explicit(&cairn_purge_request, memory_order_relaxed); /* a hint to come by */
	if (cairn_unlikely(request != seen)) {
		seen = request;
		answer_call();
	}
	if (calls++ % LEARN_CALLS == 0) {
		cairn_purge_learn(cairn_clock_coarse_ns());
		look_at_shelves(cairn_clock_coarse_ns());
	}
	bool pages = cairn_purge_is_due(), slabs = cairn_slabpurge_is_due();
	/* A janitor keeps by demand, not by the hysteresis: what that has learnt would keep it from being called. */
	bool is_work = cairn_pageheap_dirty_bytes() > CAIRN_PURGE_KEEP_MIN_BYTES || cairn_shelves_are_due();
	if (!pages && !slabs && !is_work)
		return;
	if (have_janitor() || (!pages && !slabs))
		return;
	cairn_cache *c = cairn_thread_enter();
	if (pages)
		cairn_purge_self(
			cairn_pageheap_dirty_bytes() > dirty_before ? cairn_pageheap_dirty_bytes() - dirty_before : 0);
	if (slabs)
		cairn_slabpurge_step(SELF_STEP_US);
	cairn_thread_leave(c);
}

/* Another thread is purging: true after a moment's sleep, a hundred times. It may sleep for good (see page/purge.h). */
static bool wait_for_other(unsigned *waits)
{
	if (!cairn_purge_is_busy() || ++*waits > OTHER_WAITS)
		return false;
	cairn_thread_sleep_ms(1);
	return true;
}

/* Given back so far: pages of slabs, granules. */
static size_t given_bytes(void)
{
	return cairn_slabpurge_bytes() + (cairn_pageheap_count().purged_granules << CAIRN_GRANULE_SHIFT);
}

/* Gives back what is free but `keep` bytes of granules, until about `most` went; how many. Granules first, as a call
 * takes more of them. */
static size_t give_back(size_t keep, size_t most)
{
	cairn_cache *c = cairn_thread_enter();
	if (c)
		cairn_cache_empty_magazines(c);
	cairn_shelves_empty();
	size_t before = given_bytes();
	unsigned waits = 0;
	while (given_bytes() - before < most &&
		(cairn_purge_step(keep, STEP_US) || cairn_slabpurge_step(STEP_US) || wait_for_other(&waits)))
		;
	size_t given = given_bytes() - before; /* busy still: a lock is taken */
	cairn_thread_leave(c);
	return given;
}

size_t cairn_tend_now(size_t keep)
{
	if (keep < cairn_purge_floor_bytes())
		cairn_purge_set_floor(0);
	return give_back(keep, SIZE_MAX);
}

size_t cairn_tend_some(size_t bytes) { return give_back(0, bytes); }

size_t cairn_purge(void)
{
	cairn_start();
	return cairn_thread_is_nested() ? 0 : cairn_tend_now(0);
}

void cairn_idle(void)
{
	if (cairn_thread_is_nested() || !cairn_thread_has_cache())
		return;
	size_t dirty_before = cairn_pageheap_dirty_bytes();
	cairn_cache *c = cairn_thread_enter();
	cairn_cache_drain(c);
	cairn_shelf_close(&c->shelf);
	cairn_thread_leave(c);
	cairn_tend(dirty_before);
}

void cairn_tend_fork_child(void)
{
	cairn_limit_fork_child();
	cairn_thread_helper_fork_child();
	cairn_purge_fork_child();
	atomic_store(&is_janitor_there, false);
	atomic_store_explicit(&has_threads, false, memory_order_relaxed); /* a hint */
}

void cairn_tend_thread_began(void)
{
	atomic_store_explicit(&has_threads, true, memory_order_relaxed); /* a hint */
}
