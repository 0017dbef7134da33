/* malloc/tend.h - who gives memory back, and when.
 *
 *   a process that never made a thread   free does it past what page/purge.c keeps: in steps of at most 100 us, or
 *                                        as much as it freed itself
 *   one with threads                     the janitor: a helper thread that lives while there is something to give back,
 *                                        and is gone within 2 s of the last purge
 *
 * CAIRN_JANITOR=1 gives a process without threads a janitor too, 0 gives none to anybody (free does it then).
 *
 * The janitor looks every 100 ms. What was used at any of the last 5 looks may be wanted again (the demand window);
 * of the rest it gives a third back at each look, so that after a second nearly all is gone.
 *
 * In a privileged process it ends within 100 ms and a look of the program's changing its user (os/identity.h); where
 * that cannot be asked for it has ten looks, and at the last all goes.
 *
 * Locks: none held on entry. errno is kept. Failure: no thread can be had: free does it, and asks again a second
 * later. */
#ifndef CAIRN_MALLOC_TEND_H
#define CAIRN_MALLOC_TEND_H

#include <stdbool.h>
#include <stddef.h>

/* After a slow free, or anything else that may have made memory dirty: a few loads when nothing is due. dirty_before:
 * what cairn_pageheap_dirty_bytes said before it, so that a large block's free pays for the whole block at once. */
void cairn_tend(size_t dirty_before);
/* Gives back all that is free now, but `keep` bytes; how many were given. For malloc_trim. With a keep of less than
 * what was prewarmed, that is no longer kept either. */
size_t cairn_tend_now(size_t keep);
/* The same, until about so many bytes went. */
size_t cairn_tend_some(size_t bytes);
void cairn_tend_start(void);      /* reads CAIRN_JANITOR */
/* Every thread gives its magazines back with its next slow free: what cairn_purge_request asks for (page/purge.h), but
 * for the part that the caller has done itself with cairn_tend_now. */
void cairn_tend_call_all(void);
void cairn_tend_fork_child(void);   /* the janitor is not here, and this process has made no thread yet */
void cairn_tend_thread_began(void); /* a thread has begun to allocate that is not the process's first */

#endif
