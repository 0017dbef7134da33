/* object.c - how objects are made and what they refer to, the symbol table, and failures. */
#include "scheme.h"

#ifdef USE_CAIRN
cairn_gc_mutator *memory_here;
cairn_gc_handle *memory_spare;
int memory_state;
#endif

MEMORY_LEAF(object);
MEMORY_LEAF(integer);
MEMORY_LEAF(real);
MEMORY_LEAF(primitive);
MEMORY_LEAF_TAIL(string, bytes);
MEMORY_LEAF_TAIL(words, at);
MEMORY_TYPE(symbol, text, value, syntax);
MEMORY_TYPE(pair, car, cdr);
MEMORY_TYPE(box, value);
MEMORY_TYPE(table, buckets);
MEMORY_TYPE(entry, key, value, next);
MEMORY_TYPE(port, text);
MEMORY_TYPE(condition, message, irritants, file);
MEMORY_TYPE(code, title, file, constants, text, lines);
MEMORY_TYPE(continuation, frame);
MEMORY_TYPE(lambda, title, parameters, body);
MEMORY_TYPE(variable, name, owner, holds);
MEMORY_TAIL(vector, items);
MEMORY_TAIL_AND(closure, captured, code);
MEMORY_TAIL_AND(frame, slots, caller, closure);
MEMORY_WEAK(chain, symbol, next);

/* ---- What is made once ---- */

enum { SMALL_LEAST = -512, SMALL_MOST = 1023, NAMES_LEAST = 512 };
object *the_nil, *the_false, *the_true, *the_nothing, *the_end;
static object *smalls[SMALL_MOST - SMALL_LEAST + 1], *characters[256];

static object_ref names;   /* the symbol table: a vector of chains, which keep no symbol */
static size_t names_count; /* the links of chains, those of dead symbols included */
static object_ref globals; /* a list of the symbols that have a value or a syntax, and so are kept */
static object_ref last_raised;

static object *make_one(kind k)
{
	object *o = mem_new(object);
	o->kind = k;
	mem_keep(o);
	return o;
}

static object *make_boxed(kind k, int64_t value)
{
	integer *i = mem_new(integer);
	i->is.kind = k;
	i->value = value;
	return &i->is;
}

void objects_open(void)
{
	if (!memory_open() || !mem_root(&names) || !mem_root(&globals) || !mem_root(&last_raised)) {
		fputs("scheme: no memory to begin with\n", stderr);
		exit(1);
	}
	the_nil = make_one(NIL);
	the_false = make_one(FALSE);
	the_true = make_one(TRUE);
	the_nothing = make_one(NOTHING);
	the_end = make_one(END);
	for (int i = SMALL_LEAST; i <= SMALL_MOST; i++)
		mem_keep(smalls[i - SMALL_LEAST] = make_boxed(INTEGER, i));
	for (int i = 0; i < 256; i++)
		mem_keep(characters[i] = make_boxed(CHARACTER, i));
	mem_root_set(&globals, the_nil);
	mem_root_set(&names, &make_vector(VECTOR, NAMES_LEAST, NULL)->is);
}

object *make_integer(int64_t value)
{
	if (value >= SMALL_LEAST && value <= SMALL_MOST)
		return smalls[value - SMALL_LEAST];
	return make_boxed(INTEGER, value);
}

object *make_character(int c) { return characters[c & 255]; }

object *make_special(int id)
{
	object *o = make_boxed(SPECIAL, id);
	mem_keep(o);
	return o;
}

object *make_real(double value)
{
	real *r = mem_new(real);
	r->is.kind = REAL;
	r->value = value;
	return &r->is;
}

string *make_string(const char *bytes, size_t length)
{
	string *s = mem_new_array(string, bytes, length);
	s->is.kind = STRING;
	s->length = length;
	if (bytes)
		memcpy(s->bytes, bytes, length);
	return s;
}

object *make_pair(object *car, object *cdr)
{
	pair *p = mem_new(pair);
	p->is.kind = PAIR;
	mem_init(p, car, car);
	mem_init(p, cdr, cdr);
	return &p->is;
}

