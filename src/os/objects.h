/* os/objects.h - what the program and its libraries were linked against. */
#ifndef CAIRN_OS_OBJECTS_H
#define CAIRN_OS_OBJECTS_H

#include <stdbool.h>

/* Does a loaded object other than the one this code is in call the function of that name? Looks at what was loaded so
 * far, by the relocations that name a symbol. Not while another thread may load or unload objects. False where nothing
 * can be told, as in a static program. */
bool cairn_objects_call(const char *name);

#endif
