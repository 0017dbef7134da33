/* alloctest.c - a random slot of many is filled when empty and emptied when full (after OLogN's alloc-test).
 *
 *   alloctest [THREADS]     each thread has 100,000 slots; sizes halve in likelihood with each doubling from 8 to 8192
 *
 * Every byte of a block is written and its first and last are read. */
#include "bench.h"

enum { SLOTS = 100000 };
typedef struct worker {
	size_t number;
	uint64_t check;
} worker;
static size_t steps;

static size_t size_of(uint64_t *seed)
{
	unsigned doublings = (unsigned)__builtin_ctzll(bench_any(seed) | 1 << 9);
	return bench_between(seed, 8ull << doublings, 16ull << doublings);
}

static void *work(void *argument)
{
	worker *w = argument;
	uint64_t seed = bench_seed(w->number);
	struct { unsigned char *p; size_t bytes; } *slot = calloc(SLOTS, sizeof *slot);
	for (size_t i = 0; i < steps; i++) {
		size_t k = bench_below(&seed, SLOTS);
		if (slot[k].p) {
			w->check = w->check * 31 + bench_read(slot[k].p, slot[k].bytes);
			free(slot[k].p);
			slot[k].p = NULL;
		} else {
			slot[k].bytes = size_of(&seed);
			slot[k].p = malloc(slot[k].bytes);
			memset(slot[k].p, (int)i, slot[k].bytes);
		}
	}
	for (size_t k = 0; k < SLOTS; k++)
		free(slot[k].p);
	free(slot);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t threads = bench_argument(argc, argv, 1, 1);
	worker w[16];
	uint64_t check = 0;
	steps = bench_scaled(16000000);
	memset(w, 0, sizeof w);
	for (size_t i = 0; i < threads; i++)
		w[i].number = i;
	bench_crowd_at_once((unsigned)threads, work, w, sizeof *w);
	for (size_t i = 0; i < threads; i++)
		check += w[i].check;
	return bench_done(check);
}
