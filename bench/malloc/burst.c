/* burst.c - many made, then all freed: more than any magazine holds.
 *
 *   burst ORDER COUNT [BYTES]
 *
 * COUNT blocks of BYTES (0: 16..1024, log-uniform) are made and then freed: `lifo` the last first, `fifo` the first
 * first, `random` in one fixed shuffled order. As many times over as make 40 million blocks (of mixed sizes, half
 * of that). */
#include "bench.h"

static void order_make(uint32_t *order, size_t count, const char *name)
{
	uint64_t seed = bench_seed(count);
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)(!strcmp(name, "lifo") ? count - 1 - i : i);
	for (size_t i = count; !strcmp(name, "random") && i > 1; i--) {
		size_t k = bench_below(&seed, i);
		uint32_t t = order[i - 1];
		order[i - 1] = order[k];
		order[k] = t;
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "lifo";
	size_t count = bench_argument(argc, argv, 2, 1000), bytes = bench_argument(argc, argv, 3, 64);
	size_t rounds = bench_scaled((bytes ? 40000000 : 20000000) / count);
	uint64_t seed = bench_seed(bytes), check = 0;
	uint32_t *order = (uint32_t *)malloc(count * sizeof *order);
	size_t *sizes = (size_t *)malloc(count * sizeof *sizes);
	unsigned char **p = (unsigned char **)malloc(count * sizeof *p);
	order_make(order, count, name);
	for (size_t i = 0; i < count; i++)
		sizes[i] = bytes ? bytes : bench_log_uniform(&seed, 16, 6);
	bench_start();
	for (size_t r = 0; r < rounds; r++) {
		for (size_t i = 0; i < count; i++)
			*(p[i] = (unsigned char *)malloc(sizes[i])) = (unsigned char)(r + i);
		for (size_t i = 0; i < count; i++) {
			unsigned char *block = p[order[i]];
			check = check * 31 + *block;
			free(block);
		}
	}
	bench_stop();
	return bench_done(check);
}
