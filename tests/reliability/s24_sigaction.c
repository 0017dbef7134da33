/* s24: signal actions, the mask and the alternate stack are the program's: nothing installs its own */
#include "support.h"

static void look(const char *when, bool ours) {
	sigset_t mask;
	stack_t stack;
	for (int s = 1; s < 64; s++) {
		struct sigaction a;
		if (s == 32 || s == 33 || sigaction(s, NULL, &a) != 0)
			continue;
		void (*wanted)(int) = ours && (s == SIGSEGV || s == SIGBUS) ? SIG_IGN : SIG_DFL;
		CHECK_SAY(a.sa_handler == wanted, "%s: signal %d has another action", when, s);
	}
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	for (int s = 1; s < 64; s++)
		CHECK_SAY(sigismember(&mask, s) != 1, "%s: signal %d is blocked", when, s);
	CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_DISABLE);
}
static void *work(void *arg) {
	churn(24, 20000);
	look("in a thread", arg != NULL);
	return NULL;
}
int main(void) {
	for (int s = 1; s < 64; s++) /* what the parent left to us is no matter here */
		if (s != 32 && s != 33 && s != SIGSEGV && s != SIGBUS && s != SIGILL && s != SIGFPE && s != SIGTRAP)
			signal(s, SIG_DFL);
	look("at the start", false);
	work(NULL);
	pthread_join(thread_start(work, NULL, 0), NULL);
	signal(SIGSEGV, SIG_IGN);
	signal(SIGBUS, SIG_IGN);
	work(main);
	pthread_join(thread_start(work, main, 0), NULL);
	malloc_trim(0);
	look("at the end", true);
	return 0;
}
