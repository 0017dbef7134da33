/* s63: a crash writes no more than what is resident and 64 MiB, within a second, and all that is live */
#include "support.h"
#include <elf.h>
#include <sys/stat.h>

/* What the program held before it crashed. */
enum { KEPT, FREED_LARGE, FREED_SMALL, MOST_FREED, MANY_LARGE_FREED, MIDDLING_FREED, TENTH_KEPT, KINDS };
static const char *const names[KINDS] = { "50 MB kept", "1 GiB freed", "512 MiB of small blocks freed",
	"four of five small blocks freed", "four of five blocks of 300 KB freed",
	"four of five blocks of 12,000 B freed", "a random tenth of small blocks kept" };
enum { BLOCKS = 380000, SAMPLES = 10000 };

/* Shared with the program that crashes: what must be found in its core file. */
static struct shared {
	size_t rss, dumped, samples;
	struct sample {
		uintptr_t at;
		uint64_t first, last;
		size_t bytes;
	} sample[SAMPLES];
} *shared;

static void *blocks[BLOCKS];
static bool kept[BLOCKS];

static void *made(size_t bytes, uint64_t mark) {
	unsigned char *p = malloc(bytes);
	CHECK(p);
	memset(p, (int)mark, bytes);
	memcpy(p, &mark, sizeof mark);
	memcpy(p + bytes - sizeof mark, &mark, sizeof mark);
	return p;
}
static void note(void *p, size_t bytes, uint64_t mark) {
	if (shared->samples < SAMPLES)
		shared->sample[shared->samples++] = (struct sample){ (uintptr_t)p, mark, mark, bytes };
}
static size_t size_of(int kind, uint32_t *seed) {
	return kind == KEPT || kind == FREED_SMALL ? 1000 : kind == MIDDLING_FREED ? 12000 :
		kind == MANY_LARGE_FREED ? 300000 : 16 + dice(seed) % 1009;
}
static bool is_kept(int kind, size_t i, uint32_t *seed) {
	return kind == KEPT || (kind == TENTH_KEPT ? dice(seed) % 10 == 0 : kind != FREED_SMALL && i % 5 == 0);
}
static size_t count_of(int kind) {
	static const size_t counts[KINDS] = { [KEPT] = 50000, [FREED_SMALL] = 200000, [MOST_FREED] = 200000,
		[MANY_LARGE_FREED] = 1000, [MIDDLING_FREED] = 22000, [TENTH_KEPT] = 380000 };
	return counts[kind];
}
static void make_and_note(int kind, uint32_t *seed, uint64_t mark) {
	size_t bytes = size_of(kind, seed);
	note(made(bytes, mark), bytes, mark);
}
/* Makes blocks, frees those that the kind wants freed, makes some again, and notes some of the live ones. */
static void hold(int kind) {
	uint32_t seed = 63, keep_seed = 64;
	size_t n = count_of(kind);
	for (int round = 0; round < (kind == FREED_SMALL ? 2 : 1); round++) {
		for (size_t i = 0; i < n; i++) {
			size_t bytes = size_of(kind, &seed);
			uint64_t mark = 0x6361697200000000u + i;
			blocks[i] = made(bytes, mark);
			kept[i] = is_kept(kind, i, &keep_seed);
			if (kept[i] && (kind != TENTH_KEPT || i % 8 == 0))
				note(blocks[i], bytes, mark);
		}
		for (size_t i = 0; i < n; i++)
			if (!kept[i])
				free(blocks[i]);
	}
	for (size_t i = 0; i < 2000 && (kind == MIDDLING_FREED || kind == TENTH_KEPT); i++)
		make_and_note(kind, &seed, i + 1); /* out of pages inside slabs in use that were given back */
}
/* Bytes of the mappings that a core file would hold whole: private, writable, not marked "dd" (VmFlags). */
static size_t dumped_bytes(void) {
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], mode[8] = "";
	unsigned long from, to;
	size_t sum = 0, bytes = 0;
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3)
			bytes = mode[1] == 'w' && mode[3] == 'p' ? to - from : 0;
		else if (strncmp(line, "VmFlags:", 8) == 0 && !strstr(line, " dd"))
			sum += bytes;
	}
	fclose(f);
	return sum;
}
static int crash(void *arg) {
	int kind = *(int *)arg;
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	if (kind == FREED_LARGE)
		free(made(GIB, 1));
	else
		hold(kind);
	for (size_t i = 0; i < 200; i++) { /* out of what was given back */
		size_t bytes = i % 10 ? 3000 : 700000;
		note(made(bytes, i + 1), bytes, i + 1);
	}
	shared->dumped = dumped_bytes();
	shared->rss = rss_bytes();
	abort();
}

