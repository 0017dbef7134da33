/* gc/move.h - moving one object: its bytes, its header, its hash, and what is said about its new cell.
 *
 * Threads: in a stop; who moves an object has it. Failure: none. Not here: where it goes, and who is told of it. */
#ifndef CAIRN_GC_MOVE_H
#define CAIRN_GC_MOVE_H

#include "gc/blocks.h"
#include "gc/hash.h"

#include <string.h>

/* The object's bytes, by two words and at the end perhaps by one. Upwards, and read before it is written: a lower `to`
 * may overlap. */
static inline void cairn_gc_move_bytes(char *to, const char *from, size_t cell)
{
	size_t at = 0, bytes = cell - CAIRN_GC_HEADER_BYTES;
	uint64_t words[2];
	for (; at + sizeof words <= bytes; at += sizeof words) {
		memcpy(words, from + at, sizeof words);
		memcpy(to + at, words, sizeof words);
	}
	if (at < bytes) {
		memcpy(words, from + at, sizeof *words);
		memcpy(to + at, words, sizeof *words);
	}
}

/* Says that a live cell of so many bytes starts here. */
static inline void cairn_gc_say_cell(uintptr_t cell, size_t bytes, uint8_t colour)
{
	uint8_t *byte = cairn_gc_byte_of_cell(cell);
	byte[0] = colour;
	byte[bytes / CAIRN_GC_GRAIN - 1] |= CAIRN_GC_END;
}

/* Copies the object, whose header this is, to the cell: of cairn_gc_cell_when_moved(header) bytes, and apart from it.
 * Returns the copy. The old header is the caller's to replace. */
static inline void *cairn_gc_move(uintptr_t cell, void *object, uint64_t header, uint8_t colour)
{
	void *to = cairn_gc_cell_object(cell);
	cairn_gc_move_bytes(to, object, cairn_gc_header_cell(header));
	cairn_gc_hash_moved(object, to, header);
	cairn_gc_say_cell(cell, cairn_gc_cell_when_moved(header), colour);
	return to;
}

#endif
