/* The fast paths, counted: how many instructions malloc and free execute, from the first of the function through its
 * ret.
 *
 * A child loads libcairn.so, makes each size warm (its magazine neither empty nor full), and is then stepped one
 * instruction at a time through one malloc and one free of it; what it is about to execute is read and decoded just far
 * enough to see an atomic read-modify-write. The functions measured are the ones that the library exports, found by
 * dlsym, so no PLT stub is counted. Counts do not depend on the machine's load.
 *
 * The library is $CAIRN_LIB, or libcairn.so two folders above this program, or build/libcairn.so.
 * Limits are those of the release build; other builds, and other processors than x86-64, skip. */
#include "support/test.h"

#if !defined(__x86_64__)
int main(void)
{
	SKIP_ALL("single steps are decoded for x86-64 only");
}
#else

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

enum {
	FINE_MAX = 1024, SMALL_MAX = 32 << 10, /* the two parts of the fast path, bytes */
	MALLOC_FINE = 18, MALLOC_SMALL = 21,   /* instructions */
	FREE_FINE = 26, FREE_SMALL = 29,       /* with the look for a second free of the same block */
	COUNTING_MORE = 4,                     /* for malloc where requested bytes are summed */
	STEPS_MAX = 100000,
	SIZES_MAX = 1024,
};

typedef struct count {
	unsigned instructions; /* 0: not measured */
	unsigned atomics;
} count;

typedef struct measured {
	size_t bytes;
	count malloc, free;
} measured;

typedef struct functions {
	void *(*malloc)(size_t);
	void (*free)(void *);
} functions;

static size_t sizes[SIZES_MAX];
static unsigned size_count;
static measured plain[SIZES_MAX], counting[SIZES_MAX];
static const char *library;

/* ---- decoding ---- */

static bool is_prefix(uint8_t byte)
{
	return byte && strchr("\x66\x67\x2e\x36\x3e\x26\x64\x65\xf2\xf3\xf0", byte);
}

/* Does this instruction read and write memory atomically: a lock prefix, or xchg with memory? */
static bool is_atomic(const uint8_t *code)
{
	for (; is_prefix(*code); code++)
		if (*code == 0xf0)
			return true;
	code += (*code & 0xf0) == 0x40; /* REX */
	return (code[0] == 0x86 || code[0] == 0x87) && code[1] >> 6 != 3;
}

/* ---- stepping ---- */

static bool step(pid_t child, struct user_regs_struct *regs)
{
	int status;
	return !ptrace(PTRACE_SINGLESTEP, child, 0, 0) && waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP && !ptrace(PTRACE_GETREGS, child, 0, regs);
}

static bool is_atomic_at(pid_t child, uintptr_t address)
{
	uint8_t code[sizeof(long)];
	errno = 0;
	long word = ptrace(PTRACE_PEEKTEXT, child, address, 0);
	memcpy(code, &word, sizeof code);
	return !errno && is_atomic(code);
}

/* The child is about to call `function`, within a few instructions: counts that call, from entry through its ret. */
static count count_call(pid_t child, const void *function)
{
	count c = { 0 };
	struct user_regs_struct regs = { 0 };
	for (unsigned i = 0; regs.rip != (uintptr_t)function; i++)
		if (i == 1000 || !step(child, &regs))
			return c;
	uintptr_t caller_sp = regs.rsp + sizeof(void *);
	while (regs.rsp < caller_sp && c.instructions < STEPS_MAX) {
		c.atomics += is_atomic_at(child, regs.rip);
		c.instructions++;
		if (!step(child, &regs))
			return (count){ 0 };
	}
	return c;
}

/* Runs the child to its next int3. False: it ended. */
static bool run_to_mark(pid_t child)
{
	int status;
	return !ptrace(PTRACE_CONT, child, 0, 0) && waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP;
}

#define MARK() __asm__ volatile("int3" ::: "memory")

/* ---- the child ---- */

