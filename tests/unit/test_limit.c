/* Soft and hard limits, the word from outside, and what a pool's thread gives back: malloc/limit.h, malloc/tend.h. Each
 * case has a process of its own; cgroups are files made here. */
#include "cairn/malloc.h"
#include "malloc/cache.h"
#include "malloc/limit.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/vm.h"
#include "page/purge.h"
#include "support/child.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define MIB ((size_t)1 << 20)

static unsigned calls;
static cairn_limit_state last;
static void *given_up; /* what the program can do without, when it is asked */

static void note_call(const cairn_limit_state *state, void *arg)
{
	void *p[100];
	calls++;
	last = *state;
	for (size_t i = 0; i < 100; i++) /* it may allocate, also when more must be opened for it */
		p[i] = memset(cairn_malloc(40 * i + 20000), 1, 40 * i + 20000);
	for (size_t i = 0; i < 100; i++)
		cairn_free(p[i]);
	if (arg) {
		cairn_free(given_up);
		given_up = NULL;
	}
}

static void *touched(size_t bytes)
{
	void *p = cairn_malloc(bytes);
	return p ? memset(p, 1, bytes) : NULL;
}

static void run_hard(void *unused)
{
	(void)unused;
	static char *p[2000];
	size_t n = 0;
	EXPECT(cairn_limit_set(SIZE_MAX, 64 * MIB));
	cairn_limit_validate();
	char *large = touched(20 * MIB);
	errno = 0;
	while (n < 2000 && (p[n] = touched(60000)))
		n++;
	EXPECT(n > 600 && n < 800); /* 44 MiB of 60,000, in spans of 64 KiB */
	EXPECT_EQ(errno, ENOMEM);
	EXPECT(cairn_pageheap_used_bytes() <= 64 * MIB);
	cairn_limit_validate(); /* L1 */
	EXPECT(!cairn_realloc(large, 40 * MIB));
	EXPECT(large[20 * MIB - 1] == 1); /* nothing has changed */
	for (int i = 0; i < 8; i++)
		cairn_free(p[--n]);
	cairn_heap *h = cairn_heap_create();
	EXPECT(h && !cairn_heap_alloc(h, 10 * MIB) && cairn_heap_alloc(h, 100));
	EXPECT(!cairn_malloc(65 * MIB));
	for (size_t i = 0; i < n; i++)
		cairn_free(p[i]);
	EXPECT((p[0] = cairn_realloc(large, 40 * MIB)) != NULL);
	EXPECT(cairn_heap_alloc(h, 10 * MIB));
	EXPECT(cairn_limit_set(SIZE_MAX, 0));
	EXPECT(cairn_malloc(65 * MIB));
}

static void past_the_hard_limit_there_is_enomem_until_something_is_freed(void) { in_a_child(run_hard, NULL); }

static void run_small_hard(void *unused)
{
	(void)unused;
	size_t n = 0;
	EXPECT(cairn_limit_set(SIZE_MAX, 32 * MIB));
	while (n < 2000000 && cairn_malloc(100))
		n++;
	EXPECT(n > 240000 && n < 32 * MIB / 112); /* all but the rest of the last slab */
}

static void small_blocks_fill_the_hard_limit(void) { in_a_child(run_small_hard, NULL); }

static void run_soft(void *unused)
{
	(void)unused;
	size_t rss = cairn_vm_rss_bytes();
	EXPECT(cairn_limit_on_near(note_call, NULL));
	EXPECT(cairn_limit_set(rss + 60 * MIB, 0));
	for (int i = 0; i < 40; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, 0);
	for (int i = 0; i < 40; i++)
		EXPECT(touched(MIB));
	EXPECT(calls > 0); /* 80 MiB live, and served all the same */
	EXPECT_EQ(last.soft_bytes, rss + 60 * MIB);
	EXPECT(last.is_near && last.room_bytes < 4 * MIB);
	EXPECT(cairn_purge_is_eager());
	EXPECT(calls < 40); /* not for every block */
	EXPECT(cairn_limit_off_near(note_call, NULL));
	EXPECT(!cairn_limit_off_near(note_call, NULL));
	calls = 0;
	for (int i = 0; i < 40; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, 0);
}

static void near_the_soft_limit_callbacks_run_and_may_allocate(void) { in_a_child(run_soft, NULL); }

