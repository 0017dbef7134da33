/* mstress.c - threads that come and go, blocks of all sizes with all lifetimes, some handed to whoever comes (after
 * mimalloc's stress test).
 *
 * 16 rounds of two new threads; each makes some 60,000 blocks: most of 1 to 64 words, some of ten times that, a few
 * of up to 1 MiB. A block is freed soon, kept to the end of its thread, or swapped through a table that all threads
 * share. Every block is written whole as words that tell its length, and these are checked before it is freed. */
#include "bench.h"
#include <stdatomic.h>

enum { THREADS = 2, TABLE = 1000, SOON = 600, KEPT_MAX = 20000 };
static _Atomic(uint64_t *) table[TABLE]; /* sync: exchanged whole; the exchange publishes the block */
static size_t items;

static uint64_t *item_make(uint64_t *seed)
{
	size_t words = bench_between(seed, 1, 64), chance = bench_below(seed, 1000);
	if (chance < 50)
		words *= 10;
	if (chance == 0)
		words *= 200;
	uint64_t *p = malloc((words + 1) * sizeof *p);
	if (!p)
		bench_die("malloc");
	p[0] = words;
	for (size_t i = 1; i <= words; i++)
		p[i] = words ^ i;
	return p;
}

static uint64_t item_free(uint64_t *p)
{
	if (!p)
		return 0;
	uint64_t words = p[0], bad = 0;
	for (size_t i = 1; i <= words; i++)
		bad |= p[i] ^ words ^ i;
	if (bad)
		bench_die("a block changed");
	free(p);
	return words;
}

static void *work(void *argument)
{
	uint64_t *seed_and_sum = argument, *seed = argument, sum = 0;
	uint64_t **kept = calloc(KEPT_MAX, sizeof *kept), *soon[SOON] = { NULL };
	size_t kept_count = 0;
	for (size_t i = 0; i < items; i++) {
		uint64_t *p = item_make(seed);
		size_t fate = bench_below(seed, 100);
		if (fate < 20 && kept_count < KEPT_MAX) {
			kept[kept_count++] = p;
		} else if (fate < 45) {
			sum += item_free(atomic_exchange(&table[bench_below(seed, TABLE)], p));
		} else {
			size_t k = bench_below(seed, SOON);
			sum += item_free(soon[k]);
			soon[k] = p;
		}
	}
	while (kept_count)
		sum += item_free(kept[--kept_count]);
	for (unsigned k = 0; k < SOON; k++)
		sum += item_free(soon[k]);
	free(kept);
	*seed_and_sum = sum;
	return NULL;
}

int main(void)
{
	size_t rounds = 16;
	uint64_t check = 0;
	items = bench_scaled(60000);
	bench_start();
	for (size_t r = 0; r < rounds; r++) {
		uint64_t each[THREADS];
		for (unsigned i = 0; i < THREADS; i++)
			each[i] = bench_seed(r * THREADS + i);
		bench_crowd(THREADS, work, each, sizeof *each);
		for (unsigned i = 0; i < THREADS; i++)
			check += each[i];
	}
	for (unsigned i = 0; i < TABLE; i++)
		check += item_free(table[i]);
	bench_stop();
	return bench_done(check);
}
