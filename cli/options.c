/* cli/options.c - the command line, up to the program. See options.h.
 *
 * The first argument that is not an option is the program, and everything after it belongs to the program. So a
 * program that has a verb's name is run by `cairn -- NAME` or `cairn run NAME`, and a verb that does not exist yet
 * is a program.
 *
 * Failure: one line that says what to type instead. */
#include "options.h"

#include <stdio.h>
#include <string.h>

static void options_wrong(cairn_options *o, const char *what, const char *which, const char *remedy)
{
	fprintf(stderr, "cairn: %s%.80s; %s\n", what, which, remedy);
	o->action = CAIRN_OPTIONS_WRONG;
}

/* An option with a value: in the same argument or the next. Returns the value, or NULL: it is not this option. *next
 * is set when the next argument was taken. */
static const char *options_value(const char *argument, const char *name, const char *following, bool *takes_next)
{
	size_t n = strlen(name);
	*takes_next = false;
	if (strncmp(argument, name, n))
		return NULL;
	if (!argument[n]) {
		*takes_next = true;
		return following ? following : "";
	}
	if (name[1] == '-')
		return argument[n] == '=' ? argument + n + 1 : NULL;
	return argument + n;
}

/* One option; returns how many arguments it took, 0 when it is wrong. */
static int options_one(cairn_options *o, char **at)
{
	bool takes_next;
	const char *file = options_value(at[0], "-o", at[1], &takes_next);
	if (!file)
		file = options_value(at[0], "--output", at[1], &takes_next);
	if (file && !*file)
		return options_wrong(o, at[0], "", "it needs a file: -o FILE"), 0;
	if (file)
		o->output = file;
	else if (!strcmp(at[0], "--json"))
		o->is_json = true;
	else if (!strcmp(at[0], "--quiet") || !strcmp(at[0], "-q"))
		o->is_quiet = true;
	else if (!strcmp(at[0], "--help") || !strcmp(at[0], "-h"))
		o->action = CAIRN_OPTIONS_HELP;
	else if (!strcmp(at[0], "--version") || !strcmp(at[0], "-V"))
		o->action = CAIRN_OPTIONS_VERSION;
	else
		return options_wrong(o, "unknown option ", at[0], "see cairn --help, or put -- before a program"), 0;
	return file && takes_next ? 2 : 1;
}

void cairn_options_read(cairn_options *o, char **argv)
{
	char **at = argv[0] ? argv + 1 : argv;
	bool has_verb = false;
	memset(o, 0, sizeof *o);
	while (*at && o->action == CAIRN_OPTIONS_RUN) {
		if (!strcmp(*at, "--")) {
			at++;
			break;
		}
		if (!has_verb && !strcmp(*at, "run")) {
			has_verb = true;
			at++;
			continue;
		}
		if ((*at)[0] != '-' || !(*at)[1])
			break;
		int took = options_one(o, at);
		if (!took)
			return;
		at += took;
	}
	o->program = at;
	if (o->action == CAIRN_OPTIONS_RUN && !*at)
		options_wrong(o, "no program to run", "", "type: cairn run -- PROGRAM [ARGUMENTS]");
}

void cairn_options_help(void)
{
	fputs("Usage: cairn [run] [options] [--] PROGRAM [ARGUMENTS]\n"
	      "\n"
	      "Runs a program, unchanged, on cairn's malloc, and tells at the end what it\n"
	      "allocated and what it held. The program's input, output and exit status stay its\n"
	      "own; the account goes to standard error.\n"
	      "\n"
	      "  --json         the account as one JSON object, on the last line\n"
	      "  -q, --quiet    one line\n"
	      "  -o FILE        the account goes to FILE\n"
	      "  -h, --help     this text\n"
	      "  -V, --version  the version\n"
	      "  --             ends cairn's options\n"
	      "\n"
	      "Exit status: the program's own; 128 + n when signal n killed it; 125 when cairn\n"
	      "failed, 126 when the program cannot be executed, 127 when it is not found.\n"
	      "\n"
	      "Without this command: LD_PRELOAD=libcairn.so CAIRN_SUMMARY=stderr PROGRAM\n"
	      "More: man cairn\n",
	      stdout);
}
