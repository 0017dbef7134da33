/* malloc/cache.c - magazines: refill, flush, and how large they get. The design is in cache.h.
 *
 * Size of a magazine. It starts with what the first refill needs and doubles each time a refill finds it empty, up to
 * the class's magazine_max; a refill asks for twice what the last one did (after a slow start of a few), up to half
 * the capacity. Flush after flush without a refill between means that the program, or this thread of it, is letting go:
 * then the magazine shrinks, so that at the end few blocks, each perhaps the last of its page, are still held; less far
 * where blocks come back in the order in which they lie, as from a thread that hands them over to be freed. */
#include "malloc/cache.h"

#include "base/assert.h"
#include "malloc/central.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <string.h>

enum {
	CAPACITY_MIN = 2,
	CAPACITY_LAZY = 62,       /* at most, in a small program under a limit on data: 16 KiB of slots would be much */
	CAPACITY_LETTING_GO = 14, /* a magazine shrinks down to this while the program only frees */
	SLOW_START_REFILLS = 4,   /* a class of which a thread wants a few blocks gets few: 200 threads are many */
	LETTING_GO_FLUSHES = 3,   /* so many in a row, or a random walk between full and empty would look like it */
	NEIGHBOURS = 4,           /* freed blocks that lie in runs of so many pin few pages */
	PORTION = 128,            /* slots given between two looks at how long the lock has been held */
	RUN_SLOTS = 4,            /* a run of slots takes as long to give as so many slots in it */
	HOLD_SLOTS = 640,         /* given under one hold of the lock: about a microsecond, so a waiter spins */
};

static void *no_slots[2]; /* the sentinels of a magazine that has no memory */

cairn_cache cairn_cache_empty __attribute__((aligned(64))) = {
	.magazine[0] = { no_slots + 2, no_slots + 2 },
	.fine_max = CAIRN_FINE_MAX,
	.small_max = CAIRN_SMALL_MAX,
};

void cairn_cache_init(cairn_cache *c, uint32_t index)
{
	bool counting = cairn_stats_is_counting();
	c->fine_max = counting ? 0 : CAIRN_FINE_MAX;
	c->small_max = counting ? 0 : CAIRN_SMALL_MAX;
	for (size_t i = 0; i <= CAIRN_FINE_MAX / 16; i++)
		c->fine[i] = (uint16_t)(cairn_class_of(i * 16) * sizeof(cairn_magazine));
	for (size_t i = 0; i <= CAIRN_SMALL_MAX / 128; i++)
		c->coarse[i] = (uint16_t)(cairn_class_of(i * 128) * sizeof(cairn_magazine));
	for (size_t i = 0; i < CAIRN_CLASS_COUNT; i++) {
		c->magazine[i] = (cairn_magazine){ no_slots + 2, no_slots + 2 };
		c->cold[i] = (cairn_magazine_cold){ .base = no_slots + 2 };
	}
	c->index = index;
	cairn_node_init(&c->node);
}

size_t cairn_cache_fill(const cairn_cache *c, unsigned size_class)
{
	return (size_t)(c->magazine[size_class].top - c->cold[size_class].base);
}

static size_t slots_bytes(size_t capacity) { return (capacity + 2) * sizeof(void *); }

/* Gives the class's magazine other slots, under the central lock: cache.h says why. Returns the old ones. */
static void **magazine_replace(cairn_cache *c, unsigned size_class, void **slots, size_t capacity)
{
	cairn_magazine *m = &c->magazine[size_class];
	cairn_magazine_cold *cold = &c->cold[size_class];
	cairn_central *central = cairn_central_lock(size_class);
	size_t fill = cairn_cache_fill(c, size_class);
	cairn_assert(fill <= capacity);
	memcpy(slots + 2, cold->base, fill * sizeof(void *));
	void **old = cold->base - 2;
	cairn_stats_magazine(size_class, (int64_t)capacity - cold->capacity);
	cold->base = slots + 2;
	cold->capacity = (uint16_t)capacity;
	m->top = cold->base + fill;
	m->limit = cold->base + capacity;
	cairn_central_unlock(central);
	return old;
}

/* Gives the class's magazine another capacity, its slots kept; they fit. False: no memory. */
static bool magazine_resize(cairn_cache *c, unsigned size_class, size_t capacity)
{
	size_t old_capacity = c->cold[size_class].capacity;
	void **slots = cairn_meta_alloc(slots_bytes(capacity));
	if (!slots)
		return false;
	void **old = magazine_replace(c, size_class, slots, capacity);
	if (old_capacity)
		cairn_meta_free(old, slots_bytes(old_capacity));
	return true;
}

