/* The page heap against a list of spans: random allocations, growths, shrinks, frees and purges, each compared with
 * what the list knows, over OS pages of 4, 16 and 64 KiB.
 *
 * Checked: spans never overlap each other or a run that is being purged; every granule of a span leads to its header,
 * and visiting finds each span once; what was written stays; what is called zero reads zero; the counts add up. Each
 * case runs in a child of its own. CAIRN_SEED repeats a run, CAIRN_TEST_OPS says how many operations. */
#include "support/child.h"
#include "support/hidden.h"

#include "os/sys.h"
#include "os/vm.h"
#include "page/corefile.h"
#include "page/huge.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "page/window.h"

#include <sys/resource.h>

enum { SPANS = 300, RUNS = 6, GRANULES_MOST = 1400, LIVE_MOST = 24000, WORDS = CAIRN_GRANULE_BYTES / 8 };

typedef struct span_note {
	cairn_span *s;
	char *base;
	size_t granules, touched; /* written by us: the first `touched` */
	uint64_t mark;
	cairn_span_kind kind;
} span_note;

static uint64_t seed, rnd, marks;
static bool is_limited; /* blocks that do not fit into what is left of a chunk are frequent */
static span_note notes[SPANS];
static size_t note_count, live_granules;
static cairn_dirty_run runs[RUNS];
static size_t run_count, bare_count, crossing_count;
static size_t base_used;
static bool may_refuse;

static size_t below(size_t n) { return test_random(&rnd) % n; }
static bool failed(void) { return __atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST) != 0; }

/* ---- What is written in a span: two words of each touched granule ---- */

static uint64_t *granule_of(const span_note *n, size_t i) { return (uint64_t *)(n->base + i * CAIRN_GRANULE_BYTES); }

static void write_granules(span_note *n, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		granule_of(n, i)[0] = n->mark + i;
		granule_of(n, i)[WORDS - 1] = ~(n->mark + i);
	}
}

static bool is_written(const span_note *n, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (granule_of(n, i)[0] != n->mark + i || granule_of(n, i)[WORDS - 1] != ~(n->mark + i))
			return false;
	return true;
}

static bool is_zero(const span_note *n, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (granule_of(n, i)[0] || granule_of(n, i)[WORDS / 2] || granule_of(n, i)[WORDS - 1])
			return false;
	return true;
}

/* ---- What must be true ---- */

static bool ranges_meet(const char *a, size_t a_granules, const char *b, size_t b_granules)
{
	return a < b + b_granules * CAIRN_GRANULE_BYTES && b < a + a_granules * CAIRN_GRANULE_BYTES;
}

/* Does [base, base + granules) meet a span other than `but`, or a run out for purging? */
static bool meets_something(const char *base, size_t granules, const span_note *but)
{
	for (size_t i = 0; i < note_count; i++)
		if (&notes[i] != but && ranges_meet(base, granules, notes[i].base, notes[i].granules))
			return true;
	for (size_t i = 0; i < run_count; i++)
		if (ranges_meet(base, granules, (char *)runs[i].start, runs[i].granules))
			return true;
	return false;
}

static bool leads_to_header(const span_note *n)
{
	for (size_t i = 0; i < n->granules; i++)
		if (cairn_window_span((uintptr_t)n->base + i * CAIRN_GRANULE_BYTES + below(CAIRN_GRANULE_BYTES)) !=
				n->s ||
			!cairn_window_is_open((uintptr_t)n->base + i * CAIRN_GRANULE_BYTES))
			return false;
	return true;
}

static size_t visited;

static void count_visit(cairn_span *s, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < note_count; i++)
		if (notes[i].s == s) {
			EXPECT(s->base == notes[i].base && s->kind == notes[i].kind);
			visited++;
			return;
		}
	EXPECT(base_used); /* a span that is nobody's */
}

static size_t checks;

