/* analyze.c - data to trees: whose variable a name is, which variables are assigned to, which are captured.
 *
 * A tree is a VARIABLE, a SYMBOL (global), a LAMBDA, a list whose head is a SPECIAL, a call (any other list), or else a
 * constant. Of lists with a SPECIAL there are:
 *   (QUOTE . datum)  (IF test then else)  (SET variable-or-symbol value)  (DEFINE symbol value)  (BEGIN tree ...)
 *   (LET ((variable . tree) ...) tree ...)  (LETREC ((variable . tree) ...) tree ...)
 * A scope is a list of (symbol . variable), the innermost first. */
#include "scheme.h"

static object *analyze(object *x, object *scope, lambda *owner);
static object *analyze_body(object *body, object *scope, lambda *owner);

static variable *find_variable(object *name, object *scope)
{
	for (; is_pair(scope); scope = cdr(scope))
		if (car(car(scope)) == name)
			return (variable *)cdr(car(scope));
	return NULL;
}

/* What the head of a form stands for: a SPECIAL, a MACRO, or NULL where it is a call. */
static object *syntax_of(object *head, object *scope)
{
	if (head->kind == SPECIAL)
		return head;
	return is_symbol(head) && !find_variable(head, scope) ? mem_get((symbol *)head, syntax) : NULL;
}

static object *bind(object *name, lambda *owner, object *scope)
{
	return make_pair(make_pair(name, &make_variable(name, owner)->is), scope);
}

static object *at_line_of(object *made, object *form)
{
	if (made && is_pair(made) && is_pair(form) && !made->line)
		made->line = form->line;
	return made;
}

/* The form without macros and derived forms at its head. */
static object *simplified(object *x, object *scope)
{
	while (x && is_pair(x)) {
		object *syntax = syntax_of(car(x), scope), *form = x;
		if (!syntax || (syntax->kind == SPECIAL && integer_of(syntax) < LET_STAR))
			return x;
		x = syntax->kind == MACRO ? expand_macro((vector *)syntax, x)
					  : rewrite_form((special)integer_of(syntax), x);
		at_line_of(x, form);
	}
	return x;
}

static bool is_special(object *x, special which, object *scope)
{
	object *syntax = is_pair(x) ? syntax_of(car(x), scope) : NULL;
	return syntax && syntax->kind == SPECIAL && integer_of(syntax) == (int)which;
}

static object *analyze_list(object *list, object *scope, lambda *owner)
{
	object *made = the_nil;
	for (; is_pair(list); list = cdr(list)) {
		object *x = analyze(car(list), scope, owner);
		if (!x)
			return NULL;
		made = make_pair(x, made);
	}
	return list == the_nil ? reversed(made, the_nil) : fail("syntax: a form that does not end", NULL);
}

static object *analyze_reference(object *name, object *scope, lambda *owner)
{
	variable *v = find_variable(name, scope);
	if (!v)
		return mem_get((symbol *)name, syntax) ? fail("syntax: a keyword is no variable:", name) : name;
	if (mem_get(v, owner) != &owner->is)
		v->is_captured = true;
	return &v->is;
}

/* ---- Procedures ---- */

static object *analyze_lambda(object *form, object *title, object *scope)
{
	if (list_length(form) < 3)
		return fail_form("lambda", form);
	lambda *l = make_lambda(title);
	object *names = car(cdr(form)), *variables = the_nil;
	for (; is_pair(names); names = cdr(names), l->needs++) {
		if (!is_symbol(car(names)))
			return fail_form("lambda", form);
		scope = bind(car(names), l, scope);
		variables = make_pair(cdr(car(scope)), variables);
	}
	if (is_symbol(names)) {
		l->has_rest = true;
		scope = bind(names, l, scope);
		variables = make_pair(cdr(car(scope)), variables);
	} else if (names != the_nil) {
		return fail_form("lambda", form);
	}
	mem_set(l, parameters, reversed(variables, the_nil));
	object *body = analyze_body(cdr(cdr(form)), scope, l);
	if (!body)
		return NULL;
	mem_set(l, body, body);
	return &l->is;
}

/* The value of a variable: a procedure gets its name. */
static object *analyze_value(object *x, object *name, object *scope, lambda *owner)
{
	x = simplified(x, scope);
	if (x && is_special(x, LAMBDA_FORM, scope))
		return at_line_of(analyze_lambda(x, name, scope), x);
	return x ? analyze(x, scope, owner) : NULL;
}

/* ---- Definitions ---- */

/* (define name value), (define (name . parameters) body ...): (name . value). */
static object *definition(object *form)
{
	object *target = is_pair(cdr(form)) ? car(cdr(form)) : the_nil, *value = the_nothing;
	if (is_pair(target)) {
		value = make_pair(sp(LAMBDA_FORM), make_pair(cdr(target), cdr(cdr(form))));
		value->line = form->line;
		target = car(target);
	} else if (is_symbol(target) && is_pair(cdr(cdr(form)))) {
		value = car(cdr(cdr(form)));
	}
	return is_symbol(target) ? make_pair(target, value) : fail_form("define", form);
}

