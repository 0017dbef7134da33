/* leaker.c - a program that leaks a mebibyte a second.
 *
 *   account-leaker BLOCK STEP LIMIT
 *
 * Blocks of BLOCK bytes, written to all over, STEP bytes of them at a time, as often as makes 1 MiB/s; under
 * RLIMIT_DATA of LIMIT bytes, 0: none. Says "ready" after the first. Ends with 3 when malloc says no. */
#include "known.h"

#include <sys/resource.h>
#include <time.h>

int main(int argc, char **argv)
{
	size_t block = strtoul(argv[1], NULL, 10), step = strtoul(argv[2], NULL, 10);
	size_t limit = strtoul(argv[3], NULL, 10);
	struct rlimit data = { limit, limit };
	struct timespec next;
	(void)argc;
	if (limit && setrlimit(RLIMIT_DATA, &data))
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (size_t i = 0;; i++) {
		for (size_t done = 0; done < step; done += block) {
			char *p = malloc(block);
			if (!p)
				return 3;
			memset(p, 1, block);
		}
		if (!i)
			say("ready\n");
		next.tv_nsec += (long)((double)step / (1 << 20) * 1e9);
		for (; next.tv_nsec >= 1000000000; next.tv_nsec -= 1000000000)
			next.tv_sec++;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
