/* cli/screen.c - cells, and the difference between two frames. See screen.h.
 *
 *   draw → cells ──compare with shown──▶ output ──terminal.c──▶ the terminal
 *                                └──▶ shown
 *
 * A run of cells that differ is sent behind one cursor movement; a gap of up to four cells that are the same is sent
 * again, being shorter than another movement. The last cell of the last row is never sent, for some terminals would
 * scroll.
 *
 * Invariants:
 *   (W1) After an update `shown` equals the cells, and a terminal that got the output shows them.
 *   (W2) Nothing is drawn outside of the cells, whatever the rows, columns and texts.
 *   (W3) Without colour no escape sequence but cursor movements is sent by an update, and none by a print.
 *
 * Failure: without memory for the output the frame is dropped and sent whole the next time. */
#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { SCREEN_GAP = 4, SCREEN_UNKNOWN_INK = 1u << 30 };

void cairn_screen_init(cairn_screen *s, bool has_colour, bool has_utf8)
{
	memset(s, 0, sizeof *s);
	s->has_colour = has_colour;
	s->has_utf8 = has_utf8;
}

void cairn_screen_free(cairn_screen *s)
{
	free(s->cells);
	free(s->shown);
	free(s->output);
	cairn_screen_init(s, s->has_colour, s->has_utf8);
}

void cairn_screen_clear(cairn_screen *s)
{
	for (size_t i = 0; i < (size_t)s->rows * s->columns; i++)
		s->cells[i] = (cairn_cell){ ' ', CAIRN_INK_PLAIN };
}

void cairn_screen_forget(cairn_screen *s)
{
	memset(s->shown, 0, sizeof *s->shown * s->rows * s->columns);
}

bool cairn_screen_resize(cairn_screen *s, unsigned rows, unsigned columns)
{
	rows = rows > CAIRN_SCREEN_ROWS ? CAIRN_SCREEN_ROWS : rows ? rows : 1;
	columns = columns > CAIRN_SCREEN_COLUMNS ? CAIRN_SCREEN_COLUMNS : columns ? columns : 1;
	cairn_cell *cells = calloc((size_t)rows * columns, sizeof *cells);
	cairn_cell *shown = calloc((size_t)rows * columns, sizeof *shown);
	if (!cells || !shown) {
		free(cells);
		free(shown);
		return false;
	}
	free(s->cells);
	free(s->shown);
	s->cells = cells;
	s->shown = shown;
	s->rows = rows;
	s->columns = columns;
	cairn_screen_clear(s);
	return true;
}

/* ---- Characters ---- */

/* The next character of UTF-8, *text moved behind it; what is none is one byte, '?'. */
static uint32_t screen_next(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	unsigned n = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
	uint32_t c = n ? *p & (0x3fu >> n) : *p;
	(*text)++;
	if ((*p >= 0x80 && *p < 0xc2) || *p >= 0xf5)
		return '?';
	for (unsigned i = 1; i <= n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return '?';
		c = c << 6 | (p[i] & 0x3f);
	}
	*text += n;
	return c;
}

static bool screen_is_ours(uint32_t c)
{
	return (c >= 0x2500 && c <= 0x25ff) || c == 0xb7 || c == 0xb1 || c == 0xd7 || c == 0x2026 || c == 0x2248 ||
	       (c >= 0x2190 && c <= 0x2193);
}

/* One column wide and printable, or '?'. */
static uint32_t screen_printable(uint32_t c)
{
	if (c >= ' ' && c < 0x7f)
		return c;
	return screen_is_ours(c) || (c >= 0xa0 && wcwidth((wchar_t)c) == 1) ? c : '?';
}

