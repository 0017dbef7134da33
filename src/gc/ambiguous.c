/* gc/ambiguous.c - looking at words that may be anything: stacks, registers, thread-local data, ranges, pins; and the
 * stacks that a mutator has left for others. The contract is in roots.h.
 *
 * Nearly all words point nowhere near the heap: two comparisons with its lowest and highest slab come before the
 * question what lies there. A word that points into a frame that AddressSanitizer has moved to its fake stack leads to
 * that frame, whose words are looked at as well (not further: a frame is also pointed at from the real stack).
 *
 * Nothing here may fault, whatever the words are: the memory that they lie in is known, and what they point at is asked
 * of cairn_gc_object_at. Threads: in a stop, but for what the program's own threads do to their stacks while they are
 * out.
 * Lock: see roots.h. Not here: the exact ones (gc/roots.c). */
#include "gc/managed.h"
#include "gc/stacks.h"

#include "base/assert.h"
#include "base/bits.h"

/* It reads what is poisoned, and what others write to meanwhile. */
#define AMBIGUOUS __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

typedef struct ambiguous_scan {
	struct cairn_gc_heap *h;
	void (*found)(void *arg, void *object);
	void *arg;
	uintptr_t low, high; /* of the heap's slabs */
	void *fake;          /* of the thread whose words these are; NULL: none */
} ambiguous_scan;

static void scan_word(ambiguous_scan *s, const uintptr_t *at, uintptr_t word)
{
	void *object = cairn_gc_object_at(s->h, word);
	if (!object)
		return;
	s->h->roots.word = at;
	s->found(s->arg, object);
	s->h->roots.word = NULL;
}

static bool scan_is_near(const ambiguous_scan *s, uintptr_t word) { return word - s->low <= s->high - s->low; }

AMBIGUOUS static void scan_plain(ambiguous_scan *s, uintptr_t start, uintptr_t end)
{
	for (const volatile uintptr_t *at = (void *)cairn_round_up(start, 8); (uintptr_t)(at + 1) <= end; at++) {
		uintptr_t word = *at;
		if (scan_is_near(s, word))
			scan_word(s, (const uintptr_t *)at, word);
	}
}

AMBIGUOUS static void scan_with_fake(ambiguous_scan *s, uintptr_t start, uintptr_t end)
{
	for (const volatile uintptr_t *at = (void *)cairn_round_up(start, 8); (uintptr_t)(at + 1) <= end; at++) {
		uintptr_t word = *at, from, to;
		if (scan_is_near(s, word))
			scan_word(s, (const uintptr_t *)at, word);
		else if (cairn_gc_fake_frame(s->fake, word, &from, &to))
			scan_plain(s, from, to);
	}
}

static void scan_words(ambiguous_scan *s, uintptr_t start, uintptr_t end)
{
	if (s->fake)
		scan_with_fake(s, start, end);
	else
		scan_plain(s, start, end);
}

static void scan_mutator(ambiguous_scan *s, const cairn_gc_thread *t)
{
	s->fake = t->fake_stack;
	scan_words(s, (uintptr_t)t->registers, (uintptr_t)(t->registers + CAIRN_GC_REGISTERS));
	scan_words(s, (uintptr_t)t->left_frame, (uintptr_t)(t->left_frame + t->left_words));
	scan_words(s, t->sp, t->stack_base);
	scan_words(s, t->tls_start, t->tls_end);
	s->fake = NULL;
}

static void scan_left_stacks(ambiguous_scan *s)
{
	for (const cairn_gc_left_stack *l = s->h->roots.left_stacks; l; l = l->next) {
		s->fake = l->fake_stack;
		scan_words(s, (uintptr_t)l->registers, (uintptr_t)(l->registers + CAIRN_GC_REGISTERS));
		scan_words(s, (uintptr_t)l->frame, (uintptr_t)(l->frame + l->words));
		scan_words(s, l->sp, l->base);
	}
	s->fake = NULL;
}

static void scan_runs(ambiguous_scan *s)
{
	const cairn_gc_runs *ranges = &s->h->roots.ranges, *pins = &s->h->roots.pins;
	for (size_t i = 0; i < ranges->room; i++)
		scan_plain(s, ranges->items[i].start, ranges->items[i].start + ranges->items[i].count);
	for (size_t i = 0; i < pins->room; i++)
		if (pins->items[i].start)
			scan_word(s, &pins->items[i].start, pins->items[i].start);
}

