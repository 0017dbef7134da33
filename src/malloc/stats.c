/* malloc/stats.c - the control block and the sums in it. The design is in stats.h. */
#include "malloc/stats.h"

#include "malloc/sizeclass.h"
#include "malloc/threads.h"
#include "os/clock.h"
#include "os/env.h"
#include "os/meta.h"
#include "os/sandbox.h"
#include "os/shared.h"
#include "os/sys.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { CONTROL_HELD_BYTES = 4096 }; /* what a control block needs of its CAIRN_CONTROL_BYTES */

static cairn_control private_control;
cairn_control *cairn_stats_block = &private_control; /* const after start, but for fork's child */
static bool is_counting;                          /* const after start */
static uint64_t magazine_bytes;                   /* sync: a sum; what all magazines can hold */
static bool has_folder;                           /* const after start: of a run */
static bool has_file;                             /* sync: as control: cairn_stats_block is mapped from one */

/* Every sum below is a relaxed atomic: it stands for itself, nothing is published by it. */
static uint64_t sum(uint64_t *to, int64_t n)
{
	return __atomic_add_fetch(to, (uint64_t)n, __ATOMIC_RELAXED); /* a sum */
}
static uint64_t sum_of(const uint64_t *of) { return __atomic_load_n(of, __ATOMIC_RELAXED); /* a sum */ }

const cairn_control *cairn_stats_control(void) { return cairn_stats_block; }
bool cairn_stats_is_counting(void) { return is_counting; }
uint64_t cairn_stats_out_of(unsigned size_class) { return sum_of(&cairn_stats_block->out[size_class]); }
void cairn_stats_cache_count(uint32_t n) { cairn_stats_block->cache_count = n; }
void cairn_stats_foreign_free(void) { sum(&cairn_stats_block->foreign_frees, 1); }

/* The executable's path, its end when it is too long. */
static void fill_in_program(cairn_control *c)
{
	char path[1024];
	long n = cairn_sys(SYS_readlinkat, -100, (long)"/proc/self/exe", (long)path, sizeof path, 0, 0);
	if (n <= 0)
		return;
	size_t keep = (size_t)n < sizeof c->program - 1 ? (size_t)n : sizeof c->program - 1;
	memcpy(c->program, path + n - keep, keep);
}

