/* cli/options.h - the command line, up to the program. Threads: one. */
#ifndef CAIRN_CLI_OPTIONS_H
#define CAIRN_CLI_OPTIONS_H

#include <stdbool.h>

typedef enum cairn_options_action {
	CAIRN_OPTIONS_RUN,
	CAIRN_OPTIONS_COMPARE,
	CAIRN_OPTIONS_HELP,
	CAIRN_OPTIONS_HELP_COMPARE,
	CAIRN_OPTIONS_VERSION,
	CAIRN_OPTIONS_WRONG, /* said why */
} cairn_options_action;

enum { CAIRN_OPTIONS_WITH = 16, CAIRN_OPTIONS_RUNS = 1000, CAIRN_OPTIONS_WARMUP = 1 };

/* What only compare takes. */
typedef struct cairn_options_compare {
	unsigned runs;        /* 0: not said */
	double seconds;       /* for all of it; 0: not said */
	unsigned warmup;
	bool shows_output;
	const char *prepare;  /* shell command before each run, or NULL; borrowed from argv */
	const char *with[CAIRN_OPTIONS_WITH]; /* libraries; borrowed from argv */
	unsigned with_count;
} cairn_options_compare;

typedef struct cairn_options {
	cairn_options_action action;
	bool is_json;
	bool is_quiet;
	const char *output; /* path, or NULL: stderr; borrowed from argv */
	char **program;     /* its arguments, NULL at the end; borrowed from argv */
	cairn_options_compare compare;
} cairn_options;

/* Options come before the program; "--" ends them; "run" or "compare" may come first. */
void cairn_options_read(cairn_options *o, char **argv);
/* Opens what -o names, emptied. Where it is one of the command's own descriptors (/dev/stderr, /dev/fd/3), that one
 * again: opened anew, a file would be emptied and written from its start, over what the program wrote to it. The
 * descriptor, or -1 and errno. */
int cairn_options_open(const char *path);
void cairn_options_help(void); /* on stdout */
void cairn_options_help_compare(void);

#endif
