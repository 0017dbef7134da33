/* cli/top.c - the verb top. See top.h.
 *
 *   options ──▶ which process ──▶ frames: look, draw, wait for keys ──▶ the terminal as it was
 *                    └──▶ the list of them ──enter──┘
 *
 * Each frame is a glance, which costs the process nothing and us a millisecond or two. The whole account, some 20 ms of
 * processor time for 200 MiB of small blocks, is taken only so often that it costs less than 0.5 % of a processor, and
 * the screen says how old it is. The process ends: the last picture stays, with how it ended. Where standard output is
 * no terminal, or one without cursor movements, frames follow one another as text.
 *
 * Nothing is left behind however it ends: there are no files, and nothing in the process was changed but, where the
 * user asked for it, one word that asks it to purge.
 *
 * Exit status: 0; 125 with one line on standard error. */
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cairn/stats.h>

#include "run.h"
#include "stat.h"
#include "target.h"
#include "terminal.h"
#include "top_list.h"
#include "top_state.h"

#define TOP_SECOND_NS 1000000000u
#define TOP_QUICK_NS  250000000u
#define TOP_SHARE     200 /* the account takes at most so small a part of one processor */

enum { TOP_PLAIN_ROWS = 120, TOP_PLAIN_COLUMNS = 80, TOP_QUICK_FRAMES = 4 };

typedef struct top_options {
	const char *which; /* pid or name; NULL: not said. Borrowed from argv */
	uint64_t interval_ns;
	unsigned long frames; /* 0: without an end */
	cairn_top_view view;
	bool has_no_colour, is_ascii, wants_help;
} top_options;

typedef struct top_run {
	top_options options;
	cairn_top_state state;
	cairn_top_list list;
	cairn_target target;
	cairn_snapshot snapshot;
	cairn_screen screen;
	bool is_interactive;
	uint64_t account_due_ns;
} top_run;

static uint64_t top_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int top_say(const char *what, const char *why)
{
	fprintf(stderr, "cairn: top: %.100s: %s\n", what, why);
	return CAIRN_STATUS_FAILED;
}

/* ---- Options ---- */

static void top_help(void)
{
	fputs("Usage: cairn top [options] [PID|NAME]\n"
	      "\n"
	      "Watches a running process, a frame a second: resident memory and allocation\n"
	      "rate, what it grows by and when that meets a limit, where its resident bytes\n"
	      "are, size classes, threads, limits. The process is neither stopped nor asked; it\n"
	      "may be stopped or hung. Without a process it lists those that run on cairn.\n"
	      "\n"
	      "  -i, --interval SECONDS  between frames; 1\n"
	      "  --frames N              ends after so many\n"
	      "  --view NAME             begins with account, classes, threads or limits\n"
	      "  --no-colour, --ascii    plain; also by NO_COLOR, and by the locale\n"
	      "  -h, --help              this text\n"
	      "\n"
	      "Keys: q quit, tab or 1 to 4 the view, s sort, r reverse, p pause, + and - the\n"
	      "interval, P asks the process to give its free memory back, h help.\n"
	      "Where standard output is no terminal, frames follow one another as text.\n"
	      "\n"
	      "Exit status: 0; 125 when there is no such process, or it may not be read.\n",
	      stdout);
}

static int top_take_view(top_options *o, const char *value)
{
	static const char *const names[] = { "account", "classes", "threads", "limits" };
	for (unsigned i = 0; i < CAIRN_TOP_VIEWS; i++)
		if (!strcmp(value, names[i])) {
			o->view = (cairn_top_view)i;
			return 0;
		}
	return top_say("--view", "it is one of account, classes, threads, limits");
}

static int top_take_interval(top_options *o, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);
	if (end == value || *end || !(seconds >= 0.1 && seconds <= 3600))
		return top_say("--interval", "it needs seconds, 0.1 to 3600: -i 1");
	o->interval_ns = (uint64_t)(seconds * 1e9);
	return 0;
}

