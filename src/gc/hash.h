/* gc/hash.h - an object's identity hash: a number that stays the same wherever it moves.
 *
 *   unhashed ──cairn_gc_hash──▶ HASHED ──moved──▶ HASHED | HASH_KEPT
 *                               a mix of its      in the word behind its size rounded up to 8,
 *                               address           which its cell has room for from then on
 *
 * So who is never asked for its hash pays nothing, and who is asked and never moves pays no memory (Agesen, "Space and
 * time-efficient hashing of garbage-collected objects", 1999).
 *
 * Threads: HASHED is set by an atomic operation; the rest happens in a stop. Failure: none. */
#ifndef CAIRN_GC_HASH_H
#define CAIRN_GC_HASH_H

#include "gc/object.h"

/* The finish of splitmix64 (Steele and others, 2014): each bit of the address changes half of the hash's. */
static inline uint64_t cairn_gc_hash_of_address(const void *object)
{
	uint64_t z = (uintptr_t)object;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Where HASH_KEPT has it: of an object that lies here and has that header. */
static inline uint64_t *cairn_gc_hash_word(void *object, uint64_t header)
{
	return (uint64_t *)((char *)object + cairn_round_up(cairn_gc_header_size(header), 8));
}

/* The hash of an object whose header is, or was before it moved, this. */
static inline uint64_t cairn_gc_hash_by(void *object, uint64_t header)
{
	return header & CAIRN_GC_HASH_KEPT ? *cairn_gc_hash_word(object, header) : cairn_gc_hash_of_address(object);
}

/* The header that a copy gets. */
static inline uint64_t cairn_gc_header_when_moved(uint64_t header)
{
	return header & CAIRN_GC_HASHED ? header | CAIRN_GC_HASH_KEPT : header;
}

/* Bytes of the cell that an object with this header needs where it moves to. */
static inline size_t cairn_gc_cell_when_moved(uint64_t header)
{
	return cairn_gc_header_cell(cairn_gc_header_when_moved(header));
}

/* Writes the copy's header, and its hash where it has one. `header` is what lay before `from`; the object's own bytes
 * are the caller's to copy: cairn_gc_header_size of them. */
static inline void cairn_gc_hash_moved(void *from, void *to, uint64_t header)
{
	if (header & CAIRN_GC_HASHED)
		*cairn_gc_hash_word(to, header) = cairn_gc_hash_by(from, header);
	*cairn_gc_header_at(to) = cairn_gc_header_when_moved(header);
}

/* The word in front of which an object that is made smaller by one grain ends, until it is that small. */
#define CAIRN_GC_HASH_CUT cairn_gc_header_make(CAIRN_GC_TYPE_FREED, 0)

/* Of an object that is HASHED, while its user may be making it smaller (gc/resize.c): its hash then lies in its new
 * place before the old one is overwritten, with CUT, by the end of the cell, before the header says that it has moved,
 * or with zero after that. acquire, all: who sees one of these steps sees those before it. */
static inline uint64_t cairn_gc_hash_of(void *object)
{
	uint64_t header = __atomic_load_n(cairn_gc_header_at(object), __ATOMIC_ACQUIRE), again = header, hash;
	if (~header & CAIRN_GC_HASH_KEPT)
		return cairn_gc_hash_of_address(object);
	do {
		header = again;
		uint64_t *word = cairn_gc_hash_word(object, header);
		hash = __atomic_load_n(word, __ATOMIC_ACQUIRE); /* see above, the next two, too */
		hash = hash == CAIRN_GC_HASH_CUT ? __atomic_load_n(word - 1, __ATOMIC_ACQUIRE) : hash;
		again = __atomic_load_n(cairn_gc_header_at(object), __ATOMIC_ACQUIRE);
	} while (cairn_gc_header_size(again) != cairn_gc_header_size(header));
	return hash;
}

static inline bool cairn_gc_is_hashed(const void *object) { return cairn_gc_header_of(object) & CAIRN_GC_HASHED; }

/* Sets bits of the header's low byte, while mutators run. relaxed: who reads them has the object from a thread that set
 * them, or is in a stop. */
static inline void cairn_gc_header_set(void *object, uint8_t bits)
{
	uint8_t *low = (uint8_t *)cairn_gc_header_at(object); /* both processors put the low byte first */
	if (~__atomic_load_n(low, __ATOMIC_RELAXED) & bits)
		__atomic_fetch_or(low, bits, __ATOMIC_RELAXED);
}

#endif
