/* test_sizing.c - how large a managed heap may be: its figures from the configuration and the environment, and after
 * collections that are made up, by a clock that is made up. */
#include "gc/managed.h"
#include "os/env.h"
#include "os/limits.h"
#include "support/child.h"

#include <sys/resource.h>

#define MIB ((size_t)1 << 20)
#define MS  UINT64_C(1000000)

static size_t no_headroom(const cairn_gc_heap *h, size_t held)
{
	(void)h, (void)held;
	return 0;
}
static size_t double_headroom(const cairn_gc_heap *h, size_t held)
{
	(void)h;
	return held;
}
static const cairn_gc_plan plain = { .name = "plain", .headroom = no_headroom };
static const cairn_gc_plan copying = { .name = "copying", .headroom = double_headroom };

static const cairn_gc_plan with_young = { .name = "with young", .headroom = no_headroom, .has_young = true };

static cairn_gc_heap sim; /* only what sizing reads */
static uint64_t now;

static int sim_open(const cairn_gc_plan *plan, cairn_gc_config config)
{
	memset(&sim, 0, sizeof sim);
	sim.plan = plan;
	sim.config = config;
	int error = cairn_gc_sizing_init(&sim);
	now = 1000 * MS;
	sim.sizing.ended_ns = now;
	return error;
}

/* What so many bytes of objects hold, with what is said about their grains. */
static size_t held_of(size_t objects) { return objects + objects / CAIRN_GC_GRAIN; }

/* Mutators ran for that long and allocated so much; then a collection left `live` bytes. */
static void sim_cycle(uint64_t mutator_ns, size_t allocated, uint64_t pause_ns, size_t live)
{
	sim.looks.stats.allocated_bytes += allocated;
	sim.blocks.held_bytes += allocated;
	sim.looks.held_before = cairn_gc_held(&sim);
	sim.looks.stats.live_bytes = live;
	sim.blocks.held_bytes = held_of(live);
	now += mutator_ns + pause_ns;
	cairn_gc_sizing_after_at(&sim, pause_ns, now);
	cairn_gc_sizing_validate(&sim);
}

static size_t limit(void) { return sim.sizing.limit; }
static bool is_about(size_t got, size_t wanted) { return got > wanted - wanted / 50 && got < wanted + wanted / 50; }

/* ---- Figures ---- */

static void what_config_leaves_out_is_filled_in(void)
{
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ 0 }), 0);
	EXPECT_EQ(sim.config.min, 4 * MIB);
	EXPECT_EQ(sim.config.growth, 100);
	EXPECT_EQ(sim.config.workers, cairn_gc_workers_default());
	EXPECT(sim.config.max >= CAIRN_GC_MAX_LEAST && sim.config.max <= cairn_limits_get()->ram_bytes / 4);
	EXPECT_EQ(limit(), 4 * MIB);
	EXPECT_EQ(strcmp(sim.config.name, "heap"), 0);
	cairn_gc_sizing_validate(&sim);
}

static void contradictory_figures_are_refused(void)
{
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 8 * MIB, .min = 9 * MIB }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 8 * MIB, .reserve = 8 * MIB }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = CAIRN_GC_MAX_LEAST - 1 }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .balance = -1 }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .balance = 0.0 / 0.0 }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .workers = CAIRN_GC_WORKERS_MAX + 1 }), EINVAL);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 8 * MIB, .min = 8 * MIB, .reserve = MIB }), 0);
	cairn_gc_sizing_validate(&sim);
}

static void a_small_max_bounds_the_default_min(void)
{
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 2 * MIB }), 0);
	EXPECT_EQ(sim.config.min, 2 * MIB);
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .min = SIZE_MAX / 2 }), 0); /* the machine has less */
	EXPECT_EQ(sim.config.min, sim.config.max);
}

