/* base/line.h - one line of text built without allocating, for messages from places where nothing may allocate.
 *
 *   cairn_line l = { 0 };
 *   cairn_line_text(&l, "cairn: free: "); cairn_line_hex(&l, addr);
 *   then cairn_report(&l) in os/report.h writes it with its newline.
 *
 * A line that is too long is cut, never overrun. Threads: a line belongs to its maker. */
#ifndef CAIRN_BASE_LINE_H
#define CAIRN_BASE_LINE_H

#include <stddef.h>
#include <stdint.h>

enum { CAIRN_LINE_MAX = 240 };

typedef struct cairn_line {
	size_t used;                     /* bytes of text, <= CAIRN_LINE_MAX */
	char text[CAIRN_LINE_MAX + 16];  /* not terminated */
} cairn_line;

void cairn_line_text(cairn_line *l, const char *s);          /* borrows s; NULL prints nothing */
void cairn_line_dec(cairn_line *l, uint64_t n);              /* 12345 */
void cairn_line_hex(cairn_line *l, uintptr_t n);             /* 0x7f12 */
void cairn_line_bytes(cairn_line *l, uint64_t bytes);        /* "64 B", "1.5 KiB", "12.0 MiB" */

#endif
