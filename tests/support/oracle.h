/* support/oracle.h - a naive second opinion on malloc: it runs streams of random operations and knows what must be true
 * of every block, by the dumbest means there are.
 *
 *   source      numbers: a random generator, or the bytes of a fuzzer
 *   oracle      a table of live blocks; oracle_step does one operation on malloc and on the table, and compares
 *
 * Checked at each step: a block is aligned as asked and usable as far as asked, overlaps no other, holds the pattern
 * that was written into it until it is freed or moved, and reads zero where calloc said so. Now and then: the
 * validators of every module, and that malloc's own counts equal the table's.
 *
 * The pattern is a function of the block's mark and the offset, so no two blocks look alike. Blocks up to WHOLE_BYTES
 * are written whole, larger ones in pieces, PIECE bytes at each STRIDE.
 *
 * Threads: an oracle belongs to one thread; several may run at once on the same malloc. Nothing here allocates. */
#ifndef CAIRN_SUPPORT_ORACLE_H
#define CAIRN_SUPPORT_ORACLE_H

#include "cairn/malloc.h"
#include "malloc/cache.h"
#include "malloc/central.h"
#include "malloc/heap.h"
#include "malloc/large.h"
#include "malloc/slabhide.h"
#include "malloc/slabpurge.h"
#include "malloc/threads.h"
#include "os/meta.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"
#include "support/test.h"

#include <errno.h>

/* Has something failed, in any thread? */
__attribute__((unused)) static bool has_failed(void)
{
	return __atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0;
}

/* ---- Where numbers come from ---- */

typedef struct oracle_source {
	uint64_t state;       /* of the random generator, when there are no bytes */
	const uint8_t *bytes; /* or NULL */
	size_t left;
} oracle_source;

static uint64_t source_next(oracle_source *s)
{
	if (!s->bytes)
		return test_random(&s->state);
	uint64_t n = 0;
	for (unsigned i = 0; i < 3 && s->left; i++, s->left--)
		n = n << 8 | *s->bytes++;
	return n;
}

__attribute__((unused)) static bool source_is_empty(const oracle_source *s) { return s->bytes && !s->left; }
static size_t source_below(oracle_source *s, size_t n) { return n ? source_next(s) % n : 0; }

/* ---- The table ---- */

enum {
	ORACLE_BLOCKS = 1500,
	ORACLE_HEAPS = 4,
	WHOLE_BYTES = 128 << 10,
	STRIDE = CAIRN_GRANULE_BYTES,
	PIECE = 64,
};

typedef struct oracle_block {
	char *p;
	size_t bytes;  /* asked for */
	size_t usable; /* written */
	size_t align;
	uint64_t mark;
	int heap; /* which of the heaps; -1: plain malloc */
} oracle_block;

typedef struct oracle {
	oracle_source source;
	oracle_block blocks[ORACLE_BLOCKS];
	size_t count;                          /* live ones, at the front of blocks */
	cairn_heap *heaps[ORACLE_HEAPS];
	size_t live_bytes, live_bytes_max;     /* usable; above the most, nothing large is asked for */
	size_t largest;                        /* most bytes of a request */
	uint64_t allocations[CAIRN_CLASS_COUNT]; /* made by us; 0: large */
	uint64_t live[CAIRN_CLASS_COUNT];
	uint64_t refused;      /* requests that got NULL */
	bool may_refuse;       /* system calls are refused: NULL is an answer */
	bool is_alone;         /* no other thread uses malloc: counts must be equal */
	uint64_t marks;
	uint64_t base_allocations[CAIRN_CLASS_COUNT], base_live[CAIRN_CLASS_COUNT]; /* before we began */
} oracle;

/* ---- Patterns ---- */

static uint64_t pattern_at(uint64_t mark, size_t offset)
{
	uint64_t z = (mark + offset) * 0x9e3779b97f4a7c15ull;
	return z ^ z >> 29;
}

