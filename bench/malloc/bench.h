/* bench.h - what the workloads of bench/malloc share: seeds, sizes, threads, the clock, and how a result is printed.
 *
 * A workload does a fixed amount of work that depends on its arguments and BENCH_SCALE only, never on time or
 * addresses; so under every malloc it makes the same calls, and its check, a hash over what it read back, is the
 * same. It prints:
 *
 *   time SECONDS      of the part between bench_start and bench_stop (rows whose metric is `own`)
 *   check HEX         must agree between mallocs
 *   NAME VALUE        anything else it wants kept
 *
 * BENCH_SCALE=50 divides the amount of work by 50: the smoke mode. Blocks are written when they are made and read
 * before they are freed (bench_fill, bench_read): first and last byte at least, as a program would. */
#ifndef BENCH_MALLOC_BENCH_H
#define BENCH_MALLOC_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline size_t bench_scaled(size_t amount)
{
	const char *scale = getenv("BENCH_SCALE");
	size_t divisor = scale ? strtoul(scale, NULL, 10) : 1;
	return divisor > 1 ? amount / divisor + 1 : amount;
}

static inline void bench_die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- chance: xorshift*, one state a thread ---- */

static inline uint64_t bench_any(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1dull >> 16; /* 48 bits */
}

static inline uint64_t bench_seed(uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15ull; }

static inline size_t bench_below(uint64_t *seed, size_t limit) { return (size_t)(bench_any(seed) % limit); }

static inline size_t bench_between(uint64_t *seed, size_t from, size_t to)
{
	return from + bench_below(seed, to - from + 1);
}

/* from .. from << doublings, each doubling as likely as the next. */
static inline size_t bench_log_uniform(uint64_t *seed, size_t from, unsigned doublings)
{
	size_t low = from << bench_below(seed, doublings);
	return low + bench_below(seed, low);
}

/* ---- blocks ---- */

static inline void bench_fill(void *p, size_t bytes, unsigned char value)
{
	if (!p)
		bench_die("malloc");
	((volatile unsigned char *)p)[0] = value;
	((volatile unsigned char *)p)[bytes - 1] = value;
}

static inline unsigned bench_read(const void *p, size_t bytes)
{
	return ((const volatile unsigned char *)p)[0] + ((const volatile unsigned char *)p)[bytes - 1];
}

/* ---- the clock and the result ---- */

static uint64_t bench_started_ns, bench_taken_ns;

static inline uint64_t bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void bench_start(void) { bench_started_ns = bench_now_ns(); }
static inline void bench_stop(void) { bench_taken_ns += bench_now_ns() - bench_started_ns; }

static inline int bench_done(uint64_t check)
{
	printf("time %.6f\ncheck %llx\n", (double)bench_taken_ns / 1e9, (unsigned long long)check);
	return 0;
}

/* ---- threads ---- */

static inline pthread_t bench_thread(void *(*run)(void *), void *argument)
{
	pthread_t t;
	if (pthread_create(&t, NULL, run, argument))
		bench_die("pthread_create");
	return t;
}

/* Runs the same function in `count` threads, each with its element of `each` (bytes apart), and waits for all. */
static inline void bench_crowd(unsigned count, void *(*run)(void *), void *each, size_t bytes)
{
	pthread_t t[64];
	for (unsigned i = 0; i < count; i++)
		t[i] = bench_thread(run, (char *)each + i * bytes);
	for (unsigned i = 0; i < count; i++)
		pthread_join(t[i], NULL);
}

typedef struct bench_starter {
	void *(*run)(void *);
	void *argument;
	pthread_barrier_t *all_there;
} bench_starter;

static inline void *bench_wait_and_run(void *argument)
{
	bench_starter *s = (bench_starter *)argument;
	pthread_barrier_wait(s->all_there);
	return s->run(s->argument);
}

/* The same, but none begins before all are there and the clock runs: for rows whose threads are meant to meet. Starts
 * and stops the clock. */
static inline void bench_crowd_at_once(unsigned count, void *(*run)(void *), void *each, size_t bytes)
{
	pthread_t t[64];
	bench_starter starter[64];
	pthread_barrier_t all_there;
	pthread_barrier_init(&all_there, NULL, count + 1);
	for (unsigned i = 0; i < count; i++) {
		starter[i].run = run;
		starter[i].argument = (char *)each + i * bytes;
		starter[i].all_there = &all_there;
		t[i] = bench_thread(bench_wait_and_run, &starter[i]);
	}
	bench_start();
	pthread_barrier_wait(&all_there);
	for (unsigned i = 0; i < count; i++)
		pthread_join(t[i], NULL);
	bench_stop();
	pthread_barrier_destroy(&all_there);
}

/* The argument at `index` as a number, or `otherwise`. */
static inline size_t bench_argument(int argc, char **argv, int index, size_t otherwise)
{
	return index < argc ? strtoul(argv[index], NULL, 10) : otherwise;
}

#endif
