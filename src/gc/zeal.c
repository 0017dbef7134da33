/* gc/zeal.c - modes that make rare things common: what CAIRN_GC_ZEAL asks for, and what is done for it.
 *
 *   words ──zeal_init──▶ flags of the heap ──▶ asked by allocation (collect), plans (move), buffers (small)
 *                                          ──▶ done here: pins, poison, delay; verify and shadow are called from here
 *
 * Invariants:
 *   (GZ1) A block that is_closed is EMPTY, and their number over all heaps is at most CLOSED_MOST: each may be two
 *         mappings, of which a process has some 65,000, and what was closed must be opened again. Checked by
 *         cairn_gc_zeal_validate.
 *   (GZ2) What is poisoned is dead: holes are filled only where nothing is read before it is written, which is at or
 *         above `filled` in blocks that do not claim to read zero. That no header was poisoned, nor what claims to read
 *         zero, is checked by cairn_gc_blocks_validate; that no object was, and that none is made of it, is shown by
 *         tests/unit/test_zeal.c: every_mode_leaves_a_right_program_alone, and
 *         poison_fills_holes_and_what_is_new_reads_zero.
 *
 * Locks: none; chance is atomic. Failure: a word that is not known, or cannot be had, is told and ignored.
 * Not here: the shadow (gc/shadow.c), the verifier (gc/verify.c). */
#include "base/assert.h"
#include "gc/managed.h"
#include "gc/verify.h"
#include "os/clock.h"
#include "os/env.h"
#include "os/report.h"
#include "os/sys.h"
#include "os/vm.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum { POISON_BYTE = 0xdb, CLOSED_MOST = 8192, DELAY_MOST_NS = 1000 * 1000, DELAY_ONE_OF = 4 };

static _Atomic uint64_t zeal_seed;   /* sync: atomic; of the process, 0: none yet */
static _Atomic uint32_t zeal_heaps;  /* sync: atomic; heaps with zeal, so that each has a chance of its own */
static _Atomic uint32_t zeal_closed; /* sync: atomic; closed blocks of all heaps (GZ1) */

/* ---- words ---- */

/* Is [word, word + n) `name`, or `name=` and a number? False: no. */
static bool zeal_word(const char *word, size_t n, const char *name, uint64_t *number)
{
	size_t length = strlen(name);
	if (n < length || memcmp(word, name, length) != 0)
		return false;
	if (!number)
		return n == length;
	if (n < length + 2 || word[length] != '=')
		return false;
	uint64_t value = 0;
	for (size_t i = length + 1; i < n; i++) {
		if (word[i] < '0' || word[i] > '9' || value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(word[i] - '0');
	}
	*number = value;
	return true;
}

static void zeal_unknown(const char *word, size_t n)
{
	char copy[64];
	n = n < sizeof copy - 1 ? n : sizeof copy - 1;
	memcpy(copy, word, n);
	copy[n] = 0;
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: zeal: the word '");
	cairn_line_text(&l, copy);
	cairn_line_text(&l, "' is ignored: not one of collect=N move small pins=N poison delay verify shadow seed=N");
	cairn_report(&l);
}

static bool zeal_count(const char *word, size_t n, const char *name, uint32_t *to)
{
	uint64_t number;
	if (!zeal_word(word, n, name, &number) || number == 0 || number > UINT32_MAX)
		return false;
	*to = (uint32_t)number;
	return true;
}

static void zeal_take_word(cairn_gc_zeal *z, const char *word, size_t n)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = { { "move", &z->moves }, { "small", &z->is_small }, { "poison", &z->poisons },
		{ "delay", &z->delays }, { "verify", &z->verifies }, { "shadow", &z->shadows } };
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (zeal_word(word, n, flags[i].name, NULL)) {
			*flags[i].flag = true;
			return;
		}
	if (!zeal_count(word, n, "collect", &z->collect_every) && !zeal_count(word, n, "pins", &z->pin_one_of) &&
		!zeal_word(word, n, "seed", &z->state))
		zeal_unknown(word, n);
}

static void zeal_read(cairn_gc_zeal *z, const char *text)
{
	while (text && *text) {
		size_t n = strcspn(text, ", \t\n");
		if (n)
			zeal_take_word(z, text, n);
		text += n + (text[n] != 0);
	}
}

