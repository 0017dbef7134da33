/* known.c - programs that know how much of each line of an account they have made, by how they made it, by mincore and
 * by what malloc tells inside the process.
 *
 *   account-known KIND [FILE]
 *
 * What it knows is said line by line, "key bytes"; then "ready", and it stays. */
#include "known.h"

#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>

enum { MIB = 1 << 20, WITH_CACHES = 32, WITH_STACKS = 16, ENDED = 64 };

static const char *file;

/* ---- blocks ---- */

static void sized(size_t count, size_t bytes, size_t *live, size_t *rounding)
{
	for (size_t i = 0; i < count; i++) {
		void *p = keep(malloc(bytes), bytes);
		*live += bytes;
		*rounding += malloc_usable_size(p) - bytes;
	}
}

static void live(void)
{
	size_t live = 0, rounding = 0;
	sized(100000, 1040, &live, &rounding);
	tell("live", live);
	tell("rounding", rounding);
}

static int by_address(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	return x < y ? -1 : x > y;
}

/* Resident bytes of the pages that blocks of one size touch. Sorts them. What lies between blocks less than a page
 * apart counts as well: the ends of slabs. */
static size_t resident_blocks(char **block, size_t count, size_t bytes)
{
	size_t sum = 0;
	qsort(block, count, sizeof block[0], by_address);
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && block[end] - block[end - 1] < (ptrdiff_t)bytes + KNOWN_PAGE; end++)
			;
		sum += resident(block[i], (size_t)(block[end - 1] - block[i]) + bytes);
	}
	return sum;
}

/* Sizes all over the classes, and large blocks, whose usable bytes nobody rounds for the program. */
static void mixed(void)
{
	size_t live = 0, rounding = 0, none = 0;
	for (size_t i = 0; i < 400000; i++)
		sized(1, 1 + i * 7919 % 700, &live, &rounding);
	for (size_t i = 0; i < 300; i++)
		sized(1, 2049 + i * 104729 % 30000, &live, &rounding);
	for (size_t i = 0; i < 60; i++)
		sized(1, 70000 + i * 12345, &live, &none);
	tell("live", live + none);
	tell("rounding", rounding);
}

static void holes(void)
{
	enum { COUNT = 100000, BYTES = 1040 };
	static char *block[COUNT];
	size_t usable = 0;
	for (size_t i = 0; i < COUNT; i++)
		block[i] = keep(malloc(BYTES), BYTES);
	usable = malloc_usable_size(block[0]);
	for (size_t i = 0; i < COUNT; i += 2)
		free(block[i]);
	tell("holes", resident_blocks(block, COUNT, BYTES) - COUNT / 2 * usable - mallinfo2().fsmblks);
	tell("live", COUNT / 2 * (size_t)BYTES);
	tell("rounding", COUNT / 2 * (usable - BYTES));
}


/* One block in 256 of 64 bytes stays. The pages that hold one have holes; the others, as far as they are resident yet,
 * wait to be purged. */
static void queue(void)
{
	enum { COUNT = 1000000, BYTES = 64, EACH = 256 };
	static char *block[COUNT];
	for (size_t i = 0; i < COUNT; i++)
		block[i] = keep(malloc(BYTES), BYTES);
	qsort(block, COUNT, sizeof block[0], by_address);
	for (size_t i = 0; i < COUNT; i++)
		if (i % EACH)
			free(block[i]);
	size_t pages_held = (COUNT + EACH - 1) / EACH, all = resident_blocks(block, COUNT, BYTES);
	tell("live", pages_held * BYTES);
	tell("holes", pages_held * (KNOWN_PAGE - BYTES));
	tell("queue", all - pages_held * KNOWN_PAGE - mallinfo2().fsmblks);
}

/* What of the heap is resident; the rest of what is anonymous, but for stacks and bss, are records. */
static void records(void)
{
	enum { COUNT = 12000000 };
	uintptr_t lowest = UINTPTR_MAX, highest = 0;
	for (size_t i = 0; i < COUNT; i++) {
		uintptr_t p = (uintptr_t)keep(malloc(16), 16);
		lowest = lowest < p ? lowest : p;
		highest = highest > p ? highest : p;
	}
	tell("live", COUNT * (size_t)16);
	tell("of_blocks", resident((void *)lowest, highest - lowest + 16));
}

/* ---- what is kept ---- */

static pthread_barrier_t all_there;

static void *fills_caches(void *arg)
{
	static const size_t sizes[] = { 64, 128, 256, 512, 1024, 2048, 8192, 16384 };
	enum { TOGETHER = 96 };
	void *block[TOGETHER];
	for (size_t round = 0; round < 6; round++)
		for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
			for (size_t i = 0; i < TOGETHER; i++)
				block[i] = keep(malloc(sizes[s]), sizes[s]);
			for (size_t i = 0; i < TOGETHER; i++)
				free(block[i]);
		}
	pthread_barrier_wait(&all_there);
	pause();
	return arg;
}

