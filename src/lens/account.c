/* lens/account.c - from counters to an account, and from accounts to a sum.
 *
 *   control block ──begin──▶ header ──add_cache, once a thread cache──▶ allocations ──finish──▶ frees, what is left
 *
 * Invariants, checked by cairn_account_validate():
 *   (A1) allocations, never_freed_blocks: the sums over the classes.
 *   (A2) frees == allocations + inherited - never_freed_blocks, and never wraps: where the process still ran or was
 *        killed between two stores, a class with more live than were ever made counts as none freed.
 *   (A3) class_count is at most CAIRN_ACCOUNT_CLASSES; the texts are terminated.
 *
 * Everything read here was written by another process, which may be hostile or may have died at any instruction: each
 * number is used as a number only, never as an index or a length before it was bounded.
 *
 * Locks: none. Failure: false, and the account is not to be used.
 * Not here: where the bytes come from (cli/, lens/summary.c), how an account looks (account_text.c, account_json.c).
 * */
#include <cairn/stats.h>

#include <string.h>

#include "wire/control.h"

_Static_assert((int)CAIRN_ACCOUNT_CLASSES >= (int)CAIRN_WIRE_CLASSES, "an account has room for every class");
_Static_assert((int)CAIRN_ACCOUNT_TEXT >= (int)sizeof(((cairn_control *)0)->program), "and for the program's path");

enum { ERRNO_END = 4096 }; /* the kernel has no higher */

void cairn_account_init(cairn_account *a)
{
	memset(a, 0, sizeof *a);
	a->status = -1;
	a->duration_ns = a->peak_rss_bytes = a->peak_rss_ns = a->exit_rss_bytes = CAIRN_ACCOUNT_UNKNOWN;
	a->minor_faults = a->major_faults = a->live_peak_ns = CAIRN_ACCOUNT_UNKNOWN;
}

/* A checked copy of a control block, zero where the writer's is shorter than ours. */
static bool control_copy(cairn_control *to, const void *from, size_t bytes)
{
	memset(to, 0, sizeof *to);
	memcpy(to, from, bytes < sizeof *to ? bytes : sizeof *to);
	if (bytes < offsetof(cairn_control, exit_live) || to->magic != CAIRN_CONTROL_MAGIC ||
	    to->header_bytes < offsetof(cairn_control, exit_live))
		return false;
	if (to->header_bytes < sizeof *to)
		memset((char *)to + to->header_bytes, 0, sizeof *to - to->header_bytes);
	to->program[sizeof to->program - 1] = 0;
	if (to->class_count > CAIRN_WIRE_CLASSES)
		to->class_count = CAIRN_WIRE_CLASSES;
	return to->state == CAIRN_CONTROL_RUNNING || to->state == CAIRN_CONTROL_EXITED;
}

/* Kernel figures that are 0 were not taken: no process has an empty resident set. */
static uint64_t known(uint64_t figure) { return figure ? figure : CAIRN_ACCOUNT_UNKNOWN; }

static void account_take_exit(cairn_account *a, const cairn_control *c)
{
	a->is_exact = true;
	a->exit_rss_bytes = known(c->exit_rss_bytes);
	a->peak_rss_bytes = known(c->exit_peak_rss_bytes);
	if (c->exit_peak_rss_bytes) { /* else the kernel was not asked */
		a->minor_faults = c->exit_minor_faults;
		a->major_faults = c->exit_major_faults;
	}
	if (c->end_ns >= c->start_ns)
		a->duration_ns = c->end_ns - c->start_ns;
}