static void a_plan_that_copies_may_hold_half_of_max(void)
{
	EXPECT_EQ(sim_open(&copying, (cairn_gc_config){ .max = 64 * MIB, .min = 40 * MIB }), 0);
	EXPECT(sim.sizing.most <= 32 * MIB && sim.sizing.most >= 32 * MIB - 16);
	EXPECT_EQ(limit(), sim.sizing.most);
	sim.blocks.held_bytes = 31 * MIB;
	EXPECT(cairn_gc_may_hold(&sim, MIB / 2) && !cairn_gc_may_hold(&sim, 2 * MIB));
	EXPECT(!cairn_gc_may_hold(&sim, SIZE_MAX));
}

static void records_and_external_bytes_count_against_max(void)
{
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 64 * MIB, .min = 64 * MIB }), 0);
	sim.sizing.record_bytes = 10 * MIB;
	sim.deaths.external_bytes = 20 * MIB;
	sim.blocks.held_bytes = 30 * MIB;
	EXPECT_EQ(cairn_gc_held(&sim), 60 * MIB);
	EXPECT_EQ(cairn_gc_limit(&sim), 34 * MIB);
	EXPECT_EQ(cairn_gc_most(&sim), 34 * MIB);
	EXPECT(cairn_gc_may_grow(&sim, 4 * MIB) && !cairn_gc_may_grow(&sim, 4 * MIB + 1));
	sim.deaths.external_bytes = 70 * MIB;
	EXPECT_EQ(cairn_gc_most(&sim), 0);
}

static void a_reserve_is_kept_back_until_it_is_asked_for(void)
{
	EXPECT_EQ(sim_open(&plain, (cairn_gc_config){ .max = 64 * MIB, .reserve = 8 * MIB }), 0);
	EXPECT_EQ(cairn_gc_most(&sim), 56 * MIB);
	cairn_gc_open_reserve(&sim);
	EXPECT_EQ(cairn_gc_most(&sim), 64 * MIB);
	sim_cycle(MS, 60 * MIB, MS, 55 * MIB); /* 61.9 held: in use */
	EXPECT_EQ(cairn_gc_most(&sim), 64 * MIB);
	sim_cycle(MS, MIB, MS, 40 * MIB);
	EXPECT_EQ(cairn_gc_most(&sim), 56 * MIB);
}

/* ---- After collections ---- */

static void the_heap_grows_by_what_lives(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	sim_cycle(100 * MS, 50 * MIB, MS, 20 * MIB);
	EXPECT(is_about(limit(), held_of(20 * MIB) + 20 * MIB)); /* to grow */
	sim.config.growth = 50;
	sim_cycle(100 * MS, 20 * MIB, MS, 20 * MIB);
	EXPECT(is_about(limit(), held_of(20 * MIB) + 10 * MIB));
	sim_cycle(100 * MS, 20 * MIB, MS, 0);
	EXPECT_EQ(limit(), 4 * MIB);
	sim_cycle(100 * MS, 20 * MIB, MS, 900 * MIB);
	EXPECT_EQ(limit(), 1024 * MIB);
}

/* 8 bytes for each ns that collections took, beyond a quarter of max. */
static void memory_that_was_never_held_is_taken_by_what_collections_cost(void)
{
	cairn_gc_config wide = { .max = 1024 * MIB, .growth = 100000 };
	EXPECT_EQ(sim_open(&plain, wide), 0);
	sim_cycle(10 * MS, 4 * MIB, MS, 4 * MIB);
	EXPECT_EQ(limit(), 1024 * MIB);
	EXPECT_EQ(sim_open(&with_young, wide), 0);
	for (unsigned i = 1; i <= 10; i++) {
		sim_cycle(10 * MS, 100 * MIB, MS, 4 * MIB);
		EXPECT_EQ(limit(), 256 * MIB + i * 8 * MS);
	}
	sim_cycle(10 * MS, 100 * MIB, MS, 350 * MIB); /* more lives: there is always some room */
	EXPECT_EQ(limit(), held_of(350 * MIB) + 16 * MIB);
	sim_cycle(10 * MS, 100 * MIB, 100 * MS, 4 * MIB);
	EXPECT_EQ(limit(), 1024 * MIB);
}

