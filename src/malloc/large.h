/* malloc/large.h - blocks over the largest size class: a span each, from the thread's shelf (malloc/shelf.h) or from
 * the page heap.
 *
 * A large block's usable size is its request rounded up to 4 KiB; its span is whole granules, of which the untouched
 * ones cost address space only. From 4 MiB on it is given a runway, half as much again of granules that have no
 * frames, where no limit on address space or commitment makes that dear. It grows into that, then in place when what
 * lies behind is free, and otherwise moves by remapping its pages, not by copying.
 *
 * Threads: any; a block belongs to whoever holds it. Failure: NULL or false, nothing changed. */
#ifndef CAIRN_MALLOC_LARGE_H
#define CAIRN_MALLOC_LARGE_H

#include "page/chunk.h"

/* is_zero: NULL, or the caller wants zeroes: set to true, and every byte reads zero; what had no frames still has none,
 * and from 32 MiB on nothing has where the OS takes pages. align: a power of two. Returns owned. */
void *cairn_large_alloc(size_t bytes, size_t align, bool *is_zero);
/* Takes the block of span s, which is of kind LARGE or HEAP_LARGE. */
void cairn_large_free(cairn_span *s);
/* Makes a block of bytes out of a span that was kept and has the granules. It is counted by the caller, as is that it
 * was freed. */
void *cairn_large_reuse(cairn_span *s, size_t bytes);
/* Gives a kept span to the page heap; it counts as freed already. */
void cairn_large_give(cairn_span *s);
/* Gives the block another size where that takes no lock: false when it has not the granules already. */
bool cairn_large_resize_within(cairn_span *s, size_t bytes);
/* Gives it another size where it is. */
bool cairn_large_resize(cairn_span *s, size_t bytes);
/* Moves it to a larger span without copying; NULL: copy instead. Takes s when it succeeds. Returns owned. */
void *cairn_large_move(cairn_span *s, size_t bytes);
size_t cairn_large_usable_bytes(size_t bytes); /* of a request */

#endif