/* The process's: random at the first heap that wants one, and said then, so that a failure can be repeated. */
static uint64_t zeal_random_seed(void)
{
	/* relaxed: a number that stands for itself; who loses the race takes the winner's */
	uint64_t seed = atomic_load_explicit(&zeal_seed, memory_order_relaxed);
	if (seed)
		return seed;
	uint64_t fresh = cairn_clock_fine_ns() * 0x9e3779b97f4a7c15u;
	fresh = (fresh ^ (uint64_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0) << 20) >> 24 | 1; /* short enough to type */
	if (!atomic_compare_exchange_strong(&zeal_seed, &seed, fresh))
		return seed;
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: zeal: seed=");
	cairn_line_dec(&l, fresh);
	cairn_report(&l);
	return fresh;
}

void cairn_gc_zeal_init(struct cairn_gc_heap *h)
{
	cairn_gc_zeal *z = &h->zeal;
	*z = (cairn_gc_zeal){ .verifies = h->config.verify };
	cairn_env_init();
	const char *text = cairn_env_text("CAIRN_GC_ZEAL");
	zeal_read(z, text ? text : h->config.zeal);
	if (z->shadows && !cairn_gc_shadow_init(h)) {
		cairn_line l = { 0 };
		cairn_line_text(&l, "cairn: gc: zeal: no memory for 'shadow', which is ignored");
		cairn_report(&l);
		z->shadows = false;
	}
	z->is_on = z->moves || z->is_small || z->poisons || z->delays || z->verifies || z->shadows ||
		   z->collect_every || z->pin_one_of;
	if (!z->delays && !z->pin_one_of)
		return;
	uint64_t seed = z->state ? z->state : zeal_random_seed();
	z->state = seed + 0x100000000u * atomic_fetch_add(&zeal_heaps, 1);
}

void cairn_gc_zeal_close(struct cairn_gc_heap *h)
{
	if (h->zeal.shadow)
		cairn_gc_shadow_close(h);
}

/* ---- chance, delays, forced collections ---- */

