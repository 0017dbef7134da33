/* Fork: what the child finds, and handlers of others that allocate between ours. The design is in malloc/fork.h. */
#include "cairn/malloc.h"
#include "malloc/central.h"
#include "malloc/fork.h"
#include "malloc/threads.h"
#include "os/meta.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

/* The thread sanitizer has rules of its own for the child of a process with threads. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0:report_thread_leaks=0"; }

static unsigned handlers_run; /* in this process */
static bool handlers_allocate;

/* Goes through every size class and over it, so that some of it is a slow path. */
static void allocate_in_handler(void)
{
	if (!handlers_allocate)
		return;
	void *blocks[80];
	for (int i = 0; i < 80; i++) {
		blocks[i] = cairn_malloc((size_t)i * i * 9);
		EXPECT(blocks[i]);
		memset(blocks[i], i, (size_t)i * i * 9);
	}
	for (int i = 0; i < 80; i++)
		cairn_free(blocks[i]);
	cairn_free(cairn_calloc(1, 300000));
	handlers_run++;
}

/* Registered before cairn's own and after them: whatever the order, each runs between ours once. */
__attribute__((constructor(101))) static void register_early(void)
{
	pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
}

#if !IS_SANITIZED /* a sanitizer calls it before it can run code that it watches */
/* libc's list of handlers, slow when asked to be: the thread that registers ours may be put aside in the middle. */
typedef int register_atfork(void (*)(void), void (*)(void), void (*)(void), void *);
register_atfork __register_atfork;
static int is_slow, is_entered, is_done; /* sync: atomic */

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
{
	register_atfork *libcs = (register_atfork *)dlsym(RTLD_NEXT, "__register_atfork");
	if (__atomic_load_n(&is_slow, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&is_entered, 1, __ATOMIC_SEQ_CST);
		usleep(100000);
	}
	int result = libcs(prepare, parent, child, library);
	__atomic_store_n(&is_done, 1, __ATOMIC_SEQ_CST);
	return result;
}

static void *allocate_first(void *unused)
{
	cairn_free(cairn_malloc(100));
	return unused;
}

static void *allocate_beside(void *unused)
{
	cairn_free(cairn_malloc(100));
	EXPECT(__atomic_load_n(&is_done, __ATOMIC_SEQ_CST)); /* from here on this thread takes locks */
	return unused;
}

static void begin_beside_a_slow_one(void *unused)
{
	pthread_t first, beside;
	(void)unused;
	is_done = 0;
	is_slow = 1;
	EXPECT_EQ(pthread_create(&first, NULL, allocate_first, NULL), 0);
	while (!__atomic_load_n(&is_entered, __ATOMIC_SEQ_CST))
		usleep(1000);
	EXPECT_EQ(pthread_create(&beside, NULL, allocate_beside, NULL), 0);
	pthread_join(first, NULL);
	pthread_join(beside, NULL);
}

static void no_thread_takes_a_lock_before_the_handlers_are_there(void)
{
	in_a_child(begin_beside_a_slow_one, NULL);
}
#endif

static void validate_everything(void)
{
	cairn_pageheap_validate();
	cairn_window_validate();
	cairn_threads_validate();
	for (unsigned c = 1; c < CAIRN_CLASS_COUNT; c++)
		cairn_central_validate(c);
	EXPECT(cairn_meta_validate());
}

static void allocate_everywhere(void *unused)
{
	(void)unused;
	allocate_in_handler();
	handlers_allocate = true;
	allocate_in_handler();
	validate_everything();
}

static void a_child_has_a_whole_malloc(void)
{
	for (int i = 0; i < 5; i++)
		in_a_child(allocate_everywhere, NULL);
	validate_everything();
}

static void *use_malloc(void *unused)
{
	cairn_free(cairn_malloc(100));
	return unused;
}

/* A second thread brings cairn's own handlers: after the early ones of this program, before the late ones. */
static void become_threaded(void)
{
	pthread_t thread;
	EXPECT_EQ(pthread_create(&thread, NULL, use_malloc, NULL), 0);
	pthread_join(thread, NULL);
}

static void handlers_of_others_may_allocate(void)
{
	become_threaded();
	static bool is_registered;
	if (!is_registered)
		pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
	is_registered = true;
	handlers_allocate = true;
	handlers_run = 0;
	in_a_child(allocate_everywhere, NULL);
	handlers_allocate = false;
	EXPECT_EQ(handlers_run, 4); /* prepare and parent, of both */
	EXPECT(!cairn_fork_is_mine());
	validate_everything();
}

static void fork_again(void *depth)
{
	void *p = cairn_malloc(1000);
	if (*(int *)depth > 0) {
		(*(int *)depth)--;
		in_a_child(fork_again, depth);
	}
	cairn_free(p);
	validate_everything();
}

static void a_childs_child_has_one_too(void)
{
	int depth = 4;
	in_a_child(fork_again, &depth);
}

/* ---- Other threads' magazines ---- */

static pthread_barrier_t barrier;

static void *hold_a_cache(void *unused)
{
	(void)unused;
	void *blocks[100];
	for (int i = 0; i < 100; i++)
		blocks[i] = cairn_malloc(720);
	for (int i = 0; i < 100; i++)
		cairn_free(blocks[i]);
	pthread_barrier_wait(&barrier); /* ... now its magazine holds some */
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void expect_no_slots_held(void *unused)
{
	(void)unused;
	cairn_malloc_trim(0); /* this thread's own */
	EXPECT_EQ(cairn_stats_out_of(cairn_class_of(720)), 0);
	validate_everything();
}

static void a_child_takes_back_what_other_threads_held(void)
{
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	EXPECT_EQ(pthread_create(&thread, NULL, hold_a_cache, NULL), 0);
	pthread_barrier_wait(&barrier);
	EXPECT(cairn_stats_out_of(cairn_class_of(720)) > 0);
	in_a_child(expect_no_slots_held, NULL);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static unsigned threads_of_this_process(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/task");
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n - 2; /* . and .. */
}

static void free_much_and_count_threads(void *unused)
{
	(void)unused;
	unsigned before = threads_of_this_process();
	for (int i = 0; i < 20; i++) {
		char *p = cairn_malloc(4 << 20);
		EXPECT(p);
		memset(p, 1, 4 << 20);
		cairn_free(p);
		usleep(10000);
	}
	EXPECT_EQ(threads_of_this_process(), before);
}

static void a_child_that_makes_no_thread_gets_none_of_ours(void)
{
	in_a_child(free_much_and_count_threads, NULL); /* its parent has had threads by now */
}

int main(void)
{
#if !IS_SANITIZED
	RUN(no_thread_takes_a_lock_before_the_handlers_are_there); /* first: no thread was here */
#endif
	RUN(a_child_has_a_whole_malloc);
	RUN(handlers_of_others_may_allocate);
	RUN(a_childs_child_has_one_too);
	RUN(a_child_takes_back_what_other_threads_held);
	RUN(a_child_that_makes_no_thread_gets_none_of_ours);
	DONE();
}
