/* support.h - what the scenarios share.
 *
 * A scenario is a program that ends with status 0 when its first line is true, 1 (or a signal) when it is not, and 77
 * when it cannot be run here; then the last line it printed is the reason. The malloc under test comes by LD_PRELOAD.
 *
 * Nothing here calls malloc, so that a scenario's allocations are those it shows. Threads: any, but for skip and fail,
 * which end the process. */
#ifndef CAIRN_TESTS_RELIABILITY_SUPPORT_H
#define CAIRN_TESTS_RELIABILITY_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* Ends the process with status 1 and says which line was not true. */
#define CHECK(c)                                                                                                      \
	do {                                                                                                          \
		if (!(c)) {                                                                                           \
			dprintf(2, "%s:%d: not true: %s\n", __FILE__, __LINE__, #c);                                  \
			_exit(1);                                                                                     \
		}                                                                                                     \
	} while (0)
/* The same, with figures: CHECK_SAY(rss < limit, "rss %zu", rss). */
#define CHECK_SAY(c, ...)                                                                                             \
	do {                                                                                                          \
		if (!(c)) {                                                                                           \
			dprintf(2, "%s:%d: not true: %s: ", __FILE__, __LINE__, #c);                                  \
			dprintf(2, __VA_ARGS__);                                                                      \
			dprintf(2, "\n");                                                                             \
			_exit(1);                                                                                     \
		}                                                                                                     \
	} while (0)
/* A figure for the reader of the results. */
#define NOTE(...) dprintf(1, __VA_ARGS__)

UNUSED __attribute__((noreturn)) static void skip(const char *why) {
	dprintf(1, "%s\n", why);
	_exit(77);
}

UNUSED static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How long a storm lasts: SECONDS=60 asks for the full ones. */
UNUSED static double budget(double usual) {
	const char *s = getenv("SECONDS");
	return s && atof(s) > 0 ? atof(s) : usual;
}
UNUSED static bool is_full(void) {
	const char *s = getenv("SECONDS");
	return s && atof(s) >= 60;
}

/* cairn itself: figures that are promised by it alone are asked of it alone. */
UNUSED static bool is_cairn(void) { return dlsym(RTLD_DEFAULT, "cairn_malloc") != NULL; }

/* The number behind `name` in a file such as /proc/self/status ("VmRSS:"), in the file's unit; -1: not there. */
UNUSED static long proc_number(const char *path, const char *name) {
	static char text[16384]; /* one thread at a time */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = 0, got;
	while (n < (ssize_t)sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0)
		n += got;
	close(fd);
	text[n] = 0;
	char *at = strstr(text, name);
	return at ? atol(at + strlen(name)) : -1;
}
UNUSED static size_t rss_bytes(void) { return (size_t)proc_number("/proc/self/status", "VmRSS:") * 1024; }

/* Mappings of this process. */
UNUSED static long maps_count(void) {
	char buffer[4096];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	long lines = 0;
	for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
		for (ssize_t i = 0; i < n; i++)
			lines += buffer[i] == '\n';
	close(fd);
	return lines;
}

UNUSED static uint32_t dice(uint32_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* A size as programs ask for: mostly small, now and then large. */
UNUSED static size_t any_size(uint32_t *seed) {
	uint32_t d = dice(seed);
	if (d % 512 == 0)
		return 1 + dice(seed) % (2 * MIB);
	if (d % 64 == 0)
		return 1 + dice(seed) % (100 * KIB);
	return 1 + dice(seed) % (d % 8 ? 256 : 4096);
}

typedef struct churned {
	unsigned char *p;
	size_t bytes;
	unsigned char mark;
} churned;
enum { CHURN_SLOTS = 256 };

UNUSED static void churn_mark(churned *c, uint32_t *seed) {
	c->mark = (unsigned char)dice(seed);
	memset(c->p, c->mark, c->bytes < 64 ? c->bytes : 64);
	c->p[c->bytes - 1] = c->mark;
}
UNUSED static void churn_check(const churned *c) {
	size_t head = c->bytes < 64 ? c->bytes : 64;
	for (size_t i = 0; i < head; i++)
		CHECK_SAY(c->p[i] == c->mark, "block %p of %zu bytes lost byte %zu", (void *)c->p, c->bytes, i);
	CHECK_SAY(c->p[c->bytes - 1] == c->mark, "block %p of %zu bytes lost its last byte", (void *)c->p, c->bytes);
}

/* malloc, calloc, realloc and free at random, each block's contents watched; everything is freed at the end. Memory
 * must not run out. Uses 6 KiB of stack. */
UNUSED static void churn(uint32_t seed, long rounds) {
	churned slots[CHURN_SLOTS] = {};
	seed = seed * 2654435761u | 1;
	for (long i = 0; i < rounds + CHURN_SLOTS; i++) {
		churned *c = &slots[i < rounds ? dice(&seed) % CHURN_SLOTS : (size_t)(i - rounds)];
		bool grow = c->p && i < rounds && dice(&seed) % 8 == 0;
		if (c->p)
			churn_check(c);
		if (grow) {
			size_t bytes = any_size(&seed), kept = bytes < c->bytes ? bytes : c->bytes;
			unsigned char *q = (unsigned char *)realloc(c->p, bytes);
			CHECK(q);
			for (size_t k = 0; k < kept && k < 64; k++)
				CHECK(q[k] == c->mark);
			c->p = q;
			c->bytes = bytes;
			churn_mark(c, &seed);
			continue;
		}
		free(c->p);
		c->p = NULL;
		if (i >= rounds)
			continue;
		c->bytes = any_size(&seed);
		if (dice(&seed) % 8) {
			c->p = (unsigned char *)malloc(c->bytes);
			CHECK(c->p);
		} else {
			c->p = (unsigned char *)calloc(1, c->bytes);
			CHECK(c->p);
			for (size_t k = 0; k < c->bytes; k++)
				CHECK_SAY(!c->p[k], "calloc(%zu) is not zero at %zu", c->bytes, k);
		}
		churn_mark(c, &seed);
	}
}

/* Runs work(arg) in a forked child and returns the wait status; a child that has not ended after `seconds` is killed by
 * SIGALRM. work's return is the child's exit status. */
UNUSED static int in_child(int (*work)(void *), void *arg, unsigned seconds) {
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		signal(SIGALRM, SIG_DFL);
		alarm(seconds);
		_exit(work(arg));
	}
	int status = 0;
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}
/* Says how a child ended, when it did not end well. */
UNUSED static bool ended_well(const char *what, int status) {
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		dprintf(2, "%s: hung\n", what);
	else if (WIFSIGNALED(status))
		dprintf(2, "%s: died of signal %d (%s)\n", what, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		dprintf(2, "%s: exit status %d\n", what, WEXITSTATUS(status));
	return false;
}

UNUSED static pthread_t thread_start(void *(*run)(void *), void *arg, size_t stack_bytes) {
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	if (stack_bytes)
		CHECK(pthread_attr_setstacksize(&attr, stack_bytes) == 0);
	int error = pthread_create(&thread, &attr, run, arg);
	CHECK_SAY(error == 0, "pthread_create: %s", strerror(error));
	pthread_attr_destroy(&attr);
	return thread;
}

/* Installs a system call filter for every thread. Calls in `numbers` get `hit`, all others `miss`. */
UNUSED static void filter(const int *numbers, size_t count, uint32_t hit, uint32_t miss) {
	struct sock_filter code[64];
	size_t n = 0;
	CHECK(count < 60);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i],
		                                         (uint8_t)(count - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, miss);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, hit);
	struct sock_fprog program = { .len = (unsigned short)n, .filter = code };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		skip("the kernel has no seccomp filters");
}
UNUSED static void refuse(const int *numbers, size_t count, int error) {
	filter(numbers, count, SECCOMP_RET_ERRNO | (uint32_t)error, SECCOMP_RET_ALLOW);
}

#endif
