/* gc/deaths.c - what is listed of objects, and what a collection does about who has died. The steps, the invariants and
 * the locks are in deaths.h. */
#include "base/assert.h"
#include "gc/hash.h"
#include "gc/managed.h"

enum {
	LISTED_CHUNK_LEAST = 512,      /* bytes; each is twice the last, up to: */
	LISTED_CHUNK_MOST = 32 * 1024,
	FORGET_BY_SEARCH = 32,         /* records that are searched rather than written behind */
	FORGOTTEN_MOST = 64,           /* and a third of what is listed: then they are crossed out at once */
	FREED = 1,                     /* in a record's object */
};

typedef struct cairn_gc_listed_chunk { /* sync: deaths lock */
	struct cairn_gc_listed_chunk *next;
	size_t bytes;
	cairn_gc_listed record[];
} cairn_gc_listed_chunk;

/* ---- Records ---- */

static bool listed_add_chunk(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	size_t bytes = d->chunks ? d->chunks->bytes * 2 : LISTED_CHUNK_LEAST;
	bytes = bytes > LISTED_CHUNK_MOST ? LISTED_CHUNK_MOST : bytes;
	cairn_gc_listed_chunk *c = cairn_gc_may_hold(h, bytes) ? cairn_gc_meta_alloc(h, bytes) : NULL;
	if (!c)
		return false;
	c->bytes = bytes;
	c->next = d->chunks;
	d->chunks = c;
	for (size_t n = (bytes - sizeof *c) / sizeof *c->record; n--;) {
		c->record[n].next = d->free;
		d->free = &c->record[n];
	}
	return true;
}

static void listed_free_chunks(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	while (d->chunks) {
		cairn_gc_listed_chunk *c = d->chunks;
		d->chunks = c->next;
		cairn_gc_meta_free(h, c, c->bytes);
	}
	d->free = NULL;
}

cairn_gc_listed *cairn_gc_listed_new(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	if (!d->free && !listed_add_chunk(h))
		return NULL;
	cairn_gc_listed *r = d->free;
	d->free = r->next;
	d->used++;
	*r = (cairn_gc_listed){ 0 };
	return r;
}

void cairn_gc_listed_free(cairn_gc_deaths *d, cairn_gc_listed *r)
{
	r->next = d->free;
	d->free = r;
	d->used--;
}

static void queue_count(cairn_gc_queue *q, size_t count)
{
	__atomic_store_n(&q->count, count, __ATOMIC_RELAXED); /* relaxed: who reads it without the lock wants a hint */
}

void cairn_gc_queue_append(cairn_gc_queue *q, cairn_gc_listed *r)
{
	r->next = NULL;
	*(q->first ? q->last : &q->first) = r;
	q->last = &r->next;
	queue_count(q, q->count + 1);
}

cairn_gc_listed *cairn_gc_queue_take(cairn_gc_queue *q)
{
	cairn_gc_listed *r = q->first;
	if (r) {
		q->first = r->next;
		queue_count(q, q->count - 1);
	}
	return r;
}

static void deaths_push(cairn_gc_deaths *d, cairn_gc_listed *r)
{
	r->next = d->listed;
	d->listed = r;
	d->listed_count++;
}

/* ---- Listing, and forgetting ---- */

bool cairn_gc_deaths_list(cairn_gc_heap *h, void *object, void (*call)(void *arg), void *arg)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	cairn_gc_listed *r = cairn_gc_listed_new(h);
	if (r) {
		r->object = (uintptr_t)object;
		r->call = call;
		r->arg = arg;
		deaths_push(d, r);
		cairn_gc_header_set(object, CAIRN_GC_LISTED);
	}
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return r;
}

bool cairn_gc_deaths_list_drop(cairn_gc_heap *h, void *object) { return cairn_gc_deaths_list(h, object, NULL, NULL); }

