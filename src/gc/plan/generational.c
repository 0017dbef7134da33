/* gc/plan/generational.c - most objects die young: the young are collected alone, and often; all of them seldom.
 *
 *   young: roots ─▶ old objects that were stored into ─▶ copy ─▶ weak ─▶ the left blocks are given back
 *   all:   as gc/plan/markcompact.c; with a pause goal what is sparse moves with the young afterwards: gc/mixed.h
 *
 * A collection of the young is the copying mode of tracing with the colour that there is already: what is old has it,
 * so tracing stops there, and copies get it. What is pinned stays where it is, and its block is old from then on.
 * Nothing can fail: what finds no room stays, too. (Ungar, "Generation scavenging", 1984; pinned blocks become old as
 * they are.)
 *
 * Aging is by time: the last blocks that were made are recent, and not collected: what is in them had no time to die.
 * They are read as if all in them lived, and are of the next one. So nothing becomes old that is younger than that, and
 * nothing is copied twice; who becomes old and refers to them is written down. (Stefanović, McKinley and Moss,
 * "Age-based garbage collection", OOPSLA 1999, leave the youngest alone, too.)
 *
 * How much is made between two collections of the young is a half of the room that is left under the limit; when that
 * is little, the next one is of all. */
#include "gc/hash.h"
#include "gc/phases.h"

#include "base/assert.h"

enum {
	YOUNG_SPARE = 1 << 20,
	YOUNG_SPARE_ONE_OF = 32, /* of max, at most */
	YOUNG_RECENT_ONE_OF = 8, /* of what was made, at most */
};

static size_t young_headroom(const cairn_gc_heap *h, size_t held)
{
	size_t spare = h->config.max / YOUNG_SPARE_ONE_OF, copied = h->tracing.copied_bytes;
	size_t expected = copied + copied / 4 + (spare < YOUNG_SPARE ? spare : YOUNG_SPARE);
	return expected < held ? expected : held;
}

/* Of a card: the object stayed WATCHED. */
static void young_scan_stored(cairn_gc_heap *h, void *object, size_t from, size_t to)
{
	if (cairn_gc_block_of(object)->is_young) /* it was old, and is one of those that leave their blocks */
		return;
	if (to != SIZE_MAX) {
		cairn_gc_trace_part(h, object, from, to);
		return;
	}
	cairn_gc_header_set(object, CAIRN_GC_WATCHED);
	cairn_gc_trace_old(h, object);
}

/* An old object of a CONSERVATIVE type is stored into without a word. */
static void young_scan_conservative(cairn_gc_heap *h, void *object)
{
	if (!cairn_gc_block_of(object)->is_young)
		cairn_gc_trace_old(h, object);
}

/* Under zeal so much that there is always some; but "move" moves everything, each other time. */
static size_t young_recent(const cairn_gc_heap *h)
{
	size_t made = 0, most = h->world.count * h->young.recent_each;
	for (cairn_node *n = h->blocks.fresh.next; n != &h->blocks.fresh; n = n->next)
		made += cairn_container(n, cairn_gc_block, node)->filled;
	if (h->zeal.is_on)
		return h->zeal.moves && h->collection % 2 ? 0 : made / 2;
	return most < made / YOUNG_RECENT_ONE_OF ? most : made / YOUNG_RECENT_ONE_OF;
}

static void collect_young(cairn_gc_heap *h)
{
	cairn_gc_stats *s = &h->looks.stats;
	cairn_gc_blocks_leave_young(h, young_recent(h));
	cairn_gc_mixed_leave(h);
	cairn_gc_trace_pin_conservative(h);
	cairn_gc_trace_begin(h, true, h->blocks.colour);
	cairn_gc_each_conservative(h, young_scan_conservative); /* before roots are followed: that copies */
	cairn_gc_phase_roots(h);
	cairn_gc_young_each_stored(h, young_scan_stored);
	cairn_gc_mixed_trace(h);
	cairn_gc_trace_recent(h);
	cairn_gc_phase_closure(h, "copy");
	cairn_gc_look_phase(h, "turn", 0, 0);
	cairn_gc_blocks_turn_young(h);
	cairn_gc_look_phase(h, "walk", 0, 0);
	cairn_gc_mixed_walk(h);
	/* of what was old and was taken with them nearly all lives */
	h->young.lived_bytes = s->live_bytes > h->mixed.bytes ? s->live_bytes - h->mixed.bytes : 0;
	s->young.collections++;
	s->young.lived_bytes += h->young.lived_bytes;
	h->young.old_bytes = s->live_bytes += h->young.old_bytes - h->mixed.bytes;
	h->young.old_objects = s->live_objects += h->young.old_objects - h->mixed.objects;
	s->live_bytes += h->young.recent_bytes;
	s->live_objects += h->young.recent_objects;
}

/* Of what was made since the last collection, wherever it lies: it had no colour. */
static void count_new(cairn_gc_heap *h)
{
	cairn_gc_tracing *t = &h->tracing;
	h->young.made_bytes = h->looks.stats.allocated_bytes - h->sizing.allocated_at;
	h->young.lived_bytes = 0;
	for (unsigned i = 0; i < t->workers; i++)
		h->young.lived_bytes += t->worker[i].new_bytes;
}

static void collect_all(cairn_gc_heap *h)
{
	cairn_gc_mixed_drop(h);
	uint8_t colour = cairn_gc_phase_mark(h);
	cairn_gc_young_each_stored(h, NULL); /* all that lives is WATCHED now */
	count_new(h);
	cairn_gc_phase_compact(h, colour);
	cairn_gc_phase_turn(h, colour);
	h->young.old_bytes = h->looks.stats.live_bytes;
	h->young.old_objects = h->looks.stats.live_objects;
}

static void generational_collect(cairn_gc_heap *h)
{
	bool is_due = h->cause == CAIRN_GC_CAUSE_FULL && !h->young.wants_all;
	is_due |= h->cause == CAIRN_GC_CAUSE_ZEAL && h->collection % CAIRN_GC_ZEAL_ALL_ONE_OF;
	h->young.is_minor = is_due && !h->young.is_short;
	if (h->young.is_minor)
		collect_young(h);
	else
		collect_all(h);
}

const cairn_gc_plan cairn_gc_plan_generational = {
	.name = "generational",
	.collector = CAIRN_GC_GENERATIONAL,
	.barrier = CAIRN_GC_BARRIER_WATCHED,
	.is_moving = true,
	.has_young = true,
	.headroom = young_headroom,
	.collect = generational_collect,
};
