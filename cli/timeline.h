/* cli/timeline.h - memory and allocation over time in a fixed number of equal steps, however long the program runs.
 *
 * When the steps are full, neighbours are joined two by two and the step doubles. Threads: one. */
#ifndef CAIRN_CLI_TIMELINE_H
#define CAIRN_CLI_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

enum { CAIRN_TIMELINE_STEPS = 256 };

typedef struct cairn_timeline {
	uint64_t step_ns;
	size_t count; /* steps begun */
	uint64_t rss_bytes[CAIRN_TIMELINE_STEPS];   /* highest in the step */
	uint64_t live_bytes[CAIRN_TIMELINE_STEPS];  /* highest in the step */
	uint64_t allocations[CAIRN_TIMELINE_STEPS]; /* made in the step */
	uint64_t last_ns, last_allocations, last_rss_bytes, last_live_bytes; /* of the last sample */
	uint64_t peak_rss_bytes, peak_rss_ns;       /* highest sample, and when */
	uint64_t peak_live_bytes, peak_live_ns;
} cairn_timeline;

void cairn_timeline_init(cairn_timeline *t, uint64_t step_ns);
/* One sample, at_ns after the start and not before the last one; allocations since the start. */
void cairn_timeline_add(cairn_timeline *t, uint64_t at_ns, uint64_t rss_bytes, uint64_t live_bytes,
			uint64_t allocations);

#endif
