/* cli/options.c - the command line, up to the program. See options.h.
 *
 * The first argument that is not an option is the program, and everything after it belongs to the program. So a
 * program that has a verb's name is run by `cairn -- NAME` or `cairn run NAME`, and a verb that does not exist yet
 * is a program.
 *
 * Failure: one line that says what to type instead. */
#include "options.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool options_wrong(cairn_options *o, const char *what, const char *which, const char *remedy)
{
	fprintf(stderr, "cairn: %s%.80s; %s\n", what, which, remedy);
	o->action = CAIRN_OPTIONS_WRONG;
	return false;
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

static bool options_take_output(cairn_options *o, const char *name, const char *value)
{
	o->output = value;
	return *value || options_wrong(o, name, "", "it needs a file: -o FILE");
}

/* A number with nothing behind it; -1: it is none. */
static double options_number(const char *value)
{
	char *end;
	double number = strtod(value, &end);
	return end != value && !*end && number >= 0 && number < 1e9 ? number : -1;
}

static bool options_take_runs(cairn_options *o, const char *name, const char *value)
{
	double number = options_number(value);
	o->compare.runs = number >= 1 && number <= CAIRN_OPTIONS_RUNS ? (unsigned)number : 0;
	return (o->compare.runs && o->compare.runs == number) ||
	       options_wrong(o, name, "", "it needs a number of runs, 1 to 1000: -n 20");
}

static bool options_take_warmup(cairn_options *o, const char *name, const char *value)
{
	double number = options_number(value);
	o->compare.warmup = number >= 0 && number <= CAIRN_OPTIONS_RUNS ? (unsigned)number : CAIRN_OPTIONS_WARMUP;
	return o->compare.warmup == number || options_wrong(o, name, "", "it needs a number of runs: --warmup 3");
}

static bool options_take_time(cairn_options *o, const char *name, const char *value)
{
	o->compare.seconds = options_number(value);
	return o->compare.seconds > 0 || options_wrong(o, name, "", "it needs seconds: --time 60");
}

static bool options_take_with(cairn_options *o, const char *name, const char *value)
{
	if (!*value)
		return options_wrong(o, name, "", "it needs a library: --with jemalloc, or a path");
	if (o->compare.with_count == CAIRN_OPTIONS_WITH)
		return options_wrong(o, name, "", "16 libraries are the most; leave some out");
	o->compare.with[o->compare.with_count++] = value;
	return true;
}

static bool options_take_prepare(cairn_options *o, const char *name, const char *value)
{
	o->compare.prepare = value;
	return *value || options_wrong(o, name, "", "it needs a shell command: --prepare 'make clean'");
}

/* Options with a value. True: it is one of these, and *took arguments were taken, 0 when the value is wrong. */
static bool options_valued(cairn_options *o, char **at, int *took)
{
	static const struct {
		const char *name, *other;
		bool (*take)(cairn_options *o, const char *name, const char *value);
	} valued[] = {
		{ "-o", "--output", options_take_output },    { "-n", "--runs", options_take_runs },
		{ "--time", "--time", options_take_time },    { "--warmup", "--warmup", options_take_warmup },
		{ "--with", "--with", options_take_with },    { "--prepare", "--prepare", options_take_prepare },
	};
	bool takes_next = false;
	for (size_t i = 0; i < sizeof valued / sizeof *valued; i++) {
		const char *value = options_value(at[0], valued[i].name, at[1], &takes_next);
		if (!value)
			value = options_value(at[0], valued[i].other, at[1], &takes_next);
		if (!value)
			continue;
		*took = valued[i].take(o, at[0], value) ? takes_next ? 2 : 1 : 0;
		return true;
	}
	return false;
}

/* One option; returns how many arguments it took, 0 when it is wrong. */
static int options_one(cairn_options *o, bool *wants_help, char **at)
{
	int took;
	if (options_valued(o, at, &took))
		return took;
	if (!strcmp(at[0], "--json"))
		o->is_json = true;
	else if (!strcmp(at[0], "--quiet") || !strcmp(at[0], "-q"))
		o->is_quiet = true;
	else if (!strcmp(at[0], "--show-output"))
		o->compare.shows_output = true;
	else if (!strcmp(at[0], "--help") || !strcmp(at[0], "-h"))
		*wants_help = true;
	else if (!strcmp(at[0], "--version") || !strcmp(at[0], "-V"))
		o->action = CAIRN_OPTIONS_VERSION;
	else
		return options_wrong(o, "unknown option ", at[0], "see cairn --help, or put -- before a program");
	return 1;
}

/* The first word that is a verb; it may stand behind options. */
static bool options_verb(cairn_options *o, const char *word)
{
	bool is_compare = !strcmp(word, "compare");
	if (is_compare)
		o->action = CAIRN_OPTIONS_COMPARE;
	return is_compare || !strcmp(word, "run");
}

/* What is only known when all options were read. */
static void options_finish(cairn_options *o, bool wants_help)
{
	const cairn_options_compare *c = &o->compare;
	bool is_compare = o->action == CAIRN_OPTIONS_COMPARE;
	bool for_compare = c->runs || c->seconds > 0 || c->warmup != CAIRN_OPTIONS_WARMUP || c->shows_output ||
			   c->prepare || c->with_count;
	if (wants_help)
		o->action = is_compare ? CAIRN_OPTIONS_HELP_COMPARE : CAIRN_OPTIONS_HELP;
	else if (!is_compare && for_compare)
		options_wrong(o, "an option that only compare has", "", "type: cairn compare [options] -- PROGRAM");
	else if (!*o->program && is_compare)
		options_wrong(o, "no program to compare", "", "type: cairn compare -- PROGRAM [ARGUMENTS]");
	else if (!*o->program)
		options_wrong(o, "no program to run", "", "type: cairn run -- PROGRAM [ARGUMENTS]");
}

void cairn_options_read(cairn_options *o, char **argv)
{
	char **at = argv[0] ? argv + 1 : argv;
	bool has_verb = false, wants_help = false;
	memset(o, 0, sizeof *o);
	o->compare.warmup = CAIRN_OPTIONS_WARMUP;
	while (*at && !wants_help && (o->action == CAIRN_OPTIONS_RUN || o->action == CAIRN_OPTIONS_COMPARE)) {
		if (!strcmp(*at, "--")) {
			at++;
			break;
		}
		if (!has_verb && options_verb(o, *at)) {
			has_verb = true;
			at++;
			continue;
		}
		if ((*at)[0] != '-' || !(*at)[1])
			break;
		int took = options_one(o, &wants_help, at);
		if (!took)
			return;
		at += took;
	}
	o->program = at;
	if (o->action == CAIRN_OPTIONS_RUN || o->action == CAIRN_OPTIONS_COMPARE)
		options_finish(o, wants_help);
}

/* The descriptor that the path is another name of; -1: none. */
static int options_own_descriptor(const char *path)
{
	static const char *const names[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
	for (int fd = 0; fd < 3; fd++)
		if (!strcmp(path, names[fd]))
			return fd;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		size_t n = strlen(folders[i]);
		double number = strncmp(path, folders[i], n) ? -1 : options_number(path + n);
		if (number >= 0 && number == (int)number)
			return (int)number;
	}
	return -1;
}

int cairn_options_open(const char *path)
{
	int own = options_own_descriptor(path);
	if (own >= 0)
		return fcntl(own, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
}

void cairn_options_help(void)
{
	fputs("Usage: cairn [run] [options] [--] PROGRAM [ARGUMENTS]\n"
	      "       cairn compare [options] [--] PROGRAM [ARGUMENTS]\n"
	      "       cairn stat [options] PID\n"
	      "       cairn top [options] [PID|NAME]\n"
	      "\n"
	      "run starts a program, unchanged, on cairn's malloc, and tells at the end what it\n"
	      "allocated and what it held. The program's input, output and exit status stay its\n"
	      "own; the account goes to standard error.\n"
	      "compare runs it many times on the C library's malloc and on cairn, and tells\n"
	      "what differs in time and memory: cairn compare --help.\n"
	      "stat tells where the resident bytes of a running process are, and what would\n"
	      "give them back; top watches it: cairn stat --help, cairn top --help.\n"
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

void cairn_options_help_compare(void)
{
	fputs("Usage: cairn compare [options] [--] PROGRAM [ARGUMENTS]\n"
	      "\n"
	      "Runs a program in rounds, in each once on the C library's malloc and once on\n"
	      "cairn, in an order that is drawn anew; and tells time, peak memory and page\n"
	      "faults of each, ratios with 95 % intervals, and what is certain and what noise.\n"
	      "\n"
	      "  -n RUNS          so many rounds; otherwise 10, and for 5 seconds up to 100\n"
	      "  --time SECONDS   as many rounds as fit in that time\n"
	      "  --warmup RUNS    runs before, not measured; 1\n"
	      "  --with LIBRARY   one allocator more: a path, or a name such as jemalloc,\n"
	      "                   mimalloc, tcmalloc; glibc is itself again. May be repeated\n"
	      "  --prepare SHELL  a shell command before each run, not measured\n"
	      "  --show-output    the program's output is shown, not discarded\n"
	      "  --json           one JSON object, on the last line\n"
	      "  -q, --quiet      the sentences only, on one line\n"
	      "  -o FILE          the result goes to FILE\n"
	      "\n"
	      "Each run reads /dev/null, or from the start the file that standard input is.\n"
	      "\n"
	      "Exit status: the program's own where it is the same in every run; 1 when runs\n"
	      "ended differently; 128 + n when signal n ended the comparison early; 125 when\n"
	      "cairn failed or the program cannot be preloaded; 126, 127 as for run.\n",
	      stdout);
}
