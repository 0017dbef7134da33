/* Who gives memory back, and when: malloc/tend.h. Resident sizes are read from the kernel. */
#include "cairn/malloc.h"
#include "malloc/tend.h"
#include "os/sys.h"
#include "page/pageheap.h"
#include "page/purge.h"
#include "support/child.h"
#include "support/tasks.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static unsigned threads_now(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/task");
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void run_alone(void *unused)
{
	(void)unused;
	unsigned threads = threads_now();
	use_and_free();
	EXPECT(cairn_pageheap_dirty_bytes() <= cairn_purge_hysteresis_bytes() + (1 << 20));
	EXPECT(cairn_pageheap_dirty_bytes() < 20 << 20); /* of 80 MB */
	usleep(200000);
	EXPECT_EQ(threads_now(), threads); /* no hidden thread */
}

/* A thread is listed a little longer than join waits for it, with an emulator more so; a sanitizer has one of its own,
 * from the first thread on. */
static unsigned threads_when_settled(void)
{
	unsigned threads = threads_now();
	for (int same = 0; same < 50; usleep(10000)) {
		unsigned now = threads_now();
		same = now == threads ? same + 1 : 0;
		threads = now;
	}
	return threads;
}

static void run_with_threads(void *unused)
{
	pthread_t thread;
	(void)unused;
	EXPECT_EQ(pthread_create(&thread, NULL, allocate_a_little, NULL), 0);
	pthread_join(thread, NULL);
	unsigned threads = threads_when_settled();
	use_and_free();
	size_t dirty = cairn_pageheap_dirty_bytes();
	EXPECT(threads_now() == threads + 1); /* the janitor came ... */
	for (int i = 0; i < 40 && cairn_pageheap_dirty_bytes() > 1 << 20; i++)
		usleep(100000);
	NOTE("dirty: %zu KiB, then %zu KiB", dirty >> 10, cairn_pageheap_dirty_bytes() >> 10);
	EXPECT(cairn_pageheap_dirty_bytes() <= 1 << 20); /* ... gave back without a call being made ... */
	for (int i = 0; i < 30 && threads_now() > threads; i++)
		usleep(100000);
	EXPECT_EQ(threads_now(), threads); /* ... and is gone */
	cairn_pageheap_validate();
	use_and_free(); /* and comes again */
	EXPECT(threads_now() == threads + 1);
}

static void run_trim(void *unused)
{
	(void)unused;
	use_and_free();
	EXPECT(cairn_tend_now(0) > 0);
	EXPECT_EQ(cairn_pageheap_dirty_bytes(), 0);
	EXPECT_EQ(cairn_tend_now(0), 0);
}

static void *wait_long(void *p)
{
	cairn_free(cairn_malloc(100));
	usleep(1000000);
	return p;
}

static void run_without_janitor(void *unused)
{
	pthread_t thread;
	(void)unused;
	EXPECT(cairn_fault_set("clone", 1, EAGAIN));
	EXPECT_EQ(pthread_create(&thread, NULL, wait_long, NULL), 0);
	use_and_free();
	EXPECT(cairn_pageheap_dirty_bytes() <= cairn_purge_hysteresis_bytes() + (1 << 20)); /* free did it */
	pthread_join(thread, NULL);
}

static void where_no_janitor_can_be_had_free_gives_back(void) { in_a_child(run_without_janitor, NULL); }

/* This program again, with CAIRN_JANITOR set before malloc starts. */
static int again_with(const char *janitor)
{
	pid_t child = fork();
	if (!child) {
		char *arguments[] = { "test_tend", "alone", NULL }, *environment[] = { NULL, NULL }, setting[64];
		snprintf(setting, sizeof setting, "CAIRN_JANITOR=%s", janitor);
		environment[0] = setting;
		execve("/proc/self/exe", arguments, environment);
		_exit(99);
	}
	int status = -1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WEXITSTATUS(status);
}

static int janitors_now(void) { return tasks_that(task_is_janitor); }

/* What the second process tells: how many threads named "cairn" it gets by freeing much. */
static int count_janitors_after_freeing(void)
{
	use_and_free();
	for (int i = 0; i < 10 && !janitors_now(); i++)
		usleep(50000); /* it names itself once it runs */
	return janitors_now();
}

static void the_environment_says_whether_there_is_a_janitor(void)
{
	if (is_emulated())
		SKIP("an emulator cannot execute the program again");
	EXPECT_EQ(again_with("1"), 1);
	EXPECT_EQ(again_with("0"), 0);
}

static bool is_privileged_janitor(const char *task) { return task_is_janitor(task) && task_has_capabilities(task); }

static bool is_dumpable(void) { return cairn_sys(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0, 0) == 1; }

/* I1, I2 */
static void run_changing_its_user(void *unused)
{
	pthread_t thread;
	(void)unused;
	EXPECT_EQ(pthread_create(&thread, NULL, allocate_a_little, NULL), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(count_janitors_after_freeing(), 1);
	usleep(10000);
	EXPECT(janitors_now() == 1 && is_dumpable());
	if (!IS_SANITIZED && cairn_sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 0)
		EXPECT_EQ(tasks_that(is_privileged_janitor), 0);
	EXPECT(become_nobody());
	EXPECT(tasks_are_nobodys_within_ms(300));
	use_and_free(); /* the next has the new identity */
	EXPECT(tasks_are_nobodys_within_ms(1));
	for (int i = 0; i < 40 && cairn_pageheap_dirty_bytes() > 1 << 20; i++)
		usleep(100000);
	EXPECT(cairn_pageheap_dirty_bytes() <= 1 << 20);
}

static void no_thread_keeps_the_user_that_the_program_gave_up(void)
{
	if (geteuid() != 0 || is_emulated())
		SKIP("needs root, and no emulator");
	in_a_child(run_changing_its_user, NULL);
}

static void a_process_without_threads_gives_back_as_it_frees(void) { in_a_child(run_alone, NULL); }
static void a_janitor_comes_with_threads_and_goes_when_all_is_done(void) { in_a_child(run_with_threads, NULL); }
static void a_trim_gives_everything_back(void) { in_a_child(run_trim, NULL); }

int main(int count, char **arguments)
{
	(void)arguments;
	if (count > 1)
		return count_janitors_after_freeing();
	RUN(a_process_without_threads_gives_back_as_it_frees);
	RUN(a_janitor_comes_with_threads_and_goes_when_all_is_done);
	RUN(no_thread_keeps_the_user_that_the_program_gave_up);
	RUN(a_trim_gives_everything_back);
	RUN(the_environment_says_whether_there_is_a_janitor);
	if (CAN_REFUSE)
		RUN(where_no_janitor_can_be_had_free_gives_back);
	DONE();
}
