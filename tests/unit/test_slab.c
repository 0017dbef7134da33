/* Slabs: every class against a naive array of slots, with OS pages of 4, 16 and 64 KiB. Cases cite the invariants of
 * malloc/slab.h. */
#include "malloc/slab.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

enum { SLOTS_MAX = CAIRN_GRANULE_BYTES / 16 };

typedef enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_HELD } slot_state;

static slot_state slots[SLOTS_MAX];
static uint64_t clean; /* pages purged and not written since */
static uint64_t seed, rnd;

static size_t below(size_t n) { return test_random(&rnd) % n; }
static char *slot_at(const cairn_span *s, size_t i) { return s->base + i * cairn_classes[s->size_class].bytes; }

static bool touches(const cairn_class *k, size_t slot, size_t page)
{
	size_t page_bytes = cairn_vm_page_bytes();
	return slot * k->bytes < (page + 1) * page_bytes && (slot + 1) * k->bytes > page * page_bytes;
}

static size_t page_count(const cairn_class *k)
{
	return (size_t)k->granules * CAIRN_GRANULE_BYTES / cairn_vm_page_bytes();
}

/* Where taking n slots begins: when they are a cache line's at the first that is entirely free, else at the lowest. */
static size_t first_of(const cairn_class *k, size_t n)
{
	bool is_line = n > 1 && n == cairn_class_line_slots(k);
	for (size_t line = 0; is_line && line + n <= k->capacity; line += n) {
		size_t free = 0;
		while (free < n && slots[line + free] == SLOT_FREE)
			free++;
		if (free == n)
			return line;
	}
	return 0;
}

static void take_some(cairn_span *s, size_t n)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	void *end[SLOTS_MAX + 1];
	size_t next = first_of(k, n), got = cairn_slab_take(s, &end[n], n);
	for (size_t i = 0; i < got; i++) { /* lowest first, popped from the end */
		while (next < k->capacity && slots[next] != SLOT_FREE)
			next++;
		EXPECT(end[n - 1 - i] == slot_at(s, next));
		slots[next] = SLOT_TAKEN;
		for (size_t page = 0; page < page_count(k); page++)
			if (touches(k, next, page))
				clean &= ~(1ull << page);
	}
	if (got < n)
		for (size_t i = 0; i < k->capacity; i++)
			EXPECT(slots[i] != SLOT_FREE);
}

static cairn_give give(cairn_span *s, void *p)
{
	cairn_give verdict;
	size_t given = cairn_slab_give(s, &p, 1, &verdict);
	EXPECT_EQ(given, verdict == CAIRN_GIVE_OK);
	return verdict;
}

static void give_one(cairn_span *s, size_t i)
{
	char *p = slot_at(s, i);
	cairn_give wanted = slots[i] == SLOT_FREE ? CAIRN_GIVE_ALREADY_FREE : CAIRN_GIVE_OK;
	if (slots[i] == SLOT_HELD)
		return; /* nobody holds a block there: a wrong free, not known as such until it is put back */
	EXPECT_EQ(cairn_slab_look(s, p), wanted);
	EXPECT_EQ(give(s, p), wanted);
	EXPECT_EQ(cairn_slab_look(s, p + 1 + below(cairn_classes[s->size_class].bytes - 1)), CAIRN_GIVE_NOT_START);
	EXPECT_EQ(give(s, p + 1 + below(cairn_classes[s->size_class].bytes - 1)), CAIRN_GIVE_NOT_START);
	slots[i] = SLOT_FREE;
}

static uint64_t naive_empty_pages(const cairn_span *s)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	uint64_t empty = 0;
	for (size_t page = 0; page < page_count(k); page++) {
		bool has_slot = false, is_empty = true;
		for (size_t i = 0; i < k->capacity; i++)
			if (touches(k, i, page)) {
				has_slot = true;
				is_empty &= slots[i] == SLOT_FREE;
			}
		if (has_slot && is_empty && !(clean >> page & 1))
			empty |= 1ull << page;
	}
	return cairn_vm_page_bytes() > CAIRN_GRANULE_BYTES ? 0 : empty;
}

static void mark_held(const cairn_span *s, uint64_t pages, slot_state from, slot_state to)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	for (size_t page = 0; page < page_count(k); page++)
		for (size_t i = 0; (pages >> page & 1) && i < k->capacity; i++)
			if (touches(k, i, page) && slots[i] == from)
				slots[i] = to;
}

