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
