/* malloc/limit.c - soft and hard limits. The design is in limit.h.
 *
 * Locks: none; a byte says that somebody is at it. Failure: see limit.h.
 * Not here: where limits are read from (os/cgroup.c, os/bounds.c), purging itself (page/purge.c, malloc/tend.c). */
#include "malloc/limit.h"

#include "cairn/malloc.h"
#include "malloc/start.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/bounds.h"
#include "os/clock.h"
#include "os/env.h"
#include "os/limits.h"
#include "os/meta.h"
#include "os/report.h"
#include "os/vm.h"
#include "page/purge.h"

#include <errno.h>
#include <stdatomic.h>

enum {
	FIRST_LOOK_BYTES = 8 << 20,
	LOOK_SHARE = 8,  /* of the limit: the longest way to the next look; others may fill it meanwhile */
	STEP_SHARE = 64, /* of it: the shortest */
	STEP_LEAST_BYTES = 1 << 20,
	MARGIN_SHARE = 64, /* of the limit: with less room than this it is near */
	RELIEF_SHARE = 16, /* of it: given back at once, */
	RELIEF_LEAST_BYTES = 16 << 20, /* or so much where nothing but pressure asks for it */
	RAM_SHARE = 16,    /* without a limit: of RAM, between two looks at the pressure */
	SOFT_PERCENT = 90,
	SOME_AVG10 = 1000, /* hundredths of a percent: pressure */
	FULL_AVG10 = 100,
	LISTENERS = 8,
};
#define ROOM_ENDLESS (INT64_MAX / 2)

size_t cairn_limit_most_bytes = SIZE_MAX; /* sync: atomic, relaxed: see limit.h */
static size_t hard_bytes = SIZE_MAX;      /* sync: atomic, relaxed: stands for itself */
static size_t soft_bytes;                 /* sync: atomic, relaxed: set in bytes; 0: not, SIZE_MAX: none wanted */
static unsigned soft_percent = SOFT_PERCENT; /* const after start */
static bool is_percent_asked;                /* const after start: then RAM counts too, where nothing else limits */
static bool may_read;                     /* sync: atomic, relaxed: written at start, or by who asks by API */
static _Atomic bool is_at_it;             /* sync: atomic: L2 */
static _Atomic bool is_changed;           /* sync: atomic: the limits were set anew */

/* A callback. state counts up: 4n free, 4n + 1 being set or cleared by one thread, 4n + 2 set. */
typedef struct limit_listener {
	_Atomic uint32_t state;               /* sync: atomic: the two below hold while it is the same */
	_Atomic(cairn_limit_callback *) call; /* sync: atomic */
	void *_Atomic arg;                    /* sync: atomic */
} limit_listener;
enum { LISTENER_FREE, LISTENER_CHANGING, LISTENER_SET };

/* What only a process has that comes to a look, or registers a callback: apart, for under a small RLIMIT_DATA each page
 * of static data counts. */
typedef struct limit_records {
	cairn_cgroup tightest;               /* sync: is_at_it; path "": none */
	uint64_t tightest_bytes;             /* sync: is_at_it */
	limit_listener listeners[LISTENERS]; /* sync: see there */
} limit_records;

static limit_records *records;    /* sync: atomic: released once, const then */
static bool has_looked;           /* sync: is_at_it */
static int64_t last_room;         /* sync: is_at_it; at the last look that could read, */
static size_t last_held;          /* sync: is_at_it; with so much held */
static uint64_t limit_in_force;   /* sync: atomic, relaxed: of the least room; for shares, and who asks */
static _Atomic unsigned listener_count; /* sync: atomic, relaxed: a hint */

static __thread struct {
	bool is_retrying, was_refused, is_relieving;
} limit_self __attribute__((tls_model("initial-exec")));

/* One name for the only order used here: each value stands for itself. */
static size_t word(const size_t *of) { return __atomic_load_n(of, __ATOMIC_RELAXED); /* see above */ }
static void set_word(size_t *to, size_t n) { __atomic_store_n(to, n, __ATOMIC_RELAXED); /* see above */ }

static size_t heap_held_bytes(void) { return cairn_pageheap_used_bytes() + cairn_pageheap_dirty_bytes(); }

static void set_limit_most(size_t bytes)
{
	set_word(&cairn_limit_most_bytes, bytes < word(&hard_bytes) ? bytes : word(&hard_bytes)); /* L1 */
}

