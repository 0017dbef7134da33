/* gc/update.c - after objects have been given new addresses, or are about to be: replaces the old ones everywhere.
 *
 * Declared in gc/phases.h. Everywhere: fields of what is reached, strong and weak; exact roots and handles; what is
 * written down beside the heap. What an ambiguous word points at has not moved. Threads: in a stop, by the collecting
 * thread. Failure: none. Not here: where things go (gc/plan). */
#include "gc/phases.h"

#include "base/assert.h"

typedef struct update {
	uintptr_t (*where)(void *arg, uintptr_t object);
	void *arg;
	uintptr_t *ring[CAIRN_GC_AHEAD]; /* fields whose referents' header and byte were asked for, as tracing does */
	unsigned at;
} update;

static inline void update_field(update *u, uintptr_t *field)
{
	uintptr_t object = *field;
	if (!object || !cairn_gc_block_of((void *)object)->is_from)
		return;
	__builtin_prefetch(cairn_gc_header_at((void *)object));
	__builtin_prefetch(cairn_gc_byte_of((void *)object));
	uintptr_t **slot = &u->ring[u->at++ % CAIRN_GC_AHEAD], *oldest = *slot;
	*slot = field;
	if (oldest)
		*oldest = u->where(u->arg, *oldest);
}

static void update_ring(update *u)
{
	for (unsigned i = 0; i < CAIRN_GC_AHEAD; i++) {
		uintptr_t *field = u->ring[i];
		u->ring[i] = NULL;
		if (field)
			*field = u->where(u->arg, *field);
	}
}

static void update_later(void *arg, uintptr_t *field) { update_field(arg, field); }

/* A word that may not be there any more when the ring comes to it. */
static void update_now(void *arg, uintptr_t *word)
{
	update *u = arg;
	if (*word && cairn_gc_block_of((void *)*word)->is_from)
		*word = u->where(u->arg, *word);
}

static void update_object(void *arg, void *object)
{
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	if (r->is_leaf)
		return;
	if (cairn_unlikely(r->tail_refs | (uintptr_t)r->trace)) {
		cairn_gc_each_field(object, CAIRN_GC_FIELD_EXACT, update_later, arg);
		return;
	}
	for (uint64_t bits = r->refs | r->weak; bits; bits &= bits - 1)
		update_field(arg, (uintptr_t *)object + __builtin_ctzll(bits));
}

void cairn_gc_update_all(cairn_gc_heap *h, uintptr_t (*where)(void *arg, uintptr_t object), void *arg)
{
	update u = { .where = where, .arg = arg };
	cairn_gc_each_reached(h, update_object, &u);
	update_ring(&u);
	cairn_gc_roots_exact(h, update_now, &u);
	cairn_gc_deaths_each_word(h, update_now, &u);
}
