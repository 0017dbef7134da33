/* malloc/shelf.c - the shelves of large spans. The design is in shelf.h. */
#include "malloc/shelf.h"

#include "base/assert.h"
#include "malloc/large.h"
#include "malloc/threads.h"
#include "os/limits.h"
#include "os/thread.h"
#include "page/pageheap.h"
#include "page/purge.h"

enum {
	FIT_SHARE = 8,            /* a span may be an eighth longer than what was asked for */
	LETTING_GO_FREES = 4,     /* that find no room, in a row */
	RARE_HITS = 128,          /* a miss after so many hits does not ask for more room */
	PRICE = 8,                /* granules sent away for one more of room, from ALL_LEAST_GRANULES on */
	IDLE_LOOKS = 3,
	ALL_LEAST_GRANULES = (1 << 20) / CAIRN_GRANULE_BYTES,
	ALL_SHARE = 2,
	DUE_GRANULES = (512 << 10) / CAIRN_GRANULE_BYTES,
};

static size_t all_most;      /* sync: atomic, relaxed: granules that all shelves may hold; decides when */
static size_t kept_granules; /* sync: atomic, relaxed: at the last look; a hint */

/* libc's word: true only while the process has one thread. Older ones do not have it. */
extern char __libc_single_threaded __attribute__((weak));

static char nobody_is;                       /* const: 0 */
static const char *is_alone_at = &nobody_is; /* sync: atomic, relaxed: written at start, or by who is alone */

void cairn_shelves_begin(void)
{
	if (&__libc_single_threaded)
		__atomic_store_n(&is_alone_at, &__libc_single_threaded, __ATOMIC_RELAXED); /* see there */
}

void cairn_shelves_share(void) { __atomic_store_n(&is_alone_at, &nobody_is, __ATOMIC_RELAXED); /* see there */ }

/* Acquire: pairs with shelf_leave's release; the shelf is as its last user left it. */
static inline bool shelf_enter(cairn_shelf *f)
{
	const char *is_alone = __atomic_load_n(&is_alone_at, __ATOMIC_RELAXED); /* see there */
	return *(const volatile char *)is_alone || !__atomic_exchange_n(&f->is_taken, 1, __ATOMIC_ACQUIRE);
}

static void shelf_leave(cairn_shelf *f) { __atomic_store_n(&f->is_taken, 0, __ATOMIC_RELEASE); }

/* ---- spans on their way out: a chain by node.next, given to the page heap when the shelf is left */

static void set_kind(cairn_span *s, cairn_span_kind kind)
{
	__atomic_store_n(&s->kind, (uint8_t)kind, __ATOMIC_RELAXED); /* nobody may hold the block now */
}

static void chain_add(cairn_node **chain, cairn_span *s)
{
	s->node.next = *chain;
	*chain = &s->node;
}

static void chain_give(cairn_node *chain)
{
	while (chain) {
		cairn_span *s = cairn_container(chain, cairn_span, node);
		chain = chain->next;
		cairn_node_init(&s->node);
		cairn_large_give(s);
	}
}

/* ---- one shelf, taken */

static cairn_span *pop(cairn_shelf *f, unsigned at)
{
	cairn_span *s = f->list[at];
	f->list[at] = s->node.next ? cairn_container(s->node.next, cairn_span, node) : NULL;
	if (!f->list[at])
		f->filled &= ~(1ull << at);
	f->held -= at + 1;
	if (f->held < f->lowest)
		f->lowest = f->held;
	return s;
}

static void push(cairn_shelf *f, cairn_span *s)
{
	unsigned at = (unsigned)s->large_granules - 1;
	s->node.next = f->list[at] ? &f->list[at]->node : NULL;
	f->list[at] = s;
	f->filled |= 1ull << at;
	f->held += at + 1;
}

/* Sends spans away until at most `granules` are held, from each list in turn. */
static void lower(cairn_shelf *f, size_t granules, cairn_node **chain)
{
	while (f->held > granules) {
		uint64_t from = f->filled >> f->makes_room << f->makes_room;
		unsigned at = (unsigned)__builtin_ctzll(from ? from : f->filled);
		f->makes_room = (uint8_t)((at + 1) % CAIRN_SHELF_GRANULES);
		f->sent_away += at + 1;
		chain_add(chain, pop(f, at));
	}
}

static void set_most(cairn_shelf *f, size_t most)
{
	__atomic_add_fetch(&all_most, most - f->most, __ATOMIC_RELAXED); /* a sum */
	f->most = (uint32_t)most;
}

/* A request of so many granules found nothing. */
static void learn_miss(cairn_shelf *f, size_t granules)
{
	size_t price = f->most < ALL_LEAST_GRANULES ? 1 : PRICE, afford = f->sent_away / price;
	size_t more = 2 * granules < afford ? 2 * granules : afford;
	size_t all = __atomic_load_n(&all_most, __ATOMIC_RELAXED) + more; /* a sum */
	const cairn_limits *limits = cairn_limits_get();
	bool is_rare = f->hits >= RARE_HITS;
	f->hits = 0;
	f->sent_away -= (uint32_t)(more * price);
	if (is_rare || cairn_purge_is_eager() || limits->address_bytes != SIZE_MAX || limits->data_bytes != SIZE_MAX)
		return;
	if (all <= ALL_LEAST_GRANULES || all <= (cairn_pageheap_used_bytes() >> CAIRN_GRANULE_SHIFT) / ALL_SHARE)
		set_most(f, f->most + more);
}

