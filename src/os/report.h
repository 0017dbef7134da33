/* os/report.h - one line to the person at the terminal: written with write(2), whole, to stderr.
 *
 * Nothing is written when descriptor 2 was closed when the library started, or is not the file it was then (a program
 * may have opened its data there). Threads: any; a line is one write. errno is never touched. */
#ifndef CAIRN_OS_REPORT_H
#define CAIRN_OS_REPORT_H

#include "base/line.h"

void cairn_report_init(void);            /* remembers what descriptor 2 is */
void cairn_report(cairn_line *l);        /* borrows l; adds the newline */
/* "cairn: NAME=VALUE is ignored: not WANTED", for a setting that cannot be read. Borrows all three. */
void cairn_report_ignored(const char *name, const char *value, const char *wanted);
/* The line, then SIGABRT; once more with its default action where the program ignores it or its handler returns. */
_Noreturn void cairn_report_abort(cairn_line *l);
const char *cairn_program_name(void);    /* last part of argv[0], or "?"; returns borrowed */

#endif