static void the_balancer_follows_its_formula(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 4096 * MIB, .balance = 1 });
	/* 100 MiB/s allocated, 1000 MiB/s collected: sqrt(100 MiB * 0.1 * 100 MiB) = 31.6 MiB */
	sim_cycle(1000 * MS, 100 * MIB, 100 * MS, 100 * MIB);
	size_t held = held_of(100 * MIB);
	EXPECT(is_about(limit(), held + 31 * MIB + MIB * 6 / 10));
	/* four times as many of them: twice the room; the rate forgets slowly, the speed by half */
	for (int i = 0; i < 200; i++)
		sim_cycle(1000 * MS, 400 * MIB, 100 * MS, 100 * MIB);
	EXPECT(is_about(limit() - held, 63 * MIB + MIB / 4));
	/* and with a constant that is a hundred times as large a tenth of that */
	sim.config.balance = 100;
	sim_cycle(1000 * MS, 400 * MIB, 100 * MS, 100 * MIB);
	EXPECT(limit() - held < 7 * MIB && limit() - held > 6 * MIB);
}

static void past_the_soft_limit_collections_have_half_of_the_time_at_most(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB, .soft = 50 * MIB });
	sim_cycle(1000 * MS, 40 * MIB, MS, 40 * MIB);
	EXPECT_EQ(limit(), 50 * MIB);
	uint64_t start = now, in_pauses = 0, grew = 0;
	for (int i = 0; i < 400; i++) { /* 90 % of the time would go */
		bool is_soft = limit() < 60 * MIB;
		grew += !is_soft;
		sim_cycle(is_soft ? 10 * MS : 180 * MS, is_soft ? 5 * MIB : 80 * MIB, 90 * MS, 45 * MIB);
		in_pauses += 90 * MS;
	}
	NOTE("%.1f %% in pauses, %d of 400 by growth", 100.0 * (double)in_pauses / (double)(now - start), (int)grew);
	EXPECT(in_pauses < (now - start) * 55 / 100 && in_pauses > (now - start) * 40 / 100);
	EXPECT(grew > 100);
}

static void below_the_soft_limit_it_changes_nothing(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB, .soft = 500 * MIB });
	sim_cycle(MS, 40 * MIB, MS, 40 * MIB);
	EXPECT(is_about(limit(), held_of(40 * MIB) + 40 * MIB));
}

static void a_heap_that_only_collects_is_hopeless_until_something_is_let_go(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 64 * MIB });
	sim_cycle(100 * MS, 60 * MIB, 50 * MS, 60 * MIB);
	EXPECT(!cairn_gc_is_hopeless(&sim));
	sim_cycle(MS / 10, MIB / 2, 50 * MS, 60 * MIB);
	EXPECT_EQ(sim.sizing.fruitless, 1);
	sim_cycle(MS / 10, MIB / 2, 50 * MS, 60 * MIB);
	EXPECT(cairn_gc_is_hopeless(&sim));
	cairn_gc_refused(&sim);
	EXPECT(!cairn_gc_is_hopeless(&sim));
	sim_cycle(MS / 10, MIB / 2, 50 * MS, 60 * MIB); /* nothing was let go of */
	EXPECT(cairn_gc_is_hopeless(&sim));
	cairn_gc_refused(&sim);
	sim_cycle(MS / 10, MIB / 2, 50 * MS, 50 * MIB);
	EXPECT_EQ(sim.sizing.fruitless, 0);
	sim_cycle(50 * MS, MIB / 2, 50 * MS, 60 * MIB); /* mutators had half of the time */
	EXPECT_EQ(sim.sizing.fruitless, 0);
}

static void a_heap_far_below_its_max_is_never_hopeless(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	for (int i = 0; i < 5; i++)
		sim_cycle(0, MIB, 5000 * MS, 3 * MIB);
	EXPECT_EQ(sim.sizing.fruitless, 0);
}

