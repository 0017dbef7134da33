/* cairn/stats.h - the account of a process: what it allocated, what it held, what it left.
 *
 * An account is a plain struct. It is filled from a control file (written by every process on cairn, laid out in
 * src/wire/control.h), from the kernel's figures, or by hand; it is printed as text for people or as one line of
 * JSON. `cairn run` and CAIRN_SUMMARY print through these functions.
 *
 * Ownership: an account owns nothing; the pointers in it are borrowed and must outlive its printing.
 * Threads: an account belongs to one thread at a time. Nothing here locks or allocates.
 * Bytes are usable bytes (what the size class gives) unless the name says requested. */
#ifndef CAIRN_STATS_H
#define CAIRN_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define CAIRN_ACCOUNT_UNKNOWN UINT64_MAX /* a figure nobody could take; JSON null, a dash in the text */

enum { CAIRN_ACCOUNT_CLASSES = 80, CAIRN_ACCOUNT_TEXT = 256 };

typedef struct cairn_account_class {
	uint64_t size_bytes;      /* of a block; 0: the large blocks, of any size over the largest class */
	uint64_t allocations;
	uint64_t requested_bytes; /* where has_requested */
	uint64_t inherited_blocks; /* live when the process was forked */
	uint64_t live_blocks;      /* at exit */
	uint64_t peak_blocks;      /* when the heap was largest */
} cairn_account_class;

/* What happened over time, in equal steps from the start of the program. */
typedef struct cairn_account_timeline {
	uint64_t step_ns;
	size_t count;
	const uint64_t *rss_bytes;   /* highest in each step, all processes added */
	const uint64_t *allocations; /* made in each step, all processes added */
	const uint64_t *live_bytes;  /* highest in each step, all processes added */
} cairn_account_timeline;

typedef struct cairn_account {
	char program[CAIRN_ACCOUNT_TEXT];    /* as it was called; terminated, any bytes */
	char executable[CAIRN_ACCOUNT_TEXT]; /* path of the file that ran; "" unknown */
	uint32_t pid, parent_pid;
	uint32_t processes;  /* that are in this account: 1, or more in a sum */
	const char *command; /* program and arguments, for the title; borrowed, or NULL */
	int status;          /* exit status, 128 + n after signal n; -1 unknown */
	int signal;          /* that killed it; 0 none */
	bool is_core_dumped;
	bool is_served;      /* its mallocs were cairn's */
	bool is_exact;       /* it came to exit(): what it left behind is exact */
	bool is_forked;      /* began as the copy of a process on cairn */
	bool is_replaced;    /* ended by executing another program */
	bool is_running;     /* had not ended when the account was made */
	bool has_requested;  /* requested bytes were summed */
	const char *why_not; /* not served: a clause that says why; borrowed, or NULL */
	const char *note;    /* a sentence the reader should know; borrowed, or NULL */

	uint64_t start_ns;            /* CLOCK_MONOTONIC */
	uint64_t duration_ns;
	uint64_t peak_rss_bytes, peak_rss_ns; /* the second: when, from the start */
	uint64_t exit_rss_bytes;              /* or when last seen, where it is not exact */
	uint64_t minor_faults, major_faults;

	uint64_t allocations, frees;
	uint64_t allocated_bytes;                /* requested */
	uint64_t live_peak_bytes, live_peak_ns;  /* the second: when, from the start */
	uint64_t large_peak_bytes;               /* of live_peak_bytes, in large blocks */
	uint64_t cached_max_bytes;               /* of live_peak_bytes, thread caches held at most this */
	uint64_t never_freed_blocks, never_freed_bytes; /* what was inherited counts too, but in a sum only once */
	uint64_t inherited_bytes;                       /* live when it was forked */
	uint64_t foreign_frees; /* blocks of other allocators that it freed */
	uint64_t threads;       /* that ever used malloc */
	uint64_t uncounted_processes; /* whose figures are missing here, whole or in part: there was no room for them */
	int uncounted_error;          /* errno that says why, of one of them; 0 unknown */

	uint32_t class_count;
	cairn_account_class classes[CAIRN_ACCOUNT_CLASSES]; /* rising sizes; [0] is the large blocks */

	const cairn_account_timeline *timeline; /* or NULL */
	const struct cairn_snapshot *peak; /* of the process that had most, when it had most; borrowed, or NULL */
	const struct cairn_snapshot *last; /* of the same process, the last that was taken; borrowed, or NULL */
	const struct cairn_account *total;      /* this process and all children together; NULL without children */
	const struct cairn_account *children;   /* child_count of them */
	size_t child_count;
	size_t children_left_out; /* more children, in total but not in children */
} cairn_account;

