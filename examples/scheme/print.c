/* print.c - objects to text, on standard output or into a port's string, which grows. */
#include <stdarg.h>
#include "scheme.h"

enum { NESTING_MOST = 1000 };

void port_write(port *to, const char *bytes, size_t n)
{
	if (!to) {
		fwrite(bytes, 1, n, stdout);
		return;
	}
	string *text = (string *)mem_get(to, text);
	if (n > text->length - to->end) {
		string *larger = make_string(NULL, (text->length + n) * 2);
		memcpy(larger->bytes, text->bytes, to->end);
		mem_set(to, text, &larger->is);
		text = larger;
	}
	memcpy(text->bytes + to->end, bytes, n);
	to->end += n;
}

void port_format(port *to, const char *format, ...)
{
	char text[128];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	port_write(to, text, n < (int)sizeof text ? n : (int)sizeof text - 1);
}

string *port_string(port *of) { return make_string(((string *)mem_get(of, text))->bytes, of->end); }

static void say(port *to, const char *text) { port_write(to, text, strlen(text)); }

static void print_string(string *s, bool as_written, port *to)
{
	if (!as_written) {
		port_write(to, s->bytes, s->length);
		return;
	}
	say(to, "\"");
	for (size_t i = 0; i < s->length; i++) {
		char c = s->bytes[i];
		switch (c) {
		case '"': say(to, "\\\""); break;
		case '\\': say(to, "\\\\"); break;
		case '\n': say(to, "\\n"); break;
		case '\t': say(to, "\\t"); break;
		default: port_write(to, &c, 1);
		}
	}
	say(to, "\"");
}

static void print_character(int c, bool as_written, port *to)
{
	char byte = c;
	if (as_written)
		say(to, "#\\");
	if (as_written && c == ' ')
		say(to, "space");
	else if (as_written && c == '\n')
		say(to, "newline");
	else if (as_written && (c < ' ' || c > '~'))
		port_format(to, "x%x", c);
	else
		port_write(to, &byte, 1);
}

static void print_nested(object *o, bool as_written, port *to, int depth);

static void print_list(object *o, bool as_written, port *to, int depth)
{
	say(to, "(");
	for (const char *blank = ""; is_pair(o); o = cdr(o), blank = " ") {
		say(to, blank);
		print_nested(car(o), as_written, to, depth + 1);
	}
	if (o != the_nil) {
		say(to, " . ");
		print_nested(o, as_written, to, depth + 1);
	}
	say(to, ")");
}

static void print_items(const char *before, vector *v, size_t from, bool as_written, port *to, int depth)
{
	say(to, before);
	for (size_t i = from; i < v->length; i++) {
		if (i > from)
			say(to, " ");
		print_nested(mem_get(v, items[i]), as_written, to, depth + 1);
	}
	say(to, ")");
}

/* #<point (1 2)>; a record's first item is its type, whose first item is the name. */
static void print_record(vector *v, bool as_written, port *to, int depth)
{
	say(to, "#<");
	print_nested(mem_get((vector *)mem_get(v, items[0]), items[0]), false, to, depth + 1);
	print_items(" (", v, 1, as_written, to, depth);
	say(to, ">");
}

static void print_condition(condition *c, port *to, int depth)
{
	print_nested(mem_get(c, message), false, to, depth + 1);
	for (object *o = mem_get(c, irritants); is_pair(o); o = cdr(o)) {
		say(to, " ");
		print_nested(car(o), true, to, depth + 1);
	}
}

static void print_closure(closure *c, port *to)
{
	object *title = mem_get((code *)mem_get(c, code), title);
	say(to, "#<procedure");
	if (title) {
		say(to, " ");
		print_object(title, false, to);
	}
	say(to, ">");
}

static void print_nested(object *o, bool as_written, port *to, int depth)
{
	if (depth > NESTING_MOST) {
		say(to, "...");
		return;
	}
	switch (o->kind) {
	case NIL: say(to, "()"); break;
	case FALSE: say(to, "#f"); break;
	case TRUE: say(to, "#t"); break;
	case INTEGER:
	case REAL: print_string(number_string(o, 10), false, to); break;
	case CHARACTER: print_character((int)integer_of(o), as_written, to); break;
	case STRING: print_string((string *)o, as_written, to); break;
	case SYMBOL: print_string((string *)mem_get((symbol *)o, text), false, to); break;
	case PAIR: print_list(o, as_written, to, depth); break;
	case VECTOR: print_items("#(", (vector *)o, 0, as_written, to, depth); break;
	case VALUES: print_items("#<values (", (vector *)o, 0, as_written, to, depth); break;
	case RECORD: print_record((vector *)o, as_written, to, depth); break;
	case PRIMITIVE: port_format(to, "#<procedure %s>", ((primitive *)o)->name); break;
	case CLOSURE: print_closure((closure *)o, to); break;
	case CONDITION: print_condition((condition *)o, to, depth); break;
	default: port_format(to, "#<%s>", kind_name(o));
	}
}

void print_object(object *o, bool as_written, port *to) { print_nested(o, as_written, to, 0); }
