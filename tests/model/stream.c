/* Random streams of operations on malloc, each step compared with the naive table of support/oracle.h: over every
 * size of OS page, under limits, over many windows, and with system calls refused.
 *
 * Each case runs in a child of its own. CAIRN_SEED repeats a run, CAIRN_TEST_OPS says how many operations. */
#include "support/child.h"
#include "support/hidden.h"
#include "support/oracle.h"

#include "os/limits.h"
#include "os/sys.h"
#include "os/vm.h"

#include <sys/mman.h>
#include <sys/resource.h>

static uint64_t seed;
static oracle table;

/* A sanitizer makes each ten times as long, and looks at each word of it. */
static uint64_t ops(void) { return test_setting("CAIRN_TEST_OPS", IS_SANITIZED ? 8000 : 30000); }

/* `count` steps, the validators called twenty times among them. */
static void run_steps(uint64_t count)
{
	uint64_t every = count / 20 ? count / 20 : 1;
	for (uint64_t i = 0; i < count && !has_failed(); i++) {
		oracle_step(&table);
		if (i % every == 0)
			oracle_validate(&table);
		if (has_failed())
			NOTE("operation %llu", (unsigned long long)i);
	}
}

static void table_begin(size_t largest)
{
	oracle_begin(&table, (oracle_source){ .state = seed });
	table.is_alone = true;
	table.largest = largest;
	table.may_refuse = getenv("CAIRN_FAULTS") != NULL;
}

/* ---- Page sizes ---- */

static void run_with_page(void *page_bytes)
{
	if (*(size_t *)page_bytes > cairn_vm_page_bytes())
		cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	table_begin(64 << 20);
	run_steps(ops());
	oracle_end(&table);
}

static void with_page(size_t page_bytes)
{
	if (cairn_pageheap_count().open_granules)
		SKIP("something allocated before main: the page size cannot be injected any more");
	if (page_bytes < cairn_vm_page_bytes())
		SKIP("the machine's page is larger");
	in_a_child(run_with_page, &page_bytes);
}

static void every_block_is_whole_with_pages_of_4_kib(void) { with_page(4096); }
static void every_block_is_whole_with_pages_of_16_kib(void) { with_page(16384); }
static void every_block_is_whole_with_pages_of_64_kib(void) { with_page(65536); }

/* ---- Sizes ---- */

static void run_with_largest(void *largest)
{
	table_begin(*(size_t *)largest);
	run_steps(2 * ops());
	oracle_end(&table);
}

static void small_blocks_alone_stay_whole(void)
{
	size_t largest = 32 << 10;
	in_a_child(run_with_largest, &largest);
}

static void blocks_of_a_few_granules_stay_whole(void)
{
	size_t largest = 1 << 20;
	in_a_child(run_with_largest, &largest);
}

/* ---- Core files: pages inside slabs are hidden at once, a few runs of them or as many as there are ---- */

/* Blocks a byte of which the kernel leaves out of core files. */
static size_t left_out(void)
{
	static hidden_range ranges[HIDDEN_MOST];
	size_t n = hidden_ranges(ranges, HIDDEN_MOST), out = 0;
	for (size_t b = 0; b < table.count; b++) {
		uintptr_t from = (uintptr_t)table.blocks[b].p, to = from + table.blocks[b].usable;
		size_t i = 0;
		while (i < n && ranges[i].to <= from)
			i++;
		out += i < n && ranges[i].from < to;
	}
	return out;
}

static void run_hiding(void *runs)
{
	size_t most = 0;
	cairn_slabhide_limits_inject(0, *(size_t *)runs);
	table_begin(32 << 10);
	for (int i = 0; i < 40 && !has_failed(); i++) {
		run_steps(ops() / 40);
		EXPECT_EQ(left_out(), 0);
		most = cairn_slabhide_runs() > most ? cairn_slabhide_runs() : most;
	}
	NOTE("at most %zu runs were hidden", most);
	EXPECT(most || table.may_refuse);
	oracle_end(&table);
}

