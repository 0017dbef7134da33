/* forms.c - derived forms in simpler ones. Keywords stand in what is made as the objects that they are, so that no
 * variable of the program's can come between; what is called by name begins with %, but for what analyze.c knows. */
#include "scheme.h"

static object *specials[SPECIALS];

object *sp(special which) { return specials[which]; }

void forms_open(void)
{
	static const char *const names_of[SPECIALS] = { [QUOTE] = "quote", [IF] = "if", [DEFINE] = "define",
		[SET] = "set!",
		[LAMBDA_FORM] = "lambda", [BEGIN] = "begin", [LET] = "let", [LETREC] = "letrec",
		[DEFINE_SYNTAX] = "define-syntax", [LET_STAR] = "let*", [AND] = "and", [OR] = "or",
		[WHEN] = "when", [UNLESS] = "unless", [COND] = "cond", [CASE] = "case", [DO] = "do",
		[QUASIQUOTE] = "quasiquote", [GUARD] = "guard", [DEFINE_RECORD] = "define-record-type",
		[DELAY] = "delay",
		[PARAMETERIZE] = "parameterize", [LET_VALUES] = "let-values", [ASSERT] = "assert" };
	for (int i = 1; i < SPECIALS; i++) {
		specials[i] = make_special(i);
		define_symbol((symbol *)symbol_named(names_of[i]), specials[i]);
	}
	define_symbol((symbol *)symbol_named("letrec*"), specials[LETREC]);
	define_symbol((symbol *)symbol_named("let*-values"), specials[LET_VALUES]);
}

object *fail_form(const char *what, object *form)
{
	char text[96];
	snprintf(text, sizeof text, "%s: not of the right shape:", what);
	return fail(text, form);
}

static object *name_of(const char *name) { return symbol_named(name); }
static object *thunk(object *body) { return make_pair(sp(LAMBDA_FORM), make_pair(the_nil, body)); }
static object *quoted(object *datum) { return LIST2(sp(QUOTE), datum); }
static object *begin(object *body) { return make_pair(sp(BEGIN), body); }

/* (let* ((a x) b ...) body ...): one let around the rest. */
static object *rewrite_let_star(object *form)
{
	object *bindings = car(cdr(form)), *body = cdr(cdr(form));
	if (!is_pair(bindings) || !is_pair(cdr(bindings)))
		return make_pair(sp(LET), cdr(form));
	return LIST3(sp(LET), LIST1(car(bindings)), make_pair(sp(LET_STAR), make_pair(cdr(bindings), body)));
}

static object *rewrite_and(object *form)
{
	object *parts = cdr(form);
	if (parts == the_nil)
		return the_true;
	return cdr(parts) == the_nil ? car(parts)
				     : LIST4(sp(IF), car(parts), make_pair(sp(AND), cdr(parts)), the_false);
}

static object *rewrite_or(object *form)
{
	object *parts = cdr(form);
	if (parts == the_nil)
		return the_false;
	if (cdr(parts) == the_nil)
		return car(parts);
	object *name = name_of(" or"); /* no program can write this name */
	return LIST3(sp(LET), LIST1(LIST2(name, car(parts))), LIST4(sp(IF), name, name, make_pair(sp(OR), cdr(parts))));
}

static object *rewrite_when(object *form, bool wanted)
{
	object *body = begin(cdr(cdr(form)));
	return LIST4(sp(IF), car(cdr(form)), wanted ? body : the_nothing, wanted ? the_nothing : body);
}

static object *rewrite_cond(object *form)
{
	object *clauses = cdr(form);
	if (clauses == the_nil)
		return the_nothing;
	object *clause = car(clauses), *rest = make_pair(sp(COND), cdr(clauses));
	if (!is_pair(clause))
		return fail_form("cond", clause);
	if (car(clause) == name_of("else"))
		return begin(cdr(clause));
	if (cdr(clause) == the_nil)
		return LIST3(sp(OR), car(clause), rest);
	if (car(cdr(clause)) == name_of("=>") && is_pair(cdr(cdr(clause)))) {
		object *name = name_of(" cond");
		return LIST3(sp(LET), LIST1(LIST2(name, car(clause))),
			LIST4(sp(IF), name, LIST2(car(cdr(cdr(clause))), name), rest));
	}
	return LIST4(sp(IF), car(clause), begin(cdr(clause)), rest);
}

