/* Virtual memory: what the kernel really did, read from /proc and by touching. Cases cite the invariants of
 * os/vm_linux.c. What would disturb the process (locking, limits) happens in a child.
 *
 * A private copy of os/vm_linux.c is tested: its system calls pass through older_kernel, where a case sets one, and the
 * page size of a malloc that is linked in stays what it was. Each function of os/vm.h is renamed here. */
#define cairn_vm_page_bytes        private_vm_page_bytes
#define cairn_vm_page_bytes_inject private_vm_page_bytes_inject
#define cairn_vm_reserve           private_vm_reserve
#define cairn_vm_reserve_at        private_vm_reserve_at
#define cairn_vm_open              private_vm_open
#define cairn_vm_map               private_vm_map
#define cairn_vm_close             private_vm_close
#define cairn_vm_release           private_vm_release
#define cairn_vm_would_grant       private_vm_would_grant
#define cairn_vm_purge             private_vm_purge
#define cairn_vm_purge_unlocked    private_vm_purge_unlocked
#define cairn_vm_move              private_vm_move
#define cairn_vm_hide              private_vm_hide
#define cairn_vm_show              private_vm_show
#define cairn_vm_renew             private_vm_renew
#define cairn_vm_huge              private_vm_huge
#define cairn_vm_no_huge           private_vm_no_huge
#define cairn_vm_populate          private_vm_populate
#define cairn_vm_is_resident       private_vm_is_resident
#define cairn_vm_resident_bytes    private_vm_resident_bytes
#define cairn_vm_is_mapped         private_vm_is_mapped
#define cairn_vm_peak_rss_bytes    private_vm_peak_rss_bytes
#define cairn_vm_extend            private_vm_extend
#define cairn_vm_rss_bytes         private_vm_rss_bytes
#include "os/sys.h"

#include <elf.h>

typedef long sys_function(long number, long a, long b, long c, long d, long e, long f);
static sys_function *older_kernel;
static long private_sys(long number, long a, long b, long c, long d, long e, long f)
{
	return (older_kernel ? older_kernel : cairn_sys)(number, a, b, c, d, e, f);
}
/* With an older kernel there is no vdso either, as under an emulator. */
static unsigned long private_sys_aux(unsigned long type, unsigned long fallback)
{
	return older_kernel && type == AT_SYSINFO_EHDR ? fallback : cairn_sys_aux(type, fallback);
}
#define cairn_sys     private_sys
#define cairn_sys_aux private_sys_aux
#include "os/vm_linux.c"
#undef cairn_sys
#undef cairn_sys_aux
#include "support/hidden.h"
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MIB = 1 << 20, CHILD_SKIPS = 77 };

static size_t page;

/* ---- helpers ---- */

/* The exit status of body in a child; 1000 + signal where a signal ended it. */
static int in_child(int (*body)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		_exit(body());
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define EXPECT_CHILD(body)                                                                                            \
	do {                                                                                                          \
		int child_status = in_child(body);                                                                    \
		if (child_status == CHILD_SKIPS)                                                                      \
			SKIP("the kernel does not let this test set its scene");                                      \
		EXPECT_EQ(child_status, 0);                                                                           \
	} while (0)

/* Mappings of this process, and their total size in pages of the kernel. No malloc in between. */
static void count_maps(size_t *maps, size_t *bytes)
{
	static char text[16384];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t from = 0, to = 0, *at = &from;
	bool in_range = true;
	*maps = *bytes = 0;
	for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
		for (ssize_t i = 0; i < n; i++) {
			char c = text[i];
			if (c == '\n') {
				++*maps;
				from = to = 0;
				at = &from;
				in_range = true;
			} else if (in_range && c == '-') {
				at = &to;
			} else if (in_range && c == ' ') {
				in_range = false;
				*bytes += to - from;
			} else if (in_range) {
				*at = *at * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
			}
		}
	close(fd);
}

static bool reads(const char *p, size_t bytes, char value)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* One byte a page, unseen by the sanitizers, whose notes about it would be resident too. */
__attribute__((no_sanitize("thread"))) static void touch(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += page)
		((volatile char *)p)[i] = 1;
}

