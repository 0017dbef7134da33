/* compile.c - trees to code. A frame has a slot for each parameter, each variable of a let, and what is under way;
 * which slot is whose is known here. A variable that is assigned to, or captured before its value is there, is in a
 * box; so a captured variable is copied into each closure.
 *
 * A builder lives on C's stack, and so does what it refers to: the collector looks there. */
#include "scheme.h"

typedef struct builder {
	struct builder *outer;
	lambda *of;
	words *text, *lines;
	vector *constants, *captured; /* captured: VARIABLEs */
	int text_used, lines_used, constants_used, captured_used;
	int top, most; /* of slots: the first free one; how many there must be */
	uint32_t line;
	string *file;
} builder;

static void gen(builder *b, object *tree, int d);
static void gen_tail(builder *b, object *tree);
static code *gen_lambda(builder *outer, lambda *l, vector **captured, string *file);

static void append_word(words **to, int *used, int32_t word)
{
	if ((size_t)*used == (*to)->length) {
		words *larger = make_words((*to)->length * 2);
		memcpy(larger->at, (*to)->at, *used * sizeof *larger->at);
		*to = larger;
	}
	(*to)->at[(*used)++] = word;
}

/* The index of o in a vector that grows; it is appended where it is not there. */
static int index_of(vector **in, int *used, object *o)
{
	for (int i = 0; i < *used; i++)
		if (mem_get(*in, items[i]) == o)
			return i;
	if ((size_t)*used == (*in)->length) {
		vector *larger = make_vector(VECTOR, (*in)->length * 2, NULL);
		for (int i = 0; i < *used; i++)
			mem_set(larger, items[i], mem_get(*in, items[i]));
		*in = larger;
	}
	mem_set(*in, items[*used], o);
	return (*used)++;
}

static void emit(builder *b, int32_t word) { append_word(&b->text, &b->text_used, word); }
static void emit2(builder *b, instruction i, int x) { emit(b, i), emit(b, x); }
static void emit3(builder *b, instruction i, int x, int y) { emit2(b, i, x), emit(b, y); }
static int constant(builder *b, object *o) { return index_of(&b->constants, &b->constants_used, o); }

/* From here on errors are of the tree's line. */
static void note_line(builder *b, object *tree)
{
	if (!tree->line || tree->line == b->line)
		return;
	b->line = tree->line;
	append_word(&b->lines, &b->lines_used, b->text_used);
	append_word(&b->lines, &b->lines_used, b->line);
}

static int take_slot(builder *b)
{
	int slot = b->top++;
	if (b->top > b->most)
		b->most = b->top;
	return slot;
}

/* ---- Variables ---- */

static bool is_boxed(variable *v) { return v->is_assigned || (v->is_recursive && v->is_captured); }
static bool is_own(builder *b, variable *v) { return mem_get(v, owner) == &b->of->is; }
static int captured(builder *b, variable *v) { return index_of(&b->captured, &b->captured_used, &v->is); }

static void gen_variable(builder *b, variable *v, int d)
{
	if (is_own(b, v))
		emit3(b, is_boxed(v) ? UNBOX : MOVE, d, v->slot);
	else if (mem_get(v, holds) == &b->of->is && !v->is_assigned)
		emit2(b, SELF, d);
	else
		emit3(b, is_boxed(v) ? UNBOX_FREE : FREE, d, captured(b, v));
}

static bool is_form(object *tree) { return is_pair(tree) && car(tree)->kind == SPECIAL; }
static bool is_form_of(object *tree, special which) { return is_form(tree) && integer_of(car(tree)) == (int)which; }

static bool is_constant(object *tree)
{
	return is_form_of(tree, QUOTE)
		|| !(is_pair(tree) || is_symbol(tree) || tree->kind == VARIABLE || tree->kind == LAMBDA);
}

/* Where the value of tree is: a constant, a variable's slot, or a new slot, which is the caller's to give back. */
static int operand(builder *b, object *tree)
{
	if (is_constant(tree))
		return ~constant(b, is_pair(tree) ? cdr(tree) : tree);
	if (tree->kind == VARIABLE && is_own(b, (variable *)tree) && !is_boxed((variable *)tree))
		return ((variable *)tree)->slot;
	int slot = b->top;
	gen(b, tree, slot);
	return take_slot(b);
}

/* ---- Forms ---- */

