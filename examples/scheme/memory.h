/* memory.h - the interpreter's objects under several memory managers: all that differs between them stands here.
 *
 *   -DUSE_CAIRN    a managed heap of cairn's; CAIRN_GC_COLLECTOR and CAIRN_GC_MAX choose
 *   -DUSE_BOEHM    Boehm, Demers, Weiser's collector
 *   -DUSE_MALLOC   calloc, and nothing is ever freed
 *
 * A struct declares its references as MEMORY_REF(T) field, and object.c says once which they are: MEMORY_TYPE(T, left,
 * right), MEMORY_LEAF(T), and the forms for a trailing array. Fields are read by mem_get and stored by mem_set. Locals
 * of C keep what they point to; a static variable does where mem_root was told of it, or mem_keep of what it points to.
 * There is one heap and one thread, so none of these is told the heap. `make scheme-lines` counts the parts. */
#ifndef SCHEME_MEMORY_H
#define SCHEME_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef USE_CAIRN
#include "cairn/gc.h"

extern cairn_gc_mutator *memory_here; /* object.c */
extern cairn_gc_handle *memory_spare;
extern int memory_state; /* 0; -1: the spare bytes were let go; else the calls until they are to be taken again */

#define MEMORY_REF(T)            cairn_ref(T)
#define MEMORY_TYPE(T, ...)      CAIRN_GC_TYPE(T, .refs = CAIRN_GC_REFS(T, __VA_ARGS__))
#define MEMORY_LEAF(T)           CAIRN_GC_TYPE(T)
#define MEMORY_WEAK(T, ref, ...) CAIRN_GC_TYPE(T, .refs = CAIRN_GC_REFS(T, __VA_ARGS__), .weak = CAIRN_GC_REFS(T, ref))
#define MEMORY_LEAF_TAIL(T, tail)                                                                                      \
	CAIRN_GC_TYPE(T, .tail_offset = offsetof(T, tail), .tail_stride = sizeof(((T *)0)->tail[0]))
#define MEMORY_TAIL(T, tail)                                                                                           \
	CAIRN_GC_TYPE(T, .tail_offset = offsetof(T, tail), .tail_stride = 8, .tail_refs = CAIRN_GC_TAIL_REF)
#define MEMORY_TAIL_AND(T, tail, ...)                                                                                  \
	CAIRN_GC_TYPE(T, .refs = CAIRN_GC_REFS(T, __VA_ARGS__), .tail_offset = offsetof(T, tail), .tail_stride = 8,    \
		.tail_refs = CAIRN_GC_TAIL_REF)

#define mem_new(T)                cairn_gc_new(memory_here, T)
#define mem_new_array(T, tail, n) cairn_gc_new_array(memory_here, T, n)
#define mem_get(o, field)         cairn_gc_get(memory_here, o, field)
#define mem_set(o, field, value)  cairn_gc_set(memory_here, o, field, value)
#define mem_init(o, field, value) cairn_gc_init(memory_here, o, field, value)
#define mem_load(ref)             cairn_gc_root_get(memory_here, ref) /* a root's value, or a field's by its address */
#define mem_root(ref)             cairn_gc_root_add(cairn_gc_heap_of(memory_here), ref)
#define mem_root_set(ref, value)  cairn_gc_root_set(memory_here, ref, value)
#define mem_keep(o)               ((void)cairn_gc_pin(memory_here, o)) /* for ever, and where it is */
#define mem_hash(o)               cairn_gc_hash(memory_here, o)
#define mem_collect()             cairn_gc_collect(memory_here)
#define MEMORY_WAITING            CAIRN_GC_BLOCKING(memory_here) /* around what may wait for input */

/* Bytes that are let go when the heap is full: an error and its handler fit there. So many calls later what the program
 * then left may be garbage, and they are taken again. */
enum { MEMORY_SPARE = 2 << 20, MEMORY_CALLS = 1000 };