/* Emulators take a limit and do not keep it. */
static bool limit_holds(int resource, size_t bytes)
{
	struct rlimit limit = { bytes, bytes }, now = { 0, 0 };
	return setrlimit(resource, &limit) == 0 && getrlimit(resource, &now) == 0 && now.rlim_cur == bytes;
}

static char *opened(size_t bytes)
{
	char *p = cairn_vm_reserve(NULL, bytes, page);
	return p && cairn_vm_open(p, bytes) ? p : NULL;
}

/* ---- page size ---- */

static void the_page_size_is_the_kernels(void) { EXPECT_EQ(cairn_vm_page_bytes(), sysconf(_SC_PAGESIZE)); }

static int child_with_64k_pages(void)
{
	cairn_vm_page_bytes_inject(65536);
	for (int i = 0; i < 20; i++) {
		char *p = cairn_vm_map(65536), *q = cairn_vm_reserve(NULL, 65536, 65536);
		if (!p || !q || ((size_t)p | (size_t)q) & 65535)
			return 1;
		if (!cairn_vm_open(q, 65536))
			return 2;
		memset(p, 1, 65536);
		memset(q, 1, 65536);
		if (!cairn_vm_purge(p, 65536) || !reads(p, 65536, 0))
			return 3;
	}
	return cairn_vm_page_bytes() == 65536 ? 0 : 4;
}
static void a_larger_page_size_can_be_injected(void) { EXPECT_CHILD(child_with_64k_pages); }

/* ---- reserve ---- */

static void reservations_are_aligned_and_trimmed(void) /* V1 */
{
	for (size_t align = page; align <= (size_t)1 << 30; align *= 2) {
		size_t maps, before, after, bytes = 3 * page;
		count_maps(&maps, &before);
		char *p = cairn_vm_reserve(NULL, bytes, align);
		count_maps(&maps, &after);
		REQUIRE(p);
		EXPECT(((size_t)p & (align - 1)) == 0);
		EXPECT_EQ(after - before, bytes);
		cairn_vm_release(p, bytes);
		count_maps(&maps, &after);
		EXPECT_EQ(after - before, 0);
	}
}

static void many_aligned_reservations_do_not_overlap(void) /* V1 */
{
	enum { COUNT = 64, BYTES = 4 * MIB };
	char *p[COUNT];
	for (int i = 0; i < COUNT; i++) {
		p[i] = cairn_vm_reserve(NULL, BYTES, 2 * MIB);
		REQUIRE(p[i]);
		for (int k = 0; k < i; k++)
			EXPECT(p[i] + BYTES <= p[k] || p[k] + BYTES <= p[i]);
	}
	for (int i = 0; i < COUNT; i++)
		cairn_vm_release(p[i], BYTES);
}

static int child_reads_reserved(void)
{
	volatile char *p = cairn_vm_reserve(NULL, page, page);
	signal(SIGSEGV, SIG_DFL);
	return p ? p[0] + 2 : 1;
}
static void what_is_only_reserved_cannot_be_read(void)
{
	EXPECT_EQ(in_child(child_reads_reserved), 1000 + SIGSEGV);
}

static void a_free_hint_is_taken_exactly(void)
{
	char *p = cairn_vm_reserve(NULL, 16 * page, page);
	REQUIRE(p);
	cairn_vm_release(p, 16 * page);
	char *q = cairn_vm_reserve(p, 16 * page, page);
	EXPECT(q == p);
	cairn_vm_release(q, 16 * page);
}