static void gen_assignment(builder *b, object *tree, int d)
{
	int top = b->top;
	object *target = car(cdr(tree));
	int x = operand(b, car(cdr(cdr(tree))));
	note_line(b, tree);
	if (is_form_of(tree, DEFINE))
		emit3(b, DEFINE_GLOBAL, constant(b, target), x);
	else if (is_symbol(target))
		emit3(b, SET_GLOBAL, constant(b, target), x);
	else if (is_own(b, (variable *)target))
		emit3(b, SET_BOX, ((variable *)target)->slot, x);
	else
		emit3(b, SET_FREE, captured(b, (variable *)target), x);
	b->top = top;
	emit3(b, MOVE, d, ~constant(b, is_form_of(tree, DEFINE) ? target : the_nothing));
}

static void gen_let(builder *b, object *bindings)
{
	for (; is_pair(bindings); bindings = cdr(bindings)) {
		variable *v = (variable *)car(car(bindings));
		int top = b->top;
		gen(b, cdr(car(bindings)), top);
		v->slot = take_slot(b);
		if (is_boxed(v))
			emit3(b, MAKE_BOX, v->slot, v->slot);
	}
}

static void gen_letrec(builder *b, object *bindings)
{
	for (object *o = bindings; is_pair(o); o = cdr(o)) {
		variable *v = (variable *)car(car(o));
		v->slot = take_slot(b);
		if (is_boxed(v))
			emit2(b, EMPTY_BOX, v->slot);
		else
			emit3(b, MOVE, v->slot, ~constant(b, the_nothing));
	}
	for (object *o = bindings; is_pair(o); o = cdr(o)) {
		variable *v = (variable *)car(car(o));
		int top = b->top, x = operand(b, cdr(car(o)));
		emit3(b, is_boxed(v) ? SET_BOX : MOVE, v->slot, x);
		b->top = top;
	}
}

static void gen_closure(builder *b, lambda *l, int d)
{
	vector *inner;
	code *c = gen_lambda(b, l, &inner, b->file);
	emit3(b, MAKE_CLOSURE, d, constant(b, &c->is));
	emit(b, inner->length);
	for (size_t i = 0; i < inner->length; i++) {
		variable *v = (variable *)mem_get(inner, items[i]);
		int word = is_own(b, v) ? v->slot : ~captured(b, v);
		emit(b, word);
	}
}

/* ---- Calls ---- */

/* The instruction that does what a call of a global primitive would; 0: none. A program that means another procedure by
 * the name has to define it before it is used. */
static int instruction_of(object *tree, int64_t n)
{
	object *head = car(tree), *value = is_symbol(head) ? mem_get((symbol *)head, value) : NULL;
	if (!value || value->kind != PRIMITIVE)
		return 0;
	int i = ((primitive *)value)->instruction;
	return (i >= CAR && i <= IS_PAIR && n == 1) || (i >= ADD && i <= VECTOR_REF && n == 2) ? i : 0;
}

static void gen_instruction(builder *b, object *tree, instruction i, int d)
{
	int top = b->top, x = operand(b, car(cdr(tree)));
	int y = i >= ADD ? operand(b, car(cdr(cdr(tree)))) : 0;
	note_line(b, tree);
	emit3(b, i, d, x);
	if (i >= ADD)
		emit(b, y);
	b->top = top;
}

static void gen_call(builder *b, object *tree, int d, bool is_tail)
{
	int base = b->top, n = -1;
	for (object *o = tree; is_pair(o); o = cdr(o), n++) {
		gen(b, car(o), b->top);
		take_slot(b);
	}
	note_line(b, tree);
	emit3(b, is_tail ? TAIL : CALL, base, n);
	b->top = base;
	if (!is_tail && d != base)
		emit3(b, MOVE, d, base);
}

/* ---- Trees ---- */

/* Jumps where tree is false; the word returned is to be set to the place. */
static int gen_test(builder *b, object *tree)
{
	int top = b->top;
	emit3(b, JUMP_UNLESS, operand(b, tree), 0);
	b->top = top;
	return b->text_used - 1;
}

static void gen_if(builder *b, object *tree, int d, bool is_tail)
{
	object *parts = cdr(cdr(tree));
	int otherwise = gen_test(b, car(cdr(tree))), end = 0;
	if (is_tail) {
		gen_tail(b, car(parts));
	} else {
		gen(b, car(parts), d);
		emit2(b, JUMP, 0);
		end = b->text_used - 1;
	}
	b->text->at[otherwise] = b->text_used;
	if (is_tail) {
		gen_tail(b, car(cdr(parts)));
	} else {
		gen(b, car(cdr(parts)), d);
		b->text->at[end] = b->text_used;
	}
}

