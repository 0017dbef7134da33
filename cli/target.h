/* cli/target.h - a process that is watched from outside: that it is still the same one, and how it ended.
 *
 * Held by a descriptor of its own (pidfd), so another process that gets its number is not taken for it. Nothing of the
 * process changes, and it cannot tell. Threads: one. */
#ifndef CAIRN_CLI_TARGET_H
#define CAIRN_CLI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct cairn_target {
	uint32_t pid;
	int fd;               /* pidfd, becomes readable when it ends; -1: the kernel has none */
	uint64_t start_ticks; /* since the system's start: with the number, who it is */
	bool is_ended;
	bool is_status_known;
	int status;           /* as wait gives it */
	time_t ended_at;      /* when that was seen */
} cairn_target;

/* 0, or an errno: ESRCH there is none. */
int cairn_target_open(cairn_target *t, uint32_t pid);
void cairn_target_close(cairn_target *t);
/* Looks whether it has ended; a status that was not known may come later. */
bool cairn_target_look(cairn_target *t);
/* "ended at 12:03:04: killed by SIGKILL" */
void cairn_target_say(const cairn_target *t, char *text, size_t bytes);

#endif
