/* support/crowd.h - what stress programs share: blocks that describe themselves, so that a thread which never made them
 * can check them, and shelves through which threads hand them to each other.
 *
 * Threads: any. Nothing here allocates but parcel_make. */
#ifndef CAIRN_SUPPORT_CROWD_H
#define CAIRN_SUPPORT_CROWD_H

#include "cairn/malloc.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>

/* The head of a block; behind it bytes - sizeof(parcel) bytes of mark, repeated. */
typedef struct parcel {
	uint64_t bytes, mark;
	uint64_t check; /* ~(bytes ^ mark): a parcel that was overwritten knows */
} parcel;

enum { PARCEL_PIECE = 256, PARCEL_STRIDE = 4096 }; /* of a large one, so much is written at each stride */

static void parcel_fill(parcel *p, uint64_t bytes, uint64_t mark)
{
	*p = (parcel){ bytes, mark, ~(bytes ^ mark) };
	char *at = (char *)(p + 1), *end = (char *)p + bytes;
	for (; at < end; at += PARCEL_STRIDE)
		memset(at, (int)(mark & 255), (size_t)(end - at) < PARCEL_PIECE ? (size_t)(end - at) : PARCEL_PIECE);
	if ((char *)p + bytes > (char *)(p + 1))
		end[-1] = (char)mark;
}

/* Is every byte that parcel_fill wrote still there? */
static bool parcel_is_whole(const parcel *p)
{
	if (p->check != ~(p->bytes ^ p->mark))
		return false;
	const char *at = (const char *)(p + 1), *end = (const char *)p + p->bytes;
	for (; at < end; at += PARCEL_STRIDE)
		for (size_t i = 0; i < PARCEL_PIECE && at + i < end; i++)
			if (at[i] != (char)p->mark)
				return false;
	return p->bytes == sizeof *p || end[-1] == (char)p->mark;
}

/* Returns owned; NULL when refused. */
__attribute__((unused)) static parcel *parcel_make(size_t bytes, uint64_t mark)
{
	bytes = bytes < sizeof(parcel) ? sizeof(parcel) : bytes;
	parcel *p = cairn_malloc(bytes);
	if (p)
		parcel_fill(p, bytes, mark);
	return p;
}

__attribute__((unused)) static void parcel_check_and_free(parcel *p)
{
	if (!p)
		return;
	EXPECT(parcel_is_whole(p));
	p->check = 0; /* whoever still thinks that it is his sees that it is not */
	cairn_free(p);
}

/* A size as programs ask for: mostly small, now and then large. */
__attribute__((unused)) static size_t crowd_size(uint64_t *random)
{
	uint64_t r = test_random(random), n = r >> 16;
	if (r % 64 < 50)
		return n % 512;
	if (r % 64 < 60)
		return n % 8192;
	return r % 64 < 63 ? n % (200 << 10) : n % (3 << 20);
}

/* ---- Shelves: any thread puts, any thread takes ---- */

enum { CROWD_PLACES = 4096 };
static _Atomic(parcel *) crowd_shelf[CROWD_PLACES];

/* Puts p (or NULL) in a random place and returns what was there: the caller's now. */
__attribute__((unused)) static parcel *crowd_swap(uint64_t *random, parcel *p)
{
	return atomic_exchange(&crowd_shelf[test_random(random) % CROWD_PLACES], p);
}

__attribute__((unused)) static void crowd_clear(void)
{
	for (size_t i = 0; i < CROWD_PLACES; i++)
		parcel_check_and_free(atomic_exchange(&crowd_shelf[i], NULL));
}

/* ---- Time ---- */

static double crowd_end; /* const after crowd_start */

__attribute__((unused)) static void crowd_start(double seconds) { crowd_end = test_seconds() + seconds; }
__attribute__((unused)) static bool crowd_is_over(void) { return test_seconds() >= crowd_end; }

/* Were system calls to be refused (CAIRN_FAULTS)? Then NULL is an answer. */
__attribute__((unused)) static bool crowd_may_refuse(void) { return getenv("CAIRN_FAULTS") != NULL; }

#endif
