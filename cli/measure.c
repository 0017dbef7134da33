/* cli/measure.c - one run of a program, and what the kernel says of it. See measure.h.
 *
 * Standard output goes to /dev/null and standard error to a file in memory, whose last line is told when something goes
 * wrong; both go through where the caller wants to see them. Standard input is /dev/null, or the caller's file, opened
 * anew for each run, so that a run that moves in it leaves the next one alone.
 *
 * Invariant: (V1) what a run is charged with does not depend on the command: the program starts from a copy of the
 * command, and not from its memory, whose high-water mark it would inherit.
 *
 * Failure: an errno. Not here: which library and in what order (compare.c), what the figures say (comparison.c). */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proctree.h"

#define MEASURE_NEVER_NS    3600000000000u
#define MEASURE_LOOK_MIN_NS 1000000u
#define MEASURE_LOOK_MAX_NS 50000000u

enum { MEASURE_LOOKS = 50, /* looks at a tree in the time that has passed, and rests of that many times a look's cost */
       MEASURE_WORDS = 512 };

extern char **environ;

bool cairn_measure_open(cairn_measure *m, cairn_program *p, char **argv, bool shows_output)
{
	struct stat s;
	memset(m, 0, sizeof *m);
	m->program = p;
	m->argv = argv;
	m->shows_output = shows_output;
	m->watches_tree = cairn_proctree_is_known();
	m->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	m->words = shows_output ? -1 : memfd_create("stderr", MFD_CLOEXEC);
	m->has_input = fstat(STDIN_FILENO, &s) == 0 && S_ISREG(s.st_mode);
	m->input_start = m->has_input ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
	return m->null >= 0 && cairn_launch_prepare(&m->launch);
}

/* A descriptor for the program's standard input; is_own: to be closed. */
static int measure_input(const cairn_measure *m, bool *is_own)
{
	*is_own = false;
	if (!m->has_input)
		return m->null;
	int fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
	*is_own = fd >= 0;
	if (fd < 0)
		fd = STDIN_FILENO; /* we may not open it, but have it */
	lseek(fd, m->input_start, SEEK_SET);
	return fd;
}

static void measure_forget_words(const cairn_measure *m)
{
	if (m->words >= 0 && ftruncate(m->words, 0) == 0)
		lseek(m->words, 0, SEEK_SET);
}

static uint64_t measure_look(void *arg)
{
	cairn_measure *m = arg;
	cairn_proctree tree;
	if (!m->watches_tree)
		return MEASURE_NEVER_NS;
	uint64_t cpu_ns = cairn_launch_cpu_ns(), wait_ns = (cairn_launch_now_ns() - m->launch.start_ns) / MEASURE_LOOKS;
	cairn_proctree_read(&tree, m->launch.pid);
	if (tree.processes > m->processes)
		m->processes = tree.processes;
	if (tree.processes > 1 && tree.rss_bytes > m->tree_bytes)
		m->tree_bytes = tree.rss_bytes;
	uint64_t rest_ns = (cairn_launch_cpu_ns() - cpu_ns) * MEASURE_LOOKS;
	if (wait_ns > MEASURE_LOOK_MAX_NS)
		wait_ns = MEASURE_LOOK_MAX_NS;
	if (wait_ns < MEASURE_LOOK_MIN_NS)
		wait_ns = MEASURE_LOOK_MIN_NS;
	return rest_ns > wait_ns ? rest_ns : wait_ns;
}

static double measure_seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void measure_fill(const cairn_measure *m, cairn_sample *s)
{
	const cairn_launch *l = &m->launch;
	double peak = (double)l->usage.ru_maxrss * 1024;
	s->figures[CAIRN_FIGURE_WALL] = (double)(l->end_ns - l->start_ns) / 1e9;
	s->figures[CAIRN_FIGURE_USER] = measure_seconds(l->usage.ru_utime);
	s->figures[CAIRN_FIGURE_SYSTEM] = measure_seconds(l->usage.ru_stime);
	s->figures[CAIRN_FIGURE_CPU] = s->figures[CAIRN_FIGURE_USER] + s->figures[CAIRN_FIGURE_SYSTEM];
	s->figures[CAIRN_FIGURE_PEAK] = peak > (double)m->tree_bytes ? peak : (double)m->tree_bytes;
	s->figures[CAIRN_FIGURE_MINOR] = (double)l->usage.ru_minflt;
	s->figures[CAIRN_FIGURE_MAJOR] = (double)l->usage.ru_majflt;
	s->wait_status = l->wait_status;
	s->is_whole = !l->was_stopped && !l->stop_signal;
}

/* Had the run children? Seen, or known by the faults that wait4 added to the program's own. */
static bool measure_had_children(const cairn_measure *m)
{
	const cairn_launch *l = &m->launch;
	return m->processes > 1 || (l->has_own_faults && (uint64_t)l->usage.ru_minflt > l->minor_faults);
}

int cairn_measure_run(cairn_measure *m, const char *library, cairn_sample *s)
{
	bool is_own;
	int input = measure_input(m, &is_own);
	m->processes = 0;
	m->tree_bytes = 0;
	measure_forget_words(m);
	m->launch.leaves_no_mark = true; /* (V1) */
	m->launch.descriptors[0] = input;
	m->launch.descriptors[1] = m->shows_output ? -1 : m->null;
	m->launch.descriptors[2] = m->shows_output ? -1 : m->words >= 0 ? m->words : m->null;
	int error = cairn_launch_start(&m->launch, m->program, m->argv, *library ? library : NULL, NULL);
	if (is_own)
		close(input);
	if (error)
		return error;
	cairn_launch_watch(&m->launch, measure_look, m);
	measure_fill(m, s);
	m->watches_tree = cairn_proctree_is_known() && measure_had_children(m);
	return 0;
}

int cairn_measure_prepare(cairn_measure *m, const char *command)
{
	char *arguments[] = { "sh", "-c", (char *)command, NULL };
	int words = m->words >= 0 ? m->words : STDERR_FILENO, status = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;
	measure_forget_words(m);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, m->null, 0);
	posix_spawn_file_actions_adddup2(&actions, words, 1);
	posix_spawn_file_actions_adddup2(&actions, words, 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &m->launch.old_mask);
	if (posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ))
		pid = -1;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

void cairn_measure_last_words(const cairn_measure *m, char *text, size_t bytes)
{
	char tail[MEASURE_WORDS + 1];
	struct stat s;
	text[0] = 0;
	if (m->words < 0 || fstat(m->words, &s) < 0)
		return;
	off_t from = s.st_size > MEASURE_WORDS ? s.st_size - MEASURE_WORDS : 0;
	ssize_t n = pread(m->words, tail, MEASURE_WORDS, from);
	while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
		n--;
	tail[n > 0 ? n : 0] = 0;
	const char *line = strrchr(tail, '\n');
	snprintf(text, bytes, "%s", line ? line + 1 : tail);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
}
