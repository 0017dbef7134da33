/* lens/writer.c - text for people and JSON, without allocating. See writer.h.
 *
 * Invariants:
 *   (W1) used never passes the size of the buffer or field: what does not fit is flushed, or cut.
 *   (W2) What is written of a name is printable UTF-8 with no control or direction-changing character in it; what is
 *        written as JSON text is valid JSON, whatever the bytes.
 *
 * Not here: what is printed (account_text.c, account_json.c). */
#include "lens/writer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "os/sys.h"

/* A terminal or pipe shared with a program that made it non-blocking may be full for a while. False: for too long. */
static bool writer_wait(cairn_writer *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLOUT };
	struct timespec at_most = { .tv_sec = 10 };
	return cairn_sys(SYS_ppoll, (long)&p, 1, (long)&at_most, 0, 0, 0) > 0;
}

static void writer_flush(cairn_writer *w)
{
	for (size_t done = 0; done < w->used && !w->error;) {
		long n = cairn_sys_write(w->fd, w->buffer + done, w->used - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || (n != -EINTR && (n != -EAGAIN || !writer_wait(w))))
			w->error = n ? (int)-n : EIO;
	}
	w->used = 0;
}

/* One code point, whole, so that a flush never cuts it. */
static void writer_put(cairn_writer *w, const char *s, size_t n)
{
	if (w->used + n > w->bytes)
		writer_flush(w);
	memcpy(w->buffer + w->used, s, n);
	w->used += n;
}

void cairn_writer_open(cairn_writer *w, int fd, char *buffer, size_t bytes)
{
	*w = (cairn_writer){ .fd = fd, .buffer = buffer, .bytes = bytes };
}

int cairn_writer_close(cairn_writer *w)
{
	writer_flush(w);
	return w->error;
}

/* Length of the code point at s, 0 when it is not valid UTF-8; s is terminated. */
static size_t utf8_decode(const char *s, uint32_t *code)
{
	const unsigned char *b = (const unsigned char *)s;
	static const uint32_t lowest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = b[0] < 0x80 ? 1 : b[0] >= 0xc2 && b[0] < 0xe0 ? 2 : (b[0] & 0xf0) == 0xe0 ? 3 :
		   b[0] >= 0xf0 && b[0] < 0xf5 ? 4 : 0;
	*code = n < 2 ? b[0] : b[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (b[i] & 0x3f);
	}
	if (n > 1 && (*code < lowest[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)))
		return 0;
	return n;
}

static unsigned code_width(uint32_t code) { return code >= 0x1100 && code < 0x2000 ? 2 : code >= 0x2e80 ? 2 : 1; }

/* One code point; returns its length. Where there is no room left on the line it is dropped. */
static size_t writer_put_code(cairn_writer *w, const char *s)
{
	uint32_t code;
	size_t n = utf8_decode(s, &code);
	unsigned width = n ? code_width(code) : 1;
	n = n ? n : 1;
	if (w->limit && w->column + width > w->limit)
		return n;
	writer_put(w, s, n);
	w->column += width;
	return n;
}

void cairn_writer_text(cairn_writer *w, const char *s)
{
	while (*s) {
		if (*s != '\n') {
			s += writer_put_code(w, s);
			continue;
		}
		writer_put(w, s++, 1);
		w->column = 0;
		if (w->used > w->bytes / 2)
			writer_flush(w);
	}
}

void cairn_writer_fill(cairn_writer *w, const char *s, unsigned column)
{
	while (w->column < column && !(w->limit && w->column >= w->limit))
		cairn_writer_text(w, s);
}

void cairn_writer_pad(cairn_writer *w, unsigned column) { cairn_writer_fill(w, " ", column); }

void cairn_writer_field(cairn_writer *w, const cairn_field *f)
{
	for (size_t i = 0; i < f->used;)
		i += writer_put_code(w, f->text + i);
}

void cairn_writer_field_right(cairn_writer *w, const cairn_field *f, unsigned column)
{
	if (column > f->columns)
		cairn_writer_pad(w, column - f->columns);
	cairn_writer_field(w, f);
}

void cairn_writer_strong(cairn_writer *w, bool on)
{
	if (w->has_colour)
		writer_put(w, on ? "\033[1m" : "\033[0m", 4);
}

/* Controls, and what turns or hides the text around it. */
static bool code_is_printable(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200b && c < 0x2010) && !(c >= 0x2028 && c < 0x202f) &&
	       !(c >= 0x2060 && c < 0x2070) && c != 0xfeff;
}

static char hex_digit(unsigned n) { return "0123456789abcdef"[n & 15]; }

