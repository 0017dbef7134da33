/* s15: sixteen threads may fork at once, and fork stays fast beside a thousand threads */
#include "support.h"

static pthread_barrier_t ready;
static int leave; /* sync: atomic */
static double until;

static void *forker(void *arg) {
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	while (now() < until) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			alarm(15);
			churn(seed, 100);
			_exit(0);
		}
		churn(seed++, 100);
		int status;
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(ended_well("a child", status));
	}
	return NULL;
}
static void *idle(void *arg) {
	void *p = malloc(200);
	pthread_barrier_wait(&ready);
	while (!__atomic_load_n(&leave, __ATOMIC_RELAXED))
		usleep(50000);
	free(p);
	return arg;
}
static double fork_seconds(void) {
	double best = 1e9;
	for (int i = 0; i < 20; i++) {
		double start = now();
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		double took = now() - start;
		waitpid(pid, NULL, 0);
		best = took < best ? took : best;
	}
	return best;
}
int main(void) {
	static pthread_t thread[1000];
	until = now() + budget(3);
	for (uintptr_t i = 0; i < 16; i++)
		thread[i] = thread_start(forker, (void *)(i * 100 + 1), 0);
	for (int i = 0; i < 16; i++)
		pthread_join(thread[i], NULL);
	double alone = fork_seconds();
	pthread_barrier_init(&ready, NULL, 1001);
	for (int i = 0; i < 1000; i++)
		thread[i] = thread_start(idle, NULL, 32 * KIB);
	pthread_barrier_wait(&ready);
	double among = fork_seconds();
	__atomic_store_n(&leave, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 1000; i++)
		pthread_join(thread[i], NULL);
	NOTE("fork: %.0f us alone, %.0f us beside 1000 threads\n", alone * 1e6, among * 1e6);
	CHECK_SAY(among < 0.05, "%.0f us", among * 1e6);
	return 0;
}