static void run_purgeable(void *unused)
{
	(void)unused;
	static char *p[200000];
	size_t rss = cairn_vm_rss_bytes();
	EXPECT(cairn_limit_on_near(note_call, NULL));
	EXPECT(cairn_limit_set(rss + 80 * MIB, 0));
	for (int i = 0; i < 200000; i++)
		EXPECT((p[i] = touched(300)));
	cairn_purge_set_floor(100 * MIB); /* nothing goes back by itself */
	for (int i = 0; i < 200000; i++)
		if (i % 200)
			cairn_free(p[i]);
	EXPECT(cairn_vm_rss_bytes() > rss + 50 * MIB);
	for (int i = 0; i < 50; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, 0); /* what is free went first, and was enough */
	EXPECT(cairn_vm_rss_bytes() < rss + 82 * MIB);
}

static void what_is_free_goes_before_a_callback_is_called(void) { in_a_child(run_purgeable, NULL); }

static void run_given_up(void *unused)
{
	(void)unused;
	size_t rss = cairn_vm_rss_bytes();
	EXPECT(cairn_limit_on_near(note_call, &calls));
	EXPECT(cairn_limit_set(rss + 80 * MIB, 0));
	given_up = touched(50 * MIB);
	for (int i = 0; i < 60; i++)
		EXPECT(touched(MIB));
	EXPECT(!given_up);
	EXPECT(cairn_vm_rss_bytes() < rss + 84 * MIB);
	EXPECT(calls < 3);
}

static void what_a_callback_frees_makes_room(void) { in_a_child(run_given_up, NULL); }

static _Atomic bool is_called, may_return;

static void wait_in_callback(const cairn_limit_state *state, void *arg)
{
	(void)state, (void)arg;
	for (is_called = true; !may_return;)
		sched_yield();
}

static void *grow_past_the_limit(void *unused)
{
	(void)unused;
	while (!is_called)
		EXPECT(touched(MIB));
	return NULL;
}

static void run_forked(void *unused)
{
	(void)unused;
	EXPECT(cairn_limit_off_near(wait_in_callback, NULL));
	EXPECT(cairn_limit_on_near(note_call, NULL));
	for (int i = 0; i < 40; i++)
		EXPECT(touched(MIB));
	EXPECT(calls > 0);
}

static void run_fork_amid_relief(void *unused)
{
	pthread_t other;
	(void)unused;
	EXPECT(cairn_limit_on_near(wait_in_callback, NULL));
	EXPECT(cairn_limit_set(cairn_vm_rss_bytes() + 60 * MIB, 0));
	pthread_create(&other, NULL, grow_past_the_limit, NULL);
	while (!is_called)
		sched_yield();
	in_a_child(run_forked, NULL);
	may_return = true;
	pthread_join(other, NULL);
}

static void a_child_forked_while_another_thread_makes_room_has_its_limit(void)
{
	in_a_child(run_fork_amid_relief, NULL);
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(3);
	close(fd);
}

static void cgroup_begin(char *folder, const char *used, const char *pressure)
{
	strcpy(folder, "/tmp/test_limit.XXXXXX");
	if (!mkdtemp(folder))
		_exit(3);
	put(folder, "memory.max", "104857600\n");
	put(folder, "memory.current", used);
	put(folder, "memory.stat", "active_file 1000000\ninactive_file 2000000\n");
	put(folder, "memory.pressure", pressure);
	cairn_cgroup_root_inject(folder);
}

