/* strings.c - characters, strings, symbols' names, and ports: standard input and output, and strings. */
#include <ctype.h>
#include <time.h>
#include "scheme.h"

#define PRIMITIVE_OF(name) static object *name(object_ref *args, int n)
enum { LENGTH_MOST = 1 << 30 };

/* ---- Characters ---- */

#define CHARACTER_FUNCTION(function, who, made)                                                                        \
	PRIMITIVE_OF(function)                                                                                         \
	{                                                                                                              \
		object *o = ARG(n - 1);                                                                                \
		if (o->kind != CHARACTER)                                                                              \
			return fail_kind(who, "a character", o);                                                       \
		int c = (int)integer_of(o);                                                                            \
		return made;                                                                                           \
	}
CHARACTER_FUNCTION(char_to_integer, "char->integer", make_integer(c))
CHARACTER_FUNCTION(char_upcase, "char-upcase", make_character(toupper(c)))
CHARACTER_FUNCTION(char_downcase, "char-downcase", make_character(tolower(c)))
CHARACTER_FUNCTION(is_alphabetic, "char-alphabetic?", boolean(isalpha(c)))
CHARACTER_FUNCTION(is_numeric, "char-numeric?", boolean(isdigit(c)))
CHARACTER_FUNCTION(is_whitespace, "char-whitespace?", boolean(isspace(c)))

PRIMITIVE_OF(integer_to_char)
{
	object *o = ARG(n - 1);
	return o->kind == INTEGER && integer_of(o) >= 0 && integer_of(o) < 256
		? make_character((int)integer_of(o)) : fail_kind("integer->char", "from 0 to 255", o);
}

/* bits: 1 less, 2 equal, 4 greater */
static object *compare(object_ref *args, int n, kind k, int wanted, const char *who)
{
	for (int i = 0; i < n; i++) {
		if (ARG(i)->kind != k)
			return fail_kind(who, k == STRING ? "a string" : "a character", ARG(i));
		if (!i)
			continue;
		int64_t order = 0;
		if (k == STRING) {
			string *a = (string *)ARG(i - 1), *b = (string *)ARG(i);
			size_t least = a->length < b->length ? a->length : b->length;
			order = memcmp(a->bytes, b->bytes, least);
			order = order ? order : (int64_t)a->length - (int64_t)b->length;
		} else {
			order = integer_of(ARG(i - 1)) - integer_of(ARG(i));
		}
		if (!(wanted & (order < 0 ? 1 : order == 0 ? 2 : 4)))
			return the_false;
	}
	return the_true;
}
PRIMITIVE_OF(char_equal) { return compare(args, n, CHARACTER, 2, "char=?"); }
PRIMITIVE_OF(char_less) { return compare(args, n, CHARACTER, 1, "char<?"); }
PRIMITIVE_OF(string_equal) { return compare(args, n, STRING, 2, "string=?"); }
PRIMITIVE_OF(string_less) { return compare(args, n, STRING, 1, "string<?"); }
PRIMITIVE_OF(string_more) { return compare(args, n, STRING, 4, "string>?"); }

/* ---- Strings ---- */

static string *string_arg(object_ref *args, int i, const char *who)
{
	return ARG(i)->kind == STRING ? (string *)ARG(i) : (string *)fail_kind(who, "a string", ARG(i));
}

static bool is_index(object *o, size_t most) { return o->kind == INTEGER && (uint64_t)integer_of(o) <= most; }

PRIMITIVE_OF(do_make_string)
{
	object *length = ARG(0);
	if (!is_index(length, LENGTH_MOST) || (n > 1 && ARG(1)->kind != CHARACTER))
		return fail_kind("make-string", "a length and a character", ARG(n - 1));
	string *s = make_string(NULL, integer_of(length));
	memset(s->bytes, n > 1 ? (int)integer_of(ARG(1)) : ' ', s->length);
	return &s->is;
}

PRIMITIVE_OF(do_string)
{
	string *s = make_string(NULL, n);
	for (int i = 0; i < n; i++) {
		if (ARG(i)->kind != CHARACTER)
			return fail_kind("string", "a character", ARG(i));
		s->bytes[i] = (char)integer_of(ARG(i));
	}
	return &s->is;
}

PRIMITIVE_OF(string_length)
{
	string *s = string_arg(args, n - 1, "string-length");
	return s ? make_integer(s->length) : NULL;
}

