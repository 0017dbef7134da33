/* gc/looks.h - what a managed heap did: phases, pauses, counts, for people and for the lens.
 *
 *   stop ──look_begin──▶ ──phase("roots")──▶ roots ──phase("mark")──▶ mark ─▶ ... ──phase(NULL)──▶ ──look_end──▶ resume
 *
 * Each arrow that leaves a phase ends it: the listener hears of it, and its time is kept for the log.
 *
 * Invariants, checked by cairn_gc_looks_validate(): (GK1) the buckets of each histogram sum up to its count. (GK2) What
 * `shown` says of pauses agrees: as many as collections, their sum is pause_ns.
 *
 * Lock: looks, rank CAIRN_RANK_GC_PARTS, for `shown` and the listener, held for a copy's time; all else is written and
 * read in a stop by the collecting thread, with no other lock of that rank held. Failure: none.
 * Not here: text of it all (gc/gcreport.c). */
#ifndef CAIRN_GC_LOOKS_H
#define CAIRN_GC_LOOKS_H

#include "cairn/gc.h"
#include "os/lock.h"

struct cairn_gc_heap;
struct cairn_gc_thread;

enum {
	CAIRN_GC_PAUSES_KEPT = 256, /* for the utilisation */
	CAIRN_GC_PHASES = 16,       /* of one collection that are told apart in the log */
};

typedef struct cairn_gc_looks {
	cairn_lock lock;
	uint64_t last_pause_ns; /* sync: lock */
	cairn_gc_stats shown;   /* as of the last collection's end; sync: lock */
	/* Summed up by the parts; what is left out is filled in at the end of a stop. sync: in a stop, or world lock */
	cairn_gc_stats stats;
	void (*listener)(const cairn_gc_event *e, void *arg); /* sync: lock, as the next */
	void *listener_arg;
	bool logs;              /* CAIRN_GC_LOG=1; const */
	uint64_t stop_ns;       /* the longest wait for a mutator to stop, of the stop at work; sync: in it */
	uint64_t began_ns, phase_ns, cpu_began_ns; /* sync: in a stop, as all to phase_count */
	const char *phase;      /* at work; NULL: none */
	struct {
		const char *name;
		uint64_t ns;
	} phases[CAIRN_GC_PHASES]; /* of the collection at work; one that comes twice is summed up */
	unsigned phase_count;
	struct cairn_gc_pause {
		uint64_t start_ns, ns;
	} pauses[CAIRN_GC_PAUSES_KEPT]; /* a ring; sync: lock */
	unsigned pause_at;      /* where the next goes; sync: lock, as the next */
	unsigned pause_count;
	size_t held_before;     /* at the collection's begin, as the next; sync: in a stop */
	size_t moved_before;
	uint64_t lived_before, objects_before, cards_before, mixed_before; /* likewise: of stats.young */
	uint64_t opened_at_ns;  /* const */
} cairn_gc_looks;

void cairn_gc_looks_init(struct cairn_gc_heap *h);
/* The stop is complete. How long it took was told by cairn_gc_look_stopped: that is the phase "stop". */
void cairn_gc_look_begin(struct cairn_gc_heap *h, int cause);
/* The phase at work ends, the next begins; NULL: none. bytes and objects are what the one that ends did. */
void cairn_gc_look_phase(struct cairn_gc_heap *h, const char *next, size_t bytes, size_t objects);
/* Mutators may run again: still in the stop, after cairn_gc_sizing_after. Writes the log's line. */
void cairn_gc_look_end(struct cairn_gc_heap *h);
/* t ceases to be a mutator: what it allocated stays counted. Its bumps are flushed; under the world's lock. */
void cairn_gc_look_gone(struct cairn_gc_heap *h, struct cairn_gc_thread *t);
/* t took so long to stop. Under the world's lock. */
void cairn_gc_look_stopped(struct cairn_gc_heap *h, struct cairn_gc_thread *t, uint64_t ns);
void cairn_gc_histogram_add(cairn_gc_histogram *to, uint64_t value);
void cairn_gc_looks_validate(struct cairn_gc_heap *h);

/* The least share of time that was not in a pause, of any window of that length up to now. p: in order of time. */
double cairn_gc_utilisation(const struct cairn_gc_pause *p, unsigned count, uint64_t window_ns);
const char *cairn_gc_cause_name(int cause);
/* gc/gcreport.c: one line on stderr about the collection that ends. */
void cairn_gc_log(struct cairn_gc_heap *h, uint64_t pause_ns);

#endif