static void cgroup_end(const char *folder)
{
	static const char *const names[] = { "memory.max", "memory.current", "memory.stat", "memory.pressure" };
	char path[200];
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void run_full_cgroup(void *unused)
{
	char folder[64];
	cairn_limit_state state;
	(void)unused;
	cgroup_begin(folder, "96000000\n", "some avg10=0.00 total=0\n");
	cairn_limit_on_near(note_call, NULL);
	cairn_limit_may_read(true);
	for (int i = 0; i < 6; i++)
		EXPECT(touched(MIB));
	cairn_limit_get(&state);
	EXPECT(calls == 0 && state.tightest_bytes == 0); /* not looked yet: a small program opens no file */
	for (int i = 0; i < 4; i++)
		EXPECT(touched(MIB));
	cairn_limit_get(&state);
	EXPECT_EQ(state.tightest_bytes, 104857600);
	EXPECT_EQ(state.soft_bytes, 94371840); /* of which 93,000,000 cannot be dropped by the kernel */
	EXPECT(calls > 0 && calls < 3);
	unsigned called = calls;
	put(folder, "memory.current", "30000000\n");
	for (int i = 0; i < 20; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, called);
	cgroup_end(folder);
}

static void a_cgroup_that_others_have_filled_is_near(void) { in_a_child(run_full_cgroup, NULL); }

static void run_pressed(void *pressure)
{
	char folder[64];
	cgroup_begin(folder, "5000000\n", pressure);
	cairn_limit_may_read(true);
	cairn_limit_on_near(note_call, NULL);
	for (int i = 0; i < 12; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, 0);
	EXPECT_EQ(cairn_purge_is_eager(), ((const char *)pressure)[11] == '5');
	cgroup_end(folder);
}

static void pressure_turns_purging_eager_and_calls_nobody(void)
{
	static char high[] = "some avg10=55.00 avg60=0.00 total=5\n", low[] = "some avg10=0.90 avg60=0.00 total=5\n";
	in_a_child(run_pressed, high);
	in_a_child(run_pressed, low);
}

static void run_unread(void *unused)
{
	char folder[64];
	(void)unused;
	cgroup_begin(folder, "5000000\n", "some avg10=0.00 total=0\n");
	cairn_limit_on_near(note_call, NULL);
	cairn_limit_may_read(false); /* read once, now */
	cgroup_end(folder);
	for (int i = 0; i < 80; i++)
		EXPECT(touched(MIB));
	EXPECT_EQ(calls, 0);
	for (int i = 0; i < 30; i++)
		EXPECT(touched(MIB));
	EXPECT(calls > 0);
}

static void where_files_may_be_read_at_start_only_the_heap_is_counted_from_there(void) { in_a_child(run_unread, NULL); }

static void run_settings(void *unused)
{
	cairn_limit_state state;
	(void)unused;
	EXPECT(!cairn_limit_set(10 * MIB, 9 * MIB));
	EXPECT_EQ(errno, EINVAL);
	EXPECT(cairn_limit_set(9 * MIB, 10 * MIB));
	cairn_limit_get(&state);
	EXPECT_EQ(state.soft_bytes, 9 * MIB);
	EXPECT_EQ(state.hard_bytes, 10 * MIB);
	for (size_t i = 0; i < 8; i++)
		EXPECT(cairn_limit_on_near(note_call, (void *)(i + 1)));
	EXPECT(!cairn_limit_on_near(note_call, (void *)9));
	EXPECT(!cairn_limit_off_near(note_call, (void *)9));
	EXPECT(cairn_limit_off_near(note_call, (void *)3));
	EXPECT(cairn_limit_on_near(note_call, (void *)9));
	EXPECT(!cairn_limit_on_near(NULL, NULL));
}

static void settings_that_contradict_each_other_are_refused(void) { in_a_child(run_settings, NULL); }

static void *allocate_and_wait(void *arg)
{
	pthread_barrier_t *b = arg;
	cairn_cache *c = NULL;
	for (size_t i = 0; i < 100; i++)
		cairn_free(cairn_malloc(48));
	c = cairn_thread_self.own;
	EXPECT(cairn_cache_fill(c, cairn_class_of(48)) > 0);
	pthread_barrier_wait(b);
	pthread_barrier_wait(b);
	cairn_free(cairn_malloc(100000)); /* slow */
	EXPECT_EQ(cairn_cache_fill(c, cairn_class_of(48)), 0);
	return NULL;
}

static void run_request(void *unused)
{
	pthread_barrier_t b;
	pthread_t thread;
	(void)unused;
	pthread_barrier_init(&b, NULL, 2);
	EXPECT_EQ(pthread_create(&thread, NULL, allocate_and_wait, &b), 0);
	pthread_barrier_wait(&b);
	cairn_purge_set_floor(64 * MIB);
	cairn_free(touched(20 * MIB));
	EXPECT(cairn_pageheap_dirty_bytes() > 10 * MIB);
	atomic_store(&cairn_purge_request, atomic_load(&cairn_purge_request) + 1); /* as from outside */
	cairn_free(touched(100000));
	EXPECT_EQ(atomic_load(&cairn_purge_served), atomic_load(&cairn_purge_request));
	EXPECT(cairn_pageheap_dirty_bytes() < MIB);
	pthread_barrier_wait(&b);
	pthread_join(thread, NULL);
}

static void a_word_from_outside_empties_every_cache(void) { in_a_child(run_request, NULL); }

static void run_idle(void *unused)
{
	void *p[500];
	(void)unused;
	cairn_idle(); /* with no cache yet: nothing */
	for (size_t i = 0; i < 500; i++)
		p[i] = touched(16 + i * 20);
	for (size_t i = 0; i < 500; i++)
		cairn_free(p[i]);
	cairn_cache *c = cairn_thread_self.own;
	size_t held = 0;
	for (unsigned k = 1; k < CAIRN_CLASS_COUNT; k++)
		held += cairn_cache_fill(c, k);
	EXPECT(held > 50);
	size_t used = cairn_pageheap_used_bytes();
	errno = 77;
	cairn_idle();
	EXPECT_EQ(errno, 77);
	for (unsigned k = 1; k < CAIRN_CLASS_COUNT; k++)
		EXPECT_EQ(cairn_cache_fill(c, k), 0);
	EXPECT(cairn_pageheap_used_bytes() < used);
	cairn_free(touched(100));
	cairn_free(touched(20 * MIB));
	cairn_purge_set_floor(0);
	cairn_purge();
	EXPECT(cairn_pageheap_dirty_bytes() < MIB);
}

static void an_idle_thread_gives_its_caches_back(void) { in_a_child(run_idle, NULL); }

static void run_floor(void *unused)
{
	(void)unused;
	size_t rss = cairn_vm_rss_bytes(), used = cairn_pageheap_used_bytes();
	cairn_purge_set_floor(32 * MIB);
	EXPECT(cairn_pageheap_prewarm(32 * MIB >> CAIRN_GRANULE_SHIFT));
	EXPECT(cairn_vm_rss_bytes() > rss + 31 * MIB);
	EXPECT_EQ(cairn_pageheap_used_bytes(), used);
	EXPECT(cairn_pageheap_highest_used_bytes() < 32 * MIB);
	cairn_pageheap_validate();
	void *p[20];
	for (int i = 0; i < 20; i++)
		p[i] = touched(MIB); /* out of it */
	EXPECT(IS_SANITIZED || cairn_vm_rss_bytes() < rss + 36 * MIB);
	for (int i = 0; i < 20; i++)
		cairn_free(p[i]);
	for (int i = 0; i < 3; i++) {
		cairn_purge_learn(cairn_clock_coarse_ns() + (uint64_t)i * 2000000000);
		cairn_purge_self(0);
	}
	EXPECT(cairn_pageheap_dirty_bytes() >= 11 * MIB); /* what was never in use stays */
	cairn_purge_validate();
	EXPECT(cairn_purge() >= 11 * MIB);
	EXPECT_EQ(cairn_purge_floor_bytes(), 0);
}

static void prewarmed_memory_stays_until_used_or_purged(void) { in_a_child(run_floor, NULL); }

/* ---- settings: this program again, with one in its environment */

/* How many mappings have the flag, as the kernel lists it in smaps. */
static unsigned mappings_with(const char *flag)
{
	static char text[400000];
	size_t got = 0;
	unsigned n = 0;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	ssize_t more = fd < 0 ? 0 : 1;
	while (more > 0 && got < sizeof text - 1) {
		more = read(fd, text + got, sizeof text - 1 - got);
		got += more > 0 ? (size_t)more : 0;
	}
	close(fd);
	text[got] = 0;
	for (char *line = text; (line = strstr(line, "VmFlags:")); line++) {
		char *end = strchr(line, '\n'), *at = strstr(line, flag);
		n += at && at < end;
	}
	return n;
}

/* What the child is to find; 0: it does. */
static int as_child(const char *mode)
{
	size_t rss = cairn_vm_rss_bytes();
	cairn_limit_state state;
	if (!strcmp(mode, "warm"))
		return !(rss > 48 * MIB && touched(30 * MIB) && cairn_vm_rss_bytes() < rss + 4 * MIB);
	if (!strcmp(mode, "cold"))
		return rss > 30 * MIB;
	if (!strcmp(mode, "some"))
		return !(rss > 48 * MIB && rss < 80 * MIB);
	if (!strcmp(mode, "eager"))
		return !(touched(100) && mappings_with(" hg") > 0);
	for (int i = 0; i < 1500; i++)
		if (!touched(60000))
			return 1;
	if (!strcmp(mode, "never"))
		return mappings_with(" hg") > 0;
	cairn_limit_get(&state);
	if (!strcmp(mode, "bytes"))
		return !(state.soft_bytes == 50 * MIB && state.is_near);
	if (!strcmp(mode, "none"))
		return !(state.soft_bytes == 0 && !state.is_near);
	return 2;
}

static const char *again_root = "/nonexistent"; /* where the child reads files of the kernel */

/* The child's exit status; *said: what it wrote to stderr. */
static int run_again(const char *mode, char *setting, char said[300])
{
	char full[100], root_set[100];
	char *environment[] = { setting, full, root_set, NULL }, *arguments[] = { "test_limit", NULL };
	int ends[2], status = -1;
	snprintf(full, sizeof full, "TEST_LIMIT=%s", mode);
	snprintf(root_set, sizeof root_set, "CAIRN_CGROUP_ROOT=%s", again_root);
	if (pipe(ends))
		return -1;
	pid_t child = fork();
	if (!child) {
		dup2(ends[1], 2);
		execve("/proc/self/exe", arguments, environment);
		_exit(9);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], said, 299);
	said[n > 0 ? n : 0] = 0;
	close(ends[0]);
	waitpid(child, &status, 0);
	return status;
}

