/* cache.c - does a malloc make two threads share a cache line? (after Berger's Hoard benchmarks)
 *
 *   cache scratch     each of two threads frees a block that the main thread made, then makes one, writes it over and
 *                     over and frees it, many times: a malloc that hands out the main thread's lines again is slow
 *   cache thrash      the same without a first block: a malloc that cuts one line for two threads is slow */
#include "bench.h"

enum { BYTES = 8, WRITES = 1000, THREADS = 2 };
static size_t rounds;

static void *work(void *first)
{
	uint64_t sum = 0;
	free(*(unsigned char **)first);
	for (size_t r = 0; r < rounds; r++) {
		volatile unsigned char *p = malloc(BYTES);
		for (unsigned w = 0; w < WRITES; w++)
			p[w % BYTES]++;
		p[0] = (unsigned char)r;
		sum += p[0];
		free((void *)p);
	}
	*(uint64_t *)first = sum;
	return NULL;
}

int main(int argc, char **argv)
{
	union { unsigned char *p; uint64_t sum; } each[THREADS];
	memset(each, 0, sizeof each);
	rounds = bench_scaled(300000);
	for (unsigned i = 0; argc > 1 && !strcmp(argv[1], "scratch") && i < THREADS; i++)
		each[i].p = malloc(BYTES);
	bench_crowd_at_once(THREADS, work, each, sizeof *each);
	return bench_done(each[0].sum + each[1].sum);
}
