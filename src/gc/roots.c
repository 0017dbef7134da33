/* gc/roots.c - exact roots, ranges and pins, and the walk over what is exact. roots.h has the invariants and the lock.
 *
 * All three are tables by address, so that adding the hundred-thousandth costs what adding the first does. An entry
 * that is removed leaves no mark: those behind it move up (Knuth, 6.4, algorithm R).
 *
 * Failure: false, nothing changed. Not here: handles (gc/handles.c), ambiguous words (gc/ambiguous.c). */
#include "gc/managed.h"

#include "base/assert.h"
#include "os/sys.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

enum { RUNS_FIRST = 16 };

/* ---- The lock, and the walks that do without it ---- */

void cairn_gc_roots_take(cairn_gc_roots *r)
{
	cairn_lock_take(&r->lock, CAIRN_RANK_GC_PARTS);
	while (__atomic_load_n(&r->is_walked, __ATOMIC_RELAXED)) { /* under the lock */
		cairn_lock_drop(&r->lock, CAIRN_RANK_GC_PARTS);
		cairn_sys(SYS_futex, (long)&r->is_walked, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0);
		cairn_lock_take(&r->lock, CAIRN_RANK_GC_PARTS);
	}
}

void cairn_gc_roots_drop(cairn_gc_roots *r) { cairn_lock_drop(&r->lock, CAIRN_RANK_GC_PARTS); }