static void forget_by_search(cairn_gc_deaths *d, uintptr_t object)
{
	for (cairn_gc_listed **at = &d->listed, *r; (r = *at);) {
		if (r->object != object) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		d->listed_count--;
		cairn_gc_listed_free(d, r);
	}
}

static void forget_records(cairn_gc_heap *h, uintptr_t object)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_listed *r = d->listed_count > FORGET_BY_SEARCH ? cairn_gc_listed_new(h) : NULL;
	if (!r) {
		forget_by_search(d, object);
		return;
	}
	r->object = object | FREED;
	deaths_push(d, r);
	d->forgotten++;
	if (d->forgotten > FORGOTTEN_MOST && d->forgotten > d->listed_count / 3)
		cairn_gc_deaths_reconcile(h);
}

void cairn_gc_deaths_forget(cairn_gc_heap *h, void *object)
{
	cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	forget_records(h, (uintptr_t)object);
	if (cairn_gc_is_hashed(object)) {
		cairn_gc_external_forget(h, object);
		cairn_gc_tables_forget(h, object);
	}
	cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
}

/* A set of addresses. Where it could not be had, who is forgotten is searched for. */
typedef struct freed_set {
	uintptr_t *at;
	size_t mask;
} freed_set;

static uintptr_t *freed_slot(const freed_set *s, uintptr_t object)
{
	size_t i = cairn_gc_hash_of_address((void *)object) & s->mask;
	while (s->at[i] && s->at[i] != object)
		i = (i + 1) & s->mask;
	return &s->at[i];
}

/* From the newest to the oldest: what lies behind the note that its object was freed was listed before that. */
static void reconcile_by_set(cairn_gc_deaths *d, const freed_set *s)
{
	for (cairn_gc_listed **at = &d->listed, *r; (r = *at);) {
		bool is_note = r->object & FREED;
		uintptr_t object = r->object & ~(uintptr_t)FREED, *slot = freed_slot(s, object);
		if (is_note)
			*slot = object;
		if (!*slot) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		d->listed_count--;
		cairn_gc_listed_free(d, r);
	}
}

static void reconcile_by_search(cairn_gc_deaths *d)
{
	for (cairn_gc_listed **at = &d->listed, *r; (r = *at);) {
		if (!(r->object & FREED)) {
			at = &r->next;
			continue;
		}
		uintptr_t object = r->object & ~(uintptr_t)FREED;
		cairn_gc_listed *newer = d->listed;
		*at = NULL; /* only what is older is searched */
		d->listed = r->next;
		cairn_gc_listed_free(d, r);
		d->listed_count--;
		forget_by_search(d, object);
		*at = d->listed;
		d->listed = at == &d->listed ? *at : newer;
	}
}

void cairn_gc_deaths_reconcile(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	if (!d->forgotten)
		return;
	size_t slots = (size_t)2 << cairn_log2(d->forgotten * 2);
	freed_set s = { cairn_gc_meta_alloc(h, slots * sizeof *s.at), slots - 1 };
	if (s.at)
		reconcile_by_set(d, &s);
	else
		reconcile_by_search(d);
	cairn_gc_meta_free(h, s.at, slots * sizeof *s.at);
	d->forgotten = 0;
}

/* ---- Walking what others may free ---- */

void cairn_gc_deaths_walk_begin(cairn_gc_heap *h)
{
	cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	cairn_assert(!h->deaths.is_walked);
	h->deaths.is_walked = true;
	cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
}

cairn_node *cairn_gc_deaths_first(cairn_gc_deaths *d, cairn_node *list)
{
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	cairn_node *first = list->next;
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
	return first;
}

static void free_gone_tables(cairn_gc_deaths *d)
{
	for (cairn_node *n = d->tables.next, *next; n != &d->tables; n = next) {
		next = n->next;
		cairn_gc_table *t = cairn_container(n, cairn_gc_table, node);
		if (!t->is_gone)
			continue;
		cairn_list_remove(n);
		cairn_gc_table_release(t);
	}
}