static void a_taken_hint_gives_another_place(void) /* V1 */
{
	char *p = opened(16 * page);
	REQUIRE(p);
	memset(p, 7, 16 * page);
	char *q = cairn_vm_reserve(p + 8 * page, 16 * page, page);
	REQUIRE(q);
	EXPECT(q + 16 * page <= p || p + 16 * page <= q);
	EXPECT(reads(p, 16 * page, 7));
	cairn_vm_release(p, 16 * page);
	cairn_vm_release(q, 16 * page);
}

static void reserve_at_takes_only_what_is_free(void) /* V1 */
{
	char *p = opened(8 * page);
	REQUIRE(p);
	memset(p, 7, 8 * page);
	cairn_vm_release(p + 4 * page, 4 * page);
	EXPECT(!cairn_vm_reserve_at(p, 8 * page));
	EXPECT(!cairn_vm_reserve_at(p + 3 * page, 2 * page));
	EXPECT(reads(p, 4 * page, 7));
	EXPECT(cairn_vm_reserve_at(p + 4 * page, 4 * page));
	EXPECT(cairn_vm_open(p + 4 * page, 4 * page));
	memset(p + 4 * page, 8, 4 * page);
	cairn_vm_release(p, 8 * page);
}

/* Before Linux 4.17 MAP_FIXED_NOREPLACE is not known, and the address a mere hint. */
static long takes_hints_only(long number, long a, long b, long c, long d, long e, long f)
{
	return cairn_sys(number, a, b, c, number == SYS_mmap ? d & ~MAP_FIXED_NOREPLACE : d, e, f);
}
static void an_old_kernels_other_place_is_given_back(void) /* V1 */
{
	size_t maps, before, after;
	char *p = opened(8 * page);
	REQUIRE(p);
	memset(p, 7, 8 * page);
	count_maps(&maps, &before);
	older_kernel = takes_hints_only;
	EXPECT(!cairn_vm_reserve_at(p, 8 * page));
	EXPECT(!cairn_vm_reserve_at(p + 2 * page, page));
	older_kernel = NULL;
	count_maps(&maps, &after);
	EXPECT_EQ(after, before);
	EXPECT(reads(p, 8 * page, 7));
	cairn_vm_release(p, 8 * page);
}

/* ---- open, release ---- */

static void what_is_open_is_zero_and_writable(void)
{
	char *p = opened(64 * page), *q = cairn_vm_map(64 * page);
	REQUIRE(p && q);
	EXPECT(reads(p, 64 * page, 0));
	EXPECT(reads(q, 64 * page, 0));
	memset(p, 1, 64 * page);
	memset(q, 2, 64 * page);
	EXPECT(reads(p, 64 * page, 1));
	cairn_vm_release(p, 64 * page);
	cairn_vm_release(q, 64 * page);
	EXPECT(!cairn_vm_is_mapped(p) && !cairn_vm_is_mapped(p + 63 * page));
}

static void opening_the_next_piece_makes_no_new_mapping(void) /* V3 */
{
	size_t before, after, bytes;
	char *p = cairn_vm_reserve(NULL, 64 * page, page);
	REQUIRE(p && cairn_vm_open(p, page));
	memset(p, 1, page);
	count_maps(&before, &bytes);
	for (size_t i = 1; i < 60; i++) {
		EXPECT(cairn_vm_open(p + i * page, page));
		memset(p + i * page, 1, page);
	}
	count_maps(&after, &bytes);
	EXPECT_EQ(after, before);
	cairn_vm_release(p, 64 * page);
}

static void a_mapping_is_seen_and_its_absence_too(void)
{
	char *p = opened(4 * page); /* qemu-user calls reserved ranges unmapped */
	REQUIRE(p);
	EXPECT(cairn_vm_is_mapped(p));
	EXPECT(cairn_vm_is_mapped(p + 4 * page - 1));
	EXPECT(cairn_vm_is_mapped(&p));
	EXPECT(!cairn_vm_is_mapped((void *)page));
	cairn_vm_release(p, 4 * page);
	EXPECT(!cairn_vm_is_mapped(p + 1));
}

