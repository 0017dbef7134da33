/* cli/images.h - the process images of one run: what is in the run's folder.
 *
 * An image is one program in one process, from its start (exec or fork) to its end (exit, a signal, or exec of the
 * next). Each that is on cairn writes one control file.
 *
 *   file appears ──look──▶ WATCHED ──nobody has the file mapped any more──▶ folded into an account, file removed
 *
 * Memory stays bounded however many processes a run starts: of the children, the CAIRN_IMAGES_KEPT largest keep an
 * account of their own; all are in the sum.
 *
 * Ownership: images own their memory until cairn_images_close. Threads: one. */
#ifndef CAIRN_CLI_IMAGES_H
#define CAIRN_CLI_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/stats.h>

enum { CAIRN_IMAGES_KEPT = 1000, CAIRN_IMAGES_OPEN = 200, CAIRN_IMAGES_NAME = 64 };

typedef struct cairn_image {
	char name[CAIRN_IMAGES_NAME]; /* of the file in the folder */
	int fd;                       /* -1: open it when needed */
	uint32_t pid;
	uint64_t start_ns;
	bool is_known;      /* the control block was valid once: pid and start_ns are set */
	bool is_ours;       /* /proc/PID is this image's process, as far as can be seen */
	bool is_superseded; /* its process executed another program that is on cairn */
	uint64_t allocations, live_bytes;   /* when last read */
	uint64_t rss_bytes, peak_rss_bytes; /* of its process, when last seen; 0 never */
	uint64_t peak_rss_ns, seen_ns;      /* CLOCK_MONOTONIC */
} cairn_image;

/* What /proc says of a process. */
typedef struct cairn_image_process {
	bool is_there;
	bool is_zombie;
	uint64_t rss_bytes, peak_rss_bytes; /* 0 unknown */
} cairn_image_process;

enum { IMAGES_JUDGED_MAX = 32 };

/* What the file of an executable that never asked for a block says of serving it. */
typedef struct cairn_image_verdict {
	char executable[CAIRN_ACCOUNT_TEXT];
	char why_not[192]; /* "" it can be served */
} cairn_image_verdict;

typedef struct cairn_images {
	int folder;        /* borrowed */
	uint32_t main_pid;
	uint64_t folder_changed_ns; /* modification time when it was last read */
	bool is_main_alive;         /* main_pid has not been waited for */
	bool has_leases;            /* the file system tells who has a file mapped; else /proc is asked */

	cairn_image *watched;
	size_t watched_count, watched_room;
	size_t open_count; /* of them have an open descriptor */

	cairn_account *children; /* folded */
	size_t child_count, child_room, left_out;
	size_t replaced;         /* folded images whose process went on with another */
	cairn_account sum;       /* of all that is folded, the program's own included */
	cairn_account program;   /* the last image of main_pid */
	bool has_program;
	bool is_main_counted;    /* main_pid's memory is in rss_bytes by its image */
	bool is_program_gone;    /* that image ended while its process went on: it executed a program not on cairn */

	cairn_image_verdict judged[IMAGES_JUDGED_MAX];
	size_t judged_count;

	uint64_t rss_bytes, live_bytes, allocations; /* all together at the last look */
	size_t folded;                              /* images that were over at the last look */
	cairn_image_process main;                   /* main_pid's, on cairn or not, at the last look */
	uint64_t main_rss_bytes, main_peak_rss_bytes, main_peak_rss_ns; /* when last seen; 0 never */
} cairn_images;

void cairn_images_open(cairn_images *m, int folder, uint32_t main_pid);
/* Reads what changed, folds what ended. now_ns: CLOCK_MONOTONIC. folder may be -1: then only main_pid is looked at.
 * */
void cairn_images_look(cairn_images *m, uint64_t now_ns);
/* The last look, after main_pid was waited for: folds everything, also what still runs. Returns how many do. */
size_t cairn_images_end(cairn_images *m, uint64_t now_ns);
void cairn_images_close(cairn_images *m);
bool cairn_images_validate(const cairn_images *m);

#endif
