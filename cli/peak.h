/* cli/peak.h - where the resident bytes of a run were when there were most of them: the best snapshot so far.
 *
 * At each look the process with most memory is asked for, and looked into when it has grown by a tenth since the
 * best snapshot. Looking costs the command's processor time, not the program's: it has a tenth of a second for the
 * first ones, and one per cent of the time that passes.
 *
 * Threads: one. Failure: there is no snapshot, and the account goes without. */
#ifndef CAIRN_CLI_PEAK_H
#define CAIRN_CLI_PEAK_H

#include <cairn/stats.h>

#include "images.h"

typedef struct cairn_peak {
	bool has_best;
	uint64_t begin_ns, spent_ns, last_cost_ns;
	cairn_snapshot best, next;
} cairn_peak;

void cairn_peak_begin(cairn_peak *p, uint64_t now_ns);
/* After cairn_images_look. */
void cairn_peak_look(cairn_peak *p, const cairn_images *m, uint64_t now_ns);

#endif