static void caches(void)
{
	pthread_t t;
	pthread_barrier_init(&all_there, NULL, WITH_CACHES + 1);
	for (size_t i = 0; i < WITH_CACHES; i++)
		pthread_create(&t, NULL, fills_caches, NULL);
	pthread_barrier_wait(&all_there);
	tell("caches", mallinfo2().fsmblks);
}

/* What is wanted again and again is kept; all of it is free at last. */
static void spans(void)
{
	enum { COUNT = 60000, BYTES = 1024 };
	static char *block[COUNT];
	for (size_t round = 0; round < 30; round++) {
		for (size_t i = 0; i < COUNT; i++)
			block[i] = keep(malloc(BYTES), BYTES);
		for (size_t i = 0; i < COUNT; i++)
			free(block[i]);
	}
	tell("spans", resident_blocks(block, COUNT, BYTES) - mallinfo2().fsmblks);
}

/* Large blocks, freed last: on the shelf, or in the page heap, but all of it free. */
enum { SHELVES = 8, ON_SHELF = 8, SHELF_BLOCK = 256 << 10 };
static char *shelf_block[SHELVES * ON_SHELF];

static void *fills_shelf(void *arg)
{
	char **block = arg;
	for (size_t round = 0; round < 40; round++) {
		for (size_t i = 0; i < ON_SHELF; i++)
			block[i] = keep(malloc(SHELF_BLOCK), SHELF_BLOCK);
		pthread_barrier_wait(&all_there);
		for (size_t i = 0; i < ON_SHELF; i++)
			free(block[i]);
	}
	pthread_barrier_wait(&all_there);
	pause();
	return NULL;
}

static void shelves(void)
{
	pthread_t t;
	keep(malloc(48 * MIB), 48 * MIB); /* shelves may hold half of what is in use */
	pthread_barrier_init(&all_there, NULL, SHELVES);
	for (size_t i = 0; i < SHELVES; i++)
		pthread_create(&t, NULL, fills_shelf, &shelf_block[i * ON_SHELF]);
	usleep(400000);
	tell("kept", resident_blocks(shelf_block, SHELVES * ON_SHELF, SHELF_BLOCK));
}

/* A block of which the program gave back the end: what was written to there stays with the block. */
static void tails(void)
{
	enum { COUNT = 400, BYTES = 96 << 10, LESS = (80 << 10) + 100 };
	static char *block[COUNT];
	size_t behind = 0;
	for (size_t i = 0; i < COUNT; i++)
		block[i] = keep(malloc(BYTES), BYTES);
	for (size_t i = 0; i < COUNT; i++)
		block[i] = realloc(block[i], LESS);
	for (size_t i = 0; i < COUNT; i++) {
		uintptr_t end = (uintptr_t)block[i] + malloc_usable_size(block[i]);
		uintptr_t granule = (end + 16383) / 16384 * 16384;
		behind += granule > end ? resident((void *)end, granule - end) : 0;
	}
	tell("tails", behind);
}

static void untouched(void)
{
	escape(malloc(1 << 30));
	tell("untouched", 1 << 30);
	tell("live", 0);
}

static void half_touched(void)
{
	char *p = malloc(256 * MIB);
	for (size_t at = 0; at < 256 * MIB; at += 2 * KNOWN_PAGE)
		p[at] = 1;
	escape(p);
	tell("live", resident(p, 256 * MIB));
	tell("untouched", 256 * MIB - resident(p, 256 * MIB));
}

/* ---- stacks ---- */

static __attribute__((noinline)) size_t recurse(size_t bytes)
{
	char frame[8192];
	memset(frame, 1, sizeof frame);
	escape(frame);
	return bytes <= sizeof frame ? (size_t)frame[0] : recurse(bytes - sizeof frame) + (size_t)frame[1];
}

static void stack(void)
{
	recurse(6 * MIB);
	tell("stack", 6 * MIB);
}

static void *uses_stack(void *arg)
{
	recurse((size_t)arg);
	pthread_barrier_wait(&all_there);
	pause();
	return NULL;
}

static void stacks(void)
{
	pthread_t t;
	pthread_barrier_init(&all_there, NULL, WITH_STACKS + 1);
	for (size_t i = 0; i < WITH_STACKS; i++)
		pthread_create(&t, NULL, uses_stack, (void *)(size_t)(2 * MIB));
	pthread_barrier_wait(&all_there);
	tell("stacks", WITH_STACKS * 2 * (size_t)MIB);
}

static struct {
	void *at;
	size_t bytes;
} ended_stack[ENDED];

static void *ends(void *arg)
{
	pthread_attr_t a;
	size_t i = (size_t)arg;
	pthread_getattr_np(pthread_self(), &a);
	pthread_attr_getstack(&a, &ended_stack[i].at, &ended_stack[i].bytes);
	pthread_attr_destroy(&a);
	recurse(128 << 10);
	pthread_barrier_wait(&all_there);
	return NULL;
}

