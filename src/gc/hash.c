/* gc/hash.c - asking for an object's identity hash. What it is: hash.h. Nothing here can fail. */
#include "gc/hash.h"

uint64_t cairn_gc_hash(cairn_gc_mutator *m, void *object)
{
	(void)m; /* says that no stop is in force */
	cairn_gc_header_set(object, CAIRN_GC_HASHED);
	return cairn_gc_hash_of(object);
}