/* No span of ours is hidden, by what the kernel says. */
static void check_hidden(void)
{
	static hidden_range ranges[HIDDEN_MOST];
	size_t n = hidden_ranges(ranges, HIDDEN_MOST);
	for (size_t r = 0; r < n; r++)
		for (size_t i = 0; i < note_count; i++)
			EXPECT(!ranges_meet(notes[i].base, notes[i].granules, (char *)ranges[r].from,
				(ranges[r].to - ranges[r].from) >> CAIRN_GRANULE_SHIFT));
}

static void check_all(void)
{
	size_t purging = 0;
	cairn_pageheap_validate(); /* P1 to P4 */
	cairn_window_validate();   /* W1 to W3 */
	cairn_purge_validate();    /* U1 */
	cairn_pageheap_numbers now = cairn_pageheap_count();
	for (size_t i = 0; i < run_count; i++)
		purging += runs[i].granules;
	EXPECT_EQ(now.used_granules, base_used + live_granules);
	EXPECT_EQ(now.open_granules, now.used_granules + now.free_granules + purging);
	EXPECT(now.dirty_granules <= now.free_granules);
	visited = 0;
	cairn_pageheap_visit(count_visit, NULL);
	EXPECT_EQ(visited, note_count);
	if (checks++ % 16 == 0)
		check_hidden();
	for (size_t i = 0; i < note_count && !failed(); i++) {
		EXPECT(leads_to_header(&notes[i]));
		EXPECT(is_written(&notes[i], 0, notes[i].touched));
	}
}

/* ---- Operations ---- */

static size_t choose_granules(void)
{
	size_t kind = below(100);
	if (is_limited)
		return kind < 50 ? CAIRN_CHUNK_GRANULES / 2 + below(CAIRN_CHUNK_GRANULES / 2 + 1) : 1 + below(20);
	if (kind < 60)
		return 1 + below(20);
	if (kind < 85)
		return 1 + below(CAIRN_CHUNK_GRANULES);
	if (kind < 92)
		return CAIRN_CHUNK_GRANULES * (1 + below(4)) - 1 + below(3);
	return 1 + below(GRANULES_MOST);
}

static void do_alloc(void)
{
	size_t granules = choose_granules(), align = below(is_limited ? 40 : 4) ? 1 : (size_t)1 << below(11);
	if (note_count == SPANS || live_granules + granules > LIVE_MOST)
		return;
	bool zero = false;
	cairn_span_kind kind = granules <= 16 && below(2) ? CAIRN_SPAN_SLAB : CAIRN_SPAN_LARGE;
	if (align > CAIRN_CHUNK_GRANULES && granules < CAIRN_CHUNK_GRANULES)
		granules = CAIRN_CHUNK_GRANULES; /* what so far an alignment makes of it */
	cairn_span *s = cairn_pageheap_alloc(granules, align, kind, &zero);
	if (s && !cairn_window_open_pages(s->base, granules << CAIRN_GRANULE_SHIFT)) { /* as who holds a span does */
		cairn_pageheap_free(s, granules, zero ? 0 : granules);
		s = NULL;
	}
	if (!s) {
		EXPECT(may_refuse);
		return;
	}
	span_note *n = &notes[note_count];
	size_t touched = zero ? below(granules + 1) : granules; /* what was not zero counts as written */
	*n = (span_note){ s, s->base, granules, touched, marks += 1ull << 32, kind };
	EXPECT_EQ((uintptr_t)n->base % (align << CAIRN_GRANULE_SHIFT), 0);
	EXPECT(!meets_something(n->base, granules, n));
	EXPECT(leads_to_header(n));
	size_t at = cairn_granule_in_chunk((uintptr_t)n->base);
	crossing_count += at && at + granules > CAIRN_CHUNK_GRANULES;
	EXPECT(!zero || is_zero(n, 0, granules));
	write_granules(n, 0, n->touched);
	note_count++;
	live_granules += granules;
}

static void do_free(void)
{
	if (!note_count)
		return;
	span_note *n = &notes[below(note_count)];
	EXPECT(is_written(n, 0, n->touched));
	cairn_pageheap_free(n->s, n->granules, n->touched);
	live_granules -= n->granules;
	*n = notes[--note_count];
}