/* All figures unknown or 0, not served. */
void cairn_account_init(cairn_account *a);

/* The first step from a control file: its first page, as much of it as could be read. false, and nothing is to be
 * used: it is not one, or is not filled in. Any bytes are safe. */
bool cairn_account_begin(cairn_account *a, const void *control, size_t bytes);
/* How many counters pages follow the control block, by what it says. */
uint32_t cairn_account_caches(const void *control, size_t bytes);
/* The second step, once for each counters page. */
void cairn_account_add_cache(cairn_account *a, const void *counters, size_t bytes);
/* The last step: sums, frees, what is left. */
void cairn_account_finish(cairn_account *a, const void *control, size_t bytes);

/* Adds one finished account to a sum that began as cairn_account_init made it. Counts are added; peaks are not: the
 * sum's peak becomes the largest single one. */
void cairn_account_add(cairn_account *sum, const cairn_account *one);

/* true: what can be checked without a second source holds (frees, sums of the classes). */
bool cairn_account_validate(const cairn_account *a);

/* Each writes to fd and returns 0, or the errno of the first write that failed. */
int cairn_account_print(const cairn_account *a, int fd, bool with_colour); /* text, at most 80 columns */
int cairn_account_print_line(const cairn_account *a, int fd);              /* one line of text */
int cairn_account_print_json(const cairn_account *a, int fd);              /* one object on one line */

/* ---- Where the resident bytes of a process are, at an instant ----
 *
 * A snapshot explains the resident set of one process, this one or another, line by line: the lines' bytes add up to
 * rss_bytes, and the last line is what nobody can explain. It is read from outside, out of /proc/PID: the process is
 * neither stopped nor asked, may be stopped or hang, and executes nothing for it. */

enum {
	CAIRN_SNAPSHOT_LINES = 64,
	CAIRN_SNAPSHOT_NAME = 64,
	CAIRN_SNAPSHOT_WHY = 192,
	CAIRN_SNAPSHOT_THREADS = 256,
	CAIRN_SNAPSHOT_HEAPS = 16,
	CAIRN_SNAPSHOT_LIMITS = 16,
};

/* In the order in which lines stand. */
typedef enum cairn_snapshot_kind {
	CAIRN_SNAPSHOT_LIVE,     /* blocks that the program holds */
	CAIRN_SNAPSHOT_ROUNDING, /* usable bytes of those that it did not ask for; an estimate */
	CAIRN_SNAPSHOT_HOLES,    /* free slots of slabs in use */
	CAIRN_SNAPSHOT_KEPT,     /* free, kept for reuse, by who keeps it */
	CAIRN_SNAPSHOT_METADATA, /* cairn's own records */
	CAIRN_SNAPSHOT_STACKS,
	CAIRN_SNAPSHOT_PROGRAM,  /* text and data of the program and its libraries */
	CAIRN_SNAPSHOT_FILES,    /* other mapped files */
	CAIRN_SNAPSHOT_SHARED,   /* shared memory */
	CAIRN_SNAPSHOT_OTHER,    /* anonymous mappings, by who mapped them */
	CAIRN_SNAPSHOT_UNEXPLAINED,
	CAIRN_SNAPSHOT_OUTSIDE,  /* below the line: not in the resident set */
} cairn_snapshot_kind;

typedef struct cairn_snapshot_line {
	cairn_snapshot_kind kind;
	char name[CAIRN_SNAPSHOT_NAME]; /* "free, in thread caches" */
	char why[CAIRN_SNAPSHOT_WHY];   /* why it is resident, and what would give it back */
	uint64_t bytes;
	uint64_t error_bytes;           /* an estimate's, either way; 0: counted */
} cairn_snapshot_line;

