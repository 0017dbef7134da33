/* page/huge.c - huge pages by evidence. The design is in huge.h. */
#include "page/huge.h"

#include "os/clock.h"
#include "os/limits.h"
#include "os/vm.h"
#include "page/pageheap.h"

enum {
	DENSE_BYTES = CAIRN_CHUNK_BYTES / 8 * 7, /* slabs and blocks have ends that nobody writes to */
	HEARD_GRANULES = CAIRN_CHUNK_GRANULES / 8, /* a witness with more of them free cannot tell yet */
	WITNESS_EVERY = 16,                      /* chunks opened, at first, and */
	WITNESS_SHARE = 16,                      /* of all that were: mappings stay few in a large heap */
	DENSE_TICKS = 2,
	TICK_CHUNKS = 16,
	DEAR_NS = 1000 * 1000,             /* a chunk of single pages takes 0.3 to 0.7 ms */
	TRIAL_NS = 100 * 1000 * 1000,      /* a trial stands so long, */
	DEAR_REST_NS = 1000 * 1000 * 1000, /* and one that was dear so long */
};

static bool may_look;               /* const after begin */
static cairn_huge_mode huge_mode;   /* const after start */
static uintptr_t growth_witness;    /* sync: pageheap_lock; the last chunk opened and left plain; 0: heard, or none */
static bool is_growing_dense;       /* sync: pageheap_lock; what the last one that was heard told */
static size_t asked, asked_witness; /* sync: pageheap_lock; chunks opened whole, now and when a witness was chosen */
static uintptr_t span_witness;        /* sync: pageheap_lock; a span taken clean and plain; 0: none */
static size_t span_witness_granules;  /* sync: pageheap_lock */
static size_t dense_granules;         /* sync: pageheap_lock; spans up to this length are written to all over */

static uintptr_t untried;           /* sync: pageheap_lock; a chunk asked to be huge, not touched yet; 0: none */
static uint64_t dear_ns = DEAR_NS;  /* const but for tests */
static uint64_t tried_ns;           /* sync: atomic, relaxed: when a trial last went well; a hint */
static uint64_t dear_until_ns;      /* sync: atomic, relaxed: a hint */

void cairn_huge_set_mode(cairn_huge_mode mode) { huge_mode = mode; }
void cairn_huge_begin(bool may) { may_look = may; }

static bool is_dense(uintptr_t chunk)
{
	return may_look && cairn_vm_resident_bytes((void *)chunk, CAIRN_CHUNK_BYTES) >= DENSE_BYTES;
}

static void set_huge(cairn_window *w, uintptr_t start, size_t chunks, bool to)
{
	for (size_t i = 0; i < chunks; i++)
		cairn_window_chunk(w, start)[i].is_huge = to;
	(to ? cairn_vm_huge : cairn_vm_no_huge)((void *)start, chunks * CAIRN_CHUNK_BYTES);
}

static bool may_ask(void)
{
	return huge_mode != CAIRN_HUGE_NEVER && !cairn_limits_are_tight() &&
	       cairn_vm_page_bytes() <= CAIRN_GRANULE_BYTES &&
	       cairn_clock_coarse_ns() >= __atomic_load_n(&dear_until_ns, __ATOMIC_RELAXED); /* a hint */
}

/* How many chunks may be asked for at once: all of them after a trial, and one to try. */
static size_t most_at_once(void)
{
	uint64_t last = __atomic_load_n(&tried_ns, __ATOMIC_RELAXED); /* a hint */
	return last && cairn_clock_coarse_ns() < last + TRIAL_NS ? SIZE_MAX : 1;
}

uintptr_t cairn_huge_take_trial(void)
{
	uintptr_t chunk = untried;
	untried = 0;
	return chunk;
}

/* Writes the byte that is there, by an exchange: nobody's write is lost. To TSan it would be a race. */
__attribute__((no_sanitize("thread"))) static void touch(volatile char *p)
{
	char is = *p;
	__atomic_compare_exchange_n(p, &is, is, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); /* publishes nothing */
}

void cairn_huge_dear_inject(uint64_t ns) { dear_ns = ns; }

void cairn_huge_try(uintptr_t chunk)
{
	uint64_t start = cairn_clock_fine_ns();
	touch((volatile char *)chunk);
	uint64_t now = cairn_clock_fine_ns();
	if (now - start >= dear_ns)
		__atomic_store_n(&dear_until_ns, now + DEAR_REST_NS, __ATOMIC_RELAXED); /* a hint */
	else
		__atomic_store_n(&tried_ns, now, __ATOMIC_RELAXED); /* a hint */
}

/* ---- growth ---- */

static bool is_too_early(void)
{
	return huge_mode != CAIRN_HUGE_EAGER && cairn_window_open_bytes() < CAIRN_HUGE_FROM_BYTES;
}

size_t cairn_huge_step(uintptr_t from, size_t bytes)
{
	if (is_too_early() || !may_ask())
		return bytes;
	return cairn_round_up(from + bytes, CAIRN_CHUNK_BYTES) - from;
}

