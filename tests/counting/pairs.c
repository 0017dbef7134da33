/* pairs [allocations] [threads] - a block is freed before the next is asked for. */
#include "own_threads.h"

static void pairs(own_thread *t)
{
	for (uint64_t i = 0; i < t->work; i++)
		own_free(&t->count, own_malloc(&t->count, own_size(&t->count)));
}

int main(int argc, char **argv)
{
	own_count total = own_threads_run(pairs, own_argument(argc, argv, 1, 10000000),
					  (unsigned)own_argument(argc, argv, 2, 1));
	own_print(&total, "all");
	return 0;
}
