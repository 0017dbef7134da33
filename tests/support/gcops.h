/* support/gcops.h - the operations of tests/model/gcgraph.c, each done to the heap and to the model. Part of that
 * file.
 *
 * What is chosen depends on the seed and the model alone: never on an address, or on what a collection did. A
 * pointer is held over a safepoint only where a stack is looked at. */
#ifndef CAIRN_SUPPORT_GCOPS_H
#define CAIRN_SUPPORT_GCOPS_H

static uint32_t elements_of(actor *a, kind k)
{
	size_t luck = below(a, 200);
	switch (k) {
	case TAIL: return (uint32_t)(luck == 0 ? 2200 + below(a, 4000) : luck < 6 ? 100 + below(a, 400) : below(a, 12));
	case ROWS: return (uint32_t)(luck == 0 ? 700 + below(a, 1000) : below(a, 9));
	case LEAF: return (uint32_t)(luck == 0 ? 16000 + below(a, 60000) : luck < 6 ? below(a, 4000) : below(a, 180));
	default: return 0;
	}
}

static kind makeable(kind k) { return k == WORDS && !words_cairn_gc_type.header ? PAIR : k; }

/* A new object, zeroed, with its contents; not in the model. Safepoint. */
static thing *fresh(actor *a, kind k, uint32_t n, uint64_t id)
{
	thing *o = kind_new(a->m, k, n);
	if (!is_all_zero(o, size_of(k, n)))
		broken(a, "a new object that is not zero", id, 0);
	must_equal(a, "alignment", (uintptr_t)o % (k == ALIGNED ? 16 : 8), 0);
	o->id = id;
	o->kind = k;
	contents(o, n, true);
	return o;
}

static void make(actor *a)
{
	static const kind weights[] = { PAIR, PAIR, PAIR, PAIR, SPARSE, TAIL, TAIL, TAIL, ROWS, ROWS, LEAF, LEAF, LEAF,
		WEAK, WEAK, WEAK, DROP, DROP, WORDS, TRACED, FIXED, ALIGNED };
	kind k = makeable(weights[below(a, sizeof weights / sizeof *weights)]);
	uint32_t n = elements_of(a, k);
	record *r = record_new(&a->g, k, n);
	if (!r)
		return;
	thing *o = fresh(a, k, n, r->id);
	cairn_gc_root_set(a->m, &a->exact[0], o);
	a->g.slots[0] = r->id;
	if (k == DROP && (r->token = o->token = new_token()))
		token_kind[r->token] = 1;
	if (k == FIXED || k == ALIGNED)
		r->address = (uintptr_t)o;
	record *parent;
	thing *p = stroll(a, &parent);
	if (p && edges_of(parent->kind, parent->n) && below(a, 4))
		link_edge(a, p, parent, (uint32_t)below(a, edges_of(parent->kind, parent->n)), o);
	else
		slot_set(a, 1 + (int)below(a, SLOTS - 1), o);
}

static void link_two(actor *a)
{
	record *from, *to;
	thing *o = stroll(a, &from), *target = stroll(a, &to);
	if (o && target && edges_of(from->kind, from->n))
		link_edge(a, o, from, (uint32_t)below(a, edges_of(from->kind, from->n)), target);
}

static void unlink_one(actor *a)
{
	record *from;
	thing *o = stroll(a, &from);
	if (o && edges_of(from->kind, from->n))
		link_edge(a, o, from, (uint32_t)below(a, edges_of(from->kind, from->n)), NULL);
}

static void cas_one(actor *a)
{
	record *from, *to;
	thing *o = stroll_to(a, below(a, 2) ? PAIR : TAIL, &from), *value = stroll(a, &to);
	bool is_right = below(a, 3);
	if (!o || !value || !edges_of(from->kind, from->n))
		return;
	uint32_t i = (uint32_t)below(a, edges_of(from->kind, from->n));
	thing *now = edge(a, o, from, i), *expected = is_right ? now : now ? NULL : value;
	bool stored = from->kind == PAIR ? cairn_gc_cas(a->m, (pair *)o, edges[i], expected, value)
					 : cairn_gc_cas(a->m, (tail *)o, items[i], expected, value);
	must_equal(a, "what cas says", stored, expected == now);
	if (stored)
		from->edges[i] = to->id;
}

