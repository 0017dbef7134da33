/* A signal handler that allocates and frees, striking between every two instructions of malloc and free: the processor
 * single-steps them (x86-64), and the handler acts at one step after the other. A handler that frees what it allocated
 * leaves the magazine whole, in the slow paths always, in the fast ones as long as it takes no more than the magazine
 * holds: a refill between two instructions of a push would be lost. */
#include "cairn/malloc.h"
#include "malloc/central.h"
#include "malloc/fork.h"
#include "malloc/stats.h"
#include "malloc/threads.h"
#include "support/child.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

enum { SIZE = 720, MOST = 300, STEPS_MOST = 20000 };

static unsigned size_class;
static void *kept[MOST];
static unsigned handler_blocks; /* how many the handler allocates before it frees them */
static unsigned steps, act_at;
static bool has_acted;

static void act(void)
{
	void *blocks[MOST];
	for (unsigned i = 0; i < handler_blocks; i++) {
		blocks[i] = cairn_malloc(SIZE);
		EXPECT(blocks[i]);
		memset(blocks[i], 0x77, SIZE);
	}
	for (unsigned i = 0; i < handler_blocks; i++)
		cairn_free(blocks[handler_blocks - 1 - i]);
	has_acted = true;
}

#if defined(__x86_64__) && !IS_SANITIZED
#define CAN_STEP 1
#define TRAP_FLAG 0x100

static void on_step(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info;
	if (steps++ < act_at)
		return;
	act();
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG; /* the rest at full speed */
}

static void step_begin(void) { __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc"); }
static void step_end(void) { __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc"); }
#else
#define CAN_STEP 0

static void on_step(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	act();
}

static void step_begin(void) { raise(SIGTRAP); }
static void step_end(void) { }
#endif

/* Brings the magazine to `fill` slots; some blocks are kept. */
static void prepare(unsigned fill)
{
	unsigned out = 0;
	cairn_cache *c = cairn_thread_enter();
	cairn_cache_drain(c);
	cairn_thread_leave(c);
	while (out < 40 || cairn_cache_fill(c, size_class) > fill) /* the rest of the last refill as well */
		memset(kept[out++] = cairn_malloc(SIZE), 0, SIZE);
	while (cairn_cache_fill(c, size_class) < fill) {
		cairn_free(kept[--out]);
		kept[out] = NULL;
	}
}

/* Is everything as it should be: no block lost, none handed out twice? */
static void check(const char *what, unsigned fill)
{
	uint64_t held[CAIRN_CLASS_COUNT];
	unsigned live = 0;
	cairn_threads_validate();
	cairn_central_validate(size_class);
	for (unsigned i = 0; i < MOST; i++)
		for (unsigned k = 0; kept[i] && k < i; k++)
			EXPECT(kept[k] != kept[i]);
	for (unsigned i = 0; i < MOST; i++)
		live += kept[i] != NULL;
	cairn_stats_cached(held);
	EXPECT_EQ(cairn_stats_out_of(size_class) - held[size_class], live);
	if (__atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST))
		NOTE("%s, %u in the magazine, handler of %u blocks, step %u", what, fill, handler_blocks, act_at);
}

static void let_go(void)
{
	for (unsigned i = 0; i < MOST; i++) {
		cairn_free(kept[i]);
		kept[i] = NULL;
	}
}

/* Every instruction of the fast path and the way into the slow one; then wider and wider apart. */
static unsigned next_step(void) { return act_at + 1 + (act_at > 100 ? act_at / 16 : 0); }

static void strike_malloc(unsigned fill)
{
	for (act_at = 0; act_at < STEPS_MOST; act_at = next_step()) {
		prepare(fill);
		steps = 0;
		has_acted = false;
		step_begin();
		void *p = cairn_malloc(SIZE);
		step_end();
		kept[MOST - 1] = p;
		check("malloc", fill);
		let_go();
		if (!has_acted || !CAN_STEP || __atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST))
			return;
	}
}

