/* churn [allocations] [threads] - a million live blocks, one of them replaced each time; with threads, mostly by
 * another thread than the one that made it. A quarter of what is left is never freed. */
#include "own_threads.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { CHURN_LIVE = 1000000 };

static _Atomic(void *) *slots; /* not from malloc: nothing but the churn is counted */

/* exchange is sequentially consistent: it hands the block over between threads. */
static void churn(own_thread *t)
{
	for (uint64_t i = 0; i < t->work; i++) {
		size_t size = 1 + own_random(&t->count) % 256;
		void *mine = own_malloc(&t->count, i % 4096 ? size : own_size(&t->count));
		own_free(&t->count, atomic_exchange(&slots[own_random(&t->count) % CHURN_LIVE], mine));
	}
}

int main(int argc, char **argv)
{
	slots = mmap(NULL, CHURN_LIVE * sizeof *slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return 2;
	own_count total = own_threads_run(churn, own_argument(argc, argv, 1, 10000000),
					  (unsigned)own_argument(argc, argv, 2, 1));
	for (unsigned i = 0; i < CHURN_LIVE; i++)
		if (i % 4)
			own_free(&total, slots[i]);
	own_print(&total, "all");
	return 0;
}
