/* Rounding that is estimated from samples, compared with what it was: wire/control.h, malloc/slow.c. */
#include "cairn/malloc.h"
#include "malloc/large.h"
#include "malloc/sizeclass.h"
#include "malloc/threads.h"
#include "support/child.h"

enum { MANY = 100000 };
static void *blocks[MANY];

/* A stream of requests, and what it asked for. */
typedef struct request_stream {
	size_t low, high; /* bytes */
	unsigned period;  /* each so manieth is a high one; 0: three of ten, at random */
	uint64_t random;
	size_t count, slack_bytes;
	unsigned size_class;
} request_stream;

static void *request(request_stream *s)
{
	bool is_high = s->period ? s->count % s->period == 0 : test_random(&s->random) % 10 < 3;
	size_t bytes = is_high ? s->high : s->low;
	s->count++;
	s->slack_bytes += cairn_classes[s->size_class].bytes - bytes;
	return cairn_malloc(bytes);
}

static cairn_class_rounding *rounding_of(unsigned size_class)
{
	return &cairn_cache_counters(cairn_thread_self.own)->rounding[size_class];
}

/* Blocks that stay, all freed, several times: every refill is one of a full batch. */
static void fill_and_empty(request_stream *s, size_t most)
{
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < most; i++)
			blocks[i] = request(s);
		for (size_t i = 0; i < most; i++)
			cairn_free(blocks[i]);
	}
}

/* Blocks that are replaced one by one, at random: a refill is where a random walk ended. */
static void churn(request_stream *s, size_t most)
{
	for (size_t i = 0; i < most; i++)
		blocks[i] = request(s);
	for (size_t i = 0; i < 20 * most; i++) {
		size_t at = test_random(&s->random) % most;
		cairn_free(blocks[at]);
		blocks[at] = request(s);
	}
	for (size_t i = 0; i < most; i++)
		cairn_free(blocks[i]);
}

/* Is the mean of the samples within so many percent of what it should be, or within five of the standard errors that
 * the samples themselves tell, where there are few? */
static void estimate_is_near(const request_stream *s, unsigned percent)
{
	const cairn_class_rounding *r = rounding_of(s->size_class);
	EXPECT(r->samples > 50);
	double mean = (double)r->slack_bytes / r->samples, is = (double)s->slack_bytes / (double)s->count;
	double off = mean > is ? mean - is : is - mean;
	double variance = ((double)r->slack_squared / r->samples - mean * mean) / r->samples;
	bool is_near = off * 100 <= is * percent || (!s->period && off * off <= 25 * variance);
	EXPECT(is_near);
	if (!is_near)
		NOTE("class of %u: period %u: %.1f of %u samples, should be %.1f", cairn_classes[s->size_class].bytes,
			s->period, mean, r->samples, is);
}

static void estimate(request_stream s, void (*use)(request_stream *s, size_t most), size_t most)
{
	s.size_class = cairn_class_of(s.high);
	memset(rounding_of(s.size_class), 0, sizeof(cairn_class_rounding));
	use(&s, most);
	estimate_is_near(&s, 3);
}

static void a_mix_of_two_sizes_is_estimated_within_3_percent(void)
{
	uint64_t seed = test_seed();
	cairn_free(cairn_malloc(1));
	/* The first: 13,000 samples, 3 % are five standard errors. The second: a few hundred. */
	estimate((request_stream){ .low = 1040, .high = 1150, .random = seed }, fill_and_empty, 50000);
	estimate((request_stream){ .low = 1040, .high = 1150, .random = seed }, churn, 20000);
}

/* What a row of requests asks for at the same place each time is not what samples see each time. */
static void requests_in_rows_are_estimated_within_3_percent(void)
{
	static const size_t sizes[] = { 48, 250, 600, 1152, 2048, 7168, 20480 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned c = cairn_class_of(sizes[i]);
		request_stream s = { .low = cairn_classes[c - 1].bytes + 1, .high = cairn_classes[c].bytes };
		for (s.period = 2; s.period <= 16; s.period++)
			estimate(s, fill_and_empty, sizes[i] > 4096 ? 5000 : sizes[i] < 64 ? MANY : 20000);
	}
}

static void every_large_block_is_a_sample(void)
{
	cairn_class_rounding *r = rounding_of(0), was = *r;
	size_t slack = 0;
	for (size_t i = 0; i < 100; i++) {
		size_t bytes = 40000 + i * 977;
		slack += cairn_large_usable_bytes(bytes) - bytes;
		cairn_free(cairn_malloc(bytes)); /* from the page heap, then from the shelf */
	}
	EXPECT_EQ(r->samples - was.samples, 100);
	EXPECT_EQ(r->slack_bytes - was.slack_bytes, slack);
	EXPECT(r->slack_squared > was.slack_squared);
}

static void old_samples_fade(void)
{
	cairn_class_rounding *r = rounding_of(0);
	*r = (cairn_class_rounding){ CAIRN_ROUNDING_SAMPLES - 1, 4095u * (CAIRN_ROUNDING_SAMPLES - 1),
		(uint64_t)4095 * 4095 * (CAIRN_ROUNDING_SAMPLES - 1) };
	cairn_free(cairn_malloc(102400 - 4095));
	EXPECT_EQ(r->samples, CAIRN_ROUNDING_SAMPLES / 2);
	EXPECT_EQ(r->slack_bytes, 4095u * (CAIRN_ROUNDING_SAMPLES / 2));
	EXPECT_EQ(r->slack_squared, (uint64_t)4095 * 4095 * (CAIRN_ROUNDING_SAMPLES / 2));
}

static void a_request_that_is_served_at_once_is_no_sample(void)
{
	unsigned c = cairn_class_of(64);
	void *p = cairn_malloc(64);
	cairn_free(p);
	uint32_t was = rounding_of(c)->samples;
	for (int i = 0; i < 1000; i++)
		cairn_free(cairn_malloc(64));
	EXPECT_EQ(rounding_of(c)->samples, was);
}

int main(void)
{
	RUN(a_mix_of_two_sizes_is_estimated_within_3_percent);
	RUN(requests_in_rows_are_estimated_within_3_percent);
	RUN(every_large_block_is_a_sample);
	RUN(old_samples_fade);
	RUN(a_request_that_is_served_at_once_is_no_sample);
	DONE();
}
