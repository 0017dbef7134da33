/* gc/tables.c - tables from objects to objects, whose entries are ephemerons: a value is kept while its key is kept by
 * others. The map itself is gc/objectmap.h.
 *
 * In a stop. First every entry of every table is looked at: where the key is reached the value is reached, else the
 * entry waits. Then:
 *
 *   pass over who waits ──▶ nothing changed: the rest is dead
 *        ▲     │
 *        │     ├─ a quarter or more was reached: again, so that the work is a geometric sum
 *        └─────┘
 *              └─ less: an index by key is made, and each key's byte says WAITED. Tracing tells when it reaches one
 *                 (cairn_gc_deaths_key_reached), and what waited for it becomes ready.
 *
 * So a chain in which each value is the next key costs time in its length, in whatever order its entries lie (after the
 * ephemerons of Whippet), and where chains are short, as nearly always, nothing is indexed at all.
 *
 * Lock: each table's; in a stop none, but the waiters' for who is told. Failure: put says so; in a stop, where there is
 * no memory for waiters, all entries are looked at again and again instead: slower, and as exact. */
#include "base/assert.h"
#include "gc/hash.h"
#include "gc/managed.h"

#include <string.h>

typedef struct cairn_gc_waiter { /* sync: in a stop; next: that of what it is in */
	cairn_gc_entry *entry; /* NULL: is not waiting any more */
	uint32_t next;         /* of its bucket, or of those that are ready; a number from 1; 0: none */
} cairn_gc_waiter;

enum { WAITERS_LEAST = 256, DEAD = 1 /* in an entry's object */ };

#define EACH_TABLE(t, d)                                                                                               \
	for (cairn_gc_table *t = cairn_container(cairn_gc_deaths_first((d), &(d)->tables), cairn_gc_table, node);     \
		&t->node != &(d)->tables; t = cairn_container(t->node.next, cairn_gc_table, node))

/* ---- The public half ---- */

cairn_gc_table *cairn_gc_table_new(cairn_gc_heap *h)
{
	cairn_gc_table *t = cairn_gc_may_hold(h, sizeof *t) ? cairn_gc_meta_alloc(h, sizeof *t) : NULL;
	if (!t)
		return NULL;
	t->heap = h;
	cairn_gc_map_init(&t->map);
	cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	cairn_list_push(&h->deaths.tables, &t->node); /* before those that may be walked */
	cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	return t;
}

void cairn_gc_table_release(cairn_gc_table *t)
{
	cairn_gc_map_close(t->heap, &t->map);
	cairn_gc_meta_free(t->heap, t, sizeof *t);
}

void cairn_gc_table_free(cairn_gc_table *t)
{
	if (!t)
		return;
	cairn_gc_deaths *d = &t->heap->deaths;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	bool is_walked = t->is_gone = d->is_walked;
	if (!is_walked)
		cairn_list_remove(&t->node);
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	if (!is_walked)
		cairn_gc_table_release(t);
}

bool cairn_gc_table_put(cairn_gc_mutator *m, cairn_gc_table *t, void *key, void *value)
{
	cairn_gc_must_be_object(t->heap, key, "cairn_gc_table_put: the key is no object of the table's heap");
	if (value)
		cairn_gc_must_be_object(
			t->heap, value, "cairn_gc_table_put: the value is no object of the table's heap");
	uint64_t hash = cairn_gc_hash(m, key);
	cairn_gc_header_set(key, CAIRN_GC_LISTED);
	cairn_lock_take(&t->lock, CAIRN_RANK_GC_TABLES);
	cairn_gc_entry *e = cairn_gc_map_find(&t->map, key, hash);
	if (!e)
		e = cairn_gc_map_add(t->heap, &t->map, key, hash);
	if (e)
		e->value = (uintptr_t)value;
	cairn_lock_drop(&t->lock, CAIRN_RANK_GC_TABLES);
	return e;
}

void *cairn_gc_table_get(cairn_gc_mutator *m, cairn_gc_table *t, void *key)
{
	(void)m; /* says that no stop is in force */
	if (!key || !cairn_gc_is_hashed(key))
		return NULL;
	cairn_lock_take(&t->lock, CAIRN_RANK_GC_TABLES);
	const cairn_gc_entry *e = cairn_gc_map_find(&t->map, key, cairn_gc_hash_of(key));
	void *value = e ? (void *)e->value : NULL;
	cairn_lock_drop(&t->lock, CAIRN_RANK_GC_TABLES);
	return value;
}

static bool table_remove(cairn_gc_table *t, void *key)
{
	cairn_lock_take(&t->lock, CAIRN_RANK_GC_TABLES);
	bool was_there = cairn_gc_map_remove(&t->map, key, cairn_gc_hash_of(key));
	cairn_lock_drop(&t->lock, CAIRN_RANK_GC_TABLES);
	return was_there;
}