static functions functions_of_library(void)
{
	functions f = { 0 };
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (handle) {
		*(void **)&f.malloc = dlsym(handle, "malloc");
		*(void **)&f.free = dlsym(handle, "free");
	}
	return f;
}

/* Warm: three rounds of two blocks, so that a magazine holds some and has room for more. */
static void warm(functions f, size_t bytes)
{
	for (int i = 0; i < 3; i++) {
		void *a = f.malloc(bytes), *b = f.malloc(bytes);
		f.free(a);
		f.free(b);
	}
}

static _Noreturn void child_main(functions *shared)
{
	*shared = functions_of_library();
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	MARK();
	for (unsigned i = 0; i < size_count; i++) {
		warm(*shared, sizes[i]);
		MARK();
		void *p = shared->malloc(sizes[i]);
		MARK();
		shared->free(p);
	}
	_exit(0);
}

/* ---- the parent ---- */

static void measure(measured *into, const char *counting_file)
{
	functions *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(f != MAP_FAILED);
	pid_t child = fork();
	if (!child) {
		if (counting_file)
			setenv("CAIRN_SUMMARY", counting_file, 1);
		child_main(f);
	}
	int status;
	bool ok = child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status) && f->malloc && f->free;
	EXPECT(ok && "the library loads and exports malloc and free, and may be traced");
	for (unsigned i = 0; ok && i < size_count; i++) {
		into[i].bytes = sizes[i];
		ok = run_to_mark(child);
		if (ok)
			into[i].malloc = count_call(child, (void *)f->malloc);
		ok = ok && run_to_mark(child);
		if (ok)
			into[i].free = count_call(child, (void *)f->free);
		EXPECT(ok && into[i].malloc.instructions && into[i].free.instructions);
	}
	if (child > 0 && !kill(child, SIGKILL))
		waitpid(child, &status, 0);
	munmap(f, sizeof *f);
}

/* Every multiple of 16 and both neighbours to 1 KiB; above, every multiple of 128 and the byte after. */
static void choose_sizes(void)
{
	for (size_t n = 16; n <= FINE_MAX; n += 16) {
		sizes[size_count++] = n;
		sizes[size_count++] = n - 7;
	}
	for (size_t n = FINE_MAX + 1; n <= SMALL_MAX; n += 128) {
		sizes[size_count++] = n;
		sizes[size_count++] = n + 127;
	}
}

typedef struct range {
	unsigned least, most;
} range;

static range widened(range r, count c)
{
	return (range){ c.instructions < r.least ? c.instructions : r.least,
		c.instructions > r.most ? c.instructions : r.most };
}

static void note_range(const measured *m, size_t from, size_t to, const char *words)
{
	range mallocs = { UINT_MAX, 0 }, frees = { UINT_MAX, 0 };
	for (unsigned i = 0; i < size_count; i++) {
		if (m[i].bytes < from || m[i].bytes > to)
			continue;
		mallocs = widened(mallocs, m[i].malloc);
		frees = widened(frees, m[i].free);
	}
	NOTE("%6zu to %5zu bytes, %-9s malloc %2u..%-2u  free %2u..%-2u", from, to, words, mallocs.least, mallocs.most,
	     frees.least, frees.most);
}

/* ---- cases ---- */

/* Functions whose counts are known: five instructions, none, one and one of them atomic. */
__asm__("three_nops: nop; nop; nop; nop; ret\n"
	"a_locked_add: nop; lock addl $0, (%rsp); nop; nop; ret\n"
	"an_exchange: push %rax; xchg %rax, (%rsp); pop %rax; xchg %rax, %rdx; ret\n");
void three_nops(void), a_locked_add(void), an_exchange(void);

static count count_known(void (*known)(void))
{
	void (*volatile call)(void) = known;
	pid_t child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		MARK();
		call();
		_exit(0);
	}
	int status;
	count c = { 0 };
	if (child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		c = count_call(child, (void *)known);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	return c;
}

