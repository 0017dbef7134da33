/* cli/launch.c - starts the program, and stays beside it until it ends. See launch.h.
 *
 * The program is started by vfork: the kernel charges a new program with the highest resident set of the one that
 * executed it (ru_maxrss), so that one has to be small, and copying it would be for nothing. Between vfork and
 * execve the child uses system calls and its parent's stack only. Where even the little memory of the command must not
 * show, the program is started from a copy of it, of which the kernel charges the pages that are the copy's own.
 *
 * Signals are blocked for good in the command and read from a descriptor, so that there is no handler and no race.
 * SIGPIPE and SIGXFSZ are among them: a terminal that went away, or a file that may not grow, must not cost the
 * program's status; so is SIGIO, which a lease may send, and the alarms, which are set before an exec of the command.
 *
 * Failure: an errno; nothing was started then. */
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { LAUNCH_PRELOAD_BYTES = 65536, LAUNCH_FIRST_LOOK_NS = 1000000 };

/* Besides these the realtime signals. Those whose default is to end the program for a fault of its own are not among
 * them: where one is sent to the command, the command ends. */
static const int launch_passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH,
				     SIGURG, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGXFSZ, SIGABRT, SIGPIPE, SIGIO,
				     SIGPWR };

static uint64_t launch_clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cairn_launch_now_ns(void) { return launch_clock_ns(CLOCK_MONOTONIC); }
uint64_t cairn_launch_cpu_ns(void) { return launch_clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

bool cairn_launch_prepare(cairn_launch *l)
{
	struct sigaction normal = { .sa_handler = SIG_DFL };
	sigset_t set;
	memset(l, 0, sizeof *l);
	memset(l->descriptors, -1, sizeof l->descriptors);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof launch_passed / sizeof *launch_passed; i++)
		sigaddset(&set, launch_passed[i]);
	for (int n = SIGRTMIN; n <= SIGRTMAX; n++)
		sigaddset(&set, n);
	sigaddset(&set, SIGCHLD);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	sigprocmask(SIG_BLOCK, &set, &l->old_mask);
	sigaction(SIGCHLD, &normal, &l->old_child); /* ignored, its status would be lost */
	return l->signals >= 0 && l->timer >= 0;
}

static bool env_is(const char *entry, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(entry, name, n) && entry[n] == '=';
}

/* The environment with the library before what was preloaded already. NULL: no memory. Returns owned; the texts are
 * static or environ's. */
static char **launch_environment(const char *library, const char *folder)
{
	static char preload[LAUNCH_PRELOAD_BYTES], run[PATH_MAX + 16];
	const char *old = getenv("LD_PRELOAD");
	size_t count = 0, kept = 0;
	while (environ && environ[count])
		count++;
	char **env = calloc(count + 3, sizeof *env);
	if (!env)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (!(library && env_is(environ[i], "LD_PRELOAD")) && !env_is(environ[i], "CAIRN_RUN"))
			env[kept++] = environ[i];
	if (library) {
		int n = snprintf(preload, sizeof preload, "LD_PRELOAD=%s%s%s", library, old && *old ? ":" : "",
				 old ? old : "");
		env[kept++] = preload;
		if (n < 0 || (size_t)n >= sizeof preload)
			return free(env), NULL;
	}
	if (library && folder) {
		snprintf(run, sizeof run, "CAIRN_RUN=%s", folder);
		env[kept++] = run;
	}
	return env;
}

/* In the child of vfork. */
static void launch_restore(const cairn_launch *l)
{
	for (int fd = 0; fd < 3; fd++)
		if (l->descriptors[fd] >= 0)
			dup2(l->descriptors[fd], fd);
	sigaction(SIGCHLD, &l->old_child, NULL);
	sigprocmask(SIG_SETMASK, &l->old_mask, NULL);
}

