/* gc/types.h - the registry of types beside its reading end, which is in gc/object.h. Threads: any. */
#ifndef CAIRN_GC_TYPES_H
#define CAIRN_GC_TYPES_H

#include <stdbool.h>

bool cairn_gc_types_have_conservative(void); /* is any of them CAIRN_GC_CONSERVATIVE */
void cairn_gc_types_lock(void); /* for fork, in order of rank */
void cairn_gc_types_unlock(void);
void cairn_gc_types_fork_child(void);
void cairn_gc_types_validate(void); /* the invariants of gc/types.c; takes the lock */

#endif
