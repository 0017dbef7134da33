/* cli/growth.h - how fast a figure grows, from looks at it; and what of a process does, and when it meets a limit.
 *
 * A cairn_growth is a series of (time, value), the newest CAIRN_GROWTH_SAMPLES of them. Its rate is right within a
 * quarter for a figure that grows evenly, in steps (1 MiB once a second), in bursts, and under noise; where one look
 * more is needed to tell, it says so instead of a number.
 *
 * A cairn_watch holds the series of one process: resident and live bytes, what counts against each limit, each size
 * class. `cairn top` feeds it with each frame, `cairn stat` for a second or three.
 *
 * Ownership: plain structs, large: a watch belongs into static memory. Threads: one at a time. */
#ifndef CAIRN_CLI_GROWTH_H
#define CAIRN_CLI_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/stats.h>

enum { CAIRN_GROWTH_SAMPLES = 128 };

typedef struct cairn_growth {
	size_t count, next; /* samples kept; where the next one goes */
	uint64_t at_ns[CAIRN_GROWTH_SAMPLES];
	uint64_t value[CAIRN_GROWTH_SAMPLES];
} cairn_growth;

typedef enum cairn_growth_kind {
	CAIRN_GROWTH_UNKNOWN, /* too few looks */
	CAIRN_GROWTH_STEADY,  /* does not grow, as far as noise lets see */
	CAIRN_GROWTH_ONCE,    /* one change, by step_bytes: whether and when another comes is not known */
	CAIRN_GROWTH_RISING,
	CAIRN_GROWTH_FALLING,
} cairn_growth_kind;

typedef struct cairn_growth_rate {
	cairn_growth_kind kind;
	double bytes_per_s;  /* RISING, FALLING; otherwise 0 */
	double error_per_s;  /* either way, about 95 % */
	int64_t step_bytes;  /* ONCE */
	bool wants_more;     /* a longer look would tell more: few samples, or fewer than three steps */
} cairn_growth_rate;

void cairn_growth_init(cairn_growth *g);
/* A sample not later than the last one is left out. */
void cairn_growth_add(cairn_growth *g, uint64_t at_ns, uint64_t value);
/* Of the samples of the last window_ns; 0: of all. */
cairn_growth_rate cairn_growth_rate_of(const cairn_growth *g, uint64_t window_ns);
/* Until used meets limit at that rate. UINT64_MAX: it does not grow, or in more than a hundred years. */
uint64_t cairn_growth_left_ns(const cairn_growth_rate *r, uint64_t limit, uint64_t used);

typedef struct cairn_watch {
	cairn_growth rss;
	cairn_growth heap; /* live bytes */
	uint32_t limit_count, class_count;
	char limit_names[CAIRN_SNAPSHOT_LIMITS][CAIRN_SNAPSHOT_NAME];
	cairn_growth limits[CAIRN_SNAPSHOT_LIMITS];   /* used bytes, each with its name above */
	uint64_t class_bytes[CAIRN_ACCOUNT_CLASSES];
	cairn_growth classes[CAIRN_ACCOUNT_CLASSES];  /* live bytes, resident or not */
} cairn_watch;

void cairn_watch_init(cairn_watch *w);
/* A snapshot or a glance: what it does not hold is not looked at. Borrows s. */
void cairn_watch_add(cairn_watch *w, const cairn_snapshot *s);
/* Of what is resident. */
cairn_growth_rate cairn_watch_resident(const cairn_watch *w, uint64_t window_ns);
/* Of the limit of that name; UNKNOWN where it was never seen. */
cairn_growth_rate cairn_watch_limit(const cairn_watch *w, const char *name, uint64_t window_ns);
/* Of the class of blocks of size_bytes; UNKNOWN likewise. */
cairn_growth_rate cairn_watch_class(const cairn_watch *w, uint64_t size_bytes, uint64_t window_ns);
/* The class that grows most: false, none does. *size_bytes 0: large blocks. */
bool cairn_watch_growing_class(const cairn_watch *w, uint64_t window_ns, uint64_t *size_bytes,
			       cairn_growth_rate *rate);
/* The limit of s that is met first: its index and when; -1: none is in sight. */
int cairn_watch_first_limit(const cairn_watch *w, const cairn_snapshot *s, uint64_t window_ns, uint64_t *left_ns);

#endif
