/* memory.h - one workload, several memory managers: what they have in common, as macros that cost nothing.
 *
 *   -DUSE_CAIRN    a managed heap of cairn's; CAIRN_GC_COLLECTOR and CAIRN_GC_MAX choose
 *   -DUSE_BOEHM    Boehm, Demers, Weiser's collector; BENCH_BOEHM=tuned: see memory_open
 *   -DUSE_MALLOC   malloc and free: libc's, or one that is preloaded
 *
 * A struct says its references as MEMORY_REF(T) field, and once which they are: MEMORY_TYPE(T, left, right), or
 * MEMORY_LEAF or MEMORY_TAIL with a trailing array. What walks for long and makes nothing polls, as code of Java's and
 * Go's compilers does by itself. A program frees where MEMORY_FREES is 1, and there alone. A new
 * object's references are stored, or made NULL by memory_null, which does nothing where memory is given out zeroed.
 *
 * memory_close prints, where CAIRN_GC_BENCH is set, one line to stderr: gc NAME=VALUE... Times in ns: p50, p99 and max
 * of pauses; stop_, of the times until a thread that had to be waited for stood, of which there are stops; minor_, of
 * pauses of the young alone. Of cairn stop_buckets, too: BUCKET:COUNT,... of its histogram. */
#ifndef BENCH_GC_MEMORY_H
#define BENCH_GC_MEMORY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifdef USE_BOEHM
#define GC_THREADS
#include <gc.h>
#endif
#ifdef USE_CAIRN
#include "cairn/gc.h"
#endif
#include "../malloc/bench.h"
#include <stdbool.h>
#include <stddef.h>

#ifndef USE_MALLOC

enum { MEMORY_PAUSES = 1 << 16 }; /* as many are kept */

static inline int memory_by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}
static inline void memory_print_sorted(const char *prefix, uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof *ns, memory_by_size);
	fprintf(stderr, " %sp50=%llu %sp99=%llu %smax=%llu", prefix, (unsigned long long)(n ? ns[n / 2] : 0), prefix,
		(unsigned long long)(n ? ns[n * 99 / 100] : 0), prefix, (unsigned long long)(n ? ns[n - 1] : 0));
}

#endif
#ifdef USE_CAIRN

typedef cairn_gc_mutator memory; /* of one thread */
enum { MEMORY_FREES = 0 };
#define MEMORY_REF(T)                        cairn_ref(T)
#define MEMORY_TYPE(T, ...)                  CAIRN_GC_TYPE(T, .refs = CAIRN_GC_REFS(T, __VA_ARGS__))
#define MEMORY_LEAF(T, tail)                 MEMORY_TAIL_(T, tail, 0, .refs = 0)
#define MEMORY_TAIL(T, tail, words)          MEMORY_TAIL_(T, tail, words, .refs = 0) /* bit i of words: a reference */
#define MEMORY_TAIL_AND(T, tail, words, ...) MEMORY_TAIL_(T, tail, words, .refs = CAIRN_GC_REFS(T, __VA_ARGS__))
#define MEMORY_TAIL_(T, tail, words, ...)                                                                              \
	CAIRN_GC_TYPE(T, .tail_offset = offsetof(T, tail), .tail_stride = sizeof(((T *)0)->tail[0]),                   \
		.tail_refs = (words), __VA_ARGS__)
#define memory_new(m, T)                cairn_gc_new(m, T)
#define memory_new_array(m, T, tail, n) cairn_gc_new_array(m, T, n)
#define memory_get(m, o, field)         cairn_gc_get(m, o, field)
#define memory_set(m, o, field, value)  cairn_gc_set(m, o, field, value)
#define memory_init(m, o, field, value) cairn_gc_init(m, o, field, value)
#define memory_null(m, o, field)        ((void)0)
#define memory_free(m, o)               ((void)(o))
#define memory_poll(m)                  cairn_gc_poll(m)
#define MEMORY_WAITING(m)               CAIRN_GC_BLOCKING(m)

