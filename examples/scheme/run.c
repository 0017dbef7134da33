/* run.c - code runs. What is under way is a chain of frames in the heap, the current one in a local; C's own stack
 * stays as it is, however deep a program's recursion.
 *
 * A frame that a continuation refers to, itself or through callers, is flagged, and is never written to again: who
 * returns to it goes on in a copy. So each call/cc costs a frame and a walk to the first that is flagged. */
#include "scheme.h"

enum { DEPTH_SLACK = 1000 }; /* frames that the handler of "recursion too deep" may have */
static uint32_t depth_most = 10000000;
static symbol *raise_name; /* of the prelude's procedure that calls the handler */

static object *no_primitive(object_ref *args, int n)
{
	(void)args, (void)n;
	return fail("call: a procedure that only a call can do", NULL);
}

void run_open(void)
{
	const char *depth = getenv("SCHEME_DEPTH");
	if (depth && strtoul(depth, NULL, 10) > 0)
		depth_most = strtoul(depth, NULL, 10);
	define_primitive("apply", no_primitive, 2, -1, DO_APPLY);
	define_primitive("%call/cc", no_primitive, 1, 1, DO_CALL_CC);
	define_primitive("%die", no_primitive, 1, 1, DO_DIE);
	raise_name = (symbol *)symbol_named("%raise");
	mem_keep(&raise_name->is);
}

/* ---- Where an error is ---- */

static uint32_t line_at(code *c, uint32_t at)
{
	words *lines = (words *)mem_get(c, lines);
	uint32_t line = 0;
	for (size_t i = 0; i + 1 < lines->length && (uint32_t)lines->at[i] < at; i += 2)
		line = lines->at[i + 1];
	return line;
}

/* The innermost frame of which a line is known: the prelude is of no file. */
static void locate(object *o, frame *f)
{
	if (o->kind != CONDITION || o->flag)
		return;
	o->flag = true;
	for (; f && !o->line; f = (frame *)mem_get(f, caller)) {
		code *c = (code *)mem_get((closure *)mem_get(f, closure), code);
		object *file = mem_get(c, file);
		if (!file)
			continue;
		mem_set((condition *)o, file, file);
		o->line = line_at(c, f->at);
	}
}

/* ---- Calls ---- */

static object *fail_arguments(object *callee, int n)
{
	char text[64];
	snprintf(text, sizeof text, "call: %d argument%s, which is wrong for:", n, n == 1 ? "" : "s");
	return fail(text, callee);
}

/* A frame for a call of me, under caller. NULL: wrong arguments, too deep, or no memory. */
static frame *enter(closure *me, object_ref *args, int n, frame *caller)
{
	code *c = (code *)mem_get(me, code);
	if (n < c->needs || (n > c->needs && !c->has_rest))
		return (frame *)fail_arguments(&me->is, n);
	object *rest = the_nil;
	for (int i = n; c->has_rest && i-- > c->needs;)
		rest = make_pair(ARG(i), rest);
	frame *f = make_frame(c->slots);
	mem_init(f, caller, (object *)caller); /* NULL under a file's form */
	mem_init(f, closure, &me->is);
	for (int i = 0; i < c->needs; i++)
		mem_init(f, slots[i], ARG(i));
	if (c->has_rest)
		mem_init(f, slots[c->needs], rest);
	f->depth = caller ? caller->depth + 1 : 0;
	bool is_deep = f->depth == depth_most && &me->is != mem_get(raise_name, value);
	if (is_deep || f->depth == depth_most + DEPTH_SLACK)
		return (frame *)fail("call: the recursion is too deep", NULL);
	if (memory_failed())
		return (frame *)fail("call: out of memory", NULL);
	return f;
}

static frame *copy_of(frame *f)
{
	int slots = ((code *)mem_get((closure *)mem_get(f, closure), code))->slots;
	frame *copy = make_frame(slots);
	copy->at = f->at;
	copy->depth = f->depth;
	mem_init(copy, caller, mem_get(f, caller));
	mem_init(copy, closure, mem_get(f, closure));
	for (int i = 0; i < slots; i++)
		mem_init(copy, slots[i], mem_get(f, slots[i]));
	return copy;
}

static frame *flagged(frame *f)
{
	for (frame *o = f; o && !o->is.flag; o = (frame *)mem_get(o, caller))
		o->is.flag = true;
	return f;
}

/* The arguments of an apply, spread; NULL: the last is no list. */
static vector *spread(object_ref *args, int n)
{
	int64_t more = list_length(ARG(n - 1));
	if (more < 0)
		return (vector *)fail_kind("apply", "a list", ARG(n - 1));
	vector *v = make_vector(VECTOR, n - 2 + more, NULL);
	for (int i = 1; i < n - 1; i++)
		mem_set(v, items[i - 1], ARG(i));
	object *list = ARG(n - 1);
	for (int64_t i = 0; i < more; i++, list = cdr(list))
		mem_set(v, items[n - 2 + i], car(list));
	return v;
}

