/* support/test.h - what a test program needs: cases that print TAP, and nothing that allocates.
 *
 *   static void a_freed_span_joins_its_neighbours(void) { EXPECT(...); }
 *   int main(void) { RUN(a_freed_span_joins_its_neighbours); DONE(); }
 *
 * The name of a case is a sentence that is true when it passes. Output goes straight to descriptor 1 from a buffer on
 * the stack, because stdio would call the malloc that is being tested. `prove` reads the output; the exit status is 1
 * when a case failed.
 *
 * Settings: CAIRN_SEED repeats a random test; CAIRN_TEST_SECONDS says how long a stress test runs.
 *
 * Threads: EXPECT and NOTE from any thread. After fork a child leaves by _exit, with a status its parent looks at. */
#ifndef CAIRN_SUPPORT_TEST_H
#define CAIRN_SUPPORT_TEST_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEST_FAILURES_SHOWN = 8 }; /* a case: a loop that fails a million times says so eight times */

static unsigned test_count, test_failed_cases; /* sync: main thread */
static unsigned test_case_failures;            /* sync: atomic */
static const char *test_skip_reason;           /* sync: main thread */

__attribute__((unused, format(printf, 1, 2))) static void test_print(const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (length > (int)sizeof text - 1)
		length = (int)sizeof text - 1;
	for (int sent = 0; sent < length;) {
		ssize_t n = write(1, text + sent, (size_t)(length - sent));
		if (n <= 0)
			_exit(2);
		sent += (int)n;
	}
}

__attribute__((unused)) static void test_failure(const char *file, int line, const char *what)
{
	unsigned before = __atomic_fetch_add(&test_case_failures, 1, __ATOMIC_SEQ_CST);
	if (before < TEST_FAILURES_SHOWN)
		test_print("# %s:%d: not true: %s\n", file, line, what);
}

__attribute__((unused)) static void test_failure_numbers(const char *file, int line, const char *what, long long got,
							 long long wanted)
{
	unsigned before = __atomic_fetch_add(&test_case_failures, 1, __ATOMIC_SEQ_CST);
	if (before < TEST_FAILURES_SHOWN)
		test_print("# %s:%d: %s: got %lld (%#llx), wanted %lld (%#llx)\n", file, line, what, got,
			   (unsigned long long)got, wanted, (unsigned long long)wanted);
}

__attribute__((unused)) static void test_run(const char *name, void (*body)(void))
{
	test_case_failures = 0;
	test_skip_reason = NULL;
	body();
	bool failed = __atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0;
	test_failed_cases += failed;
	test_print("%sok %u - %s", failed ? "not " : "", ++test_count, name);
	test_print(test_skip_reason && !failed ? " # SKIP %s\n" : "\n", test_skip_reason);
}

__attribute__((unused)) static int test_done(void)
{
	test_print("1..%u\n", test_count);
	return test_failed_cases != 0;
}

#define RUN(function) test_run(#function, function)
#define DONE()        return test_done()

/* Each may be written in a function that main calls; the case goes on after a failure. */
#define EXPECT(condition) ((condition) ? (void)0 : test_failure(__FILE__, __LINE__, #condition))
#define EXPECT_EQ(got, wanted)                                                                                        \
	do {                                                                                                          \
		long long test_got = (long long)(got), test_wanted = (long long)(wanted);                             \
		if (test_got != test_wanted)                                                                          \
			test_failure_numbers(__FILE__, __LINE__, #got, test_got, test_wanted);                        \
	} while (0)
/* The rest of this function makes no sense without it: fails the case and returns. For void functions. */
#define REQUIRE(condition)                                                                                            \
	do {                                                                                                          \
		if (!(condition)) {                                                                                   \
			test_failure(__FILE__, __LINE__, #condition);                                                 \
			return;                                                                                       \
		}                                                                                                     \
	} while (0)
/* This case cannot run on this machine: says why and returns from the case. For void functions. A reason that begins
 * with "not in this build" is for what another build tests; it is not counted as skipped. */
#define SKIP(reason)                                                                                                  \
	do {                                                                                                          \
		test_skip_reason = (reason);                                                                          \
		return;                                                                                               \
	} while (0)
/* The whole program cannot run on this machine. Before the first RUN. */
#define SKIP_ALL(reason)                                                                                              \
	do {                                                                                                          \
		test_print("1..0 # SKIP %s\n", (reason));                                                             \
		exit(0);                                                                                              \
	} while (0)
/* A line for the person who reads the output (`prove -v`), not a result. */
#define NOTE(...)                                                                                                     \
	do {                                                                                                          \
		test_print("# " __VA_ARGS__);                                                                         \
		test_print("\n");                                                                                     \
	} while (0)

/* ---- What random and long tests share ---- */

/* A number from the environment (decimal or 0x...), for the scale of a test and for the seed to repeat. */
__attribute__((unused)) static uint64_t test_setting(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

/* Does the test run under user emulation (tests/support/run-aarch64)? There no program can execute itself again, and
 * the emulator's own stores stand for the kernel's. */
static inline bool is_emulated(void) { return getenv("CAIRN_TEST_EMULATED") != NULL; }

/* The seed of this run: CAIRN_SEED, or a new one; printed, so that a failure can be repeated. */
__attribute__((unused)) static uint64_t test_seed(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t fresh = (uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 44;
	fresh &= 0xffffffffffff; /* short enough to type */
	uint64_t seed = test_setting("CAIRN_SEED", fresh);
	NOTE("seed: CAIRN_SEED=%#llx", (unsigned long long)seed);
	return seed;
}

/* How long a stress test runs: CAIRN_TEST_SECONDS, or the fallback. */
__attribute__((unused)) static double test_seconds_to_run(double fallback)
{
	const char *text = getenv("CAIRN_TEST_SECONDS");
	return text && *text ? strtod(text, NULL) : fallback;
}

/* The next random number (splitmix64, Steele and others 2014); any state is a good one. */
__attribute__((unused)) static uint64_t test_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Seconds since some fixed moment. */
__attribute__((unused)) static double test_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Resident bytes of this process, by /proc/self/statm; 0 when it cannot be read. */
__attribute__((unused)) static size_t test_rss_bytes(void)
{
	char text[128] = { 0 };
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	const char *second = n > 0 ? strchr(text, ' ') : NULL;
	return second ? strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

#endif
