/* cli/terminal.c - the terminal while a view has it. See terminal.h.
 *
 * The terminal is opened anew, so that only our descriptor does not block: a terminal whose output is held (ctrl-S), or
 * whose other end reads nothing, delays frames and never keys, signals or the end. Signals are blocked and read from a
 * descriptor, so nothing runs between two instructions but for faults (SIGSEGV and its like), whose handler gives the
 * terminal back and lets the fault do its work.
 *
 * Invariants:
 *   (K1) While `is_ours` the terminal has our modes; otherwise those that it had.
 *   (K2) In the background nothing is changed: the terminal is another's. It is taken when the shell continues us in
 *        the foreground.
 *
 * Failure: what cannot be restored within half a second, because nobody reads the terminal, is left. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_ENTER "\033[?1049h\033[?25l\033[0m\033[2J"
#define TERMINAL_LEAVE "\033[0m\033[?25h\033[?1049l"
#define TERMINAL_PLAIN_ENTER "\033[?1049h\033[?25l\033[2J" /* without SGR, for a screen without colour */
#define TERMINAL_PLAIN_LEAVE "\033[?25h\033[?1049l"

enum { TERMINAL_KEYS = 64, TERMINAL_GIVE_UP_MS = 500, TERMINAL_ESCAPE_MS = 25 };

static struct {
	cairn_screen *screen; /* NULL: closed */
	int fd, signals;
	bool is_ours;         /* sync: read by the handler of faults, in this thread */
	bool owns_fd;
	bool is_waited_for;   /* a frame could not be drawn, because the last one was not sent yet */
	struct termios before;
	sigset_t old_mask;
	int killer;           /* signal */
	char keys[TERMINAL_KEYS];
	size_t key_count;
} terminal = { .fd = -1, .signals = -1 };

static const int terminal_caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };
static const int terminal_faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

static bool terminal_variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value;
}

bool cairn_terminal_is_there(void)
{
	const char *type = getenv("TERM");
	return isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && type && *type && strcmp(type, "dumb");
}

bool cairn_terminal_has_utf8(void)
{
	setlocale(LC_CTYPE, "");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

bool cairn_terminal_has_colour(void)
{
	const char *type = getenv("TERM");
	return !terminal_variable("NO_COLOR") && type && strcmp(type, "dumb");
}

static uint64_t terminal_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static const char *terminal_enter(void)
{
	return terminal.screen->has_colour ? TERMINAL_ENTER : TERMINAL_PLAIN_ENTER;
}

static const char *terminal_leave(void)
{
	return terminal.screen->has_colour ? TERMINAL_LEAVE : TERMINAL_PLAIN_LEAVE;
}

/* ---- Taking it and giving it back ---- */

static bool terminal_is_foreground(void)
{
	pid_t group = tcgetpgrp(terminal.fd);
	return group < 0 || group == getpgrp();
}

static void terminal_measure(void)
{
	struct winsize size = { 0 };
	if (ioctl(terminal.fd, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	if (!cairn_screen_resize(terminal.screen, size.ws_row, size.ws_col))
		cairn_screen_forget(terminal.screen);
}

/* Again while it is ours: after SIGSTOP, when whoever had it meanwhile may have changed its modes, or nobody did. */
static void terminal_take(void)
{
	struct termios raw;
	if (!terminal_is_foreground())
		return;
	if (!terminal.is_ours)
		tcgetattr(terminal.fd, &terminal.before);
	raw = terminal.before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN);
	raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(terminal.fd, TCSANOW, &raw);
	terminal.is_ours = true;
	cairn_screen_sent(terminal.screen, terminal.screen->output_used);
	cairn_screen_send(terminal.screen, terminal_enter());
	cairn_screen_forget(terminal.screen);
}

/* Async-signal-safe. All of it, or until nobody read for half a second. */
static void terminal_write(const char *bytes, size_t n)
{
	while (n) {
		ssize_t wrote = write(terminal.fd, bytes, n);
		struct pollfd p = { terminal.fd, POLLOUT, 0 };
		if (wrote > 0) {
			bytes += wrote;
			n -= (size_t)wrote;
		} else if ((wrote < 0 && errno != EAGAIN && errno != EINTR) || poll(&p, 1, TERMINAL_GIVE_UP_MS) <= 0) {
			return;
		}
	}
}

/* Async-signal-safe. A half-sent escape sequence is ended by the next escape. */
static void terminal_give_back(void)
{
	const char *leave = terminal_leave();
	if (!terminal.is_ours)
		return;
	terminal.is_ours = false;
	if (!terminal_is_foreground())
		return;
	terminal_write(leave, strlen(leave));
	tcsetattr(terminal.fd, TCSANOW, &terminal.before);
}

static void terminal_on_fault(int signal)
{
	terminal_give_back();
	raise(signal); /* SA_RESETHAND: this time it does what it does */
}

static void terminal_catch_faults(bool on)
{
	struct sigaction a = { .sa_handler = on ? terminal_on_fault : SIG_DFL,
			       .sa_flags = on ? SA_RESETHAND | SA_NODEFER : 0 };
	for (size_t i = 0; i < sizeof terminal_faults / sizeof *terminal_faults; i++)
		sigaction(terminal_faults[i], &a, NULL);
}

static void terminal_caught_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof terminal_caught / sizeof *terminal_caught; i++)
		sigaddset(set, terminal_caught[i]);
}