static vector *one_argument(object *o)
{
	return make_vector(VECTOR, 1, o);
}

/* What went wrong, as it is told when nobody handles it. */
static void die(object *o, frame *f)
{
	if (o->kind != CONDITION) {
		static const char text[] = "raise: nobody handles";
		o = make_condition(&make_string(text, sizeof text - 1)->is, LIST1(o));
	}
	locate(o, f);
	raise_object(o);
}

static object *boxed_value(object *b)
{
	object *value = mem_get((box *)b, value);
	return value ? value : fail("variable: used before it has a value", NULL);
}

static object *vector_ref(object *v, object *i)
{
	if (v->kind != VECTOR)
		return fail_kind("vector-ref", "a vector", v);
	if (i->kind != INTEGER || (uint64_t)integer_of(i) >= ((vector *)v)->length)
		return fail_kind("vector-ref", "an index of it", i);
	return mem_get((vector *)v, items[integer_of(i)]);
}

static object *global_value(object *name)
{
	object *value = mem_get((symbol *)name, value);
	return value ? value : fail("variable: not defined:", name);
}

static object *add(object *a, object *b)
{
	int64_t sum;
	if (a->kind == INTEGER && b->kind == INTEGER && !__builtin_add_overflow(integer_of(a), integer_of(b), &sum))
		return make_integer(sum);
	return number_add(a, b);
}

static object *subtract(object *a, object *b)
{
	int64_t rest;
	if (a->kind == INTEGER && b->kind == INTEGER && !__builtin_sub_overflow(integer_of(a), integer_of(b), &rest))
		return make_integer(rest);
	return number_subtract(a, b);
}

static object *compare(object *a, object *b, int wanted, const char *who)
{
	if (a->kind != INTEGER || b->kind != INTEGER)
		return number_compare(a, b, wanted, who);
	int64_t x = integer_of(a), y = integer_of(b);
	return boolean(wanted & (x < y ? 1 : x == y ? 2 : 4));
}

#define X(word) ((word) >= 0 ? mem_get(f, slots[word]) : mem_get(constants, items[~(word)]))
#define PUT(d, value)                                                                                                  \
	do {                                                                                                           \
		object *value_ = (value);                                                                              \
		if (!value_)                                                                                           \
			goto failed;                                                                                   \
		mem_set(f, slots[d], value_);                                                                          \
	} while (0)

