/* gc/collect.c - one collection, from the stop to the resume; and what collectors have in common.
 *
 *   stop ─▶ sweep what is left ─▶ the plan: roots, trace, deaths, what it does with the dead ─▶ size ─▶ resume
 *
 * Each step is a phase of gc/looks.h. Locks: the world's, held through it. Failure: a collection does not fail: what it
 * cannot get memory for stays where it is. */
#include "base/assert.h"
#include "gc/phases.h"
#include "gc/types.h"
#include "os/clock.h"
#include "os/vm.h"
#include "page/pageheap.h"

#include <string.h>

uint8_t cairn_gc_next_colour(const cairn_gc_heap *h) { return h->blocks.colour == 3 ? 1 : h->blocks.colour + 1; }

/* ---- Parts of a plan ---- */

static void reach_pinned(void *arg, void *object)
{
	cairn_gc_heap *h = arg;
	if (h->young.is_minor && !cairn_gc_block_leaves(cairn_gc_block_of(object)))
		return; /* it lives, and does not move */
	*cairn_gc_byte_of(object) |= CAIRN_GC_PIN;
	cairn_gc_block_of(object)->has_pins = true;
	cairn_gc_trace_pinned(h, object);
}

static void reach_exact(void *arg, uintptr_t *word) { cairn_gc_trace_field(arg, word); }

void cairn_gc_phase_roots(cairn_gc_heap *h)
{
	cairn_gc_look_phase(h, "roots", 0, 0);
	cairn_gc_roots_ambiguous(h, reach_pinned, h);
	cairn_gc_zeal_pins(h, reach_pinned, h);
	cairn_gc_roots_exact(h, reach_exact, h);
}

void cairn_gc_phase_closure(cairn_gc_heap *h, const char *name)
{
	cairn_gc_look_phase(h, name, 0, 0);
	cairn_gc_trace_all(h);
	cairn_gc_look_phase(h, "weak", 0, 0);
	cairn_gc_deaths_settle(h);
	cairn_gc_trace_end(h);
}

/* A page of bytes about grains that marking reads first would become the kernel's page of zeros, and then, at the first
 * colour, one of its own: two faults, and with several workers the second interrupts all their processors. Most of them
 * are written to in any case: by colours, or when a block that is empty by then is cleared. */
static void populate_slab(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	(void)w, (void)arg;
	for (size_t i = CAIRN_GC_FIRST_BLOCK, from = i; i <= CAIRN_GC_SLAB_BLOCKS; i++) {
		cairn_gc_block *b = i < CAIRN_GC_SLAB_BLOCKS ? &s->block[i] : NULL;
		if (b && b->kind == CAIRN_GC_BLOCK_CELLS && !b->has_frames) {
			b->has_frames = true;
			continue;
		}
		if (from < i)
			cairn_vm_populate((char *)s + from * CAIRN_GC_META_BYTES, (i - from) * CAIRN_GC_META_BYTES);
		from = i + 1;
	}
}

static void phase_frames(cairn_gc_heap *h)
{
	cairn_gc_look_phase(h, "frames", 0, 0);
	if (CAIRN_GC_META_BYTES % cairn_vm_page_bytes() == 0)
		cairn_gc_workers_each_slab(h, populate_slab, NULL);
}

uint8_t cairn_gc_phase_mark(cairn_gc_heap *h)
{
	uint8_t colour = cairn_gc_next_colour(h);
	cairn_gc_trace_begin(h, false, colour);
	phase_frames(h);
	cairn_gc_phase_roots(h);
	cairn_gc_phase_closure(h, "mark");
	return colour;
}

void cairn_gc_phase_turn(cairn_gc_heap *h, uint8_t colour)
{
	cairn_gc_look_phase(h, "turn", 0, 0);
	cairn_gc_blocks_turn(h, colour);
}

/* ---- The whole ---- */

