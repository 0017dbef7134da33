/* launch.c - runs one program and writes down what it cost.
 *
 *   launch [-p LIB] [-o FILE] [-t|-m] [-s MS] -- COMMAND...
 *
 *   -p LIB    preloaded into the command (and what it starts), never into this program
 *   -o FILE   appends one line: wall_ns= user_us= sys_us= rss_kib= minor= major= tree_kib= status= counts=
 *   -t        only the time of this command counts (a client);  -m: only its cost counts, not its time (a server)
 *   -s MS     samples, every so many ms, the proportional set size of the command and all its descendants; tree_kib is
 *             the largest sum, for programs of several processes that share memory
 *
 * rss_kib is ru_maxrss of wait4: the largest of any one process in the tree that was waited for, at its peak; user, sys
 * and faults are summed over the tree. The kernel keeps the larger of the figures before and after exec: this program
 * is linked statically and small, so that it never is the larger one. Exit status: the command's; 125 not started. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 4096 };
static struct { pid_t pid, parent; } processes[PROCESSES_MAX];

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static long long us(struct timeval t) { return t.tv_sec * 1000000ll + t.tv_usec; }

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

static unsigned list_processes(void)
{
	unsigned n = 0;
	DIR *proc = opendir("/proc");
	for (struct dirent *e; proc && n < PROCESSES_MAX && (e = readdir(proc));)
		if (isdigit((unsigned char)e->d_name[0])) {
			processes[n].pid = atoi(e->d_name);
			processes[n].parent = parent_of(processes[n].pid);
			n++;
		}
	if (proc)
		closedir(proc);
	return n;
}

static long pss_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	FILE *in = fopen(path, "re");
	while (in && fgets(line, sizeof line, in))
		if (sscanf(line, "Pss: %ld", &kib) == 1)
			break;
	if (in)
		fclose(in);
	return kib;
}

/* Processes are listed in rising order of pid as a rule, so a few passes find every descendant. */
static long tree_pss_kib(pid_t root)
{
	static char inside[PROCESSES_MAX];
	unsigned n = list_processes(), found = 1;
	memset(inside, 0, sizeof inside);
	while (found) {
		found = 0;
		for (unsigned i = 0; i < n; i++) {
			int in = processes[i].pid == root;
			for (unsigned k = 0; !in && !inside[i] && k < n; k++)
				in = inside[k] && processes[k].pid == processes[i].parent;
			if (in && !inside[i])
				inside[i] = 1, found = 1;
		}
	}
	long sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum += inside[i] ? pss_kib(processes[i].pid) : 0;
	return sum;
}

static void run(char **command, const char *library)
{
	if (library && *library && setenv("LD_PRELOAD", library, 1))
		_exit(125);
	execvp(command[0], command);
	perror(command[0]);
	_exit(125);
}

/* Waits for the command; with a period, samples its tree meanwhile and returns the largest sum. */
static long await(pid_t child, int *status, struct rusage *use, unsigned period_ms)
{
	long most_kib = 0;
	struct timespec period = { period_ms / 1000, period_ms % 1000 * 1000000l };
	while (wait4(child, status, period_ms ? WNOHANG : 0, use) != child) {
		if (!period_ms)
			continue;
		long kib = tree_pss_kib(child);
		most_kib = kib > most_kib ? kib : most_kib;
		nanosleep(&period, NULL);
	}
	return most_kib;
}

static pid_t started;
static void pass_on(int signal_number) { kill(started, signal_number); }

int main(int argc, char **argv)
{
	const char *library = NULL, *file = NULL, *counts = "all";
	unsigned period_ms = 0;
	for (int option; (option = getopt(argc, argv, "+p:o:tms:")) != -1;)
		switch (option) {
		case 'p': library = optarg; break;
		case 'o': file = optarg; break;
		case 't': counts = "time"; break;
		case 'm': counts = "cost"; break;
		case 's': period_ms = (unsigned)atoi(optarg); break;
		default: return 125;
		}
	if (optind >= argc)
		return fputs("usage: launch [-p LIB] [-o FILE] [-t|-m] [-s MS] -- COMMAND...\n", stderr), 125;
	long long from = now_ns();
	started = fork();
	if (!started)
		run(argv + optind, library);
	if (started < 0)
		return perror("fork"), 125;
	signal(SIGTERM, pass_on);
	signal(SIGINT, pass_on);
	int status = 0;
	struct rusage use;
	long tree_kib = await(started, &status, &use, period_ms);
	long long wall = now_ns() - from;
	int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	FILE *out = file ? fopen(file, "ae") : stderr;
	if (!out)
		return perror(file), 125;
	fprintf(out, "wall_ns=%lld user_us=%lld sys_us=%lld ", wall, us(use.ru_utime), us(use.ru_stime));
	fprintf(out, "rss_kib=%ld minor=%ld major=%ld ", use.ru_maxrss, use.ru_minflt, use.ru_majflt);
	fprintf(out, "tree_kib=%ld status=%d counts=%s\n", tree_kib, result, counts);
	return fclose(out) ? 125 : result;
}
