/* cli/measure.h - one run of a program, and what the kernel says of it.
 *
 * The program and all it starts run as they would without the command: a library is preloaded, nothing is counted.
 * Times and faults are those of the whole tree, as wait4 adds them up. Peak RSS is the kernel's own mark of the largest
 * process; only while a program has children the tree is looked at as well, for the largest sum.
 *
 * Threads: one. */
#ifndef CAIRN_CLI_MEASURE_H
#define CAIRN_CLI_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch.h"
#include "program.h"

typedef enum cairn_figure {
	CAIRN_FIGURE_WALL, /* seconds */
	CAIRN_FIGURE_CPU,  /* seconds of processor time, user and system */
	CAIRN_FIGURE_PEAK, /* bytes resident */
	CAIRN_FIGURE_MINOR,   /* page faults */
	CAIRN_FIGURES_JUDGED, /* those above are compared, those below are only told */
	CAIRN_FIGURE_MAJOR = CAIRN_FIGURES_JUDGED,
	CAIRN_FIGURE_USER,
	CAIRN_FIGURE_SYSTEM,
	CAIRN_FIGURES,
} cairn_figure;

typedef struct cairn_sample {
	double figures[CAIRN_FIGURES];
	int wait_status; /* as wait4 gave it */
	bool is_whole;   /* nobody stopped it or told the command to end meanwhile */
} cairn_sample;

typedef struct cairn_measure {
	cairn_program *program; /* borrowed */
	char **argv;            /* borrowed */
	cairn_launch launch;
	bool shows_output;
	int null, words;        /* descriptors: /dev/null; what the program says on its standard error, or -1 */
	bool has_input;         /* standard input is a file, which every run reads from the same place */
	off_t input_start;
	bool watches_tree;
	unsigned processes;     /* most that were seen at one time in this run */
	uint64_t tree_bytes;    /* largest sum that was seen in this run */
} cairn_measure;

/* False: the system refused; errno says why. */
bool cairn_measure_open(cairn_measure *m, cairn_program *p, char **argv, bool shows_output);
/* Returns 0, or the errno of why the program could not be started. library: a path, or "". */
int cairn_measure_run(cairn_measure *m, const char *library, cairn_sample *s);
/* Runs a shell command, unmeasured. Returns its wait status, or -1: no shell. */
int cairn_measure_prepare(cairn_measure *m, const char *command);
/* The last line that the last run, or the preparation, wrote on its standard error; "" none, or it was shown. */
void cairn_measure_last_words(const cairn_measure *m, char *text, size_t bytes);

#endif
