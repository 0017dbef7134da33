/* regrow.c - arrays that grow by realloc.
 *
 *   regrow small     many arrays at once, each by 16..48 bytes a step up to 4 KiB, in turns: what a growing string does
 *   regrow append    one array at a time by doubling up to 64 KiB, with a small block made between two steps
 *   regrow large     one array by 64 KiB a step up to 64 MiB, every page written once, then given back; 8 times
 *   regrow shared    two such arrays at once, growing in turns, so that neither has free space behind it
 *
 * What is added is written; what was there is checked by its first byte. */
#include "bench.h"

static unsigned char *grow(unsigned char *p, size_t from, size_t to, size_t step)
{
	p = (unsigned char *)realloc(p, to);
	if (!p)
		bench_die("realloc");
	for (size_t i = from; i < to; i += step)
		((volatile unsigned char *)p)[i] = (unsigned char)(to >> 16 ^ to);
	return p;
}

static uint64_t small(void)
{
	enum { ARRAYS = 1000, LIMIT = 4096 };
	static struct { unsigned char *p; size_t bytes; } a[ARRAYS];
	size_t steps = bench_scaled(8000000);
	uint64_t seed = bench_seed(1), check = 0;
	for (size_t i = 0; i < steps; i++) {
		unsigned k = (unsigned)bench_below(&seed, ARRAYS);
		if (a[k].bytes > LIMIT) {
			check = check * 31 + a[k].p[0];
			free(a[k].p);
			a[k].p = NULL;
			a[k].bytes = 0;
		}
		size_t to = a[k].bytes + bench_between(&seed, 16, 48);
		a[k].p = grow(a[k].p, a[k].bytes, to, 16);
		a[k].bytes = to;
	}
	for (unsigned k = 0; k < ARRAYS; k++)
		free(a[k].p);
	return check;
}

static uint64_t append(void)
{
	enum { LIMIT = 65536, BETWEEN = 4096 };
	static void *between[BETWEEN];
	size_t rounds = bench_scaled(800000), n = 0;
	uint64_t check = 0;
	for (size_t r = 0; r < rounds; r++) {
		unsigned char *p = NULL;
		size_t bytes = 0;
		for (size_t to = 16; to <= (size_t)LIMIT >> (r % 8); to *= 2) {
			p = grow(p, bytes, to, 64);
			bytes = to;
			free(between[n % BETWEEN]);
			between[n++ % BETWEEN] = malloc(48);
		}
		check = check * 31 + p[0];
		free(p);
	}
	return check;
}

static uint64_t large(unsigned arrays)
{
	enum { LIMIT = 64 << 20, STEP = 64 << 10, PAGE = 4096 };
	size_t rounds = bench_scaled(8), limit = bench_scaled((size_t)LIMIT / STEP) * STEP;
	uint64_t check = 0;
	for (size_t r = 0; r < rounds; r++) {
		unsigned char *p[2] = { NULL, NULL };
		for (size_t bytes = 0; bytes < limit / arrays; bytes += STEP)
			for (unsigned i = 0; i < arrays; i++)
				p[i] = grow(p[i], bytes, bytes + STEP, PAGE);
		for (unsigned i = 0; i < arrays; i++) {
			check = check * 31 + p[i][0];
			free(p[i]);
		}
	}
	return check;
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "small";
	bench_start();
	uint64_t check = !strcmp(which, "small") ? small() : !strcmp(which, "append") ? append() :
		large(!strcmp(which, "shared") ? 2 : 1);
	bench_stop();
	return bench_done(check);
}
