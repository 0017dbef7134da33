/* lens/writer.h - text for people and JSON, built in a fixed buffer and written with write(2).
 *
 * A cairn_writer collects text in its maker's buffer and writes it out when that is half full and a line ends, so that
 * two processes on one terminal mix lines and not halves of them; what fits into half of the buffer is one write. It
 * counts columns: every code point is one, the wide ones in names two. A cairn_field is a short text that is measured
 * before it is placed.
 *
 * No function here allocates, uses stdio or touches errno. After the first failed write the rest is dropped; the
 * error is kept. Threads: a writer and a field belong to their maker. */
#ifndef CAIRN_LENS_WRITER_H
#define CAIRN_LENS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAIRN_UNKNOWN UINT64_MAX /* a figure nobody could take: a dash, in JSON null */

enum { CAIRN_WRITER_BYTES = 2048 /* a buffer for the stack */, CAIRN_FIELD_BYTES = 328 };

typedef struct cairn_writer {
	int fd;
	int error;       /* errno of the first write that failed; 0 none */
	bool has_colour;
	unsigned column; /* of the next character, from 0 */
	unsigned limit;  /* what would pass this column is cut, to the end of the line; 0 none */
	size_t used, bytes;
	char *buffer;    /* of bytes; borrowed */
} cairn_writer;

typedef struct cairn_field {
	size_t used;
	unsigned columns;
	char text[CAIRN_FIELD_BYTES]; /* 0 behind it; cut, never overrun */
} cairn_field;

/* Keeps the buffer until the writer is closed; a code point fits into it. No limit, no colour. */
void cairn_writer_open(cairn_writer *w, int fd, char *buffer, size_t bytes);
int cairn_writer_close(cairn_writer *w); /* writes what is left; returns the error. The descriptor stays open. */

void cairn_writer_text(cairn_writer *w, const char *s);
void cairn_writer_pad(cairn_writer *w, unsigned column); /* blanks up to that column */
void cairn_writer_fill(cairn_writer *w, const char *s, unsigned column); /* s, one column wide, up to that column */
void cairn_writer_field(cairn_writer *w, const cairn_field *f);
void cairn_writer_field_right(cairn_writer *w, const cairn_field *f, unsigned column); /* so that it ends there */
/* Words, wrapped: lines begin at column indent and end before column width; a word that is wider than that is cut. Goes
 * on in a line that has begun, and leaves the last one open. */
void cairn_writer_words(cairn_writer *w, const char *s, unsigned indent, unsigned width);
/* " cairn ─ name ───── end", with an empty line before and after. */
void cairn_writer_title(cairn_writer *w, const cairn_field *name, const cairn_field *end, unsigned width);
void cairn_writer_strong(cairn_writer *w, bool on); /* bold, where there is colour */
void cairn_writer_json_text(cairn_writer *w, const char *s); /* quoted; any bytes give valid JSON */
void cairn_writer_json_number(cairn_writer *w, uint64_t n);  /* UINT64_MAX, the unknown: null */
void cairn_writer_json_seconds(cairn_writer *w, uint64_t ns);

/* Each appends to the field. Borrows s. */
void cairn_field_text(cairn_field *f, const char *s);
void cairn_field_name(cairn_field *f, const char *s, unsigned columns); /* escaped, cut with an ellipsis */
void cairn_field_dec(cairn_field *f, uint64_t n);
void cairn_field_count(cairn_field *f, uint64_t n);   /* 3094, 12 345, 4.82 M */
void cairn_field_bytes(cairn_field *f, uint64_t n);   /* 512 B, 8.2 MiB, 121 KiB */
void cairn_field_size(cairn_field *f, uint64_t n);    /* exact: 1792 B is 1.75 KiB */
void cairn_field_tenths(cairn_field *f, uint64_t n);  /* 123 is 12.3 */
void cairn_field_duration(cairn_field *f, uint64_t ns);

/* n / d in units of 1 / scale, rounded; 0 when d is 0; as much as fits where the figures are huge. */
uint64_t cairn_ratio(uint64_t n, uint64_t scale, uint64_t d);

#endif