void cairn_writer_json_text(cairn_writer *w, const char *s)
{
	cairn_writer_text(w, "\"");
	while (*s) {
		uint32_t code;
		size_t n = utf8_decode(s, &code);
		char escape[7] = { '\\', 'u', '0', '0', hex_digit(code >> 4), hex_digit(code), 0 };
		if (!n) {
			cairn_writer_text(w, "\\ufffd");
		} else if (code == '"' || code == '\\') {
			cairn_writer_text(w, code == '"' ? "\\\"" : "\\\\");
		} else if (code < 0x20 || code == 0x7f) {
			cairn_writer_text(w, escape);
		} else {
			writer_put(w, s, n);
		}
		s += n ? n : 1;
	}
	cairn_writer_text(w, "\"");
}

static void field_put(cairn_field *f, const char *s, size_t n, unsigned columns)
{
	if (f->used + n >= sizeof f->text) /* the last byte stays 0 */
		return;
	memcpy(f->text + f->used, s, n);
	f->used += n;
	f->columns += columns;
}

void cairn_field_text(cairn_field *f, const char *s)
{
	uint32_t code;
	for (size_t n; *s; s += n) {
		n = utf8_decode(s, &code);
		if (!n)
			n = 1;
		field_put(f, s, n, 1);
	}
}

/* One code point of a name, or \xNN for a byte that must not be printed, unless it passes `limit` columns. Returns
 * its length in s, 0 when it did not fit. f NULL: only measured, into *columns. */
static size_t field_name_step(cairn_field *f, const char *s, unsigned limit, unsigned *columns)
{
	uint32_t code;
	size_t n = utf8_decode(s, &code);
	char escape[4] = { '\\', 'x', hex_digit((unsigned char)*s >> 4), hex_digit((unsigned char)*s) };
	bool is_plain = n && code_is_printable(code);
	unsigned width = is_plain ? code_width(code) : 4;
	if (*columns + width > limit)
		return 0;
	*columns += width;
	if (f)
		field_put(f, is_plain ? s : escape, is_plain ? n : 4, width);
	return is_plain ? n : 1;
}

void cairn_field_name(cairn_field *f, const char *s, unsigned columns)
{
	unsigned used = 0;
	const char *end = s;
	for (size_t n; *end && (n = field_name_step(NULL, end, columns, &used)); end += n)
		;
	unsigned limit = *end && columns ? columns - 1 : columns;
	used = 0;
	for (size_t n; *s && (n = field_name_step(f, s, limit, &used)); s += n)
		;
	if (*s && columns)
		field_put(f, "…", 3, 1);
}

void cairn_field_dec(cairn_field *f, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + n % 10);
	} while (n /= 10);
	field_put(f, digits + at, sizeof digits - at, (unsigned)(sizeof digits - at));
}

/* n hundredths or tenths: the last `decimals` digits after the point. */
static void field_point(cairn_field *f, uint64_t n, unsigned decimals)
{
	uint64_t unit = decimals == 2 ? 100 : 10;
	cairn_field_dec(f, n / unit);
	cairn_field_text(f, ".");
	if (decimals == 2)
		cairn_field_dec(f, n % unit / 10);
	cairn_field_dec(f, n % 10);
}

/* Three digits of a figure given in thousandths. */
static void field_three_digits(cairn_field *f, uint64_t thousandths)
{
	if (thousandths < 9995)
		field_point(f, (thousandths + 5) / 10, 2);
	else if (thousandths < 99950)
		field_point(f, (thousandths + 50) / 100, 1);
	else
		cairn_field_dec(f, (thousandths + 500) / 1000);
}

void cairn_field_tenths(cairn_field *f, uint64_t n) { field_point(f, n, 1); }

void cairn_field_count(cairn_field *f, uint64_t n)
{
	static const char *const names[] = { " k", " M", " G", " T", " P", " E" };
	if (n == CAIRN_UNKNOWN) {
		cairn_field_text(f, "–");
	} else if (n < 10000) {
		cairn_field_dec(f, n);
	} else if (n < 100000) {
		char last[4] = { (char)('0' + n / 100 % 10), (char)('0' + n / 10 % 10), (char)('0' + n % 10), 0 };
		cairn_field_dec(f, n / 1000);
		cairn_field_text(f, " ");
		cairn_field_text(f, last);
	} else {
		size_t i = 0;
		uint64_t unit = 1000;
		for (; i < 5 && n / unit >= 1000; i++)
			unit *= 1000;
		field_three_digits(f, n / (unit / 1000));
		cairn_field_text(f, names[i]);
	}
}