void cairn_gc_deaths_walk_end(cairn_gc_heap *h)
{
	cairn_lock_take(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
	h->deaths.is_walked = false;
	free_gone_tables(&h->deaths);
	cairn_lock_drop(&h->deaths.lock, CAIRN_RANK_GC_PARTS);
}

/* ---- Settling ---- */

/* Guardians that were freed: what they guarded is not guarded any more, what they had to give back is garbage. */
static void free_gone_guardians(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	bool has_gone = false;
	cairn_lock_take(&d->lock, CAIRN_RANK_GC_PARTS);
	for (cairn_node *n = d->guardians.next; n != &d->guardians; n = n->next)
		has_gone |= cairn_container(n, cairn_gc_guardian, node)->is_gone;
	for (cairn_gc_listed **at = &d->listed, *r; has_gone && (r = *at);) {
		bool is_guard = r->arg && !r->call;
		if (!is_guard || !((cairn_gc_guardian *)r->arg)->is_gone) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		d->listed_count--;
		cairn_gc_listed_free(d, r);
	}
	for (cairn_node *n = d->guardians.next, *next; has_gone && n != &d->guardians; n = next) {
		cairn_gc_guardian *g = cairn_container(n, cairn_gc_guardian, node);
		next = n->next;
		if (!g->is_gone)
			continue;
		for (cairn_gc_listed *r; (r = cairn_gc_queue_take(&g->queue));)
			cairn_gc_listed_free(d, r);
		cairn_list_remove(n);
		cairn_gc_meta_free(h, g, sizeof *g);
	}
	cairn_lock_drop(&d->lock, CAIRN_RANK_GC_PARTS);
}

/* Calls visit for the words of records from this one on. */
static void each_record(cairn_gc_listed *r, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	for (; r; r = r->next)
		if (r->object)
			visit(arg, &r->object);
}

static void each_queued(cairn_gc_deaths *d, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	for (cairn_node *n = cairn_gc_deaths_first(d, &d->guardians); n != &d->guardians; n = n->next)
		each_record(cairn_container(n, cairn_gc_guardian, node)->queue.first, visit, arg);
}

static void settle_reach(void *arg, uintptr_t *word) { cairn_gc_trace_field(arg, word); }

/* A drop function that runs has its object's address, perhaps on a stack that nobody looks at: it stays in place. */
static void settle_reach_running(void *arg, uintptr_t *word)
{
	void *there = cairn_gc_reached(arg, (void *)*word);
	if (there)
		*word = (uintptr_t)there;
	else
		cairn_gc_trace_pinned(arg, (void *)*word);
}

/* Takes out of the list whose object is not reached: guards to one list, drops and cleanups to the other. The others'
 * words are updated. */
static void settle_sort(cairn_gc_heap *h, cairn_gc_queue *guards, cairn_gc_queue *others)
{
	cairn_gc_deaths *d = &h->deaths;
	for (cairn_gc_listed **at = &d->listed, *r; (r = *at);) {
		void *there = cairn_gc_reached(h, (void *)r->object);
		if (there) {
			r->object = (uintptr_t)there;
			at = &r->next;
			continue;
		}
		*at = r->next;
		d->listed_count--;
		cairn_gc_queue_append(r->arg && !r->call ? guards : others, r);
	}
}

/* Newest first, as they were listed: so that the oldest is given back first the order is turned round. */
static void settle_guards(cairn_gc_heap *h, cairn_gc_queue *guards)
{
	cairn_gc_listed *oldest = NULL;
	for (cairn_gc_listed *r; (r = cairn_gc_queue_take(guards));) {
		r->next = oldest;
		oldest = r;
	}
	for (cairn_gc_listed *r = oldest, *next; r; r = next) {
		next = r->next;
		cairn_gc_trace_field(h, &r->object);
		cairn_gc_queue_append(&((cairn_gc_guardian *)r->arg)->queue, r);
	}
	if (oldest)
		cairn_gc_tables_close_over(h);
}

/* Those of objects that were reached after all go back to the list. */
static void settle_others(cairn_gc_heap *h, cairn_gc_queue *others)
{
	for (size_t n = others->count; n; n--) {
		cairn_gc_listed *r = cairn_gc_queue_take(others);
		void *there = cairn_gc_reached(h, (void *)r->object);
		if (there) {
			r->object = (uintptr_t)there;
			deaths_push(&h->deaths, r);
		} else {
			cairn_gc_queue_append(others, r);
		}
	}
}

typedef struct settle_weak_call {
	cairn_gc_heap *h;
	void *object;
} settle_weak_call;

static void settle_weak_field(void *arg, void *field)
{
	const settle_weak_call *c = arg;
	cairn_gc_heap *h = c->h;
	uintptr_t object = cairn_gc_slot_get(field, h->is_compressed);
	if (!object)
		return;
	void *there = cairn_gc_reached(h, (void *)object);
	h->deaths.weak_cleared += !there;
	cairn_gc_slot_set(field, (uintptr_t)there, h->is_compressed);
	const cairn_gc_block *b = there ? cairn_gc_block_of(there) : NULL;
	if (b && b->is_recent) /* it is to be asked about again */
		cairn_gc_young_store(h, c->object, field);
	if (b && b->group)
		cairn_gc_mixed_note(h, c->object, field, b->group);
}

static void settle_weak(void *arg, void *object)
{
	settle_weak_call c = { arg, object };
	cairn_gc_each_field(object, CAIRN_GC_FIELD_WEAK, settle_weak_field, &c);
}

static void clear_field(void *record, void *field)
{
	cairn_gc_slot_set(field, 0, ((const cairn_gc_record *)record)->is_compressed);
}

void cairn_gc_deaths_clear_fields(void *object)
{
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	cairn_gc_each_field(object, CAIRN_GC_FIELD_EXACT, clear_field, (void *)(uintptr_t)r);
}

/* What is due from now on. A drop's object is kept. */
static void settle_due(cairn_gc_heap *h, cairn_gc_queue *others)
{
	cairn_gc_deaths *d = &h->deaths;
	size_t kept = 0;
	for (cairn_gc_listed *r = others->first; r; r = r->next)
		if (!r->call)
			cairn_gc_deaths_clear_fields((void *)r->object);
	for (cairn_gc_listed *r; (r = cairn_gc_queue_take(others));) {
		if (r->call)
			r->object = 0;
		else
			cairn_gc_trace_field(h, &r->object);
		kept += !r->call;
		cairn_gc_queue_append(&d->due, r);
	}
	d->dropped = kept;
	if (kept) {
		cairn_gc_trace_all(h);
		cairn_gc_each_weak(h, settle_weak, h); /* those of who is kept are NULL; their list is emptied */
	}
}

/* Whether something waits, for who resumes the mutators. */
static void settle_tell(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	if (d->due.count && !d->due_since)
		__atomic_store_n(&d->due_since, h->collection, __ATOMIC_RELAXED); /* relaxed: a hint */
}

void cairn_gc_deaths_settle(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_queue guards = { 0 }, others = { 0 };
	d->weak_cleared = 0;
	cairn_gc_deaths_reconcile(h);
	free_gone_guardians(h);
	cairn_gc_deaths_walk_begin(h);
	each_record(d->running, settle_reach_running, h);
	each_record(d->due.first, settle_reach, h);
	each_queued(d, settle_reach, h);
	cairn_gc_tables_begin(h);
	cairn_gc_tables_close_over(h);
	settle_sort(h, &guards, &others);
	settle_guards(h, &guards);
	settle_others(h, &others);
	cairn_gc_each_weak(h, settle_weak, h);
	d->entries_gone = cairn_gc_tables_prune(h);
	settle_due(h, &others);
	cairn_gc_externals_prune(h);
	settle_tell(h);
	cairn_gc_deaths_walk_end(h);
	if (!d->used)
		listed_free_chunks(h);
}

void cairn_gc_deaths_each_word(cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_deaths_reconcile(h);
	cairn_gc_deaths_walk_begin(h);
	each_record(d->listed, visit, arg);
	each_record(d->due.first, visit, arg);
	each_record(d->running, visit, arg);
	each_queued(d, visit, arg);
	cairn_gc_tables_each_word(h, visit, arg);
	cairn_gc_externals_each_word(h, visit, arg);
	cairn_gc_deaths_walk_end(h);
}

/* ---- Beginning and end ---- */

void cairn_gc_deaths_init(cairn_gc_heap *h)
{
	cairn_node_init(&h->deaths.tables);
	cairn_node_init(&h->deaths.guardians);
	cairn_gc_map_init(&h->deaths.externals);
}

/* Due, or never to be due otherwise. */
static void close_run(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_deaths_reconcile(h);
	for (cairn_gc_listed *r; (r = d->listed);) {
		d->listed = r->next;
		d->listed_count--;
		if (r->arg && !r->call) {
			cairn_gc_listed_free(d, r);
			continue;
		}
		if (!r->call)
			cairn_gc_deaths_clear_fields((void *)r->object);
		cairn_gc_queue_append(&d->due, r);
	}
	while (cairn_gc_run_due(h, NULL))
		;
}

void cairn_gc_deaths_close(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	close_run(h);
	while (!cairn_list_is_empty(&d->tables)) {
		cairn_gc_table *t = cairn_container(d->tables.next, cairn_gc_table, node);
		cairn_list_remove(&t->node);
		cairn_gc_table_release(t);
	}
	while (!cairn_list_is_empty(&d->guardians)) {
		cairn_gc_guardian *g = cairn_container(d->guardians.next, cairn_gc_guardian, node);
		cairn_list_remove(&g->node);
		cairn_gc_meta_free(h, g, sizeof *g);
	}
	cairn_gc_externals_close(h);
	listed_free_chunks(h);
}

/* ---- Validation ---- */

static void validate_word(void *arg, uintptr_t *word)
{
	void *object = (void *)*word;
	cairn_assert(cairn_gc_object_at(arg, *word) == object); /* GD1 */
	cairn_assert(cairn_gc_header_of(object) & CAIRN_GC_LISTED);
}

static size_t records_in(const cairn_gc_listed *r)
{
	size_t n = 0;
	for (; r; r = r->next)
		n++;
	return n;
}

static size_t validate_queue(const cairn_gc_queue *q)
{
	size_t n = q->count ? records_in(q->first) : 0;
	cairn_assert(n == q->count && (!n || !*q->last));
	return n;
}

/* Each record is in one list, whose length is known. */
static void validate_records(cairn_gc_deaths *d)
{
	size_t listed = records_in(d->listed), made = 0;
	size_t used = listed + validate_queue(&d->due) + records_in(d->running);
	for (cairn_node *n = cairn_gc_deaths_first(d, &d->guardians); n != &d->guardians; n = n->next)
		used += validate_queue(&cairn_container(n, cairn_gc_guardian, node)->queue);
	for (const cairn_gc_listed_chunk *c = d->chunks; c; c = c->next)
		made += (c->bytes - sizeof *c) / sizeof *c->record;
	cairn_assert(listed == d->listed_count);
	cairn_assert(used == d->used && used + records_in(d->free) == made); /* GC1 */
}

void cairn_gc_deaths_validate(cairn_gc_heap *h)
{
	cairn_gc_deaths *d = &h->deaths;
	cairn_gc_deaths_reconcile(h);
	cairn_gc_deaths_walk_begin(h);
	validate_records(d);
	each_record(d->listed, validate_word, h);
	each_record(d->due.first, validate_word, h);
	each_record(d->running, validate_word, h);
	each_queued(d, validate_word, h);
	cairn_gc_tables_validate(h);
	cairn_gc_externals_validate(h);
	cairn_gc_deaths_walk_end(h);
}
