/* Places where C programs leave pointers: what only one of them refers to lives, and is gone when it is cleared;
 * or it is no place that is looked at, and the report of undeclared words tells of it.
 *
 * Each case makes objects that nothing else refers to. Their addresses pass through `hidden`, complemented, and
 * the stack is scrubbed, so that a survivor was found where the case put it; each case has a control, which puts
 * the complement there, and which most objects do not survive (a stale word may keep some). */
#include "heaps.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { TRIES = IS_SANITIZED ? 8 : 24 };
#define FORGET(variable) ((variable) = 0, (void)(variable))

static place here;
static cairn_ref(watch) watching;
static uintptr_t hidden; /* the complement of the object's address */

__attribute__((noinline)) static void make_hidden(void)
{
	node *n = cairn_gc_new(here.m, node);
	n->key = 4711;
	cairn_gc_root_set(here.m, &watching, watch_new(here.m, n));
	hidden = ~(uintptr_t)n;
}
__attribute__((noinline)) static bool lives(void)
{
	watch *w = cairn_gc_root_get(here.m, &watching);
	node *n = cairn_gc_get_weak(here.m, w, of);
	return n && n->key == 4711;
}
__attribute__((noinline)) static void collect(void)
{
	scrub();
	cairn_gc_collect(here.m);
}

/* A way to hold the object of `hidden` through one call of f: mask is ~0 to hold it, 0 to hold its complement (which is
 * then no address). */
typedef void way(uintptr_t mask, void (*f)(void));

static unsigned survivors(way *hold, uintptr_t mask)
{
	unsigned count = 0;
	for (int i = 0; i < TRIES; i++) {
		make_hidden();
		scrub();
		hold(mask, collect);
		count += lives();
		scrub();
	}
	return count;
}
static void every_collector_finds(way *hold, unsigned line)
{
	EACH_COLLECTOR(c)
	{
		here = place_open((cairn_gc_config){ .collector = c });
		EXPECT(cairn_gc_root_add(here.h, &watching));
		unsigned held = survivors(hold, ~(uintptr_t)0), control = survivors(hold, 0);
		if (held != TRIES || (control > TRIES / 4 && !IS_SANITIZED))
			NOTE("line %u, %s: %u of %u held, %u where nothing holds them", line,
				cairn_gc_collector_name(c), held, TRIES, control);
		EXPECT_EQ(held, TRIES);
		EXPECT(control <= TRIES / 4 || IS_SANITIZED); /* whose frames are not scrubbed */
		cairn_gc_root_remove(here.h, &watching);
		watching.cairn_gc_word = 0;
		place_close(here);
	}
}
#define FINDS(way) every_collector_finds(way, __LINE__)

/* ---- Registers: each that a call keeps, alone ---- */

