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

#include <stdbool.h>
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

/* Gives everything that is free back to the system now: this thread's caches, all threads' kept large blocks, and what
 * the heap holds; what lies in other threads' caches follows when they next free. Returns bytes. Costs some 0.25 us for
 * each 4 KiB that goes, and a fault for each that is wanted again. Not from a signal handler. Keeps errno. */
size_t cairn_purge(void);
/* For a thread that is about to wait for long, as one of a pool does: gives what this thread's caches hold back to the
 * heap, where all threads find it, and the caches' own memory. Measured after 5,000 blocks of up to 1 KB: 9 us, and
 * the next 5,000 take 5 % longer. Not from a signal handler. Keeps errno. */
void cairn_idle(void);

/* Limits. The soft limit is where caches drain, everything free goes back to the system and callbacks are called,
 * before a request is served all the same. Without a word from the program it is 90 % of the tightest of its memory
 * cgroup (v1 or v2, the whole path up), RLIMIT_AS and RLIMIT_DATA, or what CAIRN_LIMIT says. Past the hard limit
 * requests are refused: NULL with ENOMEM, nothing changed; there is none until it is set. It counts what malloc has
 * taken for blocks in use, whole slabs and whole large blocks, touched or not. */
typedef struct cairn_limit_state {
	size_t soft_bytes;     /* in force; 0: none */
	size_t hard_bytes;     /* 0: none */
	size_t tightest_bytes; /* the limit that it is a share of; 0: none, or the heap has not come to 8 MiB */
	size_t held_bytes;     /* by the heap now: for blocks in use, and free but not given back */
	size_t room_bytes;     /* left below the soft limit; in callbacks only */
	bool is_near;          /* little room at the last look, or threads wait for memory (PSI): purging is eager */
} cairn_limit_state;
typedef void cairn_limit_callback(const cairn_limit_state *state, void *arg);

/* soft_bytes: of this process's resident memory, 0: as without a word, SIZE_MAX: none. hard_bytes: of the heap, 0:
 * none. False with EINVAL where soft is over hard: nothing changed. Any thread; reads files of /proc and the cgroup. */
bool cairn_limit_set(size_t soft_bytes, size_t hard_bytes);
void cairn_limit_get(cairn_limit_state *to); /* any thread */
/* call(state, arg) near the soft limit, after what is free has gone back and did not suffice, and again each time the
 * heap has grown by a 64th of the limit. It runs in the thread whose request came near, with no lock of malloc's held:
 * it may allocate and free, must return, and must not wait for a lock that its program holds around malloc or free.
 * One callback runs at a time. Borrows arg until it is taken off. False: eight are on already, or no memory. */
bool cairn_limit_on_near(cairn_limit_callback *call, void *arg);
/* Takes it off, both values as they were given. False: it was not on. Another thread may just be running it. */
bool cairn_limit_off_near(cairn_limit_callback *call, void *arg);

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