/* (case key ((datum ...) body ...) ... (else body ...)) */
static object *rewrite_case(object *form)
{
	object *key = name_of(" case"), *clauses = the_nil;
	for (object *o = cdr(cdr(form)); is_pair(o); o = cdr(o)) {
		object *clause = car(o);
		if (!is_pair(clause))
			return fail_form("case", clause);
		object *test = is_pair(car(clause)) || car(clause) == the_nil
			? LIST3(name_of("%memv"), key, quoted(car(clause))) : car(clause);
		object *body = is_pair(cdr(clause)) && car(cdr(clause)) == name_of("=>")
			? LIST1(LIST2(car(cdr(cdr(clause))), key)) : cdr(clause);
		clauses = make_pair(make_pair(test, body), clauses);
	}
	return LIST3(sp(LET), LIST1(LIST2(key, car(cdr(form)))), make_pair(sp(COND), reversed(clauses, the_nil)));
}

/* (do ((name first next) ...) (test result ...) body ...) is a named let. */
static object *rewrite_do(object *form)
{
	object *bindings = the_nil, *steps = the_nil, *end = is_pair(cdr(cdr(form))) ? car(cdr(cdr(form))) : the_nil;
	for (object *o = car(cdr(form)); is_pair(o); o = cdr(o)) {
		object *b = car(o);
		if (list_length(b) < 2)
			return fail_form("do", b);
		bindings = make_pair(LIST2(car(b), car(cdr(b))), bindings);
		steps = make_pair(is_pair(cdr(cdr(b))) ? car(cdr(cdr(b))) : car(b), steps);
	}
	if (!is_pair(end))
		return fail_form("do", form);
	object *loop = name_of(" do"), *again = make_pair(loop, reversed(steps, the_nil));
	object *body = begin(reversed(reversed(cdr(cdr(cdr(form))), the_nil), LIST1(again)));
	object *result = cdr(end) == the_nil ? the_nothing : begin(cdr(end));
	return make_pair(sp(LET), LIST3(loop, reversed(bindings, the_nil), LIST4(sp(IF), car(end), result, body)));
}

static bool is_form(object *x, const char *name)
{
	return is_pair(x) && car(x) == name_of(name) && is_pair(cdr(x));
}

/* depth: of quasiquotes around x. */
static object *quasi(object *x, int depth)
{
	if (x->kind == VECTOR) {
		object *list = the_nil;
		for (size_t i = ((vector *)x)->length; i--;)
			list = make_pair(mem_get((vector *)x, items[i]), list);
		return LIST2(name_of("%list->vector"), quasi(list, depth));
	}
	if (!is_pair(x))
		return quoted(x);
	if (is_form(x, "unquote") && depth == 1)
		return car(cdr(x));
	int inner = depth + (is_form(x, "quasiquote") ? 1 : is_form(x, "unquote") ? -1 : 0);
	if (is_form(car(x), "unquote-splicing") && depth == 1)
		return LIST3(name_of("%append"), car(cdr(car(x))), quasi(cdr(x), depth));
	return LIST3(name_of("%cons"), quasi(car(x), inner), quasi(cdr(x), inner));
}

/* (guard (name clause ...) body ...) */
static object *rewrite_guard(object *form)
{
	object *head = car(cdr(form));
	if (!is_pair(head) || !is_symbol(car(head)))
		return fail_form("guard", form);
	object *again = LIST2(name_of("else"), LIST2(name_of("raise-continuable"), car(head)));
	object *clauses = reversed(reversed(cdr(head), the_nil), LIST1(again));
	object *handler = LIST3(sp(LAMBDA_FORM), LIST1(car(head)), make_pair(sp(COND), clauses));
	return LIST3(name_of("%guard"), thunk(cdr(cdr(form))), handler);
}

static object *define_form(object *name, object *value) { return LIST3(sp(DEFINE), name, value); }

/* What a constructor, a predicate, an accessor and a modifier of a record do. */
static object *record_maker(object *type, object *maker, object *fields)
{
	object *values = the_nil;
	for (object *o = fields; is_pair(o); o = cdr(o)) {
		object *field = is_pair(car(o)) ? car(car(o)) : car(o), *given = the_false;
		for (object *p = cdr(maker); is_pair(p); p = cdr(p))
			given = car(p) == field ? field : given;
		values = make_pair(given, values);
	}
	object *make = make_pair(name_of("%record"), make_pair(type, reversed(values, the_nil)));
	return define_form(car(maker), LIST3(sp(LAMBDA_FORM), cdr(maker), make));
}

