/* lens/print.h - an account printed by way of the caller's buffer.
 *
 * Where the buffer holds all of it, it is one write(2), and accounts that several processes add to one file at the
 * same moment do not mix. The printers of <cairn/stats.h> are these with a small buffer on the stack.
 *
 * Each borrows the buffer, writes to fd and returns 0, or the errno of the first write that failed. */
#ifndef CAIRN_LENS_PRINT_H
#define CAIRN_LENS_PRINT_H

#include <cairn/stats.h>

#include "lens/writer.h"

int cairn_account_print_by(const cairn_account *a, int fd, bool with_colour, char *buffer, size_t bytes);
/* The lines of a snapshot, a row a kind, and their sum; beside it those of a later one, if there is one. */
void cairn_snapshot_write_kinds(cairn_writer *w, const cairn_snapshot *s, const cairn_snapshot *last);
void cairn_snapshot_write_lines(cairn_writer *w, const cairn_snapshot *s); /* as the values of two keys of JSON */
int cairn_account_print_json_by(const cairn_account *a, int fd, char *buffer, size_t bytes);

#endif
