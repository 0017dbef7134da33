/* images [allocations] [images left] - works, then executes itself until no image is left; with blocks still held. */
#include "own_count.h"

int main(int argc, char **argv)
{
	static const char *const labels[] = { "image-last", "image-2", "image-1" };
	uint64_t allocations = own_argument(argc, argv, 1, 10000000), left = own_argument(argc, argv, 2, 2);
	own_count c = { .random = left + 5 };
	void *live[100] = { NULL };
	if (left > 2)
		return 2;
	for (uint64_t i = 0; i < allocations / 3; i++) {
		void **at = &live[own_random(&c) % 100];
		own_free(&c, *at);
		*at = own_malloc(&c, own_size(&c));
	}
	own_print(&c, labels[left]);
	if (left) {
		char next[2] = { (char)('0' + left - 1), 0 };
		char *args[] = { argv[0], argc > 1 ? argv[1] : (char *)"10000000", next, NULL };
		execv("/proc/self/exe", args);
		return 2;
	}
	return 0;
}
