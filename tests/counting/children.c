/* children [allocations] - the parent makes blocks, four children inherit and free some and make their own; two leave
 * by exit(), two by _exit(). With no allocations to make the same children are made and do nothing. */
#include "own_count.h"

#include <sys/wait.h>

enum { CHILDREN = 4, INHERITED = 4000 };

static void *inherited[INHERITED];

static void work(own_count *c, uint64_t allocations)
{
	void *live[64] = { NULL };
	for (uint64_t i = 0; i < allocations; i++) {
		void **at = &live[own_random(c) % 64];
		own_free(c, *at);
		*at = own_malloc(c, own_size(c));
	}
	for (unsigned i = 0; i < 60; i++) /* four may be left */
		own_free(c, live[i]);
}

static void child(unsigned index, uint64_t allocations)
{
	static const char *const labels[CHILDREN] = { "child-exit-1", "child-quick-2", "child-exit-3",
		"child-quick-4" };
	own_count c = { .random = index + 100 };
	for (unsigned i = index; i < INHERITED && allocations; i += 3)
		own_free(&c, inherited[i]);
	work(&c, allocations);
	own_print(&c, labels[index]);
	if (index % 2)
		_exit(0);
	exit(0);
}

int main(int argc, char **argv)
{
	uint64_t allocations = own_argument(argc, argv, 1, 10000000);
	own_count c = { .random = 1 };
	for (unsigned i = 0; i < INHERITED && allocations; i++)
		inherited[i] = own_malloc(&c, 1 + own_random(&c) % 2000);
	for (unsigned i = 0; i < CHILDREN; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			child(i, allocations / (CHILDREN + 1));
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			abort();
	}
	work(&c, allocations / (CHILDREN + 1));
	for (unsigned i = 0; i < INHERITED && allocations; i += 2)
		own_free(&c, inherited[i]);
	own_print(&c, "parent");
	return 0;
}
