/* malloc/family.h - what the public entry points share. */
#ifndef CAIRN_MALLOC_FAMILY_H
#define CAIRN_MALLOC_FAMILY_H

#include <stddef.h>

/* Reports a size (and alignment, 0 for none) that p cannot have been made with. Borrows p. */
void cairn_check_size(void *p, size_t align, size_t size, const char *who);

#endif