static void a_second_try_for_one_allocation_does_not_make_it_hopeless(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 64 * MIB });
	sim.cause = CAIRN_GC_CAUSE_LIMIT;
	for (int i = 0; i < 5; i++)
		sim_cycle(0, 0, 50 * MS, 60 * MIB);
	EXPECT_EQ(sim.sizing.fruitless, 0);
}

/* Holes that nothing fits into: the collection frees much and the heap still has to grow. */
static void collections_that_come_too_early_raise_the_limit(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	unsigned early = 0;
	for (int i = 0; i < 50; i++) {
		sim_cycle(10 * MS, 0, MS, 40 * MIB);
		sim.blocks.held_bytes = 90 * MIB;
		size_t room = limit() > 90 * MIB ? limit() - 90 * MIB : 64 << 10;
		sim.looks.stats.allocated_bytes += room;
		early += room < 5 * MIB;
	}
	NOTE("%u of 50 with less than 5 MiB between", early);
	EXPECT(early < 5); /* without: 50 */
	EXPECT(limit() < 130 * MIB);
}

static void foreign_bytes_count_for_the_sizing_alone(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	sim_cycle(MS, 40 * MIB, MS, 20 * MIB);
	size_t before = limit(), most = cairn_gc_most(&sim);
	sim.sizing.foreign = 30 * MIB; /* since then */
	EXPECT_EQ(cairn_gc_limit(&sim), before - 30 * MIB);
	EXPECT(!cairn_gc_may_grow(&sim, 0));
	EXPECT_EQ(cairn_gc_most(&sim), most);
	sim_cycle(MS, 20 * MIB, MS, 20 * MIB);
	EXPECT(is_about(limit(), before + 30 * MIB)); /* growth is of these, too */
	sim.sizing.foreign = -5 * (ptrdiff_t)MIB;     /* more went than came: not below nothing */
	sim_cycle(MS, 20 * MIB, MS, 20 * MIB);
	EXPECT(is_about(limit(), before));
}

static void what_is_kept_empty_falls_two_collections_late_and_at_once_when_seldom_asked(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	sim_cycle(MS, 100 * MIB, MS, 100 * MIB);
	size_t large = cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_FULL);
	EXPECT(is_about(large, 100 * MIB));
	sim_cycle(MS, 100 * MIB, MS, 10 * MIB);
	EXPECT_EQ(cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_FULL), large);
	sim_cycle(MS, 10 * MIB, MS, 10 * MIB);
	EXPECT(is_about(cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_FULL), 10 * MIB));
	EXPECT_EQ(cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_ASKED), cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_FULL));
	sim_cycle(10 * MS, 10 * MIB, MS, 10 * MIB);
	EXPECT_EQ(cairn_gc_sizing_keep(&sim, CAIRN_GC_CAUSE_ASKED), 0);
}

static void what_nobody_wanted_in_the_page_heap_for_long_may_go(void)
{
	uint64_t since;
	sim_open(&with_young, (cairn_gc_config){ .max = 1024 * MIB });
	sim.young.is_minor = true;
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 100 * MIB, now, &since), 0);
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 50 * MIB, now + 100 * MS, &since), 0);
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 80 * MIB, now + 1000 * MS, &since), 50 * MIB);
	EXPECT_EQ(since, 1000 * MS);
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 80 * MIB, now + 1100 * MS, &since), 0);
	sim.young.is_minor = false; /* the heap holds most before a collection of all */
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 90 * MIB, now + 1200 * MS, &since), 80 * MIB);
	EXPECT_EQ(cairn_gc_sizing_unwanted(&sim, 0, now + 1300 * MS, &since), 0);
}

static void who_asks_seldom_gets_all_given_back(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	sim_cycle(100 * MS, 10 * MIB, MS, 10 * MIB);
	EXPECT(cairn_gc_sizing_gives_all(&sim, CAIRN_GC_CAUSE_ASKED, 10 * MIB)); /* 4 ms */
	EXPECT(!cairn_gc_sizing_gives_all(&sim, CAIRN_GC_CAUSE_ASKED, 100 * MIB));
	EXPECT(!cairn_gc_sizing_gives_all(&sim, CAIRN_GC_CAUSE_FULL, 10 * MIB));
}

