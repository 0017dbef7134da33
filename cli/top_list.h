/* cli/top_list.h - the list of processes that `cairn top` can watch, and which of them is chosen. Threads: one. */
#ifndef CAIRN_CLI_TOP_LIST_H
#define CAIRN_CLI_TOP_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "processes.h"
#include "screen.h"
#include "top_state.h"

typedef struct cairn_top_list {
	cairn_processes processes;
	const char *name;    /* only those that are called so; NULL: all. Borrowed from argv */
	uint32_t selected;   /* pid; 0: the first */
	uint64_t interval_ns;
	bool is_plain;
	bool is_chosen;      /* `selected` is to be watched */
} cairn_top_list;

cairn_top_wish cairn_top_list_key(cairn_top_list *l, unsigned key);
void cairn_top_list_draw(const cairn_top_list *l, cairn_screen *s);

#endif
