/* Random streams of operations on malloc, each step compared with the naive table of support/oracle.h.
 *
 * Each case runs in a child of its own, whose OS page size is injected before it first allocates. CAIRN_SEED repeats a
 * run, CAIRN_TEST_OPS says how many operations. */
#include "support/oracle.h"

#include "os/sys.h"
#include "os/vm.h"

#include <sys/wait.h>

static uint64_t seed;
static oracle table;

static void run_stream(size_t page_bytes, size_t largest, uint64_t ops)
{
	if (page_bytes > cairn_vm_page_bytes())
		cairn_vm_page_bytes_inject(page_bytes);
	oracle_begin(&table, (oracle_source){ .state = seed ^ page_bytes });
	table.is_alone = true;
	table.largest = largest;
	table.may_refuse = getenv("CAIRN_FAULTS") != NULL;
	uint64_t every = ops / 40 ? ops / 40 : 1;
	for (uint64_t i = 0; i < ops && !has_failed(); i++) {
		oracle_step(&table);
		if (i % every == 0)
			oracle_validate(&table);
		if (has_failed())
			NOTE("page %zu, operation %llu", page_bytes, (unsigned long long)i);
	}
	oracle_end(&table);
}

/* The stream in a child; fails the case when the child fails. */
static void in_a_child(size_t page_bytes, size_t largest, uint64_t ops)
{
	if (cairn_pageheap_count().open_granules)
		SKIP("something allocated before main: the page size cannot be injected any more");
	if (page_bytes < cairn_vm_page_bytes())
		SKIP("the machine's page is larger");
	pid_t child = fork();
	if (!child) {
		run_stream(page_bytes, largest, ops);
		_exit(has_failed());
	}
	int status = -1;
	EXPECT(child > 0 && waitpid(child, &status, 0) == child);
	if (status)
		NOTE("child: %s %d", WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	EXPECT_EQ(status, 0);
}

static uint64_t ops(void) { return test_setting("CAIRN_TEST_OPS", 30000); }

static void every_block_is_whole_with_pages_of_4_kib(void) { in_a_child(4096, 64 << 20, ops()); }
static void every_block_is_whole_with_pages_of_16_kib(void) { in_a_child(16384, 64 << 20, ops()); }
static void every_block_is_whole_with_pages_of_64_kib(void) { in_a_child(65536, 64 << 20, ops()); }
static void small_blocks_alone_stay_whole(void) { in_a_child(4096, 32 << 10, 4 * ops()); }

int main(void)
{
	seed = test_seed();
	RUN(every_block_is_whole_with_pages_of_4_kib);
	RUN(every_block_is_whole_with_pages_of_16_kib);
	RUN(every_block_is_whole_with_pages_of_64_kib);
	RUN(small_blocks_alone_stay_whole);
	DONE();
}
