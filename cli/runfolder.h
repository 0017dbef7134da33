/* cli/runfolder.h - the folder of one run, where every process on cairn puts its control file.
 *
 *   cairn-run.PID.XXXXXX/          mode 1777: children that change user add files of their own, and remove nobody's
 *       lib                        symbolic link to libcairn.so, where its path has a character that ld.so splits at
 *       PID.NANOSECONDS            control files, wire/control.h
 *       lost                       how many processes could not put one there; its block is there from the start
 *
 * Figures that do not fit into the folder are lost, so it is made where there is room: under /dev/shm, else $TMPDIR,
 * /tmp, /var/tmp; where none has RUNFOLDER_ROOM_BYTES, in the first that has any.
 *
 * The command holds a lock on the folder (flock) while it lives. A folder without one was left by a command that was
 * killed; the next command removes it. Threads: one. */
#ifndef CAIRN_CLI_RUNFOLDER_H
#define CAIRN_CLI_RUNFOLDER_H

#include <stdbool.h>
#include <stdint.h>

enum { CAIRN_RUNFOLDER_PATH = 256 };

typedef struct cairn_runfolder {
	char path[CAIRN_RUNFOLDER_PATH];
	int fd;         /* open and locked; -1: there is no folder */
	int lost;       /* the file of that name */
	int error;      /* where there is no folder: errno of the last place that was tried */
	bool has_link;
} cairn_runfolder;

/* False: none could be made. */
bool cairn_runfolder_make(cairn_runfolder *f);
/* How many processes could keep no figures, and the errno of the last of them, 0 none. */
uint64_t cairn_runfolder_lost(const cairn_runfolder *f, int *error);
/* The path to preload the library by: its own, or a link in the folder. NULL: neither will do. Returns borrowed. */
const char *cairn_runfolder_library(cairn_runfolder *f, const char *library, char *link, unsigned link_bytes);
/* Removes all control files and the folder; but where processes live on that preload through its link, that link
 * stays, in a folder where nothing can be added, until the next command cleans up. */
void cairn_runfolder_remove(cairn_runfolder *f, bool has_survivors);

#endif
