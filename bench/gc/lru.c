/* lru ENTRIES - a cache: ENTRIES entries of 64 to 256 bytes, found through a table, the longest unused one thrown out
 * for a new one. Some keys are much more frequent than others, and which ones shifts with time. Every operation is
 * timed; what is told are percentiles of all, in µs. The list in order of use stores to old entries all the time. */
#include "memory.h"
#include "times.h"

typedef struct entry {
	MEMORY_REF(struct entry) newer, older; /* in order of use */
	MEMORY_REF(struct entry) next;         /* in its bucket */
	uint64_t key;
	uint32_t bytes;
	unsigned char value[];
} entry;
MEMORY_TAIL_AND(entry, value, 0, newer, older, next);

typedef struct bucket {
	MEMORY_REF(entry) first;
} bucket;
typedef struct table {
	MEMORY_REF(entry) newest;
	MEMORY_REF(entry) oldest;
	size_t count, most, mask;
	bucket bucket[];
} table;
MEMORY_TAIL_AND(table, bucket, 1, newest, oldest);

enum {
	OPERATIONS_PER_ENTRY = 8,
	HEADER = 36, /* what of an entry's bytes is no value, with references of 8 bytes; with 4 values are as long */
};

static size_t bucket_of(const table *t, uint64_t key) { return key * 0x9e3779b97f4a7c15ull >> 20 & t->mask; }

static table *new_table(memory *m, size_t most)
{
	size_t buckets = 16;
	while (buckets < most)
		buckets *= 2;
	table *t = memory_new_array(m, table, bucket, buckets);
	memory_null(m, t, newest);
	memory_null(m, t, oldest);
	t->count = 0;
	t->most = most;
	t->mask = buckets - 1;
	for (size_t i = 0; i < buckets; i++)
		memory_null(m, t, bucket[i].first);
	return t;
}

static entry *find(memory *m, table *t, uint64_t key)
{
	entry *e = memory_get(m, t, bucket[bucket_of(t, key)].first);
	while (e && e->key != key)
		e = memory_get(m, e, next);
	return e;
}

static void take_out_of_order(memory *m, table *t, entry *e)
{
	entry *newer = memory_get(m, e, newer), *older = memory_get(m, e, older);
	if (newer)
		memory_set(m, newer, older, older);
	else
		memory_set(m, t, newest, older);
	if (older)
		memory_set(m, older, newer, newer);
	else
		memory_set(m, t, oldest, newer);
}

static void make_newest(memory *m, table *t, entry *e)
{
	entry *second = memory_get(m, t, newest);
	memory_set(m, e, newer, NULL);
	memory_set(m, e, older, second);
	if (second)
		memory_set(m, second, newer, e);
	else
		memory_set(m, t, oldest, e);
	memory_set(m, t, newest, e);
}

static void throw_out_oldest(memory *m, table *t)
{
	entry *e = memory_get(m, t, oldest), *before = NULL;
	size_t at = bucket_of(t, e->key);
	for (entry *other = memory_get(m, t, bucket[at].first); other != e; other = memory_get(m, other, next))
		before = other;
	if (before)
		memory_set(m, before, next, memory_get(m, e, next));
	else
		memory_set(m, t, bucket[at].first, memory_get(m, e, next));
	take_out_of_order(m, t, e);
	t->count--;
	memory_free(m, e);
}

static entry *add(memory *m, table *t, uint64_t key)
{
	if (t->count == t->most)
		throw_out_oldest(m, t);
	uint32_t bytes = 64 + (uint32_t)(key * 0xd6e8feb86659fd93ull >> 40) % 193 - HEADER;
	entry *e = memory_new_array(m, entry, value, bytes);
	size_t at = bucket_of(t, key);
	e->key = key;
	e->bytes = bytes;
	memset(e->value, (int)(key & 255), bytes);
	memory_init(m, e, next, memory_get(m, t, bucket[at].first));
	memory_set(m, t, bucket[at].first, e);
	make_newest(m, t, e);
	t->count++;
	return e;
}

/* One operation: what its entry holds. */
static uint64_t use(memory *m, table *t, uint64_t key)
{
	entry *e = find(m, t, key);
	if (e) {
		take_out_of_order(m, t, e);
		make_newest(m, t, e);
	} else {
		e = add(m, t, key);
	}
	return e->value[e->bytes - 1] + e->bytes;
}

int main(int argc, char **argv)
{
	size_t most = bench_argument(argc, argv, 1, 1000000);
	if (most < 1)
		return fprintf(stderr, "lru: ENTRIES is at least 1\n"), 2;
	memory *m = memory_open();
	table *t = new_table(m, most);
	uint64_t seed = bench_seed(1), check = 0;
	for (uint64_t key = 0; key < most; key++)
		use(m, t, key);
	bench_start();
	uint64_t before = bench_now_ns();
	for (size_t i = 0; i < OPERATIONS_PER_ENTRY * most; i++) {
		uint64_t at = bench_below(&seed, 4 * most), key = bench_below(&seed, at + 1) + i / 8;
		check = check * 31 + use(m, t, key);
		uint64_t now = bench_now_ns();
		times_note(now - before);
		before = now;
	}
	bench_stop();
	times_print("operation");
	while (MEMORY_FREES && t->count)
		throw_out_oldest(m, t);
	memory_free(m, t);
	memory_close(m);
	return bench_done(check);
}
