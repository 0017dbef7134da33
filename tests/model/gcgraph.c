/* Managed heaps against a model: a seeded program makes, links, roots, forgets and exchanges objects in every way
 * that cairn/gc.h has, beside records of them in ordinary memory.
 *
 * Checked at intervals: a walk from the roots finds the same ids in the same order as the model's, every byte
 * beside the references, sizes, hashes, external bytes; a weak field is NULL only where the model says
 * unreachable; nothing is told dead that is reachable; the verifier is silent; with exact roots and one mutator
 * the number of live objects. At the end each drop function and cleanup has run once. The hash of the walks
 * depends on the seed and the number of mutators alone, and is compared between collectors.
 *
 * CAIRN_SEED, CAIRN_TEST_SECONDS, CAIRN_TEST_OPS; CAIRN_GC_COLLECTOR, CAIRN_GC_ZEAL and CAIRN_GC_THREADS choose
 * one of each instead of all. Each program runs in a child of its own. */
#include "support/child.h"
#include "support/gcmodel.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

enum { ACTORS = 4, MAIL = 8, REACHABLE_MOST = 1500, ROUND = 250 };
typedef cairn_ref(thing) thing_ref;

typedef struct program {
	uint64_t seed;
	cairn_gc_collector collector;
	const char *zeal;
	unsigned actors, ops;
	bool exact;
} program;

typedef struct shared_stack { /* of all actors, by cas */
	cairn_ref(pair) top;
} shared_stack;
CAIRN_GC_TYPE(shared_stack, .refs = CAIRN_GC_REFS(shared_stack, top));

typedef struct actor {
	model g;
	const program *p;
	cairn_gc_heap *h;
	cairn_gc_mutator *m;
	uint64_t rnd, hash, pushed, popped;
	unsigned self, done;
	const char *doing;
	thing_ref exact[EXACT], spare[STACK]; /* spare: instead of the stack, where that is not looked at */
	volatile uintptr_t *stack;
	cairn_gc_handle *handles[HANDLES];
	uintptr_t pins[PINS], range[RANGE];
	cairn_gc_table *table;
	cairn_gc_guardian *guardian;
} actor;

static actor actors[ACTORS];
static cairn_gc_handle *mail[ACTORS]; /* sync: written between barriers */
static pthread_barrier_t barrier;
static cairn_ref(shared_stack) stack_root;
static uint8_t
	token_kind[TOKENS]; /* 1: a drop function's, 2: a cleanup's, 0: neither, or freed by hand; one writer each */
static cairn_gc_collector running; /* the collector that the heap says it has */

static size_t below(actor *a, size_t n) { return test_random(&a->rnd) % n; }

/* Something is not as the model says: the program makes no sense from here on. */
static _Noreturn void broken(actor *a, const char *what, uint64_t got, uint64_t wanted)
{
	NOTE("BROKEN: %s: got %#llx, wanted %#llx; while: %s, operation %u of actor %u", what, (unsigned long long)got,
		(unsigned long long)wanted, a->doing, a->done, a->self);
	NOTE("BROKEN: CAIRN_SEED=%#llx CAIRN_GC_COLLECTOR=%s CAIRN_GC_ZEAL=%s CAIRN_GC_THREADS=%u CAIRN_TEST_OPS=%u",
		(unsigned long long)a->p->seed, cairn_gc_collector_name(running), a->p->zeal, a->p->actors, a->p->ops);
	abort();
}
static void must_equal(actor *a, const char *what, uint64_t got, uint64_t wanted)
{
	if (got != wanted)
		broken(a, what, got, wanted);
}
static record *must_know(actor *a, uint64_t id)
{
	record *r = record_of(&a->g, id);
	if (!r)
		broken(a, "an object that the model does not know", id, 0);
	return r;
}
static void must_be(actor *a, const char *what, const thing *o, uint64_t id) { must_equal(a, what, o ? o->id : 0, id); }

/* ---- Roots, by number: see the enum of slots ---- */

typedef enum slot_class { IS_EXACT, IS_STACK, IS_HANDLE, IS_PIN, IS_RANGE } slot_class;
static slot_class class_of(int slot, int *index)
{
	static const int sizes[] = { EXACT, STACK, HANDLES, PINS, RANGE };
	int class = 0;
	for (; slot >= sizes[class]; class ++)
		slot -= sizes[class];
	*index = slot;
	return class;
}

