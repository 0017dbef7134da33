/* Who mapped which memory: the table as a reader from outside sees it. Cases cite the invariants of os/mappings.c.
 *
 * A private copy of os/mappings.c is tested, so that what malloc maps meanwhile is not in it; its system calls can be
 * refused. Each function of os/mappings.h is renamed here. */
#define cairn_mappings            private_mappings
#define cairn_mappings_begin      private_mappings_begin
#define cairn_mappings_note       private_mappings_note
#define cairn_mappings_extend     private_mappings_extend
#define cairn_mappings_forget     private_mappings_forget
#define cairn_mappings_fork_child private_mappings_fork_child
#define cairn_mappings_validate   private_mappings_validate
#include "os/sys.h"

#include <errno.h>
#include <sys/syscall.h>

static bool is_refusing;         /* sync: main thread */
static unsigned private_refused; /* sync: likewise */
static long private_sys(long number, long a, long b, long c, long d, long e, long f)
{
	if (is_refusing)
		private_refused++;
	return is_refusing ? -ENOMEM : cairn_sys(number, a, b, c, d, e, f);
}
#define cairn_sys private_sys
#include "os/mappings.c"
#undef cairn_sys
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static size_t page;

/* ---- helpers ---- */

/* As at the start of a process. */
static void begin_without_table(void)
{
	mappings_unmap(cairn_mappings.entries, mappings_bytes(cairn_mappings.capacity));
	memset(&cairn_mappings, 0, sizeof cairn_mappings);
	memset(&mappings_next, 0, sizeof mappings_next);
	mappings_retry = 0;
	mappings_holder = 0;
}

/* A table of its own mapping only. */
static void begin_anew(void)
{
	begin_without_table();
	cairn_mappings_begin();
}

static void note(uintptr_t first_page, size_t pages, uintptr_t by)
{
	cairn_mappings_note((void *)(first_page * page), pages * page, by);
}

/* Whose page it is, as mappings.h tells a reader to find out; 0: nobody's. */
static uintptr_t whose(uintptr_t number)
{
	const cairn_mapping *newest = NULL;
	for (size_t i = 0; i < cairn_mappings.capacity; i++) {
		const cairn_mapping *m = &cairn_mappings.entries[i];
		if (m->sequence && m->start <= number * page && number * page < m->end)
			newest = newest && newest->sequence > m->sequence ? newest : m;
	}
	return newest ? newest->by : 0;
}

/* Entries but for those of the table itself. */
static size_t noted(void)
{
	size_t count = 0;
	for (size_t i = 0; i < cairn_mappings.capacity; i++) {
		const cairn_mapping *m = &cairn_mappings.entries[i];
		count += m->start && m->start < m->end && m->start != (uintptr_t)cairn_mappings.entries;
	}
	return count;
}

/* ---- notes ---- */

static void without_a_table_only_a_note_of_the_programs_makes_one(void) /* E1 */
{
	begin_without_table();
	EXPECT(cairn_mappings_validate());
	note(100, 1, CAIRN_MAPPING_OWN);
	cairn_mappings_forget((void *)(100 * page), page);
	cairn_mappings_extend((void *)(100 * page), page);
	EXPECT_EQ(cairn_mappings.capacity, 0);
	EXPECT_EQ(cairn_mappings.dropped, 2);
	is_refusing = true;
	note(100, 1, 7);
	EXPECT_EQ(cairn_mappings.capacity, 0);
	EXPECT(cairn_mappings_validate());
	is_refusing = false;
	for (int i = 0; i < 20; i++)
		note(100, 1, 7);
	EXPECT_EQ(cairn_mappings.capacity, MAPPINGS_LEAST);
	EXPECT_EQ(whose(100), 7);
	note(200, 1, CAIRN_MAPPING_OWN);
	EXPECT_EQ(whose(200), 1);
	EXPECT(cairn_mappings_validate());
}

static void a_note_is_found_and_rounded_to_whole_pages(void) /* E3 */
{
	begin_anew();
	cairn_mappings_begin(); /* again: nothing happens */
	EXPECT(cairn_mappings_validate());
	EXPECT_EQ(whose((uintptr_t)cairn_mappings.entries / page), CAIRN_MAPPING_OWN);
	cairn_mappings_note((void *)(100 * page), page + 1, 7);
	EXPECT_EQ(whose(99), 0);
	EXPECT_EQ(whose(100), 7);
	EXPECT_EQ(whose(101), 7);
	EXPECT_EQ(whose(102), 0);
	EXPECT_EQ(noted(), 1);
	EXPECT_EQ(cairn_mappings.capacity, MAPPINGS_LEAST);
	cairn_mappings_note(NULL, page, 7);
	cairn_mappings_note((void *)(300 * page), 0, 7);
	EXPECT_EQ(noted(), 1);
	EXPECT(cairn_mappings_validate());
}

