/* mleak.c - short threads that leave a block each to a thread that comes later (after mimalloc-bench's mleak).
 *
 * 40 threads at a time; each makes a block of 16..4096 bytes, swaps it into a table, and frees what was there, made
 * by a thread long gone: a malloc that cannot hand over what ended threads held grows with their number. */
#include "bench.h"
#include <stdatomic.h>

enum { AT_A_TIME = 40, TABLE = 200 };
static _Atomic(unsigned char *) table[TABLE]; /* sync: exchanged whole; the exchange publishes the block */

static void *visitor(void *argument)
{
	uint64_t *seed_and_sum = argument, seed = *seed_and_sum;
	unsigned char *p = malloc(bench_log_uniform(&seed, 16, 8));
	*p = (unsigned char)seed;
	p = atomic_exchange(&table[bench_below(&seed, TABLE)], p);
	*seed_and_sum = p ? *p : 0;
	free(p);
	return NULL;
}

int main(void)
{
	size_t rounds = bench_scaled(350);
	uint64_t check = 0;
	bench_start();
	for (size_t r = 0; r < rounds; r++) {
		uint64_t each[AT_A_TIME];
		for (unsigned i = 0; i < AT_A_TIME; i++)
			each[i] = bench_seed(r * AT_A_TIME + i);
		bench_crowd(AT_A_TIME, visitor, each, sizeof *each);
		for (unsigned i = 0; i < AT_A_TIME; i++)
			check += each[i];
	}
	for (unsigned i = 0; i < TABLE; i++)
		if (table[i]) {
			check += *table[i];
			free(table[i]);
		}
	bench_stop();
	return bench_done(check);
}
