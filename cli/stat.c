/* cli/stat.c - the verb stat. See stat.h.
 *
 *   cairn stat PID ──▶ one snapshot, read from outside ──▶ glances for two to four seconds: growth ──▶ text, or JSON
 *
 * The process is neither stopped nor asked. Exit status: 0, or 125 with one line on standard error.
 * Not here: what a snapshot is (the library's lens). */
#include "stat.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cairn/stats.h>

#include "growth.h"
#include "launch.h"
#include "run.h"

#define STAT_WATCH_NS     2200000000u /* of two steps a second apart at least one is seen */
#define STAT_WATCH_MAX_NS 4200000000u /* four of them */
#define STAT_LOOK_NS      50000000

typedef struct stat_options {
	bool is_json, is_now, wants_help;
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
	      "Then it looks on for two seconds, or four where memory grows in steps, to tell\n"
	      "how fast the process grows, in which size class, and when it meets a limit.\n"
	      "\n"
	      "  --now          does not look on\n"
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
		else if (!is_over && !strcmp(*argv, "--now"))
			o->is_now = true;
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
	return errno || *end || text[0] < '0' || text[0] > '9' || n > INT32_MAX ? 0 : (uint32_t)n;
}

const char *cairn_stat_why(int error)
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

static void stat_fill_growth(cairn_snapshot *s, const cairn_watch *watch, const cairn_growth_rate *rate)
{
	cairn_growth_rate of_class;
	s->has_growth = rate->kind != CAIRN_GROWTH_UNKNOWN;
	s->growth_bytes = (int64_t)rate->bytes_per_s;
	s->has_growing_class = cairn_watch_growing_class(watch, 0, &s->growing_class_bytes, &of_class);
	s->class_growth_bytes = s->has_growing_class ? (int64_t)of_class.bytes_per_s : 0;
	for (uint32_t i = 0; i < s->limit_count; i++) {
		cairn_growth_rate nearer = cairn_watch_limit(watch, s->limits[i].name, 0);
		s->limits[i].left_ns = cairn_growth_left_ns(&nearer, s->limits[i].limit_bytes, s->limits[i].used_bytes);
	}
}

static bool stat_wants_more(const cairn_growth_rate *rate)
{
	double size = rate->bytes_per_s < 0 ? -rate->bytes_per_s : rate->bytes_per_s;
	return rate->wants_more || rate->error_per_s > size / 10;
}

/* Looks on until the growth is known, or for four seconds. A process that ends meanwhile is told of as it was. */
static void stat_watch(cairn_snapshot *s)
{
	static cairn_watch watch;
	static cairn_snapshot glance;
	struct timespec between = { 0, STAT_LOOK_NS };
	uint64_t begin_ns = cairn_launch_now_ns(), now_ns = begin_ns;
	cairn_growth_rate rate;
	cairn_watch_init(&watch);
	do {
		if (cairn_snapshot_glance(&glance, s->pid))
			return;
		cairn_watch_add(&watch, &glance);
		nanosleep(&between, NULL);
		now_ns = cairn_launch_now_ns();
		rate = cairn_watch_resident(&watch, 0);
	} while (now_ns - begin_ns < (stat_wants_more(&rate) ? STAT_WATCH_MAX_NS : STAT_WATCH_NS));
	stat_fill_growth(s, &watch, &rate);
	s->grown_over_ns = now_ns - begin_ns;
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
		return fflush(stdout) ? stat_say("standard output", strerror(errno)) : 0;
	}
	uint32_t pid = stat_pid(o.pid);
	if (!pid)
		return stat_say(o.pid, "that is no process number; type: cairn stat PID");
	int error = cairn_snapshot_take(&snapshot, pid);
	if (error)
		return stat_say(o.pid, cairn_stat_why(error));
	if (!o.is_now && snapshot.rss_bytes && !strchr("TtX", snapshot.state))
		stat_watch(&snapshot);
	bool has_colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	error = o.is_json ? cairn_snapshot_print_json(&snapshot, STDOUT_FILENO)
			  : cairn_snapshot_print(&snapshot, STDOUT_FILENO, has_colour);
	return error ? stat_say("standard output", strerror(error)) : 0;
}