/* ((name . form) ...), each in the scope of all. */
static object *analyze_letrec(object *bindings, object *body, object *scope, lambda *owner)
{
	object *made = the_nil, *inner = scope;
	for (object *o = bindings; is_pair(o); o = cdr(o))
		inner = bind(car(car(o)), owner, inner);
	for (object *o = bindings; is_pair(o); o = cdr(o)) {
		variable *v = find_variable(car(car(o)), inner);
		v->is_recursive = true;
		object *value = analyze_value(cdr(car(o)), car(car(o)), inner, owner);
		if (!value)
			return NULL;
		if (value->kind == LAMBDA)
			mem_set(v, holds, value);
		made = make_pair(make_pair(&v->is, value), made);
	}
	object *rest = analyze_list(body, inner, owner);
	return rest ? make_pair(sp(LETREC), make_pair(reversed(made, the_nil), rest)) : NULL;
}

/* Macros at the heads of a body's forms are gone in what it returns, and what begin holds is spliced in; reversed. */
static object *flat_body(object *body, object *scope, object *made, bool *defines)
{
	for (; made && is_pair(body); body = cdr(body)) {
		object *x = simplified(car(body), scope);
		if (!x)
			return NULL;
		if (is_special(x, BEGIN, scope) && is_pair(cdr(x))) {
			made = flat_body(cdr(x), scope, made, defines);
			continue;
		}
		*defines |= is_special(x, DEFINE, scope);
		made = make_pair(x, made);
	}
	return made;
}

/* Definitions in a body are a letrec around what follows the last; an expression between them is the value of a
 * variable without a use. */
static object *analyze_body(object *body, object *scope, lambda *owner)
{
	bool defines = false;
	object *forms = flat_body(body, scope, the_nil, &defines), *rest = the_nil, *bindings = the_nil;
	if (!forms)
		return NULL;
	if (forms == the_nil)
		return fail("syntax: an empty body", NULL);
	if (!defines) {
		object *list = analyze_list(reversed(forms, the_nil), scope, owner);
		return list ? make_pair(sp(BEGIN), list) : NULL;
	}
	for (; !is_special(car(forms), DEFINE, scope); forms = cdr(forms))
		rest = make_pair(car(forms), rest);
	for (; is_pair(forms); forms = cdr(forms)) {
		bool is_definition = is_special(car(forms), DEFINE, scope);
		object *b = is_definition ? definition(car(forms)) : make_pair(symbol_named(" body"), car(forms));
		if (!b)
			return NULL;
		bindings = make_pair(b, bindings);
	}
	return analyze_letrec(bindings, rest == the_nil ? LIST1(the_nothing) : rest, scope, owner);
}

static object *analyze_define(object *form, object *scope, lambda *owner)
{
	if (scope != the_nil)
		return fail("define: not at the beginning of a body:", form);
	object *d = definition(form), *value = d ? analyze_value(cdr(d), car(d), scope, owner) : NULL;
	if (value && mem_get((symbol *)car(d), syntax)) /* the name is a variable from here on */
		mem_set((symbol *)car(d), syntax, NULL);
	return value ? LIST3(sp(DEFINE), car(d), value) : NULL;
}

/* ---- Bindings ---- */

static bool are_bindings(object *list)
{
	for (; is_pair(list); list = cdr(list))
		if (list_length(car(list)) != 2 || !is_symbol(car(car(list))))
			return false;
	return list == the_nil;
}

/* (let name ((variable value) ...) body ...): a procedure that is called where it is defined. */
static object *analyze_named_let(object *form, object *scope, lambda *owner)
{
	object *name = car(cdr(form)), *bindings = car(cdr(cdr(form))), *body = cdr(cdr(cdr(form)));
	object *names = the_nil, *values = the_nil;
	if (!are_bindings(bindings) || body == the_nil)
		return fail_form("let", form);
	for (object *o = bindings; is_pair(o); o = cdr(o)) {
		names = make_pair(car(car(o)), names);
		values = make_pair(car(cdr(car(o))), values);
	}
	object *procedure = make_pair(sp(LAMBDA_FORM), make_pair(reversed(names, the_nil), body));
	procedure->line = form->line;
	object *loop = analyze_letrec(LIST1(make_pair(name, procedure)), LIST1(name), scope, owner);
	object *arguments = loop ? analyze_list(reversed(values, the_nil), scope, owner) : NULL;
	return arguments ? at_line_of(make_pair(loop, arguments), form) : NULL;
}