static char screen_ascii(uint32_t c)
{
	static const struct {
		uint32_t from;
		char to;
	} alike[] = {
		{ 0x2500, '-' }, { 0x2502, '|' }, { 0xb7, '-' },   { 0xb1, '~' },   { 0xd7, 'x' },   { 0x2026, '~' },
		{ 0x2248, '~' }, { 0x25b8, '>' }, { 0x2190, '<' }, { 0x2191, '^' }, { 0x2192, '>' }, { 0x2193, 'v' },
	};
	if (c < 0x80)
		return (char)c;
	if (c >= 0x2581 && c <= 0x2588)
		return "_.,-=+*#"[c - 0x2581];
	if (c >= 0x2589 && c <= 0x258f)
		return c <= 0x258c ? '#' : '-'; /* at least half of a cell, or less */
	for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
		if (alike[i].from == c)
			return alike[i].to;
	return '?';
}

unsigned cairn_screen_width(const char *text)
{
	unsigned width = 0;
	for (; *text; width++)
		screen_next(&text);
	return width;
}

/* ---- Drawing ---- */

static void screen_put(cairn_screen *s, unsigned row, unsigned column, unsigned ink, uint32_t c)
{
	if (row < s->rows && column < s->columns)
		s->cells[(size_t)row * s->columns + column] = (cairn_cell){ screen_printable(c), ink };
}

static unsigned screen_end(const cairn_screen *s, unsigned end)
{
	return end && end < s->columns ? end : s->columns;
}

unsigned cairn_screen_text(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			   const char *text)
{
	end = screen_end(s, end);
	for (; *text && column < end; column++) {
		uint32_t c = screen_next(&text);
		screen_put(s, row, column, ink, column + 1 == end && *text ? 0x2026 : c);
	}
	return column;
}

unsigned cairn_screen_textf(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			    const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return cairn_screen_text(s, row, column, end, ink, text);
}

void cairn_screen_right(cairn_screen *s, unsigned row, unsigned end, unsigned width, unsigned ink, const char *text)
{
	unsigned columns = cairn_screen_width(text);
	if (columns > width)
		columns = width;
	if (columns <= end)
		cairn_screen_text(s, row, end - columns, end, ink, text);
}

void cairn_screen_fill(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink, const char *one)
{
	uint32_t c = screen_next(&one);
	for (end = screen_end(s, end); column < end; column++)
		screen_put(s, row, column, ink, c);
}

void cairn_screen_bar(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink, double part)
{
	end = screen_end(s, end);
	if (column >= end || !(part > 0))
		return;
	unsigned eighths = (unsigned)((part < 1 ? part : 1) * 8 * (end - column) + 0.5);
	eighths = eighths ? eighths : 1;
	for (; eighths >= 8; eighths -= 8)
		screen_put(s, row, column++, ink, 0x2588);
	if (eighths)
		screen_put(s, row, column, ink, 0x2590 - eighths);
}

void cairn_screen_spark(cairn_screen *s, unsigned row, unsigned column, unsigned end, unsigned ink,
			const double *values, size_t count, double bottom, double top)
{
	end = screen_end(s, end);
	if (column >= end)
		return;
	if (count > end - column) {
		values += count - (end - column);
		count = end - column;
	}
	column = end - (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		double part = top > bottom ? (values[i] - bottom) / (top - bottom) : 0;
		unsigned level = part > 0 ? (unsigned)((part < 1 ? part : 1) * 7 + 0.5) : 0;
		screen_put(s, row, column + (unsigned)i, ink, 0x2581 + level);
	}
}

/* ---- What is sent ---- */

static bool screen_reserve(cairn_screen *s, size_t more)
{
	if (s->output_used + more <= s->output_bytes)
		return true;
	size_t bytes = 2 * (s->output_used + more);
	char *grown = realloc(s->output, bytes);
	if (!grown) {
		s->is_short = true;
		return false;
	}
	s->output = grown;
	s->output_bytes = bytes;
	return true;
}

static void screen_append(cairn_screen *s, const char *bytes, size_t n)
{
	if (!n || !screen_reserve(s, n))
		return;
	memcpy(s->output + s->output_used, bytes, n);
	s->output_used += n;
}

void cairn_screen_send(cairn_screen *s, const char *bytes)
{
	screen_append(s, bytes, strlen(bytes));
}

