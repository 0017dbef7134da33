/* os/limits.h - what this process may use: resource limits and the machine's memory, read once at start.
 * A limit that is absent reads SIZE_MAX. Threads: const after the first cairn_limits_get, at start. */
#ifndef CAIRN_OS_LIMITS_H
#define CAIRN_OS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cairn_limits {
	size_t address_bytes; /* RLIMIT_AS */
	size_t data_bytes;    /* RLIMIT_DATA */
	size_t ram_bytes;     /* the machine's; 1 GiB when it cannot be read */
	bool commit_is_strict; /* vm.overcommit_memory is 2: opened memory counts whether touched or not */
	unsigned processors;  /* this process may run on, >= 1 */
} cairn_limits;

const cairn_limits *cairn_limits_get(void); /* idempotent; returns borrowed */
bool cairn_limits_are_tight(void);          /* is there a limit that counts what is reserved, or open and not used? */

#endif