static void counting_known_functions_gives_the_known_counts(void)
{
	count nops = count_known(three_nops), locked = count_known(a_locked_add), exchange = count_known(an_exchange);
	EXPECT_EQ(nops.instructions, 5);
	EXPECT_EQ(nops.atomics, 0);
	EXPECT_EQ(locked.instructions, 5);
	EXPECT_EQ(locked.atomics, 1);
	EXPECT_EQ(exchange.instructions, 5);
	EXPECT_EQ(exchange.atomics, 1); /* the second exchanges registers */
}

static void malloc_and_free_can_be_stepped_through(void)
{
	measure(plain, NULL);
	note_range(plain, 9, FINE_MAX, "");
	note_range(plain, FINE_MAX + 1, SMALL_MAX, "");
}

static void malloc_to_1_KiB_takes_at_most_18_instructions(void)
{
	for (unsigned i = 0; i < size_count; i++)
		EXPECT(plain[i].bytes > FINE_MAX || plain[i].malloc.instructions - 1 < MALLOC_FINE);
}

static void malloc_to_32_KiB_takes_at_most_21_instructions(void)
{
	for (unsigned i = 0; i < size_count; i++)
		EXPECT(plain[i].malloc.instructions - 1 < MALLOC_SMALL);
}

static void free_takes_at_most_26_instructions_to_1_KiB_and_29_to_32_KiB(void)
{
	for (unsigned i = 0; i < size_count; i++)
		EXPECT(plain[i].free.instructions - 1 < (plain[i].bytes > FINE_MAX ? FREE_SMALL : FREE_FINE));
}

static void neither_executes_an_atomic_read_modify_write(void)
{
	for (unsigned i = 0; i < size_count; i++)
		EXPECT(plain[i].malloc.instructions && !plain[i].malloc.atomics && !plain[i].free.atomics);
}

static void summing_requested_bytes_costs_malloc_at_most_4_more_and_free_none(void)
{
	measure(counting, "/dev/null");
	note_range(counting, 9, FINE_MAX, "summing:");
	note_range(counting, FINE_MAX + 1, SMALL_MAX, "summing:");
	for (unsigned i = 0; i < size_count; i++) {
		EXPECT(counting[i].malloc.instructions - 1 < plain[i].malloc.instructions + COUNTING_MORE);
		EXPECT_EQ(counting[i].free.instructions, plain[i].free.instructions);
	}
}

/* $CAIRN_LIB; or ../../libcairn.so from this program; or build/libcairn.so. */
static const char *find_library(void)
{
	static char path[PATH_MAX + 32];
	const char *named = getenv("CAIRN_LIB");
	if (named && *named)
		return realpath(named, path);
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	for (int up = 0; n > 0 && up < 3;)
		up += path[--n] == '/';
	strcpy(path + (n > 0 ? n : 0), "/libcairn.so");
	if (n > 0 && !access(path, R_OK))
		return path;
	return realpath("build/libcairn.so", path);
}

int main(void)
{
#if CAIRN_DEBUG
	SKIP_ALL("not in this build: the limits are those of the release build");
#endif
	library = find_library();
	if (!library) {
		test_print("Bail out! no libcairn.so: say where with CAIRN_LIB\n");
		return 1;
	}
	choose_sizes();
	NOTE("%s", library);
	RUN(counting_known_functions_gives_the_known_counts);
	RUN(malloc_and_free_can_be_stepped_through);
	RUN(malloc_to_1_KiB_takes_at_most_18_instructions);
	RUN(malloc_to_32_KiB_takes_at_most_21_instructions);
	RUN(free_takes_at_most_26_instructions_to_1_KiB_and_29_to_32_KiB);
	RUN(neither_executes_an_atomic_read_modify_write);
	RUN(summing_requested_bytes_costs_malloc_at_most_4_more_and_free_none);
	DONE();
}
#endif
