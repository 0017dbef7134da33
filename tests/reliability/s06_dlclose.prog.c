/* Opens a malloc, uses it in threads, closes it, and then lets the threads end. BUILD: -ldl */
#include "support.h"

static void *library;
static pthread_barrier_t used, closed;

static void *work(void *arg) {
	void *(*late_malloc)(size_t) = (void *(*)(size_t))dlsym(library, "malloc");
	void (*late_free)(void *) = (void (*)(void *))dlsym(library, "free");
	CHECK(late_malloc && late_free);
	for (size_t i = 1; i < 3000; i++)
		late_free(late_malloc(i));
	pthread_barrier_wait(&used);
	pthread_barrier_wait(&closed);
	return arg;
}
int main(int argc, char **argv) {
	CHECK(argc == 2);
	for (int round = 0; round < 5; round++) {
		pthread_t threads[4];
		pthread_barrier_init(&used, NULL, 5);
		pthread_barrier_init(&closed, NULL, 5);
		library = dlopen(argv[1], RTLD_NOW);
		CHECK_SAY(library, "%s", dlerror());
		for (int i = 0; i < 4; i++)
			threads[i] = thread_start(work, NULL, 0);
		pthread_barrier_wait(&used);
		CHECK(dlclose(library) == 0);
		pthread_barrier_wait(&closed);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
	return 0;
}
