/* grow [allocations] [threads] - blocks grow from nothing to a size of their own, some to 16 MiB, some shrink again;
 * some are freed by realloc to size 0. */
#include "own_threads.h"

static void *grow_to(own_thread *t, void *p, size_t from, size_t to)
{
	for (size_t size = from; size < to; size += size / (2 + own_random(&t->count) % 6) + 1)
		p = own_realloc(&t->count, p, size);
	return p;
}

static void grow(own_thread *t)
{
	for (uint64_t chain = 1; t->count.allocations < t->work; chain++) {
		size_t to = chain % 4096 == 0 ? 16 << 20 : chain % 64 == 0 ? 300000 : 1 + own_random(&t->count) % 8192;
		void *p = grow_to(t, NULL, 1, to);
		if (chain % 3 == 0)
			p = own_realloc(&t->count, p, to / 3 + 1);
		if (chain % 5 == 0 && p) {
			t->count.frees++;
			if (realloc(p, 0))
				abort();
		} else {
			own_free(&t->count, p);
		}
	}
}

int main(int argc, char **argv)
{
	own_count total = own_threads_run(grow, own_argument(argc, argv, 1, 10000000),
					  (unsigned)own_argument(argc, argv, 2, 1));
	own_print(&total, "all");
	return 0;
}
