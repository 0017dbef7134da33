/* cli/run.c - the verb run. See run.h.
 *
 *   find the program → open the output → make the folder → start → look, look, look → end → account → print → remove
 *
 * Whatever fails after the program was found must not keep it from running: without a folder, without a library that
 * can be preloaded, without memory for samples there is less of an account, and a sentence that says so. Only what
 * the caller asked for by name and cannot have (-o FILE) is refused, before anything runs.
 *
 * Not here: signals and the process (launch.c), what the folder holds (images.c), how the account looks (the
 * library). */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cairn/stats.h>

#include "images.h"
#include "launch.h"
#include "peak.h"
#include "program.h"
#include "runfolder.h"
#include "timeline.h"

#define RUN_STEP_NS      5000000u    /* first step of the timeline; it doubles when the timeline is full */
#define RUN_LOOK_MAX_NS  50000000u   /* between two looks */
#define RUN_LOOK_REST    50          /* a look that takes t is followed by 50 t of rest: at most 2 % of one processor */
#define RUN_LOOK_LAZY_NS 2000000000u /* but never longer than this */
#define RUN_IMAGE_BYTES  (8u << 20)  /* resident of most programs beside their heap: the file, libraries, stack */
#define RUN_LEAST_BYTES  (1u << 20)  /* of the smallest program, once its libraries are loaded */
#define RUN_UNSEEN_BYTES (1u << 20)  /* the kernel counts resident pages in batches, so its peaks are not exact */

enum { RUN_NAME_MAX = 15 }; /* the kernel keeps no more of a process's name */

typedef struct run_state {
	cairn_program program;
	cairn_runfolder folder;
	cairn_launch launch;
	cairn_images images;
	cairn_timeline timeline;
	cairn_peak peak;
	const char *library; /* to preload, as ld.so is to see it; NULL: nothing is preloaded */
	const char *why_not; /* the run has no account for a reason of ours; NULL none */
	uint64_t lost;       /* processes that could keep no figures at all */
	int lost_error;      /* errno of the last; 0 unknown */
	int output;          /* descriptor */
} run_state;

static int run_say(int status, const char *what, const char *why)
{
	fprintf(stderr, "cairn: %.200s: %s\n", what, why);
	return status;
}

/* 0, or the status of the command when the program cannot be run. */
static int run_find(run_state *r, const cairn_options *o)
{
	int error = cairn_program_find(&r->program, o->program[0]);
	if (error == ENOENT || error == ENOTDIR)
		return run_say(CAIRN_STATUS_NOT_FOUND, o->program[0], "not found");
	if (error)
		return run_say(CAIRN_STATUS_NOT_EXECUTABLE, o->program[0], strerror(error));
	return 0;
}

static int run_open_output(run_state *r, const cairn_options *o)
{
	r->output = STDERR_FILENO;
	if (!o->output)
		return 0;
	r->output = cairn_options_open(o->output);
	return r->output < 0 ? run_say(CAIRN_STATUS_FAILED, o->output, strerror(errno)) : 0;
}

