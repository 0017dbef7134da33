/* s65_mappings: maps in every way that is right or wrong, and reads whom cairn noted */
#include "support.h"
#include <link.h>

/* As src/os/mappings.h has it. */
typedef struct mapping {
	uintptr_t start, end, by;
	uint64_t sequence;
} mapping;
typedef struct mappings {
	mapping *entries;
	size_t capacity, count;
	uint64_t dropped, sequence;
} mappings;
static const mappings *table; /* NULL: not cairn, or without its symbols */
static const char *library;
static uintptr_t offset;
static size_t page;
extern char __executable_start, etext;

static int find(struct dl_phdr_info *info, size_t bytes, void *unused) {
	(void)bytes, (void)unused;
	const char *name = strrchr(info->dlpi_name, '/');
	if (name && strcmp(name + 1, library) == 0)
		table = (const mappings *)(info->dlpi_addr + offset);
	return 0;
}

/* Whose the address is: the newest note that has it. */
static uintptr_t whose(const void *p) {
	mapping newest = { 0, 0, 0, 0 };
	for (size_t i = 0; i < table->capacity; i++) {
		const mapping *m = &table->entries[i];
		if (m->sequence > newest.sequence && m->start <= (uintptr_t)p && (uintptr_t)p < m->end)
			newest = *m;
	}
	return newest.by;
}
static bool is_ours(const void *p) {
	uintptr_t by = whose(p);
	return by > (uintptr_t)&__executable_start && by < (uintptr_t)&etext;
}
#define EXPECT_OURS(p) CHECK_SAY(!table || is_ours(p), "%p is noted for %#lx", (void *)(p), (unsigned long)whose(p))

static void *map(size_t bytes) {
	errno = EXDEV;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && errno == EXDEV);
	p[0] = p[bytes - 1] = 1;
	return p;
}

/* The same call, by libc's name and by number: both fail, for the same reason. */
#define SAME_FAILURE(name, number, ...)                                                                               \
	do {                                                                                                          \
		errno = 0;                                                                                            \
		CHECK(syscall(number, __VA_ARGS__) == -1);                                                            \
		int wanted = errno;                                                                                   \
		errno = 0;                                                                                            \
		CHECK(name(__VA_ARGS__) == MAP_FAILED);                                                               \
		CHECK_SAY(errno == wanted, "errno %d, wanted %d", errno, wanted);                                     \
	} while (0)

static void failures(void) {
	int rights = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *old = map(2 * page), *none = map(page), *beside = map(4 * page);
	munmap(none, page);
	uint64_t before = table ? table->sequence : 0;
	SAME_FAILURE(mmap, SYS_mmap, NULL, page, rights, flags, -1, (off_t)1);
	SAME_FAILURE(mmap64, SYS_mmap, NULL, page, rights, flags, -1, (off_t)1);
	SAME_FAILURE(mmap, SYS_mmap, NULL, (size_t)0, rights, flags, -1, (off_t)0);
	SAME_FAILURE(mmap, SYS_mmap, NULL, (size_t)1 << 60, rights, flags, -1, (off_t)0);
	SAME_FAILURE(mmap, SYS_mmap, NULL, page, rights, MAP_ANONYMOUS, -1, (off_t)0);
	SAME_FAILURE(mmap, SYS_mmap, NULL, page, rights, MAP_PRIVATE, 12345, (off_t)0);
	SAME_FAILURE(mmap, SYS_mmap, old, page, rights, flags | 0x100000 /* MAP_FIXED_NOREPLACE */, -1, (off_t)0);
	SAME_FAILURE(mremap, SYS_mremap, none, page, 2 * page, MREMAP_MAYMOVE, NULL);
	SAME_FAILURE(mremap, SYS_mremap, beside, page, 2 * page, 0, NULL);
	SAME_FAILURE(mremap, SYS_mremap, old, page, page, MREMAP_FIXED, beside);
	SAME_FAILURE(mremap, SYS_mremap, old + 1, page, page, MREMAP_MAYMOVE, NULL);
	CHECK_SAY(!table || table->sequence == before, "%lu notes", (unsigned long)(table->sequence - before));
	munmap(old, 2 * page);
	munmap(beside, 4 * page);
}

