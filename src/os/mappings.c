/* os/mappings.c - who mapped which memory. What it is for, and how it is read, is in os/mappings.h.
 *
 *   free ──note──▶ being written (sequence 0) ──▶ noted ──forget──▶ forgotten (end == start) ──note──▶ ...
 *
 *   a hash table by start, linear probing: none ──▶ 128 entries (a page) ──3/4 full──▶ 512 ──▶ ... ──▶ 65,536
 *
 * The first table comes with malloc's start; under a limit on memory, where one page more may be too many for a small
 * program (.bss would count there as well), with the first mapping of the program's own. When it is 3/4 full it is made
 * anew: what newer entries cover wholly, and what was forgotten, stays behind, neighbours of one caller become one
 * entry, and where more than half is left it becomes four times as large. So a program that maps and unmaps for ever
 * stays in a small table, though nobody tells us what it unmaps, and so does one that maps by small pieces.
 *
 * Invariants, checked by cairn_mappings_validate():
 *   (E1) `capacity` is a power of two from 128 to 65,536, or there is no table yet and all but `dropped` is 0.
 *   (E2) An entry is found by its start: no free entry lies between the place of its hash and its own.
 *   (E3) `count` entries are in use, never more than 3/4 of `capacity`.
 *   (E4) An entry in use ends where it starts or behind it, and has a sequence from 1 to the table's: its own, but for
 *        neighbours that were joined in a table that could not be made anew.
 *
 * Locks: none, so no rank. Who changes the table puts its thread pointer, which is the same in fork's child, into
 * mappings_holder by an exchange. Others try that for some microseconds, then sleep while the holder may have lost its
 * processor, some milliseconds at most, and then let their note go; after that was in vain nobody sleeps until somebody
 * has had the table again. A signal handler that struck its own thread in here lets go at once, or it would wait for
 * itself. What a thread had half written that is not in fork's child, the child mends (cairn_mappings_fork_child). In
 * the child of a clone without our handlers all later notes are dropped then, as they are where a handler left by
 * longjmp, or a thread was killed, in here.
 * Failure: a note that is dropped and counted. A larger table that is refused is asked for again when an eighth of the
 * present one's capacity has been dropped. Not here: who calls (os/vm_linux.c, malloc/mapcalls.c). */
#include "os/mappings.h"

#include "base/assert.h"
#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum {
	MAPPINGS_LEAST = 128,
	MAPPINGS_MOST = 65536,
	MAPPINGS_GROWTH = 4,
	MAPPINGS_SLEEPS = 40,
	MAPPINGS_SLEEP_NS = 100 * 1000,
	MAPPINGS_TRIES = 100,     /* 4 us: a note takes a hundredth of that */
	MAPPINGS_CHECKED = 1024, /* a larger table is not validated at each change */
};

cairn_mappings_table cairn_mappings;                  /* sync: mappings.h */
static uintptr_t mappings_holder;                     /* sync: atomic; 0: nobody's */
static bool mappings_is_lost;   /* sync: atomic, relaxed: sleeping for the holder was in vain; a hint */
static uint64_t mappings_retry; /* sync: holder; a table that could not grow tries again at that many dropped */
/* What is being published: to mend a table whose writer is not in the child. sync: holder */
static struct {
	cairn_mapping *entries;
	size_t capacity;
} mappings_next;

_Static_assert(sizeof(cairn_mapping) == 32, "the command reads it");

/* ---- whose turn it is ---- */

/* Relaxed: a count for people. */
static void mappings_drop_note(void) { __atomic_add_fetch(&cairn_mappings.dropped, 1, __ATOMIC_RELAXED); }

/* Not 0 also where a thread has no pointer yet. */
static uintptr_t mappings_me(void) { return (uintptr_t)__builtin_thread_pointer() | 1; }

/* The futex is nobody's: it is a sleep that ends early where the holder changes just before. */
static void mappings_sleep(uintptr_t holder)
{
	struct timespec wait = { 0, MAPPINGS_SLEEP_NS };
	cairn_sys(SYS_futex, (long)&mappings_holder, FUTEX_WAIT_PRIVATE, (long)(uint32_t)holder, (long)&wait, 0, 0);
}

