/* lists.c - pairs, lists, vectors, records, symbols, what is equal to what, and failures as values. */
#include "scheme.h"

bool is_eqv(const object *a, const object *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind)
		return false;
	return a->kind == INTEGER ? integer_of(a) == integer_of(b) : a->kind == REAL && real_of(a) == real_of(b);
}

enum { NESTING_MOST = 10000 }; /* what is nested deeper is taken for different */

bool is_equal(object *a, object *b, int depth)
{
	for (; !is_eqv(a, b); a = cdr(a), b = cdr(b)) {
		if (a->kind != b->kind || depth > NESTING_MOST)
			return false;
		if (a->kind == STRING)
			return ((string *)a)->length == ((string *)b)->length
				&& !memcmp(((string *)a)->bytes, ((string *)b)->bytes, ((string *)a)->length);
		if (a->kind == VECTOR) {
			vector *v = (vector *)a, *w = (vector *)b;
			bool same = v->length == w->length;
			for (size_t i = 0; same && i < v->length; i++)
				same = is_equal(mem_get(v, items[i]), mem_get(w, items[i]), depth + 1);
			return same;
		}
		if (!is_pair(a) || !is_equal(car(a), car(b), depth + 1))
			return false;
	}
	return true;
}

#define PRIMITIVE_OF(name) static object *name(object_ref *args, int n)
#define KIND_TEST(name, test)                                                                                          \
	PRIMITIVE_OF(name) { object *o = ARG(n - 1); return boolean(test); }
KIND_TEST(is_null, o == the_nil)
KIND_TEST(do_is_pair, is_pair(o))
KIND_TEST(do_is_symbol, is_symbol(o))
KIND_TEST(is_string, o->kind == STRING)
KIND_TEST(is_character, o->kind == CHARACTER)
KIND_TEST(is_vector, o->kind == VECTOR)
KIND_TEST(is_boolean, o == the_true || o == the_false)
KIND_TEST(is_procedure, o->kind == PRIMITIVE || o->kind == CLOSURE || o->kind == CONTINUATION)
KIND_TEST(is_end, o == the_end)
KIND_TEST(is_condition, o->kind == CONDITION)
KIND_TEST(do_not, o == the_false)
KIND_TEST(is_list, list_length(o) >= 0)

PRIMITIVE_OF(do_is_eqv) { return boolean(is_eqv(ARG(0), ARG(n - 1))); }
PRIMITIVE_OF(do_is_equal) { return boolean(is_equal(ARG(0), ARG(n - 1), 0)); }

/* ---- Pairs ---- */

PRIMITIVE_OF(cons) { return make_pair(ARG(0), ARG(n - 1)); }
PRIMITIVE_OF(do_car) { return is_pair(ARG(0)) ? car(ARG(n - 1)) : fail_kind("car", "a pair", ARG(0)); }
PRIMITIVE_OF(do_cdr) { return is_pair(ARG(0)) ? cdr(ARG(n - 1)) : fail_kind("cdr", "a pair", ARG(0)); }

PRIMITIVE_OF(set_car)
{
	if (!is_pair(ARG(0)))
		return fail_kind("set-car!", "a pair", ARG(0));
	mem_set((pair *)ARG(0), car, ARG(n - 1));
	return the_nothing;
}

PRIMITIVE_OF(set_cdr)
{
	if (!is_pair(ARG(0)))
		return fail_kind("set-cdr!", "a pair", ARG(0));
	mem_set((pair *)ARG(0), cdr, ARG(n - 1));
	return the_nothing;
}

PRIMITIVE_OF(make_list)
{
	object *made = the_nil;
	while (n)
		made = make_pair(ARG(--n), made);
	return made;
}

PRIMITIVE_OF(length)
{
	int64_t length = list_length(ARG(n - 1));
	return length < 0 ? fail_kind("length", "a list", ARG(0)) : make_integer(length);
}

