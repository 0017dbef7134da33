/* Limits and sizes: a heap that is full and works again, huge objects, external bytes against max, many heaps, bad
 * figures. What is refused is refused by a value, and nothing is held for it. */
#include "heaps.h"

#include <cairn/malloc.h>

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

enum { MAX = 8 << 20 };

/* What closed heaps held is the process's again, and the system's when it is asked for. */
static void resident_is_back(size_t before, size_t more)
{
	cairn_purge();
	size_t now = test_rss_bytes();
	if (!IS_SANITIZED && now > before + more)
		NOTE("%zu bytes resident before, %zu after", before, now);
	EXPECT(IS_SANITIZED || now <= before + more);
}

static node *chain_until_full(cairn_gc_mutator *m, long *count)
{
	node *top = NULL;
	for (;; ++*count) {
		node *n = cairn_gc_try_new(m, node);
		if (!n)
			return top;
		n->key = *count;
		cairn_gc_set(m, n, left, top);
		top = n;
	}
}
static long fill(cairn_gc_mutator *m, bool by_chain)
{
	long count = 0;
	if (by_chain) {
		node *top = chain_until_full(m, &count);
		long seen = 0;
		while (top) { /* each lets go of the next: a stale word keeps one of them, not all */
			top = cairn_gc_swap(m, top, left, NULL);
			seen++;
		}
		return seen == count ? count : -1;
	}
	list *all = cairn_gc_new_array(m, list, 4096);
	while (all->used < 4096) {
		node *bytes = cairn_gc_try_new_bytes(m, 100000);
		if (!bytes)
			break;
		memset(bytes, 1, 100000);
		cairn_gc_set(m, all, items[all->used++], bytes);
	}
	return (long)all->used;
}
__attribute__((noinline)) static long fill_and_let_go(cairn_gc_mutator *m, bool by_chain)
{
	long count = fill(m, by_chain);
	scrub();
	return count;
}

static void a_full_heap_says_null_and_works_again_when_roots_are_dropped(void)
{
	EACH_COLLECTOR(c)
	for (int by_chain = 0; by_chain < 2; by_chain++) {
		place p = place_open((cairn_gc_config){ .collector = c, .max = MAX, .min = 1 << 20 });
		long first = fill_and_let_go(p.m, by_chain);
		size_t bytes = (size_t)first * (by_chain ? 32 : 100000);
		if (bytes < MAX / (c == CAIRN_GC_SEMISPACE ? 4 : 2))
			NOTE("%s: full with %zu bytes of %d", cairn_gc_collector_name(c), bytes, MAX);
		EXPECT(bytes >= MAX / (c == CAIRN_GC_SEMISPACE ? 4 : 2));
		EXPECT(stats_of(p).held_peak_bytes <= MAX);
		for (int again = 0; again < 2; again++) {
			long count = fill_and_let_go(p.m, by_chain);
			if (count * 10 < first * 9)
				NOTE("%s: first %ld, then %ld", cairn_gc_collector_name(c), first, count);
			/* under semispace between half of max and all of it: what lived the last time decides */
			EXPECT(count * 10 >= first * (c == CAIRN_GC_SEMISPACE ? 4 : 9));
		}
		scrub();
		cairn_gc_collect(p.m);
		EXPECT(stats_of(p).live_bytes < MAX / 4);
		EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		EXPECT(stats_of(p).held_peak_bytes <= MAX);
		place_close(p);
	}
}

static void a_heap_that_never_frees_is_full_at_max(void)
{
	place p = place_open((cairn_gc_config){ .collector = CAIRN_GC_NONE, .max = MAX });
	long count = fill(p.m, true);
	long bytes = count * (long)(sizeof(node) + 8);
	EXPECT(bytes > MAX / 2 && bytes <= MAX);
	EXPECT(!cairn_gc_try_new_bytes(p.m, MAX));
	place_close(p);
}

