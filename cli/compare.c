/* cli/compare.c - the verb compare. See compare.h.
 *
 *   find the program → the allocators, each asked of ld.so → open the output → warm up → rounds → judge → print
 *
 * A round runs the program once on each allocator, in an order that is drawn anew each time: what comes first in a
 * round is chance, and that is what makes a difference between two runs of a round mean something (paired.c). How many
 * rounds there are depends on the caller and the clock, never on what was measured: who stops when the figures please
 * finds what was wished for.
 *
 * Failure: before the first run, one line and 125 to 127; after it, less of a table and a sentence that says so.
 *
 * Not here: one run (measure.c), libraries (preload.c), what the figures say (comparison.c, verdict.c). */
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comparison.h"
#include "proctree.h"
#include "run.h"

enum {
	COMPARE_RUNS = 10,       /* rounds, where neither -n nor --time was said, at least */
	COMPARE_RUNS_MAX = 100,  /* and at most */
	COMPARE_SECONDS = 5,     /* they go on for so long */
	COMPARE_PROGRESS_MS = 100,
};

typedef struct compare_state {
	const cairn_options *options;
	cairn_program program;
	cairn_measure measure;
	cairn_comparison comparison;
	FILE *output;
	bool has_progress;      /* on the terminal */
	bool had_tree;          /* a run had more than one process at a time */
	uint64_t start_ns, round_ns, progress_ns; /* beginning; longest round; when progress was last shown */
	uint64_t random;
} compare_state;

__attribute__((format(printf, 2, 3))) static int compare_say(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("cairn: ", stderr);
	vfprintf(stderr, format, arguments);
	putc('\n', stderr);
	va_end(arguments);
	return status;
}

/* ---- Before the first run ---- */

/* 0, or the status of the command when the program cannot be compared. */
static int compare_find(compare_state *s)
{
	const char *name = s->options->program[0];
	int error = cairn_program_find(&s->program, name);
	if (error == ENOENT || error == ENOTDIR)
		return compare_say(CAIRN_STATUS_NOT_FOUND, "%.200s: not found", name);
	if (error)
		return compare_say(CAIRN_STATUS_NOT_EXECUTABLE, "%.200s: %s", name, strerror(error));
	cairn_program_inspect(&s->program);
	if (s->program.state != CAIRN_PROGRAM_SERVED)
		return compare_say(CAIRN_STATUS_FAILED, "%.200s cannot be compared: %s", name, s->program.why_not);
	return 0;
}

static bool compare_has_name(const cairn_comparison *c, const char *name)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (!strcmp(c->rows[i].preload.name, name))
			return true;
	return false;
}

/* A row whose name is taken gets a number behind it. */
static int compare_add(compare_state *s, cairn_preload *l)
{
	char name[CAIRN_PRELOAD_NAME];
	memcpy(name, l->name, sizeof name);
	for (unsigned i = 2; compare_has_name(&s->comparison, l->name); i++)
		snprintf(l->name, sizeof l->name, "%.*s %u", (int)sizeof name - 5, name, i % 100);
	if (cairn_comparison_add(&s->comparison, l))
		return 0;
	return compare_say(CAIRN_STATUS_FAILED, "not enough memory for the figures");
}

/* The program as it is. Mostly that is glibc's malloc; but it may be linked with another, or one is preloaded already.
 * */
static int compare_add_base(compare_state *s, cairn_preload_plan *plan)
{
	cairn_preload base = { .name = "glibc" };
	cairn_preload_plan_make(plan, &s->program, &base, NULL);
	bool is_libc = !plan->malloc_of[0] || !strcmp(plan->malloc_of, plan->libc);
	if (!is_libc) {
		cairn_preload_take(&base, NULL, plan->malloc_of);
		base.path[0] = 0;
		cairn_comparison_note(&s->comparison,
				      "As it is the program has the malloc of %.120s, and the ratios are to that. "
				      "--with glibc adds glibc's.", plan->malloc_of);
		return compare_add(s, &base);
	}
	plan->libc[0] = 0; /* --with glibc: the same again */
	return compare_add(s, &base);
}

static int compare_add_one(compare_state *s, cairn_preload *l, const cairn_preload_plan *base)
{
	cairn_preload_plan plan;
	if (l->path[0] && !cairn_preload_plan_make(&plan, &s->program, l, base))
		return CAIRN_STATUS_FAILED;
	return compare_add(s, l);
}