static void collect_in_stop(cairn_gc_heap *h, cairn_gc_cause cause)
{
	h->cause = cause;
	h->is_collecting = true;
	h->has_conservative = cairn_gc_types_have_conservative();
	cairn_gc_workers_come(h);
	cairn_gc_look_phase(h, "sweep", 0, 0);
	cairn_gc_blocks_sweep_all(h);
	if (h->zeal.is_on)
		cairn_gc_zeal_before(h);
	h->plan->collect(h);
	h->is_collecting = false;
	if (h->zeal.is_on)
		cairn_gc_zeal_after(h);
	cairn_gc_look_phase(h, "size", 0, 0);
	cairn_gc_sizing_after(h, cairn_clock_fine_ns() - h->world.stopped_ns);
	if (h->plan->has_young)
		cairn_gc_young_set_barriers(h);
	cairn_gc_look_phase(h, NULL, 0, 0);
}

typedef struct collect_rest {
	size_t dirty_before, unwanted; /* bytes in the page heap */
	uint64_t since_ns;
	size_t freed;
	bool gives_all;
} collect_rest;

static void collect_purges(void *arg)
{
	const collect_rest *r = arg;
	if (r->gives_all)
		cairn_gc_slabs_purge(r->freed, true);
	else
		cairn_gc_slabs_purge_unwanted(r->unwanted, r->since_ns);
}

/* What will not be used before long goes back, after the stop. Not where the next allocation is to have what was found.
 * The page heap's part may take long, and is nobody's to wait for: aside. What was saved of t is still to be used by
 * who asked for the collection. */
static void collect_gives_back(cairn_gc_thread *t, cairn_gc_cause cause, collect_rest *r)
{
	cairn_gc_heap *h = t->heap;
	uintptr_t registers[CAIRN_GC_REGISTERS], sp = t->sp;
	if (cause == CAIRN_GC_CAUSE_ASKED)
		cairn_gc_blocks_sweep_all(h);
	if (cause == CAIRN_GC_CAUSE_LIMIT)
		return;
	cairn_gc_blocks_purge(h, cairn_gc_sizing_keep(h, cause));
	size_t dirty = cairn_pageheap_dirty_bytes();
	r->freed = dirty > r->dirty_before ? dirty - r->dirty_before : 0;
	r->gives_all = cairn_gc_sizing_gives_all(h, cause, dirty);
	if (!cairn_gc_slabs_may_purge(r->gives_all ? SIZE_MAX : r->unwanted))
		return;
	memcpy(registers, t->registers, sizeof registers);
	cairn_gc_aside(collect_purges, r);
	memcpy(t->registers, registers, sizeof registers);
	t->sp = sp;
}

typedef struct collect_call {
	cairn_gc_cause cause;
} collect_call;

static void collect_with_registers(cairn_gc_thread *t, void *arg)
{
	cairn_gc_heap *h = t->heap;
	cairn_gc_cause cause = ((collect_call *)arg)->cause;
	bool may_share = cause == CAIRN_GC_CAUSE_FULL || cause == CAIRN_GC_CAUSE_ZEAL;
	if (!cairn_gc_world_stop(h, t, may_share))
		return;
	/* relaxed: read without the lock by who only wants to know whether another came first */
	__atomic_store_n(&h->collection, h->collection + 1, __ATOMIC_RELAXED);
	collect_rest rest = { .dirty_before = cairn_pageheap_dirty_bytes() };
	cairn_gc_look_begin(h, (int)cause);
	collect_in_stop(h, cause);
	rest.unwanted = cairn_gc_sizing_unwanted(h, rest.dirty_before, cairn_clock_fine_ns(), &rest.since_ns);
	cairn_gc_look_end(h);
	bool hires = cairn_gc_workers_are_worth_it(h);
	cairn_gc_world_resume(h, t);
	collect_gives_back(t, cause, &rest);
	if (hires)
		cairn_gc_workers_hire(h);
	cairn_gc_deaths_nudge(h);
}

void cairn_gc_collect_now(cairn_gc_mutator *m, cairn_gc_cause cause)
{
	cairn_gc_thread *t = cairn_gc_thread_of(m);
	collect_call call = { cause };
	if (t->heap->plan->collector != CAIRN_GC_NONE)
		cairn_gc_with_registers(t, collect_with_registers, &call);
}

void cairn_gc_collect_saved(cairn_gc_thread *t, cairn_gc_cause cause)
{
	collect_call call = { cause };
	if (t->heap->plan->collector != CAIRN_GC_NONE)
		collect_with_registers(t, &call);
}

void cairn_gc_collect(cairn_gc_mutator *m) { cairn_gc_collect_now(m, CAIRN_GC_CAUSE_ASKED); }
