/* cli/run.h - the verb run: start a program on cairn, stay beside it, tell what it did. Threads: one. */
#ifndef CAIRN_CLI_RUN_H
#define CAIRN_CLI_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

enum { CAIRN_STATUS_FAILED = 125, CAIRN_STATUS_NOT_EXECUTABLE = 126, CAIRN_STATUS_NOT_FOUND = 127 };

/* The exit status of the command. */
int cairn_run(const cairn_options *o);

/* The path of libcairn.so beside the command, or where it is installed to. False: nowhere. */
bool cairn_run_library(char *path, size_t bytes);

#endif