static cairn_gc_heap *memory_heap;

static inline memory *memory_attach(void)
{
	memory *m = cairn_gc_attach(memory_heap);
	if (!m)
		bench_die("cairn_gc_attach");
	return m;
}
static inline void memory_detach(memory *m) { cairn_gc_detach(m); }

/* Under a generational collector, a collection that copies and does not mark is of the young alone; what it takes is
 * from its first phase to the end of its last. */
static struct memory_collection {
	uint64_t number, from_ns, to_ns;
	bool copies, marks;
} memory_at;
static uint64_t memory_minor_ns[MEMORY_PAUSES];
static size_t memory_minors;

static inline void memory_end_collection(void)
{
	if (memory_at.copies && !memory_at.marks && memory_minors < MEMORY_PAUSES)
		memory_minor_ns[memory_minors++] = memory_at.to_ns - memory_at.from_ns;
	memory_at = (struct memory_collection){ 0 };
}
static inline void memory_note_phase(const cairn_gc_event *e, void *unused)
{
	(void)unused;
	if (e->collection != memory_at.number) {
		memory_end_collection();
		memory_at.number = e->collection;
		memory_at.from_ns = e->start_ns;
	}
	memory_at.to_ns = e->start_ns + e->ns;
	memory_at.copies |= !strcmp(e->phase, "copy");
	memory_at.marks |= !strcmp(e->phase, "mark");
}

/* CAIRN_GC_MAX alone decides when to collect: growth is out of reach, unless BENCH_GROWTH says percents (0: as it
 * comes). */
static inline memory *memory_open(void)
{
	const char *growth = getenv("BENCH_GROWTH");
	memory_heap = cairn_gc_open(&(cairn_gc_config){ .growth = growth ? strtoul(growth, NULL, 10) : 100000 });
	if (!memory_heap)
		bench_die("cairn_gc_open");
	if (getenv("CAIRN_GC_BENCH"))
		cairn_gc_listen(memory_heap, memory_note_phase, NULL);
	return memory_attach();
}
static inline void memory_print(const char *prefix, const cairn_gc_histogram *h)
{
	fprintf(stderr, " %sp50=%llu %sp99=%llu %smax=%llu", prefix, (unsigned long long)cairn_gc_percentile(h, 50),
		prefix, (unsigned long long)cairn_gc_percentile(h, 99), prefix, (unsigned long long)h->max);
}
static inline void memory_print_buckets(const cairn_gc_histogram *h)
{
	fprintf(stderr, " stops=%llu stop_buckets=", (unsigned long long)h->count);
	for (unsigned i = 0; i < CAIRN_GC_BUCKETS; i++) {
		if (h->bucket[i])
			fprintf(stderr, "%u:%u,", i, h->bucket[i]);
	}
}
static inline void memory_close(memory *m)
{
	static cairn_gc_stats s;
	cairn_gc_stats_get(memory_heap, &s);
	cairn_gc_detach(m);
	cairn_gc_close(memory_heap);
	if (!getenv("CAIRN_GC_BENCH"))
		return;
	fprintf(stderr, "gc collections=%llu pauses=%llu held_peak=%zu live=%zu moved=%zu",
		(unsigned long long)s.collections, (unsigned long long)s.pause_ns, s.held_peak_bytes, s.live_bytes,
		s.moved_bytes);
	memory_print("", &s.pause);
	memory_print("stop_", &s.time_to_safepoint);
	memory_print_buckets(&s.time_to_safepoint);
	memory_end_collection();
	if (memory_minors && s.collector == CAIRN_GC_GENERATIONAL) {
		fprintf(stderr, " minors=%zu", memory_minors);
		memory_print_sorted("minor_", memory_minor_ns, memory_minors);
	}
	fputc('\n', stderr);
}

#else