/* Our own description of the terminal, or, where that is refused, the one that was given. */
static int terminal_open(void)
{
	terminal.fd = open("/proc/self/fd/1", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	terminal.owns_fd = terminal.fd >= 0;
	if (!terminal.owns_fd)
		terminal.fd = STDOUT_FILENO;
	return terminal.fd;
}

int cairn_terminal_begin(cairn_screen *s)
{
	sigset_t set;
	terminal_caught_set(&set);
	terminal_open();
	for (size_t i = 0; i < sizeof terminal_caught / sizeof *terminal_caught; i++)
		signal(terminal_caught[i], SIG_DFL); /* an ignored one would never be read */
	sigprocmask(SIG_BLOCK, &set, &terminal.old_mask);
	terminal.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (terminal.signals < 0) {
		int error = errno;
		sigprocmask(SIG_SETMASK, &terminal.old_mask, NULL);
		return error;
	}
	signal(SIGTTOU, SIG_DFL);
	terminal.screen = s;
	terminal.killer = 0;
	terminal.key_count = 0;
	terminal_catch_faults(true);
	terminal_measure();
	terminal_take();
	return 0;
}

int cairn_terminal_end(void)
{
	if (!terminal.screen)
		return 0;
	terminal_give_back();
	terminal_catch_faults(false);
	close(terminal.signals);
	if (terminal.owns_fd)
		close(terminal.fd);
	sigprocmask(SIG_SETMASK, &terminal.old_mask, NULL);
	terminal.screen = NULL;
	terminal.fd = terminal.signals = -1;
	return terminal.killer;
}

void cairn_terminal_die(int sig)
{
	struct rlimit none = { 0, 0 };
	sigset_t set;
	setrlimit(RLIMIT_CORE, &none); /* SIGQUIT's */
	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	_exit(128 + sig); /* the first process of a container is not killed */
}

/* ---- Signals ---- */

/* Stops as a job that the shell stopped; returns when it goes on. */
static void terminal_suspend(void)
{
	sigset_t set;
	terminal_give_back();
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static cairn_key terminal_signal(void)
{
	struct signalfd_siginfo info;
	if (read(terminal.signals, &info, sizeof info) != (ssize_t)sizeof info)
		return CAIRN_KEY_NONE;
	switch (info.ssi_signo) {
	case SIGTSTP:
		terminal_suspend(); /* in a group without a shell nothing stops, and no SIGCONT comes */
		/* fall through */
	case SIGCONT:
		terminal_take();
		terminal_measure();
		return CAIRN_KEY_REDRAW;
	case SIGWINCH:
		terminal_measure();
		return CAIRN_KEY_RESIZED;
	default:
		terminal.killer = (int)info.ssi_signo;
		return CAIRN_KEY_KILLED;
	}
}

/* ---- Keys ---- */

static const struct {
	const char *bytes;
	cairn_key key;
} terminal_sequences[] = {
	{ "\033[A", CAIRN_KEY_UP },       { "\033[B", CAIRN_KEY_DOWN },      { "\033[C", CAIRN_KEY_RIGHT },
	{ "\033[D", CAIRN_KEY_LEFT },     { "\033OA", CAIRN_KEY_UP },        { "\033OB", CAIRN_KEY_DOWN },
	{ "\033OC", CAIRN_KEY_RIGHT },    { "\033OD", CAIRN_KEY_LEFT },      { "\033[5~", CAIRN_KEY_PAGE_UP },
	{ "\033[6~", CAIRN_KEY_PAGE_DOWN }, { "\033[H", CAIRN_KEY_HOME },    { "\033[F", CAIRN_KEY_END },
	{ "\033[Z", CAIRN_KEY_BACKTAB },
};

static void terminal_drop_keys(size_t n)
{
	terminal.key_count -= n;
	memmove(terminal.keys, terminal.keys + n, terminal.key_count);
}

/* How long the escape sequence at the front is; 0: it is not whole yet. */
static size_t terminal_sequence_length(void)
{
	if (terminal.key_count < 2)
		return 0;
	if (terminal.keys[1] != '[' && terminal.keys[1] != 'O')
		return 1;
	for (size_t i = 2; i < terminal.key_count; i++)
		if (terminal.keys[i] >= 0x40 && terminal.keys[i] <= 0x7e)
			return i + 1;
	return terminal.key_count == TERMINAL_KEYS ? TERMINAL_KEYS : 0;
}

/* The key at the front, taken. is_late: nothing followed an escape, so it is the key. */
static cairn_key terminal_key(bool is_late)
{
	if (!terminal.key_count)
		return CAIRN_KEY_NONE;
	size_t n = terminal.keys[0] == '\033' ? terminal_sequence_length() : 1;
	cairn_key key = (cairn_key)(unsigned char)terminal.keys[0];
	if (!n && !is_late)
		return CAIRN_KEY_NONE;
	n = n ? n : 1;
	if (n > 1)
		key = CAIRN_KEY_NONE;
	for (size_t i = 0; n > 1 && i < sizeof terminal_sequences / sizeof *terminal_sequences; i++)
		if (strlen(terminal_sequences[i].bytes) == n && !memcmp(terminal_sequences[i].bytes, terminal.keys, n))
			key = terminal_sequences[i].key;
	terminal_drop_keys(n);
	return key;
}

/* False: the terminal is gone. */
static bool terminal_read(void)
{
	ssize_t n = read(terminal.fd, terminal.keys + terminal.key_count, TERMINAL_KEYS - terminal.key_count);
	if (n > 0)
		terminal.key_count += (size_t)n;
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* ---- Waiting ---- */

static void terminal_flush(void)
{
	cairn_screen *s = terminal.screen;
	while (s->output_used && terminal.is_ours) {
		ssize_t n = write(terminal.fd, s->output, s->output_used);
		if (n <= 0)
			return;
		cairn_screen_sent(s, (size_t)n);
	}
}

bool cairn_terminal_is_idle(void)
{
	terminal_flush();
	terminal.is_waited_for = terminal.screen->output_used > 0;
	return !terminal.is_waited_for;
}

static int terminal_timeout(uint64_t deadline_ns)
{
	uint64_t now = terminal_now_ns(), left = deadline_ns > now ? (deadline_ns - now + 999999) / 1000000 : 0;
	if (terminal.key_count && left > TERMINAL_ESCAPE_MS)
		left = TERMINAL_ESCAPE_MS; /* an escape that may be a key or the beginning of one */
	return left < 3600000 ? (int)left : 3600000;
}

cairn_key cairn_terminal_wait(uint64_t deadline_ns, int watched)
{
	for (;;) {
		cairn_key key = terminal_key(false);
		terminal_flush();
		if (!key && terminal.is_waited_for && cairn_terminal_is_idle())
			return CAIRN_KEY_DRAINED;
		struct pollfd p[3] = {
			{ terminal.signals, POLLIN, 0 },
			{ terminal.is_ours ? terminal.fd : -1,
			  (short)(POLLIN | (terminal.screen->output_used ? POLLOUT : 0)), 0 },
			{ watched, POLLIN, 0 },
		};
		if (key)
			return key;
		int ready = poll(p, 3, terminal_timeout(deadline_ns));
		if (ready < 0 && errno != EINTR)
			return CAIRN_KEY_KILLED;
		if (ready > 0 && p[0].revents && (key = terminal_signal()))
			return key;
		if (ready > 0 && p[1].revents & ~POLLOUT && (!terminal_read() || p[1].revents & (POLLHUP | POLLERR))) {
			terminal.killer = SIGHUP;
			return CAIRN_KEY_KILLED;
		}
		if (ready > 0 && p[2].revents)
			return CAIRN_KEY_WATCHED;
		if (!ready && (key = terminal_key(true)))
			return key;
		if (!ready && terminal_now_ns() >= deadline_ns)
			return CAIRN_KEY_NONE;
	}
}