static int top_take_frames(top_options *o, const char *value)
{
	char *end;
	o->frames = strtoul(value, &end, 10);
	return *end || value[0] < '1' || value[0] > '9' ? top_say("--frames", "it needs a number: --frames 10") : 0;
}

/* The value of the option at *at, which may be the next argument; NULL: it is not this option. */
static const char *top_value(char ***at, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(**at, name, n) || ((**at)[n] && (**at)[n] != '='))
		return NULL;
	if ((**at)[n])
		return **at + n + 1;
	return (*at)[1] ? *++*at : "";
}

static int top_option(top_options *o, char ***at)
{
	const char *value;
	if ((value = top_value(at, "--interval")) || (value = top_value(at, "-i")))
		return top_take_interval(o, value);
	if ((value = top_value(at, "--frames")))
		return top_take_frames(o, value);
	if ((value = top_value(at, "--view")))
		return top_take_view(o, value);
	if (!strcmp(**at, "--no-colour") || !strcmp(**at, "--no-color"))
		o->has_no_colour = true;
	else if (!strcmp(**at, "--ascii"))
		o->is_ascii = true;
	else if (!strcmp(**at, "--help") || !strcmp(**at, "-h"))
		o->wants_help = true;
	else
		return top_say(**at, "unknown option; see cairn top --help");
	return 0;
}

static int top_read(top_options *o, char **argv)
{
	int status = 0;
	bool is_over = false;
	*o = (top_options){ .interval_ns = TOP_SECOND_NS };
	for (; *argv && !status; argv++) {
		if (!is_over && !strcmp(*argv, "--"))
			is_over = true;
		else if (!is_over && (*argv)[0] == '-')
			status = top_option(o, &argv);
		else if (o->which)
			status = top_say(*argv, "one process at a time; type: cairn top PID");
		else
			o->which = *argv;
	}
	return status;
}

/* ---- Looks ---- */

static uint64_t top_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The whole account, where it is due: by the processor time that it takes, for on a busy machine it waits for most of
 * its time. */
static void top_look_whole(top_run *r)
{
	uint64_t begin_ns = top_cpu_ns();
	if (top_now_ns() < r->account_due_ns || cairn_snapshot_take_light(&r->snapshot, r->target.pid))
		return;
	r->account_due_ns = r->snapshot.taken_ns + TOP_SHARE * (top_cpu_ns() - begin_ns);
	cairn_top_add_account(&r->state, &r->snapshot);
}

/* What was read may be of another process that has its number now, unless it is still there afterwards. */
static int top_look(top_run *r)
{
	cairn_top_state *t = &r->state;
	int error = 0;
	if (!t->is_ended && !t->is_paused) {
		if (t->purge_asked_ns && cairn_snapshot_purge_is_served(r->target.pid))
			cairn_top_purge_served(t, top_now_ns());
		error = cairn_snapshot_glance(&r->snapshot, r->target.pid);
		if (!error && !cairn_target_look(&r->target)) {
			cairn_top_add(t, &r->snapshot);
			top_look_whole(r);
		}
	}
	t->is_ended = cairn_target_look(&r->target);
	if (t->is_ended) {
		cairn_target_say(&r->target, t->how_ended, sizeof t->how_ended);
		t->asks_purge = false;
		return 0;
	}
	t->error = error;
	if (error)
		snprintf(t->how_ended, sizeof t->how_ended, "cannot be read any more: %s", strerror(error));
	return error;
}

/* ---- Frames on a terminal ---- */

static void top_draw(top_run *r, bool is_list)
{
	if (!cairn_terminal_is_idle())
		return; /* the last frame is still on its way; DRAINED will follow */
	if (is_list)
		cairn_top_list_draw(&r->list, &r->screen);
	else
		cairn_top_draw(&r->state, &r->screen, top_now_ns());
	cairn_screen_update(&r->screen);
}

