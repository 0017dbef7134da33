/* base/line.c - one line of text built without allocating.
 *
 * Invariants, checked by tests/unit/test_line.c:
 *   (N1) used <= CAIRN_LINE_MAX after every call, whatever was added.
 *   (N2) The text holds no control character: a program's name cannot break the line in two or move the cursor.
 *
 * Failure: a line that is full stays as it is. Not here: writing it (os/report.c). */
#include "base/line.h"

#include <stdbool.h>

static void line_char(cairn_line *l, char c)
{
	bool is_control = (unsigned char)c < 0x20 || c == 0x7f;
	if (l->used < CAIRN_LINE_MAX)
		l->text[l->used++] = is_control ? '?' : c;
}

static void line_number(cairn_line *l, uint64_t n, unsigned base)
{
	char digits[20]; /* 2^64 - 1 has twenty in base ten */
	unsigned count = 0;
	do {
		digits[count++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	while (count)
		line_char(l, digits[--count]);
}

void cairn_line_text(cairn_line *l, const char *s)
{
	while (s && *s)
		line_char(l, *s++);
}

void cairn_line_dec(cairn_line *l, uint64_t n) { line_number(l, n, 10); }

void cairn_line_hex(cairn_line *l, uintptr_t n)
{
	cairn_line_text(l, "0x");
	line_number(l, n, 16);
}

/* Below 1 KiB exactly, above with one decimal, rounded half up. The unit is the largest in which the rounded number is
 * at least 1.0, so that 1048575 reads 1.0 MiB and never 1024.0 KiB. */
void cairn_line_bytes(cairn_line *l, uint64_t bytes)
{
	if (bytes < 1024) {
		line_number(l, bytes, 10);
		cairn_line_text(l, " B");
		return;
	}
	unsigned unit = (63u - (unsigned)__builtin_clzll(bytes)) / 10; /* 1 KiB .. 6 EiB */
	unsigned shift = unit * 10;
	uint64_t tenths = (bytes >> shift) * 10;
	uint64_t rest = bytes & ((1ull << shift) - 1);
	tenths += ((rest >> (shift - 10)) * 10 + 512) >> 10; /* ten bits of the rest decide: no overflow */
	if (tenths >= 10240) {
		unit++;
		tenths = 10;
	}
	line_number(l, tenths / 10, 10);
	line_char(l, '.');
	line_number(l, tenths % 10, 10);
	line_char(l, ' ');
	line_char(l, "?KMGTPE"[unit]);
	cairn_line_text(l, "iB");
}
