/* The door to the kernel and what stands next to it: calls, faults, clocks, limits, threads, messages. Cases cite the
 * invariants of os/sys.c (Y), os/thread.c (T) and os/report.c (R). */
#include "base/assert.h"
#include "os/clock.h"
#include "os/limits.h"
#include "os/report.h"
#include "os/sys.h"
#include "os/thread.h"
#include "support/test.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- calls ---- */

static void results_and_errors_are_the_kernels_and_errno_is_left(void) /* Y1 */
{
	errno = 12345;
	EXPECT_EQ(cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	EXPECT_EQ(cairn_sys(SYS_close, -1, 0, 0, 0, 0, 0), -EBADF);
	EXPECT_EQ(cairn_sys(SYS_openat, AT_FDCWD, (long)"/no/such", O_RDONLY, 0, 0, 0), -ENOENT);
	EXPECT(cairn_sys_aux(AT_PAGESZ, 0) > 0);
	EXPECT_EQ(cairn_sys_aux(0x7000, 99), 99);
	EXPECT_EQ(cairn_sys_read_file("/no/such", (char[8]){ 0 }, 8), 0);
	EXPECT_EQ(errno, 12345);
}

static bool is_pending(int signal)
{
	sigset_t pending;
	return sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
}

static void a_write_that_is_refused_raises_no_signal(void)
{
	int ends[2], file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	sigset_t broken, old, after;
	struct rlimit limit = { 0, 0 }, unlimited;
	REQUIRE(pipe(ends) == 0 && file >= 0 && getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
	close(ends[0]);
	limit.rlim_max = unlimited.rlim_max;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	EXPECT_EQ(cairn_sys_write(ends[1], "x", 1), -EPIPE); /* by default both would be death */
	EXPECT_EQ(cairn_sys_write(file, "x", 1), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &unlimited);
	EXPECT_EQ(cairn_sys_write(file, "xy", 2), 2);
	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	sigprocmask(SIG_BLOCK, &broken, &old);
	EXPECT(!is_pending(SIGPIPE) && !is_pending(SIGXFSZ));
	raise(SIGPIPE);
	EXPECT_EQ(cairn_sys_write(ends[1], "x", 1), -EPIPE);
	EXPECT(is_pending(SIGPIPE)); /* the program's own */
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &old, &after);
	signal(SIGPIPE, SIG_DFL);
	EXPECT(sigismember(&after, SIGPIPE) == 1 && sigismember(&after, SIGXFSZ) == 0);
	close(ends[1]);
	close(file);
}

static void six_arguments_arrive_in_order(void)
{
	char name[] = "/tmp/cairn-sys-XXXXXX";
	int fd = mkstemp(name);
	REQUIRE(fd >= 0);
	unlink(name);
	long page = sysconf(_SC_PAGESIZE);
	EXPECT(pwrite(fd, "sixth", 5, 2 * page) == 5);
	/* mmap(address, length, protection, flags, descriptor, offset): each of them matters. */
	char *at = (char *)cairn_sys(SYS_mmap, 0, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long p = cairn_sys(SYS_mmap, (long)(at + page), page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * page);
	EXPECT_EQ(p, (long)(at + page));
	EXPECT(!memcmp(at + page, "sixth", 5));
	EXPECT_EQ(cairn_sys(SYS_munmap, (long)at, 4 * page, 0, 0, 0, 0), 0);
	close(fd);
}

static void the_start_vector_is_read_with_and_without_libc(void)
{
	EXPECT_EQ(cairn_sys_aux(AT_PAGESZ, 0), getauxval(AT_PAGESZ));
	EXPECT_EQ(cairn_sys_aux(AT_PHNUM, 0), getauxval(AT_PHNUM));
	unsigned long pairs[80];
	size_t n = cairn_sys_read_file("/proc/self/auxv", pairs, sizeof pairs) / sizeof pairs[0];
	unsigned long page = 0;
	for (size_t i = 0; i + 1 < n; i += 2)
		if (pairs[i] == AT_PAGESZ)
			page = pairs[i + 1];
	EXPECT_EQ(page, sysconf(_SC_PAGESIZE));
}

static void a_small_file_is_read_to_the_size_asked(void)
{
	char text[64] = { 0 };
	EXPECT(cairn_sys_read_file("/proc/self/stat", text, 10) == 10);
	EXPECT_EQ(atoi(text), getpid());
	EXPECT_EQ(text[10], 0);
}

/* ---- faults ---- */

static long faulty_madvise(void) { return cairn_sys(SYS_madvise, 0, 0, MADV_NORMAL, 0, 0, 0); }

static unsigned refusals(unsigned calls, long error)
{
	unsigned refused = 0;
	for (unsigned i = 0; i < calls; i++) {
		long r = faulty_madvise();
		EXPECT(r == 0 || r == error);
		refused += r == error;
	}
	return refused;
}

static void exactly_every_nth_call_is_refused(void) /* Y3 */
{
	if (!cairn_fault_set("madvise", 3, EAGAIN)) {
		EXPECT(!CAIRN_FAULTS_BUILT);
		EXPECT_EQ(cairn_fault_next(SYS_madvise), 0);
		return;
	}
	for (int i = 1; i <= 30; i++)
		EXPECT_EQ(faulty_madvise(), i % 3 ? 0 : -EAGAIN);
	EXPECT_EQ(cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	EXPECT(cairn_fault_set("madvise", 1, 0));
	EXPECT_EQ(faulty_madvise(), -ENOMEM);
	EXPECT(cairn_fault_set("madvise", 0, 0));
	EXPECT_EQ(refusals(10, -ENOMEM), 0);
	EXPECT(!cairn_fault_set("getpid", 1, 0));
	EXPECT(!cairn_fault_set("madvis", 1, 0));
	EXPECT(!cairn_fault_set("madvise2", 1, 0));
	EXPECT(!cairn_fault_set("", 1, 0));
}

static void *call_often(void *refused)
{
	*(unsigned *)refused = refusals(10000, -ENOMEM);
	return NULL;
}

static void threads_share_the_count(void) /* Y3 */
{
	pthread_t threads[4];
	unsigned refused[4] = { 0 };
	if (!cairn_fault_set("madvise", 7, ENOMEM))
		return;
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(pthread_create(&threads[i], NULL, call_often, &refused[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cairn_fault_set("madvise", 0, 0);
	EXPECT_EQ(refused[0] + refused[1] + refused[2] + refused[3], 40000 / 7);
}

static void the_variable_names_call_number_and_error(void)
{
	if (!CAIRN_FAULTS_BUILT)
		return;
	cairn_fault_init("madvise:2:EPERM,mprotect:1");
	EXPECT_EQ(refusals(10, -EPERM), 5);
	EXPECT_EQ(cairn_sys(SYS_mprotect, 0, 0, 0, 0, 0, 0), -ENOMEM);
	cairn_fault_init("mprotect:0,,nonsense:3,madvise:5:ENOSYS");
	EXPECT_EQ(refusals(10, -ENOSYS), 2);
	EXPECT_EQ(cairn_sys(SYS_mprotect, 0, 0, 0, 0, 0, 0), 0);
	cairn_fault_init("madvise:0");
	cairn_fault_init(NULL);
	cairn_fault_init(":::,madvise");
	EXPECT_EQ(refusals(10, -ENOMEM), 0);
}

/* ---- clocks, limits ---- */

static void both_clocks_count_the_time_since_boot(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	uint64_t fine = cairn_clock_fine_ns(), coarse = cairn_clock_coarse_ns();
	EXPECT(fine >= now_ns && fine < now_ns + 1000000000u);
	EXPECT(coarse + 100000000u > fine && coarse < fine + 100000000u);
	cairn_thread_sleep_ms(30);
	EXPECT(cairn_clock_fine_ns() - fine >= 30000000u);
	EXPECT(cairn_clock_coarse_ns() - coarse >= 10000000u);
}

static size_t resource(int which)
{
	struct rlimit limit;
	getrlimit(which, &limit);
	return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : limit.rlim_cur;
}

static void limits_are_the_processes(void)
{
	const cairn_limits *limits = cairn_limits_get();
	cpu_set_t set;
	EXPECT(limits->address_bytes == resource(RLIMIT_AS));
	EXPECT(limits->data_bytes == resource(RLIMIT_DATA));
	size_t ram = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	EXPECT(limits->ram_bytes > ram - ram / 8 && limits->ram_bytes < ram + ram / 8);
	EXPECT(sched_getaffinity(0, sizeof set, &set) == 0);
	EXPECT_EQ(limits->processors, CPU_COUNT(&set));
	EXPECT(cairn_limits_get() == limits);
}

/* ---- threads ---- */

static int in_child(int (*body)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		_exit(body());
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void *say_id(void *id)
{
	*(uint32_t *)id = cairn_thread_id();
	return NULL;
}

static void a_thread_has_the_number_that_the_kernel_gave_it(void)
{
	pthread_t thread;
	uint32_t id = 0;
	EXPECT_EQ(pthread_create(&thread, NULL, say_id, &id), 0);
	pthread_join(thread, NULL);
	EXPECT(id && id != cairn_thread_id());
	EXPECT_EQ(cairn_thread_id(), getpid());
}

/* What the helper's body may do is little: it is a thread that libc does not know. Hence system calls by number. */
typedef struct helper_seen {
	_Atomic int stage; /* 1: the helper has looked, 2: it may end, 3: it ends */
	uint32_t id;
	char name[20];
	uint64_t blocked;
} helper_seen;

static void helper_looks(void *arg)
{
	helper_seen *seen = arg;
	seen->id = cairn_thread_id();
	cairn_sys(SYS_prctl, PR_GET_NAME, (long)seen->name, 0, 0, 0, 0);
	cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&seen->blocked, 8, 0, 0);
	atomic_store(&seen->stage, 1);
	while (atomic_load(&seen->stage) == 1)
		cairn_thread_sleep_ms(1);
	atomic_store(&seen->stage, 3);
}

static bool stage_reached(helper_seen *seen, int stage)
{
	for (int i = 0; i < 5000 && atomic_load(&seen->stage) != stage; i++)
		usleep(1000);
	return atomic_load(&seen->stage) == stage;
}

static int tasks(void)
{
	char text[2048] = { 0 };
	cairn_sys_read_file("/proc/self/status", text, sizeof text - 1);
	const char *line = strstr(text, "\nThreads:");
	return line ? atoi(line + 9) : -1;
}

/* False also while the one before has not quite ended. */
static bool started(helper_seen *seen)
{
	*seen = (helper_seen){ 0 };
	for (int i = 0; i < 2000; i++) {
		if (cairn_thread_start_helper(helper_looks, seen))
			return true;
		usleep(1000);
	}
	return false;
}

static bool ended(helper_seen *seen)
{
	if (!stage_reached(seen, 1))
		return false;
	atomic_store(&seen->stage, 2);
	return stage_reached(seen, 3);
}

static bool is_alone(int before)
{
	for (int i = 0; i < 2000 && tasks() > before; i++)
		usleep(1000);
	return tasks() <= before;
}

static void a_helper_runs_named_and_deaf(void) /* T1 */
{
	static helper_seen seen;
	uint64_t before = 0, after = 0;
	cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&before, 8, 0, 0);
	REQUIRE(started(&seen));
	cairn_sys(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&after, 8, 0, 0);
	EXPECT(before == after);
	REQUIRE(stage_reached(&seen, 1));
	EXPECT(seen.id != cairn_thread_id());
	EXPECT(!strcmp(seen.name, "cairn"));
	for (int sig = 1; sig <= 31; sig++)
		EXPECT((seen.blocked >> (sig - 1) & 1) == (sig != SIGKILL && sig != SIGSTOP));
	for (int sig = SIGRTMIN; sig <= SIGRTMAX - 2; sig++) /* qemu-user keeps the last two for itself */
		EXPECT(seen.blocked >> (sig - 1) & 1);
	EXPECT(ended(&seen));
}

static int child_changes_user(void)
{
	static helper_seen seen;
	if (!started(&seen) || !stage_reached(&seen, 1))
		return 1;
	alarm(10);
	return setreuid((uid_t)-1, getuid()) || setregid((gid_t)-1, getgid()) ? 2 : 0;
}
/* libc asks every thread that it knows to follow; one that blocked the asking signal would hang the program. */
static void a_program_with_a_helper_may_change_its_user(void) /* T1 */
{
	EXPECT_EQ(in_child(child_changes_user), 0);
}

static void a_refused_helper_is_false(void)
{
	static helper_seen seen;
	if (!cairn_fault_set("clone", 1, EAGAIN)) {
		EXPECT(!CAIRN_FAULTS_BUILT);
		return;
	}
	EXPECT(!cairn_thread_start_helper(helper_looks, &seen));
	cairn_fault_set("clone", 0, 0);
	EXPECT_EQ(atomic_load(&seen.stage), 0);
	EXPECT(started(&seen) && ended(&seen));
}

static void there_is_one_helper_at_a_time(void) /* T2 */
{
	static helper_seen first, second;
	REQUIRE(started(&first) && stage_reached(&first, 1));
	EXPECT(!cairn_thread_start_helper(helper_looks, &second));
	EXPECT_EQ(atomic_load(&second.stage), 0);
	EXPECT(ended(&first));
	EXPECT(started(&second) && ended(&second));
}

static size_t map_lines(void)
{
	char text[4096];
	size_t lines = 0;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	close(fd);
	return lines;
}

static void many_helpers_leave_no_more_than_one(void) /* T2 */
{
	static helper_seen seen;
	int before = tasks(); /* an emulator or a sanitizer may have a thread of its own */
	REQUIRE(started(&seen) && ended(&seen));
	EXPECT(is_alone(before));
	size_t maps = map_lines();
	for (int i = 0; i < 50; i++) {
		REQUIRE(started(&seen) && stage_reached(&seen, 1));
		EXPECT(ended(&seen));
	}
	EXPECT(is_alone(before));
	EXPECT(CAIRN_DEBUG == 1 || map_lines() <= maps + 1); /* a sanitizer maps its own notes */
}

static int child_starts_its_own(void)
{
	static helper_seen seen;
	cairn_thread_helper_fork_child();
	return cairn_thread_start_helper(helper_looks, &seen) && ended(&seen) ? 0 : 1;
}
static void a_child_of_fork_can_start_one_at_once(void)
{
	static helper_seen seen;
	if (CAIRN_DEBUG == 1)
		return; /* TSan allows no thread in the child of a threaded program */
	REQUIRE(started(&seen) && stage_reached(&seen, 1));
	EXPECT_EQ(in_child(child_starts_its_own), 0);
	EXPECT(ended(&seen));
}

/* ---- messages ---- */

static void handle_abort(int sig) { (void)sig; }

static _Noreturn void say_and_abort(void)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: last words");
	cairn_report_abort(&l);
}
static int child_aborts(void)
{
	signal(SIGABRT, SIG_DFL);
	say_and_abort();
}
static int child_ignores_abort(void)
{
	signal(SIGABRT, SIG_IGN);
	say_and_abort();
}
static int child_handles_abort(void)
{
	signal(SIGABRT, handle_abort);
	say_and_abort();
}
static int child_blocks_abort(void)
{
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGABRT, SIG_DFL);
	say_and_abort();
}
static int child_panics(void)
{
	signal(SIGABRT, SIG_DFL);
	cairn_panic("floor.c", 12, "a stone\nis missing");
}

/* How body ended, and what it wrote to descriptor 2. When early, the pipe is there before cairn_report_init. */
static int status_of(int (*body)(void), bool early, char *text, size_t bytes)
{
	int ends[2];
	memset(text, 0, bytes);
	if (pipe(ends))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		if (!early)
			cairn_report_init();
		dup2(ends[1], 2);
		if (early)
			cairn_report_init();
		_exit(body());
	}
	close(ends[1]);
	for (size_t got = 0; got < bytes - 1;) {
		ssize_t n = read(ends[0], text + got, bytes - 1 - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(ends[0]);
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Behind it an emulator may say a word of its own about the signal. */
static bool begins(const char *text, const char *start) { return !strncmp(text, start, strlen(start)); }

static void the_line_is_said_and_abort_cannot_be_escaped(void)
{
	int (*bodies[])(void) = { child_aborts, child_ignores_abort, child_handles_abort, child_blocks_abort };
	char text[400];
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(status_of(bodies[i], true, text, sizeof text), 1000 + SIGABRT);
		EXPECT(begins(text, "cairn: last words\n"));
	}
	EXPECT_EQ(status_of(child_panics, true, text, sizeof text), 1000 + SIGABRT);
	EXPECT(begins(text, "cairn: bug: floor.c:12: a stone?is missing\n"));
}

static int child_reports_to_closed(void)
{
	close(2);
	cairn_report_init();
	int fd = open("/proc/self/exe", O_RDONLY); /* the program's own file, as descriptor 2 */
	cairn_line l = { 0 };
	cairn_line_text(&l, "must not be seen");
	cairn_report(&l);
	return fd == 2 ? 0 : 1;
}
static int child_reports(void)
{
	cairn_line l = { 0 };
	for (int i = 0; i < 100; i++)
		cairn_line_text(&l, "0123456789");
	errno = 7;
	cairn_report(&l);
	return errno == 7 ? 0 : 1;
}

static void nothing_is_written_to_a_file_that_took_the_place(void) /* R2 */
{
	char text[400];
	EXPECT_EQ(status_of(child_reports, false, text, sizeof text), 0);
	EXPECT_EQ(strlen(text), 0);
	EXPECT_EQ(status_of(child_reports_to_closed, true, text, sizeof text), 0);
	EXPECT_EQ(strlen(text), 0);
}

static void a_full_line_keeps_its_end(void) /* R1 */
{
	char text[400];
	EXPECT_EQ(status_of(child_reports, true, text, sizeof text), 0);
	EXPECT_EQ(strlen(text), CAIRN_LINE_MAX + 1);
	EXPECT_EQ(text[CAIRN_LINE_MAX], '\n');
}

static void the_program_knows_its_name(void) { EXPECT(!strcmp(cairn_program_name(), "test_sys")); }

int main(void)
{
	RUN(a_thread_has_the_number_that_the_kernel_gave_it);
	RUN(results_and_errors_are_the_kernels_and_errno_is_left);
	RUN(a_write_that_is_refused_raises_no_signal);
	RUN(six_arguments_arrive_in_order);
	RUN(the_start_vector_is_read_with_and_without_libc);
	RUN(a_small_file_is_read_to_the_size_asked);
	RUN(exactly_every_nth_call_is_refused);
	RUN(threads_share_the_count);
	RUN(the_variable_names_call_number_and_error);
	RUN(both_clocks_count_the_time_since_boot);
	RUN(limits_are_the_processes);
	RUN(a_helper_runs_named_and_deaf);
	RUN(a_program_with_a_helper_may_change_its_user);
	RUN(a_refused_helper_is_false);
	RUN(there_is_one_helper_at_a_time);
	RUN(many_helpers_leave_no_more_than_one);
	RUN(a_child_of_fork_can_start_one_at_once);
	RUN(the_line_is_said_and_abort_cannot_be_escaped);
	RUN(nothing_is_written_to_a_file_that_took_the_place);
	RUN(a_full_line_keeps_its_end);
	RUN(the_program_knows_its_name);
	DONE();
}