typedef struct cairn_snapshot_class {
	uint64_t size_bytes;    /* of a block; 0: the large ones */
	uint64_t slabs;         /* large: spans */
	uint64_t live_blocks;
	uint64_t live_bytes;    /* resident, rounding included */
	uint64_t untouched_bytes; /* of live blocks, not resident */
	uint64_t rounding_bytes;  /* resident; an estimate */
	uint64_t hole_bytes;    /* resident; large: tails and runways */
	uint64_t cached_bytes;  /* resident, in thread caches; large: on shelves */
	uint64_t sparse_slabs;  /* that at most 3 blocks keep */
	uint64_t sparse_bytes;  /* resident holes of those */
	uint64_t allocations;   /* since the process began */
} cairn_snapshot_class;

typedef struct cairn_snapshot_thread {
	uint32_t id;
	char name[16];
	char state;            /* as in /proc: R runs, S sleeps, T is stopped ... */
	uint64_t stack_bytes;  /* resident */
	uint64_t cached_bytes; /* free blocks in its magazines and on its shelf, resident or not */
	uint64_t allocations;  /* since its cache began, which may have served a thread that ended */
	uint64_t cpu_ns;
} cairn_snapshot_thread;

/* A managed heap: cairn/gc.h. */
typedef struct cairn_snapshot_heap {
	char name[32];         /* cut; any bytes */
	char collector[16];    /* "semispace"; "?" unknown */
	uint64_t held_bytes;   /* against max, now */
	uint64_t live_bytes, live_objects; /* at its last collection */
	uint64_t limit_bytes;  /* that starts the next collection */
	uint64_t max_bytes;
	uint64_t external_bytes, record_bytes; /* of held_bytes; not in the next */
	uint64_t resident_bytes; /* in its slabs */
	uint64_t collections;  /* since it was opened */
	uint64_t young_collections; /* of these, of the young by itself; all 0 where its collector knows no young */
	/* of those: cairn_gc_young_stats, cairn/gc.h */
	uint64_t made_bytes, lived_bytes, donated_bytes, recent_bytes, aged_bytes, scanned_cards;
	uint64_t mixed_blocks, mixed_bytes; /* likewise */
	uint64_t last_pause_ns; /* 0: none yet */
} cairn_snapshot_heap;

typedef struct cairn_snapshot_limit {
	char name[CAIRN_SNAPSHOT_NAME]; /* "cgroup memory.max", "RLIMIT_DATA", "RAM" */
	uint64_t limit_bytes;
	uint64_t used_bytes;            /* what counts against it */
	uint64_t left_ns;               /* until it is met, at the growth below; CAIRN_ACCOUNT_UNKNOWN: not in sight */
} cairn_snapshot_limit;

typedef struct cairn_snapshot {
	uint32_t pid;
	char name[16];
	char executable[CAIRN_ACCOUNT_TEXT];
	char command[CAIRN_ACCOUNT_TEXT]; /* its arguments with blanks between, as it shows them; "" none */
	char state;             /* as in /proc */
	bool is_served;         /* its heap was read */
	bool is_approximate;    /* it went on while it was read, so that lines are of different instants */
	char unknown[CAIRN_SNAPSHOT_WHY]; /* what cannot be known of it, and what would tell; "" nothing */
	uint64_t taken_ns;      /* CLOCK_MONOTONIC */
	uint64_t cost_ns;       /* what taking it took, here */
	uint64_t started_ns;    /* CLOCK_MONOTONIC; 0 unknown */

	uint64_t rss_bytes;
	uint64_t pss_bytes;     /* CAIRN_ACCOUNT_UNKNOWN: not asked for, see cairn_snapshot_take */
	uint64_t peak_rss_bytes; /* as the kernel has it, roughly */
	uint64_t heap_bytes;    /* resident in cairn's heap, managed ones included */
	uint64_t huge_bytes;    /* of heap_bytes, in huge pages */
	uint64_t live_blocks;
	uint64_t allocations;   /* since the process began */
	uint64_t allocated_bytes; /* usable, of those; large blocks where they are counted */
	uint64_t minor_faults, major_faults;
	uint64_t cpu_ns;

	/* What several looks in a row have shown; filled in by who looked. */
	bool has_growth;
	int64_t growth_bytes;      /* of the resident set, in a second */
	uint64_t grown_over_ns;    /* how long was looked */
	bool has_growing_class;
	uint64_t growing_class_bytes; /* its size; 0: large blocks */
	int64_t class_growth_bytes;   /* of live bytes in blocks of it, resident or not, in a second */

	uint32_t line_count, below_count, class_count, thread_count, limit_count;
	uint32_t threads_left_out;
	uint32_t heap_count, heaps_left_out; /* managed heaps */
	cairn_snapshot_line lines[CAIRN_SNAPSHOT_LINES];
	cairn_snapshot_line below[CAIRN_SNAPSHOT_LINES];
	cairn_snapshot_class classes[CAIRN_ACCOUNT_CLASSES]; /* rising sizes; [0] is the large blocks */
	cairn_snapshot_thread threads[CAIRN_SNAPSHOT_THREADS]; /* rising ids */
	cairn_snapshot_limit limits[CAIRN_SNAPSHOT_LIMITS]; /* tightest first */
	cairn_snapshot_heap heaps[CAIRN_SNAPSHOT_HEAPS]; /* that hold most, the most first */
} cairn_snapshot;

