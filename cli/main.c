/* cli/main.c - the command: verbs, help, version.
 *
 * The command is linked with the library, for its printer, and so is on cairn's malloc itself; it leaves by _exit,
 * so that a CAIRN_SUMMARY meant for the program does not also tell about the command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "options.h"
#include "run.h"
#include "stat.h"
#include "top.h"

#ifndef CAIRN_VERSION
#define CAIRN_VERSION "unknown"
#endif

/* Descriptors 0 to 2 that the caller left closed must not become files of ours; the program finds them closed again.
 * What is written to a closed standard output is an error, as it is to who has no such care. */
static void main_fill_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

static int main_print(cairn_options_action action)
{
	if (action == CAIRN_OPTIONS_HELP)
		cairn_options_help();
	else if (action == CAIRN_OPTIONS_HELP_COMPARE)
		cairn_options_help_compare();
	else
		puts("cairn " CAIRN_VERSION);
	if (!fflush(stdout))
		return 0;
	fprintf(stderr, "cairn: standard output: %s\n", strerror(errno));
	return CAIRN_STATUS_FAILED;
}

int main(int argc, char **argv)
{
	cairn_options o;
	int status;
	main_fill_descriptors();
	if (argc > 1 && !strcmp(argv[1], "stat")) { /* its options are its own */
		status = cairn_stat(argv + 2);
		fflush(stderr);
		_exit(status);
	}
	if (argc > 1 && !strcmp(argv[1], "top")) {
		status = cairn_top(argv + 2);
		fflush(stderr);
		_exit(status);
	}
	cairn_options_read(&o, argc ? argv : (char *[]){ NULL });
	if (o.action == CAIRN_OPTIONS_WRONG)
		status = CAIRN_STATUS_FAILED;
	else if (o.action == CAIRN_OPTIONS_RUN)
		status = cairn_run(&o);
	else if (o.action == CAIRN_OPTIONS_COMPARE)
		status = cairn_compare(&o);
	else
		status = main_print(o.action);
	fflush(stderr);
	_exit(status);
}