object *make_box(object *value)
{
	box *b = mem_new(box);
	b->is.kind = BOX;
	mem_init(b, value, value);
	return &b->is;
}

vector *make_vector(kind k, size_t length, object *fill)
{
	vector *v = mem_new_array(vector, items, length);
	v->is.kind = k;
	v->length = length;
	for (size_t i = 0; fill && i < length; i++)
		mem_init(v, items[i], fill);
	return v;
}

words *make_words(size_t length)
{
	words *w = mem_new_array(words, at, length);
	w->is.kind = WORDS;
	w->length = length;
	return w;
}

/* ---- Symbols: the table keeps none, so what string->symbol made and nobody refers to is gone ---- */

static uint64_t text_hash(const char *bytes, size_t length)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return h;
}

/* Twice as many chains, or as many as before where most links led to dead symbols: they are left out. */
static void names_renew(void)
{
	vector *old = (vector *)mem_load(&names);
	size_t live = 0;
	for (size_t i = 0; i < old->length; i++)
		for (chain *n = (chain *)mem_get(old, items[i]); n; n = (chain *)mem_get(n, next))
			live += mem_get(n, symbol) != NULL;
	vector *v = make_vector(VECTOR, live * 2 > old->length ? old->length * 2 : old->length, NULL);
	names_count = 0;
	for (size_t i = 0; i < old->length; i++) {
		for (chain *n = (chain *)mem_get(old, items[i]), *next; n; n = next) {
			next = (chain *)mem_get(n, next);
			symbol *s = (symbol *)mem_get(n, symbol);
			if (!s)
				continue;
			mem_set(n, next, mem_get(v, items[s->hash & (v->length - 1)]));
			mem_set(v, items[s->hash & (v->length - 1)], &n->is);
			names_count++;
		}
	}
	mem_root_set(&names, &v->is);
}

static void name_add(symbol *s)
{
	chain *n = mem_new(chain);
	n->is.kind = CHAIN;
	vector *v = (vector *)mem_load(&names);
	mem_set(n, symbol, &s->is);
	mem_set(n, next, mem_get(v, items[s->hash & (v->length - 1)]));
	mem_set(v, items[s->hash & (v->length - 1)], &n->is);
	if (++names_count > v->length)
		names_renew();
}

object *make_symbol(const char *bytes, size_t length)
{
	uint64_t hash = text_hash(bytes, length);
	vector *v = (vector *)mem_load(&names);
	for (chain *n = (chain *)mem_get(v, items[hash & (v->length - 1)]); n; n = (chain *)mem_get(n, next)) {
		symbol *s = (symbol *)mem_get(n, symbol);
		string *text = s ? (string *)mem_get(s, text) : NULL;
		if (text && s->hash == hash && text->length == length && !memcmp(text->bytes, bytes, length))
			return &s->is;
	}
	string *text = make_string(bytes, length);
	symbol *s = mem_new(symbol);
	s->is.kind = SYMBOL;
	s->hash = hash;
	mem_init(s, text, &text->is);
	name_add(s);
	return &s->is;
}

object *symbol_named(const char *text) { return make_symbol(text, strlen(text)); }

void define_symbol(symbol *s, object *value)
{
	if (!mem_get(s, value) && !mem_get(s, syntax))
		mem_root_set(&globals, make_pair(&s->is, mem_load(&globals)));
	if (value->kind == SPECIAL)
		mem_set(s, syntax, value);
	else
		mem_set(s, value, value);
}

void define_primitive(const char *name, primitive_function *call, int least, int most, int same)
{
	primitive *p = mem_new(primitive);
	p->is.kind = PRIMITIVE;
	p->name = name;
	p->call = call;
	p->least = least;
	p->most = most;
	p->instruction = same;
	define_symbol((symbol *)symbol_named(name), &p->is);
}

/* ---- The rest of the kinds ---- */

