/* cli/stat.c - the verb stat. See stat.h.
 *
 *   cairn stat PID ──▶ one snapshot, read from outside ──▶ text, or JSON, on standard output
 *
 * The process is neither stopped nor asked. Exit status: 0, or 125 with one line on standard error.
 * Not here: what a snapshot is (the library's lens). */
#include "stat.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cairn/stats.h>

#include "run.h"

typedef struct stat_options {
	bool is_json, wants_help;
	const char *pid;
} stat_options;

static void stat_help(void)
{
	fputs("Usage: cairn stat [options] PID\n"
	      "\n"
	      "Tells where the resident bytes of a running process are, line by line, and what\n"
	      "would give them back. The process is neither stopped nor asked: it may be busy,\n"
	      "stopped or hung. Of a process that does not run on cairn it tells what the\n"
	      "kernel knows.\n"
	      "\n"
	      "  --json         one JSON object: pid, rss_bytes, lines, below_the_line ...\n"
	      "  -h, --help     this text\n"
	      "\n"
	      "Exit status: 0; 125 when there is no such process, or it may not be read.\n",
	      stdout);
}

static int stat_say(const char *what, const char *why)
{
	fprintf(stderr, "cairn: stat: %.100s: %s\n", what, why);
	return CAIRN_STATUS_FAILED;
}

/* 0, or the status when something is wrong. */
static int stat_read(stat_options *o, char **argv)
{
	bool is_over = false;
	for (; *argv; argv++) {
		if (!is_over && !strcmp(*argv, "--"))
			is_over = true;
		else if (!is_over && !strcmp(*argv, "--json"))
			o->is_json = true;
		else if (!is_over && (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")))
			o->wants_help = true;
		else if (!is_over && (*argv)[0] == '-')
			return stat_say(*argv, "unknown option; see cairn stat --help");
		else if (o->pid)
			return stat_say(*argv, "one process at a time; type: cairn stat PID");
		else
			o->pid = *argv;
	}
	return o->pid || o->wants_help ? 0 : stat_say("no process", "type: cairn stat PID");
}

static uint32_t stat_pid(const char *text)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	return errno || *end || end == text || text[0] == '-' || n > INT32_MAX ? 0 : (uint32_t)n;
}

static const char *stat_why(int error)
{
	switch (error) {
	case ESRCH:
		return "no such process";
	case EACCES:
	case EPERM:
		return "it belongs to another user, or may not be looked at; try as that user, or as root";
	default:
		return strerror(error);
	}
}

int cairn_stat(char **argv)
{
	static cairn_snapshot snapshot;
	stat_options o = { 0 };
	int status = stat_read(&o, argv);
	if (status)
		return status;
	if (o.wants_help) {
		stat_help();
		return fflush(stdout) ? CAIRN_STATUS_FAILED : 0;
	}
	uint32_t pid = stat_pid(o.pid);
	if (!pid)
		return stat_say(o.pid, "that is no process number; type: cairn stat PID");
	int error = cairn_snapshot_take(&snapshot, pid);
	if (error)
		return stat_say(o.pid, stat_why(error));
	bool has_colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	error = o.is_json ? cairn_snapshot_print_json(&snapshot, STDOUT_FILENO)
			  : cairn_snapshot_print(&snapshot, STDOUT_FILENO, has_colour);
	return error ? stat_say("standard output", strerror(error)) : 0;
}