/* Of the process pid; 0: this one. 0, or an errno: ESRCH there is none, EACCES it is another user's, ENOMEM. Takes
 * as long as the kernel needs to walk its page tables, and about 30 ms a GiB of small blocks. The kernel's own sums
 * (smaps) keep a process from mapping memory while they are made, so one of over 256 MiB is asked for them only
 * while none of its threads runs: otherwise its look is a light one. Allocates nothing from malloc. Threads: any; a
 * snapshot belongs to its maker. */
int cairn_snapshot_take(cairn_snapshot *s, uint32_t pid);
/* The same in half of the time: pages are counted without the kernel's sums, so that there is no Pss, nothing
 * lazily freed, and nothing that the lines could be held against. For looks in a row. */
int cairn_snapshot_take_light(cairn_snapshot *s, uint32_t pid);
/* The same without lines: what counters tell, and what is resident; in a millisecond or a few. */
int cairn_snapshot_glance(cairn_snapshot *s, uint32_t pid);
/* Asks the process to give everything free back, as cairn_purge does: a word is written into it, and it does so when it
 * next frees or a thread of it looks after memory; one that does nothing does not do that either. 0, ESRCH, EACCES, or
 * ENOTSUP: it is not on cairn, or its memory may not be written. */
int cairn_snapshot_ask_purge(uint32_t pid);
bool cairn_snapshot_purge_is_served(uint32_t pid); /* was the last one that anybody asked for served? */
bool cairn_snapshot_is_served(uint32_t pid); /* does it run on cairn, and may its memory be read? */
/* true: the lines add up to rss_bytes, the last is what is unexplained, no text is without its end. */
bool cairn_snapshot_validate(const cairn_snapshot *s);
/* Each writes to fd and returns 0, or the errno of the first write that failed. */
int cairn_snapshot_print(const cairn_snapshot *s, int fd, bool with_colour); /* text, at most 80 columns */
int cairn_snapshot_print_json(const cairn_snapshot *s, int fd);              /* one object on one line */

/* ---- Asked by the process about itself. Threads: any. Nothing here allocates from malloc. In a signal handler that
 * interrupted malloc in its own thread nothing can be told, and each says so; anywhere else they may be called, also
 * from a handler, but they wait for locks that every thread takes for microseconds. ---- */

typedef struct cairn_counters_class {
	uint64_t size_bytes;    /* of a block; 0: large blocks, of any size over the largest class */
	uint64_t allocations;
	uint64_t frees;
	uint64_t live_blocks;
	uint64_t cached_blocks; /* free, in thread caches */
	uint64_t free_blocks;   /* free, in slabs; without those of first-class heaps */
} cairn_counters_class;

/* Counts are since the start of the process; in a child of fork that `cairn run` watches, since the fork. */
typedef struct cairn_counters {
	uint64_t allocations, frees;
	uint64_t live_blocks, live_bytes;     /* large ones among them */
	uint64_t large_blocks, large_bytes;   /* live */
	uint64_t cached_blocks, cached_bytes; /* free, in thread caches */
	uint64_t free_blocks, free_bytes;     /* free, in slabs; without those of first-class heaps */
	uint64_t kept_bytes;                  /* spans of freed large blocks, on threads' shelves */
	uint64_t dirty_bytes;                 /* free memory of the page heap that may be resident */
	uint64_t used_bytes;                  /* in slabs, large blocks and on shelves */
	uint64_t open_bytes;                  /* heap opened from the system */
	uint64_t meta_bytes;                  /* cairn's own records */
	uint64_t purged_bytes;                /* given back to the system, cumulative */
	uint64_t foreign_frees;               /* blocks of other allocators given to free */
	uint64_t managed_bytes;               /* spans of managed heaps (cairn/gc.h): in none of the others */
	uint32_t class_count;
	cairn_counters_class classes[CAIRN_ACCOUNT_CLASSES]; /* rising sizes; [0] is the large blocks */
} cairn_counters;

