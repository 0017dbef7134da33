/* tables.c - hash tables, by equal? or by eqv?. An object that is hashed by identity may move: the memory manager is
 * asked for a number that stays. */
#include "scheme.h"

#define PRIMITIVE_OF(name) static object *name(object_ref *args, int n)
enum { NESTING_MOST = 32, ITEMS_MOST = 32 }; /* of a key: what is looked at */

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint64_t hash_bits(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return mix(2, bits);
}

static uint64_t hash_of(object *o, bool by_equal, int depth)
{
	uint64_t h = o->kind;
	if (o->kind == INTEGER)
		return mix(1, (uint64_t)integer_of(o));
	if (o->kind == REAL)
		return hash_bits(real_of(o) == 0 ? 0 : real_of(o));
	if (o->kind == SYMBOL)
		return ((symbol *)o)->hash;
	if (!by_equal || !(o->kind == STRING || o->kind == PAIR || o->kind == VECTOR))
		return mix(3, mem_hash(o));
	if (o->kind == STRING) {
		for (size_t i = 0; i < ((string *)o)->length; i++)
			h = (h ^ (unsigned char)((string *)o)->bytes[i]) * 0x100000001b3u;
		return h;
	}
	for (int i = 0; is_pair(o) && i < ITEMS_MOST && depth < NESTING_MOST; i++, o = cdr(o))
		h = mix(h, hash_of(car(o), true, depth + 1));
	size_t most = o->kind == VECTOR && depth < NESTING_MOST ? ((vector *)o)->length : 0;
	for (size_t i = 0; i < most && i < ITEMS_MOST; i++)
		h = mix(h, hash_of(mem_get((vector *)o, items[i]), true, depth + 1));
	return h;
}

static bool same(table *t, object *a, object *b) { return t->is.flag ? is_equal(a, b, 0) : is_eqv(a, b); }

static entry *find(table *t, object *key, uint64_t hash)
{
	vector *v = (vector *)mem_get(t, buckets);
	entry *e = (entry *)mem_get(v, items[hash & (v->length - 1)]);
	while (e && !(e->hash == hash && same(t, mem_get(e, key), key)))
		e = (entry *)mem_get(e, next);
	return e;
}

static void grow(table *t)
{
	vector *old = (vector *)mem_get(t, buckets), *v = make_vector(VECTOR, old->length * 2, NULL);
	for (size_t i = 0; i < old->length; i++) {
		for (entry *e = (entry *)mem_get(old, items[i]), *next; e; e = next) {
			size_t to = e->hash & (v->length - 1);
			next = (entry *)mem_get(e, next);
			mem_set(e, next, mem_get(v, items[to]));
			mem_set(v, items[to], &e->is);
		}
	}
	mem_set(t, buckets, &v->is);
}

static void put(table *t, object *key, object *value)
{
	uint64_t hash = hash_of(key, t->is.flag, 0);
	entry *e = find(t, key, hash);
	if (e) {
		mem_set(e, value, value);
		return;
	}
	if (t->count >= ((vector *)mem_get(t, buckets))->length)
		grow(t);
	vector *v = (vector *)mem_get(t, buckets);
	size_t to = hash & (v->length - 1);
	e = make_entry(hash, key, value, mem_get(v, items[to]));
	mem_set(v, items[to], &e->is);
	t->count++;
}

static table *table_arg(object_ref *args, const char *who)
{
	return ARG(0)->kind == TABLE ? (table *)ARG(0) : (table *)fail_kind(who, "a hash table", ARG(0));
}

PRIMITIVE_OF(make_equal_table) { return (void)args, (void)n, make_table(true); }
PRIMITIVE_OF(make_eqv_table) { return (void)args, (void)n, make_table(false); }
PRIMITIVE_OF(is_table) { return boolean(ARG(n - 1)->kind == TABLE); }

PRIMITIVE_OF(table_set)
{
	table *t = table_arg(args, "hash-table-set!");
	if (!t)
		return NULL;
	put(t, ARG(1), ARG(n - 1));
	return the_nothing;
}

/* (hash-table-ref/default table key default) */
PRIMITIVE_OF(table_ref)
{
	table *t = table_arg(args, "hash-table-ref/default");
	entry *e = t ? find(t, ARG(1), hash_of(ARG(1), t->is.flag, 0)) : NULL;
	return !t ? NULL : e ? mem_get(e, value) : ARG(n - 1);
}

PRIMITIVE_OF(table_delete)
{
	table *t = table_arg(args, "hash-table-delete!");
	if (!t)
		return NULL;
	uint64_t hash = hash_of(ARG(n - 1), t->is.flag, 0);
	entry *e = find(t, ARG(1), hash);
	if (!e)
		return the_nothing;
	vector *v = (vector *)mem_get(t, buckets);
	entry *at = (entry *)mem_get(v, items[hash & (v->length - 1)]);
	if (at == e)
		mem_set(v, items[hash & (v->length - 1)], mem_get(e, next));
	while (at != e && (entry *)mem_get(at, next) != e)
		at = (entry *)mem_get(at, next);
	if (at != e)
		mem_set(at, next, mem_get(e, next));
	t->count--;
	return the_nothing;
}

PRIMITIVE_OF(table_count)
{
	table *t = table_arg(args, "hash-table-count");
	return (void)n, t ? make_integer(t->count) : NULL;
}

PRIMITIVE_OF(table_to_alist)
{
	table *t = table_arg(args, "hash-table->alist");
	(void)n;
	vector *v = t ? (vector *)mem_get(t, buckets) : NULL;
	object *made = the_nil;
	for (size_t i = 0; v && i < v->length; i++)
		for (entry *e = (entry *)mem_get(v, items[i]); e; e = (entry *)mem_get(e, next))
			made = make_pair(make_pair(mem_get(e, key), mem_get(e, value)), made);
	return v ? made : NULL;
}

void tables_open(void)
{
	define_primitive("make-equal-hash-table", make_equal_table, 0, 1, 0);
	define_primitive("make-hash-table", make_equal_table, 0, 1, 0);
	define_primitive("make-eqv-hash-table", make_eqv_table, 0, 1, 0);
	define_primitive("hash-table?", is_table, 1, 1, 0);
	define_primitive("hash-table-set!", table_set, 3, 3, 0);
	define_primitive("hash-table-ref/default", table_ref, 3, 3, 0);
	define_primitive("hash-table-delete!", table_delete, 2, 2, 0);
	define_primitive("hash-table-count", table_count, 1, 1, 0);
	define_primitive("hash-table->alist", table_to_alist, 1, 1, 0);
}
