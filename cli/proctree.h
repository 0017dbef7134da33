/* cli/proctree.h - the resident memory of a process and all its descendants, as /proc tells it. Threads: one. */
#ifndef CAIRN_CLI_PROCTREE_H
#define CAIRN_CLI_PROCTREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct cairn_proctree {
	uint64_t rss_bytes; /* added up; pages that processes share count in each */
	unsigned processes;
} cairn_proctree;

/* Does this kernel tell a process's children? */
bool cairn_proctree_is_known(void);
/* Processes that ended meanwhile, or whose parent did, are not in it. */
void cairn_proctree_read(cairn_proctree *t, pid_t root);

#endif