static void settings_do_what_they_say(void)
{
	char said[300];
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("warm", "CAIRN_PREWARM=50M", said), 0);
	EXPECT_EQ(run_again("cold", "CAIRN_PREWARM=0", said), 0);
	EXPECT_EQ(run_again("eager", "CAIRN_THP=eager", said), 0);
	EXPECT_EQ(run_again("never", "CAIRN_THP=never", said), 0);
	EXPECT_EQ(run_again("bytes", "CAIRN_LIMIT=50M", said), 0);
	EXPECT_EQ(run_again("none", "CAIRN_LIMIT=none", said), 0);
	EXPECT_EQ(said[0], 0);
}

static void prewarming_leaves_the_machine_a_tenth(void)
{
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	char said[300], folder[] = "/tmp/test_limit.XXXXXX", proc[50], file[60];
	snprintf(proc, sizeof proc, "%s/proc", mkdtemp(folder) ? folder : "");
	snprintf(file, sizeof file, "%s/meminfo", proc);
	EXPECT_EQ(mkdir(proc, 0755), 0);
	put(proc, "meminfo", "MemTotal:  1024000 kB\nMemAvailable:  153600 kB\n"); /* 1,000 and 150 MiB */
	again_root = folder;
	EXPECT_EQ(run_again("some", "CAIRN_PREWARM=500M", said), 0);
	EXPECT_EQ(said[0], 0);
	again_root = "/nonexistent";
	unlink(file);
	rmdir(proc);
	rmdir(folder);
}

