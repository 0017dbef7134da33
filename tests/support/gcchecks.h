/* support/gcchecks.h - what tests/model/gcgraph.c compares between a heap and its model. Part of that file. */
#ifndef CAIRN_SUPPORT_GCCHECKS_H
#define CAIRN_SUPPORT_GCCHECKS_H

static thing
	*found_queue[ACTORS][RECORDS]; /* of the walk: looked at by no collection, for there is no safepoint in it */

static void found(actor *a, thing *o, uint64_t id, const char *by, uint32_t *count)
{
	must_be(a, by, o, id);
	record *r = id ? must_know(a, id) : NULL;
	if (!r || r->seen == a->g.walk)
		return;
	r->seen = a->g.walk;
	found_queue[a->self][(*count)++] = o;
}

static void check_weak(actor *a, thing *o, const record *r)
{
	thing *target = cairn_gc_get_weak(a->m, (weak *)o, weakly);
	const record *wanted = record_of(&a->g, r->weakly);
	bool is_reached = wanted && wanted->reached == a->g.walk;
	if (target)
		must_be(a, "a weak field", target, r->weakly);
	else if (is_reached)
		broken(a, "a weak field that was cleared too early", 0, r->weakly);
}

static void check_deaths(actor *a, const record *r)
{
	if (r->token && __atomic_load_n(&dropped[r->token], __ATOMIC_SEQ_CST))
		broken(a, "dropped in reach", r->id, 0);
	if (r->cleanup && __atomic_load_n(&cleaned[r->cleanup], __ATOMIC_SEQ_CST))
		broken(a, "cleaned up in reach", r->id, 0);
}

static void check_external(actor *a, thing *o, const record *r)
{
	size_t n = 0;
	const uint8_t *bytes = cairn_gc_external_of(a->m, o, &n);
	must_equal(a, "are there external bytes", bytes != NULL, r->external != 0);
	if (!bytes)
		return;
	must_equal(a, "external bytes", n, r->external);
	for (size_t i = 0; i < n; i++)
		must_equal(a, "an external byte", bytes[i], r->id & 0xff);
}

static void check_object(actor *a, thing *o, const record *r)
{
	must_equal(a, "a kind", o->kind, r->kind);
	must_equal(a, "a size", cairn_gc_size(o), r->size);
	must_equal(a, "a length", cairn_gc_length(o),
		r->kind == LEAF                      ? r->size
		: r->kind == TAIL || r->kind == ROWS ? r->n
						     : 0);
	must_equal(a, "a type's name", strcmp(cairn_gc_type_name(o), kind_name(r->kind)), 0);
	must_equal(a, "contents", contents(o, r->n, false), true);
	if (r->hash)
		must_equal(a, "a hash", cairn_gc_hash(a->m, o), r->hash);
	if (r->address)
		must_equal(a, "the address of a pinned type", (uintptr_t)o, r->address);
	if (r->kind == WEAK)
		check_weak(a, o, r);
	check_external(a, o, r);
	check_deaths(a, r);
}

/* As model_hash, which has just been called, but over the heap. */
static uint64_t heap_hash(actor *a)
{
	uint32_t count = 0;
	uint64_t hash = a->g.owner;
	for (int slot = 0; slot < SLOTS; slot++) {
		thing *o = slot_get(a, slot);
		hash = mixed(hash, o ? o->id : 0);
		found(a, o, a->g.slots[slot], "a root", &count);
	}
	for (uint32_t at = 0; at < count; at++) {
		thing *o = found_queue[a->self][at];
		record *r = must_know(a, o->id);
		check_object(a, o, r);
		size_t external = 0;
		cairn_gc_external_of(a->m, o, &external);
		hash = mixed_object(hash, o->id, o->kind, cairn_gc_size(o), external);
		for (uint32_t i = 0; i < edges_of(r->kind, r->n); i++) {
			thing *to = edge(a, o, r, i);
			hash = mixed(hash, to ? to->id : 0);
			found(a, to, r->edges[i], "an edge", &count);
		}
		thing *value = cairn_gc_table_get(a->m, a->table, o);
		hash = mixed(hash, value ? value->id : 0);
		found(a, value, r->value, "the value of a key", &count);
	}
	return hash;
}

