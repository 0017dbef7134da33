/* os/report.c - one line to the person at the terminal, and the end of the process.
 *
 * Invariants:
 *   (R1) A line is one write(2): lines of several threads and processes do not mix (up to PIPE_BUF, which is longer).
 *   (R2) Nothing is written to a descriptor 2 that is not the file it was at cairn_report_init.
 *
 * Locks: none. Failure: a line that cannot be written is lost. */
#include "os/report.h"
#include "base/assert.h"
#include "os/sys.h"

#include <elf.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char *program_invocation_short_name __attribute__((weak)); /* weak: os/sys.c, Y2 */

enum { REPORT_FD = 2 };

static struct {
	bool is_known;      /* cairn_report_init was called */
	bool is_open;       /* descriptor 2 was open then */
	dev_t device;
	ino_t inode;
} report_stderr; /* sync: const after init */

static bool report_stat(struct stat *s)
{
	return cairn_sys(SYS_fstat, REPORT_FD, (long)s, 0, 0, 0, 0) == 0;
}

void cairn_report_init(void)
{
	struct stat s;
	report_stderr.is_open = report_stat(&s);
	if (report_stderr.is_open) {
		report_stderr.device = s.st_dev;
		report_stderr.inode = s.st_ino;
	}
	report_stderr.is_known = true;
}

static bool report_may_write(void)
{
	struct stat s;
	if (!report_stat(&s))
		return false;
	if (!report_stderr.is_known) /* our own bug before the start was through: better a line too many */
		return true;
	return report_stderr.is_open && s.st_dev == report_stderr.device && s.st_ino == report_stderr.inode;
}

void cairn_report(cairn_line *l)
{
	if (!report_may_write())
		return;
	l->text[l->used] = '\n'; /* there is room past CAIRN_LINE_MAX */
	cairn_sys_write(REPORT_FD, l->text, l->used + 1);
}

void cairn_report_ignored(const char *name, const char *value, const char *wanted)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: ");
	cairn_line_text(&l, name);
	cairn_line_text(&l, "=");
	cairn_line_text(&l, value);
	cairn_line_text(&l, " is ignored: not ");
	cairn_line_text(&l, wanted);
	cairn_report(&l);
}

static void report_raise(void)
{
	long pid = cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
	long tid = cairn_sys(SYS_gettid, 0, 0, 0, 0, 0, 0);
	cairn_sys(SYS_tgkill, pid, tid, SIGABRT, 0, 0, 0);
}

/* The signal is raised by number and not by abort(): that takes a lock of libc's, and may be the program's own.
 * First as the program has set it up, so that its crash reporter runs; when that comes back, by the default action. */
_Noreturn void cairn_report_abort(cairn_line *l)
{
	uint64_t abort_only = 1ull << (SIGABRT - 1);
	uint64_t default_action[4] = { 0, 0, 0, 0 }; /* the kernel's struct sigaction: handler, flags, restorer, mask */
	cairn_report(l);
	cairn_sys(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&abort_only, 0, sizeof abort_only, 0, 0);
	report_raise();
	cairn_sys(SYS_rt_sigaction, SIGABRT, (long)default_action, 0, sizeof abort_only, 0, 0);
	cairn_sys(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&abort_only, 0, sizeof abort_only, 0, 0);
	report_raise();
	for (;;) /* init of a container cannot be killed by its own signal */
		cairn_sys(SYS_exit_group, 128 + SIGABRT, 0, 0, 0, 0, 0);
}

_Noreturn void cairn_panic(const char *file, int line, const char *what)
{
	cairn_line l;
	l.used = 0;
	cairn_line_text(&l, "cairn: bug: ");
	cairn_line_text(&l, file);
	cairn_line_text(&l, ":");
	cairn_line_dec(&l, (uint64_t)line);
	cairn_line_text(&l, ": ");
	cairn_line_text(&l, what);
	cairn_report_abort(&l);
}

/* Before libc has looked at argv the kernel's own record of what was executed serves. */
const char *cairn_program_name(void)
{
	const char *name = &program_invocation_short_name ? program_invocation_short_name : NULL;
	if (name && *name)
		return name;
	const char *path = (const char *)cairn_sys_aux(AT_EXECFN, 0);
	if (!path || !*path)
		return "?";
	name = path;
	for (; *path; path++)
		if (path[0] == '/' && path[1])
			name = path + 1;
	return name;
}