/* The program lets something go in on_no_memory, which may allocate out of the reserve. */
typedef struct cache {
	cairn_ref(list) kept;
	long calls;
	size_t asked;
	bool lets_go, could_allocate;
} cache;
static cache store;
static bool no_memory(cairn_gc_heap *h, size_t bytes, void *arg)
{
	cache *of = arg;
	cairn_gc_mutator *m = cairn_gc_mutator_of(h);
	of->calls++;
	of->asked = bytes;
	of->could_allocate = cairn_gc_try_new_bytes(m, 10000) != NULL;
	if (!of->lets_go || !cairn_gc_root_get(m, &of->kept))
		return false;
	cairn_gc_root_set(m, &of->kept, NULL);
	return true;
}
__attribute__((noinline)) static void fill_cache(cairn_gc_mutator *m)
{
	list *all = cairn_gc_new_array(m, list, 64);
	cairn_gc_root_set(m, &store.kept, all);
	for (int i = 0; i < 64; i++) {
		node *bytes = cairn_gc_new_bytes(m, MAX / 8 / 64);
		cairn_gc_set(m, all, items[i], bytes);
	}
}
static void on_no_memory_lets_go_and_the_allocation_succeeds(void)
{
	EACH_COLLECTOR(c)
	{
		store = (cache){ .lets_go = true };
		place p = place_open((cairn_gc_config){ .collector = c,
			.max = MAX,
			.min = 1 << 20,
			.reserve = 1 << 20,
			.on_no_memory = no_memory,
			.on_no_memory_arg = &store });
		EXPECT(cairn_gc_root_add(p.h, &store.kept));
		fill_cache(p.m);
		scrub();
		long count = 0;
		node *top = NULL;
		while (!store.calls && count < MAX / 32) {
			node *n = cairn_gc_new(p.m, node); /* would abort */
			cairn_gc_set(p.m, n, left, top);
			top = n;
			count++;
		}
		EXPECT_EQ(store.calls, 1);
		EXPECT(store.asked >= sizeof(node));
		/* what more is alive by now than before a semispace's collection needs the reserve for itself */
		EXPECT(store.could_allocate || c == CAIRN_GC_SEMISPACE);
		EXPECT(cairn_gc_root_get(p.m, &store.kept) == NULL);
		for (node *n = top; n; n = cairn_gc_get(p.m, n, left))
			count--;
		EXPECT_EQ(count, 0);
		store.lets_go = false;
		EXPECT(!cairn_gc_try_new_bytes(p.m, MAX));
		EXPECT(store.calls > 1);
		cairn_gc_root_remove(p.h, &store.kept);
		store.kept.cairn_gc_word = 0;
		place_close(p);
	}
}

static void full_heap_child(void *arg)
{
	(void)arg;
	place p = place_open((cairn_gc_config){ .max = MAX, .name = "small" });
	int quiet = open("/dev/null", O_WRONLY);
	dup2(quiet, 2);
	for (list *all = cairn_gc_new_array(p.m, list, 100000);; all->used++)
		cairn_gc_set(p.m, all, items[all->used], (node *)cairn_gc_new_bytes(p.m, 100000));
}
static void new_in_a_full_heap_aborts(void)
{
	int status = child_status(full_heap_child, NULL);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- Large things ---- */

static bool is_filled_with(const unsigned char *bytes, size_t n, unsigned char with)
{
	return bytes[0] == with && !memcmp(bytes, bytes + 1, n - 1);
}

/* So many of that size live at a time, and each is in turn another's place. False: the heap was full. */
static bool replace_each(cairn_gc_mutator *m, size_t count, size_t size)
{
	list *all = cairn_gc_new_array(m, list, count);
	for (size_t i = 0; i < count * 4; i++) {
		node *bytes = cairn_gc_try_new_bytes(m, size), *old = cairn_gc_get(m, all, items[i % count]);
		if (!bytes)
			return false;
		EXPECT(is_filled_with((unsigned char *)bytes, size, 0));
		EXPECT(!old || is_filled_with((unsigned char *)old, size, (unsigned char)(i % count + 1)));
		memset(bytes, (int)(i % count + 1), size);
		cairn_gc_set(m, all, items[i % count], bytes);
	}
	return true;
}

__attribute__((noinline)) static bool reads_zero_and_is_filled(cairn_gc_mutator *m, size_t size, size_t total)
{
	bool is_zero = true;
	for (size_t done = 0; done < total; done += size) {
		unsigned char *bytes = cairn_gc_new_bytes(m, size);
		is_zero &= is_filled_with(bytes, size, 0);
		memset(bytes, 0xee, size);
	}
	return is_zero;
}

/* The next heap has the last one's memory, by way of the page heap: none lives long enough to purge it. */
static void what_is_new_reads_zero_whatever_lay_there(void)
{
	static const size_t sizes[] = { 100000, 5000000, 20000, 2300000, 100000, 1900000, 30000, 5000000, 16384 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		place p = place_open((cairn_gc_config){ .collector = CAIRN_GC_NONE });
		EXPECT(reads_zero_and_is_filled(p.m, sizes[i], i % 2 ? sizes[i] : 12 << 20));
		place_close(p);
		if (i % 2)
			cairn_purge(); /* what is known to be dirty */
	}
}

/* Their blocks are up to four times as much. */
static void large_objects_of_any_size_live_in_not_twice_what_they_are(void)
{
	static const size_t sizes[] = { 16400, 17000, 20500, 24576, 32768, 33000, 40000, 57400, 65536, 100000, 131072 };
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t count = 2 * MAX / sizes[i];
		place p = place_open((cairn_gc_config){ .collector = c, .max = count * sizes[i] / 10 * 19 });
		bool fits = replace_each(p.m, count, sizes[i]);
		if (!fits)
			NOTE("%s: full with %zu objects of %zu bytes", cairn_gc_collector_name(c), count, sizes[i]);
		EXPECT(fits);
		EXPECT(stats_of(p).held_peak_bytes <= count * sizes[i] / 10 * 19);
		place_close(p);
	}
}