static bool mappings_take(void)
{
	uintptr_t me = mappings_me();
	unsigned tries = MAPPINGS_TRIES;
	if (!__atomic_load_n(&mappings_is_lost, __ATOMIC_RELAXED)) /* a hint */
		tries += MAPPINGS_SLEEPS;
	for (unsigned i = 0; i < tries; i++) {
		uintptr_t holder = 0;
		/* Acquire: pairs with mappings_leave, whose table is seen whole. */
		if (__atomic_compare_exchange_n(
			    &mappings_holder, &holder, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			__atomic_store_n(&mappings_is_lost, false, __ATOMIC_RELAXED); /* a hint */
			return true;
		}
		if (holder == me)
			return false;
		if (i < MAPPINGS_TRIES)
			cairn_sys_pause();
		else
			mappings_sleep(holder);
	}
	__atomic_store_n(&mappings_is_lost, true, __ATOMIC_RELAXED); /* a hint */
	return false;
}

/* Release: publishes what was written to the next that takes the table. */
static void mappings_leave(void) { __atomic_store_n(&mappings_holder, 0, __ATOMIC_RELEASE); }

/* ---- entries ---- */

/* Each store is a release, so that whoever reads an old word after a new one reads it from outside in the wrong order
 * and not from us: an entry that is half written has sequence 0. */
static void mapping_store(uintptr_t *word, uintptr_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

/* The entry of start, or the free one in which it would be. */
static cairn_mapping *mapping_place(cairn_mapping *entries, size_t capacity, uintptr_t start)
{
	size_t i = (size_t)(((uint64_t)start >> 12) * 0x9E3779B97F4A7C15u >> 32) & (capacity - 1);
	while (entries[i].start && entries[i].start != start)
		i = (i + 1) & (capacity - 1);
	return &entries[i];
}

static void mapping_write(cairn_mapping *to, const cairn_mapping *m)
{
	mapping_store(&to->sequence, 0);
	mapping_store(&to->start, m->start);
	mapping_store(&to->end, m->end);
	mapping_store(&to->by, m->by);
	mapping_store(&to->sequence, m->sequence);
}

/* One word, so that no reader takes it for something else. */
static void mapping_forget(cairn_mapping *m) { mapping_store(&m->end, m->start); }

/* Cairn's own entry with at in (start, end], mostly that of `likely`; NULL: none. Otherwise all are looked at. */
static cairn_mapping *mapping_own_to(uintptr_t at, uintptr_t likely)
{
	cairn_mapping *first = cairn_mappings.capacity ?
		mapping_place(cairn_mappings.entries, cairn_mappings.capacity, likely) : NULL;
	if (first && first->by == CAIRN_MAPPING_OWN && first->start < at && at <= first->end)
		return first;
	for (size_t i = 0; i < cairn_mappings.capacity; i++) {
		cairn_mapping *m = &cairn_mappings.entries[i];
		if (m->by == CAIRN_MAPPING_OWN && m->start < at && at <= m->end)
			return m;
	}
	return NULL;
}

/* ---- which entries are still to be seen ---- */

/* The entries in use are walked from low addresses to high; a heap has those that reach over the present place, the
 * newest on top: that one is seen. */
typedef struct mappings_walk {
	cairn_mapping *entries;
	size_t count, height;
	uint64_t *seen;    /* bytes of each entry */
	uint32_t *ordered; /* by start */
	uint32_t *heap;    /* by sequence */
} mappings_walk;

static size_t walk_bytes(size_t capacity) { return capacity * (2 * sizeof(uint32_t) + sizeof(uint64_t)); }

static uint64_t walk_key(const mappings_walk *w, uint32_t i, bool is_by_start)
{
	return is_by_start ? w->entries[i].start : w->entries[i].sequence;
}

static void walk_sift_down(const mappings_walk *w, uint32_t *heap, size_t n, size_t at, bool is_by_start)
{
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n &&
			walk_key(w, heap[child + 1], is_by_start) > walk_key(w, heap[child], is_by_start))
			child++;
		if (walk_key(w, heap[at], is_by_start) >= walk_key(w, heap[child], is_by_start))
			return;
		uint32_t i = heap[at];
		heap[at] = heap[child];
		heap[child] = i;
	}
}