void cairn_screen_sent(cairn_screen *s, size_t bytes)
{
	if (bytes > s->output_used)
		bytes = s->output_used;
	if (bytes < s->output_used)
		memmove(s->output, s->output + bytes, s->output_used - bytes);
	s->output_used -= bytes;
}

static void screen_send_character(cairn_screen *s, uint32_t c)
{
	char u[4] = { 0 };
	size_t n = 1;
	if (!s->has_utf8 || c < 0x80) {
		u[0] = screen_ascii(c);
	} else if (c < 0x800) {
		u[0] = (char)(0xc0 | c >> 6);
		u[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		u[0] = (char)(0xe0 | c >> 12);
		u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		u[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		u[0] = (char)(0xf0 | c >> 18);
		u[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		u[n++] = (char)(0x80 | (c & 0x3f));
	}
	screen_append(s, u, n);
}

static void screen_send_ink(cairn_screen *s, uint32_t ink, uint32_t *last)
{
	char escape[48];
	if (!s->has_colour || ink == *last)
		return;
	int n = snprintf(escape, sizeof escape, "\033[0%s%s%s", ink & CAIRN_INK_BOLD ? ";1" : "",
			 ink & CAIRN_INK_DIM ? ";2" : "", ink & CAIRN_INK_REVERSE ? ";7" : "");
	if (ink & CAIRN_INK_COLOUR)
		n += snprintf(escape + n, sizeof escape - (size_t)n, ";3%u", ink & CAIRN_INK_COLOUR);
	screen_append(s, escape, (size_t)n);
	screen_append(s, "m", 1);
	*last = ink;
}

/* Colour does not count where there is none. */
static bool screen_is_same(const cairn_screen *s, size_t i)
{
	return s->cells[i].character == s->shown[i].character && (!s->has_colour || s->cells[i].ink == s->shown[i].ink);
}

static void screen_update_row(cairn_screen *s, unsigned row, unsigned end, uint32_t *ink)
{
	unsigned behind = CAIRN_SCREEN_COLUMNS + 1; /* where the cursor is; off the row: elsewhere */
	for (unsigned column = 0; column < end; column++) {
		size_t i = (size_t)row * s->columns + column;
		if (screen_is_same(s, i))
			continue;
		if (behind > column || column - behind > SCREEN_GAP) {
			char move[32];
			snprintf(move, sizeof move, "\033[%u;%uH", row + 1, column + 1);
			cairn_screen_send(s, move);
			behind = column;
		}
		for (; behind <= column; behind++) {
			const cairn_cell *cell = &s->cells[(size_t)row * s->columns + behind];
			screen_send_ink(s, cell->ink, ink);
			screen_send_character(s, cell->character);
		}
	}
}

void cairn_screen_update(cairn_screen *s)
{
	uint32_t ink = SCREEN_UNKNOWN_INK;
	if (s->is_short)
		cairn_screen_forget(s);
	s->is_short = false;
	for (unsigned row = 0; row < s->rows; row++)
		screen_update_row(s, row, s->columns - (row + 1 == s->rows), &ink);
	if (ink != SCREEN_UNKNOWN_INK)
		screen_send_ink(s, CAIRN_INK_PLAIN, &ink);
	memcpy(s->shown, s->cells, sizeof *s->shown * s->rows * s->columns);
}

void cairn_screen_print(cairn_screen *s)
{
	unsigned empty = 0;
	for (unsigned row = 0; row < s->rows; row++) {
		unsigned end = s->columns;
		const cairn_cell *cells = s->cells + (size_t)row * s->columns;
		for (; end && cells[end - 1].character == ' '; end--)
			;
		if (!end) {
			empty++;
			continue;
		}
		for (; empty; empty--)
			screen_append(s, "\n", 1);
		for (unsigned column = 0; column < end; column++)
			screen_send_character(s, cells[column].character);
		screen_append(s, "\n", 1);
	}
}
