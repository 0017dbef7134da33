/* os/shared.h - memory that outlives the process: a file of the run's folder, mapped shared, its descriptor closed.
 *
 * `cairn run` makes a folder and names it in CAIRN_RUN; each process image puts one file there, "PID.NANOSECONDS", laid
 * out as wire/control.h says. What is stored there survives SIGKILL and _exit; the command reads and removes it.
 * Failure: false or NULL (no CAIRN_RUN, no permission, disk full): the caller goes on with private memory.
 * Threads: one at a time (malloc's start, then under the lock of the thread caches; fork's child alone). */
#ifndef CAIRN_OS_SHARED_H
#define CAIRN_OS_SHARED_H

#include <stdbool.h>
#include <stddef.h>

bool cairn_shared_create(void);                               /* a new file for this process; remembers its path */
/* Maps `bytes` of the file at file offset `offset` (grown as needed), shared, at `at` (over what is mapped there) or
 * anywhere when at is NULL. Blocks are allocated first (fallocate), so that a full disk refuses here and not with
 * SIGBUS. Offset and bytes are multiples of the OS page. */
void *cairn_shared_map(void *at, size_t offset, size_t bytes);

#endif
