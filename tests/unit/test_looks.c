/* test_looks.c - histograms, utilisation, phases and events of a managed heap, and how they are told. */
#include "gc/managed.h"
#include "os/clock.h"
#include "os/report.h"
#include "support/child.h"

#define MIB ((size_t)1 << 20)
#define MS  UINT64_C(1000000)

static cairn_gc_histogram histogram;

static size_t no_headroom(const cairn_gc_heap *h, size_t held)
{
	(void)h, (void)held;
	return 0;
}
static const cairn_gc_plan plain = { .name = "plain", .collector = CAIRN_GC_MARKSWEEP, .headroom = no_headroom };

/* A heap of parts that nobody else looks at. */
static cairn_gc_heap *sim_open(void)
{
	static cairn_gc_heap sim;
	memset(&sim, 0, sizeof sim);
	sim.plan = &plain;
	sim.config.max = 64 * MIB;
	sim.config.name = "test";
	cairn_node_init(&sim.world.mutators);
	cairn_gc_sizing_init(&sim);
	cairn_gc_looks_init(&sim);
	return &sim;
}

static void wait_ns(uint64_t ns)
{
	for (uint64_t start = cairn_clock_fine_ns(); cairn_clock_fine_ns() - start < ns;)
		;
}

static void collect(cairn_gc_heap *h, uint64_t stop_ns, uint64_t mark_ns)
{
	cairn_gc_look_stopped(h, NULL, stop_ns / 2);
	cairn_gc_look_stopped(h, NULL, stop_ns);
	h->collection++;
	cairn_gc_look_begin(h, CAIRN_GC_CAUSE_FULL);
	cairn_gc_look_phase(h, "mark", 0, 0);
	wait_ns(mark_ns);
	cairn_gc_look_phase(h, "sweep", 1000, 10);
	cairn_gc_look_phase(h, "mark", 7, 1); /* a phase that comes twice */
	cairn_gc_look_end(h);
	cairn_gc_looks_validate(h);
}

/* ---- Histograms ---- */

static void a_bucket_is_found_again_within_an_eighth(void)
{
	uint64_t seed = test_seed();
	for (int i = 0; i < 2000; i++) {
		uint64_t v = test_random(&seed) >> (25 + test_random(&seed) % 39);
		memset(&histogram, 0, sizeof histogram);
		cairn_gc_histogram_add(&histogram, v);
		cairn_gc_histogram_add(
			&histogram, UINT64_C(1) << 39); /* so that the middle of the bucket is asked for */
		cairn_gc_histogram_add(&histogram, UINT64_C(1) << 39);
		uint64_t got = cairn_gc_percentile(&histogram, 1), error = got > v ? got - v : v - got;
		if (v >= 2 && error > v / 8 + (v < 8))
			test_failure_numbers(__FILE__, __LINE__, "the value", (long long)got, (long long)v);
	}
}

