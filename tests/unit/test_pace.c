/* test_pace.c - when the young are collected and when all are, and how much is made until then (gc/pace.h): after
 * collections that are made up, each so long, of so many bytes made, of which so many lived. */
#include "gc/managed.h"
#include "os/env.h"
#include "support/child.h"

#include <errno.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define MS  UINT64_C(1000000)

static cairn_gc_heap *h;
static cairn_gc_pace *pace;

static bool begin(unsigned pause_goal_ms)
{
	cairn_gc_config config = { .collector = CAIRN_GC_GENERATIONAL, .max = 1024 * MIB };
	config.pause_goal_ms = pause_goal_ms;
	h = cairn_gc_open(&config);
	if (!h)
		return false;
	pace = &h->young.pace;
	h->sizing.all_limit = 32 * MIB; /* 1 MiB is little room for the young */
	h->mixed.in_vain = CAIRN_GC_MIXED_IN_VAIN;            /* nothing is sparse, but where that is tested */
	return true;
}
static void end(void) { cairn_gc_close(h); }

/* Collections that are made up; each returns what may be made until the next one. */
static size_t after_young(uint64_t pause_ns, uint64_t made, size_t lived, size_t room)
{
	h->young.is_minor = true;
	h->young.lived_bytes = lived;
	return cairn_gc_pace_after(h, pause_ns, made, (cairn_gc_room){ .empty = room });
}
static size_t after_all(uint64_t pause_ns, uint64_t made, size_t lived, size_t room)
{
	h->young.is_minor = false;
	h->young.lived_bytes = lived;
	h->young.made_bytes = lived == SIZE_MAX ? 0 : made; /* not known: as where too little was made to tell */
	return cairn_gc_pace_after(h, pause_ns, made, (cairn_gc_room){ .empty = room });
}

/* One of all that costs 1 ns for each byte of the room it leaves: F / R is 1. */
static size_t after_all_at_1(uint64_t made, size_t lived) { return after_all(100 * MIB, made, lived, 100 * MIB); }
/* One of the young that costs 1 ns for each byte that lived. */
static size_t after_young_at_1(uint64_t made, size_t lived) { return after_young(lived, made, lived, 100 * MIB); }

static void at_first_all_are_collected(void)
{
	REQUIRE(begin(0));
	EXPECT(h->young.wants_all && !pace->pays);
	EXPECT_EQ(after_all_at_1(50 * MIB, SIZE_MAX), 100 * MIB); /* not known how much of it lived */
	EXPECT(h->young.wants_all && !pace->pays);
	EXPECT_EQ(after_all_at_1(0, 0), 100 * MIB); /* nothing was made: nothing is known */
	EXPECT(h->young.wants_all && !pace->pays);
	end();
}

static void the_young_pay_where_little_lives(void)
{
	REQUIRE(begin(0));
	EXPECT_EQ(after_all_at_1(50 * MIB, MIB), 50 * MIB);
	EXPECT(!h->young.wants_all && pace->pays);
	for (unsigned i = 0; i < 20; i++) {
		EXPECT_EQ(after_young_at_1(50 * MIB, MIB), 50 * MIB);
		EXPECT(!h->young.wants_all);
	}
	/* y + r < 1, each: 0.4 and 0.5; and what it costs counts, though as little lives */
	EXPECT_EQ(after_young(20 * MIB, 50 * MIB, 25 * MIB, 100 * MIB), 50 * MIB);
	EXPECT(!h->young.wants_all);
	for (unsigned i = 0; i < 20 && !h->young.wants_all; i++)
		after_young(60 * MIB, 50 * MIB, MIB, 100 * MIB);
	EXPECT(h->young.wants_all);
	end();
}

static void they_cease_to_pay_where_most_lives(void)
{
	REQUIRE(begin(0));
	after_all_at_1(50 * MIB, MIB);
	EXPECT(!h->young.wants_all);
	EXPECT_EQ(after_young_at_1(50 * MIB, 45 * MIB), 100 * MIB);
	EXPECT(h->young.wants_all && !pace->pays);
	EXPECT_EQ(after_all_at_1(100 * MIB, 90 * MIB), 100 * MIB);
	EXPECT(h->young.wants_all);
	end();
}

