/* cairn/malloc.h - the C family under cairn_ names, and first-class heaps.
 *
 * Linked or preloaded, cairn also defines malloc, free and their kin under their usual names; include this header to
 * call them by cairn's names, for instance in a program that keeps another malloc beside it.
 *
 * Alignment: every block is aligned to 16 bytes at least. Sizes are bytes. Ownership: what an allocating function
 * returns is owned by the caller until it is given to cairn_free or cairn_realloc. Failure: NULL with errno ENOMEM,
 * nothing changed; misuse prints one line and aborts. Threads: any function from any thread, on any block. */
#ifndef CAIRN_MALLOC_H
#define CAIRN_MALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* As the C standard, POSIX and glibc say of the names without cairn_; where they differ, as glibc. size 0 gives a
 * unique block of 16 usable bytes. */
void *cairn_malloc(size_t size);
void *cairn_calloc(size_t count, size_t size);          /* zeroed */
void cairn_free(void *p);                               /* takes p; NULL is allowed; keeps errno */
void *cairn_realloc(void *p, size_t size);              /* takes p unless it fails; size 0 frees p and returns NULL */
void *cairn_reallocarray(void *p, size_t count, size_t size);
void *cairn_aligned_alloc(size_t align, size_t size);   /* align: rounded up to a power of two */
void *cairn_memalign(size_t align, size_t size);
int cairn_posix_memalign(void **out, size_t align, size_t size); /* EINVAL or ENOMEM as value; *out untouched then */
void *cairn_valloc(size_t size);
void *cairn_pvalloc(size_t size);
size_t cairn_malloc_usable_size(void *p);               /* borrows p; all of it may be written; NULL and strangers: 0 */
void cairn_free_sized(void *p, size_t size);            /* C23; a wrong size is misuse */
void cairn_free_aligned_sized(void *p, size_t align, size_t size);
int cairn_malloc_trim(size_t keep);                     /* gives free memory back now; 1 when something was given */

/* A heap of its own: blocks from it can be freed one by one (cairn_heap_free, or plain free), or all at once. Any
 * thread may use or destroy it; destroying costs time per span (16 KiB and up), not per block. */
typedef struct cairn_heap cairn_heap;

cairn_heap *cairn_heap_create(void);                    /* NULL: no memory. Returns owned */
void *cairn_heap_alloc(cairn_heap *h, size_t size);     /* aligned to 16; returns owned, until the heap goes */
void *cairn_heap_alloc_aligned(cairn_heap *h, size_t align, size_t size); /* align: a power of two; NULL otherwise */
void cairn_heap_free(cairn_heap *h, void *p);           /* takes p, a block of h; NULL is allowed */
size_t cairn_heap_live_bytes(cairn_heap *h);            /* usable bytes of live blocks */
/* Takes h: every block of it is gone. No other thread may be using h or its blocks. NULL is allowed. */
void cairn_heap_destroy(cairn_heap *h);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
