/* Metadata memory: zeroed, apart, counted, refused without harm. Cases cite the invariants of os/meta.c. */
#include "base/bits.h"
#include "os/meta.h"
#include "os/sys.h"
#include "os/vm.h"
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MIB = 1 << 20 };

static bool is_all(const char *p, size_t bytes, char value)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != value)
			return false;
	return true;
}

static size_t block_align(size_t bytes)
{
	size_t align = 16;
	while (align < bytes && align < 4096)
		align *= 2;
	return align;
}

typedef struct record {
	char *p;
	size_t bytes;
	char mark;
} record;

/* Sizes of every magnitude, a few over the largest block. */
static size_t some_size(uint64_t *seed)
{
	return 1 + test_random(seed) % ((size_t)16 << test_random(seed) % 14);
}

static bool record_make(record *r, uint64_t *seed)
{
	r->bytes = some_size(seed);
	r->mark = (char)(1 + test_random(seed) % 250);
	r->p = cairn_meta_alloc(r->bytes);
	bool sound = r->p && is_all(r->p, r->bytes, 0) && !((size_t)r->p & (block_align(r->bytes) - 1));
	if (r->p)
		memset(r->p, r->mark, r->bytes);
	return sound;
}

static bool record_drop(record *r)
{
	bool intact = is_all(r->p, r->bytes, r->mark);
	cairn_meta_free(r->p, r->bytes);
	r->p = NULL;
	return intact;
}

static void churn(record *records, size_t count, size_t steps, uint64_t seed)
{
	for (size_t i = 0; i < steps; i++) {
		record *r = &records[test_random(&seed) % count];
		EXPECT(r->p ? record_drop(r) : record_make(r, &seed));
	}
	for (size_t i = 0; i < count; i++)
		EXPECT(!records[i].p || record_drop(&records[i]));
}

static void blocks_are_zeroed_aligned_and_apart(void)
{
	enum { COUNT = 500 };
	static record records[COUNT];
	uint64_t seed = test_seed();
	for (int round = 0; round < 20; round++) {
		churn(records, COUNT, 2000, test_random(&seed));
		EXPECT(cairn_meta_validate()); /* M1 to M3 */
	}
}

static void a_freed_block_is_handed_out_again_and_zeroed(void)
{
	for (size_t bytes = 16; bytes <= 65536; bytes *= 2) {
		char *p = cairn_meta_alloc(bytes);
		REQUIRE(p);
		memset(p, 0x77, bytes);
		cairn_meta_free(p, bytes);
		char *q = cairn_meta_alloc(bytes - 3);
		EXPECT(q == p);
		EXPECT(is_all(q, bytes, 0));
		cairn_meta_free(q, bytes - 3);
	}
	EXPECT(cairn_meta_validate());
}

static void a_large_block_is_its_own_mapping(void) /* M4 */
{
	size_t before = cairn_meta_bytes();
	char *p = cairn_meta_alloc(65537), *q = cairn_meta_alloc(3 * MIB);
	REQUIRE(p && q);
	size_t page = cairn_vm_page_bytes();
	EXPECT_EQ(cairn_meta_bytes() - before, cairn_round_up(65537, page) + 3 * MIB);
	EXPECT(is_all(q, 3 * MIB, 0));
	memset(q, 1, 3 * MIB);
	cairn_meta_free(p, 65537);
	cairn_meta_free(q, 3 * MIB);
	EXPECT_EQ(cairn_meta_bytes(), before);
	EXPECT(!cairn_vm_is_mapped(q));
}

static void null_and_absurd_sizes_are_harmless(void)
{
	cairn_meta_free(NULL, 100);
	EXPECT(!cairn_meta_alloc(SIZE_MAX));
	EXPECT(!cairn_meta_alloc(SIZE_MAX - 5000));
	EXPECT(!cairn_meta_alloc((size_t)1 << 62));
	EXPECT(cairn_meta_validate());
}

/* Twelve hundred records of sizes that do not fill their slab evenly: what is skipped is used. */
static void little_is_lost_to_alignment(void)
{
	static char *small[1000], *large[200];
	size_t before = cairn_meta_bytes(), used = 0;
	for (int i = 0; i < 200; i++) {
		large[i] = cairn_meta_alloc(2048);
		used += 2048;
		for (int k = 0; k < 5; k++, used += 64)
			small[5 * i + k] = cairn_meta_alloc(64);
	}
	EXPECT(cairn_meta_bytes() - before <= used + MIB);
	EXPECT(cairn_meta_validate());
	for (int i = 0; i < 1000; i++)
		cairn_meta_free(small[i], 64);
	for (int i = 0; i < 200; i++)
		cairn_meta_free(large[i], 2048);
}