/* One such collection after many others counts as much as all of them: sums forget by half. */
static void what_was_is_forgotten_by_half(void)
{
	REQUIRE(begin(0));
	after_all_at_1(50 * MIB, MIB);
	for (unsigned i = 0; i < 50; i++)
		after_young_at_1(50 * MIB, 0);
	EXPECT(pace->made < 100.001 * (double)MIB && pace->made > 99.999 * (double)MIB);
	EXPECT_EQ(after_young_at_1(50 * MIB, 45 * MIB), 50 * MIB); /* 0.45 twice: y + r is 0.9 */
	EXPECT_EQ(after_young_at_1(50 * MIB, 45 * MIB), 100 * MIB); /* 0.675 twice */
	EXPECT(h->young.wants_all);
	end();
}

/* By a factor of 2: with 1 ns for each byte copied, and 1 for each byte of room, it is 2r < 1 - r, not r < 1 - r. */
static void they_begin_again_when_one_of_all_shows_that_little_lives(void)
{
	REQUIRE(begin(0));
	after_all_at_1(50 * MIB, MIB);
	after_young_at_1(50 * MIB, 45 * MIB); /* what copying costs is known from here */
	EXPECT(h->young.wants_all);
	EXPECT_EQ(after_all_at_1(100 * MIB, 45 * MIB), 100 * MIB);
	EXPECT_EQ(after_all_at_1(100 * MIB, 34 * MIB), 100 * MIB);
	EXPECT(h->young.wants_all && !pace->pays);
	EXPECT_EQ(after_all_at_1(100 * MIB, 200 * MIB), 100 * MIB); /* more than was made: as if all of it did */
	EXPECT(h->young.wants_all && !pace->pays);
	EXPECT_EQ(after_all_at_1(100 * MIB, 33 * MIB), 100 * MIB); /* they did not pay when that was believed at once */
	EXPECT_EQ(after_all_at_1(100 * MIB, 33 * MIB), 50 * MIB);
	EXPECT(!h->young.wants_all && pace->pays);
	/* what came before is forgotten, and one of the young alone decides: 0.4 twice, not 0.9 */
	EXPECT_EQ(after_young_at_1(50 * MIB, 20 * MIB), 50 * MIB);
	EXPECT(!h->young.wants_all);
	end();
}

/* Where nothing was copied yet it is guessed: 0.5 ns for each byte. r < 1 - r then. */
static void what_copying_costs_is_guessed_until_much_was_copied(void)
{
	REQUIRE(begin(0));
	EXPECT_EQ(after_all_at_1(100 * MIB, 51 * MIB), 100 * MIB);
	EXPECT_EQ(after_all_at_1(100 * MIB, 49 * MIB), 50 * MIB);
	after_young(1000 * MS, 50 * MIB, MIB - 1, 100 * MIB); /* too little lived to tell anything about copying */
	EXPECT(h->young.wants_all);
	EXPECT_EQ(after_all_at_1(100 * MIB, 49 * MIB), 100 * MIB);
	EXPECT_EQ(after_all_at_1(100 * MIB, 49 * MIB), 50 * MIB);
	end();
}

/* How many of all must show that little lives, one after the other, until the young are collected. */
static unsigned until_believed(void)
{
	for (unsigned n = 1; n < 100; n++)
		if (after_all_at_1(100 * MIB, MIB) != 100 * MIB)
			return n;
	return 0;
}

static void what_was_an_accident_is_believed_less_each_time(void)
{
	static const unsigned wanted[] = { 1, 2, 4, 8, 16, 32, 32 };
	REQUIRE(begin(0));
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		EXPECT_EQ(until_believed(), wanted[i]);
		after_young_at_1(50 * MIB, 45 * MIB);
		EXPECT(h->young.wants_all);
		after_all_at_1(100 * MIB, MIB);
		after_all_at_1(100 * MIB, 90 * MIB); /* not one after the other */
		EXPECT(h->young.wants_all);
	}
	until_believed();
	for (unsigned i = 0; i < 4; i++)
		after_young_at_1(50 * MIB, MIB);
	while (!h->young.wants_all)
		after_young_at_1(50 * MIB, 45 * MIB);
	EXPECT_EQ(until_believed(), 2); /* they had paid */
	end();
}

