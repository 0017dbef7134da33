/* known.h - what the programs of tests/account share: blocks that stay, and telling what is known of them.
 *
 * The programs run on cairn but know nothing of it. Telling takes no memory from malloc. */
#ifndef CAIRN_TESTS_ACCOUNT_KNOWN_H
#define CAIRN_TESTS_ACCOUNT_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KNOWN_PAGE = 4096 };

typedef struct known_kind {
	const char *name;
	void (*make)(void);
} known_kind;

/* The compiler takes it that somebody else has this pointer. */
static inline void *escape(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* A block that is written to all over, and never freed. */
static inline void *keep(void *p, size_t bytes)
{
	if (!p)
		abort();
	memset(p, 0x5a, bytes);
	return escape(p);
}

static inline void say(const char *text) { (void)!write(1, text, strlen(text)); }

static inline void tell(const char *key, size_t n)
{
	char line[128];
	snprintf(line, sizeof line, "%s %zu\n", key, n);
	say(line);
}

/* Resident bytes of the pages that [at, at + bytes) touches; what is not mapped is not resident. */
static inline size_t resident(const void *at, size_t bytes)
{
	uintptr_t start = (uintptr_t)at / KNOWN_PAGE * KNOWN_PAGE, end = (uintptr_t)at + bytes;
	size_t sum = 0;
	for (uintptr_t from = start; from < end; from += 1024 * KNOWN_PAGE) {
		unsigned char is_there[1024];
		size_t n = (end - from + KNOWN_PAGE - 1) / KNOWN_PAGE;
		n = n < 1024 ? n : 1024;
		bool is_known = mincore((void *)from, n * KNOWN_PAGE, is_there) == 0;
		for (size_t i = 0; i < n; i++)
			if (is_known || !mincore((void *)(from + i * KNOWN_PAGE), KNOWN_PAGE, &is_there[i]))
				sum += is_there[i] & 1;
	}
	return sum * KNOWN_PAGE;
}

static inline int known_main(int argc, char **argv, const known_kind *kinds)
{
	for (; kinds->name; kinds++)
		if (argc > 1 && !strcmp(argv[1], kinds->name)) {
			kinds->make();
			say("ready\n");
			for (;;)
				pause();
		}
	fprintf(stderr, "which kind?\n");
	return 2;
}

#endif