static void scan_bounds(ambiguous_scan *s)
{
	s->low = UINTPTR_MAX;
	CAIRN_GC_EACH_SLAB(slab, &s->h->blocks) {
		uintptr_t start = (uintptr_t)slab, end = start + slab->granules * CAIRN_GRANULE_BYTES;
		s->low = start < s->low ? start : s->low;
		s->high = end > s->high ? end : s->high;
	}
}

void cairn_gc_roots_ambiguous(struct cairn_gc_heap *h, void (*found)(void *arg, void *object), void *arg)
{
	ambiguous_scan s = { .h = h, .found = found, .arg = arg };
	scan_bounds(&s);
	if (!s.high)
		return;
	cairn_gc_roots_walk(&h->roots, true);
	if (!h->config.exact_roots) {
		CAIRN_GC_EACH_MUTATOR(t, &h->world)
			scan_mutator(&s, t);
		scan_left_stacks(&s);
	}
	scan_runs(&s);
	cairn_gc_roots_walk(&h->roots, false);
}

/* ---- Stacks that were left ---- */

static void left_stack_unlink(struct cairn_gc_heap *h, cairn_gc_left_stack **at)
{
	cairn_gc_left_stack *s = *at;
	*at = s->next;
	cairn_gc_meta_free(h, s, sizeof *s);
}

bool cairn_gc_left_stack_remove(struct cairn_gc_heap *h, uintptr_t low)
{
	for (cairn_gc_left_stack **at = &h->roots.left_stacks; *at; at = &(*at)->next)
		if ((*at)->low == low) {
			left_stack_unlink(h, at);
			return true;
		}
	return false;
}

void cairn_gc_left_stacks_forget(struct cairn_gc_heap *h, const cairn_gc_thread *t)
{
	cairn_gc_roots_take(&h->roots);
	for (cairn_gc_left_stack **at = &h->roots.left_stacks; *at;)
		if (!t || (*at)->of == t)
			left_stack_unlink(h, at);
		else
			at = &(*at)->next;
	cairn_gc_roots_drop(&h->roots);
}

/* The part of the stack that is being left that may hold something. Called on it: from sp on. Called on the next one
 * already: all of it that can be read, for where it was left is not known. */
static uintptr_t left_stack_sp(const cairn_gc_thread *t)
{
	if (t->sp >= t->stack_low && t->sp < t->stack_base)
		return t->sp;
	if (t->stack_base != t->own_base)
		return t->stack_low;
	uintptr_t low = t->own_low, base = t->own_base, guard = 0, page = 4096;
	cairn_gc_stack_bounds(&low, &base, &guard);
	low += guard;
	uintptr_t at = cairn_round_down(base - 1, page);
	while (at > low && cairn_gc_is_mapped(at - page, at))
		at -= page;
	return at > low ? at : low;
}

bool cairn_gc_stack_switched_(cairn_gc_mutator *m, const void *low, size_t bytes);

static bool left_stack_note(cairn_gc_thread *t, uintptr_t low)
{
	struct cairn_gc_heap *h = t->heap;
	cairn_gc_left_stack *left = cairn_gc_meta_alloc(h, sizeof *left);
	if (!left)
		return false;
	*left = (cairn_gc_left_stack){ .of = t, .low = t->stack_low, .base = t->stack_base, .sp = left_stack_sp(t),
		.fake_stack = cairn_gc_fake_stack() };
	_Static_assert(sizeof left->registers == sizeof t->registers, "the same registers");
	__builtin_memcpy(left->registers, t->registers, sizeof left->registers);
	_Static_assert(sizeof left->frame == sizeof t->left_frame, "the same words");
	left->words = cairn_gc_frame_keep(left->frame, left->sp, left->base);
	cairn_gc_roots_take(&h->roots);
	cairn_gc_left_stack_remove(h, low);
	left->next = h->roots.left_stacks;
	h->roots.left_stacks = left;
	cairn_gc_roots_drop(&h->roots);
	return true;
}

/* cairn_gc_stack_switch, which has saved the registers and sp of its caller: the frame of a C function, into which
 * they may be moved, is gone when the collection looks. */
__attribute__((used)) bool cairn_gc_stack_switched_(cairn_gc_mutator *m, const void *low, size_t bytes)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	uintptr_t to_low = low ? (uintptr_t)low : t->own_low, to_base = low ? (uintptr_t)low + bytes : t->own_base;
	if (to_low == t->stack_low && to_base == t->stack_base)
		return true;
	if (!left_stack_note(t, to_low))
		return false;
	t->stack_low = to_low;
	t->stack_base = to_base;
	return true;
}