__attribute__((noinline)) static void fill_with_arrays(cairn_gc_mutator *m, size_t bytes, size_t size)
{
	list *top = NULL;
	for (size_t done = 0; done < bytes; done += size) {
		list *all = cairn_gc_try_new_array(m, list, size / sizeof(all->items[0]) - 4);
		if (!all)
			break;
		for (size_t i = 0; i < cairn_gc_length(all); i += 512) /* each page */
			cairn_gc_set(m, all, items[i], (node *)top);
		top = all;
	}
}

/* Of slabs with an array of most of a MiB each the rest is empty, and was not. */
static void what_is_resident_stays_near_max_whatever_shape_objects_have(void)
{
	enum { LIMIT = 128 << 20, SIZE = 1000 * 1000 };
	size_t before = test_rss_bytes(), most = 0;
	place p = place_open((cairn_gc_config){ .max = LIMIT });
	for (int round = 0; round < 8; round++) {
		fill_with_arrays(p.m, LIMIT / 10 * 9, 64);
		scrub();
		size_t small = test_rss_bytes();
		fill_with_arrays(p.m, LIMIT / 10 * 9, SIZE);
		scrub();
		size_t now = test_rss_bytes();
		most = now > most ? now : most;
		most = small > most ? small : most;
	}
	NOTE("%zu MiB resident of %d", (most - before) >> 20, LIMIT >> 20);
	EXPECT(IS_SANITIZED || most - before < LIMIT / 4 * 5);
	place_close(p);
}

enum { ASKERS = 4, ASKED = 50 << 20 };
static pthread_barrier_t asking;
static cairn_gc_heap *asked;
static size_t asked_peak; /* sync: atomic, relaxed: each adds its own */

static void *ask_for_external(void *unused)
{
	cairn_gc_mutator *m = cairn_gc_attach(asked);
	node *n = cairn_gc_new(m, node);
	CAIRN_GC_BLOCKING(m)
		pthread_barrier_wait(&asking);
	char *bytes = cairn_gc_external(m, n, ASKED);
	if (bytes)
		__atomic_fetch_add(&asked_peak, ASKED, __ATOMIC_RELAXED); /* see there */
	CAIRN_GC_BLOCKING(m)
		pthread_barrier_wait(&asking);
	cairn_gc_detach(m);
	return unused;
}

static void external_bytes_that_threads_ask_for_at_once_stay_below_max(void)
{
	pthread_barrier_init(&asking, NULL, ASKERS);
	for (int round = 0; round < 40; round++) {
		pthread_t thread[ASKERS];
		asked = cairn_gc_open(&(cairn_gc_config){ .max = 128 << 20 });
		asked_peak = 0;
		for (int i = 0; i < ASKERS; i++)
			EXPECT_EQ(pthread_create(&thread[i], NULL, ask_for_external, NULL), 0);
		for (int i = 0; i < ASKERS; i++)
			pthread_join(thread[i], NULL);
		EXPECT(asked_peak <= 128 << 20 && asked_peak >= ASKED);
		cairn_gc_close(asked);
	}
	pthread_barrier_destroy(&asking);
}

