/* shbench.c - bursts of blocks of one size, held for a while, freed forwards or backwards (after MicroQuill's sh6 and
 * sh8).
 *
 *   shbench 6     sizes 2..1024, each doubling as likely as the next; one thread frees what it made
 *   shbench 8     sizes to 4 KiB likewise, two threads, and a burst taken from a shared table may be the other's
 *
 * The table holds 64 bursts; a new one takes the place of a random old one, which is then freed. */
#include "bench.h"
#include <stdatomic.h>

enum { TABLE = 64, BURST_MAX = 400 };
typedef struct burst {
	size_t n;
	int backwards;
	unsigned char *p[BURST_MAX];
} burst;

static _Atomic(burst *) table[TABLE]; /* sync: exchanged whole; the exchange publishes the burst */
static size_t bursts, size_doublings;

static burst *burst_make(uint64_t *seed)
{
	burst *b = malloc(sizeof *b);
	size_t doublings = bench_below(seed, size_doublings), bytes;
	bytes = bench_between(seed, 1 + (8ull << doublings) / 8, 8ull << doublings);
	b->n = bench_between(seed, 1, BURST_MAX >> doublings / 2);
	b->backwards = (int)bench_below(seed, 2);
	for (size_t i = 0; i < b->n; i++)
		*(b->p[i] = malloc(bytes)) = (unsigned char)i;
	return b;
}

static uint64_t burst_free(burst *b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->n; i++) {
		unsigned char *p = b->p[b->backwards ? b->n - 1 - i : i];
		sum += *p;
		free(p);
	}
	free(b);
	return sum;
}

static void *work(void *argument)
{
	uint64_t *seed_and_sum = argument, sum = 0;
	for (size_t i = 0; i < bursts; i++) {
		burst *b = burst_make(seed_and_sum);
		b = atomic_exchange(&table[bench_below(seed_and_sum, TABLE)], b);
		if (b)
			sum += burst_free(b);
	}
	*seed_and_sum = sum;
	return NULL;
}

int main(int argc, char **argv)
{
	size_t kind = bench_argument(argc, argv, 1, 6), threads = kind == 8 ? 2 : 1;
	uint64_t each[2] = { bench_seed(1), bench_seed(2) };
	bursts = bench_scaled(kind == 8 ? 200000 : 400000);
	size_doublings = kind == 8 ? 10 : 8;
	bench_crowd_at_once((unsigned)threads, work, each, sizeof *each);
	uint64_t check = each[0] + (threads > 1 ? each[1] : 0);
	for (unsigned i = 0; i < TABLE; i++)
		if (table[i])
			check += burst_free(table[i]);
	return bench_done(check);
}
