/* gc/shadow.c - each store by the barrier, written down twice: what was stored otherwise is found.
 *
 *   slab of 2 MiB ◀──same offset──▶ mirror: what the barrier left in the word here; 0 in what is new
 *
 * Under zeal "shadow" every mutator's barrier is the one out of line, and it tells each store. At the next collection
 * every reference field of every object is held against its mirror: a difference is a store that went past the barrier,
 * or a place of ours that forgets to tell. After the collection, which moves objects and clears fields, the mirrors
 * are made anew from the fields.
 *
 * Invariants, checked by cairn_gc_shadow_compare, which is this part's validator:
 *   (GQ1) Between collections the mirror of a field of an object is what the field holds.
 *   (GQ2) The mirror of a word in no object is 0; a slab without a mirror has only such words and such fields.
 *
 * Lock: the shadow's, rank CAIRN_RANK_GC_PARTS, so that a store and its shadow can be one step (two threads may store
 * to one field). Failure: a mirror that cannot be had ends the mode, with a line. */
#include "base/assert.h"
#include "gc/managed.h"
#include "os/report.h"

#include <string.h>

enum { SHADOW_ROOM = 64, SHADOW_TOLD = 8 };

typedef struct shadow_mirror { /* sync: the shadow's lock */
	uintptr_t slab; /* 0: free */
	uintptr_t *words;
	size_t bytes;
} shadow_mirror;

typedef struct cairn_gc_shadow {
	cairn_lock lock;
	shadow_mirror *mirrors; /* sync: lock, as all: open addressing, at most half full */
	size_t room, count;     /* room: a power of two */
	bool is_off;            /* there was no memory */
} cairn_gc_shadow;

static size_t shadow_slot(const cairn_gc_shadow *s, uintptr_t slab)
{
	size_t i = (slab >> CAIRN_GC_SLAB_SHIFT) * 0x9e3779b97f4a7c15u >> 20 & (s->room - 1);
	while (s->mirrors[i].slab && s->mirrors[i].slab != slab)
		i = (i + 1) & (s->room - 1);
	return i;
}

static bool shadow_grow(cairn_gc_shadow *s, size_t room)
{
	cairn_gc_shadow old = *s;
	shadow_mirror *fresh = cairn_gc_meta_alloc(NULL, room * sizeof *fresh);
	if (!fresh)
		return false;
	s->mirrors = fresh;
	s->room = room;
	for (size_t i = 0; i < old.room; i++)
		if (old.mirrors[i].slab)
			s->mirrors[shadow_slot(s, old.mirrors[i].slab)] = old.mirrors[i];
	cairn_gc_meta_free(NULL, old.mirrors, old.room * sizeof *fresh);
	return true;
}

static void shadow_give_up(cairn_gc_shadow *s)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: zeal: no memory for 'shadow', which is off from now on");
	cairn_report(&l);
	s->is_off = true;
}

/* The slab's place in the table, made if need be; its mirror may be missing. NULL: no memory. */
static shadow_mirror *shadow_place(cairn_gc_shadow *s, uintptr_t slab)
{
	shadow_mirror *m = &s->mirrors[shadow_slot(s, slab)];
	if (m->slab)
		return m;
	if (2 * (s->count + 1) > s->room && !shadow_grow(s, 2 * s->room))
		return NULL;
	s->count++;
	m = &s->mirrors[shadow_slot(s, slab)];
	m->slab = slab;
	return m;
}

static void shadow_free_mirror(shadow_mirror *m)
{
	cairn_gc_meta_free(NULL, m->words, m->bytes);
	m->words = NULL;
	m->bytes = 0;
}

/* Where the mirror of this slot of an object is. NULL: there is none, and may_make is false or there is no memory. */
static void *shadow_slot_of(cairn_gc_shadow *s, const void *object, const void *field, bool may_make)
{
	cairn_gc_slab *slab = cairn_gc_slab_of(object);
	shadow_mirror *m = may_make ? shadow_place(s, (uintptr_t)slab) : &s->mirrors[shadow_slot(s, (uintptr_t)slab)];
	size_t bytes = slab->granules * (size_t)CAIRN_GRANULE_BYTES;
	if (!m || (!m->words && !may_make))
		return NULL;
	if (!m->words) {
		m->words = cairn_gc_meta_alloc(NULL, bytes);
		m->bytes = m->words ? bytes : 0;
	}
	return m->words ? (char *)m->words + ((uintptr_t)field - (uintptr_t)slab) : NULL;
}

bool cairn_gc_shadow_init(struct cairn_gc_heap *h)
{
	cairn_gc_shadow *s = cairn_gc_meta_alloc(NULL, sizeof *s);
	if (!s)
		return false;
	if (!shadow_grow(s, SHADOW_ROOM)) {
		cairn_gc_meta_free(NULL, s, sizeof *s);
		return false;
	}
	h->zeal.shadow = s;
	return true;
}

static void shadow_drop_mirrors(cairn_gc_shadow *s)
{
	for (size_t i = 0; i < s->room; i++)
		shadow_free_mirror(&s->mirrors[i]);
	memset(s->mirrors, 0, s->room * sizeof *s->mirrors);
	s->count = 0;
}