void cairn_field_bytes(cairn_field *f, uint64_t n)
{
	static const char *const names[] = { " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	if (n == CAIRN_UNKNOWN) {
		cairn_field_text(f, "–");
	} else if (n < 1024) {
		cairn_field_dec(f, n);
		cairn_field_text(f, " B");
	} else {
		size_t i = 0;
		for (; i < 5 && n >> (10 * (i + 2)); i++)
			;
		uint64_t parts = n >> (10 * i); /* in 1024ths of the unit */
		field_three_digits(f, parts / 1024 * 1000 + parts % 1024 * 1000 / 1024);
		cairn_field_text(f, names[i]);
	}
}

void cairn_field_size(cairn_field *f, uint64_t n)
{
	if (n < 1024 || n % 8) {
		cairn_field_bytes(f, n);
		return;
	}
	unsigned is_mib = n >= 1024 * 1024 && n % 1024 == 0;
	uint64_t parts = is_mib ? n / 1024 : n; /* in 1024ths of the unit */
	uint64_t thousandths = parts % 1024 * 1000 / 1024;
	cairn_field_dec(f, parts / 1024);
	if (thousandths)
		cairn_field_text(f, ".");
	for (uint64_t unit = 100; unit && thousandths; unit /= 10) {
		cairn_field_dec(f, thousandths / unit);
		thousandths %= unit;
	}
	cairn_field_text(f, is_mib ? " MiB" : " KiB");
}

void cairn_field_duration(cairn_field *f, uint64_t ns)
{
	uint64_t seconds = ns / 1000000000;
	bool is_hours = seconds >= 3600;
	if (ns == CAIRN_UNKNOWN) {
		cairn_field_text(f, "–");
	} else if (ns < 1000000) {
		cairn_field_dec(f, ns / 1000);
		cairn_field_text(f, " µs");
	} else if (ns < 999500000) {
		field_three_digits(f, ns / 1000);
		cairn_field_text(f, " ms");
	} else if (seconds < 60) {
		field_three_digits(f, ns / 1000000);
		cairn_field_text(f, " s");
	} else {
		cairn_field_dec(f, is_hours ? seconds / 3600 : seconds / 60);
		cairn_field_text(f, is_hours ? " h " : " min ");
		cairn_field_dec(f, is_hours ? seconds / 60 % 60 : seconds % 60);
		cairn_field_text(f, is_hours ? " min" : " s");
	}
}

void cairn_writer_json_number(cairn_writer *w, uint64_t n)
{
	cairn_field f = { .used = 0 };
	if (n == CAIRN_UNKNOWN)
		cairn_field_text(&f, "null");
	else
		cairn_field_dec(&f, n);
	cairn_writer_field(w, &f);
}

void cairn_writer_json_seconds(cairn_writer *w, uint64_t ns)
{
	cairn_field f = { .used = 0 };
	char digits[7] = { 0 };
	uint64_t micros = ns / 1000 % 1000000;
	if (ns == CAIRN_UNKNOWN) {
		cairn_writer_text(w, "null");
		return;
	}
	for (int i = 5; i >= 0; i--, micros /= 10)
		digits[i] = (char)('0' + micros % 10);
	cairn_field_dec(&f, ns / 1000000000);
	cairn_field_text(&f, ".");
	cairn_field_text(&f, digits);
	cairn_writer_field(w, &f);
}

uint64_t cairn_ratio(uint64_t n, uint64_t scale, uint64_t d)
{
	unsigned __int128 r = d ? ((unsigned __int128)n * scale + d / 2) / d : 0;
	return r >> 64 ? UINT64_MAX - 1 : (uint64_t)r;
}

void cairn_writer_words(cairn_writer *w, const char *s, unsigned indent, unsigned width)
{
	while (*s) {
		cairn_field f = { .used = 0 };
		char word[CAIRN_FIELD_BYTES];
		size_t n = 0;
		for (; *s == ' '; s++)
			;
		for (; *s && *s != ' '; s++)
			if (n < sizeof word - 1)
				word[n++] = *s;
		word[n] = 0;
		cairn_field_name(&f, word, width - indent);
		if (w->column > indent && w->column + 1 + f.columns > width)
			cairn_writer_text(w, "\n");
		cairn_writer_pad(w, w->column < indent ? indent : w->column + (w->column > indent));
		cairn_writer_field(w, &f);
	}
}

void cairn_writer_title(cairn_writer *w, const cairn_field *name, const cairn_field *end, unsigned width)
{
	cairn_writer_text(w, "\n ");
	cairn_writer_strong(w, true);
	cairn_writer_text(w, "cairn");
	cairn_writer_strong(w, false);
	cairn_writer_text(w, " ─ ");
	cairn_writer_field(w, name);
	cairn_writer_text(w, " ");
	cairn_writer_fill(w, "─", width - 1 - end->columns);
	cairn_writer_text(w, " ");
	cairn_writer_field(w, end);
	cairn_writer_text(w, "\n\n");
}