static object *analyze_let(object *form, object *scope, lambda *owner)
{
	if (list_length(form) >= 4 && is_symbol(car(cdr(form))))
		return analyze_named_let(form, scope, owner);
	if (list_length(form) < 3 || !are_bindings(car(cdr(form))))
		return fail_form("let", form);
	object *made = the_nil, *inner = scope;
	for (object *o = car(cdr(form)); is_pair(o); o = cdr(o)) {
		object *value = analyze_value(car(cdr(car(o))), car(car(o)), scope, owner);
		if (!value)
			return NULL;
		inner = bind(car(car(o)), owner, inner);
		made = make_pair(make_pair(cdr(car(inner)), value), made);
	}
	object *body = analyze_body(cdr(cdr(form)), inner, owner);
	return body ? LIST3(sp(LET), reversed(made, the_nil), body) : NULL;
}

static object *analyze_letrec_form(object *form, object *scope, lambda *owner)
{
	if (list_length(form) < 3 || !are_bindings(car(cdr(form))))
		return fail_form("letrec", form);
	object *bindings = the_nil;
	for (object *o = car(cdr(form)); is_pair(o); o = cdr(o))
		bindings = make_pair(make_pair(car(car(o)), car(cdr(car(o)))), bindings);
	object *body = LIST1(make_pair(sp(LET), make_pair(the_nil, cdr(cdr(form)))));
	return analyze_letrec(reversed(bindings, the_nil), body, scope, owner);
}

/* ---- Forms ---- */

static object *analyze_if(object *form, object *scope, lambda *owner)
{
	int64_t n = list_length(form);
	object *parts = n == 3 || n == 4 ? analyze_list(cdr(form), scope, owner) : fail_form("if", form);
	if (!parts)
		return NULL;
	object *otherwise = n == 4 ? car(cdr(cdr(parts))) : the_nothing;
	return LIST4(sp(IF), car(parts), car(cdr(parts)), otherwise);
}

static object *analyze_set(object *form, object *scope, lambda *owner)
{
	if (list_length(form) != 3 || !is_symbol(car(cdr(form))))
		return fail_form("set!", form);
	object *target = analyze_reference(car(cdr(form)), scope, owner);
	object *value = target ? analyze(car(cdr(cdr(form))), scope, owner) : NULL;
	if (value && target->kind == VARIABLE)
		((variable *)target)->is_assigned = true;
	return value ? LIST3(sp(SET), target, value) : NULL;
}

static object *analyze_syntax(object *form, object *scope)
{
	if (list_length(form) != 3 || !is_symbol(car(cdr(form))) || scope != the_nil)
		return fail_form("define-syntax", form);
	object *macro = make_macro(car(cdr(cdr(form))));
	if (!macro)
		return NULL;
	symbol *name = (symbol *)car(cdr(form));
	define_symbol(name, the_nothing); /* so that the symbol is kept */
	mem_set(name, syntax, macro);
	return the_nothing;
}

static object *analyze_begin(object *form, object *scope, lambda *owner)
{
	object *list = analyze_list(cdr(form), scope, owner);
	if (!list)
		return NULL;
	return list == the_nil ? the_nothing : make_pair(sp(BEGIN), list);
}

static object *analyze_special(special which, object *form, object *scope, lambda *owner)
{
	switch (which) {
	case QUOTE:
		if (list_length(form) != 2)
			return fail_form("quote", form);
		return make_pair(sp(QUOTE), car(cdr(form)));
	case IF: return analyze_if(form, scope, owner);
	case DEFINE: return analyze_define(form, scope, owner);
	case SET: return analyze_set(form, scope, owner);
	case LAMBDA_FORM: return analyze_lambda(form, NULL, scope);
	case BEGIN: return analyze_begin(form, scope, owner);
	case LET: return analyze_let(form, scope, owner);
	case LETREC: return analyze_letrec_form(form, scope, owner);
	case DEFINE_SYNTAX: return analyze_syntax(form, scope);
	default: return fail_form("syntax", form);
	}
}

static object *analyze(object *x, object *scope, lambda *owner)
{
	object *form = x;
	x = simplified(x, scope);
	if (!x)
		return NULL;
	if (is_symbol(x))
		return analyze_reference(x, scope, owner);
	if (!is_pair(x))
		return x == the_nil ? fail("syntax: an empty list is no form", NULL) : x;
	object *syntax = syntax_of(car(x), scope);
	object *made = syntax ? analyze_special((special)integer_of(syntax), x, scope, owner)
			      : analyze_list(x, scope, owner);
	return at_line_of(made, is_pair(form) && form->line ? form : x);
}

/* A procedure without parameters, whose body the form is. */
object *analyze_top(object *form)
{
	lambda *l = make_lambda(NULL);
	object *body = analyze(form, the_nil, l);
	if (!body)
		return NULL;
	mem_set(l, body, body);
	return &l->is;
}