bool cairn_run_library(char *path, size_t bytes)
{
	static const char *const places[] = { "libcairn.so", "libcairn.so.0", "../lib/libcairn.so.0",
					      "../lib/libcairn.so", "../lib64/libcairn.so.0" };
	char self[PATH_MAX], *end;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	end = strrchr(self, '/');
	for (size_t i = 0; end && i < sizeof places / sizeof *places; i++) {
		int length = snprintf(path, bytes, "%.*s/%s", (int)(end - self), self, places[i]);
		if (length > 0 && (size_t)length < bytes && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static const char *run_refusal(int error)
{
	if (error == EFBIG)
		return "ulimit -f allows no file that long";
	return error ? strerror(error) : "the reason is not known";
}

static const char *run_why_no_folder(int error)
{
	static char why[160];
	snprintf(why, sizeof why,
		 "no folder for its figures could be made under /dev/shm, $TMPDIR, /tmp or /var/tmp (%s)",
		 run_refusal(error));
	return why;
}

static void run_choose_library(run_state *r, const char *library, char *link, unsigned link_bytes)
{
	cairn_program_inspect(&r->program);
	if (!cairn_runfolder_make(&r->folder))
		r->why_not = run_why_no_folder(r->folder.error);
	if (r->program.state == CAIRN_PROGRAM_ASIDE)
		return;
	r->library = cairn_runfolder_library(&r->folder, library, link, link_bytes);
	if (!r->library)
		r->why_not = "the library's path has a blank or colon in it, which ld.so does not accept";
}

static int run_start(run_state *r, const cairn_options *o)
{
	const char *folder = r->folder.fd < 0 ? NULL : r->folder.path;
	int error = cairn_launch_start(&r->launch, &r->program, o->program, r->library, folder);
	if (error == ENOENT)
		return run_say(CAIRN_STATUS_NOT_EXECUTABLE, o->program[0], "its interpreter does not exist");
	if (error == EAGAIN || error == ENOMEM)
		return run_say(CAIRN_STATUS_FAILED, o->program[0], strerror(error));
	return error ? run_say(CAIRN_STATUS_NOT_EXECUTABLE, o->program[0], strerror(error)) : 0;
}

/* What is over is folded once, however often is looked, and must not pile up in the folder; so only the share of what
 * will be looked at again makes the next look wait. */
static uint64_t run_look(void *arg)
{
	run_state *r = arg;
	uint64_t now_ns = cairn_launch_now_ns(), cpu_ns = cairn_launch_cpu_ns();
	cairn_images_look(&r->images, now_ns);
	cairn_timeline_add(&r->timeline, now_ns - r->launch.start_ns, r->images.rss_bytes, r->images.live_bytes,
			   r->images.allocations);
	cpu_ns = cairn_launch_cpu_ns() - cpu_ns;
	cairn_peak_look(&r->peak, &r->images, now_ns); /* which has a measure of its own */
	uint64_t wait_ns = r->timeline.step_ns < RUN_LOOK_MAX_NS ? r->timeline.step_ns : RUN_LOOK_MAX_NS;
	uint64_t rest_ns = cpu_ns * RUN_LOOK_REST;
	rest_ns = rest_ns * (r->images.watched_count + 1) / (r->images.watched_count + 1 + r->images.folded);
	if (rest_ns > RUN_LOOK_LAZY_NS)
		rest_ns = RUN_LOOK_LAZY_NS;
	return rest_ns > wait_ns ? rest_ns : wait_ns;
}

static uint64_t run_after_start(const run_state *r, uint64_t ns)
{
	return ns > r->launch.start_ns ? ns - r->launch.start_ns : 0;
}

/* How many processes are known, the program's among them. An image that was replaced and the next are one. */
static uint64_t run_processes(const run_state *r)
{
	return r->images.sum.processes + !r->images.has_program - r->images.replaced;
}

/* Did the program wait for children? Their faults are then in the kernel's sum, and not in its own. */
static bool run_has_waited(const run_state *r)
{
	return run_processes(r) > 1 || (r->launch.has_own_faults &&
		(uint64_t)r->launch.usage.ru_minflt > r->launch.minor_faults);
}

/* The kernel's highest peak of the program and the children that were waited for, where no process that is known comes
 * near it: it is that of a child that is not on cairn, or that ended without exit() between two looks. 0: no such. */
static uint64_t run_unseen_peak(const run_state *r)
{
	const cairn_images *m = &r->images;
	struct rusage self;
	uint64_t peak = (uint64_t)r->launch.usage.ru_maxrss * 1024, known = m->main_peak_rss_bytes;
	getrusage(RUSAGE_SELF, &self); /* a mark that came with the program that it executed */
	if (!m->has_program || !run_has_waited(r))
		return 0;
	if (m->sum.peak_rss_bytes != CAIRN_ACCOUNT_UNKNOWN && known < m->sum.peak_rss_bytes)
		known = m->sum.peak_rss_bytes;
	if (known < (uint64_t)self.ru_maxrss * 1024)
		known = (uint64_t)self.ru_maxrss * 1024;
	return peak > known + known / 8 + RUN_UNSEEN_BYTES ? peak : 0;
}

/* The kernel's own peak, 0 where it says nothing: it counts the program's children too, and the command, which
 * executed the program. The last is small: where there is no figure of the program's own, one that is a little too
 * high is better. */
static uint64_t run_kernel_peak(const run_state *r, bool has_own)
{
	struct rusage self;
	uint64_t peak = (uint64_t)r->launch.usage.ru_maxrss * 1024;
	getrusage(RUSAGE_SELF, &self);
	if (run_processes(r) > 1)
		return 0;
	return !has_own || peak > (uint64_t)self.ru_maxrss * 1024 ? peak : 0;
}

static void run_fill_memory(const run_state *r, cairn_account *a)
{
	const cairn_images *m = &r->images;
	uint64_t peak = a->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN ? 0 : a->peak_rss_bytes;
	uint64_t kernel = run_kernel_peak(r, m->program.minor_faults != CAIRN_ACCOUNT_UNKNOWN);
	/* A look at the process before its image was known may have been amid execve. */
	bool is_whole = peak || !m->has_program || m->main_peak_rss_bytes >= RUN_LEAST_BYTES;
	if (m->main_peak_rss_bytes >= peak && is_whole)
		peak = m->main_peak_rss_bytes;
	if (kernel > peak)
		peak = kernel;
	if (!peak)
		peak = (uint64_t)r->launch.usage.ru_maxrss * 1024; /* at most */
	a->peak_rss_bytes = peak ? peak : CAIRN_ACCOUNT_UNKNOWN;
	if (m->main_peak_rss_bytes && peak <= m->main_peak_rss_bytes + m->main_peak_rss_bytes / 50)
		a->peak_rss_ns = run_after_start(r, m->main_peak_rss_ns);
	else
		a->peak_rss_ns = m->main_peak_rss_bytes ? a->duration_ns : CAIRN_ACCOUNT_UNKNOWN; /* unseen */
	if (a->exit_rss_bytes == CAIRN_ACCOUNT_UNKNOWN && m->main_rss_bytes && !m->has_program)
		a->exit_rss_bytes = m->main_rss_bytes;
}

static void run_fill_status(const run_state *r, const cairn_options *o, cairn_account *a)
{
	int status = r->launch.wait_status;
	snprintf(a->program, sizeof a->program, "%s", o->program[0]);
	if (!a->executable[0])
		snprintf(a->executable, sizeof a->executable, "%.255s", r->program.image);
	a->pid = (uint32_t)r->launch.pid;
	a->parent_pid = (uint32_t)getpid();
	a->processes = 1;
	a->is_running = false;
	a->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	a->is_core_dumped = WIFSIGNALED(status) && WCOREDUMP(status);
	a->status = a->signal ? 128 + a->signal : WEXITSTATUS(status);
	if (r->launch.has_own_faults) {
		a->minor_faults = r->launch.minor_faults;
		a->major_faults = r->launch.major_faults;
	}
}

static bool run_is_named(const run_state *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	return !strncmp(slash ? slash + 1 : path, r->launch.last_name, RUN_NAME_MAX);
}

/* A program that ended without exit() may have executed another between two looks. The kernel's name for the process
 * tells, unless the program changed it: so this is a note and no verdict. */
static const char *run_note_last_name(const run_state *r, const cairn_account *a)
{
	static char note[160];
	if (a->is_exact || a->signal || !r->launch.last_name[0] || run_is_named(r, a->executable) ||
	    run_is_named(r, a->program))
		return NULL;
	snprintf(note, sizeof note, "It ended without exit(), or as another program, %s, that is not on cairn.",
		 r->launch.last_name);
	return note;
}

/* A sentence where processes could not keep their figures; NULL: all could. */
static const char *run_note_lost(const run_state *r)
{
	static char note[CAIRN_RUNFOLDER_PATH + 192];
	uint64_t n = r->lost + r->images.sum.uncounted_processes;
	int error = r->lost_error ? r->lost_error : r->images.sum.uncounted_error;
	if (!n)
		return NULL;
	snprintf(note, sizeof note, "The figures of %llu process%s could not be kept, whole or in part, in %.*s: %s.",
		 (unsigned long long)n, n == 1 ? "" : "es", (int)(strrchr(r->folder.path, '/') - r->folder.path),
		 r->folder.path, run_refusal(error));
	return note;
}

static bool run_may_have_had(const cairn_account *a, uint64_t peak_bytes)
{
	return a->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN && peak_bytes <= a->live_peak_bytes + RUN_IMAGE_BYTES;
}

/* A process on cairn that ended between two looks has a dash for its peak, and a peak is nothing to remark on where its
 * heap and a program of usual size make it up. */
static bool run_is_listed(const run_state *r, uint64_t peak_bytes)
{
	const cairn_images *m = &r->images;
	bool is_listed = run_may_have_had(&m->program, peak_bytes);
	for (size_t i = 0; i < m->child_count && !is_listed; i++)
		is_listed = run_may_have_had(&m->children[i], peak_bytes);
	return is_listed;
}

static const char *run_note_unseen(const run_state *r)
{
	static char note[160];
	uint64_t peak = run_unseen_peak(r);
	if (!peak || run_is_listed(r, peak))
		return NULL;
	snprintf(note, sizeof note,
		 "A child not on cairn, or one that ended unseen, had %.1f MiB resident at its peak.",
		 (double)peak / (1 << 20));
	return note;
}

static const char *run_note(const run_state *r, const cairn_account *a)
{
	const char *first = run_note_lost(r), *then = r->program.note[0] ? r->program.note : run_note_unseen(r);
	return first ? first : then ? then : run_note_last_name(r, a);
}

static void run_fill_why(const run_state *r, cairn_account *a)
{
	a->note = a->is_served ? run_note(r, a) : run_note_lost(r);
	if (a->is_served)
		return;
	if (r->program.why_not[0])
		a->why_not = r->program.why_not;
	else if (r->why_not)
		a->why_not = r->why_not;
	else if (r->images.is_program_gone)
		a->why_not = "it executed a program that is not on cairn";
	else if (r->lost)
		a->why_not = "its figures could not be kept";
	else
		a->why_not = "it left no account (it ended before its first malloc, or its libraries were not loaded)";
}

static void run_fill_program(const run_state *r, const cairn_options *o, cairn_account *a)
{
	uint64_t before_ns = 0;
	if (r->images.has_program) {
		*a = r->images.program;
		before_ns = run_after_start(r, a->start_ns);
	} else {
		cairn_account_init(a);
	}
	if (a->live_peak_ns != CAIRN_ACCOUNT_UNKNOWN)
		a->live_peak_ns += before_ns;
	a->start_ns = r->launch.start_ns;
	a->duration_ns = run_after_start(r, r->launch.end_ns);
	run_fill_status(r, o, a);
	run_fill_memory(r, a);
	a->uncounted_processes += r->lost;
	run_fill_why(r, a);
}

static void run_fill_unseen(const run_state *r, cairn_account *total)
{
	uint64_t unseen = run_unseen_peak(r);
	if (unseen <= total->peak_rss_bytes)
		return;
	total->peak_rss_bytes = unseen;
	total->peak_rss_ns = CAIRN_ACCOUNT_UNKNOWN;
}

/* All processes together: memory as it was seen at the same time, faults as the kernel adds them up. */
static void run_fill_total(const run_state *r, const cairn_account *program, cairn_account *total)
{
	const cairn_timeline *t = &r->timeline;
	uint64_t minor = (uint64_t)r->launch.usage.ru_minflt, major = (uint64_t)r->launch.usage.ru_majflt;
	*total = r->images.sum;
	if (!r->images.has_program)
		cairn_account_add(total, program);
	total->processes -= (uint32_t)r->images.replaced;
	total->uncounted_processes = r->images.sum.uncounted_processes + r->lost;
	total->duration_ns = program->duration_ns;
	if (total->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN || total->peak_rss_bytes < program->peak_rss_bytes)
		total->peak_rss_bytes = program->peak_rss_bytes;
	if (total->peak_rss_bytes == program->peak_rss_bytes)
		total->peak_rss_ns = program->peak_rss_ns;
	if (total->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN || total->peak_rss_bytes <= t->peak_rss_bytes) {
		total->peak_rss_bytes = t->peak_rss_bytes;
		total->peak_rss_ns = t->peak_rss_ns;
	}
	run_fill_unseen(r, total);
	if (total->live_peak_bytes == program->live_peak_bytes)
		total->live_peak_ns = program->live_peak_ns;
	if (total->live_peak_bytes <= t->peak_live_bytes) {
		total->live_peak_bytes = t->peak_live_bytes;
		total->live_peak_ns = t->peak_live_ns;
	}
	if (total->minor_faults == CAIRN_ACCOUNT_UNKNOWN || total->minor_faults < minor)
		total->minor_faults = minor;
	if (total->major_faults == CAIRN_ACCOUNT_UNKNOWN || total->major_faults < major)
		total->major_faults = major;
}

static bool run_has_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return isatty(fd) && !(no && *no) && terminal && strcmp(terminal, "dumb");
}

static void run_print(const run_state *r, const cairn_options *o, const cairn_account *a)
{
	int error = 0;
	if (o->is_quiet)
		error = cairn_account_print_line(a, o->is_json && o->output ? STDERR_FILENO : r->output);
	else if (!o->is_json)
		error = cairn_account_print(a, r->output, run_has_colour(r->output));
	if (o->is_json)
		error = cairn_account_print_json(a, r->output);
	if (o->output && close(r->output) < 0 && !error)
		error = errno;
	if (error && o->output)
		run_say(0, o->output, strerror(error));
}

/* The program and its arguments with blanks between, as much as fits: for the title. */
static void run_join_command(char *to, size_t bytes, char **arguments)
{
	size_t used = 0;
	to[0] = 0;
	for (; *arguments && used < bytes - 1; arguments++) {
		int n = snprintf(to + used, bytes - used, used ? " %s" : "%s", *arguments);
		used = n < 0 || (size_t)n >= bytes - used ? bytes - 1 : used + (size_t)n;
	}
}

static void run_tell(run_state *r, const cairn_options *o)
{
	char command[256];
	static cairn_account program, total; /* static: they are large */
	cairn_account_timeline timeline;
	size_t running = cairn_images_end(&r->images, r->launch.end_ns);
	r->lost = cairn_runfolder_lost(&r->folder, &r->lost_error);
	run_fill_program(r, o, &program);
	cairn_timeline_add(&r->timeline, program.duration_ns, 0, 0, r->images.allocations);
	timeline = (cairn_account_timeline){ r->timeline.step_ns, r->timeline.count, r->timeline.rss_bytes,
					     r->timeline.allocations, r->timeline.live_bytes };
	run_join_command(command, sizeof command, o->program);
	program.command = command;
	program.timeline = &timeline;
	program.peak = r->peak.has_best ? &r->peak.best : NULL;
	program.last = r->peak.has_best && r->peak.has_last ? &r->peak.last : NULL;
	program.children = r->images.children;
	program.child_count = r->images.child_count;
	program.children_left_out = r->images.left_out;
	if (program.child_count + program.children_left_out) {
		run_fill_total(r, &program, &total);
		program.total = &total;
	}
	run_print(r, o, &program);
	cairn_runfolder_remove(&r->folder, running > 0);
}

static int run_prepared(run_state *r, const cairn_options *o)
{
	int status = run_start(r, o);
	if (status) {
		cairn_runfolder_remove(&r->folder, false);
		return status;
	}
	cairn_launch_let_go();
	cairn_images_open(&r->images, r->library ? r->folder.fd : -1, (uint32_t)r->launch.pid);
	cairn_timeline_init(&r->timeline, RUN_STEP_NS);
	cairn_peak_begin(&r->peak, r->launch.start_ns);
	cairn_launch_watch(&r->launch, run_look, r);
	run_tell(r, o);
	cairn_images_close(&r->images);
	status = r->launch.wait_status;
	if (WIFSIGNALED(status) && cairn_launch_is_interrupt(WTERMSIG(status)))
		cairn_launch_die(128 + WTERMSIG(status));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cairn_run(const cairn_options *o)
{
	static run_state r; /* static: it is large */
	static char library[PATH_MAX], link[CAIRN_RUNFOLDER_PATH + 8];
	int status = run_find(&r, o);
	if (!status && !cairn_run_library(library, sizeof library))
		status = run_say(CAIRN_STATUS_FAILED, "libcairn.so",
				 "neither beside the command nor in ../lib; install cairn again");
	if (!status)
		status = run_open_output(&r, o);
	if (status)
		return status;
	run_choose_library(&r, library, link, sizeof link);
	if (cairn_launch_prepare(&r.launch))
		return run_prepared(&r, o);
	status = run_say(CAIRN_STATUS_FAILED, "signals", strerror(errno));
	cairn_runfolder_remove(&r.folder, false);
	return status;
}
