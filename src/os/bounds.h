/* os/bounds.h - everything that bounds the memory of a process, in one list: cgroups, resource limits, the machine.
 *
 * Of this process, or of another for the command. Files are read each time: this is for a rare look, and for people who
 * ask; what malloc needs at every start without a file is in os/limits.h.
 * Threads: any, after cairn_env_init. Nothing is allocated. Failure: what cannot be read is not in the list. */
#ifndef CAIRN_OS_BOUNDS_H
#define CAIRN_OS_BOUNDS_H

#include "os/cgroup.h"

typedef enum cairn_bound_kind {
	CAIRN_BOUND_CGROUP1,      /* memory.limit_in_bytes */
	CAIRN_BOUND_CGROUP1_SWAP, /* memory.memsw.limit_in_bytes: memory and swap together */
	CAIRN_BOUND_CGROUP2,      /* memory.max */
	CAIRN_BOUND_CGROUP2_HIGH, /* memory.high: the kernel throttles, and kills nobody */
	CAIRN_BOUND_ADDRESS,      /* RLIMIT_AS, beside VmSize */
	CAIRN_BOUND_DATA,         /* RLIMIT_DATA, beside VmData */
	CAIRN_BOUND_RAM,          /* MemTotal, beside what is not MemAvailable */
} cairn_bound_kind;

enum { CAIRN_BOUND_WHERE = 256, CAIRN_BOUNDS_MOST = 64 };

typedef struct cairn_bound {
	cairn_bound_kind kind;
	uint64_t limit_bytes;
	uint64_t used_bytes;           /* against it now; CAIRN_CGROUP_NONE: unknown, or not asked for */
	char where[CAIRN_BOUND_WHERE]; /* the cgroup's folder, its end where it is too long; "" for the others */
} cairn_bound;

const char *cairn_bound_name(cairn_bound_kind kind); /* "cgroup", "RLIMIT_AS" ...: returns borrowed */

/* Fills in up to `most` bounds of pid (0: this process) that are set; how many. RAM is always the last. */
size_t cairn_bounds_read(uint32_t pid, cairn_bound *to, size_t most);
/* The tightest of them but for RAM and swap; NULL: none is set. Borrowed from the list. */
const cairn_bound *cairn_bounds_tightest(const cairn_bound *list, size_t count);

/* For a look: of pid, in bytes; NONE where it cannot be read. */
typedef struct cairn_usage {
	uint64_t address_bytes;  /* VmSize */
	uint64_t data_bytes;     /* VmData */
	uint64_t resident_bytes; /* VmRSS: may be off by some 256 KiB a thread (kernel counters) */
} cairn_usage;
void cairn_usage_read(uint32_t pid, cairn_usage *to);

#endif