/* A collection of all that costs more, for as much room, is to be made seldom. */
static void the_dearer_it_is_to_collect_all_the_more_may_live(void)
{
	REQUIRE(begin(0));
	after_all_at_1(50 * MIB, MIB);
	EXPECT_EQ(after_young_at_1(50 * MIB, 30 * MIB), 100 * MIB); /* y + r is 1.2, and F / R is 1 */
	end();
	REQUIRE(begin(0));
	after_all(400 * MIB, 50 * MIB, MIB, 100 * MIB); /* y + r * 4 is 3 of 4 */
	EXPECT_EQ(after_young_at_1(50 * MIB, 30 * MIB), 50 * MIB);
	EXPECT(!h->young.wants_all);
	end();
}

/* One of all costs 5 ns for each empty byte, half for each that can be filled; and the young 1, were half to live. */
static void holes_that_mutators_fill_are_room_of_it_too(void)
{
	REQUIRE(begin(0));
	h->young.made_bytes = 20 * MIB;
	h->young.lived_bytes = 10 * MIB;
	EXPECT_EQ(cairn_gc_pace_after(h, 50 * MIB, 20 * MIB, (cairn_gc_room){ 10 * MIB, 90 * MIB }), 10 * MIB);
	EXPECT(h->young.wants_all && !pace->pays);
	cairn_gc_pace_after(h, 50 * MIB, 20 * MIB, (cairn_gc_room){ 10 * MIB, 0 });
	EXPECT(pace->pays);
	end();
}

/* A pause of 20 ms, whatever was made. */
static void a_goal_that_cannot_be_had_does_not_take_all_the_time(void)
{
	REQUIRE(begin(2));
	after_young(20 * MS, MIB, 0, 512 * MIB);
	for (int i = 0; i < 20; i++)
		after_young(20 * MS, pace->goal_bytes, 0, 512 * MIB);
	size_t least = pace->goal_bytes;
	EXPECT(least <= MIB);
	for (int i = 0; i < 20; i++) {
		pace->apart_ns = pace->goal_bytes; /* a ns a byte */
		after_young(20 * MS, pace->goal_bytes, 0, 512 * MIB);
	}
	EXPECT(pace->goal_bytes > 2 * MIB && pace->goal_bytes < 8 * MIB);
	end();
}

static void little_room_makes_the_next_one_of_all(void)
{
	REQUIRE(begin(0));
	after_all_at_1(50 * MIB, MIB);
	EXPECT_EQ(after_young(MS, 10 * MIB, 0, 2 * MIB), MIB);
	EXPECT(!h->young.wants_all);
	EXPECT_EQ(after_young(MS, 10 * MIB, 0, 2 * MIB - 2), 2 * MIB - 2);
	EXPECT(h->young.wants_all && pace->pays);
	EXPECT_EQ(after_young(MS, 10 * MIB, 0, 0), 0);
	EXPECT(h->young.wants_all);
	h->sizing.all_limit = 320 * MIB; /* a large heap: 10 MiB are little */
	EXPECT_EQ(after_young(MS, 10 * MIB, 0, 20 * MIB), 10 * MIB);
	EXPECT(!h->young.wants_all);
	EXPECT_EQ(after_young(MS, 10 * MIB, 0, 20 * MIB - 2), 20 * MIB - 2);
	EXPECT(h->young.wants_all);
	EXPECT_EQ(after_all_at_1(50 * MIB, SIZE_MAX), 50 * MIB); /* they pay still */
	EXPECT(!h->young.wants_all);
	end();
}

static void with_a_pause_goal_it_shrinks_fast_and_grows_slowly(void)
{
	REQUIRE(begin(10));
	EXPECT_EQ(after_all_at_1(100 * MIB, SIZE_MAX), MIB);
	EXPECT(!h->young.wants_all && !pace->pays); /* they need not */
	EXPECT_EQ(after_young(MS, MIB, 0, 100 * MIB), MIB + MIB / 4);
	EXPECT_EQ(after_all_at_1(100 * MIB, SIZE_MAX), MIB + MIB / 4); /* its pause is another matter */
	EXPECT_EQ(after_young(0, MIB, 0, 100 * MIB), MIB + MIB / 4 + (MIB + MIB / 4) / 4);
	for (unsigned i = 0; i < 20; i++)
		after_young(MS, MIB, 0, 100 * MIB);
	size_t before = pace->goal_bytes, now = before;
	for (unsigned i = 0; i < 5; i++) /* twenty times as dear all at once */
		now = after_young(20 * MS, MIB, 0, 100 * MIB);
	EXPECT(now < before / 15);
	EXPECT(!h->young.wants_all);
	end();
}

