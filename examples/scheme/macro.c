/* macro.c - syntax-rules: patterns are matched, templates filled. Names that a template brings along are seen where it
 * is used, as if they had been typed there. A macro is a vector: the literals, the rules. */
#include "scheme.h"

object *make_macro(object *rules)
{
	if (list_length(rules) < 2 || car(rules) != symbol_named("syntax-rules"))
		return fail_form("define-syntax", rules);
	for (object *o = cdr(cdr(rules)); is_pair(o); o = cdr(o))
		if (list_length(car(o)) != 2 || !is_pair(car(car(o))))
			return fail_form("syntax-rules", car(o));
	vector *m = make_vector(MACRO, 2, NULL);
	mem_set(m, items[0], car(cdr(rules)));
	mem_set(m, items[1], cdr(cdr(rules)));
	return &m->is;
}

static bool is_dots(object *o) { return is_symbol(o) && o == symbol_named("..."); }
static bool has_dots(object *pattern) { return is_pair(cdr(pattern)) && is_dots(car(cdr(pattern))); }

static bool is_literal(vector *macro, object *name)
{
	for (object *o = mem_get(macro, items[0]); is_pair(o); o = cdr(o))
		if (car(o) == name)
			return true;
	return false;
}

static int64_t pairs_in(object *list)
{
	int64_t n = 0;
	for (; is_pair(list); list = cdr(list))
		n++;
	return n;
}

static bool match(vector *macro, object *pattern, object *form, object **found);

/* pattern ... rest: as many as leave enough for the rest. */
static bool match_dots(vector *macro, object *pattern, object *form, object **found)
{
	object *rest = cdr(cdr(pattern)), *each = the_nil;
	for (int64_t n = pairs_in(form) - pairs_in(rest); n > 0; n--, form = cdr(form)) {
		object *one = the_nil;
		if (!match(macro, car(pattern), car(form), &one))
			return false;
		each = make_pair(one, each);
	}
	*found = make_pair(make_pair(car(pattern), make_box(reversed(each, the_nil))), *found);
	return match(macro, rest, form, found);
}

/* found: a list of (name . datum), and of (pattern . box of a list of found) for those with dots. */
static bool match(vector *macro, object *pattern, object *form, object **found)
{
	for (; is_pair(pattern); pattern = cdr(pattern), form = cdr(form)) {
		if (has_dots(pattern))
			return match_dots(macro, pattern, form, found);
		if (!is_pair(form) || !match(macro, car(pattern), car(form), found))
			return false;
	}
	if (!is_symbol(pattern))
		return is_equal(pattern, form, 0);
	if (is_literal(macro, pattern))
		return pattern == form;
	if (pattern != symbol_named("_"))
		*found = make_pair(make_pair(pattern, form), *found);
	return true;
}

static bool mentions(object *pattern, object *name)
{
	for (; is_pair(pattern); pattern = cdr(pattern))
		if (mentions(car(pattern), name))
			return true;
	return pattern == name;
}

/* The datum of a name; NULL: it is none of the pattern's. */
static object *lookup(object *found, object *name)
{
	for (; is_pair(found); found = cdr(found))
		if (car(car(found)) == name && cdr(car(found))->kind != BOX)
			return cdr(car(found));
	return NULL;
}

static bool is_any_in(object *template, object *pattern)
{
	for (; is_pair(template); template = cdr(template))
		if (is_any_in(car(template), pattern))
			return true;
	return is_symbol(template) && mentions(pattern, template);
}

/* What was found below dots, for a template with dots: of the first pattern that has a name in it. */
static object *found_each(object *found, object *template)
{
	for (; is_pair(found); found = cdr(found)) {
		object *each = cdr(car(found));
		if (each->kind == BOX && is_any_in(template, car(car(found))))
			return mem_get((box *)each, value);
	}
	return the_nil;
}

static object *fill(object *template, object *found)
{
	if (is_symbol(template)) {
		object *datum = lookup(found, template);
		return datum ? datum : template;
	}
	if (!is_pair(template))
		return template;
	if (is_dots(car(template)) && is_pair(cdr(template))) /* (... ...) */
		return car(cdr(template));
	if (!has_dots(template)) {
		object *made = make_pair(fill(car(template), found), fill(cdr(template), found));
		made->line = template->line;
		return made;
	}
	object *made = the_nil;
	for (object *o = found_each(found, car(template)); is_pair(o); o = cdr(o)) {
		object *inner = reversed(reversed(car(o), the_nil), found);
		made = make_pair(fill(car(template), inner), made);
	}
	return reversed(made, fill(cdr(cdr(template)), found));
}

object *expand_macro(vector *macro, object *form)
{
	for (object *o = mem_get(macro, items[1]); is_pair(o); o = cdr(o)) {
		object *found = the_nil;
		if (match(macro, cdr(car(car(o))), cdr(form), &found))
			return fill(car(cdr(car(o))), found);
	}
	return fail_form("macro", form);
}
