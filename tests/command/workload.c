/* A program that allocates by the words of its command line, and says on stdout what it did:
 *
 *   pairs N SIZE       N times malloc and free           keep N SIZE       N blocks that stay
 *   grow N             realloc of one block, N steps     threads T N       T threads of N pairs
 *   fork N             N children that do one pair and exit, waited for
 *   sleep MS           rest                              spin MS           pairs for so long
 *   touch MIB          map so much, write every page     drop              unmap it
 *   kill NAME          KILL, TERM, SEGV by itself        exit, _exit STATUS   with exit(), without
 *   exec WORDS...      execute itself with the rest
 *
 * At the end: "allocations N requested BYTES". A realloc that moves counts as one more. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t made, requested; /* sync: atomic */
static void *volatile kept;
static char *touched;
static size_t touched_bytes;

static void *take(size_t n)
{
	__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&requested, n, __ATOMIC_RELAXED);
	void *p = malloc(n);
	memset(p, 1, n < 64 ? n : 64);
	return p;
}

static void pairs(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		free(take(size));
}

static void keep(long n, size_t size)
{
	for (long i = 0; i < n; i++) {
		void **p = take(size < sizeof p ? sizeof p : size);
		*p = kept;
		kept = p;
	}
}

static void grow(long n)
{
	char *p = take(16);
	for (long i = 2; i <= n; i++) {
		char *q = realloc(p, (size_t)i * 16);
		if (q != p) {
			made++;
			requested += (uint64_t)i * 16;
		}
		p = q;
	}
	free(p);
}

static void *thread_body(void *n)
{
	pairs((long)(intptr_t)n, 100);
	return NULL;
}

static void threads(long count, long n)
{
	pthread_t all[64];
	for (long i = 0; i < count && i < 64; i++)
		pthread_create(&all[i], NULL, thread_body, (void *)(intptr_t)n);
	for (long i = 0; i < count && i < 64; i++)
		pthread_join(all[i], NULL);
}

static void forks(long n)
{
	for (long i = 0; i < n; i++) {
		if (fork() == 0) {
			free(malloc(100));
			exit(0);
		}
		wait(NULL);
	}
}

static void rest(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t))
		;
}

static void spin(long ms)
{
	struct timespec from, now;
	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		pairs(100, 64);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

static void die(const char *name)
{
	if (!strcmp(name, "SEGV"))
		*(volatile char *)8 = 1;
	kill(getpid(), !strcmp(name, "KILL") ? SIGKILL : SIGTERM);
}

static void touch(long mib)
{
	touched_bytes = (size_t)mib << 20;
	touched = mmap(NULL, touched_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(touched, 1, touched_bytes);
}

static void say(void)
{
	char text[128];
	int n = snprintf(text, sizeof text, "allocations %llu requested %llu\n", (unsigned long long)made,
			 (unsigned long long)requested);
	write(1, text, (size_t)n);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		long a = i + 1 < argc ? atol(argv[i + 1]) : 0, b = i + 2 < argc ? atol(argv[i + 2]) : 0;
		if (!strcmp(word, "pairs"))
			pairs(a, (size_t)b);
		else if (!strcmp(word, "keep"))
			keep(a, (size_t)b);
		else if (!strcmp(word, "grow"))
			grow(a);
		else if (!strcmp(word, "threads"))
			threads(a, b);
		else if (!strcmp(word, "fork"))
			forks(a);
		else if (!strcmp(word, "sleep"))
			rest(a);
		else if (!strcmp(word, "spin"))
			spin(a);
		else if (!strcmp(word, "touch"))
			touch(a);
		else if (!strcmp(word, "drop"))
			munmap(touched, touched_bytes);
		else if (!strcmp(word, "kill"))
			say(), die(argv[i + 1]);
		else if (!strcmp(word, "_exit"))
			say(), _exit((int)a);
		else if (!strcmp(word, "exit"))
			say(), exit((int)a);
		else if (!strcmp(word, "exec")) {
			say();
			argv[i] = argv[0];
			execv("/proc/self/exe", argv + i);
		}
	}
	say();
	return 0;
}