static void hiding_pages_inside_slabs_hides_no_block(void) { in_a_child(run_hiding, &(size_t){ 12288 }); }
static void hiding_a_few_pages_inside_slabs_hides_no_block(void) { in_a_child(run_hiding, &(size_t){ 8 }); }

/* ---- Windows: somebody else maps the page behind our newest region, over and over ---- */

static void run_walled_in(void *unused)
{
	(void)unused;
	table_begin(16 << 20);
	/* Until there are more windows, too: the first region may be as large as some seeds ever need. */
	for (int i = 0; (i < 40 || (i < 400 && !atomic_load(&cairn_window_first.next))) && !has_failed(); i++) {
		run_steps(ops() / 40);
		cairn_page_region *r = cairn_window_newest();
		if (r)
			mmap((void *)r->end, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	}
	EXPECT(atomic_load(&cairn_window_first.next) != NULL); /* or the walls were of no use */
	oracle_end(&table);
}

static void every_block_is_whole_over_many_windows(void) { in_a_child(run_walled_in, NULL); }

/* ---- Limits ---- */

typedef struct limit {
	int resource;
	size_t more_bytes; /* than what the process has now */
} limit;

static size_t used_of(int resource)
{
	char text[256] = { 0 };
	unsigned long pages[6] = { 0 };
	size_t n = cairn_sys_read_file("/proc/self/statm", text, sizeof text - 1);
	char *at = text;
	for (int i = 0; n && i < 6; i++)
		pages[i] = strtoul(at, &at, 10);
	return (resource == RLIMIT_AS ? pages[0] : pages[5]) * (size_t)sysconf(_SC_PAGESIZE);
}

static void run_limited(void *arg)
{
	const limit *l = arg;
	struct rlimit wanted, before;
	getrlimit(l->resource, &before);
	wanted = (struct rlimit){ used_of(l->resource) + l->more_bytes, before.rlim_max };
	EXPECT_EQ(setrlimit(l->resource, &wanted), 0);
	table_begin(64 << 20);
	table.may_refuse = true;
	table.live_bytes_max = 2 * l->more_bytes;
	run_steps(ops() / 2);
	EXPECT(table.refused > 0 || l->more_bytes > 64 << 20);
	EXPECT_EQ(setrlimit(l->resource, &before), 0);
	oracle_end(&table);
	table_begin(64 << 20); /* and with the limit gone, all is well */
	run_steps(ops() / 10);
	oracle_end(&table);
}

static void limited(int resource)
{
	if (is_emulated())
		SKIP("an emulator does not keep limits");
	static const size_t more[] = { 256 << 10, 3 << 20, 20 << 20, 100 << 20 };
	for (size_t i = 0; i < sizeof more / sizeof more[0] && !has_failed(); i++) {
		limit l = { resource, more[i] };
		in_a_child(run_limited, &l);
	}
}

static void a_limit_on_address_space_only_refuses(void) { limited(RLIMIT_AS); }
static void a_limit_on_data_only_refuses(void) { limited(RLIMIT_DATA); }

/* The limit is read at start, so this is another program: it is large enough for whatever a sanitizer maps. Then
 * classes lend to each other, slabs are small, and memory is opened bit by bit. */
static void run_under_limit(void *resource)
{
	struct rlimit most = { (rlim_t)1 << 46, (rlim_t)1 << 46 };
	char seed_text[32];
	snprintf(seed_text, sizeof seed_text, "%#llx", (unsigned long long)seed);
	setenv("CAIRN_SEED", seed_text, 1);
	EXPECT_EQ(setrlimit(*(int *)resource, &most), 0);
	execl("/proc/self/exe", "stream", "limited", (char *)NULL);
	EXPECT(false);
}

static void run_limited_with_page(void *page_bytes)
{
	if (*(size_t *)page_bytes > cairn_vm_page_bytes())
		cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	for (size_t largest = 2 << 10; largest <= 16 << 20; largest <<= 6) {
		table_begin(largest);
		run_steps(ops() / 3);
		oracle_end(&table);
	}
}

static void every_block_is_whole_in_a_program_that_was_started_under_a_limit(void)
{
	if (is_emulated())
		SKIP("an emulator cannot execute the program again");
	int resource = RLIMIT_DATA;
	in_a_child(run_under_limit, &resource);
}

/* ---- Refused system calls ---- */

typedef struct fault {
	const char *name;
	unsigned every_nth;
	int error;
} fault;

/* With calls refused nothing breaks; when they are not refused any more, every size can be had again. */
static void run_refused(void *arg)
{
	const fault *f = arg;
	table_begin(16 << 20);
	for (int round = 0; round < 3 && !has_failed(); round++) {
		table.may_refuse = true;
		EXPECT(cairn_fault_set(f->name, f->every_nth, f->error));
		run_steps(ops() / 60);
		EXPECT(cairn_fault_set(f->name, 0, 0));
		table.may_refuse = false;
		run_steps(ops() / 60);
	}
	oracle_end(&table);
	if (has_failed())
		NOTE("%s:%u, error %d", f->name, f->every_nth, f->error);
}

static void refused(const char *name, int error)
{
	static const unsigned nth[] = { 1, 2, 3, 5, 17 };
	for (size_t i = 0; i < sizeof nth / sizeof nth[0] && !has_failed(); i++) {
		fault f = { name, nth[i], error };
		in_a_child(run_refused, &f);
	}
}

static void a_refused_mmap_is_a_null_at_most(void) { refused("mmap", ENOMEM); }
static void a_refused_munmap_harms_nothing(void) { refused("munmap", ENOMEM); }
static void a_refused_mprotect_is_a_null_at_most(void) { refused("mprotect", ENOMEM); }
static void a_refused_madvise_harms_nothing(void) { refused("madvise", ENOMEM); }
static void a_locked_page_harms_nothing(void) { refused("madvise", EINVAL); }
static void a_refused_mremap_harms_nothing(void) { refused("mremap", ENOMEM); }

static int be_limited(void)
{
	EXPECT(cairn_limits_are_tight());
	bool is_new = !cairn_pageheap_count().open_granules; /* else the page size cannot be injected any more */
	for (size_t page = is_new ? 4096 : 65536; page <= 65536; page *= 4) {
		size_t page_bytes = is_new ? page : cairn_vm_page_bytes();
		in_a_child(run_limited_with_page, &page_bytes);
	}
	/* Pages are opened when a block of them is handed out, and that may be refused. */
	if (CAN_LIMIT)
		limited(RLIMIT_DATA);
	if (CAN_REFUSE)
		refused("mprotect", ENOMEM);
	return has_failed();
}

int main(int words, char **word)
{
	seed = test_seed();
	if (words > 1 && strcmp(word[1], "limited") == 0)
		return be_limited();
	RUN(every_block_is_whole_with_pages_of_4_kib);
	RUN(every_block_is_whole_with_pages_of_16_kib);
	RUN(every_block_is_whole_with_pages_of_64_kib);
	RUN(small_blocks_alone_stay_whole);
	RUN(blocks_of_a_few_granules_stay_whole);
	RUN(hiding_pages_inside_slabs_hides_no_block);
	RUN(hiding_a_few_pages_inside_slabs_hides_no_block);
	RUN(every_block_is_whole_over_many_windows);
	if (CAN_LIMIT) {
		RUN(a_limit_on_address_space_only_refuses);
		RUN(a_limit_on_data_only_refuses);
	}
	RUN(every_block_is_whole_in_a_program_that_was_started_under_a_limit);
	if (!CAN_REFUSE)
		DONE();
	RUN(a_refused_mmap_is_a_null_at_most);
	RUN(a_refused_munmap_harms_nothing);
	RUN(a_refused_mprotect_is_a_null_at_most);
	RUN(a_refused_madvise_harms_nothing);
	RUN(a_locked_page_harms_nothing);
	RUN(a_refused_mremap_harms_nothing);
	DONE();
}