#if defined __x86_64__
#define REGISTER_WAY(reg, saver)                                                                                       \
	__attribute__((noinline)) static void in_##reg(uintptr_t mask, void (*f)(void))                                \
	{                                                                                                              \
		__asm__ volatile("mov %%rsp, %%" #saver "\n\tsub $256, %%rsp\n\tand $-64, %%rsp\n\t"                   \
				 "mov %0, %%" #reg "\n\txor %1, %%" #reg "\n\txor %%ecx, %%ecx\n\tcall *%2\n\t"        \
				 "xor %%" #reg ", %%" #reg "\n\tmov %%" #saver ", %%rsp"                               \
				 :                                                                                     \
				 : "m"(hidden), "c"(mask), "a"(f)                                                      \
				 : "memory", "cc", #reg, #saver, "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");       \
	}
#elif defined __aarch64__
#define REGISTER_WAY(reg, saver)                                                                                       \
	__attribute__((noinline)) static void in_##reg(uintptr_t mask, void (*f)(void))                                \
	{                                                                                                              \
		register uintptr_t value __asm__("x0") = hidden;                                                       \
		register uintptr_t by __asm__("x1") = mask;                                                            \
		register void (*call)(void) __asm__("x2") = f;                                                         \
		__asm__ volatile("eor " #reg ", %0, %1\n\tmov %0, xzr\n\tblr %2\n\tmov " #reg ", xzr"                  \
				 : "+r"(value), "+r"(by), "+r"(call)                                                   \
				 :                                                                                     \
				 : "memory", "cc", #reg, "x30", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",       \
				 "x11", "x12", "x13", "x14", "x15", "x16", "x17");                                     \
	}
#endif

#if defined __x86_64__
REGISTER_WAY(rbx, r12)
REGISTER_WAY(r12, rbx)
REGISTER_WAY(r13, r12)
REGISTER_WAY(r14, r12)
REGISTER_WAY(r15, r12)
/* rbp: the compiler may need it itself; so it is saved by hand. */
__attribute__((noinline)) static void in_rbp(uintptr_t mask, void (*f)(void))
{
	uintptr_t value = hidden ^ mask;
	__asm__ volatile("mov %%rsp, %%r12\n\tmov %%rbp, %%r13\n\tmov %0, %%rbp\n\txor %0, %0\n\tsub $256, %%rsp\n\t"
			 "and $-64, %%rsp\n\tcall *%1\n\tmov %%r13, %%rbp\n\tmov %%r12, %%rsp"
			 : "+c"(value)
			 : "a"(f)
			 : "memory", "cc", "r12", "r13", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}
static way *const register_ways[] = { in_rbx, in_rbp, in_r12, in_r13, in_r14, in_r15 };
static void what_only_a_register_holds_lives(void)
{
	FINDS(in_rbx);
	FINDS(in_rbp);
	FINDS(in_r12);
	FINDS(in_r13);
	FINDS(in_r14);
	FINDS(in_r15);
}
#else
REGISTER_WAY(x19, )
REGISTER_WAY(x20, )
REGISTER_WAY(x21, )
REGISTER_WAY(x22, )
REGISTER_WAY(x23, )
REGISTER_WAY(x24, )
REGISTER_WAY(x25, )
REGISTER_WAY(x26, )
REGISTER_WAY(x27, )
REGISTER_WAY(x28, )
/* The low halves of eight vector registers are kept by calls, too. */
__attribute__((noinline)) static void in_d9(uintptr_t mask, void (*f)(void))
{
	register uintptr_t value __asm__("x0") = hidden ^ mask;
	register void (*call)(void) __asm__("x2") = f;
	__asm__ volatile("fmov d9, %0\n\tmov %0, xzr\n\tblr %1\n\tfmov d9, xzr"
			 : "+r"(value), "+r"(call)
			 :
			 : "memory", "cc", "d9", "x30", "x1", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
			 "x12", "x13", "x14", "x15", "x16", "x17");
}
static way *const register_ways[] = { in_x19, in_x20, in_x21, in_x22, in_x23, in_x24, in_x25, in_x26, in_x27, in_x28,
	in_d9 };
static void what_only_a_register_holds_lives(void)
{
	FINDS(in_x19);
	FINDS(in_x20);
	FINDS(in_x21);
	FINDS(in_x22);
	FINDS(in_x23);
	FINDS(in_x24);
	FINDS(in_x25);
	FINDS(in_x26);
	FINDS(in_x27);
	FINDS(in_x28);
	FINDS(in_d9);
}
#endif

/* ---- The stack ---- */

__attribute__((noinline)) static void in_local(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = hidden ^ mask;
	f();
	FORGET(word);
}
__attribute__((noinline)) static void in_middle(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = (hidden ^ mask) + 11; /* not aligned, into it */
	f();
	FORGET(word);
}
__attribute__((noinline)) static void in_end(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = (hidden ^ mask) + sizeof(node); /* one past it */
	f();
	FORGET(word);
}
__attribute__((noinline)) static void in_struct(uintptr_t mask, void (*f)(void))
{
	volatile struct {
		char name[100];
		uintptr_t word;
	} s[3] = { 0 };
	s[1].word = hidden ^ mask;
	f();
	FORGET(s[1].word);
}
__attribute__((noinline)) static void in_alloca(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t *words = __builtin_alloca(100 * sizeof *words + (mask & 64));
	memset((void *)words, 0, 100 * sizeof *words);
	words[70] = hidden ^ mask;
	f();
	words[70] = 0;
}
/* Two pointers side by side in a vector register over the call: where the caller saves it, it is on the stack. */
typedef uintptr_t two __attribute__((vector_size(16)));
__attribute__((noinline)) static void in_vector(uintptr_t mask, void (*f)(void))
{
	two v = { hidden ^ mask, hidden ^ mask };
	__asm__ volatile("" : "+x"(v));
	f();
	__asm__ volatile("" : "+x"(v));
}
static jmp_buf env;
__attribute__((noinline)) static void in_jmp_buf_frame(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = hidden ^ mask;
	if (setjmp(env) == 0) {
		f();
		longjmp(env, 1);
	}
	f();
	FORGET(word);
}
static void deep(int depth, void (*f)(void))
{
	volatile char room[200] = { 0 };
	if (depth > 0)
		deep(depth - 1, f);
	else
		f();
	FORGET(room[0]);
}
__attribute__((noinline)) static void far_up(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = hidden ^ mask;
	deep(2000, f);
	FORGET(word);
}

static void what_only_a_stack_holds_lives(void)
{
	FINDS(in_local);
	FINDS(in_middle);
	FINDS(in_end);
	FINDS(in_struct);
	FINDS(in_alloca);
	FINDS(in_vector);
	FINDS(in_jmp_buf_frame);
	FINDS(far_up);
}

/* ---- Thread-local data, and other memory that is declared ---- */

static __thread volatile uintptr_t thread_word;
static __thread volatile uintptr_t thread_words[500] = { 1 };
static void in_thread_data(uintptr_t mask, void (*f)(void))
{
	thread_word = hidden ^ mask;
	f();
	thread_word = 0;
}
static void in_thread_array(uintptr_t mask, void (*f)(void))
{
	thread_words[499] = (hidden ^ mask) + 8;
	f();
	thread_words[499] = 0;
}
static void what_only_thread_local_data_holds_lives(void)
{
	FINDS(in_thread_data);
	FINDS(in_thread_array);
}

static void in_range(uintptr_t mask, void (*f)(void))
{
	uintptr_t *words = malloc(64 * sizeof *words);
	memset(words, 0, 64 * sizeof *words);
	if (!cairn_gc_range_add(here.h, words, 64 * sizeof *words))
		return;
	words[63] = hidden ^ mask;
	f();
	words[63] = 0;
	cairn_gc_range_remove(here.h, words);
	free(words);
}
static void in_handle(uintptr_t mask, void (*f)(void))
{
	cairn_gc_handle *handle = cairn_gc_handle_new(here.m, mask ? (void *)~hidden : NULL);
	f();
	cairn_gc_handle_free(here.h, handle);
}
static void in_pin(uintptr_t mask, void (*f)(void))
{
	if (mask)
		cairn_gc_pin(here.m, (void *)~hidden);
	f();
	if (mask)
		cairn_gc_unpin(here.m, (void *)~hidden);
}
static cairn_ref(node) exact;
static void in_exact_root(uintptr_t mask, void (*f)(void))
{
	cairn_gc_root_add(here.h, &exact);
	cairn_gc_root_set(here.m, &exact, mask ? (node *)~hidden : NULL);
	f();
	cairn_gc_root_set(here.m, &exact, NULL);
	cairn_gc_root_remove(here.h, &exact);
}
static void what_only_declared_memory_holds_lives(void)
{
	FINDS(in_range);
	FINDS(in_handle);
	FINDS(in_pin);
	FINDS(in_exact_root);
}

/* ---- Other stacks ---- */

static void *make_stack(size_t bytes)
{
	void *low = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return low == MAP_FAILED ? NULL : low;
}

enum { STACK_BYTES = 256 << 10 };
static ucontext_t main_context, other_context;
static uintptr_t context_mask;
static void (*context_call)(void);
static bool context_collects_in_main;
static char *low;
static void context_main(void)
{
	volatile uintptr_t word = hidden ^ context_mask;
	if (context_collects_in_main)
		swapcontext(&other_context, &main_context);
	else
		context_call();
	FORGET(word);
	swapcontext(&other_context, &main_context);
}
static void on_made_stack(uintptr_t mask, void (*f)(void), bool collects_in_main)
{
	low = make_stack(STACK_BYTES);
	context_mask = mask, context_call = f, context_collects_in_main = collects_in_main;
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = low;
	other_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&other_context, context_main, 0);
	EXPECT(cairn_gc_stack_switch(here.m, low, STACK_BYTES));
	swapcontext(&main_context, &other_context);
	EXPECT(cairn_gc_stack_switch(here.m, NULL, 0));
	if (collects_in_main)
		f();
	cairn_gc_range_remove(here.h, low);
	munmap(low, STACK_BYTES);
}
/* The object is held by a frame of another stack, in which the collection is asked for. */
static void on_other_stack(uintptr_t mask, void (*f)(void)) { on_made_stack(mask, f, false); }
/* It is held by a frame of a stack that was left, while the thread collects on its own. */
static void on_left_stack(uintptr_t mask, void (*f)(void)) { on_made_stack(mask, f, true); }
/* It is held by a register alone when its stack is left; then what lies below the frame that leaves is overwritten. */
static way *left_way;
static void leaves(void)
{
	cairn_gc_stack_switch(here.m, NULL, 0);
	scrub();
	swapcontext(&other_context, &main_context);
}
static void left_main(void)
{
	left_way(context_mask, leaves);
	leaves();
}
static void in_register_of_left_stack(uintptr_t mask, void (*f)(void))
{
	low = make_stack(STACK_BYTES);
	context_mask = mask;
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = low;
	other_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&other_context, left_main, 0);
	for (int times = 0; times < 2; times++) { /* the second time it comes back from there, and leaves for good */
		EXPECT(cairn_gc_stack_switch(here.m, low, STACK_BYTES));
		swapcontext(&main_context, &other_context);
		if (!times)
			f();
	}
	cairn_gc_range_remove(here.h, low);
	munmap(low, STACK_BYTES);
}
/* It is held by what lies where its stack is left, and is overwritten then: who leaves by a tail call has taken the
 * frame down that kept its caller's registers. */
