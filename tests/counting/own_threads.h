/* counting/own_threads.h - runs one function in some threads that all live at the same time, and adds up their counts.
 *
 * The barrier keeps each thread until all have started: so libc allocates the same for them whatever they then do,
 * and a run with no work can be subtracted from a run with work. */
#ifndef CAIRN_OWN_THREADS_H
#define CAIRN_OWN_THREADS_H

#include "own_count.h"

#include <pthread.h>

enum { OWN_THREADS_MAX = 16 };

typedef struct own_thread {
	own_count count;
	uint64_t work;              /* allocations to make */
	unsigned index;
	pthread_t id;
	pthread_barrier_t *started;
	void (*run)(struct own_thread *t);
} own_thread;

static inline void *own_thread_main(void *arg)
{
	own_thread *t = (own_thread *)arg;
	if (t->started)
		pthread_barrier_wait(t->started);
	t->run(t);
	return NULL;
}

/* Divides the work; one thread means the main thread itself. */
static inline own_count own_threads_run(void (*run)(own_thread *t), uint64_t work, unsigned threads)
{
	static own_thread all[OWN_THREADS_MAX];
	pthread_barrier_t started;
	own_count total = { 0, 0, 0, 0 };
	if (threads < 1 || threads > OWN_THREADS_MAX)
		abort();
	pthread_barrier_init(&started, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		all[i].work = work / threads;
		all[i].index = i;
		all[i].count.random = i + 1;
		all[i].started = threads > 1 ? &started : NULL;
		all[i].run = run;
		if (threads > 1 && pthread_create(&all[i].id, NULL, own_thread_main, &all[i]))
			abort();
	}
	if (threads == 1)
		own_thread_main(&all[0]);
	for (unsigned i = 0; i < threads; i++) {
		if (threads > 1)
			pthread_join(all[i].id, NULL);
		own_add(&total, &all[i].count);
	}
	return total;
}

#endif
