/* malloc/stranger.h - pointers given to free that are not cairn's: what they are, and what is done.
 *
 *   in the brk heap            libc's own malloc made it (a library opened with RTLD_DEEPBIND): libc's free takes it
 *   in another mapping         a second libc's, perhaps (dlmopen): counted, told once, left alone
 *   on this thread's stack, in a program's or library's image, or nowhere: misuse, one line and abort
 *
 * Locks: none. Slow: it reads /proc/self/maps; nothing here is on a path that a right program takes often. */
#ifndef CAIRN_MALLOC_STRANGER_H
#define CAIRN_MALLOC_STRANGER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cairn_stranger {
	CAIRN_STRANGER_LIBC,    /* in the brk heap */
	CAIRN_STRANGER_MAPPED,  /* in some mapping */
	CAIRN_STRANGER_MISUSE,
} cairn_stranger;

cairn_stranger cairn_stranger_of(const void *p);
void cairn_stranger_free(void *p, const char *who);       /* takes p as the table says */
void *cairn_stranger_realloc(void *p, size_t bytes, const char *who);

#endif