static bool top_is_redraw(cairn_key key)
{
	return key == CAIRN_KEY_RESIZED || key == CAIRN_KEY_REDRAW || key == CAIRN_KEY_WATCHED ||
	       key == CAIRN_KEY_DRAINED;
}

static cairn_top_wish top_key(top_run *r, bool is_list, cairn_key key)
{
	if (key == CAIRN_KEY_REDRAW || key == '\f')
		cairn_screen_forget(&r->screen);
	if (top_is_redraw(key))
		return CAIRN_TOP_REDRAW;
	return is_list ? cairn_top_list_key(&r->list, key) : cairn_top_key(&r->state, key, top_now_ns());
}

static void top_purge(top_run *r)
{
	int error = cairn_snapshot_ask_purge(r->target.pid);
	cairn_top_purge_asked(&r->state, error, top_now_ns());
}

/* Waits for the next frame; keys are served and drawn meanwhile. False: it is over. */
static bool top_wait(top_run *r, bool is_list, uint64_t deadline_ns)
{
	for (;;) {
		int watched = is_list || r->state.is_ended ? -1 : r->target.fd;
		cairn_key key = cairn_terminal_wait(deadline_ns, watched);
		if (key == CAIRN_KEY_NONE)
			return true;
		if (key == CAIRN_KEY_KILLED)
			return false;
		uint64_t interval_ns = r->state.interval_ns;
		cairn_top_wish wish = top_key(r, is_list, key);
		if (wish == CAIRN_TOP_QUIT)
			return false;
		if (wish == CAIRN_TOP_PURGE)
			top_purge(r);
		if (key == CAIRN_KEY_WATCHED)
			top_look(r);
		if ((is_list && r->list.is_chosen) || interval_ns != r->state.interval_ns)
			return true;
		if (wish != CAIRN_TOP_NOTHING)
			top_draw(r, is_list);
	}
}

/* Frames at even distances; what was late is left out. */
static uint64_t top_next(uint64_t last_ns, uint64_t interval_ns)
{
	uint64_t now = top_now_ns(), next = last_ns + interval_ns;
	return next > now ? next : now + interval_ns;
}

/* False: the user is done. */
static bool top_choose(top_run *r)
{
	uint64_t at = top_now_ns();
	for (;;) {
		cairn_processes *p = &r->list.processes;
		cairn_processes_read(p);
		top_draw(r, true);
		uint64_t rest = p->cost_ns * TOP_SHARE / 10;
		at = top_next(at, rest > r->list.interval_ns ? rest : r->list.interval_ns);
		if (!top_wait(r, true, at))
			return false;
		if (!r->list.is_chosen)
			continue;
		r->list.is_chosen = false;
		if (!cairn_target_open(&r->target, r->list.selected))
			return true; /* otherwise it has just ended */
	}
}

/* The first frames follow quickly: growth needs some. */
static uint64_t top_interval(const top_run *r)
{
	uint64_t interval_ns = r->state.interval_ns;
	return r->state.history < TOP_QUICK_FRAMES && interval_ns > TOP_QUICK_NS ? TOP_QUICK_NS : interval_ns;
}

static void top_watch(top_run *r)
{
	uint64_t at = top_now_ns();
	for (unsigned long frame = 1;; frame++) {
		top_look(r);
		top_draw(r, false);
		at = top_next(at, top_interval(r));
		if (!top_wait(r, false, at) || frame == r->options.frames)
			return;
	}
}

static int top_interact(top_run *r, bool is_list)
{
	int error = cairn_terminal_begin(&r->screen);
	if (error)
		return top_say("the terminal", strerror(error));
	if (!is_list || top_choose(r))
		top_watch(r);
	int killer = cairn_terminal_end();
	if (killer)
		cairn_terminal_die(killer);
	return 0;
}

/* ---- Frames as text ---- */