static void do_grow(void)
{
	span_note *n = note_count ? &notes[below(note_count)] : NULL;
	if (!n || n->kind != CAIRN_SPAN_LARGE || live_granules > LIVE_MOST)
		return;
	size_t to = n->granules + 1 + below(below(3) ? 8 : 300);
	bool only_clean = below(2);
	if (!cairn_pageheap_grow(n->s, n->granules, to, only_clean ? &(size_t){ 0 } : NULL))
		return;
	size_t from = n->granules;
	if (!cairn_window_open_pages(n->base, to << CAIRN_GRANULE_SHIFT)) {
		cairn_pageheap_shrink(n->s, to, from, to);
		EXPECT(may_refuse);
		return;
	}
	live_granules += to - from;
	n->granules = to;
	EXPECT(!meets_something(n->base, to, n));
	EXPECT(leads_to_header(n));
	EXPECT(!only_clean || is_zero(n, from, to));
	if (!only_clean || below(2)) {
		write_granules(n, n->touched, to);
		n->touched = to;
	}
}

static void do_shrink(void)
{
	span_note *n = note_count ? &notes[below(note_count)] : NULL;
	if (!n || n->kind != CAIRN_SPAN_LARGE)
		return;
	size_t to = 1 + below(n->granules);
	cairn_pageheap_shrink(n->s, n->granules, to, n->touched);
	live_granules -= n->granules - to;
	n->granules = to;
	n->touched = n->touched < to ? n->touched : to;
	EXPECT(leads_to_header(n));
}

static void do_take_dirty(void)
{
	cairn_dirty_run run;
	if (run_count == RUNS || !cairn_pageheap_take_dirty(&run, 1 + below(64)))
		return;
	EXPECT(run.granules > 0);
	EXPECT_EQ(run.start % cairn_vm_page_bytes(), 0);
	EXPECT_EQ((run.granules << CAIRN_GRANULE_SHIFT) % cairn_vm_page_bytes(), 0);
	EXPECT(!meets_something((char *)run.start, run.granules, NULL));
	runs[run_count++] = run;
}

static void give_run(size_t i, bool purge)
{
	bool purged = purge && cairn_vm_purge((void *)runs[i].start, runs[i].granules << CAIRN_GRANULE_SHIFT);
	cairn_dirty_run run = runs[i], bare;
	void *headers;
	cairn_pageheap_give_run(&run, purged);
	runs[i] = runs[--run_count];
	if (cairn_pageheap_take_bare(run.start, &bare, &headers)) {
		EXPECT(!meets_something((char *)bare.start, bare.granules, NULL));
		EXPECT_EQ((uintptr_t)headers % cairn_vm_page_bytes(), 0);
		cairn_vm_purge(headers, cairn_vm_page_bytes());
		cairn_pageheap_give_bare(&bare);
		bare_count++;
	}
}

static size_t hidden_most;

static void hide_some(void)
{
	cairn_pageheap_hide_step();
	size_t hidden = cairn_corefile_hidden_granules();
	hidden_most = hidden > hidden_most ? hidden : hidden_most;
}

static void step(void)
{
	size_t what = below(100);
	if (what < 40)
		do_alloc();
	else if (what < 70)
		do_free();
	else if (what < 80)
		do_grow();
	else if (what < 86)
		do_shrink();
	else if (what < 92)
		do_take_dirty();
	else if (what < 98 && run_count)
		give_run(below(run_count), below(5));
	else if (what == 98)
		cairn_huge_tick();
	else if (what == 99)
		below(2) ? (void)cairn_purge_step(below(4 << 20), 100) : hide_some();
}

static void run_steps(uint64_t ops)
{
	for (uint64_t i = 0; i < ops && !failed(); i++) {
		step();
		if (i % 256 == 0 || failed())
			check_all();
		if (failed())
			NOTE("operation %llu", (unsigned long long)i);
	}
}

