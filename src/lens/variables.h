/* lens/variables.h - which variable of a program or library lies at an address: by the symbols in its file.
 *
 * Reads .symtab, where it was not stripped, so that static variables have names, too; else .dynsym. Threads: any.
 * Failure: false, where the file cannot be read, is damaged, or names nothing there. */
#ifndef CAIRN_LENS_VARIABLES_H
#define CAIRN_LENS_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The variable of the ELF file that holds `address`, as the file has it (before it is loaded somewhere): its name, cut
 * and terminated, and how far into it the address is. Maps the file for as long as it looks. */
bool cairn_variable_at(const char *path, uint64_t address, char *name, size_t room, size_t *offset);

#endif
