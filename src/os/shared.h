/* os/shared.h - memory that outlives the process: a file of the run's folder, mapped shared, its descriptor closed.
 *
 * `cairn run` makes a folder and names it in CAIRN_RUN; each process image puts one file there, "PID.NANOSECONDS", laid
 * out as wire/control.h says. What is stored there survives SIGKILL and _exit; the command reads and removes it.
 * The file is as long as what is mapped of it, but blocks are behind those parts only that are held: a process costs
 * the folder as much as it has to tell.
 *
 * Failure: false or NULL (no CAIRN_RUN, no permission, disk full): the caller goes on with private memory, and says so.
 * Threads: one at a time (malloc's start, then under the lock of the thread caches; fork's child alone). */
#ifndef CAIRN_OS_SHARED_H
#define CAIRN_OS_SHARED_H

#include <stdbool.h>
#include <stddef.h>

bool cairn_shared_create(void);                               /* a new file for this process; remembers its path */
/* Maps `bytes` of the file at file offset `offset` (grown as needed), shared, at `at` (over what is mapped there) or
 * anywhere when at is NULL. Nothing of it may be touched before it is held. Offset and bytes are multiples of the OS
 * page. */
void *cairn_shared_map(void *at, size_t offset, size_t bytes);
/* Gets blocks for a part of what is mapped, a multiple of 4 KiB from its start. False: there is no room, and a store
 * would be SIGBUS. */
bool cairn_shared_hold(void *p, size_t bytes);
/* Private zero pages in the place of what is mapped there. False: refused, nothing has changed. */
bool cairn_shared_leave(void *p, size_t bytes);
/* This process cannot keep its figures: removes its file, and adds it to those that the run's folder counts as lost. */
void cairn_shared_give_up(void);
int cairn_shared_error(void); /* errno of what was refused last; 0 nothing was */

#endif
