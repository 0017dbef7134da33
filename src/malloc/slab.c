/* malloc/slab.c - slots of a span. The design is in slab.h. */
#include "malloc/slab.h"

#include "base/assert.h"
#include "malloc/limit.h"
#include "malloc/slabhide.h"
#include "os/meta.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"

static const cairn_class *class_of_slab(const cairn_span *s) { return &cairn_classes[s->size_class]; }
static size_t bits_words(const cairn_class *k) { return (k->capacity + 63u) / 64; }

/* Words of free_bits change under the owner's lock; cairn_slab_look may read one without, for the bit of a block that
 * its caller holds and nobody changes. Relaxed: nothing is published by them. */
static void word_set(uint64_t *word, uint64_t to) { __atomic_store_n(word, to, __ATOMIC_RELAXED); }

/* n ones, 1 to 64, from bit `from` on. */
static uint64_t bit_run(size_t from, size_t n) { return ~0ull >> (64 - n) << from; }

/* A span whose first slot can be taken. */
static cairn_span *span_get(const cairn_class *k, cairn_span_kind kind)
{
	bool is_zero;
	cairn_span *s = cairn_pageheap_alloc(k->granules, 1, kind, &is_zero);
	if (!s || cairn_window_open_pages(s->base, k->bytes))
		return s;
	cairn_pageheap_free(s, k->granules, is_zero ? 0 : k->granules);
	return NULL;
}

cairn_span *cairn_slab_create(unsigned size_class, cairn_span_kind kind)
{
	const cairn_class *k = &cairn_classes[size_class];
	size_t words = bits_words(k);
	if (cairn_unlikely(!cairn_limit_allows(k->granules)))
		return NULL;
	uint64_t *bits = cairn_meta_alloc(words * 8);
	if (!bits)
		return NULL;
	cairn_span *s = span_get(k, kind);
	if (!s) {
		cairn_meta_free(bits, words * 8);
		return NULL;
	}
	for (size_t w = 0; w < words; w++)
		bits[w] = ~0ull;
	if (k->capacity % 64)
		bits[words - 1] = (1ull << k->capacity % 64) - 1;
	s->free_bits = bits;
	s->size_class = (uint8_t)size_class;
	s->free_count = k->capacity;
	s->holds = 0;
	cairn_node_init(&s->queued);
	if (kind == CAIRN_SPAN_SLAB)
		cairn_window_set_class((uintptr_t)s->base, k->granules, (uint8_t)size_class);
	return s;
}

void cairn_slab_destroy(cairn_span *s)
{
	const cairn_class *k = class_of_slab(s);
	if (s->kind == CAIRN_SPAN_SLAB)
		cairn_window_set_class((uintptr_t)s->base, k->granules, 0);
	cairn_slabhide_show(s, s->clean_pages);
	cairn_slabhide_set(s, 0, false);
	cairn_meta_free(s->free_bits, bits_words(k) * 8);
	cairn_pageheap_free(s, k->granules, k->granules);
}

/* The pages that the slot at offset touches, as bits. */
static uint64_t slot_pages(const cairn_class *k, size_t offset)
{
	unsigned shift = cairn_log2(cairn_vm_page_bytes());
	size_t first = offset >> shift, last = (offset + k->bytes - 1) >> shift;
	return (~0ull >> (63 - (last - first))) << first;
}

bool cairn_slab_slot_touches(const cairn_span *s, size_t i, uint64_t pages)
{
	const cairn_class *k = class_of_slab(s);
	return slot_pages(k, i * k->bytes) & pages;
}

/* These pages will be written: they are not clean any more, and in core files. */
static void take_pages(cairn_span *s, uint64_t pages)
{
	uint64_t again = s->clean_pages & pages;
	if (!again)
		return;
	cairn_slabhide_show(s, again);
	cairn_slabhide_set(s, s->clean_pages & ~again, s->is_hidden);
	cairn_purge_note_rewanted(cairn_bits_count(again) * cairn_vm_page_bytes());
}

/* Takes up to n of the free slots whose pages are open. *closed: the first one whose are not, or NULL. */
static size_t take_open(cairn_span *s, void **end, size_t n, char **closed)
{
	const cairn_class *k = class_of_slab(s);
	void **at = end, **last = end - n;
	*closed = NULL;
	for (size_t i = 0; i < k->capacity && at > last; i++) {
		char *slot = s->base + i * k->bytes;
		if (!cairn_bit_get(s->free_bits, i))
			continue;
		if (cairn_window_pages_are_open(slot, k->bytes)) {
			*--at = slot;
			word_set(&s->free_bits[i / 64], s->free_bits[i / 64] & ~(1ull << i % 64));
		} else if (!*closed) {
			*closed = slot;
		}
	}
	return (size_t)(end - at);
}