static void settings_that_cannot_be_read_cost_one_line(void)
{
	char said[300];
	if (is_emulated()) {
		SKIP("an emulator does not execute this program again");
		return;
	}
	EXPECT_EQ(run_again("cold", "CAIRN_PREWARM=lots", said), 0);
	EXPECT(!strcmp(said, "cairn: CAIRN_PREWARM=lots is ignored: not a size as 512M\n"));
	EXPECT_EQ(run_again("cold", "CAIRN_LIMIT=120%", said), 0);
	EXPECT(!strcmp(said, "cairn: CAIRN_LIMIT=120% is ignored: not a share as 80%, a size as 2G, or none\n"));
	EXPECT_EQ(run_again("cold", "CAIRN_THP=always", said), 0);
	EXPECT(!strcmp(said, "cairn: CAIRN_THP=always is ignored: not earned, never or eager\n"));
}

int main(void)
{
	const char *mode = getenv("TEST_LIMIT");
	if (mode)
		return as_child(mode);
	RUN(past_the_hard_limit_there_is_enomem_until_something_is_freed);
	RUN(small_blocks_fill_the_hard_limit);
	if (!IS_SANITIZED) { /* whose shadow is resident too */
		RUN(near_the_soft_limit_callbacks_run_and_may_allocate);
		RUN(what_is_free_goes_before_a_callback_is_called);
		RUN(what_a_callback_frees_makes_room);
		RUN(a_child_forked_while_another_thread_makes_room_has_its_limit);
		RUN(settings_do_what_they_say);
		RUN(prewarming_leaves_the_machine_a_tenth);
		RUN(settings_that_cannot_be_read_cost_one_line);
	}
	RUN(a_cgroup_that_others_have_filled_is_near);
	RUN(pressure_turns_purging_eager_and_calls_nobody);
	RUN(where_files_may_be_read_at_start_only_the_heap_is_counted_from_there);
	RUN(settings_that_contradict_each_other_are_refused);
	RUN(a_word_from_outside_empties_every_cache);
	RUN(an_idle_thread_gives_its_caches_back);
	RUN(prewarmed_memory_stays_until_used_or_purged);
	DONE();
}
