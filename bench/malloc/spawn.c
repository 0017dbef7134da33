/* spawn.c - threads that begin, allocate a little, and end.
 *
 *   spawn BLOCKS     each thread makes that many blocks of 16..1024 bytes, frees all but the last 8, and leaves those
 *                    to the main thread, which frees them; two threads at a time
 *
 * What a malloc does for a thread at its first call and at its end is most of it. */
#include "bench.h"

enum { LEFT = 8, AT_A_TIME = 2 };
typedef struct visit {
	size_t number;
	unsigned char *left[LEFT];
	uint64_t check;
} visit;
static size_t blocks;

static void *visitor(void *argument)
{
	visit *v = argument;
	uint64_t seed = bench_seed(v->number);
	for (size_t i = 0; i < blocks; i++) {
		unsigned char **slot = &v->left[i % LEFT];
		if (*slot)
			v->check += **slot;
		free(*slot);
		*slot = malloc(bench_log_uniform(&seed, 16, 6));
		**slot = (unsigned char)i;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	blocks = bench_argument(argc, argv, 1, 100);
	size_t rounds = bench_scaled(4000);
	uint64_t check = 0;
	bench_start();
	for (size_t r = 0; r < rounds; r++) {
		visit v[AT_A_TIME];
		memset(v, 0, sizeof v);
		for (unsigned i = 0; i < AT_A_TIME; i++)
			v[i].number = r * AT_A_TIME + i;
		bench_crowd(AT_A_TIME, visitor, v, sizeof *v);
		for (unsigned i = 0; i < AT_A_TIME; i++) {
			check += v[i].check;
			for (unsigned k = 0; k < LEFT; k++)
				free(v[i].left[k]);
		}
	}
	bench_stop();
	return bench_done(check);
}