static void fill_in(cairn_control *c, bool is_forked)
{
	c->header_bytes = sizeof *c;
	c->class_count = CAIRN_CLASS_COUNT;
	c->pid = (uint32_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
	c->parent_pid = (uint32_t)cairn_sys(SYS_getppid, 0, 0, 0, 0, 0, 0);
	c->state = CAIRN_CONTROL_RUNNING;
	c->is_forked = is_forked;
	c->counts_requested = is_counting;
	c->start_ns = cairn_clock_fine_ns();
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
		c->class_bytes[i] = cairn_classes[i].bytes;
	if (is_counting)
		fill_in_program(c);
	__atomic_store_n(
		&c->magic, CAIRN_CONTROL_MAGIC, __ATOMIC_RELEASE); /* publishes the fields above to the command */
}

/* A control block in a file of this process's own, in the place of its parent's where fork copied one; or in private
 * memory, and the run's folder counts the process as lost. */
static void make_control(void)
{
	void *at = has_file ? cairn_stats_block : NULL;
	cairn_control *mapped = cairn_shared_create() ? cairn_shared_map(at, 0, CAIRN_CONTROL_BYTES) : NULL;
	has_file = mapped && cairn_shared_hold(mapped, CONTROL_HELD_BYTES);
	if (mapped)
		cairn_stats_block = mapped;
	if (has_file)
		return;
	cairn_shared_give_up();
	if (cairn_stats_block != &private_control && !cairn_shared_leave(cairn_stats_block, CAIRN_CONTROL_BYTES))
		cairn_stats_block = &private_control;
}

/* What a child is to begin with. Taken before fork, under every lock: the control block of a run is shared memory, in
 * which the parent's threads count on while the child looks; the child's copy of the magazines stands still. Own
 * memory, for few processes count, and static data is every process's. */
static struct {
	uint64_t out[CAIRN_WIRE_CLASSES], large_bytes, live_bytes;
	uint32_t cache_count;
} *parents; /* sync: fork lock; NULL: nothing is counted, or there was no memory, and a child begins with nothing */

void cairn_stats_init(bool counting)
{
	is_counting = counting;
	has_folder = counting && cairn_env_text("CAIRN_RUN");
	if (has_folder)
		make_control();
	if (counting)
		fill_in(cairn_stats_block, false);
	if (counting)
		parents = cairn_meta_alloc(sizeof *parents);
}

static void note_lost_counters(void)
{
	cairn_stats_block->lost_error = (uint64_t)cairn_shared_error();
	cairn_stats_block->lost_counters++;
}

bool cairn_stats_map_counters(void *at, uint32_t first, uint32_t n)
{
	size_t offset = CAIRN_CONTROL_BYTES + (size_t)first * CAIRN_COUNTERS_BYTES;
	size_t bytes = (size_t)n * CAIRN_COUNTERS_BYTES;
	if (has_file && cairn_shared_map(at, offset, bytes))
		return true;
	if (has_file)
		note_lost_counters();
	if (has_folder)
		cairn_shared_leave(at, bytes); /* in fork's child the parent's file is there */
	return false;
}

bool cairn_stats_hold_counters(void *at)
{
	if (!has_file || cairn_shared_hold(at, CAIRN_COUNTERS_BYTES))
		return true;
	note_lost_counters();
	return cairn_shared_leave(at, CAIRN_COUNTERS_BYTES);
}

/* What magazines hold now, at most: this thread's exactly, the others' as if they were full. */
static uint64_t cached_at_most(void)
{
	cairn_cache *c = cairn_thread_self.own;
	int64_t bytes = (int64_t)sum_of(&magazine_bytes);
	if (!cairn_thread_has_cache())
		return (uint64_t)bytes;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		bytes -= ((int64_t)c->cold[i].capacity - (int64_t)cairn_cache_fill(c, i)) *
			 (int64_t)cairn_classes[i].bytes;
	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* Keeps what is out at the highest point, within 1 %. */
static void note_peak(uint64_t live)
{
	uint64_t peak = sum_of(&cairn_stats_block->live_peak_bytes);
	if (live <= peak)
		return;
	__atomic_store_n(&cairn_stats_block->live_peak_bytes, live,
		__ATOMIC_RELAXED); /* two threads at once: the peak is within a batch */
	static uint64_t noted; /* sync: atomic, relaxed: live_bytes when the classes were last noted */
	uint64_t last = sum_of(&noted);
	if (live > last + last / 100) {
		__atomic_store_n(&noted, live, __ATOMIC_RELAXED); /* a hint */
		cairn_stats_block->live_peak_ns = cairn_clock_coarse_ns();
		cairn_stats_block->cached_max_bytes = cached_at_most();
		for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
			cairn_stats_block->out_at_peak[i] = sum_of(&cairn_stats_block->out[i]);
	}
}

void cairn_stats_out(unsigned size_class, int64_t blocks)
{
	sum(&cairn_stats_block->out[size_class], blocks);
	if (cairn_unlikely(is_counting))
		note_peak(sum(&cairn_stats_block->live_bytes, blocks * (int64_t)cairn_classes[size_class].bytes));
}

void cairn_stats_magazine(unsigned size_class, int64_t slots)
{
	sum(&magazine_bytes, slots * (int64_t)cairn_classes[size_class].bytes);
}

void cairn_stats_large(int64_t blocks, int64_t usable_bytes)
{
	if (blocks)
		sum(&cairn_stats_block->out[0], blocks);
	sum(&cairn_stats_block->large_bytes, usable_bytes);
	if (cairn_unlikely(is_counting))
		note_peak(sum(&cairn_stats_block->live_bytes, usable_bytes));
}

/* Adds what a cache's magazines hold to the array of counts at arg. */
static void add_fill(cairn_cache *c, void *arg)
{
	uint64_t *held = arg;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		held[i] += cairn_cache_fill(c, i);
	held[0] -= (uint64_t)__atomic_load_n(&c->shelf.block_delta, __ATOMIC_RELAXED); /* a sum */
}

void cairn_stats_cached(uint64_t held[])
{
	memset(held, 0, CAIRN_CLASS_COUNT * sizeof *held);
	cairn_threads_visit(add_fill, held);
}

static void add_large(cairn_cache *c, void *arg)
{
	uint64_t *to = arg;
	to[0] += (uint64_t)__atomic_load_n(&c->shelf.block_delta, __ATOMIC_RELAXED); /* a sum */
	to[1] += (uint64_t)__atomic_load_n(&c->shelf.byte_delta, __ATOMIC_RELAXED);  /* a sum */
}

void cairn_stats_large_sums(uint64_t *blocks, uint64_t *usable_bytes)
{
	uint64_t sums[2] = { sum_of(&cairn_stats_block->out[0]), sum_of(&cairn_stats_block->large_bytes) };
	cairn_threads_visit(add_large, sums);
	*blocks = sums[0];
	*usable_bytes = sums[1];
}

/* The kernel's figures at exit. In a run the command has its own, from its last look, where they must not be asked. */
static void ask_kernel(void)
{
	struct rusage usage = { 0 };
	cairn_stats_block->exit_peak_rss_bytes = cairn_vm_peak_rss_bytes();
	if (!cairn_sys(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0, 0, 0, 0)) {
		cairn_stats_block->exit_minor_faults = (uint64_t)usage.ru_minflt;
		cairn_stats_block->exit_major_faults = (uint64_t)usage.ru_majflt;
	}
	cairn_stats_block->exit_rss_bytes = cairn_vm_rss_bytes();
}

static void settle(void)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	cairn_stats_cached(held);
	uint64_t blocks, bytes;
	cairn_stats_large_sums(&blocks, &bytes);
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		uint64_t out = sum_of(&cairn_stats_block->out[i]);
		cairn_stats_block->exit_live[i] = out > held[i] ? out - held[i] : 0;
		bytes += i ? cairn_stats_block->exit_live[i] * cairn_classes[i].bytes : 0;
	}
	cairn_stats_block->exit_live_bytes = bytes;
	if (!has_folder || !cairn_sandbox_is_possible())
		ask_kernel();
	cairn_pageheap_numbers pages = cairn_pageheap_count();
	cairn_stats_block->open_bytes = pages.open_granules << CAIRN_GRANULE_SHIFT;
	cairn_stats_block->purged_bytes = pages.purged_granules << CAIRN_GRANULE_SHIFT;
	cairn_stats_block->meta_bytes = cairn_meta_bytes();
	cairn_stats_block->end_ns = cairn_clock_fine_ns();
	__atomic_store_n(&cairn_stats_block->state, CAIRN_CONTROL_EXITED, __ATOMIC_RELEASE); /* publishes exit_ ... */
}