static void only_touched_pages_are_resident(void)
{
	char *p = opened(16 * page);
	REQUIRE(p);
	cairn_vm_no_huge(p, 16 * page);
	p[5 * page] = 1;
	EXPECT(cairn_vm_is_resident(p + 5 * page) && cairn_vm_is_resident(p + 6 * page - 1));
	EXPECT(!cairn_vm_is_resident(p + 4 * page) && !cairn_vm_is_resident(p + 6 * page));
	cairn_vm_release(p, 16 * page);
	EXPECT(!cairn_vm_is_resident(p));
}

static long refuses_advice(long number, long a, long b, long c, long d, long e, long f)
{
	return number == SYS_madvise ? -EPERM : cairn_sys(number, a, b, c, d, e, f);
}
static void a_populated_range_is_resident_and_keeps_what_it_has(void)
{
	char *p = opened(16 * page);
	REQUIRE(p);
	cairn_vm_no_huge(p, 16 * page);
	p[5 * page] = 1;
	cairn_vm_populate(p + 4 * page, 8 * page);
	bool knows = cairn_sys(SYS_madvise, (long)p, 0, MADV_POPULATE_WRITE, 0, 0, 0) == 0; /* Linux 5.14 */
	if (knows && cairn_sys_aux(AT_SYSINFO_EHDR, 0)) /* an emulator takes any advice, and does nothing */
		EXPECT_EQ(cairn_vm_resident_bytes(p, 16 * page), 8 * page);
	EXPECT(p[5 * page] == 1 && !p[4 * page] && !p[12 * page - 1]);
	older_kernel = refuses_advice;
	cairn_vm_populate(p, page);
	older_kernel = NULL;
	EXPECT(!cairn_vm_is_resident(p));
	cairn_vm_release(p, 16 * page);
}

static int child_looks_with_64k_pages(void)
{
	enum { BYTES = 40 * MIB };
	cairn_vm_page_bytes_inject(65536);
	char *p = cairn_vm_map(BYTES);
	cairn_vm_no_huge(p, BYTES);
	touch(p, BYTES);
	for (size_t i = 0; i < 65536; i += 4096) /* the kernel's pages are smaller than touch believes */
		p[BYTES - 65536 + i] = p[i] = 1;
	size_t last = cairn_vm_resident_bytes(p + BYTES - 65536, 65536);
	return last == 65536 && !cairn_vm_resident_bytes(p, BYTES + 65536) ? 0 : 1;
}
static void resident_bytes_are_those_of_every_page(void)
{
	enum { BYTES = 40 * MIB }; /* more than one question to the kernel */
	char *p = opened(BYTES);
	REQUIRE(p);
	cairn_vm_no_huge(p, BYTES);
	EXPECT_EQ(cairn_vm_resident_bytes(p, BYTES), 0);
	touch(p, BYTES);
	EXPECT_EQ(cairn_vm_resident_bytes(p, BYTES), BYTES);
	EXPECT(cairn_vm_purge(p + 30 * MIB, page));
	EXPECT_EQ(cairn_vm_resident_bytes(p, BYTES), BYTES - page);
	EXPECT_EQ(cairn_vm_resident_bytes(p, 30 * MIB), 30 * MIB);
	cairn_vm_release(p, BYTES);
	EXPECT_CHILD(child_looks_with_64k_pages);
}

static void rss_follows_what_is_touched_and_purged(void)
{
	enum { BYTES = 64 * MIB, SLACK = 4 * MIB };
	char *p = opened(BYTES);
	REQUIRE(p);
	size_t before = cairn_vm_rss_bytes();
	touch(p, BYTES);
	size_t full = cairn_vm_rss_bytes();
	EXPECT(full > before + BYTES - SLACK && full < before + BYTES + SLACK);
	EXPECT(cairn_vm_purge(p, BYTES));
	EXPECT(cairn_vm_rss_bytes() < before + SLACK);
	cairn_vm_release(p, BYTES);
}

/* ---- purge ---- */