/* Reads bytes at an address of the program that crashed, out of its core file. */
static bool core_read(int fd, const Elf64_Phdr *segment, size_t n, uintptr_t at, void *into, size_t bytes) {
	for (size_t i = 0; i < n; i++)
		if (segment[i].p_type == PT_LOAD && at >= segment[i].p_vaddr &&
			at + bytes <= segment[i].p_vaddr + segment[i].p_filesz)
			return pread(fd, into, bytes, (off_t)(segment[i].p_offset + at - segment[i].p_vaddr)) ==
			       (ssize_t)bytes;
	return false;
}
/* How many of the noted blocks are whole in the core file. */
static size_t found_in(const char *name) {
	static Elf64_Phdr segment[40000];
	Elf64_Ehdr head;
	size_t found = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, &head, sizeof head) == (ssize_t)sizeof head);
	CHECK(memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_phnum < 40000);
	size_t bytes = head.e_phnum * sizeof *segment;
	CHECK(pread(fd, segment, bytes, (off_t)head.e_phoff) == (ssize_t)bytes);
	for (size_t i = 0; i < shared->samples; i++) {
		const struct sample *s = &shared->sample[i];
		uint64_t first = 0, last = 0;
		found += core_read(fd, segment, head.e_phnum, s->at, &first, sizeof first) &&
			 core_read(fd, segment, head.e_phnum, s->at + s->bytes - sizeof last, &last, sizeof last) &&
			 first == s->first && last == s->last;
	}
	close(fd);
	return found;
}
static bool newest_core(char *name, size_t room, struct stat *st) {
	for (pid_t pid = getpid(); pid < getpid() + 2000; pid++) {
		snprintf(name, room, "core.%d", (int)pid);
		if (stat(name, st) == 0)
			return true;
	}
	snprintf(name, room, "core");
	return stat(name, st) == 0;
}
static bool can_write_cores;

static void try_kind(int kind) {
	struct stat st = { 0 };
	char name[64];
	shared->samples = 0;
	double start = now();
	int status = in_child(crash, &kind, 60);
	double took = now() - start;
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	bool is_promised = kind == KEPT || is_cairn(); /* what was freed and is still open: a promise of cairn's */
	CHECK_SAY(!is_promised || shared->dumped <= shared->rss + 64 * MIB, "%s: %zu MiB to dump, %zu MiB resident",
		names[kind], shared->dumped / MIB, shared->rss / MIB);
	if (!can_write_cores || !newest_core(name, sizeof name, &st)) {
		CHECK(!can_write_cores || !WCOREDUMP(status));
		NOTE("%s: no core file can be written; by smaps it has %zu MiB for %zu resident\n", names[kind],
		     shared->dumped / MIB, shared->rss / MIB);
		return;
	}
	size_t found = found_in(name);
	NOTE("%s: core file of %zu MiB (%zu on disk) for %zu MiB resident, in %.0f ms\n", names[kind],
	     (size_t)st.st_size / MIB, (size_t)st.st_blocks * 512 / MIB, shared->rss / MIB, took * 1e3);
	CHECK(unlink(name) == 0);
	CHECK_SAY(shared->samples && found == shared->samples, "%zu of %zu live blocks in it", found, shared->samples);
	CHECK_SAY(!is_promised || (size_t)st.st_size <= shared->rss + 64 * MIB, "%zu MiB",
		(size_t)st.st_size / MIB);
	CHECK_SAY(kind != KEPT || took <= 1 + 2, "%.2f s", took); /* with its own work, on a busy machine */
}
int main(void) {
	struct rlimit limit;
	char pattern[128] = "";
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED && getrlimit(RLIMIT_CORE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	bool is_known = fd >= 0 && read(fd, pattern, sizeof pattern - 1) > 0;
	can_write_cores = is_known && pattern[0] != '|' && !strchr(pattern, '/') && limit.rlim_max >= 2 * GIB &&
			  setrlimit(RLIMIT_CORE, &limit) == 0;
	CHECK(chdir(getenv("TMP")) == 0);
	for (int kind = 0; kind < KINDS; kind++)
		try_kind(kind);
	return 0;
}
