/* lens/summary.c - at exit: the last figures, and with CAIRN_SUMMARY=stderr or FILE the account of the process.
 *
 * For programs that are not started by `cairn run`: services, containers. FILE may hold %p, the process id. The text
 * is added to what FILE holds already; a FILE that ends in .json gets one JSON object a line. Under `cairn run`
 * nothing is printed here: the command tells.
 *
 * Nothing is allocated and no stdio is used: this runs after the program's own exit handlers, possibly because
 * something went wrong in them.
 *
 * Locks: none; exit() runs in one thread. Failure: a FILE that cannot be written costs a line on stderr that says why;
 * the exit status stays the program's. FILE may be a pipe: one without a reader is such a FILE. Where stderr itself is
 * gone nothing is said.
 * Not here: a process that is killed or calls _exit says nothing; `cairn run` tells of those too. */
#include <cairn/stats.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "malloc/stats.h"
#include "base/line.h"
#include "lens/print.h"
#include "os/env.h"
#include "os/report.h"
#include "os/sys.h"
#include "os/vm.h"

enum { SUMMARY_PATH_MAX = 1024 };

static struct {
	bool is_open; /* descriptor 2 was open when the program began */
	dev_t device;
	ino_t inode;
} summary_stderr; /* sync: const after start */

/* Mapped at start where it is wanted: at exit memory may have run out, and the stack may be small. Its pages are not
 * touched before exit. The buffer is as large as the largest account can be, 80 classes in JSON with figures of 20
 * digits (the text, which is written out at half of it, is a fifth of that), so that an account is one write: processes
 * that add theirs to one file at the same moment do not mix them. */
typedef struct summary_room {
	cairn_account account;
	char buffer[32768];
} summary_room;

static summary_room *summary_of; /* sync: const after start; then exit()'s thread's */

static bool summary_is_wanted(const char *to) { return to && *to && !cairn_env_text("CAIRN_RUN"); }

__attribute__((constructor)) static void summary_begin(void)
{
	struct stat s;
	cairn_env_init(); /* the other constructor may come later */
	if (!summary_is_wanted(cairn_env_text("CAIRN_SUMMARY")))
		return;
	summary_of = cairn_vm_map(cairn_round_up(sizeof *summary_of, cairn_vm_page_bytes()));
	if (cairn_sys(SYS_fstat, 2, (long)&s, 0, 0, 0, 0) < 0)
		return;
	summary_stderr.is_open = true;
	summary_stderr.device = s.st_dev;
	summary_stderr.inode = s.st_ino;
}

/* Descriptor 2, unless it is another file by now: the program's data may be in it. */
static int summary_stderr_fd(void)
{
	struct stat s;
	return summary_stderr.is_open && cairn_sys(SYS_fstat, 2, (long)&s, 0, 0, 0, 0) == 0 &&
			       s.st_dev == summary_stderr.device && s.st_ino == summary_stderr.inode ? 2 : -1;
}

static size_t summary_put_dec(char *to, uint32_t n)
{
	char digits[10];
	size_t count = 0;
	do {
		digits[count++] = (char)('0' + n % 10);
	} while (n /= 10);
	for (size_t i = 0; i < count; i++)
		to[i] = digits[count - 1 - i];
	return count;
}

/* The path with its %p filled in; false: too long. */
static bool summary_path(char *to, const char *from, uint32_t pid)
{
	size_t used = 0;
	for (; *from; from++) {
		if (used + 12 > SUMMARY_PATH_MAX)
			return false;
		if (from[0] == '%' && from[1] == 'p') {
			used += summary_put_dec(to + used, pid);
			from++;
		} else {
			to[used++] = *from;
		}
	}
	to[used] = 0;
	return true;
}

/* The descriptor, or -errno. A pipe that nobody reads must not hold the process back at its end: it is refused, and
 * one that is full is waited for by the writer, for so long and no longer. */
static int summary_open(const char *to, uint32_t pid)
{
	char path[SUMMARY_PATH_MAX];
	if (!summary_path(path, to, pid))
		return -ENAMETOOLONG;
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	return (int)cairn_sys(SYS_openat, AT_FDCWD, (long)path, flags, 0666, 0, 0);
}

static void summary_fill(cairn_account *a, const cairn_control *c)
{
	const cairn_thread_counters *t;
	if (!cairn_account_begin(a, c, sizeof *c))
		return;
	for (uint32_t i = 0; (t = cairn_stats_thread(i)); i++)
		cairn_account_add_cache(a, t, sizeof *t);
	cairn_account_finish(a, c, sizeof *c);
}

static const char *summary_remedy(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "its folder is not there; make it, or name another file";
	case EACCES:
	case EPERM:
	case EROFS:
		return "no permission; name a file that the program's user may write";
	case EISDIR:
		return "it is a folder; name a file in it";
	case ENOSPC:
	case EDQUOT:
		return "no room is left there; make some, or name a file on another file system";
	case EFBIG:
		return "it would be over the limit on a file's size; raise it (ulimit -f)";
	case ENAMETOOLONG:
		return "its name is too long; name another file";
	case ENXIO:
		return "nobody reads that pipe; start its reader first, or name a file";
	case EAGAIN:
		return "that pipe is full and its reader takes nothing; mend the reader, or name a file";
	case EPIPE:
		return "the reader of that pipe went away; start it anew, or name a file";
	default:
		return NULL;
	}
}

/* The name comes last: where the line is too long, the name is cut and the remedy is not. */
static void summary_report(const char *to, int error)
{
	cairn_line l = { 0 };
	const char *remedy = summary_remedy(error);
	cairn_line_text(&l, "cairn: the account of ");
	cairn_line_text(&l, cairn_program_name());
	cairn_line_text(&l, " is not written: ");
	cairn_line_text(&l, remedy ? remedy : "error ");
	if (!remedy)
		cairn_line_dec(&l, (uint64_t)error);
	cairn_line_text(&l, ": CAIRN_SUMMARY=");
	cairn_line_text(&l, to);
	cairn_report(&l);
}

static int summary_write(const char *to, int fd, summary_room *r)
{
	size_t n = strlen(to);
	return n > 5 && !strcmp(to + n - 5, ".json") ?
		       cairn_account_print_json_by(&r->account, fd, r->buffer, sizeof r->buffer) :
		       cairn_account_print_by(&r->account, fd, false, r->buffer, sizeof r->buffer);
}

static void summary_print(const char *to, summary_room *r)
{
	bool is_stderr = !strcmp(to, "stderr");
	int fd = is_stderr ? summary_stderr_fd() : summary_open(to, r->account.pid), error = fd < 0 ? -fd : 0;
	if (fd >= 0)
		error = summary_write(to, fd, r);
	if (fd >= 0 && !is_stderr)
		cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	if (error && !is_stderr)
		summary_report(to, error);
}

__attribute__((destructor)) static void summary_end(void)
{
	const char *to = cairn_env_text("CAIRN_SUMMARY");
	if (cairn_stats_is_counting())
		cairn_stats_settle();
	if (!summary_is_wanted(to) || !summary_of)
		return;
	summary_fill(&summary_of->account, cairn_stats_control());
	if (summary_of->account.is_served)
		summary_print(to, summary_of);
}
