/* cli/preload.h - libraries to preload: where they are, whether ld.so takes them, and whose malloc a program then has.
 *
 * Whatever is refused is said in one line on standard error, with a remedy. Threads: one. */
#ifndef CAIRN_CLI_PRELOAD_H
#define CAIRN_CLI_PRELOAD_H

#include <limits.h>
#include <stdbool.h>

#include "program.h"

enum { CAIRN_PRELOAD_NAME = 17 };

typedef struct cairn_preload {
	char name[CAIRN_PRELOAD_NAME]; /* for people: "jemalloc" */
	char path[PATH_MAX];           /* absolute; "" preloads nothing */
} cairn_preload;

/* asked: a path, a file name, or a bare name such as jemalloc, which is looked for in the usual library folders. */
bool cairn_preload_find(cairn_preload *l, const char *asked);
/* A library that needs no search. name NULL: from the path. False: ld.so would not take its path; nothing is said. */
bool cairn_preload_take(cairn_preload *l, const char *name, const char *path);

/* What the dynamic linker says it would load for the program. */
typedef struct cairn_preload_plan {
	bool is_known;             /* false: it could not be asked; the rest is empty then */
	bool is_incomplete;        /* a library that is needed does not exist */
	char malloc_of[PATH_MAX];  /* the first object with a malloc */
	char libc[PATH_MAX];       /* libc.so.6 */
} cairn_preload_plan;

/* Has ld.so list what it would load, without starting the program. without: the plan with nothing preloaded, or NULL.
 * False: it would not take the library. */
bool cairn_preload_plan_make(cairn_preload_plan *plan, const cairn_program *p, const cairn_preload *l,
			     const cairn_preload_plan *without);

#endif