static thing *slot_get(actor *a, int slot)
{
	int i;
	uint32_t offset = a->g.offset[slot];
	switch (class_of(slot, &i)) {
	case IS_EXACT: return cairn_gc_root_get(a->m, &a->exact[i]);
	case IS_STACK:
		if (a->p->exact)
			return cairn_gc_root_get(a->m, &a->spare[i]);
		return a->stack[i] ? (thing *)(a->stack[i] - offset) : NULL;
	case IS_HANDLE: return a->handles[i] ? cairn_gc_handle_get(a->m, a->handles[i]) : NULL;
	case IS_PIN: return (thing *)a->pins[i];
	default: return a->range[i] ? (thing *)(a->range[i] - offset) : NULL;
	}
}

static void pin_set(actor *a, int i, thing *o)
{
	if (a->pins[i])
		cairn_gc_unpin(a->m, (void *)a->pins[i]);
	if (o)
		must_equal(a, "a pin", cairn_gc_pin(a->m, o), true);
	a->pins[i] = (uintptr_t)o;
}

static void handle_set(actor *a, int i, thing *o)
{
	if (!a->handles[i] && o) {
		a->handles[i] = cairn_gc_handle_new(a->m, o);
		must_equal(a, "a handle", a->handles[i] != NULL, true);
	} else if (o) {
		cairn_gc_handle_set(a->m, a->handles[i], o);
	} else {
		cairn_gc_handle_free(a->h, a->handles[i]);
		a->handles[i] = NULL;
	}
}

static void slot_set(actor *a, int slot, thing *o)
{
	int i;
	slot_class class = class_of(slot, &i);
	uint32_t size = o ? (uint32_t)must_know(a, o->id)->size : 0;
	const uint32_t offsets[] = { 0, 0, 8, size / 2, size - 1, size };
	uint32_t offset = o ? offsets[below(a, 6)] : 0;
	uintptr_t word = o ? (uintptr_t)o + offset : 0;
	a->g.slots[slot] = o ? o->id : 0;
	a->g.offset[slot] = offset;
	switch (class) {
	case IS_EXACT: cairn_gc_root_set(a->m, &a->exact[i], o); break;
	case IS_STACK:
		if (a->p->exact)
			cairn_gc_root_set(a->m, &a->spare[i], o);
		else
			a->stack[i] = word;
		break;
	case IS_HANDLE: handle_set(a, i, o); break;
	case IS_PIN: pin_set(a, i, o); break;
	default: a->range[i] = word;
	}
}

/* ---- Edges, plain addresses in WORDS included ---- */

static thing *edge(actor *a, thing *o, const record *r, uint32_t i)
{
	if (r->kind != WORDS)
		return edge_get(a->m, o, i);
	uintptr_t word = ((words *)o)->words[i];
	return word ? (thing *)(word - r->offsets[i]) : NULL;
}

static void link_edge(actor *a, thing *o, record *r, uint32_t i, thing *to)
{
	uint32_t choice = (uint32_t)below(a, 3);
	r->edges[i] = to ? to->id : 0;
	if (r->kind == WORDS) {
		size_t size = to ? must_know(a, to->id)->size : 0;
		r->offsets[i] = choice == 0 ? 0 : choice == 1 ? 8 : (uint32_t)size;
		((words *)o)->words[i] = to ? (uintptr_t)to + r->offsets[i] : 0;
	} else {
		edge_set(a->m, o, i, to);
	}
}

/* An object by some steps from a root, each compared; NULL: there is none. No safepoint. */
static thing *stroll(actor *a, record **found)
{
	int slot = 0;
	for (int tries = 0; tries < 12; tries++)
		if (a->g.slots[slot = (int)below(a, SLOTS)])
			break;
	*found = NULL;
	if (!a->g.slots[slot])
		return NULL;
	thing *o = slot_get(a, slot);
	must_be(a, "a root", o, a->g.slots[slot]);
	record *r = must_know(a, o->id);
	for (size_t steps = below(a, 7); steps > 0 && edges_of(r->kind, r->n); steps--) {
		uint32_t i = (uint32_t)below(a, edges_of(r->kind, r->n));
		if (!r->edges[i])
			continue;
		o = edge(a, o, r, i);
		must_be(a, "an edge", o, r->edges[i]);
		r = must_know(a, o->id);
	}
	must_equal(a, "a kind", o->kind, r->kind);
	*found = r;
	return o;
}

/* One of a kind; NULL: not met. */
static thing *stroll_to(actor *a, kind k, record **found)
{
	for (int tries = 0; tries < 12; tries++) {
		thing *o = stroll(a, found);
		if (o && (*found)->kind == k)
			return o;
	}
	return NULL;
}

