/* cli/peak.h - where the resident bytes of a run were when there were most of them: the best snapshot so far.
 *
 * At each look the process with most memory is asked for, and looked into when it has grown by a tenth since the
 * best snapshot. Looking costs the command's processor time, not the program's: it has a tenth of a second for the
 * first ones, and one per cent of the time that passes. Of the same process one is taken now and then in any case: the
 * last of them tells what was left near its end.
 *
 * Threads: one. Failure: there is no snapshot, and the account goes without. */
#ifndef CAIRN_CLI_PEAK_H
#define CAIRN_CLI_PEAK_H

#include <cairn/stats.h>

#include "images.h"

typedef struct cairn_peak {
	bool has_best, has_last;
	uint64_t begin_ns, spent_ns, last_cost_ns;
	cairn_snapshot best, last, next; /* last: the newest of the process that best is of, where it is another one */
} cairn_peak;

void cairn_peak_begin(cairn_peak *p, uint64_t now_ns);
/* After cairn_images_look. */
void cairn_peak_look(cairn_peak *p, const cairn_images *m, uint64_t now_ns);

#endif
