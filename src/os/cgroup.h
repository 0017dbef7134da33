/* os/cgroup.h - the memory cgroup a process stands in, v1 or v2: its limits, the whole path up, and what it is charged.
 *
 *   /proc/PID/cgroup     which cgroup: "4:memory:/a/b" (v1) or "0::/a/b" (v2); where v1 has memory, v1 it is
 *   /proc/self/mountinfo where that hierarchy can be seen: mount point, and which cgroup lies there
 *   mount point/a/b, mount point/a, mount point    the files of each level; an unlimited or absent one says nothing
 *
 * Namespaces: a path is as this process sees it. Where the mount shows a subtree, what the path has in common with it
 * is left out; where it shows more than our namespace ("/.."), only its top is known to be an ancestor; a process that
 * is outside of our namespace ("/../x") has no level that could be read.
 * CAIRN_CGROUP_ROOT=FOLDER: every path, those of /proc too, is taken below FOLDER; a FOLDER without /proc is itself the
 * cgroup (v2, one level). For tests, and for a container that mounts its host's tree somewhere.
 *
 * It opens, reads and closes files, one at a time: at start, or when asked; never where a filter may kill for it.
 * Threads: any, after cairn_env_init. Nothing is allocated, errno is kept. Stack: 3 KiB.
 * Failure: what cannot be read is absent. */
#ifndef CAIRN_OS_CGROUP_H
#define CAIRN_OS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAIRN_CGROUP_PATH = 640 };
#define CAIRN_CGROUP_NONE UINT64_MAX /* a limit that is not set, a figure that is not known */

/* A cgroup that was found: its folder, as it can be opened. */
typedef struct cairn_cgroup {
	bool is_v2;
	size_t top_bytes;             /* of path, the mount point: where the way up ends */
	char path[CAIRN_CGROUP_PATH]; /* terminated */
} cairn_cgroup;

/* One level with a limit. */
typedef struct cairn_cgroup_level {
	uint64_t max_bytes;  /* memory.max, memory.limit_in_bytes: past it the kernel kills */
	uint64_t high_bytes; /* memory.high: past it the kernel throttles; v2 only */
	uint64_t swap_bytes; /* memory.memsw.limit_in_bytes: of memory and swap; v1 only */
	uint64_t used_bytes; /* memory.current, memory.usage_in_bytes, file cache included */
	uint64_t swap_used_bytes; /* memory.memsw.usage_in_bytes */
} cairn_cgroup_level;

/* What one cgroup is charged for, with all below it. */
typedef struct cairn_cgroup_charge {
	uint64_t used_bytes;
	uint64_t anon_bytes;      /* heaps, stacks, private pages */
	uint64_t file_bytes;      /* page cache, shmem included */
	uint64_t cache_bytes;     /* of file: on the lists of files, so the kernel can drop it */
	uint64_t shmem_bytes;     /* of file: tmpfs and shared memory, which it cannot */
	uint64_t kernel_bytes;    /* all the kernel keeps for it: slab, stacks, page tables */
	uint64_t slab_bytes;
	uint64_t sock_bytes;
	uint64_t oom_kills;
	uint64_t limit_hits;      /* memory.events max, memory.failcnt */
} cairn_cgroup_charge;

/* Pressure stall information: how much of the last 10 s some or all threads waited for memory. */
typedef struct cairn_cgroup_pressure {
	uint32_t some_avg10, full_avg10; /* hundredths of a percent */
	uint64_t some_us, full_us;       /* since the cgroup, or the machine, began */
} cairn_cgroup_pressure;

/* The cgroup of pid (0: this process). False: none that can be seen. */
bool cairn_cgroup_find(uint32_t pid, cairn_cgroup *g);
/* Reads the level that g's path names; CAIRN_CGROUP_NONE stands for what is absent or unlimited. with_use: usage too,
 * which is a file more for each. */
void cairn_cgroup_read(const cairn_cgroup *g, bool with_use, cairn_cgroup_level *level);
/* g becomes its parent. False: it is the top. */
bool cairn_cgroup_up(cairn_cgroup *g);
/* v1: the tightest limit of the path as the kernel has it, also of ancestors that cannot be seen; v2: NONE. */
uint64_t cairn_cgroup_inherited_limit(const cairn_cgroup *g);
void cairn_cgroup_read_charge(const cairn_cgroup *g, cairn_cgroup_charge *charge);
/* What the kernel could not drop: used, less file cache; NONE: cannot be read. */
uint64_t cairn_cgroup_held_bytes(const cairn_cgroup *g);
/* Of g, or where g is NULL or has none (v1) of the machine. False: the kernel has none. */
bool cairn_cgroup_read_pressure(const cairn_cgroup *g, cairn_cgroup_pressure *p);

/* For os/bounds.c: CAIRN_CGROUP_ROOT and path, into `to` of CAIRN_CGROUP_PATH bytes. False: too long. */
bool cairn_cgroup_rooted(const char *path, char *to);

void cairn_cgroup_root_inject(const char *folder); /* for tests: in the place of CAIRN_CGROUP_ROOT; borrowed */

/* Reads a text file by lines. Begin, next until false; that closes. A line longer than `most` is cut, never split. */
typedef struct cairn_lines {
	long fd;
	size_t at, got;
	char piece[512];
} cairn_lines;
bool cairn_lines_begin(cairn_lines *l, const char *path);
bool cairn_lines_next(cairn_lines *l, char *line, size_t most);
void cairn_lines_end(cairn_lines *l); /* before the last line */
/* The number behind `name` and blanks where the line begins so; *to otherwise unchanged. */
bool cairn_lines_number(const char *line, const char *name, uint64_t *to);

#endif
