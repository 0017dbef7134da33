/* read.c - text to data: one datum after the other, out of a port. A list knows the line that it began in. */
#include <ctype.h>
#include "scheme.h"

enum { NESTING_MOST = 1000, TOKEN_MOST = 256 };

typedef struct reader {
	port *from;
	read_result result; /* of what ended it early */
} reader;

static object *read_nested(reader *r, int depth);

static int peek(reader *r)
{
	port *p = r->from;
	return p->at < p->end ? (unsigned char)((string *)mem_get(p, text))->bytes[p->at] : -1;
}

static int take(reader *r)
{
	int c = peek(r);
	r->from->at += c >= 0;
	r->from->line += c == '\n';
	return c;
}

/* fail, and the line with it: main says where a text could not be read. */
static object *broken(reader *r, const char *message, object *irritant)
{
	fail(message, irritant);
	raised()->line = r->from->line;
	raised()->flag = true;
	r->result = READ_FAILED;
	return NULL;
}

static object *half(reader *r, const char *message)
{
	broken(r, message, NULL);
	r->result = READ_HALF;
	return NULL;
}

/* What lies between data. */
static void skip_blanks(reader *r)
{
	for (int c; (c = peek(r)) >= 0;) {
		if (isspace(c)) {
			take(r);
		} else if (c == ';') {
			while ((c = peek(r)) >= 0 && c != '\n')
				take(r);
		} else {
			break;
		}
	}
}

static bool skip_block(reader *r)
{
	int depth = 1;
	for (int before = 0, c; depth && (c = take(r)) >= 0; before = c) {
		if (before == '|' && c == '#')
			depth--, c = 0;
		else if (before == '#' && c == '|')
			depth++, c = 0;
	}
	return !depth;
}

static bool is_delimiter(int c) { return c < 0 || isspace(c) || strchr("()\";'", c); }

static size_t read_token(reader *r, char *token)
{
	size_t n = 0;
	while (!is_delimiter(peek(r))) {
		int c = take(r);
		if (n < TOKEN_MOST - 1)
			token[n++] = c;
	}
	token[n] = 0;
	return n;
}

object *parse_number(const char *text, size_t length, int radix)
{
	size_t sign = length && (*text == '+' || *text == '-'), digits = sign;
	if (length == 6 && sign && !strcmp(text + 1, "inf.0"))
		return make_real(*text == '-' ? -__builtin_inf() : __builtin_inf());
	if (length == 6 && sign && !strcmp(text + 1, "nan.0"))
		return make_real(__builtin_nan(""));
	int64_t value = 0;
	bool is_exact = true;
	for (; digits < length && isalnum((unsigned char)text[digits]); digits++) {
		int c = tolower((unsigned char)text[digits]), d = isdigit(c) ? c - '0' : c - 'a' + 10;
		if (d >= radix)
			break;
		is_exact &= !__builtin_mul_overflow(value, radix, &value);
		is_exact &= !__builtin_add_overflow(value, *text == '-' ? -d : d, &value);
	}
	if (digits == length && digits > sign)
		return is_exact ? make_integer(value) : make_real(strtod(text, NULL));
	if (radix != 10 || (digits == sign && (text[digits] != '.' || !isdigit((unsigned char)text[digits + 1]))))
		return NULL;
	if (text[digits] != '.' && text[digits] != 'e')
		return NULL;
	char *end;
	double value_of = strtod(text, &end);
	return end == text + length ? make_real(value_of) : NULL;
}

static object *read_atom(reader *r)
{
	char token[TOKEN_MOST];
	size_t n = read_token(r, token);
	object *number = parse_number(token, n, 10);
	return number ? number : make_symbol(token, n);
}

static int escaped(reader *r)
{
	int c = take(r);
	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case 'a': return '\a';
	case '0': return 0;
	default: return c;
	}
}

static object *read_string(reader *r)
{
	port *to = make_port(make_string(NULL, 32), false);
	for (int c; (c = take(r)) != '"';) {
		/* a line that goes on: its break and the blanks after it are left out */
		if (c == '\\' && peek(r) == '\n') {
			take(r);
			while (peek(r) == ' ' || peek(r) == '\t')
				take(r);
			continue;
		}
		if (c < 0)
			return half(r, "read: the text ends in a string");
		char byte = c == '\\' ? escaped(r) : c;
		port_write(to, &byte, 1);
	}
	return &port_string(to)->is;
}