/* A page is opened only when no slot can be had without. */
static size_t take_lazily(cairn_span *s, void **end, size_t n)
{
	char *closed;
	size_t taken = take_open(s, end, n, &closed);
	if (!taken && closed && cairn_window_open_pages(closed, class_of_slab(s)->bytes))
		taken = take_open(s, end, n, &closed);
	return taken;
}

static size_t take_lowest(cairn_span *s, void **end, size_t n)
{
	const cairn_class *k = class_of_slab(s);
	size_t words = bits_words(k), bytes = k->bytes;
	void **at = end, **last = end - n;
	for (size_t w = 0; w < words && at > last; w++) {
		char *base = s->base + w * 64 * bytes;
		uint64_t bits = s->free_bits[w];
		while (bits && at > last) { /* a run of neighbours at a time: within one the next slot is an addition */
			size_t from = (size_t)__builtin_ctzll(bits), most = (size_t)(at - last);
			uint64_t behind = ~(bits >> from);
			size_t run = behind ? (size_t)__builtin_ctzll(behind) : 64;
			run = run < most ? run : most;
			bits &= ~bit_run(from, run);
			char *slot = base + from * bytes;
			for (void **to = at - run; at > to; slot += bytes)
				*--at = slot;
		}
		word_set(&s->free_bits[w], bits);
	}
	return (size_t)(end - at);
}

/* Takes n slots that share cache lines with none but each other; 0: there are none so. n divides 64. */
static size_t take_line(cairn_span *s, void **end, size_t n)
{
	const cairn_class *k = class_of_slab(s);
	for (size_t w = 0; w < bits_words(k); w++) {
		uint64_t bits = s->free_bits[w], lines = bits & ~0ull / ((1ull << n) - 1); /* every nth bit */
		for (size_t i = 1; i < n; i++)
			lines &= bits >> i;
		if (!lines)
			continue;
		size_t first = (size_t)__builtin_ctzll(lines);
		for (size_t i = 0; i < n; i++)
			*--end = s->base + (w * 64 + first + i) * k->bytes;
		word_set(&s->free_bits[w], bits & ~(((1ull << n) - 1) << first));
		return n;
	}
	return 0;
}

size_t cairn_slab_take(cairn_span *s, void **end, size_t n)
{
	bool is_lazy = cairn_window_is_lazy(s->base), is_line = n > 1 && n == cairn_class_line_slots(class_of_slab(s));
	size_t taken = cairn_unlikely(is_lazy) ? take_lazily(s, end, n) : is_line ? take_line(s, end, n) : 0;
	if (!taken && !is_lazy)
		taken = take_lowest(s, end, n);
	s->free_count = (uint16_t)(s->free_count - taken);
	uint64_t pages = 0;
	for (void **slot = end - taken; s->clean_pages && slot < end; slot++)
		pages |= slot_pages(class_of_slab(s), (size_t)((char *)*slot - s->base));
	take_pages(s, pages);
	return taken;
}

/* Do n pointers begin with some that lie one slot after the other, up or down? A guess from the fourth: where they do
 * not, looking must cost nothing. How far apart, or 0. */
static ptrdiff_t step_of(void *const *slots, size_t n, ptrdiff_t bytes)
{
	enum { GUESSED = 3 };
	if (n <= GUESSED)
		return 0;
	ptrdiff_t far = (char *)slots[GUESSED] - (char *)slots[0];
	return far == GUESSED * bytes ? bytes : far == -GUESSED * bytes ? -bytes : 0;
}

/* The bits of slot i, slots[0], and of those behind it in the array that lie step bytes apart and have theirs in the
 * same word. *run: how many. */
static uint64_t run_bits(void *const *slots, size_t n, size_t i, size_t capacity, ptrdiff_t step, size_t *run)
{
	size_t at = i % 64, up = capacity - i < 64 - at ? capacity - i : 64 - at, most = step > 0 ? up : at + 1;
	size_t found = 1;
	most = most < n ? most : n;
	for (char *next = (char *)slots[0] + step; found < most && slots[found] == next; next += step)
		found++;
	*run = found;
	return bit_run(step > 0 ? at : at + 1 - found, found);
}