static int compare_add_cairn(compare_state *s, const cairn_preload_plan *base)
{
	char path[PATH_MAX];
	cairn_preload l;
	if (!cairn_run_library(path, sizeof path))
		return compare_say(CAIRN_STATUS_FAILED,
				   "libcairn.so: neither beside the command nor in ../lib; install cairn again");
	if (!cairn_preload_take(&l, "cairn", path))
		return compare_say(CAIRN_STATUS_FAILED,
				   "%.200s: ld.so takes no path with a blank, colon or $; install cairn elsewhere",
				   path);
	return compare_add_one(s, &l, base);
}

static int compare_add_allocators(compare_state *s)
{
	const cairn_options_compare *o = &s->options->compare;
	cairn_preload_plan base;
	int status = compare_add_base(s, &base);
	if (!status)
		status = compare_add_cairn(s, &base);
	for (unsigned i = 0; i < o->with_count && !status; i++) {
		cairn_preload l;
		if (!strcmp(o->with[i], "glibc") || !strcmp(o->with[i], "libc"))
			cairn_preload_take(&l, base.libc[0] ? "glibc" : "glibc again", base.libc);
		else if (!cairn_preload_find(&l, o->with[i]))
			return CAIRN_STATUS_FAILED;
		status = compare_add_one(s, &l, &base);
	}
	return status;
}

static int compare_open_output(compare_state *s)
{
	const char *path = s->options->output;
	s->output = stderr;
	if (!path)
		return 0;
	int fd = cairn_options_open(path);
	s->output = fd < 0 ? NULL : fdopen(fd, "w");
	return s->output ? 0 : compare_say(CAIRN_STATUS_FAILED, "%.200s: %s", path, strerror(errno));
}

/* ---- The runs ---- */

static uint64_t compare_elapsed_ns(const compare_state *s) { return cairn_launch_now_ns() - s->start_ns; }

/* The next random number below n (splitmix64, Steele and others 2014). */
static size_t compare_draw(compare_state *s, size_t n)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (size_t)((z ^ z >> 31) % n); /* n is far below 2^64 */
}

static void compare_shuffle(compare_state *s, size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t k = compare_draw(s, i), other = order[i - 1];
		order[i - 1] = order[k];
		order[k] = other;
	}
}

static double compare_budget_seconds(const compare_state *s)
{
	const cairn_options_compare *o = &s->options->compare;
	return o->seconds > 0 ? o->seconds : o->runs ? 0 : COMPARE_SECONDS;
}

/* How many rounds there will be, as far as can be seen. */
static unsigned compare_expect_rounds(const compare_state *s, unsigned done)
{
	unsigned wanted = s->comparison.rounds_wanted, fewest = s->options->compare.seconds > 0 ? 1 : COMPARE_RUNS;
	double budget = compare_budget_seconds(s);
	if (budget <= 0 || !done)
		return wanted < fewest || budget <= 0 ? wanted : fewest;
	double fit = budget * 1e9 / ((double)compare_elapsed_ns(s) / done);
	return fit < fewest ? fewest : fit < wanted ? (unsigned)fit : wanted;
}

static void compare_erase_progress(const compare_state *s)
{
	if (s->has_progress)
		fputs("\r\033[K", stderr);
}

/* One line on the terminal, written over and over. round 0: the warm-up. */
static void compare_show_progress(compare_state *s, unsigned round, const char *name)
{
	uint64_t now_ns = cairn_launch_now_ns();
	if (!s->has_progress || (s->progress_ns && now_ns - s->progress_ns < COMPARE_PROGRESS_MS * 1000000u))
		return;
	s->progress_ns = now_ns;
	compare_erase_progress(s);
	if (!round) {
		fprintf(stderr, " warm-up: %s", name);
		return;
	}
	unsigned rounds = compare_expect_rounds(s, round - 1);
	rounds = rounds < round ? round : rounds;
	double left = round > 1 ? (double)compare_elapsed_ns(s) / (round - 1) * (rounds - round + 1) / 1e9 : 0;
	fprintf(stderr, " round %u of %u: %s", round, rounds, name);
	if (round > 1)
		fprintf(stderr, ", about %.0f s left", left);
}

/* 0, or the status of the command: the preparation failed. */
static int compare_prepare(compare_state *s)
{
	char words[CAIRN_COMPARISON_WORDS], ending[80];
	const char *command = s->options->compare.prepare;
	int status = command ? cairn_measure_prepare(&s->measure, command) : 0;
	if (!status || cairn_launch_is_stopped(&s->measure.launch))
		return 0;
	cairn_measure_last_words(&s->measure, words, sizeof words);
	cairn_verdict_ending(status, ending, sizeof ending);
	compare_erase_progress(s);
	return compare_say(CAIRN_STATUS_FAILED, "--prepare %.200s: the shell %s%s%s", command, ending,
			   *words ? ": " : "", words);
}

