/* gc/managed.c - opening and closing managed heaps, their list, and what all parts use: signals held off, own records.
 * The design is in gc/managed.h. */
#include "gc/managed.h"

#include "base/assert.h"
#include "os/env.h"
#include "os/meta.h"
#include "os/report.h"
#include "os/sys.h"
#include "page/pageheap.h"
#include "page/window.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

cairn_gc_heaps cairn_gc_heaps_here;

/* ---- Collectors by name ---- */

static const char *const collector_names[] = { "default", "none", "marksweep", "semispace", "markcompact",
	"counting-eager", "generational", "concurrent", "counting" };
enum { COLLECTORS = sizeof collector_names / sizeof *collector_names };

static const cairn_gc_plan *const plans[] = { &cairn_gc_plan_none, &cairn_gc_plan_marksweep, &cairn_gc_plan_semispace,
	&cairn_gc_plan_markcompact, &cairn_gc_plan_generational };

const char *cairn_gc_collector_name(cairn_gc_collector c)
{
	return (unsigned)c < COLLECTORS ? collector_names[c] : NULL;
}

const cairn_gc_plan *cairn_gc_plan_of(cairn_gc_collector c)
{
	if (c == CAIRN_GC_DEFAULT)
		c = CAIRN_GC_GENERATIONAL;
	for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
		if (plans[i]->collector == c && plans[i]->collect)
			return plans[i];
	return NULL;
}

/* The environment's word, else the config's. COLLECTORS: a word that is none. */
static unsigned collector_wanted(const cairn_gc_config *config)
{
	const char *text = cairn_env_text("CAIRN_GC_COLLECTOR");
	for (unsigned c = 0; text && c < COLLECTORS; c++)
		if (!strcmp(text, collector_names[c]))
			return c;
	if (text && *text)
		return COLLECTORS;
	return (unsigned)config->collector < COLLECTORS ? (unsigned)config->collector : COLLECTORS;
}

static const cairn_gc_plan *choose_plan(const cairn_gc_config *config)
{
	unsigned wanted = collector_wanted(config);
	const cairn_gc_plan *plan = wanted < COLLECTORS ? cairn_gc_plan_of((cairn_gc_collector)wanted) : NULL;
	if (plan)
		return plan;
	const char *text = cairn_env_text("CAIRN_GC_COLLECTOR");
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: collector ");
	cairn_line_text(&l, wanted < COLLECTORS ? collector_names[wanted] : text ? text : "?");
	cairn_line_text(&l, wanted < COLLECTORS ? " is not built yet" : ": there is none of that name");
	cairn_line_text(&l, "; choose none, marksweep, semispace, markcompact or generational");
	cairn_report(&l);
	return NULL;
}

/* ---- Signals, and records ---- */

uint64_t cairn_gc_calm(void)
{
	uint64_t all = ~0ull, before = 0;
	cairn_sys(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&before, sizeof all, 0, 0);
	return before;
}

void cairn_gc_uncalm(uint64_t before)
{
	cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before, 0, 0);
}

static void add_records(cairn_gc_heap *h, ptrdiff_t bytes)
{
	if (h) /* relaxed: a figure */
		__atomic_fetch_add(&h->sizing.record_bytes, (size_t)bytes, __ATOMIC_RELAXED);
}

void *cairn_gc_meta_alloc_calm(cairn_gc_heap *h, size_t bytes)
{
	void *p = cairn_meta_alloc(bytes);
	if (p)
		add_records(h, (ptrdiff_t)bytes);
	return p;
}

void *cairn_gc_meta_alloc(cairn_gc_heap *h, size_t bytes)
{
	uint64_t before = cairn_gc_calm();
	void *p = cairn_gc_meta_alloc_calm(h, bytes);
	cairn_gc_uncalm(before);
	return p;
}

void cairn_gc_meta_free_calm(cairn_gc_heap *h, void *p, size_t bytes)
{
	add_records(h, -(ptrdiff_t)bytes);
	cairn_meta_free(p, bytes);
}

void cairn_gc_meta_free(cairn_gc_heap *h, void *p, size_t bytes)
{
	if (!p)
		return;
	uint64_t before = cairn_gc_calm();
	cairn_gc_meta_free_calm(h, p, bytes);
	cairn_gc_uncalm(before);
}

void cairn_gc_misuse(const cairn_gc_heap *h, const char *what, const void *p)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: ");
	cairn_line_text(&l, what);
	if (p) {
		cairn_line_text(&l, ": ");
		cairn_line_hex(&l, (uintptr_t)p);
	}
	cairn_line_text(&l, " (");
	if (h) {
		cairn_line_text(&l, "heap \"");
		cairn_line_text(&l, h->config.name);
		cairn_line_text(&l, "\", ");
	}
	cairn_line_text(&l, cairn_program_name());
	cairn_line_text(&l, ")");
	cairn_report_abort(&l);
}

