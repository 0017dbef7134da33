/* heaps.h - what the programs of tests/gc share: heaps of every collector, a watch that tells whether an object is
 * gone without holding it, and a stack without stale words. They include cairn/gc.h as a user's program does, and
 * nothing of src.
 *
 * Locks and threads: none; main thread, unless said. */
#ifndef CAIRN_GC_TESTS_HEAPS_H
#define CAIRN_GC_TESTS_HEAPS_H

#include "support/child.h"

#include <cairn/gc.h>

enum { IS_RELEASE = !IS_SANITIZED && CAIRN_DEBUG == 0, IS_SLOW = !IS_RELEASE };

/* The next one that is built. */
static inline cairn_gc_collector after(cairn_gc_collector c)
{
	return c == CAIRN_GC_MARKCOMPACT ? CAIRN_GC_GENERATIONAL : (cairn_gc_collector)(c + 1);
}
/* Those that free. */
#define EACH_COLLECTOR(c) for (cairn_gc_collector c = CAIRN_GC_MARKSWEEP; c <= CAIRN_GC_GENERATIONAL; c = after(c))
/* With the one that does not. */
#define EVERY_COLLECTOR(c) for (cairn_gc_collector c = CAIRN_GC_NONE; c <= CAIRN_GC_GENERATIONAL; c = after(c))
#define MOVES(c)           ((c) >= CAIRN_GC_SEMISPACE)

typedef struct place {
	cairn_gc_heap *h;
	cairn_gc_mutator *m;
} place;

/* A heap with this thread attached. A failure ends the program: nothing after it makes sense. */
__attribute__((unused)) static place place_open(cairn_gc_config config)
{
	place p = { .h = cairn_gc_open(&config) };
	p.m = p.h ? cairn_gc_attach(p.h) : NULL;
	if (!p.m) {
		NOTE("no heap: collector %s", cairn_gc_collector_name(config.collector));
		EXPECT(p.m);
		exit(test_done() + 1);
	}
	return p;
}
__attribute__((unused)) static void place_close(place p)
{
	cairn_gc_detach(p.m);
	cairn_gc_close(p.h);
}
__attribute__((unused)) static cairn_gc_stats stats_of(place p)
{
	cairn_gc_stats s;
	cairn_gc_stats_get(p.h, &s);
	return s;
}

/* Overwrites what former calls left below this frame. */
__attribute__((noinline, unused)) static void scrub(void)
{
	volatile char low[16384];
	for (size_t i = 0; i < sizeof low; i++)
		low[i] = 0;
}

typedef struct node {
	long key;
	cairn_ref(struct node) left, right;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right));

typedef struct list {
	size_t used;
	cairn_ref(node) items[];
} list;
CAIRN_GC_TYPE(list, .tail_offset = offsetof(list, items), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

typedef struct watch {
	cairn_ref(node) of;
} watch;
CAIRN_GC_TYPE(watch, .weak = CAIRN_GC_REFS(watch, of));

typedef struct watches {
	size_t count;
	cairn_ref(watch) items[];
} watches;
CAIRN_GC_TYPE(watches, .tail_offset = offsetof(watches, items), .tail_stride = sizeof(cairn_gc_slot),
	.tail_refs = CAIRN_GC_TAIL_REF);

__attribute__((noinline, unused)) static watch *watch_new(cairn_gc_mutator *m, node *of)
{
	watch *w = cairn_gc_new(m, watch);
	cairn_gc_set(m, w, of, of);
	return w;
}
__attribute__((noinline, unused)) static bool is_watched_alive(cairn_gc_mutator *m, watch *w)
{
	return cairn_gc_get_weak(m, w, of) != NULL;
}

/* CPU time of this thread, in seconds. */
__attribute__((unused)) static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