void cairn_gc_shadow_close(struct cairn_gc_heap *h)
{
	cairn_gc_shadow *s = h->zeal.shadow;
	shadow_drop_mirrors(s);
	cairn_gc_meta_free(NULL, s->mirrors, s->room * sizeof *s->mirrors);
	cairn_gc_meta_free(NULL, s, sizeof *s);
	h->zeal.shadow = NULL;
}

void cairn_gc_shadow_enter(struct cairn_gc_heap *h)
{
	if (cairn_unlikely(h->zeal.shadows))
		cairn_lock_take(&h->zeal.shadow->lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_shadow_leave(struct cairn_gc_heap *h)
{
	if (cairn_unlikely(h->zeal.shadows))
		cairn_lock_drop(&h->zeal.shadow->lock, CAIRN_RANK_GC_PARTS);
}

void cairn_gc_shadow_fork_child(struct cairn_gc_heap *h)
{
	if (h->zeal.shadows)
		cairn_lock_renew(&h->zeal.shadow->lock);
}

/* Between enter and leave. */
void cairn_gc_shadow_store(struct cairn_gc_heap *h, void *object, void *field, uintptr_t value)
{
	cairn_gc_shadow *s = h->zeal.shadow;
	if (cairn_likely(!h->zeal.shadows) || !object || s->is_off)
		return;
	void *mirror = shadow_slot_of(s, object, field, value != 0);
	if (mirror)
		cairn_gc_slot_set(mirror, value, h->is_compressed);
	else if (value)
		shadow_give_up(s);
}

void cairn_gc_shadow_forget(struct cairn_gc_heap *h, void *object, const void *start, size_t bytes)
{
	if (cairn_likely(!h->zeal.shadows) || !bytes)
		return;
	cairn_gc_shadow_enter(h);
	cairn_gc_shadow *s = h->zeal.shadow;
	cairn_gc_slab *slab = cairn_gc_slab_of(object);
	void *mirror = shadow_slot_of(s, object, start, false);
	if (slab->is_huge) /* the next slab here may have another length */
		shadow_free_mirror(&s->mirrors[shadow_slot(s, (uintptr_t)slab)]);
	else if (mirror)
		memset(mirror, 0, cairn_round_up((uintptr_t)start + bytes, sizeof(uintptr_t)) - (uintptr_t)start);
	cairn_gc_shadow_leave(h);
}

/* ---- in a stop ---- */

typedef struct shadow_look {
	cairn_gc_shadow *shadow;
	void *object;
	size_t different;
	bool is_compressed;
	bool renews; /* else compares */
} shadow_look;

static void shadow_tell(const shadow_look *l, const void *field, uintptr_t is, uintptr_t wanted)
{
	cairn_line line = { 0 };
	cairn_line_text(&line, "cairn: heap verify: ");
	cairn_line_text(&line, cairn_gc_type_name(l->object));
	cairn_line_text(&line, " (offset ");
	cairn_line_dec(&line, (uintptr_t)field - (uintptr_t)l->object);
	cairn_line_text(&line, ") of ");
	cairn_line_hex(&line, (uintptr_t)l->object);
	cairn_line_text(&line, " holds ");
	cairn_line_hex(&line, is);
	cairn_line_text(&line, ", but the last store by cairn_gc_set was ");
	cairn_line_hex(&line, wanted);
	cairn_report(&line);
}

static void shadow_field(void *arg, void *field)
{
	shadow_look *l = arg;
	if (l->shadow->is_off)
		return;
	uintptr_t is = cairn_gc_slot_get(field, l->is_compressed);
	void *mirror = shadow_slot_of(l->shadow, l->object, field, l->renews && is);
	uintptr_t told = mirror ? cairn_gc_slot_get(mirror, l->is_compressed) : 0;
	if (l->renews && mirror)
		cairn_gc_slot_set(mirror, is, l->is_compressed);
	else if (l->renews && is)
		shadow_give_up(l->shadow);
	else if (!l->renews && is != told && l->different++ < SHADOW_TOLD)
		shadow_tell(l, field, is, told);
}

static void shadow_look_at_block(struct cairn_gc_heap *h, const cairn_gc_block *b, shadow_look *l)
{
	uint8_t colour = h->blocks.colour;
	if (b->kind != CAIRN_GC_BLOCK_CELLS && b->kind != CAIRN_GC_BLOCK_LARGE)
		return;
	uintptr_t cell = cairn_gc_block_next(b, colour, cairn_gc_block_first(b));
	while (cell) {
		l->object = cairn_gc_cell_object(cell);
		cairn_gc_each_field(l->object, CAIRN_GC_FIELD_EXACT, shadow_field, l);
		if (b->kind == CAIRN_GC_BLOCK_LARGE)
			return;
		cell = cairn_gc_block_next(b, colour, cell + cairn_gc_header_cell(cairn_gc_header_of(l->object)));
	}
}

static size_t shadow_look_at_all(struct cairn_gc_heap *h, bool renews)
{
	shadow_look l = { .shadow = h->zeal.shadow, .is_compressed = h->is_compressed, .renews = renews };
	CAIRN_GC_EACH_BLOCK(b, &h->blocks)
		shadow_look_at_block(h, b, &l);
	return l.different;
}

size_t cairn_gc_shadow_compare(struct cairn_gc_heap *h) { return shadow_look_at_all(h, false); }

void cairn_gc_shadow_renew(struct cairn_gc_heap *h)
{
	shadow_drop_mirrors(h->zeal.shadow);
	shadow_look_at_all(h, true);
}
