/* os/meta.h - memory for cairn's own records. It never comes from malloc, and malloc's never from here.
 *
 * Blocks are powers of two from 16 B; a freed block goes to its size's free list and is handed out again, zeroed.
 * Blocks over 64 KiB are mappings of their own. Small blocks are cut from slabs that grow from 64 KiB (under a
 * limit on memory: an OS page), so that a small program pays few pages.
 *
 * Lock: meta (rank CAIRN_RANK_META, the last: may be taken under every other). Threads: any.
 * Failure: NULL, nothing changed. */
#ifndef CAIRN_OS_META_H
#define CAIRN_OS_META_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed, aligned to the smaller of 4096 and the size rounded to a power of two. NULL when refused. Returns owned. */
void *cairn_meta_alloc(size_t bytes);
/* Takes p; bytes as asked for. NULL is allowed. */
void cairn_meta_free(void *p, size_t bytes);
size_t cairn_meta_bytes(void); /* mapped for metadata now */
/* Does p lie in a record's memory? Not told of a block over 64 KiB, nor of a slab that came from elsewhere because the
 * area could not be lengthened. */
bool cairn_meta_owns(const void *p);
void cairn_meta_lock(void);    /* for fork: in order of rank */
void cairn_meta_unlock(void);
void cairn_meta_fork_child(void); /* the child's lock is made new */
bool cairn_meta_validate(void);   /* the invariants of os/meta.c; takes the lock */

#endif