bool cairn_account_begin(cairn_account *a, const void *control, size_t bytes)
{
	cairn_control c;
	cairn_account_init(a);
	if (!control_copy(&c, control, bytes))
		return false;
	memcpy(a->executable, c.program, sizeof c.program);
	memcpy(a->program, c.program, sizeof c.program);
	a->pid = c.pid;
	a->parent_pid = c.parent_pid;
	a->processes = 1;
	a->is_served = true;
	a->is_forked = c.is_forked == 1;
	a->has_requested = c.counts_requested == 1;
	a->start_ns = c.start_ns;
	a->live_peak_bytes = c.live_peak_bytes;
	if (c.live_peak_ns)
		a->live_peak_ns = c.live_peak_ns > c.start_ns ? c.live_peak_ns - c.start_ns : 0;
	a->cached_max_bytes = c.cached_max_bytes;
	a->foreign_frees = c.foreign_frees;
	a->uncounted_processes = c.lost_counters != 0;
	a->uncounted_error = c.lost_error < ERRNO_END ? (int)c.lost_error : 0;
	a->class_count = c.class_count;
	for (uint32_t i = 0; i < c.class_count; i++)
		a->classes[i].size_bytes = i ? c.class_bytes[i] : 0;
	if (c.state == CAIRN_CONTROL_EXITED)
		account_take_exit(a, &c);
	return true;
}

uint32_t cairn_account_caches(const void *control, size_t bytes)
{
	cairn_control c;
	return control_copy(&c, control, bytes) ? c.cache_count : 0;
}

void cairn_account_add_cache(cairn_account *a, const void *counters, size_t bytes)
{
	cairn_thread_counters t;
	memset(&t, 0, sizeof t);
	memcpy(&t, counters, bytes < sizeof t ? bytes : sizeof t);
	for (uint32_t i = 0; i < a->class_count; i++) {
		a->classes[i].allocations += t.by_class[i].allocations;
		a->classes[i].requested_bytes += t.by_class[i].requested;
	}
	a->threads += t.threads;
}

static uint64_t account_class_frees(const cairn_account_class *k)
{
	uint64_t made = k->allocations + k->inherited_blocks;
	return made > k->live_blocks ? made - k->live_blocks : 0;
}

/* The bytes of large blocks at the peak are not kept: they are what the small ones leave. */
static uint64_t account_large_peak(const cairn_account *a)
{
	uint64_t small = 0;
	for (uint32_t i = 1; i < a->class_count; i++)
		small += a->classes[i].peak_blocks * a->classes[i].size_bytes;
	return a->classes[0].peak_blocks && a->live_peak_bytes > small ? a->live_peak_bytes - small : 0;
}

void cairn_account_finish(cairn_account *a, const void *control, size_t bytes)
{
	cairn_control c;
	if (!control_copy(&c, control, bytes))
		return;
	a->never_freed_bytes = a->is_exact ? c.exit_live_bytes : c.live_bytes;
	a->inherited_bytes = c.live_at_start_bytes;
	for (uint32_t i = 0; i < a->class_count && i < c.class_count; i++) {
		cairn_account_class *k = &a->classes[i];
		k->inherited_blocks = c.live_at_start[i];
		k->live_blocks = a->is_exact ? c.exit_live[i] : c.out[i];
		k->peak_blocks = c.out_at_peak[i];
		a->allocations += k->allocations;
		a->allocated_bytes += k->requested_bytes;
		a->never_freed_blocks += k->live_blocks;
		a->frees += account_class_frees(k);
	}
	if (a->live_peak_bytes < a->never_freed_bytes)
		a->live_peak_bytes = a->never_freed_bytes;
	a->large_peak_bytes = account_large_peak(a);
	if (a->exit_rss_bytes != CAIRN_ACCOUNT_UNKNOWN && a->peak_rss_bytes < a->exit_rss_bytes)
		a->peak_rss_bytes = a->exit_rss_bytes; /* the kernel counts both in batches */
}

static void add_known(uint64_t *sum, uint64_t figure)
{
	if (figure != CAIRN_ACCOUNT_UNKNOWN)
		*sum = *sum == CAIRN_ACCOUNT_UNKNOWN ? figure : *sum + figure;
}