#define MEMORY_REF(T)                        __typeof__(T *)
#define MEMORY_TYPE(T, ...)                  enum { T##_is_leaf = 0 }
#define MEMORY_LEAF(T, tail)                 enum { T##_is_leaf = 1 }
#define MEMORY_TAIL(T, tail, words)          enum { T##_is_leaf = 0 }
#define MEMORY_TAIL_AND(T, tail, words, ...) enum { T##_is_leaf = 0 }
#define memory_new(m, T)                     ((void)(m), (T *)memory_make(sizeof(T), T##_is_leaf))
#define memory_new_array(m, T, tail, n)                                                                                \
	((void)(m), (T *)memory_make(offsetof(T, tail) + (n) * sizeof(((T *)0)->tail[0]), T##_is_leaf))
#define memory_get(m, o, field)         ((void)(m), (o)->field)
#define memory_set(m, o, field, value)  ((void)((o)->field = (value)))
#define memory_init(m, o, field, value) ((void)((o)->field = (value)))
#define memory_poll(m)                  ((void)(m))
#define MEMORY_WAITING(m)               for (bool once_ = ((void)(m), true); once_; once_ = false)

typedef char memory; /* of one thread: nothing */
static char memory_here;
static inline memory *memory_attach(void) { return &memory_here; }
static inline void memory_detach(memory *m) { (void)m; }

#endif
#ifdef USE_MALLOC

enum { MEMORY_FREES = 1 };
#define memory_null(m, o, field) ((void)((o)->field = NULL))
#define memory_free(m, o)        ((void)(m), free(o))

static inline void *memory_make(size_t bytes, bool is_leaf)
{
	(void)is_leaf;
	void *p = malloc(bytes);
	if (!p)
		bench_die("malloc");
	return p;
}
static inline memory *memory_open(void) { return &memory_here; }
static inline void memory_close(memory *m) { (void)m; }

#endif
#ifdef USE_BOEHM

enum { MEMORY_FREES = 0 };
#define memory_null(m, o, field) ((void)((o)->field = NULL)) /* what is atomic is not zeroed */
#define memory_free(m, o)        ((void)(o))

static bool memory_is_tuned;
static uint64_t memory_stop_ns, memory_pause[MEMORY_PAUSES];
static size_t memory_pauses;

static inline void *memory_make(size_t bytes, bool is_leaf)
{
	void *p = is_leaf && memory_is_tuned ? GC_MALLOC_ATOMIC(bytes) : GC_MALLOC(bytes);
	if (!p)
		bench_die("GC_MALLOC");
	return p;
}

/* From before the first thread is stopped until all run again. */
static void GC_CALLBACK memory_event(GC_EventType e)
{
	if (e == GC_EVENT_PRE_STOP_WORLD)
		memory_stop_ns = bench_now_ns();
	else if (e == GC_EVENT_POST_START_WORLD && memory_pauses < MEMORY_PAUSES)
		memory_pause[memory_pauses++] = bench_now_ns() - memory_stop_ns;
}

/* Tuned: the heap may grow until it collects as seldom as this collector can be told to; words inside an object do not
 * keep it (this is known of these programs, but for stacks); leaves are told to be. */
static inline memory *memory_open(void)
{
	const char *how = getenv("BENCH_BOEHM");
	memory_is_tuned = how && !strcmp(how, "tuned");
	if (memory_is_tuned)
		GC_set_all_interior_pointers(0);
	GC_INIT();
	if (memory_is_tuned)
		GC_set_free_space_divisor(1);
	if (getenv("CAIRN_GC_BENCH"))
		GC_set_on_collection_event(memory_event);
	return &memory_here;
}
static inline void memory_close(memory *m)
{
	(void)m;
	if (!getenv("CAIRN_GC_BENCH"))
		return;
	size_t n = memory_pauses;
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory_pause[i];
	fprintf(stderr, "gc collections=%lu pauses=%llu held_peak=%zu", (unsigned long)GC_get_gc_no(),
		(unsigned long long)sum, (size_t)GC_get_heap_size());
	memory_print_sorted("", memory_pause, n);
	fputc('\n', stderr);
}

#endif
#endif
