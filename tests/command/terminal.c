/* A terminal for tests: runs a program on a pseudo-terminal as a shell's job, understands what cli/screen.c sends, and
 * tells what is on the screen. Usage: terminal ROWS COLUMNS PROGRAM [ARGUMENT...]; on stdin a command a line, each
 * answered on stdout:
 *
 *   screen          the rows, without blanks at their ends, and a line "."
 *   state           "alternate=0 cursor=1 sgr=0 raw=0 unknown=0 bytes=0": which screen, is the cursor seen, how many
 *                   colours and marks were sent, does the terminal hand on each key, escapes that are not understood
 *   keys TEXT       types it; \e \t \r \\ stand for what they stand for in C
 *   size ROWS COLUMNS
 *   status          running, stopped, exit N, signal N
 *   pid             of the program
 *   continue        as the shell's fg
 *   background      as the shell's bg: goes on, without the terminal
 *   hold, release   nobody reads the terminal, and again
 *   hangup          the terminal goes away */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { ROWS = 200, COLUMNS = 400 };

static uint32_t grids[2][ROWS][COLUMNS]; /* the usual screen, and the alternate one */
static int is_alternate, has_cursor = 1, rows, columns, row, column, is_at_edge;
static long sgr, unknown, bytes;
static int master, to_shell, from_shell, is_held;
static pid_t job;
static char status_text[32] = "running";

/* ---- What the program sends ---- */

static char escape[64];
static size_t escaped; /* bytes of the sequence so far; 0: none */
static uint32_t rune;
static int runes_left;

static void clear_from(int r, int c, int last_row, int last_column)
{
	for (; r < last_row || (r == last_row && c < last_column);) {
		if (r < ROWS && c < COLUMNS)
			grids[is_alternate][r][c] = ' ';
		if (++c >= columns && r < last_row)
			r++, c = 0;
	}
}

static void put(uint32_t c)
{
	if (is_at_edge) { /* as terminals do: a full line wraps when another character comes */
		is_at_edge = 0;
		column = 0;
		if (++row >= rows)
			row = rows - 1, unknown++; /* it would have scrolled */
	}
	if (row < ROWS && column < COLUMNS)
		grids[is_alternate][row][column] = c;
	if (column + 1 < columns)
		column++;
	else
		is_at_edge = 1;
}

static void private_mode(int mode, int on)
{
	if (mode == 25)
		has_cursor = on;
	else if (mode == 1049) {
		is_alternate = on;
		if (on)
			clear_from(0, 0, rows - 1, columns);
	} else
		unknown++;
}

static void sequence(void)
{
	int a = 0, b = 0;
	char end = escape[escaped - 1];
	escape[escaped] = 0;
	is_at_edge = 0;
	if (escape[1] == '[' && escape[2] == '?' && (end == 'h' || end == 'l')) {
		private_mode(atoi(escape + 3), end == 'h');
	} else if (escape[1] == '[' && end == 'H') {
		sscanf(escape + 2, "%d;%d", &a, &b);
		row = a > 0 ? a - 1 : 0;
		column = b > 0 ? b - 1 : 0;
		if (row >= rows || column >= columns)
			unknown++; /* off the screen */
	} else if (escape[1] == '[' && end == 'm') {
		sgr++;
	} else if (escape[1] == '[' && end == 'J' && escape[2] == '2') {
		clear_from(0, 0, rows - 1, columns);
	} else {
		unknown++;
	}
	escaped = 0;
}

static void take(unsigned char c)
{
	if (escaped) {
		escape[escaped++] = (char)c;
		if ((escaped == 2 && c != '[') || (escaped > 2 && c >= 0x40 && c < 0x7f) || escaped > 60)
			sequence();
	} else if (runes_left) {
		rune = rune << 6 | (c & 0x3f);
		if (!--runes_left)
			put(rune);
	} else if (c == 033) {
		escape[0] = 033;
		escaped = 1;
	} else if (c == '\r') {
		column = is_at_edge = 0;
	} else if (c == '\n') {
		is_at_edge = 0;
		row = row + 1 < rows ? row + 1 : row;
	} else if (c >= 0xc0) {
		runes_left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		rune = c & (0x3f >> runes_left);
	} else if (c >= ' ' && c < 0x7f) {
		put(c);
	} else {
		unknown++;
	}
}

/* ---- What the test asks for ---- */