static void raise_known(uint64_t *highest, uint64_t figure)
{
	if (figure != CAIRN_ACCOUNT_UNKNOWN && (*highest == CAIRN_ACCOUNT_UNKNOWN || *highest < figure))
		*highest = figure;
}

/* The sum's class of that size: found, or added behind the others. NULL: no room, which two builds of the library
 * with different classes would need. */
static cairn_account_class *account_class_of(cairn_account *a, uint32_t likely, uint64_t size_bytes)
{
	if (likely < a->class_count && a->classes[likely].size_bytes == size_bytes)
		return &a->classes[likely];
	for (uint32_t i = 0; i < a->class_count; i++)
		if (a->classes[i].size_bytes == size_bytes)
			return &a->classes[i];
	if (a->class_count >= CAIRN_ACCOUNT_CLASSES)
		return NULL;
	a->classes[a->class_count].size_bytes = size_bytes;
	return &a->classes[a->class_count++];
}

/* What a forked process inherited is its parent's as well, and counts there. */
static uint64_t account_less(uint64_t n, uint64_t by) { return n > by ? n - by : 0; }

static void account_add_classes(cairn_account *sum, const cairn_account *one)
{
	for (uint32_t i = 0; i < one->class_count && i < CAIRN_ACCOUNT_CLASSES; i++) {
		const cairn_account_class *k = &one->classes[i];
		cairn_account_class *to = account_class_of(sum, i, k->size_bytes);
		if (!to)
			to = &sum->classes[0]; /* (A1) before beauty */
		sum->never_freed_blocks += account_less(k->live_blocks, k->inherited_blocks);
		to->allocations += k->allocations;
		to->requested_bytes += k->requested_bytes;
		to->live_blocks += account_less(k->live_blocks, k->inherited_blocks);
		to->peak_blocks += k->peak_blocks;
	}
}

void cairn_account_add(cairn_account *sum, const cairn_account *one)
{
	bool is_first = sum->processes == 0;
	sum->processes += one->processes;
	sum->is_exact = (is_first || sum->is_exact) && one->is_exact;
	sum->has_requested = (is_first || sum->has_requested) && one->has_requested;
	sum->is_served |= one->is_served;
	add_known(&sum->minor_faults, one->minor_faults);
	add_known(&sum->major_faults, one->major_faults);
	raise_known(&sum->peak_rss_bytes, one->peak_rss_bytes);
	raise_known(&sum->duration_ns, one->duration_ns);
	sum->allocations += one->allocations;
	sum->frees += one->frees;
	sum->allocated_bytes += one->allocated_bytes;
	raise_known(&sum->live_peak_bytes, one->live_peak_bytes);
	sum->large_peak_bytes += one->large_peak_bytes;
	sum->cached_max_bytes += one->cached_max_bytes;
	sum->never_freed_bytes += account_less(one->never_freed_bytes, one->inherited_bytes);
	sum->foreign_frees += one->foreign_frees;
	sum->threads += one->threads;
	sum->uncounted_processes += one->uncounted_processes;
	if (one->uncounted_error)
		sum->uncounted_error = one->uncounted_error;
	account_add_classes(sum, one);
}

bool cairn_account_validate(const cairn_account *a)
{
	uint64_t allocations = 0, live = 0, frees = 0;
	if (a->class_count > CAIRN_ACCOUNT_CLASSES)
		return false; /* (A3) */
	for (uint32_t i = 0; i < a->class_count; i++) {
		allocations += a->classes[i].allocations;
		live += a->classes[i].live_blocks;
		frees += account_class_frees(&a->classes[i]);
	}
	if (allocations != a->allocations || live != a->never_freed_blocks)
		return false; /* (A1) */
	if (a->processes == 1 && frees != a->frees)
		return false; /* (A2); a sum may have a class with none freed in one process and more in another */
	return memchr(a->program, 0, sizeof a->program) && memchr(a->executable, 0, sizeof a->executable);
}