__attribute__((noinline)) static void *map_over(void *at, size_t bytes) {
	void *p = mmap64(at, bytes, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(p == at);
	return p;
}
static void fixed_over_old(void) {
	char *p = map(8 * page);
	EXPECT_OURS(p);
	uintptr_t before = table ? whose(p) : 0;
	map_over(p + 2 * page, 2 * page);
	map_over(p, page);
	for (size_t i = 0; i < 8 && table; i++) {
		EXPECT_OURS(p + i * page);
		CHECK_SAY((whose(p + i * page) == before) == (i == 1 || i > 3), "page %zu", i);
	}
	munmap(p, 8 * page);
}

static void moves(void) {
	char *p = map(2 * page), *wall = map(page), *to = map(8 * page);
	munmap(wall, page);
	errno = EXDEV;
	char *q = mremap(p, 2 * page, 64 * page, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && errno == EXDEV && q[0] == 1 && q[2 * page - 1] == 1);
	EXPECT_OURS(q + 63 * page);
	CHECK(mremap(q, 64 * page, page, 0) == q);
	EXPECT_OURS(q);
	p = mremap(q, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to + 3 * page);
	CHECK(p == to + 3 * page && p[0] == 1 && errno == EXDEV);
	EXPECT_OURS(p);
	CHECK(!table || whose(p) != whose(to));
	munmap(to, 8 * page);
}

/* Of a file nothing is noted. */
static void files(void) {
	uint64_t before = table ? table->sequence : 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && (!table || table->sequence == before));
	munmap(p, page);
	close(fd);
}

/* ---- handlers ---- */

static volatile int handled;
static int stop; /* sync: atomic */

static void on_signal(int number) {
	(void)number;
	int saved = errno;
	void *p = map(page);
	if (handled++ % 4)
		munmap(p, page);
	errno = saved;
}
static void *sender(void *to) {
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		pthread_kill(*(pthread_t *)to, SIGUSR1);
	return NULL;
}
static int storm(void *arg) {
	(void)arg;
	int wanted = is_full() ? 1000000 : 100000, mapped = 0;
	pthread_t me = pthread_self();
	CHECK(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART }, NULL) == 0);
	pthread_t thread = thread_start(sender, &me, 0);
	while (handled < wanted) {
		void *p = map(3 * page);
		munmap(p, 3 * page);
		mapped++;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	signal(SIGUSR1, SIG_DFL);
	char *last = map(page);
	CHECK(!table || is_ours(last));
	NOTE("%d mapped in a handler beside %d; %lu notes dropped\n", handled, mapped,
	     table ? (unsigned long)table->dropped : 0);
	return 0;
}

/* ---- fork ---- */

static void *mapper(void *arg) {
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		char *p[8];
		for (size_t i = 0; i < 8; i++)
			p[i] = map((1 + i) * page);
		for (size_t i = 0; i < 8; i++)
			munmap(p[i], (1 + i) * page);
	}
	return NULL;
}
static int child(void *arg) {
	(void)arg;
	for (int i = 0; i < 30; i++)
		EXPECT_OURS(map(page));
	return 0;
}
static int forks(void *arg) {
	(void)arg;
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread_start(mapper, NULL, 0);
	int forked = 0;
	for (double end = now() + budget(2); now() < end; forked++)
		CHECK(ended_well("a child", in_child(child, NULL, 20)));
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	NOTE("%d children; %lu notes dropped\n", forked, table ? (unsigned long)table->dropped : 0);
	return 0;
}

int main(int count, char **arguments) {
	page = (size_t)sysconf(_SC_PAGESIZE);
	library = count > 2 ? arguments[1] : "none";
	offset = count > 2 ? strtoul(arguments[2], NULL, 16) : 0;
	if (offset)
		dl_iterate_phdr(find, NULL);
	CHECK(!offset || table);
	void *block = malloc(100000);
	CHECK(block && (!table || whose(block) == 1)); /* cairn's own */
	failures();
	fixed_over_old();
	moves();
	files();
	CHECK(!table || table->dropped == 0);
	CHECK(ended_well("handlers", in_child(storm, NULL, 60)));
	CHECK(ended_well("forks", in_child(forks, NULL, 30 + (unsigned)budget(2))));
	free(block);
	return 0;
}