static void popped_main(void)
{
	volatile uintptr_t word = hidden ^ context_mask;
	cairn_gc_stack_switch(here.m, NULL, 0);
	word = 0;
	swapcontext(&other_context, &main_context);
	FORGET(word);
}
static void in_popped_frame_of_left_stack(uintptr_t mask, void (*f)(void))
{
	low = make_stack(STACK_BYTES);
	context_mask = mask;
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = low;
	other_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&other_context, popped_main, 0);
	EXPECT(cairn_gc_stack_switch(here.m, low, STACK_BYTES));
	swapcontext(&main_context, &other_context);
	f();
	cairn_gc_range_remove(here.h, low);
	munmap(low, STACK_BYTES);
}
/* It is held by the thread's own stack, while it collects on another. */
static void below_other_stack(uintptr_t mask, void (*f)(void))
{
	volatile uintptr_t word = hidden ^ mask;
	on_other_stack(0, f);
	FORGET(word);
}
static void what_only_a_stack_of_makecontext_holds_lives(void)
{
#if defined __SANITIZE_THREAD__ || CHILD_HAS_FEATURE(thread_sanitizer)
	SKIP("not in this build: the sanitizer must be told of stacks");
#endif
	FINDS(on_other_stack);
	FINDS(on_left_stack);
	FINDS(in_popped_frame_of_left_stack);
	FINDS(below_other_stack);
	for (size_t i = 0; i < sizeof register_ways / sizeof *register_ways; i++) {
		left_way = register_ways[i];
		FINDS(in_register_of_left_stack);
	}
}