static void buckets_are_where_the_header_says(void)
{
	static const struct {
		uint64_t value;
		unsigned bucket;
	} cases[] = { { 0, 0 }, { 1, 0 }, { 2, 4 }, { 3, 6 }, { 4, 8 }, { 7, 11 }, { 8, 12 }, { 9, 12 }, { 10, 13 },
		{ 1024, 40 }, { 1791, 42 }, { 1792, 43 }, { UINT64_C(1) << 39, 156 }, { UINT64_MAX, 159 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memset(&histogram, 0, sizeof histogram);
		cairn_gc_histogram_add(&histogram, cases[i].value);
		EXPECT_EQ(histogram.bucket[cases[i].bucket], 1);
		EXPECT_EQ(histogram.max, cases[i].value);
	}
}

static void percentiles_are_those_of_the_sorted_values(void)
{
	memset(&histogram, 0, sizeof histogram);
	EXPECT_EQ(cairn_gc_percentile(&histogram, 50), 0);
	for (uint64_t v = 1; v <= 1000; v++)
		cairn_gc_histogram_add(&histogram, v * 1000);
	EXPECT_EQ(histogram.sum, 500500 * 1000);
	uint64_t p50 = cairn_gc_percentile(&histogram, 50), p99 = cairn_gc_percentile(&histogram, 99);
	EXPECT(p50 > 440000 && p50 < 560000);
	EXPECT(p99 > 871000 && p99 <= 1000000);
	EXPECT_EQ(cairn_gc_percentile(&histogram, 100), 1000000);
	EXPECT(cairn_gc_percentile(&histogram, 0) < 1200);
}

/* ---- Utilisation ---- */

static void the_worst_window_is_found(void)
{
	struct cairn_gc_pause one = { 100 * MS, 4 * MS };
	EXPECT(cairn_gc_utilisation(NULL, 0, MS) == 1);
	EXPECT(cairn_gc_utilisation(&one, 1, MS) == 0);
	EXPECT(cairn_gc_utilisation(&one, 1, 10 * MS) > 0.599 && cairn_gc_utilisation(&one, 1, 10 * MS) < 0.601);
	/* no single one is long: 3 ms in the 8 ms from 106 on, or up to 114 */
	struct cairn_gc_pause some[] = { { 100 * MS, MS }, { 106 * MS, MS }, { 109 * MS, MS }, { 113 * MS, MS } };
	double got = cairn_gc_utilisation(some, 4, 8 * MS);
	EXPECT(got > 0.624 && got < 0.626);
	/* only a window that ends with a pause has both of these: [101.5, 105.5] */
	struct cairn_gc_pause tail[] = { { 100 * MS, 2 * MS }, { 104 * MS, 3 * MS / 2 } };
	got = cairn_gc_utilisation(tail, 2, 4 * MS);
	EXPECT(got > 0.499 && got < 0.501);
}

/* Against every window in steps of a tenth. */
static void utilisation_is_that_of_a_slow_search(void)
{
	uint64_t seed = test_seed();
	for (int round = 0; round < 50; round++) {
		struct cairn_gc_pause p[20];
		uint64_t at = 1000, window = 50 + test_random(&seed) % 100, most = 0;
		for (int i = 0; i < 20; i++) {
			p[i].start_ns = at += test_random(&seed) % 60;
			p[i].ns = test_random(&seed) % 30;
			at += p[i].ns;
		}
		for (uint64_t from = 900; from < at; from++) {
			uint64_t sum = 0;
			for (uint64_t t = from; t < from + window; t++)
				for (int i = 0; i < 20; i++)
					sum += t >= p[i].start_ns && t < p[i].start_ns + p[i].ns;
			most = sum > most ? sum : most;
		}
		double wanted = 1 - (double)most / (double)window, got = cairn_gc_utilisation(p, 20, window);
		EXPECT(got > wanted - 1e-9 && got < wanted + 1e-9);
	}
}

/* ---- A collection ---- */

static cairn_gc_event heard[16];
static unsigned heard_count;

static void hear(const cairn_gc_event *e, void *arg)
{
	EXPECT(arg == &heard_count);
	if (heard_count < 16)
		heard[heard_count++] = *e;
}

static void the_listener_hears_each_phase_in_order(void)
{
	cairn_gc_heap *h = sim_open();
	heard_count = 0;
	cairn_gc_listen(h, hear, &heard_count);
	collect(h, 3000, 2 * MS);
	static const char *const names[] = { "stop", "mark", "sweep", "mark" };
	REQUIRE(heard_count == 4);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(strcmp(heard[i].phase, names[i]), 0);
		EXPECT(i == 0 || heard[i].start_ns >= heard[i - 1].start_ns + heard[i - 1].ns);
		EXPECT_EQ(heard[i].collection, 1);
	}
	EXPECT(heard[0].ns >= 3000 && heard[1].ns >= 2 * MS);
	EXPECT(heard[1].bytes == 1000 && heard[1].objects == 10 && heard[2].bytes == 7);
	cairn_gc_listen(h, NULL, NULL);
	collect(h, 3000, 0);
	EXPECT_EQ(heard_count, 4);
}

static void pauses_are_summed_up(void)
{
	cairn_gc_heap *h = sim_open();
	cairn_gc_stats s;
	for (int i = 0; i < 3; i++)
		collect(h, 1000, 2 * MS);
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.collections, 3);
	EXPECT(s.pause_ns >= 6 * MS && s.pause.count == 3 && s.pause.max >= 2 * MS);
	EXPECT_EQ(s.time_to_safepoint.count, 6);
	EXPECT_EQ(s.time_to_safepoint.max, 1000);
	/* its own clock, read a little apart */
	EXPECT(s.cpu_stopped_ns > 0 && s.cpu_stopped_ns <= s.pause_ns + 5 * MS);
	EXPECT(s.utilisation[0] == 0 && s.utilisation[2] > 0.1 && s.utilisation[2] < 0.95); /* others run here, too */
	EXPECT(s.opened_ns + 3000 >= s.pause_ns); /* the waits of 1000 are made up */
	EXPECT_EQ(s.max_bytes, 64 * MIB);
	EXPECT_EQ(s.collector, CAIRN_GC_MARKSWEEP);
	EXPECT_EQ(strcmp(s.name, "test"), 0);
}