static void a_purged_range_reads_zero_and_its_neighbours_stay(void) /* V2 */
{
	char *p = opened(16 * page);
	REQUIRE(p);
	memset(p, 7, 16 * page);
	EXPECT(cairn_vm_purge(p + 4 * page, 8 * page));
	for (size_t i = 4; i < 12; i++)
		EXPECT(!cairn_vm_is_resident(p + i * page));
	EXPECT(reads(p, 4 * page, 7));
	EXPECT(reads(p + 4 * page, 8 * page, 0));
	EXPECT(reads(p + 12 * page, 4 * page, 7));
	cairn_vm_release(p, 16 * page);
}

/* An emulator that takes every advice for a hint. */
static long ignores_advice(long number, long a, long b, long c, long d, long e, long f)
{
	return number == SYS_madvise ? 0 : cairn_sys(number, a, b, c, d, e, f);
}
static int child_purges_under_emulator(void)
{
	char *p = opened(4 * page);
	memset(p, 7, 4 * page);
	older_kernel = ignores_advice;
	if (cairn_vm_purge(p, 4 * page) || cairn_vm_purge(p, 4 * page))
		return 1;
	return reads(p, 4 * page, 7) ? 0 : 2;
}
/* First in main: what the trial page has shown is kept for the process's life. */
static void purge_fails_where_the_advice_is_ignored(void) { EXPECT_CHILD(child_purges_under_emulator); } /* V2 */

static int child_purges_under_filter(void)
{
	char *p = opened(4 * page);
	memset(p, 7, 4 * page);
	older_kernel = refuses_advice;
	errno = 0;
	if (cairn_vm_purge(p, 4 * page))
		return 1;
	cairn_vm_huge(p, 4 * page);
	return reads(p, 4 * page, 7) && errno == 0 ? 0 : 2;
}
static void a_filter_that_refuses_madvise_keeps_the_contents(void) { EXPECT_CHILD(child_purges_under_filter); }

/* Since Linux 5.18; emulators may say "done" and do nothing. */
static bool can_purge_locked(void)
{
	volatile char *p = opened(page);
	p[0] = 7;
	return madvise((char *)p, page, MADV_DONTNEED_LOCKED) == 0 && p[0] == 0;
}

/* The page's own lock, not mlockall: that would make the sanitizers' terabytes of shadow resident. */
static int child_purges_locked(void)
{
	char *p = opened(8 * page);
	memset(p, 7, 8 * page);
	if (mlock(p, 4 * page) || !can_purge_locked())
		return CHILD_SKIPS;
	if (!cairn_vm_purge(p, 8 * page)) /* half of it locked */
		return 1;
	return reads(p, 8 * page, 0) ? 0 : 2;
}
static void a_locked_range_is_purged_too(void) { EXPECT_CHILD(child_purges_locked); } /* V2 */

static int child_locks_future(void)
{
	char *p = cairn_vm_reserve(NULL, 16 * page, page);
	if (mlockall(MCL_FUTURE))
		return CHILD_SKIPS;
	char *q = cairn_vm_map(4 * page);
	if (!q)
		return 1;
	memset(q, 7, 4 * page);
	bool purged = cairn_vm_purge(q, 4 * page);
	if (!reads(q, 4 * page, purged ? 0 : 7) || purged != can_purge_locked())
		return 2;
	return cairn_vm_open(p, 16 * page) ? 0 : 3;
}
static void mlockall_of_the_future_is_survived(void) { EXPECT_CHILD(child_locks_future); }

static void *purge_own_page(void *arg)
{
	char *p = arg;
	memset(p, 7, page);
	return cairn_vm_purge(p, page) && reads(p, page, 0) ? p : NULL;
}
/* Before any other purge: the threads find out together whether DONTNEED zeroes. */
static void many_threads_may_make_the_first_purge(void)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	char *p = opened(THREADS * page);
	REQUIRE(p);
	for (size_t i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, purge_own_page, p + i * page), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *result = NULL;
		pthread_join(threads[i], &result);
		EXPECT(result == p + i * page);
	}
	cairn_vm_release(p, THREADS * page);
}

