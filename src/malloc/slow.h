/* malloc/slow.h - where the fast paths of malloc/malloc.c go when a magazine is empty or full, or a block is not small.
 *
 * Every function here also serves threads that work on the static empty cache (malloc/threads.h). Locks: none held on
 * entry. who: the public function's name, for messages; borrowed, static. */
#ifndef CAIRN_MALLOC_SLOW_H
#define CAIRN_MALLOC_SLOW_H

#include "page/chunk.h"

#include <stdbool.h>
#include <stddef.h>

/* A block of at least bytes, aligned to align (a power of two; 16 when smaller). is_zero may be NULL. NULL: errno
 * ENOMEM. */
void *cairn_slow_alloc(size_t bytes, size_t align, bool *is_zero);
void cairn_slow_free(void *p, const char *who); /* takes p; NULL is allowed */
/* Usable bytes; 0 for NULL and for strangers. A freed or interior pointer is reported where that is known. */
size_t cairn_slow_usable_bytes(void *p, const char *who);
/* The large block of s given another size where it is, or its pages moved without copying; NULL: copy. Takes the
 * block when it succeeds; a move counts as one allocation and one free. */
void *cairn_slow_realloc_large(cairn_span *s, size_t bytes);

#endif