static void walk_order(mappings_walk *w)
{
	for (size_t i = w->count / 2; i-- > 0;)
		walk_sift_down(w, w->ordered, w->count, i, true);
	for (size_t n = w->count; n-- > 1;) {
		uint32_t i = w->ordered[0];
		w->ordered[0] = w->ordered[n];
		w->ordered[n] = i;
		walk_sift_down(w, w->ordered, n, 0, true);
	}
}

static void walk_push(mappings_walk *w, uint32_t i)
{
	size_t at = w->height++;
	for (; at && walk_key(w, w->heap[(at - 1) / 2], false) < walk_key(w, i, false); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = i;
}

static void walk_pop(mappings_walk *w)
{
	w->heap[0] = w->heap[--w->height];
	walk_sift_down(w, w->heap, w->height, 0, false);
}

/* Marks what is seen; returns how many. */
static size_t walk_look(mappings_walk *w)
{
	size_t seen = 0, i = 0;
	uintptr_t at = 0;
	walk_order(w);
	while (i < w->count || w->height) {
		if (!w->height)
			at = w->entries[w->ordered[i]].start;
		while (i < w->count && w->entries[w->ordered[i]].start <= at)
			walk_push(w, w->ordered[i++]);
		while (w->height && w->entries[w->heap[0]].end <= at)
			walk_pop(w);
		if (!w->height)
			continue;
		uintptr_t from = at;
		uint32_t top = w->heap[0];
		at = w->entries[top].end;
		if (i < w->count && w->entries[w->ordered[i]].start < at)
			at = w->entries[w->ordered[i]].start;
		seen += !w->seen[top];
		w->seen[top] += at - from;
	}
	return seen;
}

/* Neighbours of one caller become the lower one's entry, which is as new as the newest of them; returns how many are
 * not needed any more. Only what is seen as a whole: whatever else lies there is older than the part that hides it. */
static size_t walk_join(mappings_walk *w)
{
	size_t joined = 0;
	cairn_mapping *last = NULL;
	for (size_t i = 0; i < w->count; i++) {
		cairn_mapping *m = &w->entries[w->ordered[i]];
		uint64_t *seen = &w->seen[w->ordered[i]];
		if (*seen != m->end - m->start || !*seen || m->start == (uintptr_t)w->entries)
			continue;
		if (!last || last->end != m->start || last->by != m->by) {
			last = m;
			continue;
		}
		cairn_mapping both = *last;
		both.end = m->end;
		both.sequence = both.sequence > m->sequence ? both.sequence : m->sequence;
		mapping_write(last, &both);
		*seen = 0;
		joined++;
	}
	return joined;
}

/* ---- the table made anew ---- */

/* Not cairn_vm_map, which notes. */
static void *mappings_map(size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	long p = cairn_sys(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	return p < 0 && p > -4096 ? NULL : (void *)p;
}

static void mappings_unmap(void *p, size_t bytes)
{
	if (p)
		cairn_sys(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0);
}

static size_t mappings_bytes(size_t capacity)
{
	return cairn_round_up(capacity * sizeof(cairn_mapping), cairn_vm_page_bytes());
}

static void mappings_publish(cairn_mapping *entries, size_t capacity, size_t count)
{
	mapping_store((uintptr_t *)&mappings_next.entries, (uintptr_t)entries);
	mapping_store(&mappings_next.capacity, capacity);
	mapping_store((uintptr_t *)&cairn_mappings.entries, (uintptr_t)entries); /* first: never too many for it */
	mapping_store(&cairn_mappings.capacity, capacity);
	mapping_store(&cairn_mappings.count, count);
}

/* The seen ones, less the table that they are in. */
static size_t mappings_copy(const mappings_walk *w, cairn_mapping *to, size_t capacity)
{
	size_t count = 0;
	for (size_t n = 0; n < w->count; n++) {
		const cairn_mapping *m = &w->entries[w->ordered[n]];
		if (!w->seen[w->ordered[n]] || m->start == (uintptr_t)w->entries)
			continue;
		*mapping_place(to, capacity, m->start) = *m;
		count++;
	}
	return count;
}

static void mappings_put(uintptr_t start, uintptr_t end, uintptr_t by);

/* Into a table that is large enough for what is seen, at most 5/8 full. */
static bool mappings_move(const mappings_walk *w, size_t seen)
{
	size_t old_capacity = cairn_mappings.capacity, capacity = old_capacity;
	if (seen > capacity / 2)
		capacity = capacity < MAPPINGS_MOST / MAPPINGS_GROWTH ? capacity * MAPPINGS_GROWTH : MAPPINGS_MOST;
	cairn_mapping *old = cairn_mappings.entries;
	cairn_mapping *to = seen <= capacity / 8 * 5 ? mappings_map(mappings_bytes(capacity)) : NULL;
	if (!to)
		return false;
	mappings_publish(to, capacity, mappings_copy(w, to, capacity));
	mappings_unmap(old, mappings_bytes(old_capacity));
	mappings_put((uintptr_t)to, (uintptr_t)to + mappings_bytes(capacity), CAIRN_MAPPING_OWN);
	return true;
}

/* There was none. */
static bool mappings_make(void)
{
	cairn_mapping *to = mappings_map(mappings_bytes(MAPPINGS_LEAST));
	if (!to)
		return false;
	mappings_publish(to, MAPPINGS_LEAST, 0);
	mappings_put((uintptr_t)to, (uintptr_t)to + mappings_bytes(MAPPINGS_LEAST), CAIRN_MAPPING_OWN);
	return true;
}

/* The first table, or a larger one. */
static bool mappings_renew(void)
{
	size_t capacity = cairn_mappings.capacity, bytes = walk_bytes(capacity);
	uint64_t dropped = __atomic_load_n(&cairn_mappings.dropped, __ATOMIC_RELAXED); /* a count for people */
	if (dropped < mappings_retry)
		return false;
	uint64_t *room = capacity ? mappings_map(bytes) : NULL;
	bool is_done = !capacity && mappings_make();
	if (room) {
		mappings_walk w = { .entries = cairn_mappings.entries, .seen = room };
		w.ordered = (uint32_t *)(room + capacity);
		w.heap = w.ordered + capacity;
		for (uint32_t i = 0; i < capacity; i++)
			if (w.entries[i].start)
				w.ordered[w.count++] = i;
		size_t seen = walk_look(&w);
		is_done = mappings_move(&w, seen - walk_join(&w));
		mappings_unmap(room, bytes);
	}
	mappings_retry = is_done ? 0 : dropped + (capacity ? capacity : MAPPINGS_LEAST) / 8;
	return is_done;
}

/* ---- note and forget ---- */

/* A new start: false where there is no room. */
static bool mappings_add(const cairn_mapping *m)
{
	if (cairn_mappings.count >= cairn_mappings.capacity / 4 * 3 && !mappings_renew()) {
		mappings_drop_note();
		return false;
	}
	mapping_write(mapping_place(cairn_mappings.entries, cairn_mappings.capacity, m->start), m);
	mapping_store(&cairn_mappings.count, cairn_mappings.count + 1);
	return true;
}

/* Puts m into its place; false: done. True: two have that start, and m is now what the older of them has behind the
 * other's end (a program reserves much, and maps the beginning of it anew), as old as ever. */
static bool mappings_settle(cairn_mapping *m)
{
	cairn_mapping *at = mapping_place(cairn_mappings.entries, cairn_mappings.capacity, m->start);
	if (!at->start) {
		mappings_add(m);
		return false;
	}
	cairn_mapping old = *at;
	if (old.sequence > m->sequence && old.end > old.start) {
		m->start = old.end;
	} else {
		mapping_write(at, m);
		*m = (cairn_mapping){ m->end, old.end, old.by, old.sequence };
	}
	return m->start < m->end;
}

static void mappings_put(uintptr_t start, uintptr_t end, uintptr_t by)
{
	if (cairn_unlikely(!cairn_mappings.entries) && (by == CAIRN_MAPPING_OWN || !mappings_renew())) {
		mappings_drop_note();
		return;
	}
	cairn_mapping m = { start, end, by, cairn_mappings.sequence + 1 };
	mapping_store(&cairn_mappings.sequence, m.sequence);
	while (mappings_settle(&m))
		;
}

static bool mappings_are_sound(void);

/* The end of each change. In the debug build small tables are looked at each time. */
static void mappings_done(void)
{
	cairn_assert_slow(cairn_mappings.capacity > MAPPINGS_CHECKED || mappings_are_sound());
	mappings_leave();
}

void cairn_mappings_begin(void)
{
	if (!mappings_take())
		return;
	if (!cairn_mappings.entries)
		mappings_renew();
	mappings_done();
}

void cairn_mappings_note(const void *start, size_t bytes, uintptr_t by)
{
	if (!start || !bytes)
		return;
	if (!mappings_take()) {
		mappings_drop_note();
		return;
	}
	mappings_put((uintptr_t)start, (uintptr_t)start + cairn_round_up(bytes, cairn_vm_page_bytes()), by);
	mappings_done();
}

void cairn_mappings_extend(const void *end, size_t more)
{
	uintptr_t at = (uintptr_t)end;
	if (!mappings_take()) {
		mappings_drop_note();
		return;
	}
	cairn_mapping *m = mapping_own_to(at, at);
	uintptr_t start = m && m->end == at ? m->start : at;
	mappings_put(start, at + more, CAIRN_MAPPING_OWN);
	mappings_done();
}

void cairn_mappings_forget(const void *start, size_t bytes)
{
	uintptr_t from = (uintptr_t)start, to = from + bytes;
	if (!mappings_take()) {
		mappings_drop_note();
		return;
	}
	cairn_mapping *m = mapping_own_to(to, from);
	if (m && m->start <= from) {
		uintptr_t end = m->end;
		mapping_store(&m->end, from); /* forgets it where it started here */
		if (to < end)
			mappings_put(to, end, CAIRN_MAPPING_OWN);
	}
	mappings_done();
}

/* ---- fork, and checking ---- */

/* The parent's other threads are not here. What one of them had begun is ended, or forgotten. */
void cairn_mappings_fork_child(void)
{
	if (!mappings_holder || mappings_holder == mappings_me()) /* mine: this is a handler that struck in here */
		return;
	if (cairn_mappings.entries == mappings_next.entries)
		cairn_mappings.capacity = mappings_next.capacity;
	cairn_mappings.count = 0;
	for (size_t i = 0; i < cairn_mappings.capacity; i++) {
		cairn_mapping *m = &cairn_mappings.entries[i];
		cairn_mappings.count += m->start != 0;
		if (!m->start || m->sequence)
			continue;
		mapping_forget(m);
		m->sequence = ++cairn_mappings.sequence;
	}
	mappings_drop_note();
	mappings_leave();
}

static bool mappings_are_sound(void)
{
	const cairn_mappings_table *t = &cairn_mappings;
	size_t count = 0;
	if (!t->entries)
		return !t->capacity && !t->count && !t->sequence; /* E1 */
	if (!cairn_is_power_of_two(t->capacity) || t->capacity < MAPPINGS_LEAST || t->capacity > MAPPINGS_MOST)
		return false;
	for (size_t i = 0; i < t->capacity; i++) {
		const cairn_mapping *m = &t->entries[i];
		if (!m->start)
			continue;
		count++;
		if (mapping_place(t->entries, t->capacity, m->start) != m) /* E2 */
			return false;
		if (m->end < m->start || !m->sequence || m->sequence > t->sequence) /* E4 */
			return false;
	}
	return count == t->count && count <= t->capacity / 4 * 3; /* E3 */
}

bool cairn_mappings_validate(void)
{
	if (!mappings_take())
		return true;
	bool is_sound = mappings_are_sound();
	mappings_leave();
	return is_sound;
}