static void swap_one(actor *a)
{
	record *from, *to;
	thing *o = stroll_to(a, below(a, 2) ? PAIR : TAIL, &from), *value = stroll(a, &to);
	if (!o || !value || !edges_of(from->kind, from->n))
		return;
	uint32_t i = (uint32_t)below(a, edges_of(from->kind, from->n));
	thing *old = from->kind == PAIR ? cairn_gc_swap(a->m, (pair *)o, edges[i], value)
					: cairn_gc_swap(a->m, (tail *)o, items[i], value);
	must_be(a, "what swap gave", old, from->edges[i]);
	from->edges[i] = to->id;
}

static void copy_some(actor *a)
{
	record *from, *to;
	thing *o = stroll_to(a, TAIL, &from), *target = stroll_to(a, TAIL, &to);
	if (!o || !target || !from->n || !to->n)
		return;
	uint32_t at = (uint32_t)below(a, from->n), into = (uint32_t)below(a, to->n);
	uint32_t most = from->n - at < to->n - into ? from->n - at : to->n - into, n = (uint32_t)below(a, most + 1);
	cairn_gc_copy(a->m, target, &((tail *)target)->items[into], &((tail *)o)->items[at], n);
	memmove(to->edges + into, from->edges + at, n * sizeof *to->edges);
}

static void root_one(actor *a)
{
	record *r;
	thing *o = stroll(a, &r);
	if (o)
		slot_set(a, 1 + (int)below(a, SLOTS - 1), o);
}
static void unroot_one(actor *a) { slot_set(a, 1 + (int)below(a, SLOTS - 1), NULL); }

static void weaken(actor *a)
{
	record *holder, *to;
	thing *o = stroll_to(a, WEAK, &holder), *target = stroll(a, &to);
	if (!o || !target)
		return;
	cairn_gc_set(a->m, (weak *)o, weakly, target);
	holder->weakly = to->id;
}

static void ask_hash(actor *a)
{
	record *r;
	thing *o = stroll(a, &r);
	if (!o)
		return;
	uint64_t hash = cairn_gc_hash(a->m, o);
	if (r->hash)
		must_equal(a, "a hash", hash, r->hash);
	r->hash = hash;
}

static void give_external(actor *a)
{
	record *r;
	thing *o = stroll(a, &r);
	size_t n = 1 + below(a, below(a, 20) ? 500 : 50000);
	if (!o)
		return;
	uint8_t *bytes = cairn_gc_external(a->m, o, n);
	must_equal(a, "external bytes given", bytes != NULL, !r->external);
	if (!bytes)
		return;
	if (!is_all_zero(bytes, n) || (uintptr_t)bytes % 16)
		broken(a, "external bytes that are not zero, or not aligned", (uintptr_t)bytes, 0);
	memset(bytes, (int)(r->id & 0xff), n);
	r->external = n;
}

static void give_cleanup(actor *a)
{
	record *r;
	thing *o = stroll(a, &r);
	if (!o || r->cleanup || !(r->cleanup = new_token()))
		return;
	token_kind[r->cleanup] = 2;
	must_equal(a, "a cleanup", cairn_gc_cleanup(a->m, o, cleanup_told, &cleaned[r->cleanup]), true);
}

static void guard_one(actor *a)
{
	record *r;
	thing *o = stroll(a, &r);
	if (!o)
		return;
	must_equal(a, "a guard", cairn_gc_guard(a->m, a->guardian, o), true);
	r->guards++;
}

/* What the guardian gives back was out of reach, is whole, and had been guarded. */
static void guardian_drain(actor *a)
{
	for (thing *o; (o = cairn_gc_guardian_next(a->m, a->guardian));) {
		record *r = must_know(a, o->id);
		must_equal(a, "the times that what is given back is guarded, not 0", r->guards != 0, true);
		must_equal(a, "is what the guardian gives back in reach", model_reaches(&a->g, r->id), false);
		must_equal(a, "the contents of what is given back", contents(o, r->n, false), true);
		for (uint32_t i = 0; r->kind != WORDS && i < edges_of(r->kind, r->n); i++)
			must_be(a, "an edge of what is given back", edge(a, o, r, i), r->edges[i]);
		r->guards--;
	}
}

static void table_change(actor *a)
{
	record *k, *v;
	thing *key = stroll(a, &k), *value = stroll(a, &v);
	if (!key || !value)
		return;
	thing *now = cairn_gc_table_get(a->m, a->table, key);
	must_be(a, "the value of a key", now, k->value);
	if (below(a, 4)) {
		must_equal(a, "put", cairn_gc_table_put(a->m, a->table, key, value), true);
		k->value = v->id;
	} else {
		must_equal(a, "removed", cairn_gc_table_remove(a->m, a->table, key), k->value != 0);
		k->value = 0;
	}
}

