/* wire/control.h - what a process tells `cairn run`: the layout of one control file. No code.
 *
 * The library writes, the command reads, also while the process runs and after it was killed. Every number is stored
 * by a plain or relaxed store of 8 aligned bytes: a reader sees old or new, never half; nothing is consistent across
 * fields while the process runs.
 *
 *   offset 0                     cairn_control, CAIRN_CONTROL_BYTES
 *   CAIRN_CONTROL_BYTES          cairn_thread_counters of thread cache 0, then 1, 2 ..., CAIRN_COUNTERS_BYTES each
 *
 * The last 8 bytes of each 4 KiB are nobody's: the writer tries there whether the file has room. Blocks that it did not
 * come to use are holes.
 *
 * A process that cannot have such a file adds itself to the file CAIRN_LOST_NAME of the same folder, a cairn_lost,
 * which the command made with its block. One that has it but finds no room for more counters says so in lost_counters.
 *
 * A thread cache is handed from a thread that ended to one that starts; its counters go on and are never reset, so the
 * sum over all of them is the process's.
 *
 * Frees are not counted: frees of a class = allocations + live_at_start - live. Exact once the process ended through
 * exit(); otherwise blocks that sat in thread caches count as live, and cached_max says at most how many bytes. */
#ifndef CAIRN_WIRE_CONTROL_H
#define CAIRN_WIRE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#define CAIRN_CONTROL_MAGIC 0x316c7274636e7263ull /* "crnctrl1" */
enum {
	CAIRN_CONTROL_BYTES = 16384,
	CAIRN_COUNTERS_BYTES = 4096,
	CAIRN_LOST_BYTES = 4096,
	CAIRN_WIRE_CLASSES = 80, /* class 0: blocks over the largest class; 1..class_count-1: the size classes */
};

typedef enum cairn_control_state {
	CAIRN_CONTROL_EMPTY,   /* made, not filled in */
	CAIRN_CONTROL_RUNNING, /* the process runs, or was killed, or called _exit, or executed another program */
	CAIRN_CONTROL_EXITED,  /* it came to exit(): figures are exact */
} cairn_control_state;

typedef struct cairn_control {
	uint64_t magic;            /* CAIRN_CONTROL_MAGIC, written last */
	uint32_t header_bytes;     /* sizeof (cairn_control) of the writer */
	uint32_t class_count;      /* size classes, class 0 included */
	uint32_t pid, parent_pid;
	uint32_t state;            /* cairn_control_state */
	uint32_t is_forked;        /* 1: began by fork from a process that was on cairn; 0: by exec */
	uint32_t counts_requested; /* 1: requested bytes are summed */
	uint32_t cache_count;      /* thread caches ever made: how many counters follow */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC; end_ns 0 until exit() */
	char program[256];         /* path of the executable, terminated; cut at the front when longer */
	uint64_t class_bytes[CAIRN_WIRE_CLASSES];

	uint64_t live_bytes;             /* usable bytes handed out: live blocks and those in thread caches */
	uint64_t live_peak_bytes;        /* highest live_bytes */
	uint64_t live_peak_ns;           /* when, CLOCK_MONOTONIC */
	uint64_t cached_max_bytes;       /* of live_peak_bytes, thread caches held at most this */
	uint64_t out[CAIRN_WIRE_CLASSES];           /* blocks of the class that are live or in a thread cache */
	uint64_t out_at_peak[CAIRN_WIRE_CLASSES];   /* the same when live_bytes was highest (within 1 %) */
	uint64_t live_at_start[CAIRN_WIRE_CLASSES]; /* blocks inherited over fork */
	uint64_t live_at_start_bytes;
	uint64_t large_bytes;            /* usable bytes of live blocks of class 0 */

	uint64_t exit_live[CAIRN_WIRE_CLASSES];     /* at exit(), thread caches emptied: exact */
	uint64_t exit_live_bytes;                   /* usable */
	uint64_t exit_rss_bytes;                    /* at exit() */
	uint64_t exit_peak_rss_bytes;
	uint64_t exit_minor_faults, exit_major_faults;

	uint64_t open_bytes;       /* heap opened from the OS */
	uint64_t meta_bytes;       /* cairn's own records */
	uint64_t purged_bytes;     /* given back to the OS, cumulative */
	uint64_t foreign_frees;    /* blocks of other allocators given to free and left alone */
	uint64_t lost_counters;    /* how often there was no room for counters: allocations are missing */
	uint64_t lost_error;       /* errno of the last time */
} cairn_control;

/* One thread cache's counters. allocations and requested are indexed by size class; class 0 counts large blocks. */
typedef struct cairn_class_counter {
	uint64_t allocations; /* blocks handed to the program */
	uint64_t requested;   /* bytes asked for, where counts_requested */
} cairn_class_counter;

/* Rounding of a sample of a class's requests: usable less requested bytes, of each request that found the magazine
 * empty, and of every large block. Newer samples weigh more: at CAIRN_ROUNDING_SAMPLES all three are halved. */
typedef struct cairn_class_rounding {
	uint32_t samples;
	uint32_t slack_bytes;   /* their sum */
	uint64_t slack_squared; /* the sum of their squares: for how far the mean may be off */
} cairn_class_rounding;

#define CAIRN_ROUNDING_SAMPLES 65536

typedef struct cairn_thread_counters {
	cairn_class_rounding rounding[CAIRN_WIRE_CLASSES]; /* not in cache 0's: what threads without a cache ask for */
	uint64_t apart[96]; /* unused: a counter's address must not end like its magazine's (malloc/cache.h) */
	cairn_class_counter by_class[CAIRN_WIRE_CLASSES];
	uint64_t thread_id; /* of the thread that uses it now; 0: nobody */
	uint64_t threads;   /* how many threads have used it */
} cairn_thread_counters;

#define CAIRN_LOST_NAME "lost"

typedef struct cairn_lost {
	uint64_t processes; /* sync: atomic; images that could keep no figures */
	uint64_t error;     /* sync: atomic; errno of the last */
} cairn_lost;

_Static_assert(sizeof(cairn_control) + 8 <= 4096, "a control block needs one page of its file");
_Static_assert(offsetof(cairn_thread_counters, by_class) == 2048, "by_class stays where it was");
_Static_assert(sizeof(cairn_thread_counters) + 8 <= CAIRN_COUNTERS_BYTES, "a counters page holds a thread's counters");

#endif