/* Three objects of a little over a quarter of a block take a block each. */
static void what_large_objects_leave_of_their_blocks_counts_as_held(void)
{
	sim_open(&plain, (cairn_gc_config){ .max = 1024 * MIB });
	sim_cycle(MS, 100 * MIB, MS, 100 * MIB);
	size_t before = limit();
	sim.blocks.large_blocks = 3 * MIB / CAIRN_GC_BLOCK_BYTES;
	sim.blocks.large_unfilled = 2 * MIB;
	sim_cycle(MS, 100 * MIB, MS, 100 * MIB);
	size_t grains = MIB / CAIRN_GC_GRAIN; /* what is large has no bytes about its grains */
	EXPECT(limit() > before + 4 * MIB - 4 * grains && limit() < before + 4 * MIB + 4 * grains); /* growth: 100 % */
}

static void random_cycles_keep_the_invariants(void)
{
	uint64_t seed = test_seed();
	for (int round = 0; round < 200; round++) {
		cairn_gc_config c = { .max = MIB + test_random(&seed) % (1 << 30),
			.soft = test_random(&seed) % (1 << 29),
			.growth = (unsigned)(test_random(&seed) % 300),
			.balance = (double)(test_random(&seed) % 5) / 2 };
		sim_open(round & 1 ? &plain : &copying, c);
		for (int i = 0; i < 200; i++) {
			size_t most = cairn_gc_most(&sim);
			sim.cause = (cairn_gc_cause)(test_random(&seed) % 4);
			sim.sizing.foreign += (ptrdiff_t)(test_random(&seed) % MIB) - (ptrdiff_t)MIB / 2;
			sim_cycle(test_random(&seed) % (200 * MS), test_random(&seed) % (most + 1),
				test_random(&seed) % (90 * MS), test_random(&seed) % (most + 1));
			EXPECT(cairn_gc_limit(&sim) <= cairn_gc_most(&sim));
		}
	}
}

/* ---- The environment: this program again ---- */

/* 0: as it should be. The child's side. */
static int again(const char *mode)
{
	cairn_gc_config c = { .max = 64 * MIB, .min = 8 * MIB, .reserve = 16 * MIB, .growth = 10, .workers = 3 };
	if (!strcmp(mode, "default"))
		c = (cairn_gc_config){ 0 };
	if (sim_open(&plain, c))
		return 2;
	c = sim.config;
	if (!strcmp(mode, "set"))
		return !(c.max == 32 * MIB && c.min == 6 * MIB && c.soft == 20 * MIB && c.reserve == 2 * MIB &&
			 c.growth == 70 && c.workers == 2 && c.exact_roots && c.balance > 0.249 && c.balance < 0.251 &&
			 c.remember == CAIRN_GC_REMEMBER_CARDS);
	if (!strcmp(mode, "bad"))
		return !(c.max == 64 * MIB && c.min == 8 * MIB && c.growth == 10 && c.workers == 3 && !c.exact_roots &&
			 c.balance == 0 && !c.remember);
	if (!strcmp(mode, "small"))
		return !(c.max == 4 * MIB && c.min <= 4 * MIB && c.reserve < 4 * MIB);
	return !(c.max == 128 * MIB); /* "default": a quarter of RLIMIT_DATA */
}

static int run_again(char *mode, char **environment, char *said, size_t room)
{
	char *arguments[] = { "test_sizing", mode, NULL };
	int ends[2], status = -1;
	size_t used = 0;
	if (pipe(ends))
		return -1;
	pid_t child = fork();
	if (!child) {
		struct rlimit data = { 512 * MIB, 512 * MIB };
		if (!strcmp(mode, "default"))
			setrlimit(RLIMIT_DATA, &data);
		dup2(ends[1], 2);
		execve("/proc/self/exe", arguments, environment);
		_exit(9);
	}
	close(ends[1]);
	for (ssize_t n; used + 1 < room && (n = read(ends[0], said + used, room - 1 - used)) > 0;)
		used += (size_t)n;
	said[used] = 0;
	close(ends[0]);
	waitpid(child, &status, 0);
	return status;
}

