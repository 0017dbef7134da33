/* malloc/slabhide.c - hiding pages inside slabs from core files. The design is in slabhide.h. */
#include "malloc/slabhide.h"

#include "base/assert.h"
#include "os/vm.h"
#include "page/pageheap.h"

enum { SHOWN_MOST_BYTES = 24 << 20, SLAB_RUNS_MOST = 12288 };

static size_t shown_pages;      /* sync: atomic, relaxed: a sum */
static size_t slab_hidden_pages; /* sync: atomic, relaxed: a sum */
static size_t slab_hidden_runs; /* sync: atomic, relaxed: a sum */
static size_t runs_most = SLAB_RUNS_MOST; /* sync: atomic, relaxed: a hint; only falls */
static size_t shown_most_bytes = SHOWN_MOST_BYTES; /* const after start */

static size_t slabhide_sum(const size_t *sum) { return __atomic_load_n(sum, __ATOMIC_RELAXED); /* a sum */ }
static void slabhide_add(size_t *sum, size_t n) { __atomic_add_fetch(sum, n, __ATOMIC_RELAXED); /* a sum */ }

size_t cairn_slabhide_shown_bytes(void) { return slabhide_sum(&shown_pages) * cairn_vm_page_bytes(); }
size_t cairn_slabhide_hidden_bytes(void) { return slabhide_sum(&slab_hidden_pages) * cairn_vm_page_bytes(); }
size_t cairn_slabhide_runs(void) { return slabhide_sum(&slab_hidden_runs); }

void cairn_slabhide_limits_inject(size_t shown_bytes, size_t runs)
{
	shown_most_bytes = shown_bytes;
	__atomic_store_n(&runs_most, runs, __ATOMIC_RELAXED); /* a hint */
}

static size_t runs_of(uint64_t pages) { return cairn_bits_count(pages & ~(pages << 1)); }

void cairn_slabhide_set(cairn_span *s, uint64_t clean, bool is_hidden)
{
	uint64_t was_hidden = s->is_hidden ? s->clean_pages : 0, hidden = is_hidden ? clean : 0;
	if (!(s->clean_pages | clean))
		return;
	size_t was = cairn_bits_count(s->clean_pages & ~was_hidden);
	slabhide_add(&shown_pages, cairn_bits_count(clean & ~hidden) - was);
	if (was_hidden | hidden) {
		slabhide_add(&slab_hidden_pages, (size_t)cairn_bits_count(hidden) - cairn_bits_count(was_hidden));
		slabhide_add(&slab_hidden_runs, runs_of(hidden) - runs_of(was_hidden));
	}
	s->clean_pages = clean;
	s->is_hidden = hidden != 0;
}

bool cairn_slabhide_is_wanted(const cairn_span *s, uint64_t pages)
{
	size_t runs = cairn_slabhide_runs() + runs_of(s->clean_pages | pages);
	if (s->is_hidden)
		runs -= runs_of(s->clean_pages);
	if (runs > slabhide_sum(&runs_most))
		return false;
	return s->is_hidden || cairn_slabhide_shown_bytes() > shown_most_bytes;
}

/* Calls advise for each run of pages; false when one was refused. All are tried. */
static bool each_run(char *base, uint64_t pages, bool (*advise)(void *p, size_t bytes))
{
	size_t page = cairn_vm_page_bytes();
	bool ok = true;
	while (pages) {
		unsigned from = (unsigned)__builtin_ctzll(pages);
		uint64_t behind = ~(pages >> from);
		unsigned n = behind ? (unsigned)__builtin_ctzll(behind) : 64;
		ok &= advise(base + from * page, n * page);
		pages &= from + n < 64 ? ~0ull << (from + n) : 0;
	}
	return ok;
}

void cairn_slabhide_hide(char *base, uint64_t pages)
{
	if (!each_run(base, pages, cairn_vm_hide))
		__atomic_store_n(&runs_most, cairn_slabhide_runs() / 2, __ATOMIC_RELAXED); /* a hint */
}

/* Shows the clean pages of s and what lies behind them, up to some page that is shown already: whatever lies before,
 * that makes no new mapping. What is shown of a neighbour stays hidden by its books; what the program hid is shown. */
static void show_far(const cairn_span *s)
{
	size_t page = cairn_vm_page_bytes();
	uintptr_t base = (uintptr_t)s->base, end = cairn_round_up(base + 1, CAIRN_CHUNK_BYTES);
	uintptr_t to = base + (64 - (size_t)__builtin_clzll(s->clean_pages)) * page;
	for (; to <= end && !cairn_vm_show(s->base, to - base); to += page)
		;
}

/* A whole run ends at a page that is in use, and so shown: its boundary is moved, and no mapping made. */
void cairn_slabhide_show(cairn_span *s, uint64_t pages)
{
	if (!s->is_hidden || each_run(s->base, pages, cairn_vm_show))
		return;
	if (!each_run(s->base, s->clean_pages, cairn_vm_show) &&
		!each_run(s->base, s->clean_pages, cairn_vm_renew))
		show_far(s);
	cairn_slabhide_set(s, s->clean_pages, false);
}

typedef struct slabhide_sums {
	size_t shown, hidden, runs;
} slabhide_sums;

static void add_slab(cairn_span *s, void *arg)
{
	slabhide_sums *sums = arg;
	if (s->kind != CAIRN_SPAN_SLAB && s->kind != CAIRN_SPAN_HEAP)
		return;
	cairn_assert(!s->is_hidden || s->clean_pages); /* H2 */
	size_t n = cairn_bits_count(s->clean_pages);
	sums->shown += s->is_hidden ? 0 : n;
	sums->hidden += s->is_hidden ? n : 0;
	sums->runs += s->is_hidden ? runs_of(s->clean_pages) : 0;
}

void cairn_slabhide_validate(void)
{
	slabhide_sums sums = { 0 };
	cairn_pageheap_visit(add_slab, &sums);
	cairn_assert(sums.shown == slabhide_sum(&shown_pages)); /* H1 */
	cairn_assert(sums.hidden == slabhide_sum(&slab_hidden_pages)); /* H1 */
	cairn_assert(sums.runs == slabhide_sum(&slab_hidden_runs)); /* H1 */
}
