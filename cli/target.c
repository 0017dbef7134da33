/* cli/target.c - a process that is watched from outside. See target.h.
 *
 *   runs ──▶ zombie: /proc/PID/stat has the status ──▶ reaped: the pidfd has it, from Linux 6.15 on
 *
 * The status belongs to the parent. A parent that waits takes the zombie away within microseconds, and on an older
 * kernel then nobody else can know it.
 *
 * Failure: without pidfds (before Linux 5.3, or refused by a filter) number and start time tell, at each look. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { TARGET_START = 22, TARGET_EXIT = 52 }; /* fields of /proc/PID/stat, as in proc(5) */

/* struct pidfd_info of linux/pidfd.h, its first version, for systems with older headers. */
typedef struct target_info {
	uint64_t mask, cgroup;
	uint32_t pid, group, parent, ids[8];
	int32_t exit_code;
} target_info;
#define TARGET_GET_INFO  _IOWR(0xff, 11, target_info)
#define TARGET_INFO_EXIT 8u

typedef struct target_stat {
	char state;
	uint64_t start_ticks;
	int exit_code;
} target_stat;

static const char *target_field(const char *behind_name, unsigned field)
{
	const char *at = behind_name; /* at the blank before field 3 */
	for (unsigned i = 3; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? at + 1 : NULL;
}

static bool target_read_stat(uint32_t pid, target_stat *s)
{
	char path[48], text[1024];
	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *behind = strrchr(text, ')');
	const char *start = behind ? target_field(behind + 1, TARGET_START) : NULL;
	const char *end = behind ? target_field(behind + 1, TARGET_EXIT) : NULL;
	if (!start)
		return false;
	s->state = behind[2];
	s->start_ticks = strtoull(start, NULL, 10);
	s->exit_code = end ? atoi(end) : 0;
	return true;
}

int cairn_target_open(cairn_target *t, uint32_t pid)
{
	target_stat s;
	memset(t, 0, sizeof *t);
	t->pid = pid;
	t->fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (!target_read_stat(pid, &s)) {
		int error = kill((pid_t)pid, 0) && errno == ESRCH ? ESRCH : ENOENT;
		cairn_target_close(t);
		return error;
	}
	t->start_ticks = s.start_ticks;
	return 0;
}

void cairn_target_close(cairn_target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static bool target_is_there(const cairn_target *t)
{
	struct pollfd p = { t->fd, POLLIN, 0 };
	target_stat s;
	if (t->fd >= 0)
		return poll(&p, 1, 0) <= 0;
	return target_read_stat(t->pid, &s) && s.start_ticks == t->start_ticks && s.state != 'Z';
}

/* The leader's status is the process's once all its threads are gone. /proc shows 0 to whom it does not trust, and is
 * believed then only where the process could be read before. */
static void target_learn_status(cairn_target *t)
{
	target_stat s;
	target_info info = { .mask = TARGET_INFO_EXIT };
	if (t->fd >= 0 && !ioctl(t->fd, TARGET_GET_INFO, &info) && info.mask & TARGET_INFO_EXIT) {
		t->status = info.exit_code;
		t->is_status_known = true;
	} else if (target_read_stat(t->pid, &s) && s.start_ticks == t->start_ticks && s.state == 'Z') {
		t->status = s.exit_code;
		t->is_status_known = true;
	}
}

bool cairn_target_look(cairn_target *t)
{
	if (!t->is_ended) {
		if (target_is_there(t))
			return false;
		t->is_ended = true;
		t->ended_at = time(NULL);
	}
	if (!t->is_status_known)
		target_learn_status(t);
	return true;
}

void cairn_target_say(const cairn_target *t, char *text, size_t bytes)
{
	struct tm clock = { 0 };
	char at[16], how[96];
	localtime_r(&t->ended_at, &clock);
	strftime(at, sizeof at, "%H:%M:%S", &clock);
	const char *name = WIFSIGNALED(t->status) ? sigabbrev_np(WTERMSIG(t->status)) : NULL;
	if (!t->is_status_known)
		snprintf(how, sizeof how, "its parent has the status");
	else if (name)
		snprintf(how, sizeof how, "killed by SIG%s%s", name, WCOREDUMP(t->status) ? ", core dumped" : "");
	else if (WIFSIGNALED(t->status))
		snprintf(how, sizeof how, "killed by signal %d", WTERMSIG(t->status));
	else
		snprintf(how, sizeof how, "exit status %d", WEXITSTATUS(t->status));
	snprintf(text, bytes, "ended at %s: %s", at, how);
}