static void the_newest_note_wins_where_they_overlap(void) /* E4 */
{
	begin_anew();
	note(100, 10, 7);
	note(105, 10, 8);
	note(103, 3, 9);
	EXPECT_EQ(whose(102), 7);
	EXPECT_EQ(whose(103), 9);
	EXPECT_EQ(whose(105), 9);
	EXPECT_EQ(whose(106), 8);
	EXPECT_EQ(whose(114), 8);
	EXPECT_EQ(noted(), 3);
}

static void a_note_of_the_same_start_replaces_the_older(void) /* E2, E3 */
{
	begin_anew();
	for (unsigned i = 1; i <= 1000; i++)
		note(100, 5, 7 + i);
	EXPECT_EQ(noted(), 1);
	EXPECT_EQ(cairn_mappings.capacity, MAPPINGS_LEAST);
	EXPECT_EQ(whose(100), 1007);
	EXPECT_EQ(cairn_mappings.sequence, 1001);
	EXPECT(cairn_mappings_validate());
}

static void the_beginning_of_a_larger_one_noted_anew_leaves_the_rest(void)
{
	begin_anew();
	note(100, 20, 7);
	note(104, 2, 8);
	note(100, 4, 9); /* what is left begins where a newer one does */
	note(100, 1, 10);
	EXPECT_EQ(whose(100), 10);
	EXPECT_EQ(whose(101), 9);
	EXPECT_EQ(whose(104), 8);
	EXPECT_EQ(whose(106), 7);
	EXPECT_EQ(whose(119), 7);
	EXPECT_EQ(noted(), 4);
	EXPECT(cairn_mappings_validate());
}

/* ---- cairn's own ---- */

static void own_memory_that_is_released_is_forgotten(void)
{
	begin_anew();
	note(100, 10, CAIRN_MAPPING_OWN);
	note(200, 10, 7);
	cairn_mappings_forget((void *)(100 * page), 10 * page);
	cairn_mappings_forget((void *)(200 * page), 10 * page); /* not own */
	cairn_mappings_forget((void *)(300 * page), 10 * page); /* not known */
	EXPECT_EQ(whose(100), 0);
	EXPECT_EQ(whose(200), 7);
	EXPECT_EQ(noted(), 1);
	EXPECT(cairn_mappings_validate());
	note(100, 2, CAIRN_MAPPING_OWN);
	EXPECT_EQ(whose(101), 1);
	EXPECT_EQ(whose(102), 0);
	EXPECT_EQ(noted(), 2);
}

static void a_part_that_is_released_leaves_the_rest(void)
{
	begin_anew();
	note(100, 10, CAIRN_MAPPING_OWN);
	cairn_mappings_forget((void *)(100 * page), 2 * page);
	cairn_mappings_forget((void *)(108 * page), 2 * page);
	cairn_mappings_forget((void *)(104 * page), page);
	for (uintptr_t i = 99; i < 111; i++)
		EXPECT_EQ(whose(i), i >= 102 && i < 108 && i != 104);
	EXPECT_EQ(noted(), 2);
	EXPECT(cairn_mappings_validate());
}

static void what_is_extended_stays_one_entry(void)
{
	begin_anew();
	note(100, 10, CAIRN_MAPPING_OWN);
	note(111, 1, 7); /* of something that is unmapped by now */
	cairn_mappings_extend((void *)(110 * page), 10 * page);
	EXPECT_EQ(noted(), 2);
	EXPECT_EQ(whose(100), 1);
	EXPECT_EQ(whose(111), 1);
	EXPECT_EQ(whose(119), 1);
	EXPECT_EQ(whose(120), 0);
	cairn_mappings_extend((void *)(200 * page), page); /* whose beginning was dropped */
	EXPECT_EQ(whose(200), 1);
	EXPECT(cairn_mappings_validate());
}

/* ---- growth ---- */

static void a_full_table_grows_and_keeps_all(void) /* E1, E2, E3 */
{
	begin_anew();
	uint32_t d = 1;
	for (uintptr_t i = 0; i < 30000; i++) {
		note(1000 + 3 * i, 2, 100 + i);
		EXPECT(i % 997 || cairn_mappings_validate());
		d = d * 1664525 + 1013904223;
		uintptr_t any = d % (i + 1);
		if (i % 97 == 0)
			EXPECT_EQ(whose(1000 + 3 * any), 100 + any);
	}
	EXPECT_EQ(cairn_mappings.capacity, MAPPINGS_MOST);
	EXPECT_EQ(cairn_mappings.dropped, 0);
	EXPECT_EQ(noted(), 30000);
	EXPECT_EQ(whose((uintptr_t)cairn_mappings.entries / page), CAIRN_MAPPING_OWN);
	EXPECT(cairn_mappings_validate());
}