/* ---- move ---- */

static void moved_pages_arrive_and_leave_zeroes(void)
{
	char *from = opened(16 * page), *to = opened(16 * page);
	REQUIRE(from && to);
	memset(from, 7, 16 * page);
	memset(to, 8, 16 * page);
	if (cairn_vm_move(from, to, 16 * page) != CAIRN_VM_MOVED) {
		EXPECT(reads(from, 16 * page, 7));
		EXPECT(reads(to, 16 * page, 8));
		SKIP("this kernel, or an emulator, has no MREMAP_DONTUNMAP");
	}
	EXPECT(!cairn_vm_is_resident(from));
	EXPECT(reads(to, 16 * page, 7));
	EXPECT(reads(from, 16 * page, 0));
	memset(from, 9, 16 * page);
	EXPECT(reads(to, 16 * page, 7));
	cairn_vm_release(from, 16 * page);
	cairn_vm_release(to, 16 * page);
}

/* As qemu-user 7.2 does it, which takes the source of a move for unmapped. */
static size_t moves_made;
static long forgets_the_source(long number, long a, long b, long c, long d, long e, long f)
{
	long r = cairn_sys(number, a, b, c, d, e, f);
	if (number == SYS_mremap && r == e) {
		cairn_sys(SYS_munmap, a, b, 0, 0, 0, 0);
		moves_made++;
	}
	return r;
}
static int child_whose_moves_forget_the_source(void)
{
	char *from = opened(16 * page), *to = opened(16 * page);
	if (!from || !to)
		return 1;
	memset(from, 7, 16 * page);
	older_kernel = forgets_the_source;
	for (int i = 0; i < 3; i++)
		if (cairn_vm_move(from, to, 16 * page) != CAIRN_VM_KEPT)
			return 2;
	if (moves_made > 1) /* the trial's */
		return 3;
	return reads(from, 16 * page, 7) && reads(to, 16 * page, 0) ? 0 : 4;
}
static void nothing_is_moved_where_the_source_would_be_lost(void)
{
	EXPECT_CHILD(child_whose_moves_forget_the_source);
}

static long has_no_mremap(long number, long a, long b, long c, long d, long e, long f)
{
	return number == SYS_mremap ? -ENOSYS : cairn_sys(number, a, b, c, d, e, f);
}
static void a_refused_move_leaves_both_ranges(void)
{
	char *from = opened(4 * page), *to = opened(4 * page);
	REQUIRE(from && to);
	memset(from, 7, 4 * page);
	memset(to, 8, 4 * page);
	older_kernel = has_no_mremap;
	EXPECT(cairn_vm_move(from, to, 4 * page) != CAIRN_VM_MOVED);
	older_kernel = NULL;
	EXPECT(reads(from, 4 * page, 7) && reads(to, 4 * page, 8));
	cairn_vm_release(from, 4 * page);
	cairn_vm_release(to, 4 * page);
}

/* The target is taken away before the kernel finds that it has not the memory. */
static long empties_and_refuses(long number, long a, long b, long c, long d, long e, long f)
{
	if (number != SYS_mremap)
		return cairn_sys(number, a, b, c, d, e, f);
	cairn_sys(SYS_munmap, e, b, 0, 0, 0, 0);
	return -ENOMEM;
}
static void a_move_that_fails_late_leaves_no_hole(void)
{
	char *from = opened(16 * page), *to = opened(16 * page);
	REQUIRE(from && to);
	memset(from, 7, 16 * page);
	older_kernel = empties_and_refuses;
	EXPECT(cairn_vm_move(from, to, 16 * page) != CAIRN_VM_MOVED);
	older_kernel = NULL;
	EXPECT(reads(from, 16 * page, 7));
	REQUIRE(cairn_vm_is_mapped(to));
	memset(to, 8, 16 * page);
	cairn_vm_release(from, 16 * page);
	cairn_vm_release(to, 16 * page);
}