static void huge_objects_come_and_go(void)
{
	size_t huge = IS_SLOW ? 16 << 20 : 64 << 20;
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .max = 5 * huge, .min = 1 << 20 });
		size_t before = test_rss_bytes();
		char *kept = cairn_gc_new_bytes(p.m, huge);
		kept[0] = kept[huge - 1] = 'k';
		for (int i = 0; i < 20; i++) {
			char *other = cairn_gc_new_bytes(p.m, huge - (size_t)i * 4097);
			EXPECT(other[0] == 0 && other[huge / 2] == 0 && other[huge - (size_t)i * 4097 - 1] == 0);
			memset(other, 1, 4096);
			other[huge / 2] = 1;
		}
		EXPECT(kept[0] == 'k' && kept[huge - 1] == 'k');
		EXPECT_EQ(cairn_gc_size(kept), huge);
		EXPECT(!cairn_gc_try_new_bytes(p.m, 6 * huge));
		EXPECT(!cairn_gc_try_new_bytes(p.m, SIZE_MAX));
		EXPECT(!cairn_gc_try_new_bytes(p.m, SIZE_MAX - 100));
		EXPECT(!cairn_gc_try_new_bytes(p.m, PTRDIFF_MAX));
		EXPECT(!cairn_gc_try_new_array(p.m, list, SIZE_MAX / 8));
		EXPECT(!cairn_gc_try_new_array(p.m, list, SIZE_MAX / 8 + 3));
		EXPECT(!cairn_gc_try_new_array(p.m, list, (size_t)1 << 61));
		place_close(p);
		resident_is_back(before, 2 << 20);
	}
}

/* A reference in each of the first, the last and some middle elements of a large array. */
static void every_element_of_a_large_array_keeps_its_object(void)
{
	EACH_COLLECTOR(c)
	for (size_t n = 1; n < 3000000 && n < (IS_SLOW ? 100000 : 3000000); n = n * 3 + 1) {
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		list *all = cairn_gc_new_array(p.m, list, n);
		EXPECT_EQ(cairn_gc_length(all), n);
		const size_t places[] = { 0, n / 2, n - 1 };
		for (int i = 0; i < 3; i++)
			cairn_gc_set(p.m, all, items[places[i]], NULL);
		for (int i = 0; i < 3; i++) {
			node *x = cairn_gc_new(p.m, node);
			x->key = (long)places[i];
			cairn_gc_set(p.m, all, items[places[i]], x);
		}
		scrub();
		cairn_gc_collect(p.m);
		for (int i = 0; i < 1000; i++)
			cairn_gc_new(p.m, node);
		for (int i = 0; i < 3; i++) {
			node *x = cairn_gc_get(p.m, all, items[places[i]]);
			EXPECT(x && x->key == (long)places[i]);
		}
		place_close(p);
	}
}

static void external_bytes_count_against_max(void)
{
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .max = MAX, .min = 1 << 20 });
		size_t given = 0;
		list *all = cairn_gc_new_array(p.m, list, 100);
		for (int i = 0; i < 100; i++) {
			node *n = cairn_gc_new(p.m, node);
			cairn_gc_set(p.m, all, items[i], n);
			given += cairn_gc_external(p.m, n, 1 << 20) != NULL;
		}
		EXPECT(given >= MAX / 2 >> 20 && given < MAX >> 20);
		EXPECT(stats_of(p).held_peak_bytes <= MAX);
		EXPECT(!cairn_gc_external(p.m, all, SIZE_MAX));
		for (int i = 0; i < 100; i++)
			cairn_gc_set(p.m, all, items[i], NULL);
		scrub();
		for (int i = 0; i < 100; i++) { /* garbage that holds much beside it is collected in time */
			node *n = cairn_gc_new(p.m, node);
			char *bytes = cairn_gc_external(p.m, n, 1 << 20);
			EXPECT(bytes);
			if (bytes)
				bytes[0] = bytes[(1 << 20) - 1] = 1;
		}
		place_close(p);
	}
}

/* ---- Many heaps ---- */