static const struct { const char *name; int c; } character_names[] = { { "space", ' ' }, { "newline", '\n' },
	{ "tab", '\t' }, { "return", '\r' }, { "null", 0 }, { "alarm", 7 }, { "escape", 27 }, { "delete", 127 } };

static object *read_character(reader *r)
{
	char token[TOKEN_MOST];
	int first = take(r);
	if (first < 0)
		return half(r, "read: the text ends in a character");
	size_t n = read_token(r, token + 1) + 1;
	token[0] = first;
	if (n == 1)
		return make_character(first);
	for (size_t i = 0; i < sizeof character_names / sizeof *character_names; i++)
		if (!strcmp(token, character_names[i].name))
			return make_character(character_names[i].c);
	if (first == 'x')
		return make_character((int)strtol(token + 1, NULL, 16));
	return broken(r, "read: no such character:", make_symbol(token, n));
}

/* From behind the opening parenthesis; a vector is made of a list. */
static object *read_list(reader *r, int depth)
{
	uint32_t line = r->from->line;
	object *first = the_nil, *last = NULL;
	for (;;) {
		skip_blanks(r);
		if (peek(r) == ')') {
			take(r);
			return first;
		}
		object *next = read_nested(r, depth + 1);
		if (!next)
			return NULL;
		if (is_symbol(next) && next == symbol_named(".") && last) {
			if (!(next = read_nested(r, depth + 1)))
				return NULL;
			mem_set((pair *)last, cdr, next);
			skip_blanks(r);
			return take(r) == ')' ? first : broken(r, "read: more than one datum behind a dot", NULL);
		}
		object *link = make_pair(next, the_nil);
		link->line = line;
		if (last)
			mem_set((pair *)last, cdr, link);
		else
			first = link;
		last = link;
	}
}

static object *read_vector(reader *r, int depth)
{
	object *list = read_list(r, depth);
	if (!list)
		return NULL;
	vector *v = make_vector(VECTOR, list_length(list), the_nil);
	for (size_t i = 0; i < v->length; i++, list = cdr(list))
		mem_set(v, items[i], car(list));
	return &v->is;
}

static object *read_quoted(reader *r, const char *how, int depth)
{
	uint32_t line = r->from->line;
	object *datum = read_nested(r, depth + 1);
	if (!datum)
		return NULL;
	object *form = LIST2(symbol_named(how), datum);
	form->line = line;
	return form;
}

static object *read_hash(reader *r, int depth)
{
	int c = peek(r);
	char token[TOKEN_MOST];
	if (c == '(' || c == '\\' || c == '|' || c == ';')
		take(r);
	switch (c) {
	case '(': return read_vector(r, depth);
	case '\\': return read_character(r);
	case '|': return skip_block(r) ? read_nested(r, depth) : half(r, "read: the text ends in a comment");
	case ';': return read_nested(r, depth + 1) ? read_nested(r, depth) : NULL;
	}
	size_t n = read_token(r, token);
	if (!strcmp(token, "t") || !strcmp(token, "true"))
		return the_true;
	if (!strcmp(token, "f") || !strcmp(token, "false"))
		return the_false;
	int radix = *token == 'x' ? 16 : *token == 'b' ? 2 : *token == 'o' ? 8 : *token == 'd' ? 10 : 0;
	object *number = radix ? parse_number(token + 1, n - 1, radix) : NULL;
	return number ? number : broken(r, "read: unknown after a hash:", make_symbol(token, n));
}

static object *read_nested(reader *r, int depth)
{
	skip_blanks(r);
	int c = peek(r);
	if (depth > NESTING_MOST)
		return broken(r, "read: nested too deeply", NULL);
	if (c < 0)
		return half(r, "read: the text ends in a list");
	if (strchr("()\"#'`,", c))
		take(r);
	switch (c) {
	case '(': return read_list(r, depth);
	case ')': return broken(r, "read: a parenthesis too many", NULL);
	case '"': return read_string(r);
	case '#': return read_hash(r, depth);
	case '\'': return read_quoted(r, "quote", depth);
	case '`': return read_quoted(r, "quasiquote", depth);
	case ',':
		if (peek(r) != '@')
			return read_quoted(r, "unquote", depth);
		take(r);
		return read_quoted(r, "unquote-splicing", depth);
	default: return read_atom(r);
	}
}

read_result read_datum(port *from, object **datum)
{
	reader r = { .from = from, .result = READ_ONE };
	skip_blanks(&r);
	if (peek(&r) < 0)
		return READ_END;
	*datum = read_nested(&r, 0);
	return *datum ? READ_ONE : r.result;
}