static void a_range_of_two_mappings_is_moved_whole_or_not(void)
{
	char *from = opened(16 * page), *to = opened(16 * page);
	REQUIRE(from && to);
	memset(from, 7, 16 * page);
	madvise(from + 8 * page, 8 * page, MADV_DONTFORK); /* two mappings now */
	bool moved = cairn_vm_move(from, to, 16 * page) == CAIRN_VM_MOVED;
	EXPECT(reads(from, 16 * page, moved ? 0 : 7));
	EXPECT(!moved || reads(to, 16 * page, 7));
	memset(to, 8, 16 * page);
	cairn_vm_release(from, 16 * page);
	cairn_vm_release(to, 16 * page);
}

/* ---- refusals ---- */

static int child_without_address_space(void)
{
	size_t maps, bytes;
	count_maps(&maps, &bytes);
	if (!limit_holds(RLIMIT_AS, bytes + 8 * MIB))
		return CHILD_SKIPS;
	errno = 0;
	if (cairn_vm_reserve(NULL, 64 * MIB, 2 * MIB) || cairn_vm_map(64 * MIB))
		return 1;
	if (cairn_vm_reserve(NULL, (size_t)1 << 62, page) || cairn_vm_reserve(NULL, SIZE_MAX - page + 1, page))
		return 2;
	size_t after;
	count_maps(&maps, &after);
	if (after != bytes || errno)
		return 3;
	/* Aligning must not need more address space than asked for. */
	return cairn_vm_reserve(NULL, 6 * MIB, 4 * MIB) ? 0 : 4;
}
static void a_refused_reservation_changes_nothing(void) { EXPECT_CHILD(child_without_address_space); }

static int child_with_little_data(void)
{
	char *p = cairn_vm_reserve(NULL, 256 * MIB, page);
	if (!limit_holds(RLIMIT_DATA, 4 * MIB))
		return CHILD_SKIPS;
	char *q = cairn_vm_reserve(NULL, 256 * MIB, page);
	if (!p || !q) /* PROT_NONE is not data */
		return 1;
	return cairn_vm_open(q, 256 * MIB) ? 2 : 0;
}
static void a_reservation_is_not_data_but_opening_it_is(void) { EXPECT_CHILD(child_with_little_data); }

static void injected_faults_are_refusals(void)
{
	char *p = opened(4 * page), *to = opened(4 * page);
	REQUIRE(p && to);
	memset(p, 7, 4 * page);
	if (!cairn_fault_set("madvise", 1, EINVAL)) {
		EXPECT(!CAIRN_FAULTS_BUILT);
		return;
	}
	EXPECT(!cairn_vm_purge(p, 4 * page));
	cairn_fault_set("madvise", 0, 0);
	cairn_fault_set("mremap", 1, ENOMEM);
	EXPECT(cairn_vm_move(p, to, 4 * page) != CAIRN_VM_MOVED);
	cairn_fault_set("mremap", 0, 0);
	cairn_fault_set("mprotect", 1, ENOMEM);
	cairn_fault_set("mmap", 1, ENOMEM); /* or it would take mprotect's refusal for a filter's, and mmap instead */
	EXPECT(!cairn_vm_open(p, 4 * page));
	cairn_fault_set("mprotect", 0, 0);
	EXPECT(!cairn_vm_reserve(NULL, 4 * page, page));
	EXPECT(!cairn_vm_reserve(p, 4 * page, page));
	EXPECT(!cairn_vm_map(4 * page));
	cairn_fault_set("mmap", 0, 0);
	EXPECT(reads(p, 4 * page, 7));
	EXPECT(reads(to, 4 * page, 0));
	EXPECT(cairn_vm_purge(p, 4 * page) && reads(p, 4 * page, 0));
	cairn_vm_release(p, 4 * page);
	cairn_vm_release(to, 4 * page);
}