/* Calls each for every piece [from, from + n) of a block that is written and checked. */
#define FOR_PIECES(usable, from, n)                                                                                    \
	for (size_t from = 0, n = (usable) <= WHOLE_BYTES ? (usable) : PIECE; from < (usable);                         \
		from += (usable) <= WHOLE_BYTES ? (usable) : STRIDE,                                                   \
		    n = (usable)-from < n && from < (usable) ? (usable)-from : n)

static void pattern_write(char *p, size_t usable, uint64_t mark)
{
	FOR_PIECES(usable, from, n)
		for (size_t i = from; i < from + n; i += 8) {
			uint64_t word = pattern_at(mark, i);
			memcpy(p + i, &word, from + n - i < 8 ? from + n - i : 8);
		}
	if (usable > WHOLE_BYTES) /* the end too */
		memcpy(p + usable - 8, &mark, 8);
}

/* Does the block hold the pattern of mark, as written for `written` usable bytes, in its first `bytes`? */
static bool pattern_holds(const char *p, size_t bytes, size_t written, uint64_t mark)
{
	FOR_PIECES(written, from, n)
		for (size_t i = from; i < from + n && i < bytes; i += 8) {
			size_t k = from + n - i < 8 ? from + n - i : 8;
			uint64_t word = pattern_at(mark, i);
			if (written > WHOLE_BYTES && i + k > written - 8)
				return true; /* the end's own mark lies over it */
			if (memcmp(p + i, &word, bytes - i < k ? bytes - i : k))
				return false;
		}
	if (written > WHOLE_BYTES && bytes >= written && memcmp(p + written - 8, &mark, 8))
		return false;
	return true;
}

static bool is_zero(const char *p, size_t bytes)
{
	size_t step = bytes <= 1 << 20 ? 8 : 512;
	for (size_t i = 0; i + 8 <= bytes; i += step) {
		uint64_t word;
		memcpy(&word, p + i, 8);
		if (word)
			return false;
	}
	for (size_t i = bytes < 8 ? 0 : bytes - 8; i < bytes; i++)
		if (p[i])
			return false;
	return true;
}

/* ---- What malloc itself says ---- */

typedef struct oracle_counts {
	uint64_t allocations[CAIRN_CLASS_COUNT], live[CAIRN_CLASS_COUNT];
} oracle_counts;

__attribute__((unused)) static void counts_now(oracle_counts *now)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	cairn_stats_cached(held);
	memset(now, 0, sizeof *now);
	for (uint32_t i = 0; cairn_stats_thread(i); i++)
		for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
			now->allocations[c] += cairn_stats_thread(i)->by_class[c].allocations;
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++)
		now->live[c] = cairn_stats_out_of(c) - held[c];
}

static void oracle_check_counts(oracle *o)
{
	oracle_counts now;
	counts_now(&now);
	for (unsigned c = 0; c < CAIRN_CLASS_COUNT; c++) {
		EXPECT_EQ(now.allocations[c] - o->base_allocations[c], o->allocations[c]);
		EXPECT_EQ(now.live[c] - o->base_live[c], o->live[c]);
	}
}

/* Every module's validator. In release builds they hold no assertion, but walk all the same. */
static void validate_all(cairn_heap *const *heaps, unsigned heap_count)
{
	cairn_pageheap_lock(); /* the regions must stand still, and spans keep their class bytes */
	cairn_pageheap_unlock();
	cairn_pageheap_validate();
	cairn_purge_validate();
	cairn_threads_validate();
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		cairn_central_validate(c);
	EXPECT(cairn_meta_validate());
	for (unsigned i = 0; i < heap_count; i++)
		if (heaps[i])
			cairn_heap_validate(heaps[i]);
}

static void oracle_validate(oracle *o)
{
	validate_all(o->heaps, ORACLE_HEAPS);
	if (!o->is_alone)
		return;
	cairn_slabhide_validate();
	cairn_window_validate();
	oracle_check_counts(o);
}

/* ---- The table's part of each operation ---- */

static unsigned class_of_usable(size_t usable)
{
	unsigned c = cairn_class_of(usable);
	return c && cairn_classes[c].bytes == usable
		       ? c
		       : 0; /* a far-aligned small request is a large block of 4 KiB or so */
}