static void what_is_covered_by_newer_ones_does_not_make_it_grow(void)
{
	begin_anew();
	for (unsigned round = 0; round < 3000; round++)
		for (unsigned i = 0; i < 20; i++) /* at other places each time, under each other */
			note(1000 + (round * 7 + i * 50) % 1000, 50, 10 + i);
	EXPECT(cairn_mappings.capacity <= 512);
	EXPECT_EQ(cairn_mappings.dropped, 0);
	EXPECT(cairn_mappings_validate());
}

/* As the kernel gives them: each below the one before. */
static void neighbours_of_one_caller_become_one(void) /* E1, E3 */
{
	enum { N = 300000, BASE = 1000000 };
	begin_anew();
	for (unsigned i = 1; i <= N; i++) {
		note(BASE - 2 * i, 2, 7);
		if (i == N / 2)
			note(BASE - 2 * 100, 1, 8); /* newer than what it lies in, older than most */
		if (i % 1000 == 0)
			note(3 * BASE + i, 1, 9);
	}
	EXPECT(cairn_mappings.capacity <= 2048);
	EXPECT_EQ(cairn_mappings.dropped, 0);
	for (unsigned i = 1; i <= 2 * N; i += i < 300 ? 1 : 101)
		EXPECT_EQ(whose(BASE - i), i == 2 * 100 ? 8 : 7);
	EXPECT_EQ(whose(BASE), 0);
	EXPECT_EQ(whose(BASE - 2 * N - 1), 0);
	EXPECT_EQ(whose(3 * BASE + 1000), 9);
	EXPECT(cairn_mappings_validate());
}

/* Every page of a small place is whose it was by a plain model, however often the table was made anew. */
static void compare_with_a_model(uintptr_t callers)
{
	enum { PAGES = 2000 };
	static uintptr_t model[PAGES];
	begin_anew();
	memset(model, 0, sizeof model);
	uint32_t d = (uint32_t)test_setting("CAIRN_SEED", 5);
	for (uintptr_t i = 0; i < 30000; i++) {
		d = d * 1664525 + 1013904223;
		size_t from = (d >> 8) % (PAGES - 64), pages = 1 + (d >> 20) % 64;
		note(1000 + from, pages, 10 + i % callers);
		for (size_t k = 0; k < pages; k++)
			model[from + k] = 10 + i % callers;
		for (size_t k = 0; i % 1000 == 999 && k < PAGES; k++)
			EXPECT_EQ(whose(1000 + k), model[k]);
	}
	EXPECT(cairn_mappings.capacity <= 4096);
	EXPECT(cairn_mappings_validate());
}

static void making_it_anew_changes_nothing_that_is_seen(void)
{
	compare_with_a_model(30000);
	compare_with_a_model(3); /* neighbours are of one caller now and then */
	compare_with_a_model(2);
}

static void a_table_that_may_not_grow_drops_and_counts(void)
{
	begin_anew();
	is_refusing = true;
	private_refused = 0;
	for (uintptr_t i = 0; i < 200; i++)
		note(1000 + 2 * i, 1, 7);
	EXPECT_EQ(noted(), 95);
	EXPECT_EQ(cairn_mappings.dropped, 105);
	EXPECT(private_refused >= 2 && private_refused <= 7); /* not at each */
	note(1000, 1, 8);
	EXPECT_EQ(whose(1000), 8);
	is_refusing = false;
	for (uintptr_t i = 200; i < 220; i++)
		note(1000 + 2 * i, 1, 7);
	EXPECT_EQ(cairn_mappings.capacity, 512);
	EXPECT_EQ(whose(1000 + 2 * 219), 7);
	EXPECT(cairn_mappings_validate());
}

static void the_largest_table_is_full_some_time(void)
{
	begin_anew();
	for (uintptr_t i = 0; i < 60000; i++)
		note(1000 + 2 * i, 1, 7);
	EXPECT_EQ(cairn_mappings.capacity, MAPPINGS_MOST);
	EXPECT_EQ(cairn_mappings.count, MAPPINGS_MOST / 4 * 3);
	EXPECT_EQ(cairn_mappings.dropped + noted(), 60000);
	EXPECT(cairn_mappings_validate());
	note(1000, 200000, 8); /* over all: but there is no room for a note of a new start, this one is not */
	EXPECT_EQ(whose(1000 + 2 * 100), 8);
	for (uintptr_t i = 0; i < 20000; i++)
		note(500000 + 2 * i, 1, 9);
	EXPECT_EQ(whose(500000 + 2 * 19999), 9);
	EXPECT(cairn_mappings_validate());
}

