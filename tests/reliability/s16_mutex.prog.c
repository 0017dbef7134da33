/* A library's mutex that its fork handlers take, and that its threads hold while they allocate: every lock of the
 * malloc has to be taken after it. What the handlers allocate is kept. */
#include "support.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *kept[600];
static int kept_count, refused;

static void before(void) { pthread_mutex_lock(&mutex); }
static void after(void) {
	if (kept_count < 600)
		refused += !(kept[kept_count++] = malloc(10000));
	pthread_mutex_unlock(&mutex);
}
static void after_in_child(void) {
	void *large = malloc(5 * MIB);
	if (!large)
		_exit(1);
	free(large);
	pthread_mutex_unlock(&mutex);
}
static void *work(void *arg) {
	void *blocks[200];
	for (uint32_t i = 0;; i++) {
		pthread_mutex_lock(&mutex);
		for (uint32_t k = 0; k < 200; k++)
			blocks[k] = malloc(40000 + (i * 200 + k) * 7919 % 200000);
		for (uint32_t k = 0; k < 200; k++)
			free(blocks[k]);
		pthread_mutex_unlock(&mutex);
		usleep(10);
	}
	return arg;
}
static int child(void *arg) { return free(malloc(*(uint32_t *)arg * 100)), 0; }
int main(void) {
	pthread_atfork(before, after, after_in_child);
	thread_start(work, NULL, 0);
	for (uint32_t i = 1; i <= 1000; i++)
		CHECK(ended_well("a child of fork", in_child(child, &i, 10)));
	CHECK(!refused);
	_exit(0);
}
