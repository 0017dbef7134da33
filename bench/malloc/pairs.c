/* pairs.c - malloc and free in turns: the shortest path there is.
 *
 *   pairs BYTES      that size each time;  pairs 0: sizes of 16..1024, log-uniform, from a table made before
 *
 * Eight blocks are live throughout, the oldest freed as the next is made, so that the same block is not simply handed
 * back and forth. */
#include "bench.h"

enum { LIVE = 8, TABLE = 4096 };
static size_t sizes[TABLE];

int main(int argc, char **argv)
{
	size_t bytes = bench_argument(argc, argv, 1, 64), count = bench_scaled(100000000 / (bytes ? 1 : 2));
	uint64_t seed = bench_seed(bytes), check = 0;
	for (unsigned i = 0; i < TABLE; i++)
		sizes[i] = bytes ? bytes : bench_log_uniform(&seed, 16, 6);
	unsigned char *live[LIVE];
	for (unsigned i = 0; i < LIVE; i++)
		*(live[i] = (unsigned char *)malloc(16)) = 0;
	bench_start();
	for (size_t i = 0; i < count; i++) {
		unsigned char **slot = &live[i % LIVE];
		check += **slot;
		free(*slot);
		*slot = (unsigned char *)malloc(sizes[i % TABLE]);
		**slot = (unsigned char)i;
	}
	bench_stop();
	for (unsigned i = 0; i < LIVE; i++)
		free(live[i]);
	return bench_done(check);
}
