/* calloc.c - zeroed blocks.
 *
 *   calloc small     16..1024 bytes, log-uniform, 200 live
 *   calloc large     1..8 MiB, of which one page in 16 is used, 4 live: fresh pages need no zeroing, used ones do
 *
 * What is said to be zero is looked at: one byte in each 64 of small blocks, the pages used of large ones. */
#include "bench.h"

static size_t step_of(int large) { return large ? 65536 : 64; }

static uint64_t use(unsigned char *p, size_t bytes, size_t step)
{
	uint64_t not_zero = 0;
	for (size_t i = 0; i < bytes; i += step) {
		not_zero += p[i];
		p[i] = 0x5a;
	}
	return not_zero;
}

int main(int argc, char **argv)
{
	enum { LIVE_MAX = 200 };
	static unsigned char *live[LIVE_MAX];
	int large = argc > 1 && !strcmp(argv[1], "large");
	size_t count = bench_scaled(large ? 2500 : 20000000), slots = large ? 4 : LIVE_MAX;
	uint64_t seed = bench_seed(5), not_zero = 0, sum = 0;
	bench_start();
	for (size_t i = 0; i < count; i++) {
		size_t bytes = large ? bench_between(&seed, 1 << 20, 8 << 20) : bench_log_uniform(&seed, 16, 6);
		unsigned char **slot = &live[bench_below(&seed, slots)];
		free(*slot);
		*slot = calloc(1, bytes);
		if (!*slot)
			bench_die("calloc");
		not_zero += use(*slot, bytes, step_of(large));
		sum += bytes;
	}
	bench_stop();
	if (not_zero)
		bench_die("calloc did not zero");
	return bench_done(sum);
}