static int compare_refused(compare_state *s, int error)
{
	const char *name = s->options->program[0];
	compare_erase_progress(s);
	if (error == ENOENT)
		return compare_say(CAIRN_STATUS_NOT_EXECUTABLE, "%.200s: its interpreter does not exist", name);
	return compare_say(error == EAGAIN || error == ENOMEM ? CAIRN_STATUS_FAILED : CAIRN_STATUS_NOT_EXECUTABLE,
			   "%.200s: %s", name, strerror(error));
}

/* One run on one allocator; 0, or the status of the command when there can be no more. */
static int compare_run(compare_state *s, size_t row, unsigned round)
{
	char words[CAIRN_COMPARISON_WORDS] = "";
	cairn_sample sample;
	cairn_row *r = &s->comparison.rows[row];
	compare_show_progress(s, round, r->preload.name);
	int status = compare_prepare(s);
	if (status || cairn_launch_is_stopped(&s->measure.launch))
		return status;
	int error = cairn_measure_run(&s->measure, r->preload.path, &sample);
	if (error)
		return compare_refused(s, error);
	if (sample.wait_status)
		cairn_measure_last_words(&s->measure, words, sizeof words);
	s->had_tree |= s->measure.processes > 1;
	cairn_comparison_record(&s->comparison, row, round, &sample, words);
	return 0;
}

/* In a drawn order; the very first begins with the base, whose status is what the others are held against. */
static int compare_round(compare_state *s, unsigned round)
{
	size_t order[CAIRN_COMPARISON_ROWS], n = s->comparison.row_count;
	uint64_t start_ns = cairn_launch_now_ns();
	bool is_first = !s->comparison.has_status;
	int status = 0;
	compare_shuffle(s, order, n);
	for (size_t i = 0; i < n && !status && !s->measure.launch.stop_signal; i++)
		status = compare_run(s, is_first ? i : order[i], round);
	uint64_t took_ns = cairn_launch_now_ns() - start_ns;
	s->round_ns = took_ns > s->round_ns ? took_ns : s->round_ns;
	return status;
}

/* Is there to be another round? */
static bool compare_goes_on(compare_state *s, unsigned done)
{
	const cairn_options_compare *o = &s->options->compare;
	double elapsed = (double)compare_elapsed_ns(s) / 1e9;
	if (cairn_launch_is_stopped(&s->measure.launch) || done >= s->comparison.rounds_wanted)
		return false;
	if (o->seconds > 0)
		return !done || elapsed + (double)s->round_ns / 1e9 <= o->seconds;
	return o->runs || done < COMPARE_RUNS || elapsed < COMPARE_SECONDS;
}

/* 0, or the status of the command: the program could not be started. */
static int compare_measure(compare_state *s)
{
	const cairn_options_compare *o = &s->options->compare;
	cairn_comparison *c = &s->comparison;
	int status = 0;
	c->warmup = o->warmup;
	c->rounds_wanted = o->runs ? o->runs : o->seconds > 0 ? CAIRN_COMPARISON_ROUNDS : COMPARE_RUNS_MAX;
	s->start_ns = cairn_launch_now_ns();
	for (unsigned i = 0; i < o->warmup && !status && !s->measure.launch.stop_signal; i++)
		status = compare_round(s, 0);
	while (!status && compare_goes_on(s, c->rounds)) {
		status = compare_round(s, c->rounds + 1);
		c->rounds += !status && !s->measure.launch.stop_signal; /* what is left of a round has no pair */
	}
	compare_erase_progress(s);
	c->seconds = (double)compare_elapsed_ns(s) / 1e9;
	c->stop_signal = s->measure.launch.stop_signal;
	return status;
}

/* ---- What the reader should know ---- */

static bool compare_has_verdict(const cairn_comparison *c, cairn_verdict a, cairn_verdict b)
{
	for (size_t i = 1; i < c->row_count; i++)
		for (cairn_figure f = 0; f < CAIRN_FIGURES_JUDGED; f++)
			if (c->rows[i].results[f].verdict == a || c->rows[i].results[f].verdict == b)
				return true;
	return false;
}

/* Is a difference of 5 % in wall time lost in the noise of some row? */
static bool compare_is_noisy(const cairn_comparison *c)
{
	for (size_t i = 1; i < c->row_count; i++) {
		const cairn_result *r = &c->rows[i].results[CAIRN_FIGURE_WALL];
		if (r->verdict == CAIRN_VERDICT_NOISE && r->ratio.high > 1.1 * r->ratio.low)
			return true;
	}
	return false;
}

