/* bench/rss.c - what a malloc still holds: one scenario per run, figures from /proc/self/smaps_rollup.
 *
 *   rss SCENARIO    prints "NAME VALUE" lines: bytes, ns, counts, and the file that malloc came from. bench/rss runs it
 *                   under each malloc and makes the table.
 *
 * Rules that keep the figures honest:
 *   (R1) The program's own arrays are mappings of its own, never malloc's, and what they hold resident is measured with
 *        mincore and taken off: "resident" below is Rss - own arrays. Libraries, stack and static data stay in.
 *   (R2) Between the last call of the malloc family and the reading there are 1.5 s in nanosleep and no other call.
 *   (R3) Nothing goes through stdio before the last reading, and no scenario but `threads` makes a thread.
 *   (R4) Every block is written from end to end before it is freed: what is held was really in use.
 *   (R5) Same seed, same sequence of requests under every malloc.
 *
 * Not here: time per operation in general (other files of bench/); peers and the table (bench/rss). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REST_MS = 1500, FIGURES_MAX = 16, ARRAYS_MAX = 8 };

static struct { const char *name; uint64_t value; } figures[FIGURES_MAX];
static unsigned figure_count;
static struct { void *p; size_t bytes; } arrays[ARRAYS_MAX];
static unsigned array_count;

static void figure(const char *name, uint64_t value)
{
	figures[figure_count].name = name;
	figures[figure_count++].value = value;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the program's own memory ---- */

static void *array_make(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	arrays[array_count].p = p;
	arrays[array_count++].bytes = bytes;
	return p;
}

/* Bytes of the program's own arrays that are resident, page by page. */
static uint64_t arrays_resident(void)
{
	static unsigned char in_core[65536]; /* 256 MiB of pages of 4 KiB at a time */
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes = 0;
	for (unsigned i = 0; i < array_count; i++) {
		size_t pages = (arrays[i].bytes + page - 1) / page;
		for (size_t from = 0; from < pages; from += sizeof in_core) {
			size_t n = pages - from < sizeof in_core ? pages - from : sizeof in_core;
			if (mincore((char *)arrays[i].p + from * page, n * page, in_core))
				die("mincore");
			for (size_t k = 0; k < n; k++)
				bytes += in_core[k] & 1 ? page : 0;
		}
	}
	return bytes;
}

/* ---- readings ---- */

/* Rss of the process less the program's own arrays (R1), by read(2) into static memory (R3). */
static uint64_t resident(void)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		die("/proc/self/smaps_rollup");
	close(fd);
	text[n] = 0;
	char *at = strstr(text, "\nRss:");
	uint64_t kib = 0;
	for (at = at ? at + 5 : text + n; *at == ' '; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		kib = kib * 10 + (uint64_t)(*at - '0');
	return kib * 1024 - arrays_resident();
}

static void rest(void)
{
	struct timespec t = { REST_MS / 1000, REST_MS % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- requests ---- */

static uint64_t seed = 0x9e3779b97f4a7c15ull; /* (R5) */

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull >> 16;
}

static size_t uniform(size_t from, size_t to) { return from + any() % (to - from + 1); }

/* 16..1024 with equal chances for each doubling. */
static size_t log_uniform(void)
{
	size_t low = (size_t)16 << any() % 6;
	return uniform(low, low * 2);
}

typedef struct block {
	unsigned char *p;
	size_t bytes;
} block;

static block block_make(size_t bytes)
{
	block b = { malloc(bytes), bytes };
	if (!b.p)
		die("malloc");
	memset(b.p, 0x5a, bytes); /* (R4) */
	return b;
}

static void shuffle(block *b, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = any() % i;
		block t = b[i - 1];
		b[i - 1] = b[k];
		b[k] = t;
	}
}

static uint64_t live_bytes(const block *b, size_t n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += b[i].bytes;
	return sum;
}

/* Bytes of OS pages that hold a byte of a live block: what is left of the blocks if every other page is given back and
 * nothing is moved. A hash set of page numbers, made after the last reading. */
static uint64_t pages_with_a_live_byte(const block *b, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), slots = (size_t)1 << 21, mask = slots - 1;
	uintptr_t *set = array_make(slots * sizeof *set);
	uint64_t pages = 0;
	for (size_t i = 0; i < n; i++)
		for (uintptr_t a = (uintptr_t)b[i].p / page; a <= ((uintptr_t)b[i].p + b[i].bytes - 1) / page; a++) {
			size_t k = a * 0x9e3779b97f4a7c15ull >> 43;
			while (set[k & mask] && set[k & mask] != a)
				k++;
			pages += !set[k & mask];
			set[k & mask] = a;
		}
	return pages * page;
}

