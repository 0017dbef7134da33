/* gc/update.c - after objects have been given new addresses, or are about to be: replaces the old ones everywhere.
 *
 * Declared in gc/phases.h. Everywhere: fields of what is reached, strong and weak; exact roots and handles; what is
 * written down beside the heap. What an ambiguous word points at has not moved. Threads: in a stop; fields by all
 * workers, each those of the slabs that it takes, the rest by the collecting thread. Failure: none.
 * Not here: where things go (gc/plan). */
#include "gc/phases.h"

#include "base/assert.h"

#define LEAN static inline __attribute__((always_inline)) /* is_compressed is a constant, but at the end of all */

typedef struct update {
	uintptr_t (*where)(void *arg, uintptr_t object);
	void *arg;
	void *ring[CAIRN_GC_AHEAD]; /* fields whose referents' header and byte were asked for, as tracing does */
	unsigned at;
} update;

LEAN void update_one(const update *u, void *field, bool is_compressed)
{
	uintptr_t object = cairn_gc_slot_get(field, is_compressed);
	cairn_gc_slot_set(field, u->where(u->arg, object), is_compressed);
}

LEAN void update_field(update *u, void *field, bool is_compressed)
{
	uintptr_t object = cairn_gc_slot_get(field, is_compressed);
	if (!object || !cairn_gc_block_of((void *)object)->is_from)
		return;
	__builtin_prefetch(cairn_gc_header_at((void *)object));
	__builtin_prefetch(cairn_gc_byte_of((void *)object));
	void **slot = &u->ring[u->at++ % CAIRN_GC_AHEAD], *oldest = *slot;
	*slot = field;
	if (oldest)
		update_one(u, oldest, is_compressed);
}

static void update_ring(update *u, bool is_compressed)
{
	for (unsigned i = 0; i < CAIRN_GC_AHEAD; i++) {
		void *field = u->ring[i];
		u->ring[i] = NULL;
		if (field)
			update_one(u, field, is_compressed);
	}
}

static void update_later(void *arg, void *field) { update_field(arg, field, false); }
static void update_later_compressed(void *arg, void *field) { update_field(arg, field, true); }

/* A word that may not be there any more when the ring comes to it. */
static void update_now(void *arg, uintptr_t *word)
{
	update *u = arg;
	if (*word && cairn_gc_block_of((void *)*word)->is_from)
		*word = u->where(u->arg, *word);
}

LEAN void update_object(update *u, void *object, bool is_compressed)
{
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	if (r->is_leaf)
		return;
	if (cairn_unlikely(r->tail_refs | (uintptr_t)r->trace)) {
		cairn_gc_each_field(
			object, CAIRN_GC_FIELD_EXACT, is_compressed ? update_later_compressed : update_later, u);
		return;
	}
	for (uint64_t bits = r->refs | r->weak; bits; bits &= bits - 1)
		update_field(u, cairn_gc_slot_at(object, (size_t)__builtin_ctzll(bits), is_compressed), is_compressed);
}

static void update_addresses(void *arg, void *object) { update_object(arg, object, false); }
static void update_slots(void *arg, void *object) { update_object(arg, object, true); }

/* Of one slab: what is asked for ahead at its end is waited for, which is 64 fields of some ten thousand. */
static void update_slab(cairn_gc_worker *w, cairn_gc_slab *s, void *arg)
{
	update u = *(const update *)arg;
	cairn_gc_each_reached_in(s, w->colour, w->is_compressed ? update_slots : update_addresses, &u);
	update_ring(&u, w->is_compressed);
}

void cairn_gc_update_all(cairn_gc_heap *h, uintptr_t (*where)(void *arg, uintptr_t object), void *arg)
{
	update u = { .where = where, .arg = arg };
	cairn_gc_workers_each_slab(h, update_slab, &u);
	cairn_gc_roots_exact(h, update_now, &u);
	cairn_gc_deaths_each_word(h, update_now, &u);
}