static size_t magazine_most(const cairn_class *k)
{
	bool is_small = cairn_pageheap_used_bytes() < cairn_window_lazy_bytes;
	return is_small && k->magazine_max > CAPACITY_LAZY ? CAPACITY_LAZY : k->magazine_max;
}

/* Capacity and batch for a refill that found the magazine empty. */
static bool magazine_grow(cairn_cache *c, unsigned size_class)
{
	const cairn_class *k = &cairn_classes[size_class];
	cairn_magazine_cold *cold = &c->cold[size_class];
	cold->flushes = 0;
	/* From a line's worth on, so that two threads that start together do not share one. */
	size_t batch = cold->refills < SLOW_START_REFILLS ? cairn_class_line_slots(k) : 2u * cold->batch;
	size_t capacity = cold->capacity ? cold->capacity : CAPACITY_MIN;
	while (capacity < 2 * batch && capacity < magazine_most(k))
		capacity = 2 * capacity + 2;
	batch = batch > (capacity + 1) / 2 ? (capacity + 1) / 2 : batch;
	if (capacity != cold->capacity && !magazine_resize(c, size_class, capacity) && !cold->capacity)
		return false;
	batch = batch > cold->capacity ? cold->capacity : batch;
	cold->batch = (uint16_t)batch; /* not 0: the next one is made of it */
	cold->refills += cold->refills < SLOW_START_REFILLS;
	return true;
}

/* A refill is a sample of what is asked for (malloc/slow.c), and after the slow start batches are 2^k - 1: requests of
 * which each third is another would be sampled at the same place of their row each time. So six of ten batches are
 * longer by one, after the golden section: the places are then multiples of an irrational number, and lie evenly in
 * rows of any length (Weyl, "Ueber die Gleichverteilung von Zahlen mod. Eins", 1916). */
static size_t batch_now(cairn_cache *c, unsigned size_class)
{
	const uint32_t golden = 0x9e3779b9;
	const cairn_magazine_cold *cold = &c->cold[size_class];
	if (cold->refills < SLOW_START_REFILLS || cold->batch == cold->capacity)
		return cold->batch;
	return cold->batch + (cairn_cache_counters(c)->rounding[size_class].samples * golden < golden);
}

bool cairn_cache_refill(cairn_cache *c, unsigned size_class)
{
	if (!magazine_grow(c, size_class))
		return false;
	cairn_magazine *m = &c->magazine[size_class];
	cairn_magazine_cold *cold = &c->cold[size_class];
	cairn_assert(m->top == cold->base);
	cairn_central *central = cairn_central_lock(size_class);
	size_t batch = batch_now(c, size_class);
	void **end = cold->base + batch;
	size_t got = cairn_central_take(central, end, batch);
	if (cairn_unlikely(got < batch))
		memmove(cold->base, end - got, got * sizeof(void *));
	__atomic_store_n(
		&m->top, cold->base + got, __ATOMIC_RELAXED); /* one store: a signal handler sees all or nothing */
	cairn_central_unlock(central);
	return got > 0;
}

/* Puts the magazine's oldest n slots on top of its newest, of which there are no more than n. */
static void oldest_to_top(cairn_cache *c, unsigned size_class, size_t n)
{
	void **base = c->cold[size_class].base;
	size_t newest = cairn_cache_fill(c, size_class) - n;
	cairn_assert(newest <= n);
	for (size_t i = 0; i < newest; i++) {
		void *old = base[i];
		base[i] = base[n + i];
		base[n + i] = old;
	}
}

/* Gives the n slots on top back; in how many runs they lay. Under the class's lock, which a misuse drops. */
static size_t give_top(cairn_cache *c, cairn_central *central, unsigned size_class, size_t n)
{
	void ***top = &c->magazine[size_class].top, **slots = *top - n;
	cairn_given given = cairn_central_give(central, slots, n);
	if (cairn_unlikely(given.slots < n)) {
		const void *p = slots[given.slots];
		cairn_central_unlock(central);
		cairn_misuse_verdict("free", p, given.verdict);
	}
	__atomic_store_n(top, slots, __ATOMIC_RELAXED); /* one store, as in refill */
	return given.runs;
}

/* Gives the oldest n slots of the magazine back, at least half of them; in how many runs they lay (malloc/central.h).
 * The lock is held for a while at a time, and the magazine is whole whenever it is not. */
