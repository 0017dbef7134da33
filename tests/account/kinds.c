/* kinds.c - processes in the states that an account must explain: many threads, huge pages, a child, memory that was
 * never touched, a lock that is never let go, threads that never stop.
 *
 *   account-kinds threads | huge | forked | untouched | hung | moving | another | zombie | zeros |
 *                 crowd | brief
 *
 * Each says "ready" when it is in its state, and stays until it is ended. What it knows stands before that. */
#include "known.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { MANY = 64, MOVERS = 4, MOVER_BLOCKS = 4000 };

static pthread_barrier_t all_there;

static void *holds_some(void *arg)
{
	char on_stack[64 << 10];
	memset(on_stack, 1, sizeof on_stack);
	for (size_t i = 0; i < 2000; i++)
		keep(malloc(16 + i % 50 * 16), 16 + i % 50 * 16);
	pthread_barrier_wait(&all_there);
	pause();
	return on_stack[(size_t)arg] ? NULL : arg;
}

static void threads(void)
{
	pthread_t t;
	pthread_barrier_init(&all_there, NULL, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		pthread_create(&t, NULL, holds_some, (void *)i);
	pthread_barrier_wait(&all_there);
}

/* Chunk after chunk, written to all over: cairn asks for huge pages once it has seen that. */
static void huge(void)
{
	for (size_t i = 0; i < 400; i++)
		keep(malloc(1 << 20), 1 << 20);
	for (size_t i = 0; i < 300000; i++)
		keep(malloc(200), 200);
}

static void forked(void)
{
	enum { BLOCKS = 40000, BYTES = 1000 };
	static char *block[BLOCKS];
	for (size_t i = 0; i < BLOCKS; i++)
		block[i] = keep(malloc(BYTES), BYTES);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < BLOCKS / 4; i++)
			memset(block[i], 2, BYTES);
		for (size_t i = BLOCKS / 2; i < BLOCKS; i += 2)
			free(block[i]);
	}
}

static void untouched(void)
{
	for (size_t i = 0; i < 2; i++)
		escape(malloc(512 << 20));
	tell("untouched", 1 << 30);
}

/* Whatever this thread holds when the alarm comes, mostly one of malloc's locks, it holds for ever. */
static void spin(int number)
{
	(void)number;
	static const char ready[] = "ready\n";
	(void)!write(1, ready, sizeof ready - 1);
	for (;;)
		;
}

static void *churns(void *arg)
{
	static _Thread_local void *block[MOVER_BLOCKS];
	size_t seed = (size_t)arg * 7919 + 1;
	for (size_t i = 0;; i = (i + 1) % MOVER_BLOCKS) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t draw = seed >> 40, bytes = draw % 4 ? draw % 1000 : draw % 256 ? draw % 9000 : draw % 300000;
		free(block[i]);
		block[i] = malloc(bytes + 1);
		memset(block[i], 1, bytes + 1);
	}
	return NULL;
}

static void hung(void)
{
	pthread_t t;
	sigset_t only_here;
	struct itimerval soon = { .it_value = { 0, 300000 } };
	sigemptyset(&only_here);
	sigaddset(&only_here, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &only_here, NULL);
	pthread_create(&t, NULL, churns, (void *)1);
	pthread_sigmask(SIG_UNBLOCK, &only_here, NULL);
	signal(SIGALRM, spin);
	setitimer(ITIMER_REAL, &soon, NULL);
	churns((void *)2);
}

static void moving(void)
{
	pthread_t t;
	for (size_t i = 0; i < MOVERS; i++)
		pthread_create(&t, NULL, churns, (void *)i);
	usleep(300000);
}

/* Pages of zeros that were only read are in no resident set. */
static void zeros(void)
{
	enum { BYTES = 96 << 20 };
	char sum = 0;
	volatile char *p = malloc(BYTES);
	for (size_t i = 0; i < BYTES / 2; i += KNOWN_PAGE)
		sum += p[i];
	memset((char *)p + BYTES - (8 << 20), 1, 8 << 20);
	escape((void *)p);
	tell("untouched", BYTES - (8 << 20) + (size_t)sum);
}

/* More mappings, and more threads, than anybody wants to read of. */
static void *rests(void *arg)
{
	pthread_barrier_wait(&all_there);
	pause();
	return arg;
}

static void crowd(void)
{
	enum { MAPPINGS = 20000, RESTING = 300 };
	pthread_t t;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 64 << 10);
	pthread_barrier_init(&all_there, NULL, RESTING + 1);
	for (size_t i = 0; i < RESTING; i++)
		pthread_create(&t, &a, rests, NULL);
	pthread_barrier_wait(&all_there);
	char *p = mmap(NULL, MAPPINGS * (size_t)KNOWN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < MAPPINGS; i++) {
		p[i * KNOWN_PAGE] = 1;
		if (i % 2)
			mprotect(p + i * KNOWN_PAGE, KNOWN_PAGE, PROT_READ);
	}
}

/* No longer the user who started it. */
static void another(void)
{
	keep(malloc(1 << 20), 1 << 20);
	if (setgid(65534) || setuid(65534))
		_exit(3);
}

static void zombie(void)
{
	pid_t child = fork();
	if (!child)
		_exit(0);
	siginfo_t info;
	waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
	tell("child", (size_t)child);
}

/* Ends after so many blocks, whatever happens to it. */
static const char *brief_blocks;

static void brief(void)
{
	for (long i = strtol(brief_blocks, NULL, 10); i > 0; i--)
		keep(malloc(1 + (size_t)i % 5000), 1);
	_exit(0);
}

static const known_kind kinds[] = {
	{ "threads", threads }, { "huge", huge }, { "forked", forked }, { "untouched", untouched }, { "hung", hung },
	{ "moving", moving }, { "another", another }, { "zombie", zombie },
	{ "zeros", zeros }, { "crowd", crowd }, { "brief", brief }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	brief_blocks = argc > 2 ? argv[2] : "100";
	return known_main(argc, argv, kinds);
}