static int child_refused(void)
{
	size_t before = cairn_meta_bytes();
	char *blocks[64];
	if (!cairn_fault_set("mmap", 1, ENOMEM))
		return CAIRN_FAULTS_BUILT ? 1 : 0;
	cairn_fault_set("mremap", 1, ENOMEM);
	cairn_fault_set("mprotect", 1, ENOMEM);
	int refused = 0;
	for (int i = 0; i < 64; i++) {
		blocks[i] = cairn_meta_alloc(65536);
		refused += !blocks[i];
	}
	if (!refused || cairn_meta_alloc(100000) || cairn_meta_bytes() != before || !cairn_meta_validate())
		return 2;
	for (int i = 0; i < 64; i++)
		cairn_meta_free(blocks[i], 65536);
	cairn_fault_set("mremap", 0, 0);
	cairn_fault_set("mprotect", 0, 0);
	cairn_fault_set("mmap", 2, ENOMEM); /* a new slab is refused once, and then had at half the size */
	for (int i = 0; i < 64; i++)
		if (!cairn_meta_alloc(65536))
			refused++;
	return cairn_meta_validate() && refused < 128 ? 0 : 3;
}

/* With address space left for less than a full slab, a small record still finds room; at the very end NULL. What was
 * reserved before may be used besides. */
static int child_without_address_space(void)
{
	size_t text_pages = 0;
	char text[64] = { 0 };
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (read(fd, text, sizeof text - 1) > 0)
		text_pages = strtoull(text, NULL, 10);
	close(fd);
	size_t bytes = text_pages * (size_t)sysconf(_SC_PAGESIZE) + 600 * 1024;
	struct rlimit limit = { bytes, bytes }, now;
	if (setrlimit(RLIMIT_AS, &limit) || getrlimit(RLIMIT_AS, &now) || now.rlim_cur != bytes)
		return 77;
	size_t before = cairn_meta_bytes(), got = 0;
	while (cairn_meta_alloc(1000) && got < 100 * MIB)
		got += 1024;
	size_t grown = cairn_meta_bytes() - before;
	return got < 100 * MIB && grown > 560 * 1024 && cairn_meta_validate() ? 0 : 1;
}

static int in_child(int (*body)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(body());
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void a_refusal_is_null_and_changes_nothing(void) { EXPECT_EQ(in_child(child_refused), 0); }

static void little_address_space_is_used_to_the_end(void)
{
	int status = in_child(child_without_address_space);
	if (status == 77)
		SKIP("an emulator does not keep RLIMIT_AS");
	EXPECT_EQ(status, 0);
}

static void *churn_thread(void *seed)
{
	record *records = calloc(200, sizeof *records);
	churn(records, 200, 20000, *(uint64_t *)seed);
	free(records);
	return NULL;
}

static void threads_share_it(void)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	uint64_t seeds[THREADS], seed = test_seed();
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = test_random(&seed);
		EXPECT_EQ(pthread_create(&threads[i], NULL, churn_thread, &seeds[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(cairn_meta_validate());
}

/* The order of malloc's fork: held over the fork, dropped by the parent, made new by the child. Raw: without the fork
 * handlers of a malloc that is linked in. */
static void a_child_of_fork_can_go_on(void)
{
	cairn_meta_lock();
	pid_t pid = _Fork();
	if (pid == 0) {
		cairn_meta_fork_child();
		char *p = cairn_meta_alloc(100);
		_exit(p && cairn_meta_validate() ? 0 : 1);
	}
	cairn_meta_unlock();
	int status = -1;
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT(cairn_meta_validate());
}

int main(void)
{
	RUN(blocks_are_zeroed_aligned_and_apart);
	RUN(a_freed_block_is_handed_out_again_and_zeroed);
	RUN(a_large_block_is_its_own_mapping);
	RUN(null_and_absurd_sizes_are_harmless);
	RUN(little_is_lost_to_alignment);
	RUN(a_refusal_is_null_and_changes_nothing);
	RUN(little_address_space_is_used_to_the_end);
	RUN(threads_share_it);
	RUN(a_child_of_fork_can_go_on);
	DONE();
}