static size_t give_oldest(cairn_cache *c, unsigned size_class, size_t n)
{
	size_t runs = 0, held = 0;
	cairn_assert(n);
	cairn_central *central = cairn_central_lock(size_class);
	oldest_to_top(c, size_class, n);
	while (n) {
		size_t portion = n < PORTION ? n : PORTION, in_runs = give_top(c, central, size_class, portion);
		runs += in_runs;
		held += portion + RUN_SLOTS * in_runs;
		n -= portion;
		if (n && held >= HOLD_SLOTS) {
			cairn_central_unlock(central);
			central = cairn_central_lock(size_class);
			held = 0;
		}
	}
	cairn_central_unlock(central);
	return runs;
}

/* Blocks keep coming and none are asked for: the capacity moves, a step a flush, to where a magazine is worth its lock
 * and pins few pages. That is more slots the more of them are neighbours. */
static void let_go(cairn_cache *c, unsigned size_class, bool is_scattered)
{
	size_t capacity = c->cold[size_class].capacity, most = cairn_classes[size_class].magazine_max;
	size_t few = most < CAPACITY_LETTING_GO ? most : CAPACITY_LETTING_GO, quarter = (most + 2) / 4 - 2;
	size_t wanted = is_scattered || quarter < few ? few : quarter;
	size_t smaller = (capacity + 2) / 2 - 2;
	if (capacity / 2 >= wanted && cairn_cache_fill(c, size_class) < smaller)
		magazine_resize(c, size_class, smaller);
	else if (capacity * 2 <= wanted)
		magazine_resize(c, size_class, 2 * capacity + 2);
}

bool cairn_cache_flush(cairn_cache *c, unsigned size_class)
{
	cairn_magazine_cold *cold = &c->cold[size_class];
	size_t most = cairn_classes[size_class].magazine_max;
	cold->flushes += cold->flushes < UINT16_MAX;
	/* A thread that never had a slot of this class frees what another made. The first goes home: handed out here
	 * again, it would share its cache line with what the other holds beside it. */
	if (!cold->capacity)
		return cold->flushes > 1 &&
		       magazine_resize(c, size_class, most < CAPACITY_LETTING_GO ? most : CAPACITY_LETTING_GO);
	size_t fill = cairn_cache_fill(c, size_class);
	bool only_frees = cold->flushes > LETTING_GO_FLUSHES;
	size_t n = only_frees ? fill - fill / 4 : (fill + 1) / 2, runs = give_oldest(c, size_class, n);
	bool is_scattered = runs * NEIGHBOURS > n;
	if (only_frees && (!is_scattered || fill > cairn_stats_out_of(size_class) / 256))
		let_go(c, size_class, is_scattered);
	cairn_assert(cairn_cache_fill(c, size_class) < cold->capacity); /* room for one is what a flush is for */
	return true;
}

void cairn_cache_empty_magazines(cairn_cache *c)
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		if (cairn_cache_fill(c, i))
			give_oldest(c, i, cairn_cache_fill(c, i));
}

void cairn_cache_drain(cairn_cache *c)
{
	cairn_cache_empty_magazines(c);
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		size_t capacity = c->cold[i].capacity;
		if (capacity)
			cairn_meta_free(magazine_replace(c, i, no_slots, 0), slots_bytes(capacity));
		c->cold[i].batch = c->cold[i].flushes = c->cold[i].refills = 0;
	}
}

/* M2 for one slot. */
static void validate_slot(void *const *base, void *const *slot, unsigned size_class)
{
	cairn_span *s = cairn_window_span((uintptr_t)*slot);
	cairn_assert(s && s->size_class == size_class && cairn_slab_look(s, *slot) == CAIRN_GIVE_OK);
	for (void *const *other = base; other < slot; other++)
		cairn_assert(*other != *slot);
}

void cairn_cache_validate(const cairn_cache *c)
{
	cairn_assert(c->magazine[0].top == c->magazine[0].limit && !c->magazine[0].top[-1]); /* M3 */
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		const cairn_magazine *m = &c->magazine[i];
		void **base = c->cold[i].base;
		cairn_assert(base <= m->top && m->top <= m->limit && m->limit == base + c->cold[i].capacity); /* M1 */
		cairn_assert(!base[-1] && !base[-2]);                                                         /* M1 */
		for (void **slot = base; slot < m->top; slot++)
			validate_slot(base, slot, i);
	}
}