/* Nothing is left but what is reachable: told exactly where stacks are not looked at and there is nobody else. */
static void check_counts(actor *a)
{
	cairn_gc_stats s;
	for (int i = 0; i < 3; i++) {
		cairn_gc_collect(a->m);
		guardian_drain(a);
		cairn_gc_run_cleanups(a->m, 0);
	}
	cairn_gc_collect(a->m);
	cairn_gc_stats_get(a->h, &s);
	uint32_t reachable = model_collect(&a->g);
	must_equal(a, "records in limbo after their guardian was asked", a->g.live, reachable);
	uint64_t on_stack = 0;
	for (pair *n = cairn_gc_get(a->m, cairn_gc_root_get(a->m, &stack_root), top); n; on_stack++)
		n = (pair *)cairn_gc_get(a->m, n, edges[0]);
	must_equal(a, "live objects", s.live_objects, reachable + on_stack + 1);
}

/* Where nothing else keeps objects: no stack is looked at, no other mutator is there, no chance pins. */
static bool is_exact(const actor *a)
{
	return a->p->exact && a->p->actors == 1 && running != CAIRN_GC_NONE && !strstr(a->p->zeal, "pins");
}

static void check(actor *a)
{
	const char *before = a->doing;
	a->doing = "check";
	uint32_t reachable = model_collect(&a->g);
	uint64_t wanted = model_hash(&a->g), got = heap_hash(a);
	must_equal(a, "the hash of the heap", got, wanted);
	a->hash = mixed(a->hash, got);
	guardian_drain(a);
	if (below(a, 2) && is_exact(a))
		check_counts(a);
	if (!a->self && !(a->done / ROUND % 4))
		must_equal(a, "what the verifier found", cairn_gc_verify(a->m, stderr), 0);
	must_equal(a, "drop functions that saw a reference", __atomic_load_n(&bad_drops, __ATOMIC_SEQ_CST), 0);
	for (int tries = 0; tries < 20 && reachable > REACHABLE_MOST; tries++) {
		for (int i = 0; i < SLOTS / 4; i++)
			slot_set(a, (int)below(a, SLOTS), NULL);
		reachable = model_collect(&a->g);
	}
	a->doing = before;
}

/* ---- The end ---- */

static void shared_stack_check(actor *a, unsigned count)
{
	uint64_t pushed = 0, popped = 0;
	for (unsigned i = 0; i < count; i++) {
		pushed += actors[i].pushed;
		popped += actors[i].popped;
	}
	a->doing = "the end of the shared stack";
	for (pair *n = cairn_gc_get(a->m, cairn_gc_root_get(a->m, &stack_root), top); n;
		n = (pair *)cairn_gc_get(a->m, n, edges[0]))
		popped += n->is.id;
	must_equal(a, "what was popped and is there", popped, pushed);
}

static void everything_is_gone(actor *a)
{
	cairn_gc_stats s;
	a->doing = "everything let go";
	if (!a->p->exact || running == CAIRN_GC_NONE || strstr(a->p->zeal, "pins"))
		return;
	for (int i = 0; i < 3; i++) {
		cairn_gc_collect(a->m);
		cairn_gc_run_cleanups(a->m, 0);
	}
	cairn_gc_stats_get(a->h, &s);
	must_equal(a, "live objects", s.live_objects, 0);
	must_equal(a, "external bytes", s.external_bytes, 0);
	must_equal(a, "the verifier", cairn_gc_verify(a->m, stderr), 0);
}

static void deaths_are_told_once(actor *a)
{
	a->doing = "after closing";
	for (uint32_t i = 1; i <= tokens_used && i < TOKENS; i++) {
		must_equal(a, "times a drop function ran", dropped[i], token_kind[i] == 1);
		must_equal(a, "times a cleanup ran", cleaned[i], token_kind[i] == 2);
	}
	must_equal(a, "drop functions that saw a reference", bad_drops, 0);
}

#endif
