/* s09: TLS destructors that re-arm themselves and allocate in all four rounds leave nothing behind */
#include "support.h"

static pthread_key_t key;
static long rounds_run;

static void destroy(void *arg) {
	void *p[20];
	for (size_t i = 0; i < 20; i++)
		p[i] = malloc(16 << (i % 8));
	for (size_t i = 0; i < 20; i++)
		free(p[i]);
	free(arg);
	__atomic_add_fetch(&rounds_run, 1, __ATOMIC_RELAXED);
	pthread_setspecific(key, malloc(40)); /* the last round's is lost: 40 bytes a thread, by the program */
}
static void *work(void *arg) {
	free(malloc(1000));
	pthread_setspecific(key, malloc(40));
	return arg;
}
static void threads(long count) {
	pthread_t thread[8];
	for (long i = 0; i < count; i += 8) {
		for (int k = 0; k < 8; k++)
			thread[k] = thread_start(work, NULL, 64 * KIB);
		for (int k = 0; k < 8; k++)
			pthread_join(thread[k], NULL);
	}
}
int main(void) {
	long count = is_full() ? 100000 : 20000;
	CHECK(pthread_key_create(&key, destroy) == 0);
	threads(1000);
	size_t before = rss_bytes();
	threads(count);
	size_t after = rss_bytes(), lost = (size_t)count * 48;
	size_t grown = after > before + lost ? after - before - lost : 0;
	CHECK(rounds_run == 4 * (count + 1000));
	NOTE("%ld threads: %zu KiB more (%.1f bytes a thread beyond the program's own leak)\n", count, grown / KIB,
	     (double)grown / (double)count);
	CHECK_SAY(grown <= MIB, "%zu KiB more after %ld threads", grown / KIB, count);
	return 0;
}
