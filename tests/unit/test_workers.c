/* How many threads a managed heap has, when they are made, and that a round waits for nobody who has not come. Cases
 * cite gc/workers.c's head; what workers do with their work is in test_trace. */
#include "os/sandbox.h"
#include "support/child.h"
#include "support/gcwalk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <sys/wait.h>

enum { SOME = 3000, MUCH_BYTES = 5 << 20 };

static cairn_ref(void) leaf; /* of so many bytes */

/* Threads of this process that are a heap's workers. */
static unsigned threads(void)
{
	unsigned n = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *e; tasks && (e = readdir(tasks));) {
		char path[300], name[32] = "";
		snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
		FILE *f = fopen(path, "r");
		if (f && fgets(name, sizeof name, f))
			n += !strcmp(name, "cairn-gc\n");
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return n;
}

/* A thread has its name once it runs, and is in the list until it has gone. */
static bool there_are(unsigned wanted)
{
	for (unsigned ms = 0; ms < 5000; ms++) {
		if (threads() == wanted)
			return true;
		usleep(1000);
	}
	return false;
}

static void begin(unsigned workers)
{
	walk_open((cairn_gc_config){ .collector = CAIRN_GC_GENERATIONAL, .workers = workers, .exact_roots = true });
}

/* More than a little lives; small enough for a sanitizer. All workers are called for it. */
static void build_large(void)
{
	walk_build(mutator, &root.cairn_gc_word, SOME, 30);
	leaf.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &leaf);
	cairn_gc_root_set(mutator, &leaf, cairn_gc_new_bytes(mutator, MUCH_BYTES));
	heap->tracing.alone = 100;
}

static unsigned processors(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) ? 0 : (unsigned)CPU_COUNT(&set);
}

static void nobody_is_hired_while_little_lives(void)
{
	begin(0);
	walk_build(mutator, &root.cairn_gc_word, 1000, 30);
	for (unsigned i = 0; i < 5; i++)
		walk_collect(mutator);
	EXPECT_EQ(threads(), 0);
	EXPECT_EQ(heap->tracing.workers, 1);
	end();
}

static void as_many_as_there_are_processors_are_hired_when_more_lives(void)
{
	unsigned wanted = processors() < 4 ? processors() : 4;
	if (cairn_sandbox_is_possible())
		SKIP("a sanitizer asks for what a filter is made with");
	begin(0);
	EXPECT_EQ(heap->config.workers, wanted);
	build_large();
	walk_collect(mutator);
	EXPECT(there_are(wanted - 1));
	walk before = walk_from(cairn_gc_root_get(mutator, &root), SOME + 1);
	for (unsigned i = 0; i < 5; i++)
		walk_collect(mutator);
	EXPECT_EQ(heap->tracing.workers, wanted);
	EXPECT(there_are(wanted - 1)); /* once */
	walk after = walk_from(cairn_gc_root_get(mutator, &root), SOME + 1);
	EXPECT(before.sum == after.sum && before.count == after.count);
	walk_free(&before);
	walk_free(&after);
	end();
	EXPECT(there_are(0));
}

static void a_number_is_what_it_says(void)
{
	for (unsigned workers = 1; workers <= 3; workers++) {
		begin(workers);
		EXPECT_EQ(heap->tracing.workers, workers);
		EXPECT(there_are(workers - 1));
		build_large();
		walk_collect(mutator);
		walk_collect(mutator);
		EXPECT_EQ(heap->tracing.workers, workers);
		EXPECT_EQ(threads(), workers - 1);
		end();
	}
}

static void on_one_processor(void *unused)
{
	(void)unused;
	cpu_set_t all, one;
	REQUIRE(!sched_getaffinity(0, sizeof all, &all));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	REQUIRE(!sched_setaffinity(0, sizeof one, &one));
	char *arguments[] = { "test_workers", "alone", NULL };
	execv("/proc/self/exe", arguments);
}

/* The program again, with one processor: limits are read when it starts. */
static int alone(void)
{
	begin(0);
	build_large();
	walk_collect(mutator);
	walk_collect(mutator);
	bool is_right = heap->config.workers == 1 && heap->tracing.workers == 1 && threads() == 0;
	end();
	return !is_right;
}

static void where_there_is_one_processor_nobody_is_hired(void)
{
	if (is_emulated())
		SKIP("no program can execute itself here");
	in_a_child(on_one_processor, NULL);
}

