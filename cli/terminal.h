/* cli/terminal.h - the terminal while a view has it: raw keys, signals as events, and its own state given back.
 *
 *   closed ──begin──▶ ours ──end──▶ closed
 *                      │ ▲
 *         suspend (TSTP) │ │ goes on (CONT)
 *                      ▼ │
 *                    stopped, as the shell had it
 *
 * However it ends but by SIGKILL - end, a signal that kills, a fault of our own - the screen is as it was, the cursor
 * is seen, and lines are read as before. There is one at most. Threads: one. */
#ifndef CAIRN_CLI_TERMINAL_H
#define CAIRN_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "screen.h"

typedef enum cairn_key {
	CAIRN_KEY_NONE = 0, /* below 256: the character */
	CAIRN_KEY_UP = 256, CAIRN_KEY_DOWN, CAIRN_KEY_LEFT, CAIRN_KEY_RIGHT, CAIRN_KEY_PAGE_UP, CAIRN_KEY_PAGE_DOWN,
	CAIRN_KEY_HOME, CAIRN_KEY_END, CAIRN_KEY_BACKTAB,
	CAIRN_KEY_RESIZED,  /* the screen has its new size */
	CAIRN_KEY_REDRAW,   /* the terminal was another's meanwhile */
	CAIRN_KEY_WATCHED,  /* the watched descriptor became readable */
	CAIRN_KEY_DRAINED,  /* all was sent, after cairn_terminal_is_idle had said that it was not */
	CAIRN_KEY_KILLED,   /* by a signal, or the terminal is gone: end, and return what end returns */
} cairn_key;

/* Is there a terminal to draw on: standard output, with cursor movements, and keys from it? */
bool cairn_terminal_is_there(void);
bool cairn_terminal_has_utf8(void); /* by the locale of the environment */
/* NO_COLOR and TERM allow it. */
bool cairn_terminal_has_colour(void);
/* Borrows the screen until the end, and gives it the terminal's size. 0, or an errno and nothing has changed. */
int cairn_terminal_begin(cairn_screen *s);
/* Sends what the screen has as far as the terminal takes it, and waits until deadline_ns (CLOCK_MONOTONIC) for a key
 * or an event; NONE: it is time. watched: a descriptor, or -1. */
cairn_key cairn_terminal_wait(uint64_t deadline_ns, int watched);
bool cairn_terminal_is_idle(void); /* all was sent, or is now */
/* Gives the terminal back. The signal that ended it, 0 none. */
int cairn_terminal_end(void);
/* Ends this process by that signal, as if it had never been caught. */
_Noreturn void cairn_terminal_die(int signal);

#endif
