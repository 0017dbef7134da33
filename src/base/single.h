/* base/single.h - changes to memory of one thread's that a signal handler of that thread must find done or not begun.
 *
 * On x86-64 each is one instruction, not atomic to other threads: no lock prefix. Elsewhere it is plain C: a handler
 * that strikes in the middle and changes the same word loses or repeats one step of a count. */
#ifndef CAIRN_BASE_SINGLE_H
#define CAIRN_BASE_SINGLE_H

#include <stdint.h>

static inline void cairn_single_add(uint64_t *to, uint64_t n)
{
#if defined(__x86_64__)
	__asm__("addq %1, %0" : "+m"(*to) : "er"(n) : "cc");
#else
	*to += n;
#endif
}

/* Moves a stack's top down by one slot. */
static inline void cairn_single_pop(void ***top)
{
#if defined(__x86_64__)
	__asm__("subq $8, %0" : "+m"(*top) : : "cc");
#else
	--*top;
#endif
}

#endif
