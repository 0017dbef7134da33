/* s21: malloc and free in a handler, five thousand times a second over malloc and free, neither hang nor crash */
#include "support.h"

static uint32_t handler_seed = 21;
static volatile long handled;
static void *volatile kept[64]; /* blocks that outlive the handler that made them, freed by a later one */
static bool is_keeping;

static void on_signal(int number) {
	(void)number;
	int saved = errno;
	uint32_t d = dice(&handler_seed);
	size_t bytes = any_size(&handler_seed);
	unsigned char *p = malloc(bytes);
	if (p)
		memset(p, 0x5A, bytes);
	void *old = p;
	if (is_keeping) {
		old = kept[d % 64];
		kept[d % 64] = p;
	}
	free(old);
	handled++;
	errno = saved;
}
static void *others(void *arg) {
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (double end = now() + *(double *)arg; now() < end;)
		churn(77, 500);
	return NULL;
}
static void arm(timer_t *timer) {
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 200000 }, { 0, 200000 } };
	CHECK(timer_create(CLOCK_MONOTONIC, &event, timer) == 0);
	CHECK(timer_settime(*timer, 0, &every, NULL) == 0);
}
static int storm(void *arg) {
	double seconds = budget(8) / 2;
	bool threaded = *(int *)arg == 1;
	is_keeping = *(int *)arg == 2;
	pthread_t thread;
	timer_t timer;
	if (threaded)
		thread = thread_start(others, &seconds, 0);
	CHECK(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART }, NULL) == 0);
	arm(&timer);
	double end = now() + seconds;
	for (uint32_t i = 1; now() < end; i++)
		churn(i, 300);
	timer_delete(timer);
	if (threaded)
		pthread_join(thread, NULL);
	NOTE("%s%s: %ld signals handled\n", threaded ? "two threads" : "one thread",
	     is_keeping ? ", blocks outlive the handler" : "", handled);
	CHECK_SAY(handled > 100, "%ld", handled);
	return 0;
}
int main(void) {
	int one = 0, two = 1, keeping = 2;
	unsigned limit = 10 + (unsigned)budget(8);
	bool a = ended_well("one thread", in_child(storm, &one, limit));
	bool b = ended_well("two threads", in_child(storm, &two, limit));
	/* Wanted, not demanded: no malloc known to us survives it. */
	if (!ended_well("blocks outlive the handler", in_child(storm, &keeping, limit)))
		NOTE("where blocks outlive the handler, the program is ended\n");
	CHECK(a && b);
	return 0;
}
