/* main.c - the command.
 *
 *   scheme FILE...    runs the files in turn
 *   scheme -e TEXT    runs a text; its last value is printed
 *   scheme            a prompt where standard input is a terminal; or runs what comes from there
 *
 * An error that no handler takes ends a file, with one line on standard error: FILE:LINE: what: values. At the prompt
 * it ends the form. SCHEME_DEPTH is how deep recursion may be (10,000,000).
 * Exit status: 0; 1 an error, or a file that cannot be read; what (exit n) says; 2 usage. */
#include <errno.h>
#include <unistd.h>
#include "scheme.h"

static const char prelude[] =
#include "prelude.h"
	;

static void print_error(object *o)
{
	port *to = make_port(make_string(NULL, 64), false);
	object *file = o->kind == CONDITION ? mem_get((condition *)o, file) : NULL;
	if (file && o->line)
		port_format(to, "%.*s:%u: ", (int)((string *)file)->length, ((string *)file)->bytes, o->line);
	else
		port_write(to, "scheme: ", 8);
	print_object(o, false, to);
	string *text = port_string(to);
	for (size_t i = 0; i < text->length; i++)
		text->bytes[i] = text->bytes[i] == '\n' ? ' ' : text->bytes[i];
	fflush(stdout);
	fprintf(stderr, "%.*s\n", (int)text->length, text->bytes);
}

/* A form's failure: the line where it was read or compiled, where run did not say. */
static bool failed(string *file, uint32_t line)
{
	object *o = raised();
	if (o->kind == CONDITION && file && !(mem_get((condition *)o, file) && o->line)) {
		mem_set((condition *)o, file, &file->is);
		o->line = o->line ? o->line : line;
	}
	print_error(o);
	return false;
}

static bool run_form(object *form, string *file, uint32_t line, bool prints)
{
	object *tree = analyze_top(form), *value = tree ? run(compile_top(tree, file)) : NULL;
	if (!value)
		return failed(file, is_pair(form) && form->line ? form->line : line);
	if (prints && value != the_nothing) {
		print_object(value, true, NULL);
		putchar('\n');
	}
	return true;
}

bool load_text(string *text, string *file, bool prints)
{
	port *from = make_port(text, true);
	for (object *form;;) {
		switch (read_datum(from, &form)) {
		case READ_END: return true;
		case READ_ONE:
			if (!run_form(form, file, from->line, prints))
				return false;
			break;
		default: return failed(file, from->line);
		}
	}
}

/* A file in a string of the heap. NULL: it cannot be read, and that was said. */
static string *file_text(FILE *f, const char *name)
{
	port *to = make_port(make_string(NULL, 4096), false);
	char bytes[4096];
	size_t n = 0;
	do {
		MEMORY_WAITING { n = f ? fread(bytes, 1, sizeof bytes, f) : 0; }
		port_write(to, bytes, n);
	} while (n);
	if (f && !ferror(f))
		return port_string(to);
	fprintf(stderr, "scheme: %s: %s\n", name, strerror(errno));
	return NULL;
}

static bool load_file(const char *name)
{
	FILE *f = fopen(name, "r");
	string *text = file_text(f, name);
	if (f)
		fclose(f);
	return text && load_text(text, make_string(name, strlen(name)), false);
}

/* Lines until they are whole forms; READ_HALF: another is needed. */
static read_result whole(port *lines)
{
	object *form;
	read_result result;
	size_t at = lines->at;
	do
		result = read_datum(lines, &form);
	while (result == READ_ONE);
	lines->at = at;
	return result;
}

static bool prompt(void)
{
	char line[4096];
	port *lines = make_port(make_string(NULL, 64), false);
	for (;;) {
		printf("%s", lines->end ? "  " : "> ");
		fflush(stdout);
		char *got = NULL;
		MEMORY_WAITING { got = fgets(line, sizeof line, stdin); }
		if (!got)
			break;
		port_write(lines, line, strlen(line));
		if (whole(lines) == READ_HALF)
			continue;
		load_text(port_string(lines), make_string("stdin", 5), true);
		lines = make_port(make_string(NULL, 64), false);
	}
	putchar('\n');
	return true;
}

static bool load_input(void)
{
	if (isatty(STDIN_FILENO))
		return prompt();
	string *text = file_text(stdin, "stdin");
	return text && load_text(text, make_string("stdin", 5), false);
}

static int usage(void)
{
	fputs("usage: scheme [FILE... | -e TEXT]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] == '-' && (strcmp(argv[1], "-e") || argc != 3))
		return usage();
	objects_open();
	forms_open();
	numbers_open();
	lists_open();
	strings_open();
	tables_open();
	run_open();
	bool good = load_text(make_string(prelude, sizeof prelude - 1), NULL, false);
	if (argc < 2)
		good = good && load_input();
	else if (argv[1][0] == '-')
		good = good && load_text(make_string(argv[2], strlen(argv[2])), make_string("-e", 2), true);
	for (int i = 1; i < argc && argv[1][0] != '-'; i++)
		good = good && load_file(argv[i]);
	fflush(stdout);
	memory_close();
	return good ? 0 : 1;
}