/* Are so many of its granules slabs' that it need not be looked at? */
static bool is_of_slabs(uintptr_t chunk)
{
	cairn_window *w = cairn_window_of(chunk);
	const uint8_t *map = &w->class_map[(chunk - w->base) >> CAIRN_GRANULE_SHIFT];
	size_t slabs = 0;
	for (size_t g = 0; g < CAIRN_CHUNK_GRANULES; g++)
		slabs += __atomic_load_n(&map[g], __ATOMIC_RELAXED) != 0; /* a hint */
	return slabs >= CAIRN_CHUNK_GRANULES - HEARD_GRANULES;
}

/* Once nearly all of it is handed out: was it written to? Growth goes on as before until then. */
static void hear_growth(void)
{
	cairn_chunk *c = cairn_window_chunk(cairn_window_of(growth_witness), growth_witness);
	if (cairn_bits128_count(c->free) > HEARD_GRANULES)
		return;
	is_growing_dense = is_of_slabs(growth_witness) || is_dense(growth_witness);
	growth_witness = 0;
}

void cairn_huge_opened(cairn_window *w, uintptr_t from, uintptr_t to)
{
	if (is_too_early() || !may_ask())
		return;
	for (uintptr_t p = cairn_round_up(from, CAIRN_CHUNK_BYTES); p + CAIRN_CHUNK_BYTES <= to;
		p += CAIRN_CHUNK_BYTES) {
		if (huge_mode == CAIRN_HUGE_EAGER) {
			set_huge(w, p, 1, true);
			continue;
		}
		if (growth_witness)
			hear_growth();
		asked++;
		if (is_growing_dense && asked - asked_witness <= WITNESS_EVERY + asked / WITNESS_SHARE) {
			set_huge(w, p, 1, true);
			untried = untried ? untried : p;
		} else if (!growth_witness) {
			growth_witness = p;
			asked_witness = asked;
		}
	}
}

/* ---- spans over chunks ---- */

/* What the last witness tells: asked when the next span is taken, and when the witness is freed. */
static void hear_witness(void)
{
	if (!span_witness)
		return;
	size_t chunks = span_witness_granules / CAIRN_CHUNK_GRANULES, last = chunks - 1;
	bool dense = is_dense(span_witness) && is_dense(span_witness + last / 2 * CAIRN_CHUNK_BYTES) &&
	             is_dense(span_witness + last * CAIRN_CHUNK_BYTES);
	if (dense && dense_granules < 2 * span_witness_granules)
		dense_granules = 2 * span_witness_granules;
	if (!dense && dense_granules >= span_witness_granules)
		dense_granules = span_witness_granules / 2;
}

void cairn_huge_taking(cairn_window *w, uintptr_t start, size_t granules, bool is_sparse)
{
	size_t chunks = granules / CAIRN_CHUNK_GRANULES, clean = 0;
	cairn_chunk *c = cairn_window_chunk(w, start);
	for (size_t i = 0; i < chunks; i++)
		clean += !c[i].dirty;
	if (!clean || !may_ask())
		return;
	hear_witness();
	bool is_eager = huge_mode == CAIRN_HUGE_EAGER;
	bool to = !is_sparse && (is_eager || granules <= dense_granules);
	size_t most = to && !is_eager ? most_at_once() : SIZE_MAX;
	for (size_t i = 0, n; i < chunks; i += n ? n : 1) {
		for (n = 0; i + n < chunks && n < most && !c[i + n].dirty && c[i + n].is_huge != to; n++)
			;
		if (n)
			set_huge(w, start + i * CAIRN_CHUNK_BYTES, n, to);
		if (n && most == 1) {
			untried = start + i * CAIRN_CHUNK_BYTES;
			return;
		}
	}
	if (!to && clean == chunks) {
		span_witness = start;
		span_witness_granules = granules;
	}
}

bool cairn_huge_filling(cairn_window *w, uintptr_t start)
{
	bool may = may_ask() && !cairn_window_chunk(w, start)->is_huge;
	if (may)
		set_huge(w, start, 1, true);
	return may;
}

void cairn_huge_freeing(uintptr_t start)
{
	if (start != span_witness)
		return;
	hear_witness();
	span_witness = 0;
}

/* ---- what is full already ---- */

/* Is this chunk worth a huge page: no granule free at two looks, every OS page resident? */
static bool is_full(cairn_chunk *c, uintptr_t start)
{
	if (c->free || c->is_huge) {
		c->dense_ticks = 0;
		return false;
	}
	if (c->dense_ticks < DENSE_TICKS && ++c->dense_ticks < DENSE_TICKS)
		return false;
	return cairn_vm_resident_bytes((void *)start, CAIRN_CHUNK_BYTES) == CAIRN_CHUNK_BYTES;
}

void cairn_huge_tick(void)
{
	uintptr_t full[TICK_CHUNKS];
	size_t n = 0;
	if (huge_mode == CAIRN_HUGE_NEVER)
		return;
	cairn_pageheap_lock();
	for (cairn_page_region *r = cairn_window_newest(); r; r = r->next)
		for (uintptr_t p = r->start; p + CAIRN_CHUNK_BYTES <= r->open_end && n < TICK_CHUNKS;
			p += CAIRN_CHUNK_BYTES) {
			cairn_chunk *c = cairn_window_chunk(r->window, p);
			if (is_full(c, p)) {
				c->is_huge = 1;
				full[n++] = p;
			}
		}
	cairn_pageheap_unlock();
	for (size_t i = 0; i < n; i++)
		cairn_vm_huge((void *)full[i], CAIRN_CHUNK_BYTES);
}
