/* cli/program.h - which file a command names, and whether cairn can serve it.
 *
 * The file is looked for as execvp does it; "#!" lines are followed to the interpreter as the kernel does it.
 * Nothing here starts the program. Threads: one. */
#ifndef CAIRN_CLI_PROGRAM_H
#define CAIRN_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "elfread.h"

typedef enum cairn_program_state {
	CAIRN_PROGRAM_SERVED,      /* preload, and expect an account */
	CAIRN_PROGRAM_UNREACHABLE, /* preloading does nothing to it, but may serve its children */
	CAIRN_PROGRAM_ASIDE,       /* preloading would harm it: leave it out */
} cairn_program_state;

typedef struct cairn_program {
	char path[PATH_MAX];  /* of what to execute */
	char image[PATH_MAX]; /* of the ELF file that will run in the end: the same, or a script's interpreter */
	bool is_shell_script; /* no "#!" and no format the kernel knows: to be run by /bin/sh */
	cairn_program_state state;
	char why_not[192];    /* a clause, when it is not served: "is a static program ..." */
	char note[192];       /* a sentence, when it is served in part; "" none */
} cairn_program;

/* 0, or ENOENT (there is no such program), or the errno of why it cannot be executed. */
int cairn_program_find(cairn_program *p, const char *name);
/* Fills in the rest. */
void cairn_program_inspect(cairn_program *p);
/* What a program's or library's file says. Reads it in a process of its own, which hostile bytes may end without harm.
 * False: it cannot be read. */
bool cairn_program_facts(const char *path, cairn_elf_facts *facts);

#endif