/* Two workers are said to be there, and one of them has no thread: as where it gets no processor. */
static void a_round_waits_for_nobody_who_has_not_come(void)
{
	begin(0);
	if (heap->tracing.wanted < 2) {
		end();
		SKIP("one processor");
	}
	heap->tracing.is_hiring = true;
	build_large();
	walk_collect(mutator);
	size_t lived = heap->looks.stats.live_objects;
	cairn_gc_worker *absent = &heap->tracing.worker[1];
	*absent = (cairn_gc_worker){ .heap = heap, .index = 1 };
	absent->top = cairn_gc_meta_alloc(heap, sizeof *absent->top);
	heap->tracing.hired = 2;
	for (unsigned i = 0; i < 3; i++)
		walk_collect(mutator);
	EXPECT_EQ(heap->tracing.workers, 2);
	EXPECT_EQ(heap->looks.stats.live_objects, lived);
	EXPECT_EQ(absent->live_objects + absent->moved_objects, 0);
	heap->tracing.hired = 1;
	end();
}

static void child_of_fork(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 3; i++)
		walk_collect(mutator);
	EXPECT_EQ(heap->tracing.workers, 1);
	EXPECT_EQ(threads(), 0);
	end();
}

static void the_child_of_a_fork_works_alone(void)
{
	if (cairn_sandbox_is_possible())
		SKIP("a sanitizer asks for what a filter is made with");
	begin(0);
	build_large();
	in_a_child(child_of_fork, NULL);
	walk_collect(mutator);
	walk_collect(mutator);
	in_a_child(child_of_fork, NULL);
	EXPECT(there_are(heap->tracing.wanted - 1));
	end();
}

#if !IS_SANITIZED /* they have a pthread_create of their own */
static bool refuses;
static unsigned asked;       /* how often a thread was */
static uint32_t state_asked; /* the mutator's then */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *arg)
{
	typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	create *libcs = (create *)dlsym(RTLD_NEXT, "pthread_create");
	asked++;
	if (mutator)
		state_asked = __atomic_load_n(&cairn_gc_thread_of(mutator)->state, __ATOMIC_SEQ_CST);
	return refuses ? EAGAIN : libcs(thread, attributes, body, arg);
}

/* Where libc's lock is held by a thread that another's stop has stopped, that stop must not wait for who hires. */
static void who_hires_is_out_of_its_heaps(void)
{
	begin(0);
	if (heap->tracing.wanted < 2) {
		end();
		SKIP("one processor");
	}
	asked = 0;
	state_asked = CAIRN_GC_RUNNING;
	build_large();
	walk_collect(mutator);
	EXPECT_EQ(asked, heap->tracing.wanted - 1);
	EXPECT_EQ(state_asked, CAIRN_GC_OUT);
	end();
}

/* A heap in which more than a little lives, and that has collected since. */
static void begin_large(unsigned workers)
{
	begin(workers);
	build_large();
	walk_collect(mutator);
	walk_collect(mutator);
}

static void heaps_that_get_no_thread(void *unused)
{
	(void)unused;
	refuses = true;
	asked = 0;
	for (unsigned i = 0; i < 4; i++) {
		begin_large(0);
		EXPECT_EQ(heap->tracing.workers, 1);
		end();
	}
	EXPECT_EQ(asked, 2);
	refuses = false;
	begin_large(0);
	EXPECT_EQ(heap->tracing.workers, 1);
	end();
	EXPECT_EQ(asked, 2);
	begin_large(2);
	EXPECT_EQ(heap->tracing.workers, 2);
	end();
}

static void where_threads_were_refused_twice_nobody_is_hired_but_who_is_asked_for(void)
{
	if (cairn_gc_workers_default() < 2)
		SKIP("one processor");
	in_a_child(heaps_that_get_no_thread, NULL);
}
#endif

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "alone"))
		return alone();
	RUN(nobody_is_hired_while_little_lives);
	RUN(as_many_as_there_are_processors_are_hired_when_more_lives);
	RUN(a_number_is_what_it_says);
	RUN(where_there_is_one_processor_nobody_is_hired);
	RUN(a_round_waits_for_nobody_who_has_not_come);
	RUN(the_child_of_a_fork_works_alone);
#if !IS_SANITIZED
	RUN(who_hires_is_out_of_its_heaps);
	RUN(where_threads_were_refused_twice_nobody_is_hired_but_who_is_asked_for);
#endif
	DONE();
}