/* ---- who holds the table ---- */

static void a_note_is_dropped_while_another_has_the_table(void)
{
	begin_anew();
	note(100, 1, 7);
	mappings_holder = 1; /* nobody's thread pointer */
	note(200, 1, 7);
	cairn_mappings_forget((void *)(100 * page), page);
	cairn_mappings_extend((void *)(100 * page), page);
	EXPECT_EQ(cairn_mappings.dropped, 3);
	mappings_holder = mappings_me(); /* a handler that struck in here */
	note(200, 1, 7);
	EXPECT_EQ(cairn_mappings.dropped, 4);
	mappings_holder = 0;
	EXPECT_EQ(noted(), 1);
	EXPECT(cairn_mappings_validate());
}

static void errno_is_left_alone(void)
{
	begin_anew();
	is_refusing = true;
	errno = EXDEV;
	for (uintptr_t i = 0; i < 100; i++)
		note(1000 + 2 * i, 1, 7);
	EXPECT_EQ(errno, EXDEV);
	is_refusing = false;
}

enum { THREADS = 4, NOTES = 20000 };

static void *note_many(void *arg)
{
	for (uintptr_t i = 0; i < NOTES; i++)
		note(1000000 * (uintptr_t)arg + 2 * (i % 500), 1, (uintptr_t)arg);
	return NULL;
}