/* Pauses of 1 ms a MiB, every second one `percent` longer and the others as much shorter. */
static size_t made_by_spread(unsigned percent)
{
	if (!begin(10))
		return 0;
	size_t now = after_all_at_1(100 * MIB, SIZE_MAX);
	for (unsigned i = 0; i < 400; i++)
		now = after_young(now * (i % 2 ? 100 + percent : 100 - percent) / 100 * MS / MIB, now, 0, 100 * MIB);
	end();
	return now;
}

static void the_more_pauses_are_spread_the_less_is_aimed_at(void)
{
	size_t same = made_by_spread(0), some = made_by_spread(20), much = made_by_spread(40);
	EXPECT(same > 9 * MIB + MIB / 2 && same <= 10 * MIB);
	EXPECT(some > 5 * MIB && some < 7 * MIB); /* 10 / 1.6: the longer ones are below the goal */
	EXPECT(much > 3 * MIB && much < 5 * MIB);
}

static void a_pause_that_the_machine_made_long_is_soon_forgotten(void)
{
	REQUIRE(begin(10));
	size_t now = after_all_at_1(100 * MIB, SIZE_MAX);
	for (unsigned i = 0; i < 100; i++)
		now = after_young(now * MS / MIB, now, 0, 100 * MIB);
	size_t before = now;
	now = after_young(500 * MS, now, 0, 100 * MIB);
	EXPECT(now >= before / 3 && now < before * 2 / 3);
	for (unsigned i = 0; i < 32; i++)
		now = after_young(now * MS / MIB, now, 0, 100 * MIB);
	EXPECT(now > before * 3 / 4);
	end();
}

static void and_stays_within_bounds(void)
{
	REQUIRE(begin(10));
	after_all_at_1(100 * MIB, SIZE_MAX);
	for (unsigned i = 0; i < 100; i++)
		EXPECT(after_young(1000 * MS, MIB, 0, 100 * MIB) >= 256 * KIB);
	EXPECT_EQ(pace->goal_bytes, 256 * KIB);
	for (unsigned i = 0; i < 100; i++)
		EXPECT(after_young(0, MIB, 0, 100 * MIB) <= 50 * MIB);
	EXPECT_EQ(after_young(0, MIB, 0, 100 * MIB), 50 * MIB); /* a half of the room, as without one */
	EXPECT_EQ(pace->goal_bytes, 1024 * MIB); /* max */
	EXPECT_EQ(after_young(0, MIB, 0, MIB), MIB); /* and little room makes the next one of all here, too */
	EXPECT(h->young.wants_all);
	h->mixed.in_vain = 0; /* some of which is left for what it leaves to those of the young */
	EXPECT_EQ(after_young(0, MIB, 0, MIB), MIB / 2);
	EXPECT(h->young.wants_all);
	h->mixed.in_vain = CAIRN_GC_MIXED_IN_VAIN;
	for (unsigned i = 0; i < 100; i++)
		after_young(UINT64_MAX, MIB, 0, 100 * MIB);
	EXPECT_EQ(pace->goal_bytes, 256 * KIB);
	end();
}

/* Whatever the figures are. */
static void random_figures_keep_it_within_the_room(void)
{
	uint64_t seed = test_seed();
	for (unsigned goal = 0; goal < 40; goal += 13) {
		REQUIRE(begin(goal));
		for (unsigned i = 0; i < 20000; i++) {
			size_t room = test_random(&seed) % (1024 * MIB) >> test_random(&seed) % 32;
			uint64_t made = test_random(&seed) >> test_random(&seed) % 64;
			size_t lived = test_random(&seed) % 8 ? test_random(&seed) % (made + 1) : SIZE_MAX;
			uint64_t pause_ns = test_random(&seed) >> test_random(&seed) % 64;
			bool is_minor = lived != SIZE_MAX && test_random(&seed) % 4;
			size_t more = is_minor ? after_young(pause_ns, made, lived, room)
					       : after_all(pause_ns, made, lived, room);
			EXPECT(more <= room);
			EXPECT(h->young.wants_all ? more == room : more >= 256 * KIB && more <= room / 2);
			EXPECT(h->young.wants_all || goal || pace->pays);
		}
		end();
	}
}

