/* larson.cc - a server (Larson and Krishnan 1998): threads hand over their blocks to the threads that follow them.
 *
 *   larson [THREADS [sized]]
 *
 * Each chain of threads owns 1,000 slots of blocks of 8..1000 bytes. A thread replaces the block in a random slot 40,000
 * times, then starts its successor with the same slots and ends: blocks outlive who made them, and are freed by others.
 * `sized` calls delete with the size. The work is fixed; the classic's is a time. */
#include "bench.h"

enum { SLOTS = 1000, REPLACED = 40000, LEAST = 8, MOST = 1000 };

struct chain {
	unsigned char *block[SLOTS];
	unsigned short bytes[SLOTS];
	uint64_t seed, check;
	size_t generations;
	bool is_over; /* sync: lock */
	pthread_mutex_t lock;
	pthread_cond_t over;
};
static bool sized;

static void drop(unsigned char *p, size_t bytes)
{
	if (sized)
		::operator delete(p, bytes);
	else
		::operator delete(p);
}

static void replace(chain *c)
{
	size_t slot = bench_below(&c->seed, SLOTS);
	if (c->block[slot]) {
		c->check = c->check * 31 + bench_read(c->block[slot], c->bytes[slot]);
		drop(c->block[slot], c->bytes[slot]);
	}
	c->bytes[slot] = (unsigned short)bench_between(&c->seed, LEAST, MOST);
	c->block[slot] = static_cast<unsigned char *>(::operator new(c->bytes[slot]));
	bench_fill(c->block[slot], c->bytes[slot], (unsigned char)slot);
}

static void *generation(void *argument)
{
	chain *c = static_cast<chain *>(argument);
	for (unsigned i = 0; i < REPLACED; i++)
		replace(c);
	if (--c->generations) {
		pthread_detach(bench_thread(generation, c));
		return nullptr;
	}
	pthread_mutex_lock(&c->lock);
	c->is_over = true;
	pthread_cond_signal(&c->over);
	pthread_mutex_unlock(&c->lock);
	return nullptr;
}

int main(int argc, char **argv)
{
	size_t threads = bench_argument(argc, argv, 1, 2), generations = bench_scaled(700);
	sized = argc > 2 && !strcmp(argv[2], "sized");
	static chain chains[16];
	uint64_t check = 0;
	bench_start();
	for (size_t i = 0; i < threads; i++) {
		chains[i].seed = bench_seed(i);
		chains[i].generations = generations;
		pthread_mutex_init(&chains[i].lock, nullptr);
		pthread_cond_init(&chains[i].over, nullptr);
		pthread_detach(bench_thread(generation, &chains[i]));
	}
	for (size_t i = 0; i < threads; i++) {
		pthread_mutex_lock(&chains[i].lock);
		while (!chains[i].is_over)
			pthread_cond_wait(&chains[i].over, &chains[i].lock);
		check += chains[i].check;
	}
	bench_stop();
	return bench_done(check);
}