static void print_rune(uint32_t c)
{
	if (c < 0x80)
		putchar((int)c);
	else if (c < 0x800)
		printf("%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
	else
		printf("%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
}

static void print_screen(void)
{
	for (int r = 0; r < rows; r++) {
		int end = columns;
		for (; end && (grids[is_alternate][r][end - 1] == ' ' || !grids[is_alternate][r][end - 1]); end--)
			;
		for (int c = 0; c < end; c++)
			print_rune(grids[is_alternate][r][c] ? grids[is_alternate][r][c] : ' ');
		putchar('\n');
	}
	puts(".");
}

static void print_state(void)
{
	struct termios modes = { 0 };
	int has_modes = !tcgetattr(master, &modes);
	printf("alternate=%d cursor=%d sgr=%ld raw=%d unknown=%ld bytes=%ld\n", is_alternate, has_cursor, sgr,
	       has_modes ? !(modes.c_lflag & (ICANON | ECHO)) : -1, unknown, bytes);
}

static void type(const char *text)
{
	for (; *text && *text != '\n'; text++) {
		char c = *text;
		if (c == '\\') {
			c = *++text;
			c = c == 'e' ? 033 : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		}
		if (write(master, &c, 1) != 1)
			return;
	}
}

static void command(char *line)
{
	int r, c;
	if (!strncmp(line, "screen", 6))
		print_screen();
	else if (!strncmp(line, "state", 5))
		print_state();
	else if (!strncmp(line, "keys ", 5))
		type(line + 5), puts("typed");
	else if (sscanf(line, "size %d %d", &r, &c) == 2) {
		struct winsize size = { .ws_row = (unsigned short)r, .ws_col = (unsigned short)c };
		rows = r, columns = c;
		memset(grids, 0, sizeof grids);
		ioctl(master, TIOCSWINSZ, &size);
		puts("sized");
	} else if (!strncmp(line, "status", 6))
		puts(status_text);
	else if (!strncmp(line, "pid", 3))
		printf("%d\n", (int)job);
	else if (!strncmp(line, "continue", 8) || !strncmp(line, "background", 10))
		strcpy(status_text, "running"), write(to_shell, line, 1), puts("continued");
	else if (!strncmp(line, "hold", 4) || !strncmp(line, "release", 7))
		is_held = *line == 'h', puts("done");
	else if (!strncmp(line, "hangup", 6))
		close(master), master = -1, puts("gone");
	else
		puts("?");
	fflush(stdout);
}

/* ---- The shell: it owns the terminal, and its one job has it while it runs ---- */

static void shell(char **argv, int in, int out)
{
	int status;
	char text[32];
	pid_t child = fork();
	signal(SIGTTOU, SIG_IGN);
	if (!child) {
		setpgid(0, 0);
		tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		execvp(argv[0], argv);
		_exit(127);
	}
	setpgid(child, child);
	tcsetpgrp(0, child);
	snprintf(text, sizeof text, "pid %d\n", (int)child);
	write(out, text, 32);
	fcntl(in, F_SETFL, O_NONBLOCK);
	signal(SIGHUP, SIG_IGN);
	for (;;) {
		char c;
		struct pollfd p = { in, POLLIN, 0 };
		if (waitpid(child, &status, WUNTRACED | WNOHANG) == child) {
			memset(text, 0, sizeof text);
			if (WIFSTOPPED(status))
				tcsetpgrp(0, getpgrp());
			if (WIFSTOPPED(status))
				strcpy(text, "stopped");
			else if (WIFSIGNALED(status))
				sprintf(text, "signal %d", WTERMSIG(status));
			else
				sprintf(text, "exit %d", WEXITSTATUS(status));
			write(out, text, 32);
		}
		poll(&p, 1, 5);
		if (!(p.revents & (POLLIN | POLLHUP)))
			continue;
		if (read(in, &c, 1) != 1) { /* the test is over */
			kill(child, SIGKILL);
			_exit(0);
		}
		if (c == 'c')
			tcsetpgrp(0, child);
		kill(-child, SIGCONT);
	}
}

static void start(char **argv)
{
	int in[2], out[2];
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
	char text[32];
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		exit(2);
	pid_t pid = forkpty(&master, NULL, NULL, &size);
	if (pid < 0)
		exit(2);
	if (!pid) {
		close(in[1]);
		shell(argv, in[0], out[1]);
	}
	close(in[0]);
	to_shell = in[1];
	from_shell = out[0];
	if (read(from_shell, text, 32) != 32)
		exit(2);
	job = atoi(text + 4);
}

int main(int argc, char **argv)
{
	char line[512];
	size_t used = 0;
	if (argc < 4)
		return 2;
	rows = atoi(argv[1]);
	columns = atoi(argv[2]);
	start(argv + 3);
	for (;;) {
		int seen = is_held ? -1 : master;
		struct pollfd p[3] = { { seen, POLLIN, 0 }, { 0, POLLIN, 0 }, { from_shell, POLLIN, 0 } };
		char buffer[4096];
		if (poll(p, 3, -1) < 0)
			return 2;
		if (p[2].revents & POLLIN && read(from_shell, status_text, 32) <= 0)
			return 2;
		if (p[0].revents) {
			ssize_t n = read(master, buffer, sizeof buffer);
			if (n <= 0) {
				close(master);
				master = -1;
			}
			for (ssize_t i = 0; i < n; i++, bytes++)
				take((unsigned char)buffer[i]);
			continue; /* the screen first, then questions about it */
		}
		if (!p[1].revents)
			continue;
		ssize_t n = read(0, line + used, 1);
		if (n <= 0)
			return 0;
		used += (size_t)n;
		if (line[used - 1] == '\n' || used == sizeof line - 1) {
			line[used] = 0;
			command(line);
			used = 0;
		}
	}
}