/* d is not written before all else is done: it may be the slot of a let's first variable. */
static void gen_body(builder *b, object *list, int d, bool is_tail)
{
	for (; is_pair(cdr(list)); list = cdr(list)) {
		int top = take_slot(b); /* for the value that nobody wants */
		gen(b, car(list), top);
		b->top = top;
	}
	if (is_tail)
		gen_tail(b, car(list));
	else
		gen(b, car(list), d);
}

/* Those forms whose last part is in tail position where they are. False: tree is none. */
static bool gen_control(builder *b, object *tree, int d, bool is_tail)
{
	int top = b->top;
	if (!is_form(tree))
		return false;
	switch (integer_of(car(tree))) {
	case IF: gen_if(b, tree, d, is_tail); break;
	case BEGIN: gen_body(b, cdr(tree), d, is_tail); break;
	case LET:
		gen_let(b, car(cdr(tree)));
		gen_body(b, cdr(cdr(tree)), d, is_tail);
		break;
	case LETREC:
		gen_letrec(b, car(cdr(tree)));
		gen_body(b, cdr(cdr(tree)), d, is_tail);
		break;
	default: return false;
	}
	b->top = top;
	return true;
}

static void gen(builder *b, object *tree, int d)
{
	int top = b->top;
	if (d >= b->most)
		b->most = d + 1;
	if (is_constant(tree)) {
		emit3(b, MOVE, d, operand(b, tree));
	} else if (tree->kind == VARIABLE) {
		gen_variable(b, (variable *)tree, d);
	} else if (is_symbol(tree)) {
		emit3(b, GLOBAL, d, constant(b, tree));
	} else if (tree->kind == LAMBDA) {
		gen_closure(b, (lambda *)tree, d);
	} else if (is_form_of(tree, SET) || is_form_of(tree, DEFINE)) {
		gen_assignment(b, tree, d);
	} else if (!gen_control(b, tree, d, false)) {
		instruction i = instruction_of(tree, list_length(cdr(tree)));
		if (i)
			gen_instruction(b, tree, i, d);
		else
			gen_call(b, tree, d, false);
	}
	b->top = top;
}

static void gen_tail(builder *b, object *tree)
{
	int top = b->top;
	if (gen_control(b, tree, -1, true))
		return;
	bool is_call = is_pair(tree) && !is_form(tree) && !instruction_of(tree, list_length(cdr(tree)));
	if (is_call)
		gen_call(b, tree, -1, true);
	else
		emit2(b, RETURN, operand(b, tree));
	b->top = top;
}

/* ---- Procedures ---- */

static void gen_parameters(builder *b)
{
	for (object *o = mem_get(b->of, parameters); is_pair(o); o = cdr(o))
		((variable *)car(o))->slot = take_slot(b);
	for (object *o = mem_get(b->of, parameters); is_pair(o); o = cdr(o)) {
		variable *v = (variable *)car(o);
		if (is_boxed(v))
			emit3(b, MAKE_BOX, v->slot, v->slot);
	}
}

static vector *cut(vector *v, int length)
{
	vector *made = make_vector(VECTOR, length, NULL);
	for (int i = 0; i < length; i++)
		mem_set(made, items[i], mem_get(v, items[i]));
	return made;
}

static words *cut_words(words *w, int length)
{
	words *made = make_words(length);
	memcpy(made->at, w->at, length * sizeof *w->at);
	return made;
}

static code *gen_lambda(builder *outer, lambda *l, vector **captured, string *file)
{
	builder b = { .outer = outer, .of = l, .file = file, .text = make_words(64), .lines = make_words(16) };
	b.constants = make_vector(VECTOR, 8, NULL);
	b.captured = make_vector(VECTOR, 8, NULL);
	gen_parameters(&b);
	gen_tail(&b, mem_get(l, body));
	code *c = make_code();
	c->needs = l->needs;
	c->has_rest = l->has_rest;
	c->slots = b.most;
	mem_set(c, title, mem_get(l, title));
	mem_set(c, file, file ? &file->is : NULL);
	mem_set(c, constants, &cut(b.constants, b.constants_used)->is);
	mem_set(c, text, &cut_words(b.text, b.text_used)->is);
	mem_set(c, lines, &cut_words(b.lines, b.lines_used)->is);
	*captured = cut(b.captured, b.captured_used);
	return c;
}

closure *compile_top(object *tree, string *file)
{
	vector *captured;
	return make_closure(gen_lambda(NULL, (lambda *)tree, &captured, file), 0);
}
