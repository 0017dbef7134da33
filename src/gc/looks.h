/* gc/looks.h - what a managed heap did: phases, pauses, counts, for people and for the lens.
 *
 * Lock: none: written in a stop by the collecting thread, read by cairn_gc_stats_get under the world's lock. */
#ifndef CAIRN_GC_LOOKS_H
#define CAIRN_GC_LOOKS_H

#include "cairn/gc.h"

struct cairn_gc_heap;
struct cairn_gc_thread;

enum { CAIRN_GC_PAUSES_KEPT = 256 }; /* for the utilisation */

typedef struct cairn_gc_looks {
	cairn_gc_stats stats;   /* what is summed up; the rest is filled in when asked for */
	void (*listener)(const cairn_gc_event *e, void *arg);
	void *listener_arg;
	bool logs;              /* CAIRN_GC_LOG=1; const */
	uint64_t began_ns, phase_ns;
	const char *phase;      /* at work; NULL: none */
	struct {
		const char *name;
		uint64_t ns;
	} phases[16];           /* of the collection at work */
	unsigned phase_count;
	struct {
		uint64_t start_ns, ns;
	} pauses[CAIRN_GC_PAUSES_KEPT];
	unsigned pause_at;
	size_t held_before;
} cairn_gc_looks;

void cairn_gc_looks_init(struct cairn_gc_heap *h);
void cairn_gc_look_begin(struct cairn_gc_heap *h, int cause);        /* a stop is asked for */
/* The phase at work ends, the next begins; NULL: none. bytes and objects are what the one that ends did. */
void cairn_gc_look_phase(struct cairn_gc_heap *h, const char *next, size_t bytes, size_t objects);
void cairn_gc_look_end(struct cairn_gc_heap *h);                     /* mutators run again */
void cairn_gc_look_stopped(struct cairn_gc_heap *h, struct cairn_gc_thread *t, uint64_t ns); /* t took so long */
void cairn_gc_histogram_add(cairn_gc_histogram *to, uint64_t value);

#endif