/* ---- Over a BLOCKING scope, while another thread collects ---- */

static void *collect_elsewhere(void *arg)
{
	cairn_gc_heap *h = arg;
	cairn_gc_mutator *m = cairn_gc_attach(h);
	cairn_gc_collect(m);
	cairn_gc_detach(m);
	return NULL;
}
static void blocked(void)
{
	CAIRN_GC_BLOCKING(here.m)
	{
		pthread_t t;
		if (pthread_create(&t, NULL, collect_elsewhere, here.h) == 0)
			pthread_join(t, NULL);
	}
}
__attribute__((noinline)) static void local_blocked(uintptr_t mask, void (*f)(void))
{
	(void)f;
	in_local(mask, blocked);
}
__attribute__((noinline)) static void register_blocked(uintptr_t mask, void (*f)(void))
{
	(void)f;
#if defined __x86_64__
	in_r14(mask, blocked);
#else
	in_x24(mask, blocked);
#endif
}
static void what_a_blocked_thread_holds_lives(void)
{
	FINDS(local_blocked);
	FINDS(register_blocked);
}

/* ---- Places that are not looked at: the report tells of them ---- */

static volatile uintptr_t plain_static;
static volatile uintptr_t *volatile block_word; /* volatile: or the block, which nobody reads, is not made at all */
static void in_plain_static(uintptr_t value) { plain_static = value; }
static void in_block(uintptr_t value)
{
	if (!block_word)
		block_word = calloc(8, sizeof *block_word);
	block_word[3] = value;
}