bool cairn_gc_table_remove(cairn_gc_mutator *m, cairn_gc_table *t, void *key)
{
	(void)m;
	return key && cairn_gc_is_hashed(key) && table_remove(t, key);
}

size_t cairn_gc_table_count(cairn_gc_table *t)
{
	return __atomic_load_n(&t->map.count, __ATOMIC_RELAXED); /* relaxed: a number, of some moment */
}

void cairn_gc_tables_forget(cairn_gc_heap *h, void *object)
{
	for (cairn_node *n = h->deaths.tables.next; n != &h->deaths.tables; n = n->next)
		table_remove(cairn_container(n, cairn_gc_table, node), object);
}

/* ---- Who waits ---- */

/* The entry's key is reached: so is its value. */
static void waiting_resolve(cairn_gc_heap *h, cairn_gc_entry *e, void *key_there)
{
	e->object = (uintptr_t)key_there;
	if (e->value)
		cairn_gc_trace_field(h, &e->value);
}

static bool waiting_grow(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t room = w->room ? w->room * 2 : WAITERS_LEAST;
	cairn_gc_waiter *items = room < UINT32_MAX ? cairn_gc_meta_alloc(h, room * sizeof *items) : NULL;
	if (!items)
		return false;
	if (w->count)
		memcpy(items, w->items, w->count * sizeof *items);
	cairn_gc_meta_free(h, w->items, w->room * sizeof *items);
	w->items = items;
	w->room = room;
	return true;
}

static void waiting_free(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	cairn_gc_meta_free(h, w->items, w->room * sizeof *w->items);
	w->items = NULL;
	w->count = w->room = 0;
}

/* An entry is looked at for the first time. */
static void waiting_look(void *arg, cairn_gc_entry *e)
{
	cairn_gc_heap *h = arg;
	cairn_gc_waiting *w = &h->deaths.waiting;
	w->steps++;
	void *there = cairn_gc_reached(h, (void *)e->object);
	if (there)
		waiting_resolve(h, e, there);
	else if (w->is_short || (w->count == w->room && !waiting_grow(h)))
		w->is_short = true;
	else
		w->items[w->count++].entry = e;
}

void cairn_gc_tables_begin(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	w->is_short = false;
	w->steps = 0;
	EACH_TABLE (t, &h->deaths)
		cairn_gc_map_each(&t->map, waiting_look, h);
	if (w->is_short)
		waiting_free(h);
}

/* Looks at who waits once more, and keeps who still does; how many do not. */
static size_t waiting_pass(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t kept = 0, before = w->count;
	for (size_t i = 0; i < before; i++) {
		cairn_gc_entry *e = w->items[i].entry;
		void *there = cairn_gc_reached(h, (void *)e->object);
		if (there)
			waiting_resolve(h, e, there);
		else
			w->items[kept++].entry = e;
	}
	w->steps += before;
	w->count = kept;
	return before - kept;
}

/* ---- By index ---- */

static uint32_t *waiting_head(const cairn_gc_waiting *w, uintptr_t key)
{
	return &w->heads[cairn_gc_hash_of_address((void *)key) & w->mask];
}

/* Those whose key this is become ready. */
void cairn_gc_deaths_key_reached(struct cairn_gc_worker *worker, void *object)
{
	cairn_gc_waiting *w = &worker->heap->deaths.waiting;
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_PARTS);
	for (uint32_t *at = waiting_head(w, (uintptr_t)object), n; (n = *at);) {
		cairn_gc_waiter *waiter = &w->items[n - 1];
		w->steps++;
		if (waiter->entry->object != (uintptr_t)object) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = w->ready;
		w->ready = n;
	}
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_PARTS);
}

static cairn_gc_entry *waiting_take_ready(cairn_gc_waiting *w)
{
	cairn_gc_entry *e = NULL;
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_PARTS);
	if (w->ready) {
		cairn_gc_waiter *waiter = &w->items[w->ready - 1];
		w->ready = waiter->next;
		e = waiter->entry;
		waiter->entry = NULL;
	}
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_PARTS);
	return e;
}

/* Workers set other bits of other bytes meanwhile; none is at work here. */
static void waiting_clear_byte(const cairn_gc_entry *e) { *cairn_gc_byte_of((void *)e->object) &= ~CAIRN_GC_WAITED; }

static void waiting_put_in_index(cairn_gc_heap *h, size_t i)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	cairn_gc_waiter *waiter = &w->items[i];
	cairn_gc_entry *e = waiter->entry;
	void *there = cairn_gc_reached(h, (void *)e->object);
	if (there) {
		waiter->entry = NULL;
		waiting_resolve(h, e, there);
		return;
	}
	uint32_t *head = waiting_head(w, e->object);
	waiter->next = *head;
	*head = (uint32_t)i + 1;
	*cairn_gc_byte_of((void *)e->object) |= CAIRN_GC_WAITED;
}