/* Made, used in some way that is written down beside it, and freed by hand. */
static void free_one(actor *a)
{
	kind k = makeable((kind)below(a, KINDS));
	uint32_t n = elements_of(a, k);
	size_t use = below(a, 4);
	thing *o = fresh(a, k, n, ~0ull);
	if (use == 1)
		cairn_gc_hash(a->m, o);
	if (use == 2)
		must_equal(a, "external bytes", cairn_gc_external(a->m, o, 100) != NULL, true);
	if (use == 3) {
		uint32_t token = new_token();
		must_equal(a, "a cleanup", cairn_gc_cleanup(a->m, o, cleanup_told, &cleaned[token]), true);
	}
	if (k == DROP)
		o->token = new_token();
	cairn_gc_free(a->m, o);
}

/* Does an ambiguous word refer to it other than by its start? It may not be cut off then. What is in limbo does not
 * count: how long it is there depends on collections. */
static bool is_pointed_into(model *g, uint64_t id)
{
	model_reaches(g, id);
	for (int i = 0; i < SLOTS; i++)
		if (g->slots[i] == id && g->offset[i])
			return true;
	for (uint32_t i = 1; i <= g->used; i++)
		for (uint32_t k = 0; g->all[i].kind == WORDS && g->all[i].reached == g->walk && k < 4; k++)
			if (g->all[i].edges && g->all[i].edges[k] == id && g->all[i].offsets[k])
				return true;
	return false;
}

static void resize_one(actor *a)
{
	record *r;
	thing *o = stroll_to(a, below(a, 2) ? LEAF : TAIL, &r);
	size_t more = 1 + below(a, 64);
	if (!o || is_pointed_into(&a->g, r->id))
		return;
	if (r->n) {
		r->n = (uint32_t)below(a, r->n + 1);
		r->size = size_of(r->kind, r->n);
		must_equal(a, "made smaller", cairn_gc_resize(a->m, o, r->size), true);
	}
	must_equal(a, "the size after it", cairn_gc_size(o), r->size);
	size_t larger = r->kind == TAIL ? size_of(TAIL, r->n + (uint32_t)more) : r->size + more;
	if (!cairn_gc_resize(a->m, o, larger))
		return;
	must_equal(a, "the larger size", cairn_gc_size(o), larger);
	must_equal(a, "what is new is zero", is_all_zero((char *)o + r->size, larger - r->size), true);
	must_equal(a, "made smaller again", cairn_gc_resize(a->m, o, r->size), true);
}

/* ---- Safepoints ---- */

static void litter(actor *a)
{
	for (size_t n = below(a, 120); n > 0; n--)
		fresh(a, below(a, 2) ? PAIR : LEAF, (uint32_t)below(a, 60), ~0ull);
}

static void wait_a_little(actor *a)
{
	useconds_t time = (useconds_t)below(a, 50);
	CAIRN_GC_BLOCKING(a->m)
	{
		if (time & 1)
			sched_yield();
		else
			usleep(time);
	}
}

static void any_safepoint(actor *a)
{
	switch (below(a, 12)) {
	case 0: cairn_gc_collect(a->m); break;
	case 1:
	case 2: wait_a_little(a); break;
	case 3: must_equal(a, "what the verifier found", cairn_gc_verify(a->m, stderr), 0); break;
	case 4: cairn_gc_run_cleanups(a->m, below(a, 2) * 1000); break;
	case 5: guardian_drain(a); break;
	default: litter(a);
	}
	cairn_gc_poll(a->m);
}

/* Over safepoints only this frame holds two objects: one of the model's, and one that nothing else refers to. */
static void hold(actor *a)
{
	record *r;
	kind k = makeable((kind)below(a, KINDS));
	uint32_t n = elements_of(a, k);
	if (a->p->exact) {
		stroll(a, &r);
		below(a, 2);
		any_safepoint(a);
		return;
	}
	thing *known = stroll(a, &r);
	uint64_t id = known ? known->id : 0;
	size_t behind = below(a, 2) ? size_of(k, n) : 0;
	volatile uintptr_t alone = (uintptr_t)fresh(a, k, n, ~1ull) + behind, same = (uintptr_t)known;
	any_safepoint(a);
	must_equal(a, "a local", (uintptr_t)known, same);
	must_be(a, "what a local refers to", known, id);
	thing *o = (thing *)(alone - behind);
	must_be(a, "what only a local refers to", o, ~1ull);
	must_equal(a, "contents of what only a local refers to", contents(o, n, false), true);
	if (k == DROP)
		o->token = 0;
}