static void threads_note_at_once_and_the_table_stays_sound(void) /* E2, E3, E4 */
{
	pthread_t threads[THREADS];
	begin_anew();
	for (uintptr_t i = 0; i < THREADS; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, note_many, (void *)(i + 2)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(cairn_mappings_validate());
	EXPECT(noted() <= THREADS * 500);
	EXPECT(noted() + cairn_mappings.dropped >= THREADS * 500);
	test_print("# %llu of %d notes dropped\n", (unsigned long long)cairn_mappings.dropped, THREADS * NOTES);
}

static volatile uintptr_t handler_notes;

static void on_alarm(int number)
{
	(void)number;
	uintptr_t i = handler_notes++;
	note(5000000 + 2 * (i % 100), 1, 3);
}

static void a_handler_may_note_while_its_thread_does(void)
{
	begin_anew();
	struct sigaction action = { .sa_handler = on_alarm }, before;
	sigaction(SIGUSR1, &action, &before);
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
#ifdef __SANITIZE_THREAD__ /* there a signal takes longer than that */
	struct itimerspec every = { { 0, 200000 }, { 0, 200000 } };
#else
	struct itimerspec every = { { 0, 20000 }, { 0, 20000 } };
#endif
	EXPECT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	timer_settime(timer, 0, &every, NULL);
	for (int i = 0; i < 20; i++)
		note_many((void *)2);
	timer_delete(timer);
	sigaction(SIGUSR1, &before, NULL);
	EXPECT(cairn_mappings_validate());
	EXPECT(handler_notes > 100);
	EXPECT_EQ(noted() + cairn_mappings.dropped >= 600, 1);
	EXPECT(mappings_holder == 0);
}

/* ---- fork ---- */

/* As if another thread had been stopped by the fork at the worst moment. */
static void the_child_mends_what_was_half_written(void)
{
	begin_anew();
	for (uintptr_t i = 0; i < 40; i++)
		note(1000 + 2 * i, 1, 7);
	cairn_mapping *m = mapping_place(cairn_mappings.entries, cairn_mappings.capacity, 1000 * page);
	m->sequence = 0;
	m = mapping_place(cairn_mappings.entries, cairn_mappings.capacity, 5000 * page);
	m->start = 5000 * page; /* and no count yet */
	mappings_holder = 1;
	cairn_mappings_fork_child();
	EXPECT_EQ(mappings_holder, 0);
	EXPECT(cairn_mappings_validate());
	EXPECT_EQ(whose(1000), 0);
	EXPECT_EQ(whose(1002), 7);
	EXPECT_EQ(cairn_mappings.count, 42);
	EXPECT_EQ(cairn_mappings.dropped, 1);
}

static void the_child_mends_a_table_that_was_being_replaced(void)
{
	begin_anew();
	for (uintptr_t i = 0; i < 120; i++)
		note(1000 + 2 * i, 1, 7);
	EXPECT_EQ(cairn_mappings.capacity, 512);
	cairn_mappings.capacity = 128; /* its entries are published, and no more */
	cairn_mappings.count = 96;
	mappings_holder = 1;
	cairn_mappings_fork_child();
	EXPECT(cairn_mappings_validate());
	EXPECT_EQ(noted(), 120);
}

static void what_the_forking_thread_holds_stays_its_own(void)
{
	begin_anew();
	note(100, 1, 7);
	mappings_holder = mappings_me();
	cairn_mappings_fork_child();
	EXPECT_EQ(mappings_holder, mappings_me());
	mappings_holder = 0;
	cairn_mappings_fork_child();
	EXPECT_EQ(cairn_mappings.dropped, 0);
}

static int stop; /* sync: atomic */

static void *note_until_stopped(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		note_many(arg);
	return NULL;
}

static int child_notes(void)
{
	cairn_mappings_fork_child();
	for (uintptr_t i = 0; i < 100; i++)
		note(9000000 + 2 * i, 1, 5);
	return cairn_mappings_validate() && whose(9000000 + 2 * 99) == 5 && !mappings_holder ? 0 : 1;
}

static void a_child_of_fork_goes_on_while_other_threads_note(void)
{
	pthread_t threads[2];
	begin_anew();
	stop = 0;
	for (uintptr_t i = 0; i < 2; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, note_until_stopped, (void *)(i + 2)), 0);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(child_notes());
		int status = 1;
		EXPECT(waitpid(pid, &status, 0) == pid);
		EXPECT_EQ(status, 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT(cairn_mappings_validate());
}

/* ---- the invariants themselves ---- */

static void each_breach_is_seen(void) /* E1 to E4 */
{
	begin_anew();
	note(100, 1, 7);
	note(102, 1, 7);
	cairn_mapping *m = mapping_place(cairn_mappings.entries, cairn_mappings.capacity, 100 * page), kept = *m;
	cairn_mappings.capacity = 96; /* E1 */
	EXPECT(!cairn_mappings_validate());
	cairn_mappings.capacity = 128;
	*m = (cairn_mapping){ 0 }; /* E2 */
	cairn_mapping *wrong = cairn_mappings.entries;
	while (wrong->start || wrong == m || wrong == m + 1)
		wrong++;
	*wrong = kept;
	EXPECT(!cairn_mappings_validate());
	*wrong = (cairn_mapping){ 0 };
	*m = kept;
	EXPECT(cairn_mappings_validate());
	cairn_mappings.count++; /* E3 */
	EXPECT(!cairn_mappings_validate());
	cairn_mappings.count--;
	m->end = m->start - page; /* E4 */
	EXPECT(!cairn_mappings_validate());
	*m = kept;
	m->sequence = cairn_mappings.sequence + 1;
	EXPECT(!cairn_mappings_validate());
	m->sequence = 0;
	EXPECT(!cairn_mappings_validate());
	*m = kept;
	EXPECT(cairn_mappings_validate());
}

int main(void)
{
	page = cairn_vm_page_bytes();
	RUN(without_a_table_only_a_note_of_the_programs_makes_one);
	RUN(a_note_is_found_and_rounded_to_whole_pages);
	RUN(the_newest_note_wins_where_they_overlap);
	RUN(a_note_of_the_same_start_replaces_the_older);
	RUN(the_beginning_of_a_larger_one_noted_anew_leaves_the_rest);
	RUN(own_memory_that_is_released_is_forgotten);
	RUN(a_part_that_is_released_leaves_the_rest);
	RUN(what_is_extended_stays_one_entry);
	RUN(a_full_table_grows_and_keeps_all);
	RUN(what_is_covered_by_newer_ones_does_not_make_it_grow);
	RUN(neighbours_of_one_caller_become_one);
	RUN(making_it_anew_changes_nothing_that_is_seen);
	RUN(a_table_that_may_not_grow_drops_and_counts);
	RUN(the_largest_table_is_full_some_time);
	RUN(a_note_is_dropped_while_another_has_the_table);
	RUN(errno_is_left_alone);
	RUN(threads_note_at_once_and_the_table_stays_sound);
	RUN(a_handler_may_note_while_its_thread_does);
	RUN(the_child_mends_what_was_half_written);
	RUN(the_child_mends_a_table_that_was_being_replaced);
	RUN(what_the_forking_thread_holds_stays_its_own);
	RUN(a_child_of_fork_goes_on_while_other_threads_note);
	RUN(each_breach_is_seen);
	DONE();
}