static long grants_a_gibibyte(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_mmap && b > 1 << 30)
		return -ENOMEM;
	return cairn_sys(number, a, b, c, d, e, f);
}

static void what_the_kernel_would_not_grant_is_known(void)
{
	older_kernel = grants_a_gibibyte;
	EXPECT(cairn_vm_would_grant(1 << 30));
	EXPECT(!cairn_vm_would_grant((size_t)2 << 30));
	older_kernel = NULL;
	for (int i = 0; i < 1000; i++) /* 1000 GiB at once would not be granted */
		EXPECT(cairn_vm_would_grant(1 << 30));
	EXPECT(!cairn_vm_would_grant(SIZE_MAX / 4));
}

static void what_is_hidden_is_in_no_core_file_until_it_is_shown(void)
{
	if (is_emulated())
		SKIP(HIDDEN_IS_UNKNOWN);
	char *p = opened(16 * page);
	REQUIRE(p);
	memset(p, 7, 16 * page);
	EXPECT(cairn_vm_hide(p + 4 * page, 8 * page));
	EXPECT_EQ(hidden_bytes(p, 16 * page), 8 * page);
	EXPECT(cairn_vm_show(p, 16 * page)); /* part of it never was */
	EXPECT_EQ(hidden_bytes(p, 16 * page), 0);
	EXPECT(reads(p, 16 * page, 7));
	EXPECT(cairn_vm_hide(p + 4 * page, 8 * page) && cairn_vm_renew(p + 4 * page, 8 * page));
	EXPECT_EQ(hidden_bytes(p, 16 * page), 0);
	EXPECT(reads(p, 4 * page, 7) && reads(p + 4 * page, 8 * page, 0) && reads(p + 12 * page, 4 * page, 7));
	cairn_vm_release(p, 16 * page);
}

int main(void)
{
	page = cairn_vm_page_bytes();
	RUN(purge_fails_where_the_advice_is_ignored); /* before the first purge, as the next */
	RUN(a_filter_that_refuses_madvise_keeps_the_contents);
	RUN(many_threads_may_make_the_first_purge);
	RUN(the_page_size_is_the_kernels);
	RUN(a_larger_page_size_can_be_injected);
	RUN(reservations_are_aligned_and_trimmed);
	RUN(many_aligned_reservations_do_not_overlap);
	RUN(what_is_only_reserved_cannot_be_read);
	RUN(a_free_hint_is_taken_exactly);
	RUN(a_taken_hint_gives_another_place);
	RUN(reserve_at_takes_only_what_is_free);
	RUN(an_old_kernels_other_place_is_given_back);
	RUN(what_is_open_is_zero_and_writable);
	RUN(opening_the_next_piece_makes_no_new_mapping);
	RUN(a_mapping_is_seen_and_its_absence_too);
	RUN(only_touched_pages_are_resident);
	RUN(a_populated_range_is_resident_and_keeps_what_it_has);
	RUN(resident_bytes_are_those_of_every_page);
	RUN(rss_follows_what_is_touched_and_purged);
	RUN(a_purged_range_reads_zero_and_its_neighbours_stay);
	RUN(a_locked_range_is_purged_too);
	RUN(mlockall_of_the_future_is_survived);
	RUN(nothing_is_moved_where_the_source_would_be_lost); /* before the first move */
	RUN(moved_pages_arrive_and_leave_zeroes);
	RUN(a_refused_move_leaves_both_ranges);
	RUN(a_move_that_fails_late_leaves_no_hole);
	RUN(a_range_of_two_mappings_is_moved_whole_or_not);
	RUN(a_refused_reservation_changes_nothing);
	RUN(a_reservation_is_not_data_but_opening_it_is);
	RUN(injected_faults_are_refusals);
	RUN(what_the_kernel_would_not_grant_is_known);
	RUN(what_is_hidden_is_in_no_core_file_until_it_is_shown);
	DONE();
}