/* False: no memory. */
static bool waiting_index(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t slots = (size_t)2 << cairn_log2(w->count);
	w->heads = cairn_gc_meta_alloc(h, slots * sizeof *w->heads);
	if (!w->heads)
		return false;
	w->mask = slots - 1;
	w->is_indexed = true;
	for (size_t i = 0; i < w->count; i++)
		waiting_put_in_index(h, i);
	w->steps += w->count;
	return true;
}

static void waiting_unindex(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t kept = 0;
	for (size_t i = 0; i < w->count; i++) {
		cairn_gc_entry *e = w->items[i].entry;
		if (!e)
			continue;
		waiting_clear_byte(e);
		w->items[kept++].entry = e;
	}
	w->steps += w->count;
	w->count = kept;
	cairn_gc_meta_free(h, w->heads, (w->mask + 1) * sizeof *w->heads);
	w->heads = NULL;
	w->is_indexed = false;
}

static void waiting_by_index(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t resolved;
	do {
		resolved = 0;
		cairn_gc_trace_all(h);
		for (cairn_gc_entry *e; (e = waiting_take_ready(w)); resolved++) {
			waiting_clear_byte(e);
			waiting_resolve(h, e, cairn_gc_reached(h, (void *)e->object));
		}
	} while (resolved);
	waiting_unindex(h);
}

/* ---- Without memory ---- */

typedef struct waiting_count {
	cairn_gc_heap *h;
	size_t waiting;
} waiting_count;

static void waiting_look_again(void *arg, cairn_gc_entry *e)
{
	waiting_count *c = arg;
	c->h->deaths.waiting.steps++;
	void *there = cairn_gc_reached(c->h, (void *)e->object);
	if (there)
		waiting_resolve(c->h, e, there);
	else
		c->waiting++;
}

static void waiting_by_looking(cairn_gc_heap *h)
{
	size_t before;
	waiting_count c = { h, SIZE_MAX };
	do {
		before = c.waiting;
		c.waiting = 0;
		cairn_gc_trace_all(h);
		EACH_TABLE (t, &h->deaths)
			cairn_gc_map_each(&t->map, waiting_look_again, &c);
	} while (c.waiting != before);
}

void cairn_gc_tables_close_over(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	if (w->is_short) {
		waiting_by_looking(h);
		return;
	}
	for (size_t gone = SIZE_MAX; gone;) {
		cairn_gc_trace_all(h);
		size_t before = w->count;
		gone = waiting_pass(h);
		if (gone && gone < before / 4 && waiting_index(h)) {
			waiting_by_index(h);
			return;
		}
	}
}

/* ---- Who is dead ---- */

static void prune_mark(void *arg, cairn_gc_entry *e)
{
	cairn_gc_table *t = arg;
	if (!(e->object & DEAD) && !cairn_gc_reached(t->heap, (void *)e->object)) {
		e->object |= DEAD;
		t->has_dead = true;
	}
}

static bool prune_stays(void *arg, cairn_gc_entry *e)
{
	(void)arg;
	return !(e->object & DEAD);
}

size_t cairn_gc_tables_prune(cairn_gc_heap *h)
{
	cairn_gc_waiting *w = &h->deaths.waiting;
	size_t gone = 0, waits = w->count;
	for (size_t i = 0; i < waits; i++)
		w->items[i].entry->object |= DEAD;
	EACH_TABLE (t, &h->deaths) {
		t->has_dead = waits || cairn_gc_map_is_sparse(&t->map);
		if (w->is_short)
			cairn_gc_map_each(&t->map, prune_mark, t);
		if (t->has_dead)
			gone += cairn_gc_map_prune(h, &t->map, prune_stays, NULL);
	}
	waiting_free(h);
	return gone;
}

/* ---- Words, and validation ---- */

typedef struct table_call {
	void (*visit)(void *arg, uintptr_t *word);
	void *arg;
} table_call;

static void table_visit(void *arg, cairn_gc_entry *e)
{
	const table_call *c = arg;
	c->visit(c->arg, &e->object);
	if (e->value)
		c->visit(c->arg, &e->value);
}

void cairn_gc_tables_each_word(cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	table_call c = { visit, arg };
	EACH_TABLE (t, &h->deaths)
		cairn_gc_map_each(&t->map, table_visit, &c);
}

static void table_validate_entry(void *arg, cairn_gc_entry *e)
{
	cairn_assert(cairn_gc_object_at(arg, e->object) == (void *)e->object); /* GD2 */
	cairn_assert(cairn_gc_header_of((void *)e->object) & CAIRN_GC_LISTED);
	cairn_assert(!e->value || cairn_gc_object_at(arg, e->value) == (void *)e->value);
}

void cairn_gc_tables_validate(cairn_gc_heap *h)
{
	cairn_assert(!h->deaths.waiting.items && !h->deaths.waiting.heads && !h->deaths.waiting.ready);
	EACH_TABLE (t, &h->deaths) {
		cairn_gc_map_each(&t->map, table_validate_entry, h);
		cairn_gc_map_validate(&t->map);
	}
}
