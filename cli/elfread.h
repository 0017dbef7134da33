/* cli/elfread.h - what the bytes of a program say about serving it.
 *
 * Reads ELF files of any class far enough to tell what they are, and those of this machine far enough to tell whose
 * malloc they will call. Any bytes are safe: every offset is checked against the file before it is followed, every
 * loop is bounded by the file's size. Threads: any. Allocates nothing. */
#ifndef CAIRN_CLI_ELFREAD_H
#define CAIRN_CLI_ELFREAD_H

#include <stdbool.h>
#include <stddef.h>

enum { CAIRN_ELF_TEXT = 256 };

typedef struct cairn_elf_facts {
	bool is_elf;
	bool is_native;    /* this machine's class, byte order and machine; the rest is only known then */
	bool is_static;    /* no interpreter: a program that nothing can be preloaded to, or a library */
	bool is_damaged;   /* offsets that point outside of the file */
	bool has_malloc;   /* exports a malloc of its own, which comes before any preloaded one */
	char interpreter[CAIRN_ELF_TEXT]; /* the dynamic linker's path */
	char sanitizer[32];               /* the one it was built with: "AddressSanitizer"; "" none */
	char allocator[32];               /* one inside under other names: "jemalloc"; "" none */
} cairn_elf_facts;

void cairn_elf_read(cairn_elf_facts *facts, const void *file, size_t bytes);

#endif
