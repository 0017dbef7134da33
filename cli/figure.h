/* cli/figure.h - figures as short texts for a live view: three digits, and a unit that fits. Threads: any. */
#ifndef CAIRN_CLI_FIGURE_H
#define CAIRN_CLI_FIGURE_H

#include <stdint.h>

enum { CAIRN_FIGURE_BYTES = 32 };

typedef struct cairn_figure_text {
	char text[CAIRN_FIGURE_BYTES];
} cairn_figure_text;

cairn_figure_text cairn_figure_bytes(double bytes);    /* 512 B, 8.20 MiB, 121 KiB; UINT64_MAX and more: a dash */
cairn_figure_text cairn_figure_size(uint64_t bytes);   /* of a block: 1.25 KiB, without digits that are 0 */
cairn_figure_text cairn_figure_count(double n);        /* 3094, 12.3 k, 4.82 M */
cairn_figure_text cairn_figure_rate(double per_s);     /* +1.02 MiB/s, with its sign; 0 B/s */
cairn_figure_text cairn_figure_time(uint64_t ns);      /* 350 ms, 2.41 s, 3 min 12 s, 2 h 14 min, 3 d 4 h */
cairn_figure_text cairn_figure_percent(double part);   /* 65.8 %, 100 %, 0.04 % */

#endif