/* A large block can have the usable size of a class (4096, 8192 ...): then the page map tells. */
static unsigned class_of_block(const void *p, size_t usable)
{
	cairn_span *s = cairn_window_span((uintptr_t)p);
	if (s && (s->kind == CAIRN_SPAN_LARGE || s->kind == CAIRN_SPAN_HEAP_LARGE))
		return 0;
	return class_of_usable(usable);
}

static bool overlaps_another(const oracle *o, const oracle_block *b)
{
	for (size_t i = 0; i < o->count; i++) {
		const oracle_block *x = &o->blocks[i];
		if (x != b && b->p < x->p + x->usable && x->p < b->p + b->usable)
			return true;
	}
	return false;
}

/* What must be true of a block that malloc has just given, and its pattern written. */
static void block_begin(oracle *o, oracle_block *b)
{
	b->usable = cairn_malloc_usable_size(b->p);
	b->mark = ++o->marks << 32 | (uint32_t)(uintptr_t)o;
	EXPECT_EQ((uintptr_t)b->p % (b->align < 16 ? 16 : b->align), 0);
	EXPECT(b->usable >= b->bytes && b->usable >= 16);
	EXPECT(!overlaps_another(o, b));
	o->live[class_of_block(b->p, b->usable)]++;
	o->live_bytes += b->usable;
	pattern_write(b->p, b->usable, b->mark);
}

static void block_end(oracle *o, const oracle_block *b)
{
	EXPECT(pattern_holds(b->p, b->usable, b->usable, b->mark));
	o->live[class_of_block(b->p, b->usable)]--;
	o->live_bytes -= b->usable;
}

static void add_block(oracle *o, char *p, size_t bytes, size_t align, int heap)
{
	if (!p) {
		o->refused++;
		EXPECT(o->may_refuse);
		return;
	}
	oracle_block *b = &o->blocks[o->count];
	*b = (oracle_block){ .p = p, .bytes = bytes, .align = align, .heap = heap };
	block_begin(o, b);
	o->count++;
	o->allocations[class_of_block(p, b->usable)]++;
}

static oracle_block take_block(oracle *o, size_t i)
{
	oracle_block b = o->blocks[i];
	block_end(o, &b);
	o->blocks[i] = o->blocks[--o->count];
	return b;
}

/* ---- Choices ---- */

static size_t log_uniform(oracle_source *s, size_t from, size_t to)
{
	unsigned low = cairn_log2(from), high = cairn_log2(to);
	size_t n = (size_t)1 << (low + source_below(s, high - low));
	n += source_below(s, n);
	return n > to ? to : n;
}

static size_t near_a_class(oracle_source *s)
{
	return cairn_classes[1 + source_below(s, CAIRN_CLASS_COUNT - 1)].bytes - 1 + source_below(s, 3);
}

static size_t choose_size(oracle *o)
{
	oracle_source *s = &o->source;
	size_t kind = source_below(s, 200), n;
	if (kind < 80)
		n = source_below(s, 1025);
	else if (kind < 120)
		n = log_uniform(s, 16, 32 << 10);
	else if (kind < 164)
		n = near_a_class(s);
	else if (kind < 192)
		n = log_uniform(s, 32 << 10, 2 << 20);
	else if (kind < 196)
		n = ((size_t)1 << 20) * (1 + source_below(s, 8)) - 8 + source_below(s, 17);
	else
		n = log_uniform(s, 2 << 20, 64 << 20);
	n = n > o->largest ? n % (o->largest + 1) : n;
	return o->live_bytes + n > o->live_bytes_max ? n % 1025 : n;
}

static size_t choose_align(oracle_source *s)
{
	return (size_t)1 << (source_below(s, 8) ? source_below(s, 15) : source_below(s, 23));
}

/* ---- Operations ---- */

static void do_malloc(oracle *o)
{
	size_t n = choose_size(o);
	add_block(o, cairn_malloc(n), n, 16, -1);
}