/* The arguments of a script without "#!": sh, its path, the rest. NULL: no memory. Returns owned. */
static char **launch_shell_arguments(cairn_program *p, char *const argv[])
{
	size_t count = 0;
	while (argv[count])
		count++;
	char **args = calloc(count + 2, sizeof *args);
	if (!args)
		return NULL;
	static char shell[] = "sh";
	args[0] = shell;
	args[1] = p->path;
	for (size_t i = 1; i < count; i++)
		args[i + 1] = argv[i];
	return args;
}

/* Returns in the command only, and there with the pid, or -1; what execve refused is in *error, which is shared memory.
 * Apart from its caller, whose variables the child must not disturb. */
__attribute__((noinline)) static pid_t launch_execute(const cairn_launch *l, const cairn_program *p, char *const argv[],
						      char *const shell_arguments[], char *const env[],
						      volatile int *error)
{
	pid_t pid = l->leaves_no_mark ? (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) : vfork();
	if (pid)
		return pid;
	launch_restore(l);
	execve(p->path, argv, env);
	if (errno == ENOEXEC && p->is_shell_script)
		execve("/bin/sh", shell_arguments, env);
	*error = errno;
	_exit(127);
}

static int launch_start_with(cairn_launch *l, cairn_program *p, char *const argv[], char *const env[],
			     char *const shell_arguments[])
{
	volatile int *error = mmap(NULL, sizeof *error, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (error == MAP_FAILED)
		return errno;
	l->start_ns = cairn_launch_now_ns();
	l->pid = launch_execute(l, p, argv, shell_arguments, env, error);
	int refused = l->pid < 0 ? errno : *error;
	if (l->pid > 0 && refused)
		waitpid(l->pid, NULL, 0);
	munmap((void *)error, sizeof *error);
	return refused;
}

int cairn_launch_start(cairn_launch *l, cairn_program *p, char *const argv[], const char *library, const char *folder)
{
	char **env = launch_environment(library, folder);
	char **shell_arguments = launch_shell_arguments(p, argv);
	l->has_own_faults = l->was_stopped = false;
	int error = env && shell_arguments ? launch_start_with(l, p, argv, env, shell_arguments) : ENOMEM;
	free(env);
	free(shell_arguments);
	return error;
}

/* The dead process's own faults, without its children's, which wait4 adds. Fields 10 and 12 of /proc/PID/stat; the
 * name before them may hold anything but ends with the last bracket. */
static void launch_read_stat(cairn_launch *l)
{
	char path[48], text[2048];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)l->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *name = strchr(text, '('), *at = strrchr(text, ')');
	unsigned long long minor, major;
	if (name && at && at > name && (size_t)(at - name) < sizeof l->last_name)
		memcpy(l->last_name, name + 1, (size_t)(at - name - 1));
	if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu", &minor, &major) == 2) {
		l->minor_faults = minor;
		l->major_faults = major;
		l->has_own_faults = true;
	}
}

/* Has the terminal's user put the job aside, or somebody only halted the program? Then only a shell whose job the
 * command is looks for stopped children; another caller would wait for ever where the program alone goes on. */