static void the_environment_wins(void)
{
	char said[1500];
	char *set[] = { "CAIRN_GC_MAX=32M", "CAIRN_GC_MIN=6M", "CAIRN_GC_SOFT=20M", "CAIRN_GC_RESERVE=2M",
		"CAIRN_GC_GROWTH=70", "CAIRN_GC_BALANCE=0.25", "CAIRN_GC_WORKERS=2", "CAIRN_GC_EXACT=1",
		"CAIRN_GC_REMEMBER=cards", NULL };
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("set", set, said, sizeof said), 0);
	EXPECT_EQ(said[0], 0);
}

static void what_cannot_be_read_is_told_and_ignored(void)
{
	char said[1500];
	char *bad[] = { "CAIRN_GC_MAX=10", "CAIRN_GC_MIN=many", "CAIRN_GC_GROWTH=-3", "CAIRN_GC_BALANCE=1e5",
		"CAIRN_GC_WORKERS=400", "CAIRN_GC_EXACT=perhaps", "CAIRN_GC_REMEMBER=none", NULL };
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("bad", bad, said, sizeof said), 0);
	for (int i = 0; bad[i]; i++)
		EXPECT(strstr(said, bad[i]) != NULL);
}

static void a_max_of_the_environment_cuts_what_the_program_asked_for(void)
{
	char said[300], *small[] = { "CAIRN_GC_MAX=4M", NULL };
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("small", small, said, sizeof said), 0);
	EXPECT_EQ(said[0], 0);
}

static void max_is_a_quarter_of_the_tightest_bound(void)
{
	char said[300], *none[] = { "CAIRN_CGROUP_ROOT=/nonexistent", NULL };
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("default", none, said, sizeof said), 0);
}

int main(int argc, char **argv)
{
	cairn_env_init(); /* as cairn_gc_open does, where malloc is not ours */
	if (argc > 1)
		return again(argv[1]);
	RUN(what_config_leaves_out_is_filled_in);
	RUN(contradictory_figures_are_refused);
	RUN(a_small_max_bounds_the_default_min);
	RUN(a_plan_that_copies_may_hold_half_of_max);
	RUN(records_and_external_bytes_count_against_max);
	RUN(a_reserve_is_kept_back_until_it_is_asked_for);
	RUN(the_heap_grows_by_what_lives);
	RUN(memory_that_was_never_held_is_taken_by_what_collections_cost);
	RUN(the_balancer_follows_its_formula);
	RUN(past_the_soft_limit_collections_have_half_of_the_time_at_most);
	RUN(below_the_soft_limit_it_changes_nothing);
	RUN(a_heap_that_only_collects_is_hopeless_until_something_is_let_go);
	RUN(a_heap_far_below_its_max_is_never_hopeless);
	RUN(a_second_try_for_one_allocation_does_not_make_it_hopeless);
	RUN(collections_that_come_too_early_raise_the_limit);
	RUN(foreign_bytes_count_for_the_sizing_alone);
	RUN(what_is_kept_empty_falls_two_collections_late_and_at_once_when_seldom_asked);
	RUN(what_nobody_wanted_in_the_page_heap_for_long_may_go);
	RUN(who_asks_seldom_gets_all_given_back);
	RUN(what_large_objects_leave_of_their_blocks_counts_as_held);
	RUN(random_cycles_keep_the_invariants);
	RUN(the_environment_wins);
	RUN(what_cannot_be_read_is_told_and_ignored);
	RUN(a_max_of_the_environment_cuts_what_the_program_asked_for);
	if (CAN_LIMIT)
		RUN(max_is_a_quarter_of_the_tightest_bound);
	DONE();
}
