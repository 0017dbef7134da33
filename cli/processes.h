/* cli/processes.h - which processes run on cairn and may be read: for `cairn top` without one.
 *
 * A list is read anew each time; rates come from the one before. Threads: one. */
#ifndef CAIRN_CLI_PROCESSES_H
#define CAIRN_CLI_PROCESSES_H

#include <stddef.h>
#include <stdint.h>

enum { CAIRN_PROCESSES_MOST = 512 };

typedef struct cairn_process {
	uint32_t pid;
	char name[16];
	char state;
	uint64_t rss_bytes, live_bytes; /* of blocks, those in thread caches included */
	uint64_t allocations;
	uint64_t started_ns;            /* CLOCK_MONOTONIC */
	double allocations_per_s;       /* -1: seen for the first time */
} cairn_process;

typedef struct cairn_processes {
	uint64_t read_ns;               /* CLOCK_MONOTONIC; 0: never */
	uint64_t cost_ns;               /* processor time */
	size_t count, left_out;
	cairn_process list[CAIRN_PROCESSES_MOST]; /* most resident first */
} cairn_processes;

void cairn_processes_read(cairn_processes *p);
/* How many are called so, and the newest of them; 0: none. */
size_t cairn_processes_find(const cairn_processes *p, const char *name, uint32_t *newest);

#endif
