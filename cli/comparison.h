/* cli/comparison.h - a program's figures on several allocators, and what they say.
 *
 *   samples, a row an allocator, a column a round ──judge──▶ ratios, verdicts ──▶ table | line | JSON
 *
 * Row 0 is the base, against which the others are held. A verdict is one of
 *
 *   less, more         certain: all verdicts of this kind in one comparison are right together in 95 % of comparisons
 *   likely less, more  the 95 % interval of this ratio alone leaves out 1
 *   same               the 95 % interval lies within 1 % of 1
 *   noise              none of these: more rounds or a quieter machine might tell
 *   unknown            fewer rounds than any of this needs
 *
 * Ownership: a comparison owns its samples; the rest is borrowed or in place. Threads: one. */
#ifndef CAIRN_CLI_COMPARISON_H
#define CAIRN_CLI_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "measure.h"
#include "paired.h"
#include "preload.h"

enum {
	CAIRN_COMPARISON_ROWS = 18,
	CAIRN_COMPARISON_ROUNDS = CAIRN_PAIRED_MAX,
	CAIRN_COMPARISON_NOTES = 12,
	CAIRN_COMPARISON_WORDS = 160,
	CAIRN_COMPARISON_SENTENCE = 640,
};

typedef enum cairn_verdict {
	CAIRN_VERDICT_UNKNOWN,
	CAIRN_VERDICT_LESS,
	CAIRN_VERDICT_MORE,
	CAIRN_VERDICT_LIKELY_LESS,
	CAIRN_VERDICT_LIKELY_MORE,
	CAIRN_VERDICT_SAME,
	CAIRN_VERDICT_NOISE,
	CAIRN_VERDICTS,
} cairn_verdict;

typedef struct cairn_result {
	size_t count; /* of good runs */
	double median, spread, lowest, highest;
	bool has_ratio;
	cairn_paired ratio; /* to the base, 95 % */
	cairn_verdict verdict;
} cairn_result;

typedef struct cairn_row {
	cairn_preload preload;
	cairn_sample *samples;  /* CAIRN_COMPARISON_ROUNDS of them */
	bool *is_good;          /* the run of this round was whole, and ended as the base's first */
	unsigned runs;          /* that were whole, warm-up included */
	unsigned differing;     /* of them ended otherwise than the base's first */
	int first_difference;   /* a wait status, where differing */
	unsigned first_round;   /* its round, from 1; 0 warm-up */
	char words[CAIRN_COMPARISON_WORDS]; /* that it said on standard error then */
	cairn_result results[CAIRN_FIGURES];
} cairn_row;

typedef struct cairn_comparison {
	char **argv;            /* borrowed */
	const char *executable; /* borrowed */
	cairn_row rows[CAIRN_COMPARISON_ROWS];
	size_t row_count;
	unsigned rounds;        /* that were complete */
	unsigned rounds_wanted, warmup;
	double seconds;         /* in all */
	int stop_signal;        /* that ended it early; 0 none */
	bool has_status;        /* the base has run once */
	int status;             /* wait status of that run */
	char words[CAIRN_COMPARISON_WORDS]; /* that it said on standard error, where it failed */
	double certain_error;   /* of one verdict, so that all are right together as often as one alone at 95 % */
	char notes[CAIRN_COMPARISON_NOTES][240];
	size_t note_count;
} cairn_comparison;

/* Adds a row. False: no room or no memory. */
bool cairn_comparison_add(cairn_comparison *c, const cairn_preload *preload);
/* Takes a run into a row; round from 1, 0 a warm-up. words: what the program said last. */
void cairn_comparison_record(cairn_comparison *c, size_t row, unsigned round, const cairn_sample *s, const char *words);
void cairn_comparison_note(cairn_comparison *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fills in all results. */
void cairn_comparison_judge(cairn_comparison *c);
/* Has a run ended otherwise than the base's first? */
bool cairn_comparison_differs(const cairn_comparison *c);
bool cairn_comparison_validate(const cairn_comparison *c);

/* In words (verdict.c): one verdict; what a row's figures say; how a run ended: "exits with 1". */
const char *cairn_verdict_word(cairn_verdict v);
void cairn_verdict_sentence(const cairn_comparison *c, size_t row, char *text, size_t bytes);
void cairn_verdict_ending(int wait_status, char *text, size_t bytes);
/* What is to be said of runs that ended otherwise in this row; "" nothing. */
void cairn_verdict_difference(const cairn_comparison *c, size_t row, char *text, size_t bytes);
/* The program failed under all alike; "" it did not. */
void cairn_verdict_failure(const cairn_comparison *c, char *text, size_t bytes);

void cairn_comparison_print(const cairn_comparison *c, FILE *to, bool has_colour); /* at most 80 columns */
void cairn_comparison_print_line(const cairn_comparison *c, FILE *to);
void cairn_comparison_print_json(const cairn_comparison *c, FILE *to); /* one object on one line */

#endif
