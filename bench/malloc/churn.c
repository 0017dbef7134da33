/* churn.c - a heap in use: a random live object is freed and another made in its place.
 *
 *   churn LIVE [FROM DOUBLINGS]     that many live objects of FROM .. FROM << DOUBLINGS bytes (16 and 6), log-uniform
 *
 * The free is of an object last touched long ago, which is in no cache: what a free costs there is what it has to
 * read. */
#include "bench.h"

typedef struct object {
	unsigned char *p;
	size_t bytes;
} object;

int main(int argc, char **argv)
{
	size_t live = bench_argument(argc, argv, 1, 100000), from = bench_argument(argc, argv, 2, 16);
	unsigned doublings = (unsigned)bench_argument(argc, argv, 3, 6);
	size_t steps = bench_scaled(bench_argument(argc, argv, 4, 12000000));
	uint64_t seed = bench_seed(live), check = 0;
	object *o = (object *)malloc(live * sizeof *o);
	for (size_t i = 0; i < live; i++) {
		o[i].bytes = bench_log_uniform(&seed, from, doublings);
		bench_fill(o[i].p = (unsigned char *)malloc(o[i].bytes), o[i].bytes, (unsigned char)i);
	}
	bench_start();
	for (size_t i = 0; i < steps; i++) {
		object *at = &o[bench_below(&seed, live)];
		check = check * 31 + bench_read(at->p, at->bytes);
		free(at->p);
		at->bytes = bench_log_uniform(&seed, from, doublings);
		bench_fill(at->p = (unsigned char *)malloc(at->bytes), at->bytes, (unsigned char)i);
	}
	bench_stop();
	return bench_done(check);
}