void cairn_stats_settle(void)
{
	if (cairn_stats_block->state == CAIRN_CONTROL_EXITED || cairn_thread_is_nested())
		return;
	cairn_cache *c = cairn_thread_enter();
	settle();
	cairn_thread_leave(c);
}

void cairn_stats_fork_before(void)
{
	if (!parents)
		return;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
		parents->out[i] = sum_of(&cairn_stats_block->out[i]);
	parents->large_bytes = sum_of(&cairn_stats_block->large_bytes);
	parents->live_bytes = sum_of(&cairn_stats_block->live_bytes);
	parents->cache_count = cairn_stats_block->cache_count;
}

static void begin_as_parents(cairn_control *c)
{
	memcpy(c->out, parents->out, sizeof c->out);
	c->large_bytes = parents->large_bytes;
	c->live_bytes = c->live_peak_bytes = parents->live_bytes;
	c->live_peak_ns = cairn_clock_coarse_ns();
	c->cached_max_bytes = sum_of(&magazine_bytes);
	memcpy(c->out_at_peak, parents->out, sizeof c->out_at_peak);
	c->cache_count = parents->cache_count;
}

void cairn_stats_fork_child(void)
{
	if (!is_counting)
		return;
	if (has_folder)
		make_control();
	memset(cairn_stats_block, 0, sizeof *cairn_stats_block);
	if (parents)
		begin_as_parents(cairn_stats_block);
	fill_in(cairn_stats_block, true);
}

void cairn_stats_fork_settled(bool is_nested)
{
	if (!is_counting)
		return;
	uint64_t held[CAIRN_CLASS_COUNT] = { 0 };
	if (!is_nested)
		cairn_stats_cached(held);
	uint64_t bytes = cairn_stats_block->large_bytes;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		cairn_stats_block->live_at_start[i] = cairn_stats_block->out[i] - held[i];
		bytes += i ? cairn_stats_block->live_at_start[i] * cairn_classes[i].bytes : 0;
	}
	cairn_stats_block->live_at_start_bytes = bytes;
}
