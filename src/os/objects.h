/* os/objects.h - what the program and its libraries were linked against. */
#ifndef CAIRN_OS_OBJECTS_H
#define CAIRN_OS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of the functions (at most 32, bit i: names[i]) the object of that dynamic section, loaded at that address,
 * calls. By the relocations that name a symbol: what a hash says of imports is nothing in a program that exports
 * nothing. libc's own objects and ours call none: they do so for other ends. */
unsigned cairn_object_calls(const void *dynamic, uintptr_t load, const char *const names[], size_t count);

/* Which of them a loaded object other than the one this code is in calls. Looks at what was loaded so far. Not while
 * another thread may load or unload objects. None where nothing can be told, as in a static program. */
unsigned cairn_objects_call(const char *const names[], size_t count);

#endif