/* ---- scenarios ---- */

/* Blocks of 16..1024 bytes up to `total`, sizes from `size`; returns how many. */
static size_t fill(block *b, size_t total, size_t (*size)(void))
{
	size_t n = 0;
	for (size_t sum = 0; sum < total; sum += b[n++].bytes)
		b[n] = block_make(size());
	return n;
}

static size_t small_uniform(void) { return uniform(16, 1024); }

static void start(void)
{
	figure("resident", resident());
	void *volatile p = malloc(100);
	memset(p, 1, 100);
	free(p);
	figure("after_one_malloc", resident());
}

/* 183 MB of mixed blocks of 16..1024 bytes, all freed in random order. */
static void small_freed(void)
{
	block *b = array_make((size_t)1 << 24);
	size_t n = fill(b, 183000000, small_uniform);
	shuffle(b, n);
	figure("peak", resident());
	for (size_t i = 0; i < n; i++)
		free(b[i].p);
	rest();
	figure("resident", resident());
	figure("own_array", arrays_resident());
}

/* 400 blocks of 100..500 KB; of each four, three are freed, in random order. */
static void large_freed(void)
{
	block *b = array_make(400 * sizeof *b);
	for (unsigned i = 0; i < 400; i++)
		b[i] = block_make(uniform(100000, 500000));
	for (unsigned i = 0; i < 400; i += 4)
		shuffle(b + i, 4);
	for (unsigned i = 0; i < 400; i += 4) { /* the kept ones to the front */
		block t = b[i / 4];
		b[i / 4] = b[i];
		b[i] = t;
	}
	shuffle(b + 100, 300);
	figure("peak", resident());
	for (unsigned i = 100; i < 400; i++)
		free(b[i].p);
	rest();
	figure("resident", resident());
	figure("live", live_bytes(b, 100));
	figure("live_pages", pages_with_a_live_byte(b, 100));
}

/* Frees a random part of what is there, keeps `keep` of 100; sums up. */
static size_t thin(block *b, size_t n, unsigned keep)
{
	shuffle(b, n);
	figure("peak", resident());
	size_t kept = n * keep / 100;
	for (size_t i = kept; i < n; i++)
		free(b[i].p);
	rest();
	figure("resident", resident());
	figure("live", live_bytes(b, kept));
	return kept;
}

/* A random tenth of 198 MB of blocks of 16..1024 bytes is kept. */
static void tenth_kept(void)
{
	block *b = array_make((size_t)1 << 24);
	size_t kept = thin(b, fill(b, 198000000, small_uniform), 10);
	figure("live_pages", pages_with_a_live_byte(b, kept));
}

/* 1.5 million blocks, sizes log-uniform in 16..1024: a random 80 % are freed, then the rest. */
static void fifth_kept(void)
{
	enum { COUNT = 1500000 };
	block *b = array_make(COUNT * sizeof *b);
	figure("base", resident());
	for (size_t i = 0; i < COUNT; i++)
		b[i] = block_make(log_uniform());
	size_t kept = thin(b, COUNT, 20);
	for (size_t i = 0; i < kept; i++)
		free(b[i].p);
	rest();
	figure("resident_at_end", resident());
	figure("live_pages", pages_with_a_live_byte(b, kept)); /* reads addresses only */
}

/* 200 threads; each makes 64 blocks of 16, 32 ... 1024 bytes: 33,280 bytes live. The baseline is the same 200 threads,
 * in the same process, before any of them made a block, with the stack that a call may need already touched. */
enum { THREADS = 200, SIZES = 64 };
static pthread_barrier_t gate;

static void *holder(void *arg)
{
	block mine[SIZES];
	volatile char stack[16384];
	memset((char *)stack, 1, sizeof stack);
	pthread_barrier_wait(&gate); /* all here: baseline is read */
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < SIZES; i++)
		mine[i] = block_make(16 * (i + 1));
	pthread_barrier_wait(&gate); /* all hold theirs: read again */
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < SIZES; i++)
		free(mine[i].p);
	return arg;
}