PRIMITIVE_OF(string_ref)
{
	string *s = string_arg(args, 0, "string-ref");
	if (s && (ARG(n - 1)->kind != INTEGER || (uint64_t)integer_of(ARG(1)) >= s->length))
		return fail_kind("string-ref", "an index of it", ARG(1));
	return s ? make_character((unsigned char)s->bytes[integer_of(ARG(1))]) : NULL;
}

PRIMITIVE_OF(string_set)
{
	string *s = string_arg(args, 0, "string-set!");
	if (s && (ARG(1)->kind != INTEGER || (uint64_t)integer_of(ARG(1)) >= s->length || ARG(2)->kind != CHARACTER))
		return fail_kind("string-set!", "an index of it", ARG(n - 2));
	if (!s)
		return NULL;
	s->bytes[integer_of(ARG(1))] = (char)integer_of(ARG(2));
	return the_nothing;
}

/* The bounds of (f string [start [end]]), which start at argument 1. */
static bool bounds(object_ref *args, int n, string *s, const char *who, size_t *from, size_t *to)
{
	for (int i = 1; i < n; i++) {
		if (!is_index(ARG(i), s->length)) {
			fail_kind(who, "an index of it", ARG(i));
			return false;
		}
	}
	*from = n > 1 ? integer_of(ARG(1)) : 0;
	*to = n > 2 ? integer_of(ARG(2)) : (int64_t)s->length;
	if (*from > *to)
		fail_kind(who, "behind its end", ARG(1));
	return *from <= *to;
}

PRIMITIVE_OF(substring)
{
	size_t from, to;
	string *s = string_arg(args, 0, "substring");
	return s && bounds(args, n, s, "substring", &from, &to) ? &make_string(s->bytes + from, to - from)->is : NULL;
}

PRIMITIVE_OF(string_append)
{
	size_t length = 0;
	for (int i = 0; i < n; i++) {
		string *s = string_arg(args, i, "string-append");
		if (!s)
			return NULL;
		length += s->length;
	}
	string *made = make_string(NULL, length);
	char *to = made->bytes;
	for (int i = 0; i < n; i++) {
		string *s = (string *)ARG(i);
		memcpy(to, s->bytes, s->length);
		to += s->length;
	}
	return &made->is;
}

PRIMITIVE_OF(string_to_list)
{
	size_t from, to;
	string *s = string_arg(args, 0, "string->list");
	if (!s || !bounds(args, n, s, "string->list", &from, &to))
		return NULL;
	object *made = the_nil;
	while (to > from)
		made = make_pair(make_character((unsigned char)s->bytes[--to]), made);
	return made;
}

PRIMITIVE_OF(list_to_string)
{
	object *list = ARG(n - 1);
	int64_t length = list_length(list);
	if (length < 0)
		return fail_kind("list->string", "a list", list);
	string *s = make_string(NULL, length);
	for (int64_t i = 0; i < length; i++, list = cdr(list)) {
		if (car(list)->kind != CHARACTER)
			return fail_kind("list->string", "a character", car(list));
		s->bytes[i] = (char)integer_of(car(list));
	}
	return &s->is;
}

/* ---- Symbols ---- */

PRIMITIVE_OF(symbol_to_string)
{
	if (ARG(n - 1)->kind != SYMBOL)
		return fail_kind("symbol->string", "a symbol", ARG(0));
	string *text = (string *)mem_get((symbol *)ARG(0), text);
	return &make_string(text->bytes, text->length)->is;
}

PRIMITIVE_OF(string_to_symbol)
{
	string *s = string_arg(args, n - 1, "string->symbol");
	return s ? make_symbol(s->bytes, s->length) : NULL;
}

/* ---- Ports ---- */

/* Argument i, where it is given. False: it is no port of that direction. */
static bool port_arg(object_ref *args, int i, int n, bool is_input, const char *who, port **to)
{
	*to = i < n ? (port *)ARG(i) : NULL;
	if (i >= n || (ARG(i)->kind == PORT && (*to)->is_input == is_input))
		return true;
	fail_kind(who, is_input ? "a port to read from" : "a port to write to", ARG(i));
	return false;
}

PRIMITIVE_OF(open_input_string)
{
	string *s = string_arg(args, n - 1, "open-input-string");
	return s ? &make_port(make_string(s->bytes, s->length), true)->is : NULL;
}

PRIMITIVE_OF(open_output_string)
{
	(void)args, (void)n;
	return &make_port(make_string(NULL, 32), false)->is;
}