static void do_calloc(oracle *o)
{
	size_t n = choose_size(o), count = 1 + source_below(&o->source, 9), each = n / count;
	char *p = cairn_calloc(count, each);
	EXPECT(!p || is_zero(p, count * each));
	add_block(o, p, count * each, 16, -1);
}

static void do_aligned(oracle *o)
{
	size_t n = choose_size(o), align = choose_align(&o->source);
	if (o->live_bytes + n + align > o->live_bytes_max)
		align %= 65536;
	align = align ? align : 1;
	void *p = NULL;
	if (source_below(&o->source, 2)) {
		align = align < sizeof(void *) ? sizeof(void *) : align;
		int error = cairn_posix_memalign(&p, align, n);
		EXPECT(error ? error == ENOMEM && !p : p != NULL);
	} else {
		p = cairn_memalign(align, n);
	}
	add_block(o, p, n, align, -1);
}

static void do_free(oracle *o)
{
	if (!o->count)
		return;
	oracle_block b = take_block(o, source_below(&o->source, o->count));
	if (b.heap >= 0 && source_below(&o->source, 2))
		cairn_heap_free(o->heaps[b.heap], b.p);
	else if (b.heap < 0 && source_below(&o->source, 4) == 0)
		b.align <= 16 ? cairn_free_sized(b.p, b.bytes) : cairn_free_aligned_sized(b.p, b.align, b.bytes);
	else
		cairn_free(b.p);
}

/* A block of o, given another size by realloc. */
static void resize_block(oracle *o, oracle_block *b, size_t n)
{
	size_t kept = n < b->usable ? n : b->usable;
	unsigned was = class_of_block(b->p, b->usable);
	errno = 0;
	char *q = source_below(&o->source, 4) ? cairn_realloc(b->p, n) : cairn_reallocarray(b->p, n, 1);
	if (!q) {
		o->refused++;
		EXPECT(o->may_refuse && errno == ENOMEM);
		EXPECT(pattern_holds(b->p, b->usable, b->usable, b->mark));
		return;
	}
	EXPECT(pattern_holds(q, kept, b->usable, b->mark));
	o->live[was]--;
	o->live_bytes -= b->usable;
	if (q != b->p)
		b->heap = -1;
	b->align = 16; /* as realloc promises */
	bool moved = q != b->p;
	b->p = q;
	b->bytes = n;
	block_begin(o, b);
	o->allocations[class_of_block(q, b->usable)] += moved;
}

static void do_realloc(oracle *o)
{
	size_t n = choose_size(o);
	if (!o->count || source_below(&o->source, 50) == 0) {
		add_block(o, cairn_realloc(NULL, n), n, 16, -1);
		return;
	}
	oracle_block *b = &o->blocks[source_below(&o->source, o->count)];
	size_t how = source_below(&o->source, 4);
	if (how == 0 && b->usable < o->largest && o->live_bytes + b->usable <= o->live_bytes_max)
		n = b->usable + 1 + source_below(&o->source, b->usable); /* a growing vector */
	else if (how == 1)
		n = b->usable - source_below(&o->source, b->usable); /* one that shrinks to fit */
	if (n)
		resize_block(o, b, n);
}

static void do_realloc_to_nothing(oracle *o)
{
	if (!o->count)
		return;
	oracle_block b = take_block(o, source_below(&o->source, o->count));
	EXPECT(!cairn_realloc(b.p, 0));
}

static void do_look(oracle *o)
{
	if (!o->count)
		return;
	oracle_block *b = &o->blocks[source_below(&o->source, o->count)];
	EXPECT(pattern_holds(b->p, b->usable, b->usable, b->mark));
	EXPECT_EQ(cairn_malloc_usable_size(b->p), b->usable);
}

/* Many blocks of one size at once: slabs fill and empty. */
static void do_burst(oracle *o)
{
	size_t n = 1 + source_below(&o->source, source_below(&o->source, 4) ? 1024 : 32 << 10), align = 16;
	size_t room = ORACLE_BLOCKS - o->count, most = source_below(&o->source, 300);
	for (size_t i = 0; i < most && i < room && o->live_bytes < o->live_bytes_max; i++)
		add_block(o, cairn_malloc(n), n, align, -1);
}