PRIMITIVE_OF(append)
{
	object *made = n ? ARG(n - 1) : the_nil;
	for (int i = n - 1; i-- > 0;) {
		if (list_length(ARG(i)) < 0)
			return fail_kind("append", "a list", ARG(i));
		made = reversed(reversed(ARG(i), the_nil), made);
	}
	return made;
}

PRIMITIVE_OF(reverse)
{
	return list_length(ARG(0)) < 0 ? fail_kind("reverse", "a list", ARG(0)) : reversed(ARG(n - 1), the_nil);
}

PRIMITIVE_OF(list_tail)
{
	object *o = ARG(0);
	int64_t k = ARG(n - 1)->kind == INTEGER ? integer_of(ARG(1)) : -1;
	for (; k > 0 && is_pair(o); k--)
		o = cdr(o);
	return k ? fail_kind("list-tail", "an index of the list", ARG(1)) : o;
}

typedef bool same(object *a, object *b);
static bool same_eqv(object *a, object *b) { return is_eqv(a, b); }
static bool same_equal(object *a, object *b) { return is_equal(a, b, 0); }

static object *member_by(object *o, object *list, same *is)
{
	for (; is_pair(list); list = cdr(list))
		if (is(o, car(list)))
			return list;
	return the_false;
}

static object *assoc_by(object *o, object *list, same *is)
{
	for (; is_pair(list); list = cdr(list))
		if (is_pair(car(list)) && is(o, car(car(list))))
			return car(list);
	return the_false;
}

PRIMITIVE_OF(memv) { return member_by(ARG(0), ARG(n - 1), same_eqv); }
PRIMITIVE_OF(member) { return member_by(ARG(0), ARG(n - 1), same_equal); }
PRIMITIVE_OF(assv) { return assoc_by(ARG(0), ARG(n - 1), same_eqv); }
PRIMITIVE_OF(assoc) { return assoc_by(ARG(0), ARG(n - 1), same_equal); }

/* ---- Vectors ---- */

enum { LENGTH_MOST = 1 << 30 };

/* NULL: failed. */
static vector *vector_and_index(object_ref *args, const char *who)
{
	if (ARG(0)->kind != VECTOR)
		return (vector *)fail_kind(who, "a vector", ARG(0));
	vector *v = (vector *)ARG(0);
	if (ARG(1)->kind != INTEGER || (uint64_t)integer_of(ARG(1)) >= v->length)
		return (vector *)fail_kind(who, "an index of it", ARG(1));
	return v;
}

PRIMITIVE_OF(do_make_vector)
{
	object *length = ARG(0);
	if (length->kind != INTEGER || integer_of(length) < 0 || integer_of(length) > LENGTH_MOST)
		return fail_kind("make-vector", "a length", length);
	return &make_vector(VECTOR, integer_of(length), n > 1 ? ARG(1) : the_nothing)->is;
}

PRIMITIVE_OF(do_vector)
{
	vector *v = make_vector(VECTOR, n, NULL);
	for (int i = 0; i < n; i++)
		mem_set(v, items[i], ARG(i));
	return &v->is;
}

PRIMITIVE_OF(vector_length)
{
	object *v = ARG(n - 1);
	return v->kind == VECTOR ? make_integer(((vector *)v)->length) : fail_kind("vector-length", "a vector", v);
}

PRIMITIVE_OF(vector_ref)
{
	vector *v = vector_and_index(args, "vector-ref");
	return v ? mem_get(v, items[integer_of(ARG(n - 1))]) : NULL;
}

PRIMITIVE_OF(vector_set)
{
	vector *v = vector_and_index(args, "vector-set!");
	if (!v)
		return NULL;
	mem_set(v, items[integer_of(ARG(1))], ARG(n - 1));
	return the_nothing;
}

PRIMITIVE_OF(vector_fill)
{
	if (ARG(0)->kind != VECTOR)
		return fail_kind("vector-fill!", "a vector", ARG(0));
	vector *v = (vector *)ARG(0);
	for (size_t i = 0; i < v->length; i++)
		mem_set(v, items[i], ARG(n - 1));
	return the_nothing;
}