static void check_all(const cairn_span *s)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	size_t free_count = 0;
	cairn_slab_validate(s); /* B1, B2 */
	for (size_t i = 0; i < k->capacity; i++) {
		EXPECT_EQ(cairn_bit_get(s->free_bits, i), slots[i] == SLOT_FREE);
		free_count += slots[i] == SLOT_FREE;
	}
	EXPECT_EQ(s->free_count, free_count);
	EXPECT_EQ(cairn_slab_empty_pages(s), naive_empty_pages(s));
}

/* Empty pages are held, others take and give meanwhile, and the pages come back. */
static void hold_and_unhold(cairn_span *s)
{
	const cairn_class *k = &cairn_classes[s->size_class];
	uint64_t pages = cairn_slab_empty_pages(s) & (test_random(&rnd) | test_random(&rnd));
	bool purged = below(3);
	if (!pages)
		return;
	cairn_slab_hold(s, pages);
	mark_held(s, pages, SLOT_FREE, SLOT_HELD);
	check_all(s);
	take_some(s, below(k->capacity / 4 + 2));
	for (size_t i = 0; i < k->capacity; i++)
		if (slots[i] == SLOT_TAKEN && below(4) == 0)
			give_one(s, i);
	check_all(s);
	cairn_slab_unhold(s, pages, purged);
	mark_held(s, pages, SLOT_HELD, SLOT_FREE);
	if (purged)
		clean |= pages;
	check_all(s);
}

static void run_class(unsigned c)
{
	const cairn_class *k = &cairn_classes[c];
	cairn_span *s = cairn_slab_create(c, CAIRN_SPAN_SLAB);
	REQUIRE(s);
	memset(slots, 0, sizeof slots);
	clean = 0;
	check_all(s);
	for (int round = 0; round < 12; round++) {
		take_some(s, 1 + below(k->capacity));
		check_all(s);
		for (size_t i = 0; i < k->capacity; i++)
			if (below(3))
				give_one(s, i);
		check_all(s);
		hold_and_unhold(s);
	}
	for (size_t i = 0; i < k->capacity; i++)
		if (slots[i] == SLOT_TAKEN)
			give_one(s, i);
	check_all(s);
	EXPECT_EQ(s->free_count, k->capacity);
	cairn_slab_destroy(s);
}

static void run_all(void *page_bytes)
{
	if (*(size_t *)page_bytes > cairn_vm_page_bytes())
		cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	rnd = seed;
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		run_class(c);
}

static void with_page(size_t page_bytes)
{
	if (page_bytes < cairn_vm_page_bytes())
		SKIP("the machine's page is larger");
	in_a_child(run_all, &page_bytes);
}

static void slots_are_what_a_naive_array_says_with_pages_of_4_kib(void) { with_page(4096); }   /* B1, B2 */
static void slots_are_what_a_naive_array_says_with_pages_of_16_kib(void) { with_page(16384); } /* B1, B2 */
static void slots_are_what_a_naive_array_says_with_pages_of_64_kib(void) { with_page(65536); } /* B1, B2 */

static void class_bytes_stand_while_the_slab_does(void)
{
	cairn_span *slab = cairn_slab_create(60, CAIRN_SPAN_SLAB), *of_heap = cairn_slab_create(60, CAIRN_SPAN_HEAP);
	REQUIRE(slab && of_heap);
	uintptr_t at = (uintptr_t)slab->base, other = (uintptr_t)of_heap->base;
	cairn_window *w = cairn_window_of(at);
	for (size_t g = 0; g < cairn_classes[60].granules; g++) {
		EXPECT_EQ(w->class_map[((at - w->base) >> CAIRN_GRANULE_SHIFT) + g], 60);
		EXPECT_EQ(w->class_map[((other - w->base) >> CAIRN_GRANULE_SHIFT) + g],
			0); /* a heap's frees are slow ones */
	}
	cairn_window_validate(); /* W3 */
	cairn_slab_destroy(slab);
	cairn_slab_destroy(of_heap);
	for (size_t g = 0; g < cairn_classes[60].granules; g++)
		EXPECT_EQ(w->class_map[((at - w->base) >> CAIRN_GRANULE_SHIFT) + g], 0);
	EXPECT(!cairn_window_span(at));
}

int main(void)
{
	seed = test_seed();
	RUN(slots_are_what_a_naive_array_says_with_pages_of_4_kib);
	RUN(slots_are_what_a_naive_array_says_with_pages_of_16_kib);
	RUN(slots_are_what_a_naive_array_says_with_pages_of_64_kib);
	RUN(class_bytes_stand_while_the_slab_does);
	DONE();
}
