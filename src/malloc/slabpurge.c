/* malloc/slabpurge.c - purging inside slabs. The design is in slabpurge.h. */
#include "malloc/slabpurge.h"

#include "malloc/central.h"
#include "malloc/slabhide.h"
#include "os/clock.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/purge.h"

enum { BATCH = 8 }; /* slabs held at once */

typedef struct held_slab {
	cairn_span *span;
	uint64_t pages; /* to purge */
	uint64_t hide;  /* to hide then: these, and the clean ones of a slab that was not hidden */
	bool purged;
} held_slab;

/* The batch at work: slots of these pages are free although their bits say otherwise. One thread purges at a time.
 * sync: written by who purges, spans and pages under the class's central lock. */
static held_slab held_now[BATCH];

static unsigned next_class = 1; /* sync: atomic, relaxed: where the last step stopped, a hint */
static size_t purged_bytes;     /* sync: atomic, relaxed: a sum */

bool cairn_slabpurge_is_due(void) { return cairn_central_queued_bytes() > cairn_purge_hysteresis_bytes() / 2; }
size_t cairn_slabpurge_bytes(void) { return __atomic_load_n(&purged_bytes, __ATOMIC_RELAXED); /* a sum */ }

/* Next time this slab is looked at after another quarter page's worth of slots has come back. */
static void slab_wait(cairn_span *s)
{
	size_t slots = cairn_vm_page_bytes() / 4 / cairn_classes[s->size_class].bytes;
	s->scan_at = (uint16_t)(s->free_count + (slots ? slots : 1));
}

/* The pages to hide once pages are purged; 0: none. A hidden slab for which there are too many runs now is shown. */
static uint64_t pages_to_hide(cairn_span *s, uint64_t pages)
{
	if (cairn_slabhide_is_wanted(s, pages))
		return s->is_hidden ? pages : s->holds ? 0 : pages | s->clean_pages;
	if (s->is_hidden) {
		cairn_slabhide_show(s, s->clean_pages);
		cairn_slabhide_set(s, s->clean_pages, false);
	}
	return 0;
}

uint64_t cairn_slabpurge_held_pages(const cairn_span *s)
{
	uint64_t pages = 0;
	for (size_t i = 0; s->holds && i < BATCH; i++)
		if (held_now[i].span == s)
			pages |= held_now[i].pages | held_now[i].hide;
	return pages;
}

/* Takes up to BATCH slabs with empty pages from the class's queue. more: is the queue not empty yet? */
static size_t hold_batch(unsigned size_class, bool *more)
{
	cairn_central *c = cairn_central_lock(size_class);
	size_t n = 0;
	for (unsigned looked = 0; n < BATCH && looked < 8 * BATCH && !cairn_list_is_empty(&c->purge_queue); looked++) {
		cairn_span *s = cairn_container(c->purge_queue.next, cairn_span, queued);
		cairn_central_unqueue(s);
		uint64_t pages = cairn_slab_empty_pages(s);
		slab_wait(s);
		if (!pages)
			continue;
		uint16_t was_free = s->free_count;
		uint64_t hide = pages_to_hide(s, pages);
		cairn_slab_hold(s, pages | hide);
		c->held += (uint64_t)was_free - s->free_count;
		cairn_central_place(c, s);
		held_now[n++] = (held_slab){ s, pages, hide, false };
	}
	*more = !cairn_list_is_empty(&c->purge_queue);
	cairn_central_unlock(c);
	return n;
}

/* Purges the pages of one slab, run by run. */
static bool purge_pages(const held_slab *h)
{
	size_t page = cairn_vm_page_bytes();
	uintptr_t base = (uintptr_t)h->span->base;
	bool ok = true;
	for (uint64_t left = h->pages; left;) {
		unsigned from = (unsigned)__builtin_ctzll(left);
		uint64_t after = ~(left >> from);
		unsigned n = after ? (unsigned)__builtin_ctzll(after) : 64;
		ok &= cairn_vm_purge((void *)(base + from * page), n * page);
		if (n >= 64 - from)
			break;
		left &= ~0ull << (from + n);
	}
	return ok;
}

static void unhold_batch(unsigned size_class, size_t n)
{
	cairn_central *c = cairn_central_lock(size_class);
	for (size_t i = 0; i < n; i++) {
		held_slab h = held_now[i];
		cairn_span *s = h.span;
		uint16_t was_free = s->free_count;
		held_now[i].span = NULL;
		cairn_slab_unhold(s, h.pages | h.hide, h.purged);
		if (h.hide && h.purged)
			cairn_slabhide_set(s, s->clean_pages, true);
		c->held -= (uint64_t)s->free_count - was_free;
		if (s->free_count == cairn_classes[size_class].capacity)
			cairn_central_drop_slab(c, s);
		else
			cairn_central_place(c, s);
		if (h.purged)
			__atomic_add_fetch(&purged_bytes, (size_t)cairn_bits_count(h.pages) * cairn_vm_page_bytes(),
				__ATOMIC_RELAXED); /* a sum */
	}
	cairn_central_unlock(c);
}

/* What the other thread had hidden or purged by then is not known: it is shown, and counts as neither. */
static void show_held(const held_slab *h)
{
	cairn_span *s = h->span;
	if (s->is_hidden)
		cairn_slabhide_show(s, h->hide);
	else
		cairn_vm_show(s->base, (size_t)cairn_classes[s->size_class].granules * CAIRN_GRANULE_BYTES);
}

void cairn_slabpurge_fork_child(void)
{
	size_t n;
	for (n = 0; n < BATCH && held_now[n].span; n++) {
		held_now[n].purged = false;
		if (held_now[n].hide)
			show_held(&held_now[n]);
	}
	if (n)
		unhold_batch(held_now[0].span->size_class, n);
}

/* One batch of the class; true when its queue has more. */
static bool purge_class(unsigned size_class)
{
	bool more;
	size_t n = hold_batch(size_class, &more);
	for (size_t i = 0; i < n; i++) {
		held_slab *h = &held_now[i];
		if (cairn_pageheap_forget_huge(h->span->base))
			cairn_vm_no_huge((void *)cairn_round_down((uintptr_t)h->span->base, CAIRN_CHUNK_BYTES),
				CAIRN_CHUNK_BYTES);
		h->purged = purge_pages(h);
		if (h->purged && h->hide)
			cairn_slabhide_hide(h->span->base, h->hide);
	}
	if (n)
		unhold_batch(size_class, n);
	return more;
}

static bool purge_classes(unsigned budget_us)
{
	uint64_t start = cairn_clock_fine_ns();
	unsigned class = __atomic_load_n(&next_class, __ATOMIC_RELAXED); /* a hint */
	for (unsigned tried = 0; tried < CAIRN_CLASS_COUNT; tried++) {
		while (purge_class(class))
			if (cairn_clock_fine_ns() - start > (uint64_t)budget_us * 1000 / 2)
				goto later;
		class = class + 1 < CAIRN_CLASS_COUNT ? class + 1 : 1;
		if (cairn_clock_fine_ns() - start > (uint64_t)budget_us * 1000 / 2)
			goto later;
	}
	return false;
later:
	__atomic_store_n(&next_class, class, __ATOMIC_RELAXED); /* a hint */
	return true;
}

bool cairn_slabpurge_step(unsigned budget_us)
{
	if (!cairn_purge_enter())
		return false;
	bool more = purge_classes(budget_us);
	cairn_purge_leave();
	return more;
}