/* on_no_memory: what called goes on, and the next call of a procedure is an error. */
static inline bool memory_full(cairn_gc_heap *h, size_t bytes, void *arg)
{
	(void)h, (void)bytes, (void)arg;
	if (!cairn_gc_handle_get(memory_here, memory_spare))
		return false;
	cairn_gc_handle_set(memory_here, memory_spare, NULL);
	memory_state = -1;
	return true;
}
static inline void memory_renew(void)
{
	cairn_gc_handle_set(memory_here, memory_spare, cairn_gc_try_new_bytes(memory_here, MEMORY_SPARE));
	memory_state = cairn_gc_handle_get(memory_here, memory_spare) ? 0 : MEMORY_CALLS;
}
/* At each call of a procedure: is it to raise an error, for the heap is full? */
static inline bool memory_failed(void)
{
	bool is_full = memory_state < 0;
	if (is_full)
		memory_state = MEMORY_CALLS;
	else if (memory_state && !--memory_state)
		memory_renew();
	return is_full;
}
static inline bool memory_open(void)
{
	cairn_gc_heap *h = cairn_gc_open(&(cairn_gc_config){ .name = "scheme", .on_no_memory = memory_full });
	memory_here = h ? cairn_gc_attach(h) : NULL;
	memory_spare = memory_here ? cairn_gc_handle_new(memory_here, NULL) : NULL;
	if (memory_spare)
		memory_renew();
	return memory_spare;
}
static inline void memory_close(void)
{
	cairn_gc_heap *h = cairn_gc_heap_of(memory_here);
	cairn_gc_detach(memory_here);
	cairn_gc_close(h);
}
#endif

#ifndef USE_CAIRN /* what the other two have in common: plain pointers */
#define MEMORY_REF(T)                 __typeof__(T *)
#define MEMORY_TYPE(T, ...)           enum { T##_is_leaf = false }
#define MEMORY_LEAF(T)                enum { T##_is_leaf = true }
#define MEMORY_WEAK(T, ref, ...)      enum { T##_is_leaf = false }
#define MEMORY_LEAF_TAIL(T, tail)     enum { T##_is_leaf = true }
#define MEMORY_TAIL(T, tail)          enum { T##_is_leaf = false }
#define MEMORY_TAIL_AND(T, tail, ...) enum { T##_is_leaf = false }
#define mem_new(T)                    ((T *)memory_make(sizeof(T), T##_is_leaf))
#define mem_new_array(T, tail, n)                                                                                      \
	((T *)memory_make(offsetof(T, tail) + (n) * sizeof(((T *)0)->tail[0]), T##_is_leaf))
#define mem_get(o, field)         ((o)->field)
#define mem_set(o, field, value)  ((void)((o)->field = (value)))
#define mem_init(o, field, value) ((void)((o)->field = (value)))
#define mem_load(ref)             (*(ref))
#define mem_root(ref)             ((void)(ref), true)
#define mem_root_set(ref, value)  ((void)(*(ref) = (value)))
#define mem_keep(o)               ((void)(o))
#define mem_hash(o)               ((uint64_t)(uintptr_t)(o) * 0x9e3779b97f4a7c15u >> 16)
#define MEMORY_WAITING

static inline void *memory_made(void *p)
{
	if (p)
		return p;
	fputs("scheme: out of memory\n", stderr);
	exit(1);
}
static inline bool memory_failed(void) { return false; }
static inline void memory_close(void) {}
#endif

#ifdef USE_BOEHM
#include <gc.h>
#define mem_collect() GC_gcollect()

static inline void *memory_make(size_t bytes, bool is_leaf)
{
	void *p = memory_made(is_leaf ? GC_MALLOC_ATOMIC(bytes) : GC_MALLOC(bytes));
	return is_leaf ? memset(p, 0, bytes) : p;
}
static inline bool memory_open(void)
{
	GC_INIT();
	return true;
}
#endif

#ifdef USE_MALLOC
#define mem_collect() ((void)0)

static inline void *memory_make(size_t bytes, bool is_leaf)
{
	(void)is_leaf;
	return memory_made(calloc(1, bytes));
}
static inline bool memory_open(void) { return true; }
#endif
#endif