void cairn_gc_roots_walk(cairn_gc_roots *r, bool begins)
{
	cairn_lock_take(&r->lock, CAIRN_RANK_GC_PARTS);
	__atomic_store_n(&r->is_walked, begins, __ATOMIC_SEQ_CST);
	cairn_lock_drop(&r->lock, CAIRN_RANK_GC_PARTS);
	if (!begins)
		cairn_sys(SYS_futex, (long)&r->is_walked, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

/* ---- A table of runs ---- */

static size_t runs_slot(const cairn_gc_runs *t, uintptr_t start)
{
	return (size_t)((start * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (t->room - 1);
}

/* Where start is, or would be. */
static size_t runs_search(const cairn_gc_runs *t, uintptr_t start)
{
	size_t i = runs_slot(t, start);
	while (t->items[i].start && t->items[i].start != start)
		i = (i + 1) & (t->room - 1);
	return i;
}

cairn_gc_run *cairn_gc_runs_find(const cairn_gc_runs *t, uintptr_t start)
{
	if (!t->room)
		return NULL;
	cairn_gc_run *run = &t->items[runs_search(t, start)];
	return run->start ? run : NULL;
}

static bool runs_grow(struct cairn_gc_heap *h, cairn_gc_runs *t)
{
	cairn_gc_runs to = { .count = t->count, .room = t->room ? 2 * t->room : RUNS_FIRST };
	to.items = cairn_gc_meta_alloc(h, to.room * sizeof *to.items);
	if (!to.items)
		return false;
	for (size_t i = 0; i < t->room; i++)
		if (t->items[i].start)
			to.items[runs_search(&to, t->items[i].start)] = t->items[i];
	cairn_gc_runs_close(h, t);
	*t = to;
	return true;
}

bool cairn_gc_runs_add(struct cairn_gc_heap *h, cairn_gc_runs *t, uintptr_t start, size_t count)
{
	if (4 * (t->count + 1) > 3 * t->room && !runs_grow(h, t))
		return false;
	t->items[runs_search(t, start)] = (cairn_gc_run){ start, count };
	t->count++;
	return true;
}

void cairn_gc_runs_remove(cairn_gc_runs *t, cairn_gc_run *run)
{
	size_t mask = t->room - 1, hole = (size_t)(run - t->items);
	for (size_t i = (hole + 1) & mask; t->items[i].start; i = (i + 1) & mask) {
		size_t home = runs_slot(t, t->items[i].start);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue; /* it would come to lie before its home */
		t->items[hole] = t->items[i];
		hole = i;
	}
	t->items[hole] = (cairn_gc_run){ 0 };
	t->count--;
}

void cairn_gc_runs_close(struct cairn_gc_heap *h, cairn_gc_runs *t)
{
	if (t->items)
		cairn_gc_meta_free(h, t->items, t->room * sizeof *t->items);
	*t = (cairn_gc_runs){ 0 };
}

void cairn_gc_runs_validate(const cairn_gc_runs *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->room; i++)
		if (t->items[i].start) {
			cairn_assert(runs_search(t, t->items[i].start) == i); /* GR2 */
			count++;
		}
	cairn_assert(count == t->count); /* GR2 */
}

/* ---- The public functions ---- */

static bool run_new(struct cairn_gc_heap *h, cairn_gc_runs *t, uintptr_t start, size_t count, const char *again)
{
	cairn_gc_roots_take(&h->roots);
	bool is_there = cairn_gc_runs_find(t, start) != NULL;
	bool done = !is_there && cairn_gc_runs_add(h, t, start, count);
	cairn_gc_roots_drop(&h->roots);
	if (is_there)
		cairn_gc_misuse(h, again, (void *)start);
	return done;
}

bool cairn_gc_roots_add(cairn_gc_heap *h, void *first, size_t n)
{
	size_t slot_bytes = cairn_gc_slot_bytes(h->is_compressed);
	if (!first || (uintptr_t)first % slot_bytes || n > (UINTPTR_MAX - (uintptr_t)first) / slot_bytes)
		cairn_gc_misuse(h, "cairn_gc_roots_add: not the address of a cairn_ref", first);
	return run_new(h, &h->roots.exact, (uintptr_t)first, n, "cairn_gc_roots_add: is a root already");
}

void cairn_gc_roots_remove(cairn_gc_heap *h, void *first)
{
	cairn_gc_roots_take(&h->roots);
	cairn_gc_run *run = cairn_gc_runs_find(&h->roots.exact, (uintptr_t)first);
	if (run)
		cairn_gc_runs_remove(&h->roots.exact, run);
	cairn_gc_roots_drop(&h->roots);
	if (!run)
		cairn_gc_misuse(h, "cairn_gc_roots_remove: was not added", first);
}

bool cairn_gc_range_add(cairn_gc_heap *h, const void *start, size_t bytes)
{
	if (!start || (uintptr_t)start + bytes < (uintptr_t)start)
		cairn_gc_misuse(h, "cairn_gc_range_add: no memory lies there", start);
	return run_new(h, &h->roots.ranges, (uintptr_t)start, bytes, "cairn_gc_range_add: was added already");
}

void cairn_gc_range_remove(cairn_gc_heap *h, const void *start)
{
	cairn_gc_roots_take(&h->roots);
	cairn_gc_run *run = cairn_gc_runs_find(&h->roots.ranges, (uintptr_t)start);
	if (run)
		cairn_gc_runs_remove(&h->roots.ranges, run);
	bool done = run || cairn_gc_left_stack_remove(h, (uintptr_t)start);
	cairn_gc_roots_drop(&h->roots);
	if (!done)
		cairn_gc_misuse(h, "cairn_gc_range_remove: was not added", start);
}

bool cairn_gc_pin(cairn_gc_mutator *m, void *object)
{
	struct cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_must_be_object(h, object, "cairn_gc_pin: no object of this heap");
	cairn_gc_roots_take(&h->roots);
	cairn_gc_run *run = cairn_gc_runs_find(&h->roots.pins, (uintptr_t)object);
	if (run)
		run->count++;
	bool done = run || cairn_gc_runs_add(h, &h->roots.pins, (uintptr_t)object, 1);
	cairn_gc_roots_drop(&h->roots);
	return done;
}

void cairn_gc_unpin(cairn_gc_mutator *m, void *object)
{
	struct cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_roots_take(&h->roots);
	cairn_gc_run *run = cairn_gc_runs_find(&h->roots.pins, (uintptr_t)object);
	if (run && !--run->count)
		cairn_gc_runs_remove(&h->roots.pins, run);
	cairn_gc_roots_drop(&h->roots);
	if (!run)
		cairn_gc_misuse(h, "cairn_gc_unpin: is not pinned", object);
}

/* ---- For the collection ---- */

void cairn_gc_roots_init(struct cairn_gc_heap *h) { h->roots = (cairn_gc_roots){ .lock = CAIRN_LOCK_INIT }; }

void cairn_gc_roots_close(struct cairn_gc_heap *h)
{
	cairn_gc_runs_close(h, &h->roots.exact);
	cairn_gc_runs_close(h, &h->roots.ranges);
	cairn_gc_runs_close(h, &h->roots.pins);
	cairn_gc_handles_close(h);
	cairn_gc_left_stacks_forget(h, NULL);
}

typedef struct exact_call {
	struct cairn_gc_heap *h;
	void (*visit)(void *arg, uintptr_t *word);
	void *arg;
} exact_call;

/* A handle's word, or a root's that is an address. */
static void exact_word(void *arg, uintptr_t *word)
{
	const exact_call *c = arg;
	c->h->roots.word = word;
	c->visit(c->arg, word);
	c->h->roots.word = NULL;
}

/* What is compressed is visited in a word of its own. */
static void exact_slot(const exact_call *c, uint32_t *slot)
{
	uintptr_t object = cairn_gc_slot_expand(*slot), was = object;
	c->h->roots.word = slot;
	c->visit(c->arg, &object);
	c->h->roots.word = NULL;
	if (object != was)
		*slot = cairn_gc_slot_compress(object);
}

/* A word of several runs is visited with the one that begins last: who moves objects may not see it twice. */
static void exact_visit(const exact_call *c, const cairn_gc_run *run)
{
	const cairn_gc_runs *t = &c->h->roots.exact;
	for (size_t k = 0, covered = 0; run->start && k < run->count; k++) {
		uintptr_t at = run->start + k * cairn_gc_slot_bytes(c->h->is_compressed);
		const cairn_gc_run *in = k ? cairn_gc_runs_find(t, at) : NULL;
		covered = in && k + in->count > covered ? k + in->count : covered;
		if (k >= covered && c->h->is_compressed)
			exact_slot(c, (uint32_t *)at);
		else if (k >= covered)
			exact_word((void *)(uintptr_t)c, (uintptr_t *)at);
	}
}

void cairn_gc_roots_exact(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	const cairn_gc_runs *t = &h->roots.exact;
	exact_call c = { h, visit, arg };
	cairn_gc_roots_walk(&h->roots, true);
	for (size_t i = 0; i < t->room; i++)
		exact_visit(&c, &t->items[i]);
	cairn_gc_handles_walk(h, exact_word, &c);
	cairn_gc_roots_walk(&h->roots, false);
}

static void exact_validate(void *arg, uintptr_t *word)
{
	uintptr_t object = *word;
	cairn_assert(!object || (uintptr_t)cairn_gc_object_at(arg, object) == object); /* GR1 */
	(void)object;
	(void)arg;
}

void cairn_gc_roots_validate(struct cairn_gc_heap *h)
{
	const cairn_gc_roots *r = &h->roots;
	cairn_gc_roots_exact(h, exact_validate, h);
	cairn_gc_runs_validate(&r->exact);
	cairn_gc_runs_validate(&r->ranges);
	cairn_gc_runs_validate(&r->pins);
	for (size_t i = 0; i < r->pins.room; i++) {
		uintptr_t object = r->pins.items[i].start;
		cairn_assert(!object || (r->pins.items[i].count &&
					(uintptr_t)cairn_gc_object_at(h, object) == object)); /* GR3 */
	}
	cairn_gc_handles_validate(h);
	for (const cairn_gc_left_stack *s = r->left_stacks; s; s = s->next)
		cairn_assert(s->of->heap == h && s->sp >= s->low && s->sp <= s->base); /* GR4 */
}
