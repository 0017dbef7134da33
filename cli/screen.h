/* cli/screen.h - a screen of cells, and what has to be sent to a terminal that shows another one.
 *
 * A frame is drawn into the cells from scratch; cairn_screen_update appends to the screen's output only what differs
 * from what the terminal shows, cairn_screen_print the frame as plain lines. Nothing here writes to a descriptor or
 * knows a terminal's state: terminal.h does.
 *
 * A cell holds one character one column wide. What is not printable or wider becomes '?'; where the terminal is not
 * UTF-8, lines, blocks and dots become ASCII that looks alike, when they are sent.
 *
 * Ownership: the cells and the output belong to the screen until cairn_screen_free. Threads: one. */
#ifndef CAIRN_CLI_SCREEN_H
#define CAIRN_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAIRN_SCREEN_ROWS = 400, CAIRN_SCREEN_COLUMNS = 1000 }; /* of a larger terminal a part is used */

/* Added up: one colour, and marks. */
enum {
	CAIRN_INK_PLAIN = 0,
	CAIRN_INK_RED = 1, CAIRN_INK_GREEN, CAIRN_INK_YELLOW, CAIRN_INK_BLUE, CAIRN_INK_MAGENTA, CAIRN_INK_CYAN,
	CAIRN_INK_COLOUR = 7, /* mask */
	CAIRN_INK_BOLD = 8, CAIRN_INK_DIM = 16, CAIRN_INK_REVERSE = 32,
};

typedef struct cairn_cell {
	uint32_t character; /* 0: what it shows is unknown */
	uint32_t ink;
} cairn_cell;

typedef struct cairn_screen {
	unsigned rows, columns;
	bool has_colour; /* otherwise every ink is plain, and no escape for one is sent */
	bool has_utf8;
	cairn_cell *cells, *shown; /* rows × columns each: the frame, and what the terminal shows */
	char *output;              /* to be sent */
	size_t output_used, output_bytes;
	bool is_short;             /* no memory for all of the output: the next update sends everything */
} cairn_screen;

void cairn_screen_init(cairn_screen *s, bool has_colour, bool has_utf8);
void cairn_screen_free(cairn_screen *s);
/* Empties the frame and forgets what is shown. False: no memory, and the size is as it was. */
bool cairn_screen_resize(cairn_screen *s, unsigned rows, unsigned columns);
void cairn_screen_clear(cairn_screen *s);  /* the frame */
void cairn_screen_forget(cairn_screen *s); /* what is shown: the next update sends everything */

/* Each draws at row and column, what fits before the column `end` (0: the right edge), and returns the column behind
 * it. Rows and columns off the screen draw nothing. Text is UTF-8; what is cut ends in an ellipsis. */
unsigned cairn_screen_text(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			   const char *text);
unsigned cairn_screen_textf(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			    const char *format, ...) __attribute__((format(printf, 6, 7)));
/* So that it ends before the column `end`; what does not fit in `width` is cut at its right. */
void cairn_screen_right(cairn_screen *s, unsigned row, unsigned end, unsigned width, unsigned ink, const char *text);
void cairn_screen_fill(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink, const char *one);
/* A bar of `part` (0 to 1) of the columns between, in eighths; anything that is not 0 is seen. */
void cairn_screen_bar(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink, double part);
/* A column a value, the last at the right end; the lowest line is 0, or `floor`, the highest `top`. */
void cairn_screen_spark(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			const double *values, size_t count, double bottom, double top);

void cairn_screen_update(cairn_screen *s);
/* The rows down to the last that is not empty, without blanks at their ends. */
void cairn_screen_print(cairn_screen *s);
void cairn_screen_send(cairn_screen *s, const char *bytes); /* appends to the output as it is */
void cairn_screen_sent(cairn_screen *s, size_t bytes);      /* that much of the output is gone */

unsigned cairn_screen_width(const char *text); /* columns of it */

#endif
