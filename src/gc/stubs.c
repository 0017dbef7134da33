/* gc/stubs.c - TEMPORARY, weak: parts that are not written yet. Removed before this floor is told to anybody. */
#include "gc/managed.h"
#define WEAK __attribute__((weak))
void cairn_gc_tracing_fork_child(struct cairn_gc_heap *h);
void cairn_gc_deaths_fork_child(struct cairn_gc_heap *h);
#define H struct cairn_gc_heap *h
#pragma GCC diagnostic ignored "-Wunused-parameter"
WEAK const cairn_gc_plan cairn_gc_plan_markcompact = { 0 };
WEAK void cairn_gc_tracing_fork_child(H) {}