static void more_pauses_than_are_kept_do_not_confuse_it(void)
{
	cairn_gc_heap *h = sim_open();
	cairn_gc_stats s;
	collect(h, 0, 5 * MS); /* long, and forgotten by the end */
	int tries = 0;
	do { /* again where this thread lost its processor in a pause */
		for (int i = 0; i < CAIRN_GC_PAUSES_KEPT; i++)
			collect(h, 0, 0);
		cairn_gc_stats_get(h, &s);
	} while (s.utilisation[1] <= 0.5 && ++tries < 20);
	EXPECT(s.utilisation[1] > 0.5);
	EXPECT_EQ(s.pause.count, (tries < 20 ? tries + 1 : tries) * CAIRN_GC_PAUSES_KEPT + 1);
}

static void what_was_allocated_is_counted_once(void)
{
	cairn_gc_heap *h = sim_open();
	static cairn_gc_thread t;
	cairn_gc_stats s;
	t = (cairn_gc_thread){ .allocated_bytes = 1000 };
	cairn_list_append(&h->world.mutators, &t.node);
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.allocated_bytes, 1000);
	collect(h, 0, 0);
	t.allocated_bytes += 500;
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.allocated_bytes, 1500);
	cairn_gc_look_gone(h, &t);
	cairn_list_remove(&t.node);
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.allocated_bytes, 1500);
	collect(h, 0, 0);
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.allocated_bytes, 1500);
	t.allocated_bytes = 70;
	cairn_list_append(&h->world.mutators, &t.node);
	h->world.lock.word = 1; /* in a stop: what was known then, and no wait */
	cairn_gc_stats_get(h, &s);
	EXPECT_EQ(s.allocated_bytes, 1500);
	h->world.lock.word = 0;
}

/* ---- Text ---- */

/* What body wrote to stderr. */
static void said_by(void (*body)(void), char *said, size_t room)
{
	int ends[2], kept = dup(2);
	size_t used = 0;
	if (pipe(ends))
		return;
	dup2(ends[1], 2);
	cairn_report_init(); /* it is another file now */
	body();
	dup2(kept, 2);
	cairn_report_init();
	close(ends[1]);
	for (ssize_t n; used + 1 < room && (n = read(ends[0], said + used, room - 1 - used)) > 0;)
		used += (size_t)n;
	said[used] = 0;
	close(ends[0]);
	close(kept);
}

static void collect_with_log(void)
{
	cairn_gc_heap *h = sim_open();
	h->looks.logs = true;
	h->blocks.held_bytes = 3 * MIB / 2;
	h->looks.stats.pinned_bytes = 1234;
	h->looks.stats.live_bytes = MIB;
	collect(h, 10 * MS, 0);
}

static void the_log_has_a_line_for_each_collection(void)
{
	char said[400];
	said_by(collect_with_log, said, sizeof said);
	NOTE("%.*s", (int)strcspn(said, "\n"), said);
	EXPECT(strstr(said, "cairn: gc test #1 plain full: 1.5 MiB -> 1.5 MiB of 64.0 MiB, live 1.0 MiB, pause 1") ==
		said);
	EXPECT(strstr(said, " ms (stop 1") != NULL && strstr(said, " mark 0.0") != NULL &&
		strstr(said, " sweep 0.0") != NULL);
	EXPECT(strstr(said, ", pinned 1.2 KiB, next at 4.0 MiB\n") != NULL);
	EXPECT(strchr(said, '\n') == said + strlen(said) - 1);
}

static void the_report_says_what_the_stats_say(void)
{
	cairn_gc_heap *h = sim_open();
	char text[4096];
	h->blocks.held_bytes = 3 * MIB;
	h->looks.stats.live_objects = 4711;
	collect(h, 0, 0);
	FILE *to = fmemopen(text, sizeof text, "w");
	REQUIRE(to != NULL);
	cairn_gc_report(h, to);
	fclose(to);
	EXPECT(strstr(text, "managed heap \"test\" (plain): 1 collections\n") == text);
	EXPECT(strstr(text, "3.00 MiB of 64.00, at most 3.00 so far") != NULL);
	EXPECT(strstr(text, "4711 objects") != NULL);
	EXPECT(strstr(text, "pinned") == NULL);
}

int main(void)
{
	RUN(a_bucket_is_found_again_within_an_eighth);
	RUN(buckets_are_where_the_header_says);
	RUN(percentiles_are_those_of_the_sorted_values);
	RUN(the_worst_window_is_found);
	RUN(utilisation_is_that_of_a_slow_search);
	RUN(the_listener_hears_each_phase_in_order);
	RUN(pauses_are_summed_up);
	RUN(more_pauses_than_are_kept_do_not_confuse_it);
	RUN(what_was_allocated_is_counted_once);
	RUN(the_log_has_a_line_for_each_collection);
	RUN(the_report_says_what_the_stats_say);
	DONE();
}