#include "support/gcops.h"
#include "support/gcchecks.h"

/* ---- One actor, one program, all of them ---- */

static void exchange(actor *a)
{
	a->doing = "exchange";
	unsigned from = (a->self + a->p->actors - 1) % a->p->actors;
	mail_send(a, mail[a->self]);
	CAIRN_GC_BLOCKING(a->m) { pthread_barrier_wait(&barrier); }
	mail_take(a, mail[from]);
	CAIRN_GC_BLOCKING(a->m) { pthread_barrier_wait(&barrier); }
}

/* Not inlined, so that what it leaves on its stack is below the frame that attaches. */
__attribute__((noinline)) static void rounds(actor *a, volatile uintptr_t *stack)
{
	a->stack = stack;
	while (a->done < a->p->ops) {
		for (unsigned i = 0; i < ROUND; i++, a->done++)
			operation(a);
		check(a);
		if (a->p->actors > 1)
			exchange(a);
	}
	a->doing = "the end";
	for (int slot = 0; slot < SLOTS; slot++)
		slot_set(a, slot, NULL);
	check(a);
}

static void *actor_main(void *arg)
{
	actor *a = arg;
	volatile uintptr_t stack[STACK] = { 0 };
	if (a->self)
		a->m = cairn_gc_attach(a->h);
	must_equal(a, "attached", a->m != NULL, true);
	if (!cairn_gc_roots_add(a->h, a->exact, EXACT) || !cairn_gc_roots_add(a->h, a->spare, STACK) ||
		!cairn_gc_range_add(a->h, a->range, sizeof a->range))
		broken(a, "roots added", false, true);
	a->table = cairn_gc_table_new(a->h);
	a->guardian = cairn_gc_guardian_new(a->h);
	rounds(a, stack);
	cairn_gc_roots_remove(a->h, a->exact);
	cairn_gc_roots_remove(a->h, a->spare);
	cairn_gc_range_remove(a->h, a->range);
	cairn_gc_table_free(a->table);
	cairn_gc_guardian_free(a->guardian);
	if (a->self)
		cairn_gc_detach(a->m);
	return NULL;
}

static void actors_run(const program *p, cairn_gc_heap *h, cairn_gc_mutator *m)
{
	pthread_t threads[ACTORS];
	pthread_barrier_init(&barrier, NULL, p->actors);
	cairn_gc_root_set(m, &stack_root, cairn_gc_new(m, shared_stack));
	for (unsigned i = 0; i < p->actors; i++) {
		actor *a = &actors[i];
		model_init(&a->g, i + 1);
		a->p = p, a->h = h, a->self = i, a->m = i ? NULL : m;
		a->rnd = p->seed * 0x9e3779b97f4a7c15ull + i;
		mail[i] = cairn_gc_handle_new(m, NULL);
	}
	for (unsigned i = 1; i < p->actors; i++)
		EXPECT(pthread_create(&threads[i], NULL, actor_main, &actors[i]) == 0);
	actor_main(&actors[0]);
	CAIRN_GC_BLOCKING(actors[0].m)
	{
		for (unsigned i = 1; i < p->actors; i++)
			pthread_join(threads[i], NULL);
	}
}

/* In a child: runs it, and leaves its hash in *to. */
typedef struct task {
	program p;
	uint64_t *to;
} task;
static void program_run(void *arg)
{
	task *t = arg;
	const program *p = &t->p;
	test_case_failures = 0; /* those of the parent */
	cairn_gc_config config = {
		.collector = p->collector, .zeal = p->zeal, .exact_roots = p->exact, .min = 1 << 20, .name = "graph",
		.workers = p->seed & 4 ? 3 : 1
	};
	if (p->seed & 2)
		cairn_gc_register(&words_cairn_gc_type);
	cairn_gc_heap *h = cairn_gc_open(&config);
	REQUIRE(h);
	running = cairn_gc_collector_of(h);
	cairn_gc_mutator *m = cairn_gc_attach(h);
	REQUIRE(m && cairn_gc_root_add(h, &stack_root));
	actors_run(p, h, m);
	for (unsigned i = 0; i < p->actors; i++)
		*t->to = mixed(*t->to, actors[i].hash);
	m = actors[0].m;
	shared_stack_check(&actors[0], p->actors);
	for (unsigned i = 0; i < p->actors; i++)
		cairn_gc_handle_free(h, mail[i]);
	cairn_gc_root_remove(h, &stack_root);
	everything_is_gone(&actors[0]);
	cairn_gc_detach(m);
	cairn_gc_close(h);
	deaths_are_told_once(&actors[0]);
}