/* long: a dispatch switch, and what a call, a return and a failure do to its variables */
object *run(closure *start)
{
	closure *me;
	vector *constants, *held; /* held: keeps args */
	const int32_t *text, *at;
	object_ref *args;
	object *callee, *value;
	int n;
	bool is_tail;
	frame *f = enter(start, NULL, 0, NULL), *next;
	if (!f)
		return NULL;
resume: /* f goes on where it says */
	me = (closure *)mem_get(f, closure);
	constants = (vector *)mem_get((code *)mem_get(me, code), constants);
	text = ((words *)mem_get((code *)mem_get(me, code), text))->at;
	at = text + f->at;
go_on:
	for (;;) {
		const int32_t *i = at;
		switch (*i) {
		case MOVE: mem_set(f, slots[i[1]], X(i[2])); at += 3; break;
		case GLOBAL: at += 3; PUT(i[1], global_value(mem_get(constants, items[i[2]]))); break;
		case FREE: mem_set(f, slots[i[1]], mem_get(me, captured[i[2]])); at += 3; break;
		case SELF: mem_set(f, slots[i[1]], &me->is); at += 2; break;
		case UNBOX: at += 3; PUT(i[1], boxed_value(mem_get(f, slots[i[2]]))); break;
		case UNBOX_FREE: at += 3; PUT(i[1], boxed_value(mem_get(me, captured[i[2]]))); break;
		case MAKE_BOX: mem_set(f, slots[i[1]], make_box(X(i[2]))); at += 3; break;
		case EMPTY_BOX: mem_set(f, slots[i[1]], make_box(NULL)); at += 2; break;
		case SET_BOX: mem_set((box *)mem_get(f, slots[i[1]]), value, X(i[2])); at += 3; break;
		case SET_FREE: mem_set((box *)mem_get(me, captured[i[1]]), value, X(i[2])); at += 3; break;
		case SET_GLOBAL:
			at += 3;
			if (!global_value(mem_get(constants, items[i[1]])))
				goto failed;
			mem_set((symbol *)mem_get(constants, items[i[1]]), value, X(i[2]));
			break;
		case DEFINE_GLOBAL:
			define_symbol((symbol *)mem_get(constants, items[i[1]]), X(i[2]));
			at += 3;
			break;
		case MAKE_CLOSURE: {
			closure *made = make_closure((code *)mem_get(constants, items[i[2]]), i[3]);
			for (int k = 0; k < i[3]; k++)
				mem_init(made, captured[k], i[4 + k] >= 0 ? mem_get(f, slots[i[4 + k]])
									  : mem_get(me, captured[~i[4 + k]]));
			mem_set(f, slots[i[1]], &made->is);
			at += 4 + i[3];
			break;
		}
		case JUMP: at = text + i[1]; break;
		case JUMP_UNLESS: at = X(i[1]) == the_false ? text + i[2] : i + 3; break;
		case CAR:
			at += 3, value = X(i[2]);
			PUT(i[1], is_pair(value) ? car(value) : fail_kind("car", "a pair", value));
			break;
		case CDR:
			at += 3, value = X(i[2]);
			PUT(i[1], is_pair(value) ? cdr(value) : fail_kind("cdr", "a pair", value));
			break;
		case NOT: mem_set(f, slots[i[1]], boolean(X(i[2]) == the_false)); at += 3; break;
		case IS_NULL: mem_set(f, slots[i[1]], boolean(X(i[2]) == the_nil)); at += 3; break;
		case IS_PAIR: mem_set(f, slots[i[1]], boolean(is_pair(X(i[2])))); at += 3; break;
		case ADD: at += 4; PUT(i[1], add(X(i[2]), X(i[3]))); break;
		case SUBTRACT: at += 4; PUT(i[1], subtract(X(i[2]), X(i[3]))); break;
		case MULTIPLY: at += 4; PUT(i[1], number_multiply(X(i[2]), X(i[3]))); break;
		case LESS: at += 4; PUT(i[1], compare(X(i[2]), X(i[3]), 1, "<")); break;
		case MORE: at += 4; PUT(i[1], compare(X(i[2]), X(i[3]), 4, ">")); break;
		case EQUAL: at += 4; PUT(i[1], compare(X(i[2]), X(i[3]), 2, "=")); break;
		case IS_EQ: mem_set(f, slots[i[1]], boolean(is_eqv(X(i[2]), X(i[3])))); at += 4; break;
		case CONS: mem_set(f, slots[i[1]], make_pair(X(i[2]), X(i[3]))); at += 4; break;
		case VECTOR_REF: at += 4; PUT(i[1], vector_ref(X(i[2]), X(i[3]))); break;
		case CALL:
		case TAIL:
			is_tail = *i == TAIL;
			callee = mem_get(f, slots[i[1]]);
			args = &f->slots[i[1] + 1];
			n = i[2];
			at += 3;
			f->at = at - text;
			goto call;
		case RETURN: value = X(i[1]); goto give;
		default: abort();
		}
	}
call: /* callee with n args */
	switch (callee->kind) {
	case CLOSURE:
		next = enter((closure *)callee, args, n, is_tail ? (frame *)mem_get(f, caller) : f);
		if (!next)
			goto failed_call;
		f = next;
		goto resume;
	case CONTINUATION:
		if (n != 1) {
			held = make_vector(VALUES, n, NULL);
			for (int k = 0; k < n; k++)
				mem_set(held, items[k], ARG(k));
		}
		value = n == 1 ? ARG(0) : &held->is;
		next = (frame *)mem_get((continuation *)callee, frame);
		goto give_to_next;
	case PRIMITIVE: break;
	default: fail_kind("call", "a procedure", callee); goto failed_call;
	}
	primitive *p = (primitive *)callee;
	if (n < p->least || (p->most >= 0 && n > p->most)) {
		fail_arguments(callee, n);
		goto failed_call;
	}
	switch (p->instruction) {
	case DO_APPLY:
		callee = ARG(0);
		held = spread(args, n);
		if (!held)
			goto failed_call;
		args = held->items;
		n = held->length;
		goto call;
	case DO_CALL_CC:
		next = flagged(is_tail ? (frame *)mem_get(f, caller) : copy_of(f));
		callee = ARG(0);
		held = one_argument(&make_continuation(next)->is);
		args = held->items;
		goto call;
	case DO_DIE: die(ARG(0), f); return NULL;
	}
	value = p->call(args, n);
	if (!value)
		goto failed_call;
	if (!is_tail) {
		mem_set(f, slots[at[-2]], value);
		goto go_on;
	}
give: /* value to f's caller */
	next = (frame *)mem_get(f, caller);
give_to_next:
	if (!next)
		return value;
	f = next->is.flag ? copy_of(next) : next;
	me = (closure *)mem_get(f, closure);
	text = ((words *)mem_get((code *)mem_get(me, code), text))->at;
	mem_set(f, slots[text[f->at - 2]], value);
	goto resume;
failed: /* in an instruction, or in a call: the prelude's raise is called with what was raised */
	f->at = at - text;
failed_call:
	locate(raised(), f);
	callee = mem_get(raise_name, value);
	if (!callee || f->depth + 1 >= depth_most + DEPTH_SLACK) {
		die(raised(), f);
		return NULL;
	}
	held = one_argument(raised());
	args = held->items;
	n = 1;
	is_tail = false;
	goto call;
}