static void threads(void)
{
	pthread_t *t = array_make(THREADS * sizeof *t);
	pthread_barrier_init(&gate, NULL, THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, holder, NULL))
			die("pthread_create");
	pthread_barrier_wait(&gate);
	rest();
	uint64_t before = resident();
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	rest();
	uint64_t with = resident();
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	rest();
	figure("idle", before);
	figure("resident", with);
	figure("per_thread", (with - before) / THREADS);
	figure("after_join", resident());
}

/* ---- realloc from 8 to 12 MB ---- */

enum { FROM = 8000000, TO = 12000000, ROUNDS = 33 };

static void *realloc_begin(bool touch)
{
	char *p = malloc(FROM);
	if (!p)
		die("malloc");
	if (touch)
		memset(p, 0x5a, FROM);
	return p;
}

static void *realloc_once(void *p)
{
	void *volatile from = p; /* the compiler must not know that it is realloc's argument */
	return realloc(from, TO);
}

static void realloc_end(char *q, bool touch)
{
	if (!q || (touch && (q[0] != 0x5a || q[FROM / 2] != 0x5a || q[FROM - 1] != 0x5a)))
		die("realloc");
	free(q);
}

static uint64_t median(uint64_t *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = i; k && v[k - 1] > v[k]; k--) {
			uint64_t t = v[k];
			v[k] = v[k - 1];
			v[k - 1] = t;
		}
	return v[n / 2];
}

#ifdef __x86_64__
/* Instructions of one realloc of a child, after three others, by single step from one int3 to the next. */
static void realloc_instructions(void)
{
	pid_t child = fork();
	if (!child) {
		for (unsigned i = 0; i < 3; i++)
			realloc_end(realloc_once(realloc_begin(true)), true);
		void *p = realloc_begin(true);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		__asm__ volatile("int3");
		void *q = realloc(p, TO);
		__asm__ volatile("int3" : : "r"(q) : "memory");
		_exit(0);
	}
	int status;
	uint64_t steps = 0;
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status))
		die("ptrace");
	for (siginfo_t info = { .si_code = TRAP_TRACE }; info.si_code != SI_KERNEL; steps++) /* SI_KERNEL: an int3 */
		if (ptrace(PTRACE_SINGLESTEP, child, 0, 0) || waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status) ||
		    ptrace(PTRACE_GETSIGINFO, child, 0, &info))
			die("ptrace");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	figure("instructions", steps - 1); /* less the int3 itself */
}
#else
static void realloc_instructions(void) { figure("instructions", 0); } /* not counted */
#endif

static void realloc_figures(bool touch)
{
	static uint64_t ns[ROUNDS];
	for (unsigned i = 0; i < ROUNDS; i++) {
		void *p = realloc_begin(touch);
		uint64_t from = now_ns();
		void *q = realloc_once(p);
		ns[i] = now_ns() - from;
		realloc_end(q, touch);
	}
	figure("first_ns", ns[0]);
	figure("again_ns", median(ns + 1, ROUNDS - 1));
}

static void realloc_untouched(void) { realloc_figures(false); }
static void realloc_touched(void) { realloc_figures(true); }

/* The file whose malloc this program calls: the proof that the preload took hold. */
static const char *malloc_from(void)
{
	Dl_info info;
	void *(*const volatile f)(size_t) = malloc;
	return dladdr((void *)f, &info) && info.dli_fname ? info.dli_fname : "?";
}

static const struct { const char *name; void (*run)(void); } scenarios[] = {
	{ "start", start }, { "small-freed", small_freed }, { "large-freed", large_freed },
	{ "tenth-kept", tenth_kept }, { "fifth-kept", fifth_kept }, { "threads", threads },
	{ "realloc-untouched", realloc_untouched }, { "realloc-touched", realloc_touched },
	{ "realloc-instructions", realloc_instructions },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc == 2 && i < sizeof scenarios / sizeof *scenarios; i++)
		if (!strcmp(argv[1], scenarios[i].name)) {
			scenarios[i].run();
			for (unsigned k = 0; k < figure_count; k++)
				printf("%s %llu\n", figures[k].name, (unsigned long long)figures[k].value);
			printf("malloc_from %s\n", malloc_from());
			return 0;
		}
	fputs("usage: rss SCENARIO\n", stderr);
	for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		fprintf(stderr, "  %s\n", scenarios[i].name);
	return 2;
}