static int top_print(cairn_screen *s)
{
	cairn_screen_print(s);
	while (s->output_used) {
		ssize_t n = write(STDOUT_FILENO, s->output, s->output_used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return top_say("standard output", strerror(errno));
		cairn_screen_sent(s, (size_t)n);
	}
	return 0;
}

static void top_sleep(const top_run *r, uint64_t until_ns)
{
	uint64_t now = top_now_ns();
	struct pollfd p = { r->target.fd, POLLIN, 0 };
	if (until_ns > now)
		poll(&p, 1, (int)((until_ns - now + 999999) / 1000000));
}

static int top_follow(top_run *r)
{
	uint64_t at = top_now_ns();
	for (unsigned long frame = 1;; frame++) {
		if (top_look(r))
			return top_say(r->options.which, cairn_stat_why(r->state.error));
		cairn_top_draw(&r->state, &r->screen, top_now_ns());
		int status = top_print(&r->screen);
		if (status || r->state.is_ended || frame == r->options.frames)
			return status;
		cairn_screen_send(&r->screen, "\n");
		at = top_next(at, r->state.interval_ns);
		top_sleep(r, at);
	}
}

static int top_print_list(top_run *r)
{
	cairn_processes_read(&r->list.processes);
	poll(NULL, 0, 250); /* a rate needs two looks */
	cairn_processes_read(&r->list.processes);
	cairn_top_list_draw(&r->list, &r->screen);
	return top_print(&r->screen);
}

/* ---- Which process ---- */

/* 0: found, or *is_list. */
static int top_find(top_run *r, bool *is_list)
{
	const char *which = r->options.which;
	uint32_t pid = 0;
	*is_list = !which;
	if (!which)
		return 0;
	if (which[strspn(which, "0123456789")]) {
		cairn_processes_read(&r->list.processes);
		size_t found = cairn_processes_find(&r->list.processes, which, &pid);
		r->list.name = which;
		r->list.selected = pid;
		*is_list = found > 1;
		if (!found)
			return top_say(which, "no process of that name is on cairn, or none that may be read");
	} else if (strlen(which) > 9 || !(pid = (uint32_t)strtoul(which, NULL, 10))) {
		return top_say(which, "no such process");
	}
	if (*is_list)
		return 0;
	int error = cairn_target_open(&r->target, pid);
	if (!error)
		error = cairn_snapshot_glance(&r->snapshot, pid);
	return error ? top_say(which, cairn_stat_why(error)) : 0;
}

static void top_open_screen(top_run *r)
{
	const top_options *o = &r->options;
	const char *columns = getenv("COLUMNS");
	unsigned width = columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
	r->is_interactive = cairn_terminal_is_there();
	bool has_colour = r->is_interactive && !o->has_no_colour && cairn_terminal_has_colour();
	cairn_screen_init(&r->screen, has_colour, cairn_terminal_has_utf8() && !o->is_ascii);
	if (!r->is_interactive)
		cairn_screen_resize(&r->screen, TOP_PLAIN_ROWS, width >= 40 ? width : TOP_PLAIN_COLUMNS);
}

int cairn_top(char **argv)
{
	static top_run r; /* static: it is large */
	bool is_list;
	r.target.fd = -1;
	int status = top_read(&r.options, argv);
	if (status)
		return status;
	if (r.options.wants_help) {
		top_help();
		return fflush(stdout) ? top_say("standard output", strerror(errno)) : 0;
	}
	top_open_screen(&r);
	cairn_top_init(&r.state, r.options.interval_ns);
	r.state.view = r.options.view;
	r.state.is_plain = r.list.is_plain = !r.is_interactive;
	r.list.interval_ns = r.options.interval_ns;
	status = top_find(&r, &is_list);
	if (status)
		return status;
	if (r.is_interactive)
		status = top_interact(&r, is_list);
	else
		status = is_list ? top_print_list(&r) : top_follow(&r);
	cairn_target_close(&r.target);
	cairn_screen_free(&r.screen);
	return status;
}
