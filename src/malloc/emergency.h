/* malloc/emergency.h - memory for a signal handler that interrupted malloc in its own thread.
 *
 * Such a handler must not wait for a lock: the thread it interrupted may hold it. So its requests are cut from a
 * store of their own by one atomic step, and its frees are put on a stack that the next slow path of any thread
 * empties. When the last live block of the store is freed, the store begins anew.
 *
 * Threads: any, and signal handlers. Failure: NULL when the store (4 MiB) is used up. */
#ifndef CAIRN_MALLOC_EMERGENCY_H
#define CAIRN_MALLOC_EMERGENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *cairn_emergency_alloc(size_t bytes, size_t align); /* returns owned */
bool cairn_emergency_owns(const void *p);
size_t cairn_emergency_usable_bytes(const void *p); /* of a block of the store */
void cairn_emergency_free(void *p); /* takes p, a block of the store */
/* Takes p, a block of another place, to be freed by who takes the deferred. */
void cairn_emergency_defer_free(void *p);
/* The blocks deferred so far, as a list linked through their first words; NULL when none. The caller frees them. */
void *cairn_emergency_take_deferred(void);

#endif