static void ended(void)
{
	pthread_t t[ENDED];
	pthread_attr_t a;
	size_t all = 0;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 << 10);
	pthread_barrier_init(&all_there, NULL, ENDED);
	for (size_t i = 0; i < ENDED; i++)
		pthread_create(&t[i], &a, ends, (void *)i);
	for (size_t i = 0; i < ENDED; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 0; i < ENDED; i++)
		all += resident(ended_stack[i].at, ended_stack[i].bytes);
	tell("ended", all);
	tell("stacks", 0);
}

/* ---- mappings ---- */

static char zeroed[6 * MIB];
static char written[3 * MIB] = { 1 };
static const char constant[4 * MIB] = { 1 };

static void image(void)
{
	size_t sum = 0;
	memset(zeroed, 1, sizeof zeroed);
	memset(written, 2, sizeof written);
	for (size_t i = 0; i < sizeof constant; i += KNOWN_PAGE)
		sum += (size_t)((const volatile char *)constant)[i];
	escape(&sum);
}

static char *map(size_t bytes, int flags, int fd)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		abort();
	return keep(p, bytes);
}

static void files(void)
{
	static char zeros[MIB];
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t i = 0; i < 40; i++)
		if (write(fd, zeros, sizeof zeros) != sizeof zeros)
			abort();
	map(8 * MIB, MAP_SHARED, fd);
	map(8 * MIB, MAP_PRIVATE, fd);
	const volatile char *p = mmap(NULL, 40 * MIB, PROT_READ, MAP_PRIVATE, fd, 0);
	for (size_t i = 0; i < 24 * MIB; i += KNOWN_PAGE)
		(void)p[i];
	madvise((void *)(p + 24 * MIB), 16 * MIB, MADV_DONTNEED); /* what the kernel has read ahead */
	tell("files", 40 * MIB);
}

static void shared(void)
{
	char name[64];
	snprintf(name, sizeof name, "/cairn-account-%d", (int)getpid());
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), memory = memfd_create("account", 0);
	int segment = shmget(IPC_PRIVATE, 4 * MIB, IPC_CREAT | 0600);
	shm_unlink(name);
	if (ftruncate(fd, 8 * MIB) || ftruncate(memory, 6 * MIB))
		abort();
	map(8 * MIB, MAP_SHARED, fd);
	map(6 * MIB, MAP_SHARED, memory);
	map(10 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
	char *p = shmat(segment, NULL, 0);
	shmctl(segment, IPC_RMID, NULL);
	keep(p, 4 * MIB);
	tell("shared", 28 * MIB);
}

/* Mapped by the program, by a library, moved, cut, split and given a name. */
static void mapped(void)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	void *library = dlopen("libmapper.so", RTLD_NOW);
	char *(*map_there)(size_t) = library ? (char *(*)(size_t))dlsym(library, "mapper_map") : NULL;
	if (!map_there) {
		say("no library\n");
		_exit(1);
	}
	map(24 * MIB, anonymous, -1);
	keep(map_there(12 * MIB), 12 * MIB);
	char *half = map(8 * MIB, anonymous, -1);
	munmap(half + 2 * MIB, 4 * MIB);
	char *grown = mremap(map(2 * MIB, anonymous, -1), 2 * MIB, 10 * MIB, MREMAP_MAYMOVE);
	keep(grown, 10 * MIB);
	char *theirs = keep(map_there(6 * MIB), 6 * MIB);
	keep(mmap(theirs, 3 * MIB, PROT_READ | PROT_WRITE, anonymous | MAP_FIXED, -1, 0), 3 * MIB); /* ours now */
	tell("by_program", (24 + 4 + 10 + 3) * MIB);
	tell("by_library", (12 + 3) * MIB);
	char *named = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, anonymous | MAP_NORESERVE, -1, 0);
	if (prctl(0x53564d41, 0, named, 4 * MIB, "account") == 0) {
		keep(named, 4 * MIB);
		tell("named", 4 * MIB);
	}
	keep(sbrk(5 * MIB), 5 * MIB);
	tell("brk", 5 * MIB);
}

static void lazy(void)
{
	char *p = map(16 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (madvise(p, 12 * MIB, MADV_FREE))
		abort();
	tell("lazy", 12 * MIB);
	tell("by_program", 16 * MIB);
}

static const known_kind kinds[] = {
	{ "live", live }, { "mixed", mixed }, { "holes", holes }, { "queue", queue }, { "records", records },
	{ "caches", caches }, { "spans", spans }, { "shelves", shelves }, { "tails", tails },
	{ "untouched", untouched }, { "half_touched", half_touched }, { "stack", stack }, { "stacks", stacks },
	{ "ended", ended }, { "image", image }, { "files", files }, { "shared", shared }, { "mapped", mapped },
	{ "lazy", lazy }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* so that nothing is resident but what was written to */
	file = argc > 2 ? argv[2] : "/tmp/account-file";
	return known_main(argc, argv, kinds);
}
