/* compact PER_PIN - what a compaction at the limit wins: the heap, of CAIRN_GC_MAX, is filled with objects of 16 B to
 * 2 KiB, each doubling as likely as the next, until one does not fit. A random quarter is dropped, so that every block
 * has holes; of the others one in PER_PIN is pinned, strewn over all blocks, and some more by words of the stack. Then
 * objects are asked for that want a block of their own, until one only fits when holes are joined. Prints, by
 * cairn_gc_stats:
 *
 *   hole_bytes       in blocks in use, before
 *   freed_bytes      that blocks in use had before, and have not after: of blocks that became empty as a whole
 *   share            percent: of hole_bytes
 *   pinned_objects   in that collection
 *   moved_bytes      by it
 *   pause_us         of it, by the clock
 *
 * What lives, and where what is pinned lies, is looked at afterwards. */
#include "memory.h"

enum {
	DROPPED_ONE_OF = 4,
	STACK_PINS = 64,
	BLOCK_ASKED = 60 << 10, /* bytes */
	MOST_ASKED = 256,  /* some blocks may be left below the limit */
	OBJECT_LEAST = 16, /* bytes, and so many doublings of it */
	DOUBLINGS = 7,
	FEWEST = 192,      /* bytes an object takes on average, at least */
};

typedef struct item {
	MEMORY_REF(struct item) other;
	uint64_t key;
	unsigned char rest[];
} item;
MEMORY_TAIL_AND(item, rest, 0, other);

typedef struct items {
	uint64_t count;
	MEMORY_REF(item) at[];
} items;
MEMORY_TAIL(items, at, 1);

/* One pause: that of the collection whose phases came last. */
static struct pause {
	uint64_t number, from_ns, to_ns;
} last;

static void listen(const cairn_gc_event *e, void *unused)
{
	(void)unused;
	if (e->collection != last.number)
		last = (struct pause){ e->collection, e->start_ns, 0 };
	last.to_ns = e->start_ns + e->ns;
}

static uint64_t mixed(uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15ull; }

/* Until the heap is full. */
static void fill(memory *m, items *all, size_t room, uint64_t *seed)
{
	for (; all->count < room; all->count++) {
		size_t bytes = bench_log_uniform(seed, OBJECT_LEAST, DOUBLINGS);
		item *i = cairn_gc_try_new_array(m, item, bytes - OBJECT_LEAST);
		if (!i)
			return;
		i->key = mixed(all->count);
		memory_set(m, all, at[all->count], i);
	}
}

/* Drops some; each that is left refers to another by chance. */
static void make_holes(memory *m, items *all, uint64_t *seed)
{
	size_t left = 0;
	for (size_t i = 0; i < all->count; i++)
		if (bench_below(seed, DROPPED_ONE_OF))
			memory_set(m, all, at[left++], memory_get(m, all, at[i]));
	for (size_t i = left; i < all->count; i++)
		memory_set(m, all, at[i], NULL);
	all->count = left;
	for (size_t i = 0; i < left; i++) {
		item *of = memory_get(m, all, at[i]);
		memory_set(m, of, other, memory_get(m, all, at[bench_below(seed, left)]));
	}
}

static uint64_t sum(memory *m, const items *all)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < all->count; i++) {
		item *of = memory_get(m, all, at[i]);
		sum = sum * 31 + of->key + 7 * memory_get(m, of, other)->key;
	}
	return sum;
}

/* Those whose address is kept in `where`, which is no root. */
static size_t pin(memory *m, items *all, size_t per_pin, size_t first, uintptr_t *where)
{
	size_t pins = 0;
	for (size_t i = first; i < all->count; i += per_pin) {
		item *of = memory_get(m, all, at[i]);
		if (!cairn_gc_pin(m, of))
			bench_die("cairn_gc_pin");
		where[pins++] = (uintptr_t)of;
	}
	return pins;
}

static size_t count_moved(memory *m, items *all, size_t per_pin, size_t first, const uintptr_t *where, size_t pins)
{
	size_t moved = 0;
	for (size_t i = 0; i < pins; i++)
		moved += (uintptr_t)memory_get(m, all, at[first + i * per_pin]) != where[i];
	return moved;
}

static cairn_gc_stats figures(void)
{
	cairn_gc_stats s;
	cairn_gc_stats_get(memory_heap, &s);
	return s;
}

/* For blocks, each kept, until objects were moved for one. False: it was refused. */
static bool ask(memory *m)
{
	void *volatile kept[MOST_ASKED] = { NULL };
	size_t n = 0, moved = figures().moved_bytes;
	cairn_gc_listen(memory_heap, listen, NULL);
	do
		kept[n] = cairn_gc_try_new_bytes(m, BLOCK_ASKED);
	while (kept[n] && figures().moved_bytes == moved && ++n < MOST_ASKED);
	cairn_gc_listen(memory_heap, NULL, NULL);
	return n < MOST_ASKED && kept[n];
}

static void print(const cairn_gc_stats *before, const cairn_gc_stats *after)
{
	size_t freed = before->hole_bytes > after->hole_bytes ? before->hole_bytes - after->hole_bytes : 0;
	printf("hole_bytes %zu\nfreed_bytes %zu\nshare %.1f\n", before->hole_bytes, freed,
		100.0 * (double)freed / (double)before->hole_bytes);
	printf("pinned_objects %zu\n", after->pinned_objects);
	printf("moved_bytes %zu\n", after->moved_bytes - before->moved_bytes);
	printf("pause_us %llu\n", (unsigned long long)(last.to_ns - last.from_ns) / 1000);
}

int main(int argc, char **argv)
{
	size_t per_pin = bench_argument(argc, argv, 1, 1000);
	if (!per_pin)
		return fprintf(stderr, "compact: PER_PIN is at least 1\n"), 2;
	uint64_t seed = bench_seed(1);
	memory *m = memory_open();
	size_t room = figures().max_bytes / FEWEST;
	items *all = memory_new_array(m, items, at, room);
	uintptr_t *where = calloc(room, sizeof *where);
	item *volatile held[STACK_PINS];
	if (!where)
		bench_die("calloc");
	fill(m, all, room, &seed);
	make_holes(m, all, &seed);
	size_t first = bench_below(&seed, per_pin), pins = pin(m, all, per_pin, first, where);
	for (size_t i = 0; i < STACK_PINS; i++)
		held[i] = memory_get(m, all, at[bench_below(&seed, all->count)]);
	uint64_t was = sum(m, all);
	cairn_gc_collect(m);
	cairn_gc_stats before = figures();
	bench_start();
	bool is_there = ask(m);
	bench_stop();
	cairn_gc_stats after = figures();
	print(&before, &after);
	for (size_t i = 0; i < STACK_PINS; i++)
		cairn_gc_keep(held[i]);
	size_t moved = count_moved(m, all, per_pin, first, where, pins);
	if (moved)
		return fprintf(stderr, "compact: %zu pinned objects moved\n", moved), 1;
	if (sum(m, all) != was)
		return fprintf(stderr, "compact: objects are not what they were\n"), 1;
	if (!is_there)
		return fprintf(stderr, "compact: no block came free\n"), 1;
	free(where);
	memory_close(m);
	return bench_done(was);
}
