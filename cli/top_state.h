/* cli/top_state.h - what `cairn top` knows of the process that it watches, and what its user asked to see.
 *
 * Filled from snapshots by cairn_top_add, changed by keys, drawn by cairn_top_draw; it asks nobody by itself, so a test
 * can make any of its states.
 *
 * Ownership: a plain struct without pointers; large: static memory. Threads: one. */
#ifndef CAIRN_CLI_TOP_STATE_H
#define CAIRN_CLI_TOP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/stats.h>

#include "growth.h"
#include "screen.h"

enum {
	CAIRN_TOP_HISTORY = 512, /* frames that the curves remember */
	CAIRN_TOP_TEXT = 160,
	CAIRN_TOP_SORTS = 5,     /* orders of a view, at most */
};

typedef enum cairn_top_view {
	CAIRN_TOP_ACCOUNT,
	CAIRN_TOP_CLASSES,
	CAIRN_TOP_THREADS,
	CAIRN_TOP_LIMITS,
	CAIRN_TOP_VIEWS,
} cairn_top_view;

typedef struct cairn_top_thread {
	double allocations_per_s, cpu; /* the second of one processor; -1 unknown: it is new */
} cairn_top_thread;

typedef struct cairn_top_state {
	cairn_snapshot now;     /* the newest glance */
	cairn_snapshot before;  /* the one before; taken_ns 0: none */
	cairn_snapshot account; /* the newest with lines and classes; taken_ns 0: none yet */
	cairn_watch watch;
	double rss[CAIRN_TOP_HISTORY], rate[CAIRN_TOP_HISTORY]; /* of each frame: bytes, allocations a second */
	size_t history;
	double bytes_per_s, cpu;
	cairn_top_thread threads[CAIRN_SNAPSHOT_THREADS];           /* of now.threads */
	cairn_growth_rate class_rates[CAIRN_ACCOUNT_CLASSES];       /* of account.classes */
	cairn_growth_rate rss_rate, limit_rates[CAIRN_SNAPSHOT_LIMITS]; /* of now.limits */
	uint64_t interval_ns;

	cairn_top_view view;
	unsigned sort[CAIRN_TOP_VIEWS];
	bool is_reversed[CAIRN_TOP_VIEWS];
	unsigned selected[CAIRN_TOP_VIEWS]; /* row of the view */
	bool is_paused, shows_help, asks_purge;
	bool is_plain;                      /* frames one after another: no keys */

	char message[CAIRN_TOP_TEXT];       /* in the last line; "" none */
	uint64_t message_until_ns;
	uint64_t purge_asked_ns;            /* 0: not asked, or told */
	uint64_t purge_rss_bytes;           /* when it was asked */
	uint64_t purge_served_ns;           /* when that was seen; 0: not yet */

	bool is_ended;
	char how_ended[CAIRN_TOP_TEXT];     /* a sentence */
	int error;                          /* of the last look; 0 none */
} cairn_top_state;

typedef enum cairn_top_wish {
	CAIRN_TOP_NOTHING, /* nothing changed */
	CAIRN_TOP_REDRAW,
	CAIRN_TOP_QUIT,
	CAIRN_TOP_PURGE,   /* the user asked for it, and meant it */
} cairn_top_wish;

void cairn_top_init(cairn_top_state *t, uint64_t interval_ns);
/* A glance at the process, and a snapshot of it; not called when that failed. Each borrows s. */
void cairn_top_add(cairn_top_state *t, const cairn_snapshot *s);
void cairn_top_add_account(cairn_top_state *t, const cairn_snapshot *s);
/* key: a character or a cairn_key; now_ns: CLOCK_MONOTONIC. */
cairn_top_wish cairn_top_key(cairn_top_state *t, unsigned key, uint64_t now_ns);
void cairn_top_say(cairn_top_state *t, uint64_t until_ns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The purge was asked for, or error says why not. */
void cairn_top_purge_asked(cairn_top_state *t, int error, uint64_t now_ns);
/* It was done; what went back is told with the looks that follow. */
void cairn_top_purge_served(cairn_top_state *t, uint64_t now_ns);
uint64_t cairn_top_window_ns(const cairn_top_state *t); /* that growth is judged by */
void cairn_top_draw(const cairn_top_state *t, cairn_screen *s, uint64_t now_ns);

/* How many orders a view has, and what one is called. */
unsigned cairn_top_sorts(cairn_top_view view);
const char *cairn_top_sort_name(cairn_top_view view, unsigned sort);
/* The rows of the view in its order, as indices: account.lines, account.classes, now.threads, now.limits and then
 * account.below. Returns how many. */
unsigned cairn_top_order(const cairn_top_state *t, unsigned *rows, unsigned most);

#endif
