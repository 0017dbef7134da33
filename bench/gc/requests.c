/* requests REQUESTS CACHE [SLOTS] - what a server does: SLOTS (256) requests are in hand at a time, beside a cache of
 * CACHE entries. A request is a list of 40 objects of 64 bytes. When one comes, its list is made, and one in hand, by
 * chance, is answered: that list is read and dropped, and the new one takes its place. For every 20th an entry of the
 * cache, by chance, is replaced. So nearly all that is made dies soon, though not in order, beside much that stays.
 * Each request is timed; what is told are percentiles of all, in µs. */
#include "memory.h"
#include "times.h"

enum { PARTS = 40, WORDS = 7, REQUESTS_PER_ENTRY = 20 };

typedef struct part {
	MEMORY_REF(struct part) next;
	uint64_t word[WORDS];
} part;
MEMORY_TYPE(part, next);

typedef struct place {
	MEMORY_REF(part) first;
} place;
typedef struct table {
	size_t count;
	place place[];
} table;
MEMORY_TAIL(table, place, 1);

static table *new_table(memory *m, size_t count)
{
	table *t = memory_new_array(m, table, place, count);
	t->count = count;
	for (size_t i = 0; i < count; i++)
		memory_null(m, t, place[i].first);
	return t;
}

static part *new_part(memory *m, part *next, uint64_t first)
{
	part *p = memory_new(m, part);
	memory_init(m, p, next, next);
	for (unsigned i = 0; i < WORDS; i++)
		p->word[i] = first + i;
	return p;
}

static part *make(memory *m, uint64_t number)
{
	part *list = NULL;
	for (unsigned i = 0; i < PARTS; i++)
		list = new_part(m, list, number + i);
	return list;
}

static uint64_t sum(memory *m, part *p)
{
	uint64_t of = 0;
	for (; p; p = memory_get(m, p, next))
		of += p->word[0] + p->word[WORDS - 1];
	return of;
}

static void drop(memory *m, part *p)
{
	while (MEMORY_FREES && p) {
		part *next = memory_get(m, p, next);
		memory_free(m, p);
		p = next;
	}
}

/* Reads and drops what stands there; what its words come to. */
static uint64_t replace(memory *m, table *t, size_t at, part *by)
{
	part *old = memory_get(m, t, place[at].first);
	uint64_t of = sum(m, old);
	memory_set(m, t, place[at].first, by);
	drop(m, old);
	return of;
}

static void drop_table(memory *m, table *t)
{
	for (size_t i = 0; MEMORY_FREES && i < t->count; i++)
		drop(m, memory_get(m, t, place[i].first));
	memory_free(m, t);
}

int main(int argc, char **argv)
{
	size_t requests = bench_argument(argc, argv, 1, 1400000), entries = bench_argument(argc, argv, 2, 400000);
	size_t slots = bench_argument(argc, argv, 3, 256);
	if (slots < 1 || entries < 1)
		return fprintf(stderr, "requests: CACHE and SLOTS are at least 1\n"), 2;
	memory *m = memory_open();
	table *hand = new_table(m, slots), *cache = new_table(m, entries);
	uint64_t seed = bench_seed(1), check = 0;
	for (size_t i = 0; i < entries; i++)
		memory_set(m, cache, place[i].first, new_part(m, NULL, i));
	bench_start();
	uint64_t before = bench_now_ns();
	for (size_t i = 0; i < requests; i++) {
		check = check * 31 + replace(m, hand, bench_below(&seed, slots), make(m, i));
		if (i % REQUESTS_PER_ENTRY == 0)
			check += replace(m, cache, bench_below(&seed, entries), new_part(m, NULL, i));
		uint64_t now = bench_now_ns();
		times_note(now - before);
		before = now;
	}
	bench_stop();
	times_print("request");
	drop_table(m, hand);
	drop_table(m, cache);
	memory_close(m);
	return bench_done(check);
}
