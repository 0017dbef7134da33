/* large.c - blocks of 5 to 25 MiB: 20 live, a random one replaced, every page written (after mimalloc's malloc-large).
 *
 * What it costs to give pages back and fetch them again, which each malloc balances otherwise. */
#include "bench.h"

int main(void)
{
	enum { LIVE = 20, PAGE = 4096 };
	static unsigned char *live[LIVE];
	size_t count = bench_scaled(400);
	uint64_t seed = bench_seed(3), check = 0;
	bench_start();
	for (size_t i = 0; i < count; i++) {
		unsigned char **slot = &live[bench_below(&seed, LIVE)];
		if (*slot)
			check = check * 31 + **slot;
		free(*slot);
		size_t bytes = bench_between(&seed, 5 << 20, 25 << 20);
		*slot = malloc(bytes);
		if (!*slot)
			bench_die("malloc");
		for (size_t k = 0; k < bytes; k += PAGE)
			((volatile unsigned char *)*slot)[k] = (unsigned char)i;
	}
	for (unsigned k = 0; k < LIVE; k++)
		free(live[k]);
	bench_stop();
	return bench_done(check);
}