size_t cairn_slab_give(cairn_span *s, void **slots, size_t n, cairn_give *verdict)
{
	const cairn_class k = *class_of_slab(s);
	const char *base = s->base;
	/* A word stays in a register while slots fall into it: through memory each would wait for the last store. */
	uint64_t *at = s->free_bits, word = *at;
	size_t given, run;
	for (given = 0; given < n; given += run) {
		size_t offset = (size_t)((const char *)slots[given] - base), i = cairn_class_index(&k, offset);
		if (cairn_unlikely(i * k.bytes != offset || i >= k.capacity))
			break;
		if (at != &s->free_bits[i / 64]) {
			word_set(at, word);
			at = &s->free_bits[i / 64];
			word = *at;
		}
		uint64_t bit = 1ull << i % 64;
		ptrdiff_t step = step_of(slots + given, n - given, k.bytes);
		run = 1;
		if (cairn_unlikely(word & bit))
			break;
		if (step) {
			uint64_t bits = run_bits(slots + given, n - given, i, k.capacity, step, &run);
			bit = word & bits ? bit : bits; /* one of them is free already: as far as that, one by one */
			run = word & bits ? 1 : run;
		}
		word |= bit;
	}
	word_set(at, word);
	s->free_count = (uint16_t)(s->free_count + given);
	*verdict = given < n ? cairn_slab_look(s, slots[given]) : CAIRN_GIVE_OK;
	return given;
}

/* Are slots [first, last] all free? */
static bool slots_are_free(const cairn_span *s, size_t first, size_t last)
{
	for (size_t w = first / 64; w <= last / 64; w++) {
		uint64_t want = ~0ull;
		if (w == first / 64)
			want &= ~0ull << first % 64;
		if (w == last / 64)
			want &= ~0ull >> (63 - last % 64);
		if ((s->free_bits[w] & want) != want)
			return false;
	}
	return true;
}

uint64_t cairn_slab_empty_pages(const cairn_span *s)
{
	const cairn_class *k = class_of_slab(s);
	size_t page = cairn_vm_page_bytes(), empty = 0;
	if (page > CAIRN_GRANULE_BYTES)
		return 0;
	/* Where a slot begins in the next page and one ends in the last is found by walking, not by dividing. */
	for (size_t at = 0, n = 0; at < (size_t)k->granules * CAIRN_GRANULE_BYTES; at += page, n++) {
		size_t first = cairn_class_index(k, at), last = cairn_class_index(k, at + page - 1);
		last = last >= k->capacity ? k->capacity - 1u : last;
		if (first < k->capacity && !(s->clean_pages >> n & 1) && slots_are_free(s, first, last))
			empty |= 1ull << n;
	}
	return empty;
}

/* Sets the bits of all slots that touch one of pages to `to`; how many. A slot may touch two of them: it counts once.
 * */
static size_t mark_slots(cairn_span *s, uint64_t pages, bool to)
{
	const cairn_class *k = class_of_slab(s);
	size_t page = cairn_vm_page_bytes(), marked = 0, next = 0;
	for (; pages; pages &= pages - 1) {
		size_t at = (size_t)__builtin_ctzll(pages) * page;
		size_t i = cairn_class_index(k, at), last = cairn_class_index(k, at + page - 1);
		for (i = i < next ? next : i; i <= last && i < k->capacity; i++, marked++) {
			uint64_t *word = &s->free_bits[i / 64], bit = 1ull << i % 64;
			word_set(word, to ? *word | bit : *word & ~bit);
		}
		next = i;
	}
	return marked;
}

void cairn_slab_hold(cairn_span *s, uint64_t pages)
{
	s->free_count = (uint16_t)(s->free_count - mark_slots(s, pages, false));
	s->holds++;
}

void cairn_slab_unhold(cairn_span *s, uint64_t pages, bool purged)
{
	s->free_count = (uint16_t)(s->free_count + mark_slots(s, pages, true));
	s->holds--;
	if (purged)
		cairn_slabhide_set(s, s->clean_pages | pages, s->is_hidden);
}

void cairn_slab_validate(const cairn_span *s)
{
	const cairn_class *k = class_of_slab(s);
	size_t ones = 0;
	for (size_t w = 0; w < bits_words(k); w++)
		ones += cairn_bits_count(s->free_bits[w]);
	cairn_assert(ones == s->free_count);                                                         /* B1 */
	cairn_assert(!(k->capacity % 64) || !(s->free_bits[bits_words(k) - 1] >> k->capacity % 64)); /* B1 */
	for (size_t i = 0; i < k->capacity && s->clean_pages && !s->holds;
		i++) /* a held slot may reach into a clean page */
		cairn_assert(
			cairn_bit_get(s->free_bits, i) || !(slot_pages(k, i * k->bytes) & s->clean_pages)); /* B2 */
	for (size_t i = 0; i < k->capacity && cairn_window_is_lazy(s->base) && !s->holds; i++)
		cairn_assert(cairn_bit_get(s->free_bits, i) ||
			     cairn_window_pages_are_open(s->base + i * k->bytes, k->bytes)); /* B3 */
}