/* Everything free again, and purged: then all that is open is free and clean. */
static void end_clean(void)
{
	while (run_count)
		give_run(0, false);
	while (note_count && !failed())
		do_free();
	check_all();
	cairn_dirty_run run;
	while (!may_refuse && !failed() && cairn_pageheap_take_dirty(&run, 128)) {
		runs[run_count++] = run;
		give_run(0, true);
	}
	cairn_pageheap_numbers now = cairn_pageheap_count();
	size_t unit = cairn_vm_page_bytes() >> CAIRN_GRANULE_SHIFT,
	       half_open = 0; /* granules of an OS page not all open */
	for (cairn_page_region *r = cairn_window_newest(); r && unit; r = r->next)
		half_open += unit - 1;
	EXPECT(may_refuse || base_used || now.dirty_granules <= half_open);
	EXPECT(base_used || now.free_granules == now.open_granules);
	EXPECT(may_refuse || bare_count || cairn_vm_page_bytes() > 4096); /* headers that described nothing */
	EXPECT(may_refuse || hidden_most);
}

static void run_model(void *page_bytes)
{
	if (*(size_t *)page_bytes > cairn_vm_page_bytes())
		cairn_vm_page_bytes_inject(*(size_t *)page_bytes);
	rnd = seed ^ *(size_t *)page_bytes;
	base_used = cairn_pageheap_count().used_granules;
	may_refuse = getenv("CAIRN_FAULTS") != NULL;
	run_steps(test_setting("CAIRN_TEST_OPS", 30000));
	end_clean();
}

static void with_page(size_t page_bytes)
{
	if (page_bytes < cairn_vm_page_bytes())
		SKIP("the machine's page is larger");
	if (cairn_pageheap_count().open_granules)
		SKIP("something allocated before main: the page size cannot be injected any more");
	in_a_child(run_model, &page_bytes);
}

static void spans_are_apart_with_pages_of_4_kib(void) { with_page(4096); }
static void spans_are_apart_with_pages_of_16_kib(void) { with_page(16384); }
static void spans_are_apart_with_pages_of_64_kib(void) { with_page(65536); }

static void run_refused(void *unused)
{
	static const char *const calls[] = { "mmap", "mprotect", "madvise" };
	(void)unused;
	rnd = seed;
	base_used = cairn_pageheap_count().used_granules;
	for (int i = 0; i < 9 && !failed(); i++) {
		may_refuse = true;
		EXPECT(cairn_fault_set(calls[i % 3], 1 + (unsigned)below(4), ENOMEM));
		run_steps(1500);
		EXPECT(cairn_fault_set(calls[i % 3], 0, 0));
		may_refuse = false;
		run_steps(1500);
	}
	end_clean();
}

static void a_refusal_leaves_the_books_as_they_were(void)
{
	in_a_child(run_refused, NULL);
}

/* The limit is read at start, so this is another program: it is large enough for whatever a sanitizer maps. */
static void run_limited(void *unused)
{
	(void)unused;
	struct rlimit most = { (rlim_t)1 << 46, (rlim_t)1 << 46 };
	char seed_text[32];
	snprintf(seed_text, sizeof seed_text, "%#llx", (unsigned long long)seed);
	setenv("CAIRN_SEED", seed_text, 1);
	EXPECT_EQ(setrlimit(RLIMIT_DATA, &most), 0);
	execl("/proc/self/exe", "pages", "limited", (char *)NULL);
	EXPECT(false);
}

static void under_a_limit_spans_cross_chunks_and_are_apart(void)
{
	if (is_emulated())
		SKIP("an emulator cannot execute the program again");
	in_a_child(run_limited, NULL);
}

static int be_limited(void)
{
	size_t page_bytes = cairn_vm_page_bytes();
	is_limited = true;
	run_model(&page_bytes);
	EXPECT(crossing_count > 10);
	NOTE("%zu spans crossed", crossing_count);
	return failed();
}

int main(int words, char **word)
{
	seed = test_seed();
	if (words > 1 && strcmp(word[1], "limited") == 0)
		return be_limited();
	RUN(spans_are_apart_with_pages_of_4_kib);
	RUN(spans_are_apart_with_pages_of_16_kib);
	RUN(spans_are_apart_with_pages_of_64_kib);
	RUN(under_a_limit_spans_cross_chunks_and_are_apart);
	if (CAN_REFUSE)
		RUN(a_refusal_leaves_the_books_as_they_were);
	DONE();
}