static void do_free_many(oracle *o)
{
	size_t most = o->count / (1 + source_below(&o->source, 4));
	for (size_t i = 0; i < most; i++)
		do_free(o);
}

static void do_heap_alloc(oracle *o)
{
	int h = (int)source_below(&o->source, ORACLE_HEAPS);
	if (!o->heaps[h]) {
		o->heaps[h] = cairn_heap_create();
		EXPECT(o->heaps[h] || o->may_refuse);
		if (!o->heaps[h])
			return;
	}
	size_t n = choose_size(o), align = source_below(&o->source, 3) ? 16 : choose_align(&o->source);
	if (o->live_bytes + n + align > o->live_bytes_max)
		align = 16;
	add_block(o, align == 16 ? cairn_heap_alloc(o->heaps[h], n) : cairn_heap_alloc_aligned(o->heaps[h], align, n),
		n, align, h);
}

static void do_heap_destroy(oracle *o)
{
	int h = (int)source_below(&o->source, ORACLE_HEAPS);
	size_t bytes = 0;
	for (size_t i = o->count; i--;)
		if (o->blocks[i].heap == h)
			bytes += take_block(o, i).usable;
	if (o->heaps[h])
		EXPECT_EQ(cairn_heap_live_bytes(o->heaps[h]), bytes);
	cairn_heap_destroy(o->heaps[h]);
	o->heaps[h] = NULL;
}

static void do_give_back(oracle *o)
{
	size_t what = source_below(&o->source, 4);
	if (!what) {
		cairn_malloc_trim(source_below(&o->source, 1 << 20));
		return;
	}
	cairn_cache *c = cairn_thread_enter(); /* as the library's own callers: a signal handler must find us busy */
	if (what == 1)
		cairn_purge_step(0, 200);
	else if (what == 2)
		cairn_slabpurge_step(200);
	else
		cairn_huge_tick();
	cairn_thread_leave(c);
}

__attribute__((unused)) static void oracle_step(oracle *o)
{
	size_t what = source_below(&o->source, 1000);
	bool is_full = o->count == ORACLE_BLOCKS;
	if (what < 250 && !is_full)
		do_malloc(o);
	else if (what < 310 && !is_full)
		do_calloc(o);
	else if (what < 360 && !is_full)
		do_aligned(o);
	else if (what < 420 && !is_full)
		do_heap_alloc(o);
	else if (what < 520 && !is_full)
		do_realloc(o);
	else if (what < 540)
		do_look(o);
	else if (what < 550)
		do_burst(o);
	else if (what < 560)
		do_free_many(o);
	else if (what < 564)
		do_heap_destroy(o);
	else if (what < 570)
		do_realloc_to_nothing(o);
	else if (what < 580)
		do_give_back(o);
	else
		do_free(o);
}

/* ---- Beginning and end ---- */

__attribute__((unused)) static void oracle_begin(oracle *o, oracle_source source)
{
	memset(o, 0, sizeof *o);
	o->source = source;
	o->largest = 64 << 20;
	o->live_bytes_max = 160 << 20;
	oracle_counts now;
	counts_now(&now);
	memcpy(o->base_allocations, now.allocations, sizeof now.allocations);
	memcpy(o->base_live, now.live, sizeof now.live);
}

/* Frees everything; afterwards malloc must count nothing of ours as live. */
__attribute__((unused)) static void oracle_end(oracle *o)
{
	while (o->count)
		cairn_free(take_block(o, o->count - 1).p);
	for (unsigned h = 0; h < ORACLE_HEAPS; h++) {
		if (o->heaps[h])
			EXPECT_EQ(cairn_heap_live_bytes(o->heaps[h]), 0);
		cairn_heap_destroy(o->heaps[h]);
		o->heaps[h] = NULL;
	}
	EXPECT_EQ(o->live_bytes, 0);
	oracle_validate(o);
}

#endif
