/* os/objects.h - what the program and its libraries were linked against. */
#ifndef CAIRN_OS_OBJECTS_H
#define CAIRN_OS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the object of that dynamic section, loaded at that address, call one of the functions? By the relocations that
 * name a symbol: what a hash says of imports is nothing in a program that exports nothing. */
bool cairn_object_calls(const void *dynamic, uintptr_t load, const char *const names[], size_t count);
/* What it calls itself, as libc.so.6; "": a program. Borrowed from the object. */
const char *cairn_object_name(const void *dynamic, uintptr_t load);

/* Does a loaded object other than the one this code is in call the function of that name? Looks at what was loaded so
 * far. Not while another thread may load or unload objects. False where nothing
 * can be told, as in a static program. */
bool cairn_objects_call(const char *name);

#endif