/* Fills *counters in. All figures are of one moment, and exact when no other thread allocates or frees in the
 * microseconds that it takes; otherwise each is off by at most what others did meanwhile. Requests of signal handlers
 * that interrupted malloc are not counted; what such a one freed counts as live until the next slow path of any thread.
 * mallinfo, mallinfo2, malloc_info and malloc_stats print these figures. False: nothing can be told, all is 0. */
bool cairn_counters_get(cairn_counters *counters);

struct cairn_heap; /* cairn/malloc.h */

typedef struct cairn_live_block {
	void *start;
	size_t usable_bytes;
	uint32_t size_class; /* index into cairn_counters.classes; 0: large */
	struct cairn_heap *heap; /* the first-class heap that it belongs to, or NULL */
} cairn_live_block;

typedef bool (*cairn_visitor)(const cairn_live_block *block, void *arg); /* borrows both; false: stop */
typedef enum cairn_visit {
	CAIRN_VISIT_ALL,
	CAIRN_VISIT_STOPPED, /* by the visitor */
	CAIRN_VISIT_REFUSED, /* no memory for it, or nothing can be told */
} cairn_visit;

/* Calls visit for every live block, once; in no order. The heap is looked at in parts of at least 64 KiB of records (6
 * to 100 MiB of small blocks); no lock is held while visit runs, so it may do anything but leave by longjmp or an
 * exception, which would leak the records. So: a block that is live from beginning to end is visited; one that is made
 * meanwhile, by the visitor or another thread, may be or not; one that is freed meanwhile may still be told of, and who
 * reads a block's memory must know that nobody frees it. Blocks of signal handlers that interrupted malloc are left
 * out. Where no other thread uses malloc and the visitor does not, the blocks told are exactly the live ones of
 * cairn_counters_get.
 * Memory for records: 64 KiB to 1 MiB, whatever the heap's size. */
cairn_visit cairn_visit_live(cairn_visitor visit, void *arg);

typedef enum cairn_owner_kind {
	CAIRN_OWNER_NONE,      /* not cairn's */
	CAIRN_OWNER_SMALL,     /* in a live block of a size class */
	CAIRN_OWNER_LARGE,     /* in a live large block */
	CAIRN_OWNER_HEAP,      /* in a live block of a first-class heap */
	CAIRN_OWNER_FREE_SLOT, /* in a free slot of a slab */
	CAIRN_OWNER_CACHED,    /* in a free slot that a thread cache has */
	CAIRN_OWNER_KEPT,      /* in a freed large block, on a shelf */
	CAIRN_OWNER_FREE,      /* elsewhere in cairn's heap: no block is here */
	CAIRN_OWNER_RECORDS,   /* in memory mapped for records, or for signal handlers that interrupt malloc */
	CAIRN_OWNER_UNKNOWN,   /* nothing can be told */
	CAIRN_OWNER_MANAGED,   /* in a managed heap's memory, of an object or not: cairn/gc.h */
} cairn_owner_kind;

typedef struct cairn_owner {
	cairn_owner_kind kind;
	void *start;             /* of the block, live or not; NULL: none is here */
	size_t usable_bytes;     /* of the block; 0: none */
	uint32_t size_class;     /* as in cairn_live_block */
	struct cairn_heap *heap; /* the first-class heap that the memory belongs to, or NULL */
} cairn_owner;

/* What lies at p: any address, which is not read. Takes some microseconds. Of an address that another thread allocates
 * or frees meanwhile either answer may be given. Records over 64 KiB, and those of a process that came to its limit of
 * mappings, may be called not cairn's, as are its code and static data. */
cairn_owner cairn_owner_of(const void *p);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