/* How many more undeclared words there are when `put` has put the object's address where it puts it. */
static void is_reported(void (*put)(uintptr_t value), const char *name)
{
	here = place_open((cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP });
	EXPECT(cairn_gc_root_add(here.h, &watching));
	make_hidden();
	volatile uintptr_t kept = ~hidden; /* here, too, so that it is an object while it is looked for */
	put(0);
	FILE *text = tmpfile();
	REQUIRE(text);
	size_t before = cairn_gc_find_undeclared(here.m, text);
	put(~hidden);
	size_t with = cairn_gc_find_undeclared(here.m, text);
	put(0);
	size_t after = cairn_gc_find_undeclared(here.m, text);
	if (with != before + 1 || after != before)
		NOTE("%s: %zu undeclared words before, %zu with it, %zu after", name, before, with, after);
	EXPECT(with > before);
	EXPECT(with > after);
	EXPECT(ftell(text) > 0);
	FORGET(kept);
	fclose(text);
	cairn_gc_root_remove(here.h, &watching);
	watching.cairn_gc_word = 0;
	place_close(here);
}

static void a_word_in_static_data_is_reported(void) { is_reported(in_plain_static, "static"); }
static void a_word_in_a_block_of_malloc_is_reported(void)
{
	if (IS_SANITIZED)
		SKIP("not in this build: malloc is the sanitizer's");
	is_reported(in_block, "malloc");
}

/* ---- Numbers that look like addresses, and addresses in disguise ---- */

/* Words of all kinds in a range: inside the heap's blocks, before, behind, unaligned. Nothing breaks. */
static void junk_in_ambiguous_words_does_no_harm(void)
{
	enum { WORDS = 4096 };
	static uintptr_t words[WORDS];
	EACH_COLLECTOR(c)
	{
		place p = place_open((cairn_gc_config){ .collector = c, .min = 1 << 20 });
		EXPECT(cairn_gc_range_add(p.h, words, sizeof words));
		uint64_t rnd = 3;
		node *chain = NULL;
		for (int round = 0; round < (IS_SLOW ? 5 : 20); round++) {
			for (long i = 0; i < 3000; i++) {
				node *n = cairn_gc_new(p.m, node);
				n->key = 77;
				cairn_gc_set(p.m, n, left, i % 10 ? NULL : chain);
				if (i % 10 == 0)
					chain = n;
				words[test_random(&rnd) % WORDS] = (uintptr_t)n + test_random(&rnd) % 64 - 16;
				words[test_random(&rnd) % WORDS] = (uintptr_t)n ^ (test_random(&rnd) & 0xfffff);
				words[test_random(&rnd) % WORDS] = test_random(&rnd);
				words[test_random(&rnd) % WORDS] =
					((uintptr_t)n & ~(uintptr_t)0xffff) - test_random(&rnd) % 9;
			}
			cairn_gc_collect(p.m);
			EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		}
		long count = 0;
		for (node *n = chain; n; n = cairn_gc_get(p.m, n, left))
			count += n->key == 77;
		EXPECT_EQ(count, 300 * (IS_SLOW ? 5 : 20));
		cairn_gc_range_remove(p.h, words);
		place_close(p);
	}
}

int main(void)
{
	RUN(what_only_a_register_holds_lives);
	RUN(what_only_a_stack_holds_lives);
	RUN(what_only_thread_local_data_holds_lives);
	RUN(what_only_declared_memory_holds_lives);
	RUN(what_only_a_stack_of_makecontext_holds_lives);
	RUN(what_a_blocked_thread_holds_lives);
	RUN(a_word_in_static_data_is_reported);
	RUN(a_word_in_a_block_of_malloc_is_reported);
	RUN(junk_in_ambiguous_words_does_no_harm);
	DONE();
}
