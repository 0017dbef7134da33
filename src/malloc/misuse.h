/* malloc/misuse.h - what the program did wrong, in one line; then abort.
 *
 *   cairn: free: already free: 0x7f0012345040 (size class 64 B, server)
 *
 * Who is the public function that was called; a crime found when a magazine is flushed says "free". No lock may be
 * held: a handler of SIGABRT may allocate. */
#ifndef CAIRN_MALLOC_MISUSE_H
#define CAIRN_MALLOC_MISUSE_H

#include "malloc/slab.h"

_Noreturn void cairn_misuse_already_free(const char *who, const void *p);
_Noreturn void cairn_misuse_not_start(const char *who, const void *p);
_Noreturn void cairn_misuse_not_ours(const char *who, const void *p);
_Noreturn void cairn_misuse_not_of_heap(const char *who, const void *p);
_Noreturn void cairn_misuse_managed(const char *who, const void *p);
_Noreturn void cairn_misuse_wrong_size(const char *who, const void *p, size_t asked_bytes);
/* For a verdict of cairn_slab_give or _look that is not OK. */
_Noreturn void cairn_misuse_verdict(const char *who, const void *p, cairn_give verdict);
/* Tells once that a block of another allocator was given to free and left alone. */
void cairn_misuse_left_alone(const char *who, const void *p);

#endif