static uint64_t *shared_hash;

static uint64_t hash_of(task t)
{
	*shared_hash = 1;
	t.to = shared_hash;
	in_a_child(program_run, &t);
	return *shared_hash;
}

/* ---- Configurations ---- */

static const char *const zeal_default[] = { "", "collect=61,move,verify", "collect=97,small,pins=5,poison,delay",
	"collect=31,shadow,move,poison" };
enum { ZEALS = 4 };
#ifdef __SANITIZE_THREAD__ /* one of each must fit the time of make test */
enum { OPS = 1000 };
#else
enum { OPS = 2500 };
#endif

typedef struct tally {
	double seconds;
	unsigned programs;
	uint64_t first;
} tally;

static const char *const *zeals;
static unsigned zeal_count, thread_choices[2], thread_count;
static cairn_gc_collector first_collector = CAIRN_GC_NONE, last_collector = CAIRN_GC_GENERATIONAL;
static tally tallies[8][ZEALS][2];

/* The next one that is built. */
static cairn_gc_collector after(cairn_gc_collector c)
{
	return c == CAIRN_GC_MARKCOMPACT ? CAIRN_GC_GENERATIONAL : (cairn_gc_collector)(c + 1);
}

static void seed_run(uint64_t seed, bool is_first, double end)
{
	for (unsigned th = 0; th < thread_count; th++) {
		uint64_t wanted = 0;
		for (unsigned z = 0; z < zeal_count; z++)
			for (cairn_gc_collector c = first_collector; c <= last_collector; c = after(c)) {
				double began = test_seconds();
				if (!is_first && began > end)
					return;
				task t = { .p = { .seed = seed,
						   .collector = c,
						   .zeal = zeals[z],
						   .exact = seed & 1,
						   .actors = thread_choices[th],
						   .ops = (unsigned)test_setting("CAIRN_TEST_OPS", OPS) } };
				uint64_t hash = hash_of(t);
				wanted = wanted ? wanted : hash;
				EXPECT_EQ(hash, wanted);
				if (hash != wanted)
					NOTE("of seed %#llx, %s, zeal %s, %u mutators", (unsigned long long)seed,
						cairn_gc_collector_name(c), zeals[z], t.p.actors);
				tally *y = &tallies[c][z][th];
				y->seconds += test_seconds() - began;
				y->first = y->programs++ ? y->first : hash;
				if (getenv("CAIRN_GC_HASHES"))
					NOTE("hash %#llx %u %016llx", (unsigned long long)seed, t.p.actors,
						(unsigned long long)hash);
			}
	}
}

static void a_program_has_the_hash_of_its_model_under_every_collector(void)
{
	uint64_t seed = test_seed();
	double end = test_seconds() + test_seconds_to_run(6);
	shared_hash = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared_hash != MAP_FAILED);
	bool is_first = true;
	do {
		seed_run(seed++, is_first, end);
		is_first = false;
	} while (test_seconds() < end && !test_case_failures);
	for (cairn_gc_collector c = first_collector; c <= last_collector; c = after(c))
		for (unsigned z = 0; z < zeal_count; z++)
			for (unsigned th = 0; th < thread_count; th++) {
				const tally *y = &tallies[c][z][th];
				NOTE("%-11s %-38s %u mutators: %5.1f s, %4u programs, first hash %016llx",
					getenv("CAIRN_GC_COLLECTOR") ?: cairn_gc_collector_name(c), zeals[z],
					thread_choices[th], y->seconds, y->programs, (unsigned long long)y->first);
			}
}

int main(void)
{
	static const char *zeal_asked;
	zeal_asked = getenv("CAIRN_GC_ZEAL");
	zeals = zeal_asked ? &zeal_asked : zeal_default;
	zeal_count = zeal_asked ? 1 : ZEALS;
	uint64_t threads_asked = test_setting("CAIRN_GC_THREADS", 0);
	thread_choices[0] = threads_asked ? (unsigned)threads_asked : 1;
	thread_choices[1] = ACTORS;
	thread_count = threads_asked ? 1 : 2;
	if (getenv("CAIRN_GC_COLLECTOR")) /* which wins over the config's */
		last_collector = first_collector = CAIRN_GC_MARKSWEEP;
	RUN(a_program_has_the_hash_of_its_model_under_every_collector);
	DONE();
}
