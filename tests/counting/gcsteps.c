/* A managed heap's fast paths, counted: how many instructions a store to a field and an allocation execute.
 *
 * They are inline, so there is no function to step through: a child runs a loop of ROUNDS of each, then of twice as
 * many, one instruction at a time, and the same loops with nothing in them; what is left of the differences, over
 * ROUNDS, is the price of one. The heap's collector is `none`, and its mutator has room for all of them without a
 * refill. The barrier is set by hand: what it costs does not depend on which collector set it. Counts do not depend
 * on load.
 *
 * ns are told beside a pair of malloc and free, and not tested. Built and run by tests/counting/managed. */
#include "cairn/gc.h"
#include "support/test.h"

#if !defined(__x86_64__)
int main(void) { SKIP_ALL("single steps are counted on x86-64 only"); }
#else

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
	COMPRESS = sizeof(cairn_gc_slot) == 4 ? 2 : 0, /* of a value that is used on: a copy, and the shift */
	STORE_OFF = 4 + COMPRESS,
	STORE_ON = 4 + COMPRESS,
	LOAD = sizeof(cairn_gc_slot) == 4 ? 7 : 1, /* 5, and 2 moves where the compiler has it so */
	ALLOCATION = 9, /* instructions */
	ROUNDS = 100,
	TIMED = 2000000,
	STEPS_MAX = 1000000,
};

typedef struct object { /* 32 bytes */
	cairn_ref(struct object) left, right;
	uint64_t number[2];
} object;
CAIRN_GC_TYPE(object, .refs = CAIRN_GC_REFS(object, left, right));

typedef struct large_object { /* the largest that is allocated inline */
	uint64_t number[31];
} large_object;
CAIRN_GC_TYPE(large_object, .refs = 0);

extern void *__libc_malloc(size_t), __libc_free(void *);

static cairn_gc_heap *heap;
static cairn_gc_mutator *mutator;
static object *objects[64];

/* The compiler must read anew what m, and any object, hold. */
#define BARRIER() __asm__ volatile("" ::: "memory")
#define LOOP(name, ...)                                                                                                \
	static __attribute__((noinline)) void name(cairn_gc_mutator *m, size_t rounds)                                 \
	{                                                                                                              \
		object *value = objects[0];                                                                            \
		for (size_t i = 0; i < rounds; i++) {                                                                  \
			object *o = objects[i & 63];                                                                   \
			__asm__ volatile("" : "+r"(value) : "r"(o), "r"(m) : "memory");                                \
			__VA_ARGS__;                                                                                   \
			BARRIER();                                                                                     \
		}                                                                                                      \
	}
LOOP(store_nothing, (void)0)
LOOP(store, cairn_gc_set(m, o, left, value))
LOOP(load, object *left = cairn_gc_get(m, o, left); __asm__ volatile("" : : "r"(left)))
#define MAKING(name, ...)                                                                                              \
	static __attribute__((noinline)) void name(cairn_gc_mutator *m, size_t rounds)                                 \
	{                                                                                                              \
		for (size_t i = 0; i < rounds; i++) {                                                                  \
			void *made = NULL;                                                                             \
			BARRIER();                                                                                     \
			__VA_ARGS__;                                                                                   \
			__asm__ volatile("" : : "r"(made), "r"(m) : "memory");                                         \
		}                                                                                                      \
	}
MAKING(make_nothing, (void)0)
MAKING(make, made = cairn_gc_new(m, object))
MAKING(make_large, made = cairn_gc_new(m, large_object))
MAKING(malloc_and_free, made = malloc(sizeof(object)); free(made))
MAKING(libc_malloc_and_free, made = __libc_malloc(sizeof(object)); __libc_free(made))

#define MARK() __asm__ volatile("int3" ::: "memory")

/* ---- the child: makes room, then runs the loop between two marks ---- */

static void make_room(size_t cell)
{
	cairn_gc_bump *b = mutator->run[cell / 8];
	while (b->end - b->at < 2 * ROUNDS * cell) {
		if (cell > 256 / 2)
			make_large(mutator, 1);
		else
			make(mutator, 1);
		b = mutator->run[cell / 8];
	}
}

static _Noreturn void child_main(void (*loop)(cairn_gc_mutator *m, size_t rounds), size_t rounds)
{
	loop(mutator, 2);
	make_room(loop == make_large ? 256 : 40);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	MARK();
	loop(mutator, rounds);
	MARK();
	_exit(0);
}

/* ---- the parent ---- */

