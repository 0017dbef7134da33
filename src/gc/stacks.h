/* gc/stacks.h - where a thread's stack and its static thread-local data lie, and who is on them.
 *
 * Threads: what says "calling thread" is about that; the rest in a stop. Failure: nothing is found, 0. */
#ifndef CAIRN_GC_STACKS_H
#define CAIRN_GC_STACKS_H

#include "gc/world.h"

/* Fills in t's stack and thread-local data, those of the calling thread. False: libc does not know them. */
bool cairn_gc_stacks_find(cairn_gc_thread *t);
/* What AddressSanitizer calls the calling thread's fake stack, or NULL. */
void *cairn_gc_fake_stack(void);
/* p points into a frame of that fake stack: its bounds. */
bool cairn_gc_fake_frame(void *fake, uintptr_t p, uintptr_t *start, uintptr_t *end);
/* Is every page of [start, end) mapped? */
bool cairn_gc_is_mapped(uintptr_t start, uintptr_t end);

/* Of the calling thread, which is late and about to stop: writes down where it is. */
void cairn_gc_late_note(cairn_gc_thread *t);
/* The same thread, when it runs again: tells the world, if it was the latest so far. */
void cairn_gc_late_tell(cairn_gc_thread *t, uint64_t late_ns);

#endif