PRIMITIVE_OF(vector_to_list)
{
	if (ARG(n - 1)->kind != VECTOR)
		return fail_kind("vector->list", "a vector", ARG(0));
	vector *v = (vector *)ARG(0);
	object *made = the_nil;
	for (size_t i = v->length; i--;)
		made = make_pair(mem_get(v, items[i]), made);
	return made;
}

static object *vector_of(kind k, object *list)
{
	int64_t length = list_length(list);
	if (length < 0)
		return fail_kind("list->vector", "a list", list);
	vector *v = make_vector(k, length, NULL);
	for (int64_t i = 0; i < length; i++, list = cdr(list))
		mem_set(v, items[i], car(list));
	return &v->is;
}
PRIMITIVE_OF(list_to_vector) { return vector_of(VECTOR, ARG(n - 1)); }

PRIMITIVE_OF(values)
{
	if (n == 1)
		return ARG(0);
	object *v = do_vector(args, n);
	v->kind = VALUES;
	return v;
}

PRIMITIVE_OF(values_to_list)
{
	object *o = ARG(n - 1), *made = the_nil;
	if (o->kind != VALUES)
		return LIST1(o);
	for (size_t i = ((vector *)o)->length; i--;)
		made = make_pair(mem_get((vector *)o, items[i]), made);
	return made;
}

/* ---- Records: the type is the first item ---- */

PRIMITIVE_OF(record_type)
{
	object *type = do_vector(args, n);
	type->kind = RECORD_TYPE;
	return type;
}

PRIMITIVE_OF(record)
{
	object *made = do_vector(args, n);
	made->kind = RECORD;
	return made;
}

static bool is_of_type(object *o, object *type) { return o->kind == RECORD && mem_get((vector *)o, items[0]) == type; }

PRIMITIVE_OF(is_record) { return boolean(is_of_type(ARG(0), ARG(n - 1))); }

/* (%record-ref record type index who), (%record-set! record type index who value) */
static vector *record_checked(object_ref *args)
{
	if (is_of_type(ARG(0), ARG(1)))
		return (vector *)ARG(0);
	string *who = (string *)mem_get((symbol *)ARG(3), text);
	string *type = (string *)mem_get((symbol *)mem_get((vector *)ARG(1), items[0]), text);
	char text[160];
	snprintf(text, sizeof text, "%.*s: not a %.*s:", (int)who->length, who->bytes, (int)type->length, type->bytes);
	return (vector *)fail(text, ARG(0));
}

PRIMITIVE_OF(record_ref)
{
	vector *v = record_checked(args);
	return (void)n, v ? mem_get(v, items[integer_of(ARG(2))]) : NULL;
}

PRIMITIVE_OF(record_set)
{
	vector *v = record_checked(args);
	if (!v)
		return NULL;
	mem_set(v, items[integer_of(ARG(2))], ARG(n - 1));
	return the_nothing;
}

/* ---- Failures as values, and what is left ---- */

PRIMITIVE_OF(error)
{
	object *irritants = the_nil;
	while (n > 1)
		irritants = make_pair(ARG(--n), irritants);
	raise_object(make_condition(ARG(0), irritants));
	return NULL;
}

PRIMITIVE_OF(condition_message)
{
	object *c = ARG(n - 1);
	return c->kind == CONDITION ? mem_get((condition *)c, message)
				    : fail_kind("error-object-message", "an error", c);
}

PRIMITIVE_OF(condition_irritants)
{
	object *c = ARG(n - 1);
	return c->kind == CONDITION ? mem_get((condition *)c, irritants)
				    : fail_kind("error-object-irritants", "an error", c);
}

PRIMITIVE_OF(condition_line)
{
	object *c = ARG(n - 1);
	return c->kind == CONDITION ? make_integer(c->line) : fail_kind("error-object-line", "an error", c);
}