PRIMITIVE_OF(get_output_string)
{
	port *p;
	return port_arg(args, 0, n, false, "get-output-string", &p) ? &port_string(p)->is : NULL;
}

static object *print(object_ref *args, int n, bool as_written, const char *who)
{
	port *to;
	if (!port_arg(args, 1, n, false, who, &to))
		return NULL;
	print_object(ARG(0), as_written, to);
	return the_nothing;
}
PRIMITIVE_OF(write_datum) { return print(args, n, true, "write"); }
PRIMITIVE_OF(display) { return print(args, n, false, "display"); }

PRIMITIVE_OF(newline)
{
	port *to;
	if (!port_arg(args, 0, n, false, "newline", &to))
		return NULL;
	port_write(to, "\n", 1);
	return the_nothing;
}

PRIMITIVE_OF(do_read)
{
	port *from;
	object *datum;
	if (!port_arg(args, 0, n, true, "read", &from))
		return NULL;
	switch (read_datum(from, &datum)) {
	case READ_ONE: return datum;
	case READ_END: return the_end;
	default: return NULL;
	}
}

static object *next_character(object_ref *args, int n, bool takes, const char *who)
{
	port *from;
	if (!port_arg(args, 0, n, true, who, &from))
		return NULL;
	if (from->at == from->end)
		return the_end;
	int c = (unsigned char)((string *)mem_get(from, text))->bytes[from->at];
	from->at += takes;
	return make_character(c);
}
PRIMITIVE_OF(read_char) { return next_character(args, n, true, "read-char"); }
PRIMITIVE_OF(peek_char) { return next_character(args, n, false, "peek-char"); }

PRIMITIVE_OF(read_line)
{
	port *from;
	if (!port_arg(args, 0, n, true, "read-line", &from))
		return NULL;
	if (from->at == from->end)
		return the_end;
	string *text = (string *)mem_get(from, text);
	const char *start = text->bytes + from->at, *end = memchr(start, '\n', from->end - from->at);
	size_t length = end ? (size_t)(end - start) : from->end - from->at;
	from->at += length + (end != NULL);
	return &make_string(start, length)->is;
}

PRIMITIVE_OF(current_jiffy)
{
	struct timespec t;
	(void)args, (void)n;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return make_integer(t.tv_sec * 1000000ll + t.tv_nsec / 1000);
}

void strings_open(void)
{
	/* clang-format off */
	static const struct { const char *name; primitive_function *call; int least, most; } all[] = {
		{ "char->integer", char_to_integer, 1, 1 }, { "integer->char", integer_to_char, 1, 1 },
		{ "char-upcase", char_upcase, 1, 1 }, { "char-downcase", char_downcase, 1, 1 },
		{ "char-alphabetic?", is_alphabetic, 1, 1 }, { "char-numeric?", is_numeric, 1, 1 },
		{ "char-whitespace?", is_whitespace, 1, 1 }, { "char=?", char_equal, 1, -1 }, { "char<?", char_less, 1, -1 },
		{ "string=?", string_equal, 1, -1 }, { "string<?", string_less, 1, -1 }, { "string>?", string_more, 1, -1 },
		{ "make-string", do_make_string, 1, 2 }, { "string", do_string, 0, -1 },
		{ "string-length", string_length, 1, 1 }, { "string-ref", string_ref, 2, 2 },
		{ "string-set!", string_set, 3, 3 }, { "substring", substring, 2, 3 }, { "string-copy", substring, 1, 3 },
		{ "string-append", string_append, 0, -1 }, { "string->list", string_to_list, 1, 3 },
		{ "list->string", list_to_string, 1, 1 }, { "symbol->string", symbol_to_string, 1, 1 },
		{ "string->symbol", string_to_symbol, 1, 1 }, { "open-input-string", open_input_string, 1, 1 },
		{ "open-output-string", open_output_string, 0, 0 }, { "get-output-string", get_output_string, 1, 1 },
		{ "write", write_datum, 1, 2 }, { "display", display, 1, 2 }, { "write-string", display, 1, 2 },
		{ "write-char", display, 1, 2 }, { "newline", newline, 0, 1 }, { "read", do_read, 1, 1 },
		{ "read-char", read_char, 1, 1 }, { "peek-char", peek_char, 1, 1 }, { "read-line", read_line, 1, 1 },
		{ "current-jiffy", current_jiffy, 0, 0 } };
	/* clang-format on */
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		define_primitive(all[i].name, all[i].call, all[i].least, all[i].most, 0);
}
