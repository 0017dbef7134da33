/* counting/own_count.h - how a program counts its own allocations, to be compared with cairn's count.
 *
 * One struct a thread; nothing here allocates, and nothing prints through stdio, which would. A realloc that moves is
 * one allocation and one free, one that stays is nothing: as docs/design/statistics.md says.
 *
 * Each process (each image, where it executes itself) ends with one line for every own_count it is asked to print:
 *
 *   counted LABEL pid=12 allocations=3 frees=2 bytes=96
 *
 * Threads: an own_count belongs to one thread. */
#ifndef CAIRN_OWN_COUNT_H
#define CAIRN_OWN_COUNT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct own_count {
	uint64_t allocations, frees, bytes; /* bytes: requested */
	uint64_t random;                    /* state of own_random */
} own_count;

static inline uint64_t own_random(own_count *c)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return c->random >> 33;
}

/* Mostly small, now and then up to 32 KiB, rarely larger. */
static inline size_t own_size(own_count *c)
{
	uint64_t r = own_random(c);
	if (r % 1024 == 0)
		return 1 + r / 1024 % 200000;
	return r % 32 == 0 ? 1 + r / 32 % 32768 : r / 32 % 1024;
}

static inline void *own_counted(own_count *c, void *p, size_t size)
{
	if (!p)
		abort();
	*(volatile char *)p = 1;
	c->allocations++;
	c->bytes += size;
	return p;
}

static inline void *own_malloc(own_count *c, size_t size) { return own_counted(c, malloc(size), size); }

static inline void own_free(own_count *c, void *p)
{
	if (p)
		c->frees++;
	free(p);
}

/* The address is kept as a number: after realloc the old pointer may not even be compared. */
static inline void *own_realloc(own_count *c, void *p, size_t size)
{
	uintptr_t before = (uintptr_t)p;
	void *q = realloc(p, size);
	if ((uintptr_t)q == before)
		return q;
	if (before)
		c->frees++;
	return own_counted(c, q, size);
}

static inline void own_add(own_count *to, const own_count *c)
{
	to->allocations += c->allocations;
	to->frees += c->frees;
	to->bytes += c->bytes;
}

static inline void own_print(const own_count *c, const char *label)
{
	char line[200];
	int n = snprintf(line, sizeof line, "counted %s pid=%d allocations=%llu frees=%llu bytes=%llu\n", label,
		(int)getpid(), (unsigned long long)c->allocations, (unsigned long long)c->frees,
		(unsigned long long)c->bytes);
	if (write(1, line, (size_t)n) != n)
		abort();
}

static inline uint64_t own_argument(int argc, char **argv, int index, uint64_t otherwise)
{
	return argc > index ? strtoull(argv[index], NULL, 10) : otherwise;
}

#endif