static void a_thousand_heaps_open_and_close(void)
{
	enum { HEAPS = 1000 };
	static place all[HEAPS];
	long count = IS_SLOW ? 100 : HEAPS;
	size_t at_first = test_rss_bytes();
	EACH_COLLECTOR(c)
	{
		size_t before = test_rss_bytes(), each = 0;
		double began = test_seconds();
		for (int round = 0; round < 2; round++) {
			for (long i = 0; i < count; i++) {
				all[i] = place_open((cairn_gc_config){ .collector = c });
				node *n = cairn_gc_new(all[i].m, node);
				n->key = i;
				cairn_gc_new_bytes(all[i].m, 100);
			}
			size_t now = test_rss_bytes(); /* less, where what came before goes back meanwhile */
			each = now > before ? (now - before) / (size_t)count : 0;
			for (long i = 0; i < count; i++)
				place_close(all[i]);
		}
		NOTE("%s: %zu bytes resident and %.0f us for each of %ld heaps", cairn_gc_collector_name(c), each,
			(test_seconds() - began) / 2 / (double)count * 1e6, count);
		if (!IS_SANITIZED)
			EXPECT(each < 100 << 10);
	}
	resident_is_back(at_first, 32 << 20); /* records of closed heaps are kept for the next: some 20 KiB each */
}
static void one_after_the_other_leaves_nothing(void)
{
	EACH_COLLECTOR(c)
	{
		size_t before = 0;
		for (int i = 0; i < (IS_SLOW ? 100 : 1000); i++) {
			place p = place_open((cairn_gc_config){ .collector = c });
			for (int k = 0; k < 100; k++)
				cairn_gc_new(p.m, node);
			cairn_gc_new_bytes(p.m, 100000);
			place_close(p);
			if (i == 50)
				before = test_rss_bytes();
		}
		resident_is_back(before, 2 << 20);
	}
}

/* ---- What is refused at opening ---- */

static int error_of(cairn_gc_config config)
{
	int quiet = open("/dev/null", O_WRONLY), kept = dup(2);
	dup2(quiet, 2);
	errno = 0;
	cairn_gc_heap *h = cairn_gc_open(&config);
	int error = errno;
	dup2(kept, 2);
	close(kept), close(quiet);
	if (h)
		cairn_gc_close(h);
	return h ? 0 : error;
}
static void contradictory_figures_are_refused(void)
{
	EXPECT_EQ(error_of((cairn_gc_config){ .min = 2 << 20, .max = 1 << 20 }), EINVAL);
	EXPECT_EQ(error_of((cairn_gc_config){ .max = 8 << 20, .reserve = 16 << 20 }), EINVAL);
	EXPECT_EQ(error_of((cairn_gc_config){ .balance = -1 }), EINVAL);
	EXPECT_EQ(error_of((cairn_gc_config){ .max = 1 }), EINVAL);
	EXPECT_EQ(error_of((cairn_gc_config){ .collector = (cairn_gc_collector)99 }), ENOTSUP);
	EXPECT_EQ(error_of((cairn_gc_config){ .collector = CAIRN_GC_CONCURRENT }), ENOTSUP);
	EXPECT_EQ(error_of((cairn_gc_config){ .cleanups = (cairn_gc_cleanups)99 }), EINVAL);
	EXPECT_EQ(error_of((cairn_gc_config){ 0 }), 0);
	EXPECT(cairn_gc_collector_name((cairn_gc_collector)99) == NULL);
	cairn_gc_heap *h = cairn_gc_open(NULL);
	REQUIRE(h);
	EXPECT_EQ(cairn_gc_collector_of(h), CAIRN_GC_GENERATIONAL);
	cairn_gc_mutator *m = cairn_gc_attach(h);
	errno = 0;
	EXPECT(!cairn_gc_attach(h) && errno == EBUSY);
	cairn_gc_detach(m);
	cairn_gc_close(h);
}

int main(void)
{
	if (getenv("CAIRN_GC_COLLECTOR"))
		SKIP_ALL("a collector is chosen from outside");
	RUN(a_full_heap_says_null_and_works_again_when_roots_are_dropped);
	RUN(a_heap_that_never_frees_is_full_at_max);
	RUN(on_no_memory_lets_go_and_the_allocation_succeeds);
	RUN(new_in_a_full_heap_aborts);
	RUN(large_objects_of_any_size_live_in_not_twice_what_they_are);
	RUN(what_is_new_reads_zero_whatever_lay_there);
	RUN(huge_objects_come_and_go);
	RUN(every_element_of_a_large_array_keeps_its_object);
	RUN(external_bytes_count_against_max);
	RUN(a_thousand_heaps_open_and_close);
	RUN(one_after_the_other_leaves_nothing);
	RUN(contradictory_figures_are_refused);
	RUN(what_is_resident_stays_near_max_whatever_shape_objects_have);
	RUN(external_bytes_that_threads_ask_for_at_once_stay_below_max);
	DONE();
}
