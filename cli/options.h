/* cli/options.h - the command line, up to the program. Threads: one. */
#ifndef CAIRN_CLI_OPTIONS_H
#define CAIRN_CLI_OPTIONS_H

#include <stdbool.h>

typedef enum cairn_options_action {
	CAIRN_OPTIONS_RUN,
	CAIRN_OPTIONS_HELP,
	CAIRN_OPTIONS_VERSION,
	CAIRN_OPTIONS_WRONG, /* said why */
} cairn_options_action;

typedef struct cairn_options {
	cairn_options_action action;
	bool is_json;
	bool is_quiet;
	const char *output; /* path, or NULL: stderr; borrowed from argv */
	char **program;     /* its arguments, NULL at the end; borrowed from argv */
} cairn_options;

/* Options come before the program; "--" ends them; "run" may come first. */
void cairn_options_read(cairn_options *o, char **argv);
void cairn_options_help(void); /* on stdout */

#endif