/* A free found no room. */
static void learn_full(cairn_shelf *f, size_t granules)
{
	if (++f->full_frees > LETTING_GO_FREES && f->most > CAIRN_SHELF_LEAST_GRANULES) {
		f->full_frees = 0;
		set_most(f, f->most / 2 > CAIRN_SHELF_LEAST_GRANULES ? f->most / 2 : CAIRN_SHELF_LEAST_GRANULES);
	}
	if (granules > f->most)
		f->sent_away += (uint32_t)granules;
	if (f->sent_away > INT32_MAX)
		f->sent_away = INT32_MAX;
}

cairn_span *cairn_shelf_take(cairn_shelf *f, size_t granules)
{
	if (!shelf_enter(f))
		return NULL;
	cairn_span *s = NULL;
	uint64_t fit = f->filled >> (granules - 1);
	unsigned above = fit ? (unsigned)__builtin_ctzll(fit) : CAIRN_SHELF_GRANULES;
	f->full_frees = 0;
	f->is_used = 1;
	if (above <= granules / FIT_SHARE) {
		s = pop(f, (unsigned)granules - 1 + above);
		set_kind(s, CAIRN_SPAN_LARGE);
		f->hits += f->hits < UINT8_MAX;
	} else if (f->sent_away) {
		learn_miss(f, granules);
	}
	shelf_leave(f);
	return s;
}

bool cairn_shelf_put(cairn_shelf *f, cairn_span *s)
{
	size_t granules = s->large_granules;
	cairn_node *chain = NULL;
	if (granules > CAIRN_SHELF_GRANULES || !shelf_enter(f))
		return false;
	f->is_used = 1;
	if (cairn_unlikely(f->held + granules > f->most))
		learn_full(f, granules);
	bool fits = granules <= f->most;
	if (fits) {
		if (cairn_unlikely(f->held + granules > f->most))
			lower(f, f->most - granules, &chain);
		set_kind(s, CAIRN_SPAN_KEPT);
		push(f, s);
	} else {
		lower(f, f->most, &chain);
	}
	shelf_leave(f);
	if (cairn_unlikely(chain != NULL))
		chain_give(chain);
	return fits;
}

void cairn_shelf_count(cairn_shelf *f, int64_t blocks, int64_t bytes)
{
	__atomic_store_n(&f->block_delta, f->block_delta + blocks, __ATOMIC_RELAXED); /* a sum, one writer */
	__atomic_store_n(&f->byte_delta, f->byte_delta + bytes, __ATOMIC_RELAXED);    /* likewise */
}

static void empty(cairn_shelf *f, cairn_node **chain)
{
	lower(f, 0, chain);
	set_most(f, 0);
	f->sent_away = 0;
}

void cairn_shelf_close(cairn_shelf *f)
{
	cairn_node *chain = NULL;
	cairn_shelf_hold(f);
	empty(f, &chain);
	cairn_shelf_drop(f);
	chain_give(chain);
}

/* ---- all of them */

static void empty_one(cairn_cache *c, void *chain)
{
	if (!shelf_enter(&c->shelf))
		return;
	empty(&c->shelf, chain);
	shelf_leave(&c->shelf);
}

void cairn_shelves_empty(void)
{
	cairn_node *chain = NULL;
	cairn_threads_visit(empty_one, &chain);
	chain_give(chain);
}

typedef struct shelves_look {
	cairn_node *chain;
	size_t kept;
} shelves_look;

static void look_one(cairn_cache *c, void *arg)
{
	cairn_shelf *f = &c->shelf;
	shelves_look *look = arg;
	if (!shelf_enter(f))
		return;
	if (f->is_used) {
		size_t spare = f->lowest / 2;
		f->idle_looks = 0;
		lower(f, f->held - spare, &look->chain);
		if (f->most - spare < f->most)
			set_most(f, f->most - spare);
	} else if (f->most && ++f->idle_looks >= IDLE_LOOKS) {
		empty(f, &look->chain);
	}
	f->is_used = 0;
	f->lowest = f->held;
	look->kept += f->held;
	shelf_leave(f);
}

void cairn_shelves_look(void)
{
	shelves_look look = { 0 };
	cairn_threads_visit(look_one, &look);
	__atomic_store_n(&kept_granules, look.kept, __ATOMIC_RELAXED); /* a hint */
	chain_give(look.chain);
}

/* Both hints: they decide when a look is made. */
bool cairn_shelves_are_due(void) { return __atomic_load_n(&all_most, __ATOMIC_RELAXED) > DUE_GRANULES; }
size_t cairn_shelves_kept_bytes(void)
{
	return __atomic_load_n(&kept_granules, __ATOMIC_RELAXED) << CAIRN_GRANULE_SHIFT;
}

/* Whoever has it holds no lock and is gone in a moment. */
void cairn_shelf_hold(cairn_shelf *f)
{
	while (__atomic_exchange_n(&f->is_taken, 1, __ATOMIC_ACQUIRE)) /* as in shelf_enter */
		cairn_thread_sleep_ms(1);
}

void cairn_shelf_drop(cairn_shelf *f) { shelf_leave(f); }

void cairn_shelf_validate(const cairn_shelf *f)
{
	size_t held = 0;
	for (unsigned at = 0; at < CAIRN_SHELF_GRANULES; at++) {
		cairn_assert(!(f->filled >> at & 1) == !f->list[at]); /* V2 */
		for (const cairn_span *s = f->list[at]; s;
			s = s->node.next ? cairn_container(s->node.next, cairn_span, node) : NULL) {
			cairn_assert(s->kind == CAIRN_SPAN_KEPT && s->large_granules == at + 1); /* V1 */
			held += at + 1;
			cairn_assert(held <= f->held); /* V1, V2: a list that came back to itself would not end */
		}
	}
	cairn_assert(held == f->held && held <= f->most); /* V2 */
}