/* ---- Open and close ---- */

static void heaps_add(cairn_gc_heap *h)
{
	cairn_lock_take(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
	if (!cairn_gc_heaps_here.all.next)
		cairn_node_init(&cairn_gc_heaps_here.all);
	if (!cairn_gc_heaps_here.layout) { /* a fork may have come between the list and this */
		cairn_gc_heaps_here.layout = CAIRN_GC_LAYOUT;
		/* publishes the list to a reader from outside */
		__atomic_store_n(&cairn_window_managed, &cairn_gc_heaps_here, __ATOMIC_RELEASE);
	}
	cairn_list_append(&cairn_gc_heaps_here.all, &h->node);
	cairn_gc_heaps_here.count++;
	cairn_lock_drop(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
}

static void heaps_remove(cairn_gc_heap *h)
{
	cairn_lock_take(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
	cairn_list_remove(&h->node);
	cairn_gc_heaps_here.count--;
	cairn_lock_drop(&cairn_gc_heaps_here.lock, CAIRN_RANK_GC_HEAPS);
}

uintptr_t cairn_gc_window;

/* False: refused, and told. */
static bool open_window(void)
{
	uint64_t before = cairn_gc_calm();
	uintptr_t base = cairn_pageheap_private(CAIRN_GC_WINDOW_BYTES);
	cairn_gc_uncalm(before);
	/* relaxed, both: see there; once only, for others may be reading */
	if (base && __atomic_load_n(&cairn_gc_window, __ATOMIC_RELAXED) != base)
		__atomic_store_n(&cairn_gc_window, base, __ATOMIC_RELAXED);
	if (base)
		return true;
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: compressed references need 32 GiB of address space in a row, which are "
			    "refused: raise its limit (ulimit -v unlimited), ");
	cairn_line_text(&l, "or build without CAIRN_GC_COMPRESSED");
	cairn_report(&l);
	return false;
}

/* An errno value, or 0. */
static int heap_init(cairn_gc_heap *h)
{
	h->config.name = h->config.name ? h->config.name : "heap";
	cairn_gc_blocks_init(&h->blocks);
	int error = cairn_gc_sizing_init(h);
	if (error)
		return error;
	if (h->is_compressed && !open_window())
		return ENOMEM;
	cairn_gc_zeal_init(h);
	cairn_gc_looks_init(h);
	cairn_gc_world_init(h);
	cairn_gc_roots_init(h);
	cairn_gc_deaths_init(h);
	return cairn_gc_tracing_init(h) ? 0 : ENOMEM;
}

static cairn_gc_heap *heap_open(const cairn_gc_config *config, bool is_compressed)
{
	static const cairn_gc_config none;
	cairn_env_init();
	config = config ? config : &none;
	const cairn_gc_plan *plan = choose_plan(config);
	cairn_gc_heap *h = plan ? cairn_gc_meta_alloc(NULL, sizeof *h) : NULL;
	if (!h) {
		errno = plan ? ENOMEM : ENOTSUP;
		return NULL;
	}
	h->plan = plan;
	h->is_compressed = is_compressed;
	h->config = *config;
	int error = cairn_gc_fork_register() ? heap_init(h) : ENOMEM;
	if (error) {
		cairn_gc_tracing_close(h);
		cairn_gc_zeal_close(h);
		cairn_gc_meta_free(NULL, h, sizeof *h);
		errno = error;
		return NULL;
	}
	h->sizing.record_bytes += sizeof *h;
	heaps_add(h);
	return h;
}

cairn_gc_heap *cairn_gc_open(const cairn_gc_config *config) { return heap_open(config, false); }
cairn_gc_heap *cairn_gc_open_compressed_(const cairn_gc_config *config) { return heap_open(config, true); }

static void close_gives_back(void *heap)
{
	size_t dirty = cairn_pageheap_dirty_bytes();
	cairn_gc_slabs_purge(dirty, cairn_gc_sizing_close_gives_all(heap, dirty));
}

void cairn_gc_close(cairn_gc_heap *h)
{
	cairn_gc_deaths_stop_thread(h);
	cairn_gc_world_close(h); /* detaches this thread's mutator; misuse where there are others */
	heaps_remove(h);
	cairn_gc_deaths_close(h);
	cairn_gc_roots_close(h);
	cairn_gc_mixed_drop(h);
	cairn_gc_young_close(h);
	cairn_gc_tracing_close(h);
	cairn_gc_blocks_close(&h->blocks);
	cairn_gc_zeal_close(h);
	cairn_gc_aside(close_gives_back, h); /* of other heaps' stops */
	cairn_gc_meta_free(NULL, h, sizeof *h);
}

cairn_gc_collector cairn_gc_collector_of(const cairn_gc_heap *h) { return h->plan->collector; }