/* ---- The goal's figure ---- */

static void a_goal_above_ten_seconds_is_refused(void)
{
	cairn_gc_config config = { .collector = CAIRN_GC_GENERATIONAL, .max = 64 * MIB, .pause_goal_ms = 10001 };
	errno = 0;
	EXPECT(!cairn_gc_open(&config));
	EXPECT_EQ(errno, EINVAL);
	config.pause_goal_ms = 10000;
	REQUIRE(h = cairn_gc_open(&config));
	EXPECT_EQ(h->config.pause_goal_ms, 10000);
	end();
}

/* The child's side of what follows; the program asks for 7. */
static int again(const char *wanted)
{
	if (!begin(7))
		return 2;
	return h->config.pause_goal_ms != (unsigned)atoi(wanted);
}

/* This program again, with that in its environment; false: it says otherwise. */
static bool has_goal(char *setting, char *wanted, char *said, size_t room)
{
	char *arguments[] = { "test_pace", wanted, NULL }, *environment[] = { setting, NULL };
	int ends[2], status = -1;
	size_t used = 0;
	if (pipe(ends))
		return false;
	pid_t child = fork();
	if (!child) {
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
	return status == 0;
}

static void the_environment_wins(void)
{
	char said[500];
	if (is_emulated())
		SKIP("an emulator does not execute this program again");
	EXPECT(has_goal("CAIRN_GC_PAUSE_GOAL=25", "25", said, sizeof said) && !*said);
	EXPECT(has_goal("CAIRN_GC_PAUSE_GOAL=10000", "10000", said, sizeof said) && !*said);
	EXPECT(has_goal("CAIRN_GC_PAUSE_GOAL=0", "0", said, sizeof said) && !*said); /* none */
}

static void a_wrong_one_is_told_and_ignored(void)
{
	char said[500], *bad[] = { "CAIRN_GC_PAUSE_GOAL=10001", "CAIRN_GC_PAUSE_GOAL=-1", "CAIRN_GC_PAUSE_GOAL=soon",
		"CAIRN_GC_PAUSE_GOAL=5ms", "CAIRN_GC_PAUSE_GOAL=4294967301" };
	if (is_emulated())
		SKIP("an emulator does not execute this program again");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		EXPECT(has_goal(bad[i], "7", said, sizeof said));
		EXPECT(strstr(said, bad[i]) != NULL);
	}
}

int main(int argc, char **argv)
{
	cairn_env_init(); /* as cairn_gc_open does, where malloc is not ours */
	if (argc > 1)
		return again(argv[1]);
	RUN(at_first_all_are_collected);
	RUN(the_young_pay_where_little_lives);
	RUN(they_cease_to_pay_where_most_lives);
	RUN(what_was_is_forgotten_by_half);
	RUN(they_begin_again_when_one_of_all_shows_that_little_lives);
	RUN(what_copying_costs_is_guessed_until_much_was_copied);
	RUN(what_was_an_accident_is_believed_less_each_time);
	RUN(the_dearer_it_is_to_collect_all_the_more_may_live);
	RUN(holes_that_mutators_fill_are_room_of_it_too);
	RUN(a_goal_that_cannot_be_had_does_not_take_all_the_time);
	RUN(little_room_makes_the_next_one_of_all);
	RUN(with_a_pause_goal_it_shrinks_fast_and_grows_slowly);
	RUN(the_more_pauses_are_spread_the_less_is_aimed_at);
	RUN(a_pause_that_the_machine_made_long_is_soon_forgotten);
	RUN(and_stays_within_bounds);
	RUN(random_figures_keep_it_within_the_room);
	RUN(a_goal_above_ten_seconds_is_refused);
	RUN(the_environment_wins);
	RUN(a_wrong_one_is_told_and_ignored);
	DONE();
}
