/* glibcbench.c - two shapes of benchmark that glibc's own tests have.
 *
 *   glibcbench simple     for each of 16 sizes to 4 KiB: 25, 100, 400 and 1600 blocks made; a third of them kept while
 *                         the rest is freed backwards and made anew; then all freed in the order they were made
 *   glibcbench thread     two threads, 1,024 slots each: a random slot's block is replaced; of sizes 4..32768 the
 *                         smaller ones are likelier in inverse proportion to their square root */
#include "bench.h"

enum { COUNT_MAX = 1600, SLOTS = 1024, SIZES = 4096 };

static uint64_t simple_size(size_t bytes, size_t count, size_t rounds)
{
	static unsigned char *p[COUNT_MAX];
	uint64_t sum = 0;
	for (size_t r = 0; r < rounds; r++) {
		for (size_t i = 0; i < count; i++)
			*(p[i] = malloc(bytes)) = (unsigned char)(r + i);
		for (size_t i = count; i-- > 0;)
			if (i % 3) {
				sum += *p[i];
				free(p[i]);
			}
		for (size_t i = 0; i < count; i++)
			if (i % 3)
				*(p[i] = malloc(bytes)) = (unsigned char)i;
		for (size_t i = 0; i < count; i++) {
			sum += *p[i];
			free(p[i]);
		}
	}
	return sum;
}

static uint64_t simple(void)
{
	static const size_t sizes[] = { 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096 };
	size_t each = bench_scaled(1500000);
	uint64_t sum = 0;
	for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (size_t count = 25; count <= COUNT_MAX; count *= 4)
			sum += simple_size(sizes[s], count, each / 4 / count + 1);
	return sum;
}

typedef struct worker {
	size_t number, steps;
	uint64_t check;
} worker;

static void *work(void *argument)
{
	worker *w = argument;
	uint64_t seed = bench_seed(w->number);
	unsigned char *slot[SLOTS] = { NULL };
	uint32_t sizes[SIZES];
	for (unsigned i = 0; i < SIZES; i++) { /* u uniform in (0, 1]: 32768 u^2, at least 4 */
		double u = (double)(1 + bench_below(&seed, 65536)) / 65536;
		uint32_t bytes = (uint32_t)(32768 * u * u);
		sizes[i] = bytes < 4 ? 4 : bytes;
	}
	for (size_t i = 0; i < w->steps; i++) {
		unsigned char **at = &slot[bench_below(&seed, SLOTS)];
		if (*at)
			w->check = w->check * 31 + **at;
		free(*at);
		*at = malloc(sizes[i % SIZES]);
		**at = (unsigned char)i;
	}
	for (unsigned k = 0; k < SLOTS; k++)
		free(slot[k]);
	return NULL;
}

int main(int argc, char **argv)
{
	worker w[2] = { { 0, bench_scaled(9000000), 0 }, { 1, bench_scaled(9000000), 0 } };
	uint64_t check = 0;
	if (argc > 1 && !strcmp(argv[1], "thread")) {
		bench_crowd_at_once(2, work, w, sizeof *w);
	} else {
		bench_start();
		check = simple();
		bench_stop();
	}
	return bench_done(check + w[0].check + w[1].check);
}