static bool launch_is_job_stop(int signal)
{
	if (signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
		return true;
	if (getpgrp() != getpid())
		return false;
	int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool is_foreground = terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
	if (terminal >= 0)
		close(terminal);
	return is_foreground;
}

/* True: the program has ended. */
static bool launch_reap(cairn_launch *l)
{
	siginfo_t info;
	for (;;) {
		memset(&info, 0, sizeof info);
		int r = waitid(P_PID, (id_t)l->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 || info.si_pid == 0)
			return r < 0;
		if (info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED) {
			l->end_ns = cairn_launch_now_ns();
			launch_read_stat(l);
			return wait4(l->pid, &l->wait_status, 0, &l->usage) == l->pid;
		}
		int status;
		l->was_stopped = true;
		if (wait4(l->pid, &status, WUNTRACED | WNOHANG, NULL) == l->pid && launch_is_job_stop(WSTOPSIG(status)))
			raise(SIGSTOP);
	}
}

/* As the first process of a container, the command inherits what its descendants leave behind. */
static void launch_reap_orphans(const cairn_launch *l)
{
	siginfo_t info = { 0 };
	while (getpid() == 1 && !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid &&
	       info.si_pid != l->pid && waitpid(info.si_pid, NULL, WNOHANG) == info.si_pid)
		info.si_pid = 0;
}

static bool is_alarm(int n) { return n == SIGALRM || n == SIGVTALRM || n == SIGPROF; }

/* Passes on what was sent to this process. What came from the terminal, or from the program, the program has. An alarm
 * that the caller set before it executed the command is meant for the program. */
static void launch_pass_on(const cairn_launch *l, const struct signalfd_siginfo *s)
{
	int n = (int)s->ssi_signo;
	bool is_sent = s->ssi_code == SI_USER || s->ssi_code == SI_QUEUE || s->ssi_code == SI_TKILL;
	bool is_others = s->ssi_pid != (uint32_t)l->pid && s->ssi_pid != (uint32_t)getpid();
	if (n == SIGCHLD || (!(is_sent && is_others) && !(is_alarm(n) && s->ssi_code == SI_KERNEL)))
		return;
	if (s->ssi_code == SI_QUEUE)
		sigqueue(l->pid, n, (union sigval){ .sival_ptr = (void *)(uintptr_t)s->ssi_ptr });
	else
		kill(l->pid, n);
}

/* The signals that wait to be read. With a program they are passed on. True: one told of a child. */
static bool launch_read_signals(cairn_launch *l, bool has_program)
{
	struct signalfd_siginfo s;
	bool has_child = false;
	while (read(l->signals, &s, sizeof s) == (ssize_t)sizeof s) {
		int n = (int)s.ssi_signo;
		if (has_program)
			launch_pass_on(l, &s);
		if (n == SIGHUP || n == SIGINT || n == SIGQUIT || n == SIGTERM)
			l->stop_signal = n;
		has_child |= n == SIGCHLD;
	}
	return has_child;
}

bool cairn_launch_is_stopped(cairn_launch *l)
{
	launch_read_signals(l, false);
	return l->stop_signal != 0;
}

static void launch_set_timer(const cairn_launch *l, uint64_t wait_ns)
{
	struct itimerspec t = { .it_value = { .tv_sec = (time_t)(wait_ns / 1000000000),
					      .tv_nsec = (long)(wait_ns % 1000000000) } };
	timerfd_settime(l->timer, 0, &t, NULL);
}

void cairn_launch_watch(cairn_launch *l, uint64_t (*look)(void *arg), void *arg)
{
	struct pollfd wait[2] = { { .fd = l->signals, .events = POLLIN }, { .fd = l->timer, .events = POLLIN } };
	bool is_over = false;
	launch_set_timer(l, LAUNCH_FIRST_LOOK_NS);
	while (!is_over) {
		uint64_t ticks;
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			break;
		if (wait[0].revents && launch_read_signals(l, true)) {
			is_over = launch_reap(l);
			launch_reap_orphans(l);
		}
		if (!is_over && wait[1].revents && read(l->timer, &ticks, sizeof ticks) > 0)
			launch_set_timer(l, look(arg));
	}
}

void cairn_launch_let_go(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name), flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : FD_CLOEXEC;
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	if (folder)
		closedir(folder);
	int none = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (none < 0)
		return;
	dup3(none, STDIN_FILENO, O_CLOEXEC);
	dup3(none, STDOUT_FILENO, O_CLOEXEC);
	close(none);
}

void cairn_launch_die(int status)
{
	int signal = status - 128;
	struct sigaction normal = { .sa_handler = SIG_DFL };
	sigset_t set;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the core is the program's affair */
	sigaction(signal, &normal, NULL);
	sigemptyset(&set);
	sigaddset(&set, signal);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(status);
}
