/* A helper that cannot ask whether the program is still privileged: os/identity.h where a filter is possible, for this
 * program imports prctl. The other case is in test_tend.c. */
#include "cairn/malloc.h"
#include "os/identity.h"
#include "page/pageheap.h"
#include "support/child.h"
#include "support/tasks.h"

#include <pthread.h>
#include <sys/prctl.h>

static void make_a_thread(void)
{
	pthread_t thread;
	EXPECT_EQ(pthread_create(&thread, NULL, allocate_a_little, NULL), 0);
	pthread_join(thread, NULL);
}

static void run_change(void *unused)
{
	(void)unused;
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	make_a_thread();
	use_and_free();
	EXPECT(become_nobody());
	EXPECT(tasks_are_nobodys_within_ms(1500));
}

static void run_rest(void *unused)
{
	(void)unused;
	make_a_thread();
	use_and_free();
	for (int i = 0; i < 40 && cairn_pageheap_dirty_bytes() > 1 << 20; i++)
		usleep(100000);
	EXPECT(cairn_pageheap_dirty_bytes() <= 1 << 20);
	use_and_free(); /* and once more */
	for (int i = 0; i < 40 && cairn_pageheap_dirty_bytes() > 1 << 20; i++)
		usleep(100000);
	EXPECT(cairn_pageheap_dirty_bytes() <= 1 << 20);
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
}

static void a_helper_that_may_not_ask_does_not_outlive_the_user(void)
{
	if (geteuid() != 0 || is_emulated())
		SKIP("needs root, and no emulator");
	in_a_child(run_change, NULL);
}

static void memory_comes_back_where_the_helper_may_not_ask(void) { in_a_child(run_rest, NULL); }

int main(void)
{
	RUN(a_helper_that_may_not_ask_does_not_outlive_the_user);
	RUN(memory_comes_back_where_the_helper_may_not_ask);
	DONE();
}
