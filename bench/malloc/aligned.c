/* aligned.c - aligned_alloc and posix_memalign: alignments of 32, 64, 256 and 4096 bytes, sizes of one to eight
 * alignments (of 4096: one or two), 500 live. */
#include "bench.h"

int main(void)
{
	enum { LIVE = 500 };
	static const size_t alignments[] = { 32, 64, 256, 4096 };
	static struct { unsigned char *p; size_t bytes; } live[LIVE];
	size_t count = bench_scaled(12000000), misplaced = 0;
	uint64_t seed = bench_seed(6), check = 0;
	bench_start();
	for (size_t i = 0; i < count; i++) {
		unsigned k = (unsigned)bench_below(&seed, LIVE);
		if (live[k].p)
			check = check * 31 + bench_read(live[k].p, live[k].bytes);
		free(live[k].p);
		size_t alignment = alignments[bench_below(&seed, 4)];
		live[k].bytes = alignment * bench_between(&seed, 1, alignment == 4096 ? 2 : 8);
		void *p = NULL;
		if (i % 2)
			p = aligned_alloc(alignment, live[k].bytes);
		else if (posix_memalign(&p, alignment, live[k].bytes))
			bench_die("posix_memalign");
		misplaced += (uintptr_t)p % alignment != 0;
		bench_fill(live[k].p = p, live[k].bytes, (unsigned char)i);
	}
	bench_stop();
	if (misplaced)
		bench_die("not aligned");
	return bench_done(check);
}