/* splitmix64 (Steele and others 2014). */
uint64_t cairn_gc_chance(struct cairn_gc_heap *h)
{
	/* relaxed: each caller gets a number of its own, which publishes nothing */
	uint64_t z = __atomic_add_fetch(&h->zeal.state, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void cairn_gc_zeal_delay(struct cairn_gc_heap *h)
{
	if (cairn_likely(!h->zeal.delays))
		return;
	uint64_t chance = cairn_gc_chance(h);
	if (chance % DELAY_ONE_OF)
		return;
	struct timespec wait = { .tv_nsec = (long)((chance >> 8) % DELAY_MOST_NS) };
	cairn_sys(SYS_nanosleep, (long)&wait, 0, 0, 0, 0, 0);
}

bool cairn_gc_zeal_wants(struct cairn_gc_thread *t)
{
	uint32_t every = t->heap->zeal.collect_every;
	if (cairn_likely(!every) || ++t->since_zeal < every)
		return false;
	t->since_zeal = 0;
	return true;
}

static void zeal_pin_some(
	struct cairn_gc_heap *h, const cairn_gc_block *b, void (*found)(void *arg, void *object), void *arg)
{
	uint8_t colour = h->blocks.colour;
	if (b->kind != CAIRN_GC_BLOCK_CELLS && b->kind != CAIRN_GC_BLOCK_LARGE)
		return;
	uintptr_t cell = cairn_gc_block_next(b, colour, cairn_gc_block_first(b));
	while (cell) {
		void *object = cairn_gc_cell_object(cell);
		uint64_t header = cairn_gc_header_of(object);
		if (cairn_gc_chance(h) % h->zeal.pin_one_of == 0 && cairn_gc_header_type(header) != CAIRN_GC_TYPE_FREED)
			found(arg, object);
		if (b->kind == CAIRN_GC_BLOCK_LARGE)
			return;
		cell = cairn_gc_block_next(b, colour, cell + cairn_gc_header_cell(header));
	}
}

void cairn_gc_zeal_pins(struct cairn_gc_heap *h, void (*found)(void *arg, void *object), void *arg)
{
	if (cairn_likely(!h->zeal.pin_one_of))
		return;
	CAIRN_GC_EACH_BLOCK(b, &h->blocks)
		zeal_pin_some(h, b, found, arg);
}

/* ---- poison ---- */

void cairn_gc_zeal_poison(struct cairn_gc_heap *h, struct cairn_gc_block *b)
{
	if (cairn_likely(!h->zeal.poisons) || b->is_closed)
		return;
	char *start = cairn_gc_block_start(b);
	memset(start, POISON_BYTE, CAIRN_GC_BLOCK_BYTES);
	b->is_zero = false;
	/* counted first, so that no two threads pass the most together */
	if (CAIRN_GC_BLOCK_BYTES % cairn_vm_page_bytes() == 0 && atomic_fetch_add(&zeal_closed, 1) < CLOSED_MOST &&
		cairn_vm_close(start, CAIRN_GC_BLOCK_BYTES))
		b->is_closed = 1;
	else if (CAIRN_GC_BLOCK_BYTES % cairn_vm_page_bytes() == 0)
		atomic_fetch_sub(&zeal_closed, 1);
}

void cairn_gc_zeal_unpoison(struct cairn_gc_heap *h, struct cairn_gc_block *b)
{
	if (cairn_likely(!h->zeal.poisons))
		return;
	char *start = cairn_gc_block_start(b);
	if (b->is_closed) {
		/* what was closed and cannot be opened would be a crash later, and nobody knew why */
		if (!cairn_vm_open(start, CAIRN_GC_BLOCK_BYTES))
			cairn_gc_misuse(h, "zeal: a poisoned block cannot be opened again", start);
		b->is_closed = 0;
		atomic_fetch_sub(&zeal_closed, 1);
	}
	if (!b->is_zero)
		memset(start, 0, CAIRN_GC_BLOCK_BYTES);
	b->is_zero = true;
}

static void zeal_poison_holes(struct cairn_gc_heap *h, cairn_gc_block *b)
{
	uintptr_t from = cairn_gc_block_first(b), end;
	uintptr_t filled = cairn_gc_block_first(b) + b->filled;
	if (b->kind != CAIRN_GC_BLOCK_CELLS || b->is_zero || b->is_owned || !b->is_swept)
		return;
	for (uintptr_t at; (at = cairn_gc_block_hole(b, h->blocks.colour, from, &end)); from = end)
		if (at >= filled) /* (GZ2) */
			memset((void *)at, POISON_BYTE, end - at);
}

void cairn_gc_zeal_validate(struct cairn_gc_heap *h)
{
	uint32_t closed = 0;
	CAIRN_GC_EACH_BLOCK(b, &h->blocks) {
		closed += b->is_closed;
		cairn_assert(!b->is_closed || (b->kind == CAIRN_GC_BLOCK_EMPTY && !b->is_zero)); /* GZ1 */
	}
	/* those of other heaps are among all, and so is one that another thread is about to close, or to leave open */
	cairn_assert(closed <= CLOSED_MOST && closed <= atomic_load(&zeal_closed)); /* GZ1 */
}

/* ---- around a collection ---- */

void cairn_gc_zeal_before(struct cairn_gc_heap *h)
{
	if (cairn_likely(!h->zeal.is_on))
		return;
	if (h->zeal.shadows && cairn_gc_shadow_compare(h)) {
		cairn_line l = { 0 };
		cairn_line_text(&l, "cairn: heap verify: stores that bypassed the barrier: aborted");
		cairn_report_abort(&l);
	}
	if (h->zeal.verifies)
		cairn_gc_verify_stopped(h, false);
}

void cairn_gc_zeal_after(struct cairn_gc_heap *h)
{
	if (cairn_likely(!h->zeal.is_on))
		return;
	if (h->zeal.poisons) {
		cairn_gc_blocks_sweep_all(h);
		CAIRN_GC_EACH_BLOCK(b, &h->blocks)
			zeal_poison_holes(h, b);
	}
	if (h->zeal.shadows)
		cairn_gc_shadow_renew(h);
	if (h->zeal.verifies)
		cairn_gc_verify_stopped(h, true);
}