static void compare_note_figures(compare_state *s)
{
	cairn_comparison *c = &s->comparison;
	double major = 0;
	for (size_t i = 0; i < c->row_count; i++)
		if (c->rows[i].results[CAIRN_FIGURE_MAJOR].count)
			major += c->rows[i].results[CAIRN_FIGURE_MAJOR].median;
	if (compare_has_verdict(c, CAIRN_VERDICT_LIKELY_LESS, CAIRN_VERDICT_LIKELY_MORE))
		cairn_comparison_note(c, "\"Likely\" is wrong in one case of twenty; more rounds (-n) make it certain, "
				      "or noise.");
	if (compare_is_noisy(c))
		cairn_comparison_note(c, "Runs on the same allocator differ much from each other: a quieter machine or "
				      "more rounds (-n) would tell more.");
	if (major > 0)
		cairn_comparison_note(c, "There were major faults: pages read from disk count in wall time.");
	if (s->had_tree)
		cairn_comparison_note(c, "Peak RSS is of all its processes together; pages they share count in each.");
	else if (!cairn_proctree_is_known())
		cairn_comparison_note(c, "This kernel does not list a process's children: peak RSS is the largest "
				      "process's.");
}

/* Whoever sends something into a pipe expects it to be read. */
static void compare_note_input(compare_state *s)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct stat stat;
	if (fstat(STDIN_FILENO, &stat) == 0 && S_ISFIFO(stat.st_mode) && poll(&input, 1, 0) > 0 &&
	    (input.revents & POLLIN))
		cairn_comparison_note(&s->comparison,
				      "Standard input is a pipe, which cannot be read again for each run: each read "
				      "/dev/null. Give it as a file: < FILE.");
}

static void compare_note(compare_state *s)
{
	cairn_comparison *c = &s->comparison;
	if (c->stop_signal)
		cairn_comparison_note(c, "Stopped early by signal %d (%s).", c->stop_signal, strsignal(c->stop_signal));
	if (s->program.note[0])
		cairn_comparison_note(c, "%s", s->program.note);
	compare_note_input(s);
	compare_note_figures(s);
}

/* ---- The end ---- */

static bool compare_has_colour(const FILE *to)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return isatty(fileno((FILE *)to)) && !(no && *no) && terminal && strcmp(terminal, "dumb");
}

static void compare_print(compare_state *s)
{
	const cairn_options *o = s->options;
	const cairn_comparison *c = &s->comparison;
	if (o->is_quiet)
		cairn_comparison_print_line(c, o->is_json && o->output ? stderr : s->output);
	else if (!o->is_json)
		cairn_comparison_print(c, s->output, compare_has_colour(s->output));
	if (o->is_json)
		cairn_comparison_print_json(c, s->output);
	bool is_lost = ferror(s->output);
	if ((fflush(s->output) || is_lost) && o->output)
		compare_say(0, "%.200s: %s", o->output, strerror(errno));
}

static int compare_status(const cairn_comparison *c)
{
	if (c->stop_signal)
		return 128 + c->stop_signal;
	if (cairn_comparison_differs(c))
		return 1;
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}

static int compare_all(compare_state *s)
{
	cairn_comparison *c = &s->comparison;
	int status = compare_measure(s);
	if (status)
		return status;
	if (!c->rounds)
		return compare_say(c->stop_signal ? 128 + c->stop_signal : CAIRN_STATUS_FAILED,
				   "stopped before one round was complete");
	cairn_comparison_judge(c);
	compare_note(s);
	compare_print(s);
	return compare_status(c);
}

int cairn_compare(const cairn_options *o)
{
	static compare_state s; /* static: it is large */
	const char *terminal = getenv("TERM");
	s.options = o;
	s.comparison.argv = o->program;
	s.comparison.executable = s.program.path;
	s.has_progress = isatty(STDERR_FILENO) && !o->is_quiet && !o->compare.shows_output && terminal &&
			 strcmp(terminal, "dumb");
	if (getrandom(&s.random, sizeof s.random, 0) < 0)
		s.random = cairn_launch_now_ns();
	unsetenv("CAIRN_SUMMARY"); /* it would make cairn count */
	int status = compare_find(&s);
	if (!status)
		status = compare_add_allocators(&s);
	if (!status)
		status = compare_open_output(&s);
	if (status)
		return status;
	if (!cairn_measure_open(&s.measure, &s.program, o->program, o->compare.shows_output))
		return compare_say(CAIRN_STATUS_FAILED, "signals: %s", strerror(errno));
	status = compare_all(&s);
	if (cairn_launch_is_interrupt(s.comparison.stop_signal))
		cairn_launch_die(128 + s.comparison.stop_signal);
	return status;
}
