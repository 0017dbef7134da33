/* rptest.c - random sizes, and every so often a whole list of blocks goes to the next thread (after rpmalloc's
 * benchmark).
 *
 * Two threads, 16..16000 bytes, smaller ones likelier; each holds 2,000 slots, of which a stride is replaced per
 * step. After each 500 replacements a tenth of the slots is handed over to the other thread, if it has taken the last
 * such list, and it frees them when it next looks. */
#include "bench.h"
#include <stdatomic.h>

enum { THREADS = 2, SLOTS = 2000, BETWEEN = 500, HANDED = SLOTS / 10 };
typedef struct block {
	struct block *next;
	uint64_t value;
} block;
static _Atomic(block *) handed[THREADS]; /* sync: a whole list stored by the other thread, taken by this one */
static size_t steps;

typedef struct worker {
	size_t number;
	uint64_t sum;
} worker;

static block *block_make(uint64_t *seed)
{
	size_t a = bench_between(seed, 16, 16000), b = bench_between(seed, 16, 16000);
	block *p = malloc(a < b ? a : b);
	if (!p)
		bench_die("malloc");
	p->value = bench_any(seed) & 0xff;
	return p;
}

static uint64_t list_free(block *p)
{
	uint64_t sum = 0;
	for (block *next; p; p = next) {
		next = p->next;
		sum += p->value;
		free(p);
	}
	return sum;
}

/* Only when the last list was taken: a thread that runs behind would otherwise be given without end. */
static void hand_over(size_t to, block **slots, uint64_t *seed)
{
	block *first = NULL;
	if (atomic_load(&handed[to]))
		return;
	for (unsigned i = 0; i < HANDED; i++) {
		block **at = &slots[bench_below(seed, SLOTS)];
		if (!*at)
			continue;
		(*at)->next = first;
		first = *at;
		*at = NULL;
	}
	atomic_store(&handed[to], first); /* the other thread only ever takes: it was empty and still is */
}

static void *work(void *argument)
{
	worker *w = argument;
	uint64_t seed = bench_seed(w->number), which = bench_seed(w->number + 9); /* apart: lists may stay */
	block *slots[SLOTS] = { NULL };
	for (size_t i = 0, at = 0; i < steps; i++) {
		at = (at + 7) % SLOTS;
		if (slots[at]) {
			w->sum += slots[at]->value;
			free(slots[at]);
		}
		slots[at] = block_make(&seed);
		if (i % BETWEEN == 0) {
			hand_over((w->number + 1) % THREADS, slots, &which);
			w->sum += list_free(atomic_exchange(&handed[w->number], NULL));
		}
	}
	for (unsigned k = 0; k < SLOTS; k++)
		if (slots[k]) {
			w->sum += slots[k]->value;
			free(slots[k]);
		}
	return NULL;
}

int main(void)
{
	worker w[THREADS] = { { 0, 0 }, { 1, 0 } };
	steps = bench_scaled(4000000);
	bench_crowd_at_once(THREADS, work, w, sizeof *w);
	uint64_t check = w[0].sum + w[1].sum;
	for (unsigned i = 0; i < THREADS; i++)
		check += list_free(handed[i]);
	return bench_done(check);
}
