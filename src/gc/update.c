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
} update;

static inline void update_field(const update *u, uintptr_t *field)
{
	uintptr_t object = *field;
	if (object && cairn_gc_block_of((void *)object)->is_from)
		*field = u->where(u->arg, object);
}

static void update_word(void *arg, uintptr_t *word) { update_field(arg, word); }

static void update_object(void *arg, void *object)
{
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	if (r->is_leaf)
		return;
	if (cairn_unlikely(r->tail_refs | (uintptr_t)r->trace)) {
		cairn_gc_each_field(object, 1 | 2 | 4, update_word, arg);
		return;
	}
	for (uint64_t bits = r->refs | r->weak; bits; bits &= bits - 1)
		update_field(arg, (uintptr_t *)object + __builtin_ctzll(bits));
}

void cairn_gc_update_all(cairn_gc_heap *h, uintptr_t (*where)(void *arg, uintptr_t object), void *arg)
{
	update u = { where, arg };
	cairn_gc_each_reached(h, update_object, &u);
	cairn_gc_roots_exact(h, update_word, &u);
	cairn_gc_deaths_each_word(h, update_word, &u);
}