static object *record_access(object *type, object *who, size_t i, bool stores)
{
	object *o = name_of("record"), *v = name_of("value");
	object *more = make_pair(make_integer(i), make_pair(quoted(who), stores ? LIST1(v) : the_nil));
	object *call = make_pair(name_of(stores ? "%record-set!" : "%record-ref"), make_pair(o, make_pair(type, more)));
	return define_form(who, LIST3(sp(LAMBDA_FORM), stores ? LIST2(o, v) : LIST1(o), call));
}

/* (define-record-type name (maker field ...) predicate (field accessor [modifier]) ...) */
static object *rewrite_record(object *form)
{
	if (list_length(form) < 4)
		return fail_form("define-record-type", form);
	object *type = car(cdr(form)), *maker = car(cdr(cdr(form))), *is = car(cdr(cdr(cdr(form))));
	object *fields = cdr(cdr(cdr(cdr(form)))), *o = name_of("record"), *made = the_nil;
	type = is_pair(type) ? car(type) : type;
	made = make_pair(define_form(type, LIST2(name_of("%record-type"), quoted(type))), made);
	if (is_pair(maker))
		made = make_pair(record_maker(type, maker, fields), made);
	object *test = LIST3(sp(LAMBDA_FORM), LIST1(o), LIST3(name_of("%record?"), o, type));
	if (is_symbol(is))
		made = make_pair(define_form(is, test), made);
	for (size_t i = 1; is_pair(fields); fields = cdr(fields), i++) {
		object *field = is_pair(car(fields)) ? cdr(car(fields)) : the_nil;
		if (is_pair(field))
			made = make_pair(record_access(type, car(field), i, false), made);
		if (is_pair(field) && is_pair(cdr(field)))
			made = make_pair(record_access(type, car(cdr(field)), i, true), made);
	}
	return begin(reversed(made, the_nil));
}

static object *rewrite_parameterize(object *form)
{
	object *pairs = the_nil;
	for (object *o = car(cdr(form)); is_pair(o); o = cdr(o)) {
		if (list_length(car(o)) != 2)
			return fail_form("parameterize", car(o));
		pairs = LIST3(name_of("%cons"), LIST3(name_of("%cons"), car(car(o)), car(cdr(car(o)))), pairs == the_nil
			? quoted(the_nil) : pairs);
	}
	return LIST3(name_of("%parameterize"), pairs == the_nil ? quoted(the_nil) : pairs, thunk(cdr(cdr(form))));
}

/* (let-values (((name ...) values) ...) body ...): each sees those before it. */
static object *rewrite_let_values(object *form)
{
	object *bindings = car(cdr(form)), *body = cdr(cdr(form));
	if (!is_pair(bindings))
		return make_pair(sp(LET), make_pair(the_nil, body));
	if (list_length(car(bindings)) != 2)
		return fail_form("let-values", form);
	object *rest = make_pair(sp(LET_VALUES), make_pair(cdr(bindings), body));
	return LIST3(name_of("call-with-values"), thunk(cdr(car(bindings))),
		LIST3(sp(LAMBDA_FORM), car(car(bindings)), rest));
}

object *rewrite_form(special which, object *form)
{
	bool is_any = which == AND || which == OR || which == COND;
	if (list_length(form) < (is_any ? 1 : 2))
		return fail_form("syntax", form);
	object *first = is_any ? NULL : car(cdr(form));
	switch (which) {
	case LET_STAR: return rewrite_let_star(form);
	case AND: return rewrite_and(form);
	case OR: return rewrite_or(form);
	case WHEN: return rewrite_when(form, true);
	case UNLESS: return rewrite_when(form, false);
	case COND: return rewrite_cond(form);
	case CASE: return rewrite_case(form);
	case DO: return rewrite_do(form);
	case QUASIQUOTE: return quasi(first, 1);
	case GUARD: return rewrite_guard(form);
	case DEFINE_RECORD: return rewrite_record(form);
	case DELAY: return LIST2(name_of("%make-promise"), thunk(cdr(form)));
	case PARAMETERIZE: return rewrite_parameterize(form);
	case LET_VALUES: return rewrite_let_values(form);
	case ASSERT: return LIST4(sp(IF), first, the_nothing, LIST2(name_of("%assert-failed"), quoted(first)));
	default: return fail_form("syntax", form);
	}
}