object *make_table(bool by_equal)
{
	vector *v = make_vector(VECTOR, 8, NULL);
	table *t = mem_new(table);
	t->is.kind = TABLE;
	t->is.flag = by_equal;
	mem_init(t, buckets, &v->is);
	return &t->is;
}

entry *make_entry(uint64_t hash, object *key, object *value, object *next)
{
	entry *e = mem_new(entry);
	e->is.kind = ENTRY;
	e->hash = hash;
	mem_init(e, key, key);
	mem_init(e, value, value);
	mem_init(e, next, next);
	return e;
}

port *make_port(string *text, bool is_input)
{
	port *p = mem_new(port);
	p->is.kind = PORT;
	p->end = is_input ? text->length : 0;
	p->line = 1;
	p->is_input = is_input;
	mem_init(p, text, &text->is);
	return p;
}

object *make_condition(object *message, object *irritants)
{
	condition *c = mem_new(condition);
	c->is.kind = CONDITION;
	mem_init(c, message, message);
	mem_init(c, irritants, irritants);
	return &c->is;
}

continuation *make_continuation(frame *f)
{
	continuation *c = mem_new(continuation);
	c->is.kind = CONTINUATION;
	mem_init(c, frame, (object *)f);
	return c;
}

code *make_code(void)
{
	code *c = mem_new(code);
	c->is.kind = CODE;
	return c;
}

closure *make_closure(code *c, size_t captured)
{
	closure *made = mem_new_array(closure, captured, captured);
	made->is.kind = CLOSURE;
	mem_init(made, code, &c->is);
	return made;
}

frame *make_frame(size_t slots)
{
	frame *f = mem_new_array(frame, slots, slots);
	f->is.kind = FRAME;
	return f;
}

lambda *make_lambda(object *title)
{
	lambda *l = mem_new(lambda);
	l->is.kind = LAMBDA;
	mem_init(l, title, title);
	mem_init(l, parameters, the_nil);
	return l;
}

variable *make_variable(object *name, lambda *owner)
{
	variable *v = mem_new(variable);
	v->is.kind = VARIABLE;
	mem_init(v, name, name);
	mem_init(v, owner, &owner->is);
	return v;
}

/* ---- Lists ---- */

int64_t list_length(object *list)
{
	int64_t n = 0;
	object *slow = list; /* half as fast: it is met where the list is a circle */
	for (; is_pair(list); list = cdr(list), n++) {
		if (n && !(n & 1) && (slow = cdr(slow)) == list)
			return -1;
	}
	return list == the_nil ? n : -1;
}

object *reversed(object *list, object *tail)
{
	for (; is_pair(list); list = cdr(list))
		tail = make_pair(car(list), tail);
	return tail;
}

/* ---- Failures ---- */

const char *kind_name(const object *o)
{
	static const char *const names_of[] = { [NIL] = "empty list", [FALSE] = "boolean", [TRUE] = "boolean",
		[NOTHING] = "unspecified value", [END] = "end of file", [INTEGER] = "integer",
		[CHARACTER] = "character",
		[SPECIAL] = "syntax", [REAL] = "real", [STRING] = "string", [SYMBOL] = "symbol", [PAIR] = "pair",
		[VECTOR] = "vector", [RECORD] = "record", [RECORD_TYPE] = "record type", [VALUES] = "values",
		[PRIMITIVE] = "procedure", [CLOSURE] = "procedure", [CONTINUATION] = "continuation",
		[TABLE] = "hash table", [PORT] = "port", [CONDITION] = "error" };
	return o->kind < ENTRY && names_of[o->kind] ? names_of[o->kind] : "internal object";
}

object *raised(void) { return mem_load(&last_raised); }
void raise_object(object *o) { mem_root_set(&last_raised, o); }

object *fail(const char *message, object *irritant)
{
	string *text = make_string(message, strlen(message));
	raise_object(make_condition(&text->is, irritant ? LIST1(irritant) : the_nil));
	return NULL;
}

object *fail_kind(const char *who, const char *wanted, object *got)
{
	char text[160];
	snprintf(text, sizeof text, "%s: not %s:", who, wanted);
	return fail(text, got);
}