bool cairn_limit_passes(size_t bytes)
{
	bool is_free_to = limit_self.is_retrying || limit_self.is_relieving;
	if (is_free_to && cairn_pageheap_used_bytes() + bytes <= word(&hard_bytes))
		return true;
	limit_self.was_refused = true;
	return false;
}

bool cairn_limit_is_hard(void) { return word(&hard_bytes) != SIZE_MAX; }

bool cairn_limit_has_refused(void)
{
	bool was = limit_self.was_refused;
	limit_self.was_refused = false;
	return was;
}

/* ---- how much room there is */

static int64_t share_of(uint64_t limit)
{
	return (int64_t)(limit / 100 * soft_percent + limit % 100 * soft_percent / 100);
}

typedef struct limit_room {
	int64_t bytes;  /* that may be added before the soft limit; under 0: over it */
	uint64_t limit; /* which one that is; 0: none */
} limit_room;

static void room_narrow(limit_room *room, int64_t soft, uint64_t used, uint64_t limit)
{
	if (used == CAIRN_CGROUP_NONE || soft - (int64_t)used >= room->bytes)
		return;
	room->bytes = soft - (int64_t)used;
	room->limit = limit;
}

/* Made by whoever needs it first; NULL: no memory. */
static limit_records *records_get(void)
{
	limit_records *is = __atomic_load_n(&records, __ATOMIC_ACQUIRE); /* pairs with the exchange below */
	if (is)
		return is;
	limit_records *made = cairn_meta_alloc(sizeof *made);
	if (!made || __atomic_compare_exchange_n(&records, &is, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made; /* releases zeroes */
	cairn_meta_free(made, sizeof *made);
	return is;
}

/* The level of our cgroup with the lowest limit that the first look has found, or NULL. */
static const cairn_cgroup *tightest_cgroup(void)
{
	const limit_records *r = __atomic_load_n(&records, __ATOMIC_ACQUIRE); /* as in records_get */
	return r && r->tightest.path[0] ? &r->tightest : NULL;
}

/* Where no level has a limit no records are made. */
static void find_tightest(void)
{
	cairn_cgroup g;
	uint64_t tightest = CAIRN_CGROUP_NONE;
	if (!cairn_cgroup_find(0, &g))
		return;
	do {
		cairn_cgroup_level level;
		cairn_cgroup_read(&g, false, &level);
		uint64_t least = level.max_bytes < level.high_bytes ? level.max_bytes : level.high_bytes;
		limit_records *r = least < tightest ? records_get() : NULL;
		if (r) {
			r->tightest = g;
			r->tightest_bytes = tightest = least;
		}
	} while (cairn_cgroup_up(&g));
}

/* What mappings count against is not lessened by a purge, but free granules are there to be used. */
static uint64_t mapped_bytes(uint64_t mapped)
{
	cairn_pageheap_numbers n = cairn_pageheap_count();
	uint64_t clean = (uint64_t)(n.free_granules - n.dirty_granules) << CAIRN_GRANULE_SHIFT;
	return mapped == CAIRN_CGROUP_NONE || mapped < clean ? mapped : mapped - clean;
}

static limit_room read_room(void)
{
	limit_room room = { ROOM_ENDLESS, 0 };
	const cairn_limits *limits = cairn_limits_get();
	size_t soft = word(&soft_bytes);
	cairn_usage usage;
	if (soft == SIZE_MAX)
		return room;
	const cairn_cgroup *g = tightest_cgroup();
	if (g)
		room_narrow(&room, share_of(records->tightest_bytes), cairn_cgroup_held_bytes(g),
			records->tightest_bytes);
	bool is_of_ram = is_percent_asked && !soft && !g && !cairn_limits_are_tight();
	if (!soft && !is_of_ram && !cairn_limits_are_tight())
		return room;
	cairn_usage_read(0, &usage);
	if (limits->address_bytes != SIZE_MAX)
		room_narrow(&room, share_of(limits->address_bytes), mapped_bytes(usage.address_bytes),
			limits->address_bytes);
	if (limits->data_bytes != SIZE_MAX)
		room_narrow(&room, share_of(limits->data_bytes), mapped_bytes(usage.data_bytes), limits->data_bytes);
	if (is_of_ram)
		room_narrow(&room, share_of(limits->ram_bytes), usage.resident_bytes, limits->ram_bytes);
	if (soft)
		room_narrow(&room, (int64_t)soft, usage.resident_bytes, soft);
	return room;
}

/* Room now; where nothing may be read, what it was less what the heap has grown. By a busy thread: locks are taken. */
static limit_room look_busily(void)
{
	if (!__atomic_load_n(&may_read, __ATOMIC_RELAXED)) { /* stands for itself */
		if (!has_looked)
			return (limit_room){ ROOM_ENDLESS, 0 };
		int64_t grown = (int64_t)heap_held_bytes() - (int64_t)last_held;
		return (limit_room){ last_room - grown, limit_in_force };
	}
	if (!has_looked)
		find_tightest();
	limit_room room = read_room();
	has_looked = true;
	last_room = room.bytes;
	last_held = heap_held_bytes();
	__atomic_store_n(&limit_in_force, room.limit, __ATOMIC_RELAXED); /* stands for itself */
	return room;
}

/* The thread is busy, so that a signal handler that allocates waits for none of its own thread's locks. */
static limit_room look_at_room(void)
{
	cairn_cache *c = cairn_thread_enter();
	limit_room room = look_busily();
	cairn_thread_leave(c);
	return room;
}

/* Evidence that memory is short, here or in the machine. */
static bool is_pressed(void)
{
	cairn_cgroup_pressure p;
	if (!__atomic_load_n(&may_read, __ATOMIC_RELAXED) || /* stands for itself */
		!cairn_cgroup_read_pressure(tightest_cgroup(), &p))
		return false;
	return p.some_avg10 >= SOME_AVG10 || p.full_avg10 >= FULL_AVG10;
}

/* ---- what is done about it */

static void set_next_look(limit_room room)
{
	size_t held = heap_held_bytes();
	size_t step = (size_t)(room.limit / STEP_SHARE), far = (size_t)(room.limit / LOOK_SHARE);
	if (!room.limit && !has_looked) {
		far = SIZE_MAX / 2; /* nothing is known, nor may be asked */
	} else if (!room.limit) {
		far = word(&soft_bytes) == SIZE_MAX ? SIZE_MAX / 2 : cairn_limits_get()->ram_bytes / RAM_SHARE;
	}
	step = step < STEP_LEAST_BYTES ? STEP_LEAST_BYTES : step;
	size_t half = room.bytes > 0 ? (size_t)room.bytes / 2 : 0, next = half < far ? half : far;
	set_limit_most(held + (next < step ? step : next));
}

/* What is free goes back, until there is room for so many bytes and a sixteenth of the limit: the rest would make one
 * request wait for all of it, 1 ms for each MiB in pages of slabs. Other threads' magazines follow with their next slow
 * free. */
static limit_room give_some_back(size_t bytes, limit_room room)
{
	int64_t wanted = (int64_t)bytes + (int64_t)(room.limit / RELIEF_SHARE);
	cairn_purge_set_eager(heap_held_bytes() / 8 * 7, cairn_clock_coarse_ns());
	cairn_tend_call_all();
	if (room.limit && bytes <= room.limit && wanted > room.bytes)
		cairn_tend_some((size_t)(wanted - room.bytes));
	else
		cairn_tend_some(RELIEF_LEAST_BYTES);
	return look_at_room();
}

static void call_listeners(limit_room room)
{
	cairn_limit_state state;
	limit_records *r = __atomic_load_n(&records, __ATOMIC_ACQUIRE);      /* as in records_get */
	if (!r || !atomic_load_explicit(&listener_count, memory_order_relaxed)) /* a hint */
		return;
	cairn_limit_get(&state);
	state.room_bytes = room.bytes > 0 ? (size_t)room.bytes : 0;
	for (unsigned i = 0; i < LISTENERS; i++) {
		limit_listener *l = &r->listeners[i];
		uint32_t before = atomic_load(&l->state);
		cairn_limit_callback *call = atomic_load(&l->call);
		void *arg = atomic_load(&l->arg);
		if (before % 4 == LISTENER_SET && atomic_load(&l->state) == before)
			call(&state, arg); /* L3 */
	}
}

static int64_t margin_of(limit_room room)
{
	int64_t margin = (int64_t)(room.limit / MARGIN_SHARE);
	return room.limit && margin < STEP_LEAST_BYTES ? STEP_LEAST_BYTES : margin;
}

static bool is_short(limit_room room, size_t bytes)
{
	size_t hard = word(&hard_bytes);
	if (bytes <= hard && heap_held_bytes() > hard - bytes)
		return true;
	if (bytes > room.limit)
		bytes = 0; /* addresses to be touched here and there, or a question whether so much can be had */
	return room.bytes < (int64_t)bytes + margin_of(room);
}

/* Everything in its order; is_refused: the OS has said no, so that room there is not. */
static void relieve(size_t bytes, bool is_refused)
{
	limit_room room = look_at_room();
	bool is_little = is_refused || is_short(room, bytes);
	if (is_little || is_pressed()) {
		room = give_some_back(bytes, room);
		if (is_refused || is_short(room, bytes)) {
			cairn_tend_now(0);
			room = look_at_room();
		}
		if (is_refused || is_short(room, bytes)) {
			call_listeners(room);
			cairn_tend_now(0);
			room = look_at_room();
		}
	}
	set_next_look(room);
}

/* L2. False: somebody is at it, perhaps this thread, from a callback. */
static bool enter_relief(void)
{
	if (limit_self.is_relieving || atomic_exchange(&is_at_it, true))
		return false;
	limit_self.is_relieving = true;
	return true;
}

static void leave_relief(void)
{
	limit_self.is_relieving = false;
	atomic_store(&is_at_it, false);
	if (atomic_exchange(&is_changed, false))
		set_limit_most(0);
}

static bool relieve_alone(size_t bytes, bool is_refused)
{
	int saved = errno;
	if (!enter_relief())
		return false;
	set_limit_most(SIZE_MAX); /* L2 */
	relieve(bytes, is_refused);
	leave_relief();
	errno = saved;
	return true;
}

void cairn_limit_begin_retry(size_t bytes)
{
	relieve_alone(bytes, false);
	limit_self.is_retrying = true;
}

void cairn_limit_end_retry(void) { limit_self.is_retrying = limit_self.was_refused = false; }

/* Not for a program that asks for more than can be had, to see whether it can. */
bool cairn_limit_relieve(size_t bytes)
{
	return atomic_load_explicit(&listener_count, memory_order_relaxed) && /* a hint */
	       bytes <= cairn_pageheap_used_bytes() && relieve_alone(bytes, true);
}

/* ---- start */

/* "80%", "2G", "none". */
static bool limit_parse(const char *text)
{
	unsigned percent = 0, digits = 0;
	for (; text[digits] >= '0' && text[digits] <= '9' && digits < 4; digits++)
		percent = percent * 10 + (unsigned)(text[digits] - '0');
	if (digits && text[digits] == '%' && !text[digits + 1] && percent && percent <= 100) {
		soft_percent = percent;
		is_percent_asked = true;
		return true;
	}
	bool is_none = text[0] == 'n' && text[1] == 'o' && text[2] == 'n' && text[3] == 'e' && !text[4];
	size_t bytes = is_none ? SIZE_MAX : cairn_env_bytes("CAIRN_LIMIT", 0);
	set_word(&soft_bytes, bytes);
	return bytes;
}

void cairn_limit_start(void)
{
	const char *text = cairn_env_text("CAIRN_LIMIT");
	if (text && !limit_parse(text))
		cairn_report_ignored("CAIRN_LIMIT", text, "a share as 80%, a size as 2G, or none");
	set_limit_most(word(&soft_bytes) == SIZE_MAX ? SIZE_MAX : FIRST_LOOK_BYTES);
}

/* What the machine has to give. Where no limit is set, or none is wanted, nothing else bounds what is touched. */
static int64_t available_bytes(void)
{
	cairn_bound ram; /* always the last of the list, so the only one of a list of one */
	if (!cairn_bounds_read(0, &ram, 1) || ram.used_bytes == CAIRN_CGROUP_NONE)
		return share_of(cairn_limits_get()->ram_bytes);
	return share_of(ram.limit_bytes) - (int64_t)ram.used_bytes;
}

/* As much as is asked for, but no more than there is room for. */
static void prewarm(size_t bytes, int64_t room)
{
	int64_t available = bytes ? available_bytes() : 0;
	room = room < available ? room : available;
	bytes = room <= 0 ? 0 : bytes < (size_t)room ? bytes : (size_t)room;
	size_t granules = bytes >> CAIRN_GRANULE_SHIFT;
	if (!granules)
		return;
	cairn_purge_set_floor(granules << CAIRN_GRANULE_SHIFT);
	if (!cairn_pageheap_prewarm(granules))
		cairn_purge_set_floor(0);
}

void cairn_limit_may_read(bool may)
{
	const char *text = cairn_env_text("CAIRN_PREWARM");
	size_t warm = text ? cairn_env_bytes("CAIRN_PREWARM", 0) : 0;
	if (text && !warm && (text[0] != '0' || text[1]))
		cairn_report_ignored("CAIRN_PREWARM", text, "a size as 512M");
	bool is_wanted = word(&soft_bytes) != SIZE_MAX && (warm || !may);
	__atomic_store_n(&may_read, true, __ATOMIC_RELAXED); /* stands for itself: at start it may */
	has_looked = false; /* a constructor of the program's that came before us may have been over the first mark */
	if (word(&soft_bytes) != SIZE_MAX)
		set_limit_most(FIRST_LOOK_BYTES);
	if ((is_wanted || warm) && enter_relief()) {
		limit_room room = look_busily(); /* a constructor: it has no cache yet and shall make none */
		prewarm(warm, room.bytes);
		set_next_look(look_busily());
		leave_relief();
	}
	__atomic_store_n(&may_read, may, __ATOMIC_RELAXED); /* stands for itself */
}

/* Whoever was at it in the parent had lifted the mark, and is not here to set it again. */
void cairn_limit_validate(void) { cairn_assert(word(&cairn_limit_most_bytes) <= word(&hard_bytes)); /* L1 */ }

void cairn_limit_fork_child(void)
{
	if (atomic_exchange(&is_at_it, limit_self.is_relieving) && !limit_self.is_relieving)
		set_limit_most(0);
}

/* ---- the program's own word (cairn/malloc.h) */

bool cairn_limit_set(size_t soft, size_t hard)
{
	if (hard && soft != SIZE_MAX && soft > hard) {
		errno = EINVAL;
		return false;
	}
	cairn_start();
	set_word(&soft_bytes, soft);
	set_word(&hard_bytes, hard ? hard : SIZE_MAX);
	if (enter_relief()) {
		bool may = __atomic_exchange_n(&may_read, true, __ATOMIC_RELAXED); /* asked for: now it may */
		set_next_look(look_at_room());
		__atomic_store_n(&may_read, may, __ATOMIC_RELAXED); /* stands for itself */
		leave_relief();
	} else {
		atomic_store(&is_changed, true);
	}
	return true;
}

void cairn_limit_get(cairn_limit_state *to)
{
	size_t soft = word(&soft_bytes), hard = word(&hard_bytes);
	uint64_t limit = __atomic_load_n(&limit_in_force, __ATOMIC_RELAXED); /* stands for itself */
	*to = (cairn_limit_state){
		.soft_bytes = soft == SIZE_MAX ? 0 : soft ? soft : (size_t)share_of(limit),
		.hard_bytes = hard == SIZE_MAX ? 0 : hard,
		.tightest_bytes = (size_t)limit,
		.held_bytes = heap_held_bytes(),
		.is_near = cairn_purge_is_eager(),
	};
}

/* Makes one slot of phase `from` that holds (call, arg), or any where it is free, one of phase `to` that does. */
static bool listener_change(unsigned from, unsigned to, cairn_limit_callback *call, void *arg)
{
	if (cairn_thread_is_nested())
		return false;
	cairn_cache *c = cairn_thread_enter(); /* as in look_at_room */
	limit_records *r = records_get();
	cairn_thread_leave(c);
	for (unsigned i = 0; r && i < LISTENERS; i++) {
		limit_listener *l = &r->listeners[i];
		uint32_t state = atomic_load(&l->state);
		bool is_it = from == LISTENER_FREE || (atomic_load(&l->call) == call && atomic_load(&l->arg) == arg);
		if (state % 4 != from || !is_it ||
			!atomic_compare_exchange_strong(&l->state, &state, state - from + LISTENER_CHANGING))
			continue;
		atomic_store(&l->call, call);
		atomic_store(&l->arg, arg);
		atomic_store(&l->state, state - from + 4 + to);
		atomic_fetch_add(&listener_count, to == LISTENER_SET ? 1u : -1u);
		return true;
	}
	return false;
}

bool cairn_limit_on_near(cairn_limit_callback *call, void *arg)
{
	return call && listener_change(LISTENER_FREE, LISTENER_SET, call, arg);
}

bool cairn_limit_off_near(cairn_limit_callback *call, void *arg)
{
	return call && listener_change(LISTENER_SET, LISTENER_FREE, call, arg);
}
