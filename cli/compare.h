/* cli/compare.h - the verb compare: does an allocator help a program? Threads: one. */
#ifndef CAIRN_CLI_COMPARE_H
#define CAIRN_CLI_COMPARE_H

#include "options.h"

/* The exit status of the command. */
int cairn_compare(const cairn_options *o);

#endif