/* Steps until the child is about to execute the second mark; 0: it did not come there. */
static size_t steps(void (*loop)(cairn_gc_mutator *m, size_t rounds), size_t rounds)
{
	pid_t child = fork();
	if (!child)
		child_main(loop, rounds);
	int status;
	size_t n = 0;
	bool is_marked = false;
	while (n < STEPS_MAX && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		unsigned char next = 0;
		long ip = ptrace(PTRACE_PEEKUSER, child, 16 * sizeof(long), 0); /* of user_regs_struct: rip */
		next = (unsigned char)ptrace(PTRACE_PEEKTEXT, child, ip, 0);
		is_marked = next == 0xcc;
		if (is_marked || ptrace(PTRACE_SINGLESTEP, child, 0, 0))
			break;
		n++;
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return is_marked ? n : 0;
}

/* Hundredths of an instruction of what loop does in a round and nothing does not. */
static long price(void (*loop)(cairn_gc_mutator *, size_t), void (*nothing)(cairn_gc_mutator *, size_t))
{
	size_t once = steps(loop, ROUNDS), twice = steps(loop, 2 * ROUNDS);
	size_t idle_once = steps(nothing, ROUNDS), idle_twice = steps(nothing, 2 * ROUNDS);
	EXPECT(once && twice && idle_once && idle_twice && "the child can be stepped from mark to mark");
	return (long)(100 * (twice - once) / ROUNDS) - (long)(100 * (idle_twice - idle_once) / ROUNDS);
}

static double ns(void (*loop)(cairn_gc_mutator *m, size_t rounds))
{
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		struct timespec from, to;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		loop(mutator, TIMED);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		double taken = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
		best = taken / TIMED < best ? taken / TIMED : best;
	}
	return best;
}

static bool open_heap(cairn_gc_collector collector)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = collector, .max = 64 << 20 });
	mutator = heap ? cairn_gc_attach(heap) : NULL;
	return mutator;
}

/* ---- cases ---- */

static void a_loop_that_does_nothing_more_costs_nothing_more(void)
{
	EXPECT_EQ(price(store_nothing, store_nothing), 0);
	EXPECT_EQ(price(make_nothing, make_nothing), 0);
}

static void a_store_takes_4_instructions_and_2_to_compress(void)
{
	mutator->barrier = CAIRN_GC_BARRIER_NONE;
	long found = price(store, store_nothing);
	NOTE("a store, barrier off: %ld.%02ld instructions, %.2f ns", found / 100, found % 100,
		ns(store) - ns(store_nothing));
	EXPECT(found >= 100 && found <= 100 * STORE_OFF);
}

static void a_store_takes_no_more_where_a_barrier_is_on(void)
{
	mutator->barrier = CAIRN_GC_BARRIER_WATCHED;
	long found = price(store, store_nothing);
	NOTE("a store, barrier on: %ld.%02ld instructions, %.2f ns", found / 100, found % 100,
		ns(store) - ns(store_nothing));
	EXPECT(found >= 100 && found <= 100 * STORE_ON);
	mutator->barrier = CAIRN_GC_BARRIER_NONE;
}

static void a_load_is_one_instruction_and_up_to_6_to_expand(void)
{
	long found = price(load, store_nothing);
	NOTE("a load: %ld.%02ld instructions, %.2f ns", found / 100, found % 100, ns(load) - ns(store_nothing));
	EXPECT(found >= 100 && found <= 100 * LOAD);
}

static void an_allocation_takes_at_most_9_instructions(void)
{
	long found = price(make, make_nothing), large = price(make_large, make_nothing);
	NOTE("an allocation of 32 bytes: %ld.%02ld instructions; of 248: %ld.%02ld", found / 100, found % 100,
		large / 100, large % 100);
	EXPECT(found >= 100 && found <= 100 * ALLOCATION);
	EXPECT(large >= 100 && large <= 100 * ALLOCATION);
}

static void the_times_are_told(void)
{
	cairn_gc_detach(mutator);
	cairn_gc_close(heap);
	REQUIRE(open_heap(CAIRN_GC_MARKSWEEP));
	double making = ns(make) - ns(make_nothing), libc = ns(libc_malloc_and_free) - ns(make_nothing);
	NOTE("32 bytes: %.1f ns an allocation under marksweep, its collections included; malloc and free: %.1f ns, of "
	     "libc: %.1f",
		making, ns(malloc_and_free) - ns(make_nothing), libc);
	EXPECT(making > 0 && libc > 0);
}

int main(void)
{
	if (!open_heap(CAIRN_GC_NONE))
		return 1;
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
		objects[i] = cairn_gc_new(mutator, object);
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
		cairn_gc_set(mutator, objects[i], left, objects[i]);
	RUN(a_loop_that_does_nothing_more_costs_nothing_more);
	RUN(a_store_takes_4_instructions_and_2_to_compress);
	RUN(a_store_takes_no_more_where_a_barrier_is_on);
	RUN(a_load_is_one_instruction_and_up_to_6_to_expand);
	RUN(an_allocation_takes_at_most_9_instructions);
	RUN(the_times_are_told);
	DONE();
}
#endif