PRIMITIVE_OF(do_exit)
{
	object *status = n ? ARG(0) : the_true;
	fflush(stdout);
	exit(status == the_false ? 1 : status->kind == INTEGER ? (int)integer_of(status) : 0);
}

PRIMITIVE_OF(collect)
{
	(void)args, (void)n;
	mem_collect();
	return the_nothing;
}

void lists_open(void)
{
	/* clang-format off */
	static const struct { const char *name; primitive_function *call; int least, most, instruction; } all[] = {
		{ "null?", is_null, 1, 1, IS_NULL }, { "pair?", do_is_pair, 1, 1, IS_PAIR }, { "symbol?", do_is_symbol, 1, 1, 0 },
		{ "string?", is_string, 1, 1, 0 }, { "char?", is_character, 1, 1, 0 }, { "vector?", is_vector, 1, 1, 0 },
		{ "boolean?", is_boolean, 1, 1, 0 }, { "procedure?", is_procedure, 1, 1, 0 }, { "eof-object?", is_end, 1, 1, 0 },
		{ "error-object?", is_condition, 1, 1, 0 }, { "not", do_not, 1, 1, NOT }, { "list?", is_list, 1, 1, 0 },
		{ "eq?", do_is_eqv, 2, 2, IS_EQ }, { "eqv?", do_is_eqv, 2, 2, IS_EQ }, { "equal?", do_is_equal, 2, 2, 0 },
		{ "cons", cons, 2, 2, CONS }, { "%cons", cons, 2, 2, CONS }, { "car", do_car, 1, 1, CAR },
		{ "cdr", do_cdr, 1, 1, CDR }, { "set-car!", set_car, 2, 2, 0 }, { "set-cdr!", set_cdr, 2, 2, 0 },
		{ "list", make_list, 0, -1, 0 }, { "length", length, 1, 1, 0 }, { "append", append, 0, -1, 0 },
		{ "%append", append, 0, -1, 0 }, { "reverse", reverse, 1, 1, 0 }, { "list-tail", list_tail, 2, 2, 0 },
		{ "memq", memv, 2, 2, 0 }, { "memv", memv, 2, 2, 0 }, { "%memv", memv, 2, 2, 0 }, { "member", member, 2, 2, 0 },
		{ "assq", assv, 2, 2, 0 }, { "assv", assv, 2, 2, 0 }, { "assoc", assoc, 2, 2, 0 },
		{ "make-vector", do_make_vector, 1, 2, 0 }, { "vector", do_vector, 0, -1, 0 },
		{ "vector-length", vector_length, 1, 1, 0 }, { "vector-ref", vector_ref, 2, 2, VECTOR_REF },
		{ "vector-set!", vector_set, 3, 3, 0 }, { "vector-fill!", vector_fill, 2, 2, 0 },
		{ "vector->list", vector_to_list, 1, 1, 0 }, { "list->vector", list_to_vector, 1, 1, 0 },
		{ "%list->vector", list_to_vector, 1, 1, 0 }, { "values", values, 0, -1, 0 },
		{ "%values->list", values_to_list, 1, 1, 0 }, { "%record-type", record_type, 1, 1, 0 },
		{ "%record", record, 1, -1, 0 }, { "%record?", is_record, 2, 2, 0 }, { "%record-ref", record_ref, 4, 4, 0 },
		{ "%record-set!", record_set, 5, 5, 0 }, { "error", error, 1, -1, 0 },
		{ "error-object-message", condition_message, 1, 1, 0 },
		{ "error-object-irritants", condition_irritants, 1, 1, 0 },
		{ "error-object-line", condition_line, 1, 1, 0 }, { "exit", do_exit, 0, 1, 0 },
		{ "collect-garbage", collect, 0, 0, 0 } };
	/* clang-format on */
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		define_primitive(all[i].name, all[i].call, all[i].least, all[i].most, all[i].instruction);
}
