/* page/corefile.h - keeps what is free out of core files.
 *
 * Memory that was purged stays open, and a core file has it too, as a hole: of a program that once held 1 GiB the file
 * is 1 GiB long. So runs of free, clean granules are hidden (MADV_DONTDUMP), and shown again before anybody gets one.
 * Only what is nobody's is ever hidden: what a program wrote is in its core file.
 *
 *   shown ──hide, when more than 16 MiB are clean and shown──▶ hidden
 *     ▲                                                          │
 *     └────show: a granule of the run is wanted──────────────────┘
 *
 * Few system calls: hiding waits for 16 MiB and stops at 8; showing takes the hidden run along, as far as the end of
 * the third chunk behind. Few mappings: a hidden run is a mapping of its own and splits
 * its neighbour, so the more runs there are the longer a run must be, and there are never more than 4,096.
 *
 * Invariants, checked by cairn_corefile_validate() and the page heap's:
 *   (D1) A hidden granule is clean, and in no span: free, or being purged together with its header.
 *   (D2) The counts of hidden granules and of runs of them are those of the chunks.
 *   (D3) The last open chunk of a region has none, so that opening more lengthens a mapping and makes no new one.
 *   (D4) Hidden granules are whole OS pages.
 *
 * Locks: all under the pageheap lock but is_due, which reads hints. Failure: what cannot be hidden stays shown. What
 * cannot be shown is tried again in a manner that needs no new mapping, then mapped anew; if a filter forbids that too,
 * it is used as it is, and missing in a core file.
 * Not here: what is free (page/pageheap.h), when to look (page/purge.h). Design: docs/design/pageheap.md. */
#ifndef CAIRN_PAGE_COREFILE_H
#define CAIRN_PAGE_COREFILE_H

#include "page/window.h"

/* Is enough clean and shown that a step is worth it? clean_granules: all that are free and not dirty. */
bool cairn_corefile_is_due(size_t clean_granules);
/* One step: at most 16 system calls. True: call again, there may be more. */
bool cairn_corefile_hide(size_t clean_granules);
/* Before [from, to) is handed out: nothing in it is hidden afterwards. */
void cairn_corefile_show(cairn_window *w, uintptr_t from, uintptr_t to);

size_t cairn_corefile_hidden_granules(void); /* a recent value, without the lock */
size_t cairn_corefile_runs(void);            /* runs of hidden granules */
void cairn_corefile_validate(void);

#endif