/* What only this thread's stack holds is let go first: it may be gone. */
static void leave_and_come_back(actor *a)
{
	if (below(a, 12))
		return;
	for (int i = 0; i < STACK; i++)
		slot_set(a, EXACT + i, NULL);
	cairn_gc_detach(a->m);
	if (cairn_gc_mutator_of(a->h))
		broken(a, "a mutator after detach", 1, 0);
	a->m = cairn_gc_attach(a->h);
	must_equal(a, "attached again", a->m && cairn_gc_heap_of(a->m) == a->h, true);
}

/* ---- Between actors ---- */

/* A stack of pairs whose ids are numbers: pushed and popped by cas, which no address used again can fool. */
static void shared_stack_use(actor *a)
{
	uint64_t number = below(a, 1000);
	bool pushes = below(a, 2);
	pair *n = pushes ? cairn_gc_new(a->m, pair) : NULL, *top;
	shared_stack *s = cairn_gc_root_get(a->m, &stack_root);
	if (pushes) {
		n->is = (thing){ .id = number, .kind = PAIR };
		do {
			top = cairn_gc_get(a->m, s, top);
			cairn_gc_set(a->m, n, edges[0], (thing *)top);
		} while (!cairn_gc_cas(a->m, s, top, top, n));
		a->pushed += number;
		return;
	}
	do
		top = cairn_gc_get(a->m, s, top);
	while (top && !cairn_gc_cas(a->m, s, top, top, (pair *)cairn_gc_get(a->m, top, edges[0])));
	if (top)
		a->popped += top->is.id;
}

/* A TAIL of leaves goes to the next actor, which takes it into its own model under its own ids. */
static void mail_send(actor *a, cairn_gc_handle *box)
{
	cairn_gc_handle_set(a->m, box, fresh(a, TAIL, MAIL, a->done + 1));
	for (uint32_t i = 0; i < MAIL; i++) {
		thing *o = fresh(a, LEAF, 10 + i, a->done + 2 + i);
		tail *letter = cairn_gc_handle_get(a->m, box);
		cairn_gc_set(a->m, letter, items[i], o);
	}
}

static void mail_take(actor *a, cairn_gc_handle *box)
{
	thing *o = cairn_gc_handle_get(a->m, box);
	must_be(a, "mail", o, a->done + 1);
	record *letter = record_new(&a->g, TAIL, MAIL);
	if (!letter)
		return;
	for (uint32_t i = 0; i < MAIL; i++) {
		thing *content = cairn_gc_get(a->m, (tail *)o, items[i]);
		must_be(a, "content of mail", content, a->done + 2 + i);
		must_equal(a, "bytes of mail", contents(content, 10 + i, false), true);
		record *r = record_new(&a->g, LEAF, 10 + i);
		if (r) {
			content->id = r->id;
			contents(content, r->n, true);
			letter->edges[i] = r->id;
		} else
			cairn_gc_set(a->m, (tail *)o, items[i], NULL);
	}
	o->id = letter->id;
	contents(o, MAIL, true);
	slot_set(a, 1 + (int)below(a, SLOTS - 1), o);
	cairn_gc_handle_set(a->m, box, NULL);
}

/* ---- Which ---- */

static void operation(actor *a)
{
	static const struct {
		unsigned weight;
		const char *name;
		void (*run)(actor *a);
	} all[] = {
		{ 30, "make", make },
		{ 20, "link", link_two },
		{ 12, "unlink", unlink_one },
		{ 5, "cas", cas_one },
		{ 4, "swap", swap_one },
		{ 4, "copy", copy_some },
		{ 8, "root", root_one },
		{ 7, "unroot", unroot_one },
		{ 4, "weak", weaken },
		{ 3, "hash", ask_hash },
		{ 2, "external", give_external },
		{ 2, "cleanup", give_cleanup },
		{ 1, "guard", guard_one },
		{ 4, "table", table_change },
		{ 2, "free", free_one },
		{ 2, "resize", resize_one },
		{ 3, "hold", hold },
		{ 1, "leave", leave_and_come_back },
		{ 4, "stack", shared_stack_use },
	};
	unsigned sum = 0;
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		sum += all[i].weight;
	size_t pick = below(a, sum);
	unsigned i = 0;
	for (; pick >= all[i].weight; i++)
		pick -= all[i].weight;
	a->doing = all[i].name;
	const char *without =
		getenv("CAIRN_TEST_WITHOUT"); /* names of operations that are left out: to find a culprit */
	if (!without || !strstr(without, a->doing))
		all[i].run(a);
}

#endif