static void strike_free(unsigned fill)
{
	for (act_at = 0; act_at < STEPS_MOST; act_at = next_step()) {
		prepare(fill);
		void *p = kept[0];
		kept[0] = NULL;
		steps = 0;
		has_acted = false;
		step_begin();
		cairn_free(p);
		step_end();
		check("free", fill);
		let_go();
		if (!has_acted || !CAN_STEP || __atomic_load_n(&test_case_failures, __ATOMIC_SEQ_CST))
			return;
	}
}

static void strike_all(void *blocks)
{
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	sigaction(SIGTRAP, &action, NULL);
	handler_blocks = *(unsigned *)blocks;
	size_class = cairn_class_of(SIZE);
	cairn_free(cairn_malloc(SIZE));
	strike_malloc(0); /* the slow path */
	for (unsigned fill = handler_blocks; fill < handler_blocks + 4; fill++) {
		strike_malloc(fill);
		strike_free(fill);
	}
}

static void strike_with(unsigned blocks) { in_a_child(strike_all, &blocks); }

static void a_handler_of_one_block_leaves_the_magazine_whole(void) { strike_with(1); }
static void a_handler_of_several_blocks_leaves_the_magazine_whole(void) { strike_with(5); }

/* exit runs destructors, which would wait for locks that the interrupted code holds; the library's own do not. */
static void leave(int number)
{
	(void)number;
	exit(7);
}

static void use_memory_until_the_alarm(void *microseconds)
{
	signal(SIGALRM, leave);
	struct itimerval soon = { .it_value = { 0, *(int *)microseconds } };
	setitimer(ITIMER_REAL, &soon, NULL);
	static void *blocks[4096];
	for (uint32_t state = 1;;) {
		state = state * 1103515245 + 12345;
		void **block = &blocks[state >> 8 & 4095];
		cairn_free(*block);
		*block = cairn_malloc((state >> 4) % (state & 0x7000 ? 3000 : 300000));
	}
}

static volatile int forks;

static void fork_and_wait(int number)
{
	(void)number;
	pid_t child = fork();
	if (!child)
		_exit(0);
	forks += waitpid(child, NULL, 0) == child;
}

static void use_memory_between_forks(void *unused)
{
	(void)unused;
	cairn_fork_register();
	signal(SIGALRM, fork_and_wait);
	static void *blocks[3000];
	for (uint32_t state = 1; forks < 200;) {
		struct itimerval once = { .it_value = { 0, 1 + (state >> 8) % 2000 } };
		setitimer(ITIMER_REAL, &once, NULL); /* a fork may take longer than any interval */
		for (int i = 0; i < 3000; i++) {
			state = state * 1103515245 + 12345;
			blocks[i] = cairn_malloc((state >> 8) % (state & 0x7000 ? 3000 : 300000));
		}
		for (int i = 0; i < 3000; i++)
			cairn_free(blocks[i]);
	}
}

static void a_handler_that_forks_waits_for_no_lock(void)
{
	in_a_child(use_memory_between_forks, NULL);
}

/* Waits 20 s at most. */
static int status_of_a_child_that_leaves_after(int microseconds)
{
	pid_t child = fork();
	if (!child)
		use_memory_until_the_alarm(&microseconds);
	int status = 0;
	for (int i = 0; i < 20000; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(1000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return status;
}

static void a_handler_that_calls_exit_ends_the_program_wherever_it_struck(void)
{
	for (int i = 0; i < 100; i++) {
		int status = status_of_a_child_that_leaves_after(200 + i * 37);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		if (!WIFEXITED(status))
			return;
	}
}

int main(void)
{
	if (!IS_SANITIZED) { /* theirs take locks at exit and fork */
		RUN(a_handler_that_calls_exit_ends_the_program_wherever_it_struck);
		RUN(a_handler_that_forks_waits_for_no_lock);
	}
	RUN(a_handler_of_one_block_leaves_the_magazine_whole);
	RUN(a_handler_of_several_blocks_leaves_the_magazine_whole);
	DONE();
}
