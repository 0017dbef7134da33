/* Roots: what keeps an object, what does not, and where compilers put the only word that does. Cases cite the
 * invariants of gc/roots.h (GR), gc/handles.c (GH) and gc/registers.c (GX).
 *
 * Whether an object lives is asked by a weak field of a holder that a root keeps. The one word that holds it is
 * inverted everywhere but in the place that is tested; a control case shows that it dies otherwise. */
#include "gc/managed.h"
#include "os/sys.h"
#include "support/child.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { OBJECTS = 32 };

typedef struct part {
	long key[8];
} part;
CAIRN_GC_TYPE(part);

typedef struct exact { /* fills its cell: one past its end is the next cell's header */
	long key[7];
} exact;
CAIRN_GC_TYPE(exact);

typedef struct holder {
	cairn_ref(void) strong[4];
	cairn_ref(void) weak[OBJECTS];
} holder;
CAIRN_GC_TYPE(holder, .refs = CAIRN_GC_REFS(holder, strong), .weak = CAIRN_GC_REFS(holder, weak));

static cairn_gc_heap *heap;
static __thread cairn_gc_mutator *mutator;
static cairn_ref(holder) top;

static holder *held(void) { return cairn_gc_root_get(mutator, &top); }

static void open_heap(cairn_gc_collector collector, bool exact_roots)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = collector, .name = "roots", .exact_roots = exact_roots });
	mutator = heap ? cairn_gc_attach(heap) : NULL;
	if (!mutator || !cairn_gc_root_add(heap, &top))
		_exit(3);
	cairn_gc_root_set(mutator, &top, cairn_gc_new(mutator, holder));
}

static void close_heap(void)
{
	cairn_gc_root_remove(heap, &top);
	cairn_gc_close(heap);
	top.cairn_gc_word = 0;
}

/* What calls before left on the stack below here goes; not that of AddressSanitizer, where it would put the array. */
__attribute__((noinline, no_sanitize("address"))) static void wipe_stack(void)
{
	volatile uintptr_t words[2048];
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		words[i] = 0;
}

/* A new object that weak field i refers to, inverted. */
__attribute__((noinline)) static uintptr_t make_part(int i)
{
	part *p = cairn_gc_new(mutator, part);
	p->key[0] = i;
	cairn_gc_set(mutator, held(), weak[i], p);
	return ~(uintptr_t)p;
}

/* No compiler may do it later, or keep both. */
__attribute__((noinline)) static uintptr_t invert(uintptr_t word)
{
	word = ~word;
	__asm__ volatile("" : "+r"(word) : : "memory");
	return word;
}

static uintptr_t make(int i)
{
	uintptr_t inverted = make_part(i);
	wipe_stack();
	return inverted;
}

static void validate_in_a_stop(cairn_gc_thread *t, void *arg)
{
	(void)arg;
	cairn_gc_world_stop(heap, t, false);
	cairn_gc_roots_validate(heap);
	cairn_gc_world_validate(heap);
	cairn_gc_world_resume(heap, t);
}
static void validate(void) { cairn_gc_with_registers(cairn_gc_thread_of(mutator), validate_in_a_stop, NULL); }

static bool lives(int i) { return held()->weak[i].cairn_gc_word != 0; }
static void collect_now(void *arg) { cairn_gc_collect(arg); }
static void wipe_now(void *arg)
{
	(void)arg;
	wipe_stack();
}

typedef struct naming {
	uintptr_t object;
	char name[96];
} naming;

static void name_it(void *arg, void *object)
{
	naming *n = arg;
	if ((uintptr_t)object == n->object && !*n->name)
		cairn_gc_root_name(heap, heap->roots.word, n->name, sizeof n->name);
}

static void names_in_a_stop(cairn_gc_thread *t, void *arg)
{
	cairn_gc_world_stop(heap, t, false);
	cairn_gc_roots_ambiguous(heap, name_it, arg);
	cairn_gc_world_resume(heap, t);
}

/* The same as !lives(i), and says what keeps it. */
static bool is_gone(int i)
{
	static naming n; /* not on the stack */
	if (!lives(i))
		return true;
	n = (naming){ .object = held()->weak[i].cairn_gc_word };
	cairn_gc_with_registers(cairn_gc_thread_of(mutator), names_in_a_stop, &n);
	NOTE("kept by %s", n.name);
	return false;
}

__attribute__((noinline)) static void collect(void)
{
	wipe_stack();
	cairn_gc_collect(mutator);
}

static void what_nothing_refers_to_dies(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	for (int i = 0; i < OBJECTS; i++)
		make(i);
	collect();
	int alive = 0;
	for (int i = 0; i < OBJECTS; i++)
		alive += lives(i);
	EXPECT_EQ(alive, 0);
	close_heap();
}

/* ---- Only in a register ---- */

typedef struct call {
	void (*call)(void *arg);
	void *arg;
} call;

/* hold_REGISTER(inverted, calls): has the object in that register alone while it makes the calls; gives what it reads
 * after them. */
#define HOLD(name, text) __asm__(".text\n.globl hold_" #name "\n.hidden hold_" #name "\nhold_" #name ":\n" text)
typedef uintptr_t hold(uintptr_t inverted, const call *calls);
#if defined(__x86_64__)
#define HOLD_IN(r)                                                                                                     \
	hold hold_##r;                                                                                                 \
	HOLD(r, "pushq %" #r "\npushq %rsi\nsubq $8, %rsp\n"                                                           \
		"movq %rdi, %" #r "\nnotq %" #r "\n"                                                                   \
		"1:\nmovq 8(%rsp), %rax\nmovq (%rax), %rcx\ntestq %rcx, %rcx\nje 2f\n"                                 \
		"movq 8(%rax), %rdi\naddq $16, 8(%rsp)\ncall *%rcx\njmp 1b\n"                                          \
		"2:\nmovq %" #r ", %rax\naddq $16, %rsp\npopq %" #r "\nret\n")
HOLD_IN(rbx);
HOLD_IN(rbp);
HOLD_IN(r12);
HOLD_IN(r13);
HOLD_IN(r14);
HOLD_IN(r15);
static hold *const holds[] = { hold_rbx, hold_rbp, hold_r12, hold_r13, hold_r14, hold_r15 };
#elif defined(__aarch64__)
#define HOLD_LOOP                                                                                                      \
	"1:\nldr x9, [sp, #24]\nldp x10, x0, [x9]\ncbz x10, 2f\nadd x9, x9, #16\nstr x9, [sp, #24]\nblr x10\nb 1b\n2:\n"
#define HOLD_IN(n)                                                                                                     \
	hold hold_x##n;                                                                                                \
	HOLD(x##n, "stp x30, x" #n ", [sp, #-32]!\nstr x1, [sp, #24]\nmvn x" #n ", x0\n" HOLD_LOOP                     \
		"mov x0, x" #n "\nldp x30, x" #n ", [sp], #32\nret\n")
#define HOLD_IN_VECTOR(n)                                                                                              \
	hold hold_d##n;                                                                                                \
	HOLD(d##n, "str x30, [sp, #-32]!\nstr d" #n ", [sp, #8]\nstr x1, [sp, #24]\nmvn x9, x0\nfmov d" #n ", x9\n"    \
		HOLD_LOOP "fmov x0, d" #n "\nldr d" #n ", [sp, #8]\nldr x30, [sp], #32\nret\n")
HOLD_IN(19);
HOLD_IN(20);
HOLD_IN(21);
HOLD_IN(22);
HOLD_IN(23);
HOLD_IN(24);
HOLD_IN(25);
HOLD_IN(26);
HOLD_IN(27);
HOLD_IN(28);
HOLD_IN(29);
HOLD_IN_VECTOR(8);
HOLD_IN_VECTOR(9);
HOLD_IN_VECTOR(10);
HOLD_IN_VECTOR(11);
HOLD_IN_VECTOR(12);
HOLD_IN_VECTOR(13);
HOLD_IN_VECTOR(14);
HOLD_IN_VECTOR(15);
static hold *const holds[] = { hold_x19, hold_x20, hold_x21, hold_x22, hold_x23, hold_x24, hold_x25, hold_x26, hold_x27,
	hold_x28, hold_x29, hold_d8, hold_d9, hold_d10, hold_d11, hold_d12, hold_d13, hold_d14, hold_d15 };
#endif
enum { HOLDS = sizeof holds / sizeof *holds };

static int waiting, stops_wanted;

/* A wrapper whose frame is gone when the collection comes, with the callee-saved registers of its caller. */
__attribute__((noinline)) static void leave_now(void *m)
{
#if defined(__x86_64__)
	__asm__ volatile("xorl %%ebx, %%ebx\nxorl %%r12d, %%r12d\nxorl %%r13d, %%r13d\nxorl %%r14d, %%r14d\n"
			 "xorl %%r15d, %%r15d"
			 : : : "rbx", "r12", "r13", "r14", "r15");
#else
	__asm__ volatile("mov x19, #0\nmov x20, #0\nfmov d8, xzr\nfmov d15, xzr" : : : "x19", "x20", "d8", "d15");
#endif
	cairn_gc_leave(m);
	__asm__ volatile("" : : : "memory");
}
static void enter_now(void *m) { cairn_gc_enter(m); }
static void let_others_collect(void *arg)
{
	int from = __atomic_load_n(&waiting, __ATOMIC_SEQ_CST);
	(void)arg;
	__atomic_store_n(&stops_wanted, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) == from)
		sched_yield();
}
static void poll_meanwhile(void *m)
{
	int from = __atomic_load_n(&waiting, __ATOMIC_SEQ_CST);
	__atomic_store_n(&stops_wanted, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) == from)
		cairn_gc_poll((cairn_gc_mutator *)m);
}

static void *collects_when_told(void *arg)
{
	cairn_gc_mutator *m = cairn_gc_attach(heap);
	for (int wanted; (wanted = __atomic_load_n(&stops_wanted, __ATOMIC_SEQ_CST)) != 2;) {
		if (wanted == 1) {
			__atomic_store_n(&stops_wanted, 0, __ATOMIC_SEQ_CST);
			cairn_gc_collect(m);
			__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
		}
		CAIRN_GC_BLOCKING(m) sched_yield();
	}
	return arg;
}

static void each_register_keeps(const call *calls)
{
	for (int i = 0; i < HOLDS; i++) {
		uintptr_t inverted = make(i);
		uintptr_t after = holds[i](inverted, calls);
		EXPECT_EQ(invert(after), inverted);
		EXPECT(lives(i));
		if (!lives(i))
			NOTE("callee-saved register %d", i);
		after = 0;
		__asm__ volatile("" : : "r"(after) : "memory");
	}
}

static void a_callee_saved_register_keeps_in_an_own_collection(void) /* GX1 */
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	const call calls[] = { { wipe_now, NULL }, { collect_now, mutator }, { NULL, NULL } };
	each_register_keeps(calls);
	close_heap();
}

static void so_it_does_while_another_collects_and_this_polls_or_is_out(void) /* GX1 */
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	pthread_t t;
	__atomic_store_n(&stops_wanted, 0, __ATOMIC_SEQ_CST);
	pthread_create(&t, NULL, collects_when_told, NULL);
	const call polls[] = { { wipe_now, NULL }, { poll_meanwhile, mutator }, { NULL, NULL } };
	each_register_keeps(polls);
	/* leave itself is called from the asm: what it saves is what its caller has */
	const call out[] = { { (void (*)(void *))cairn_gc_leave, mutator }, { wipe_now, NULL },
		{ let_others_collect, NULL }, { (void (*)(void *))cairn_gc_enter, mutator }, { NULL, NULL } };
	each_register_keeps(out);
	const call deeper[] = { { wipe_now, NULL }, { leave_now, mutator }, { wipe_now, NULL },
		{ let_others_collect, NULL }, { enter_now, mutator }, { NULL, NULL } };
	each_register_keeps(deeper);
	__atomic_store_n(&stops_wanted, 2, __ATOMIC_SEQ_CST);
	CAIRN_GC_BLOCKING(mutator) pthread_join(t, NULL);
	close_heap();
}

/* ---- What compilers make of locals ---- */

__attribute__((noinline)) static part *part_of(uintptr_t inverted) { return (part *)invert(inverted); }
static volatile long sink;

__attribute__((noinline)) static void many_locals(int from)
{
	part *a = part_of(make(from)), *b = part_of(make(from + 1)), *c = part_of(make(from + 2)),
	     *d = part_of(make(from + 3)), *e = part_of(make(from + 4)), *f = part_of(make(from + 5)),
	     *g = part_of(make(from + 6)), *x = part_of(make(from + 7));
	collect();
	for (int i = 0; i < 8; i++)
		EXPECT(lives(from + i));
	sink = a->key[0] + b->key[0] + c->key[0] + d->key[0] + e->key[0] + f->key[0] + g->key[0] + x->key[0];
}

/* The base is dead: a loop's pointer into the object, and one to its end, are all there is. */
__attribute__((noinline)) static void derived(int i)
{
	const long *at = part_of(make(i))->key, *end = at + 8;
	for (; at != end; at++) {
		collect();
		EXPECT(lives(i));
		sink += *at;
	}
}

/* Only one past the end is live, of an object that fills its cell. */
__attribute__((noinline)) static void past_the_end(int i)
{
	exact *p = cairn_gc_new(mutator, exact);
	cairn_gc_set(mutator, held(), weak[i], p);
	const long *end = p->key + 7;
	__asm__ volatile("" : "+r"(end), "=r"(p) : "1"(NULL));
	collect();
	EXPECT(lives(i));
	for (int k = 1; k <= 7; k++)
		sink += end[-k];
}

typedef struct eight {
	part *of[8];
} eight;

/* By vectors, on to the stack and off it again. */
__attribute__((noinline)) static void vectors(int from)
{
	eight *outside = malloc(sizeof *outside); /* not looked into */
	for (int i = 0; i < 8; i++)
		outside->of[i] = part_of(make(from + i));
	eight a = *outside, b;
	memset(outside, 0, sizeof *outside);
	__asm__ volatile("" : : "r"(outside) : "memory");
	free(outside);
	b = a;
	collect();
	for (int i = 0; i < 8; i++) {
		EXPECT(lives(from + i));
		sink += b.of[i]->key[0];
	}
}

__attribute__((noinline)) static void by_value(eight v, int from)
{
	collect();
	for (int i = 0; i < 8; i++) {
		EXPECT(lives(from + i));
		sink += v.of[i]->key[0];
	}
}

/* An index with a bias: gcc 12 -O1 keeps key - bias and k, and no word that points at the object. cairn_gc_keep is for
 * that. */
__attribute__((noinline)) static void biased(int i, long bias)
{
	const long *key = part_of(make(i))->key;
	for (long k = bias; k < bias + 8; k++) {
		collect();
		EXPECT(lives(i));
		sink += key[k - bias];
	}
	cairn_gc_keep(key);
}

static jmp_buf back;
__attribute__((noinline)) static void jumps(void)
{
	collect();
	longjmp(back, 1);
}
__attribute__((noinline)) static void over_setjmp(int i)
{
	part *volatile p = part_of(make(i));
	if (!setjmp(back))
		jumps();
	collect();
	EXPECT(lives(i));
	sink += p->key[0];
}

__attribute__((noinline)) static void deep(int i, int depth)
{
	part *p = depth == 200 ? part_of(make(i)) : NULL;
	if (depth)
		deep(i, depth - 1);
	else
		collect();
	if (p)
		sink += p->key[0];
	__asm__ volatile("" : : : "memory");
}

static void locals_keep_whatever_the_compiler_does_to_them(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	many_locals(0);
	derived(8);
	past_the_end(9);
	vectors(10);
	eight v;
	for (int i = 0; i < 8; i++)
		v.of[i] = part_of(make(18 + i));
	by_value(v, 18);
	biased(26, sink & 1 ? 1000 : 1001);
	over_setjmp(27);
	deep(28, 200);
	EXPECT(lives(28));
	close_heap();
}

static uintptr_t range_word; /* not looked into by itself */

__attribute__((noinline)) static void point_between_two(void)
{
	exact *p = cairn_gc_new(mutator, exact), *q = cairn_gc_new(mutator, exact);
	EXPECT_EQ((uintptr_t)q - (uintptr_t)p, 64);
	cairn_gc_set(mutator, held(), weak[0], p);
	cairn_gc_set(mutator, held(), weak[1], q);
	range_word = (uintptr_t)q - 8;
}

static void one_past_the_end_is_the_object_before_and_not_the_next(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	EXPECT(cairn_gc_range_add(heap, &range_word, sizeof range_word));
	point_between_two();
	collect();
	EXPECT(lives(0) && is_gone(1));
	cairn_gc_range_remove(heap, &range_word);
	close_heap();
}

/* ---- Thread-local data ---- */

static __thread part *volatile in_tls; /* else a store that nobody reads is left out */
static pthread_key_t in_key;
static pthread_key_t keys_before[4];

__attribute__((noinline)) static void keep_by_tls(int i)
{
	in_tls = part_of(make(i));
	wipe_stack();
}
__attribute__((noinline)) static void keep_by_key(int i)
{
	pthread_setspecific(in_key, part_of(make(i)));
	wipe_stack();
}

static void thread_local_data_keep_in_the_first_thread(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	EXPECT(cairn_gc_thread_of(mutator)->tls_end > cairn_gc_thread_of(mutator)->tls_start);
	for (int i = 0; i < 4; i++)
		pthread_key_create(&keys_before[i], NULL);
	pthread_key_create(&in_key, NULL);
	keep_by_tls(0);
	keep_by_key(1);
	collect();
	EXPECT(lives(0) && lives(1));
	in_tls = NULL;
	pthread_setspecific(in_key, NULL);
	collect();
	EXPECT(is_gone(0) && is_gone(1));
	close_heap();
}

static void with_a_closed_page_below(void *unused)
{
	(void)unused;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *below = (char *)((uintptr_t)__builtin_thread_pointer() & ~(page - 1)) - page;
	/* where static data lie there already the heap just opens */
	mmap(below, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	open_heap(CAIRN_GC_MARKSWEEP, false);
	keep_by_key(0);
	collect();
	EXPECT(lives(0));
	close_heap();
}

static void a_page_beside_the_record_of_the_first_thread_may_be_closed(void)
{
	in_a_child(with_a_closed_page_below, NULL);
}

static void *keeps_thread_local(void *arg)
{
	mutator = cairn_gc_attach(heap);
	keep_by_tls(2);
	keep_by_key(3);
	collect();
	EXPECT(lives(2) && lives(3));
	in_tls = NULL;
	pthread_setspecific(in_key, NULL);
	collect();
	EXPECT(is_gone(2) && is_gone(3));
	return arg;
}

static void and_in_others(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	pthread_t t;
	pthread_create(&t, NULL, keeps_thread_local, NULL);
	CAIRN_GC_BLOCKING(mutator) pthread_join(t, NULL);
	close_heap();
}

/* ---- Ranges, pins, handles, roots ---- */

__attribute__((noinline)) static void point_at(uintptr_t *word, uintptr_t inverted) { *word = invert(inverted); }

__attribute__((noinline)) static void point_further(uintptr_t *word) { *word += 24; }

static void a_range_keeps_until_it_is_removed(void) /* GR2 */
{
	open_heap(CAIRN_GC_SEMISPACE, false);
	uintptr_t *outside = malloc(4 * sizeof *outside);
	outside[0] = outside[1] = outside[3] = 0;
	point_at(&outside[2], make(0));
	EXPECT(cairn_gc_range_add(heap, (char *)outside + 1, 4 * sizeof *outside - 1)); /* whole words of it */
	collect();
	EXPECT(lives(0));
	point_further(&outside[2]); /* into it */
	collect();
	EXPECT(lives(0));
	validate();
	cairn_gc_range_remove(heap, (char *)outside + 1);
	collect();
	EXPECT(is_gone(0));
	free(outside);
	close_heap();
}

__attribute__((noinline)) static void pin(uintptr_t inverted)
{
	EXPECT(cairn_gc_pin(mutator, (void *)invert(inverted)));
}
__attribute__((noinline)) static void unpin(uintptr_t inverted)
{
	cairn_gc_unpin(mutator, (void *)invert(inverted));
}

__attribute__((noinline)) static bool is_at(int i, uintptr_t inverted)
{
	return held()->weak[i].cairn_gc_word == invert(inverted);
}

static void a_pin_keeps_and_counts(void) /* GR3 */
{
	open_heap(CAIRN_GC_SEMISPACE, false);
	uintptr_t inverted = make(0);
	pin(inverted);
	pin(inverted);
	collect();
	EXPECT(lives(0));
	EXPECT(is_at(0, inverted)); /* it does not move */
	validate();
	unpin(inverted);
	collect();
	EXPECT(lives(0));
	unpin(inverted);
	collect();
	EXPECT(is_gone(0));
	close_heap();
}

__attribute__((noinline)) static cairn_gc_handle *handle_for(uintptr_t inverted)
{
	return cairn_gc_handle_new(mutator, (void *)invert(inverted));
}
__attribute__((noinline)) static long key_by_handle(cairn_gc_handle *handle)
{
	part *p = cairn_gc_handle_get(mutator, handle);
	return p ? p->key[0] : -1;
}
__attribute__((noinline)) static void set_handle(cairn_gc_handle *handle, uintptr_t inverted)
{
	cairn_gc_handle_set(mutator, handle, (void *)invert(inverted));
}

static void a_handle_keeps_is_read_and_freed(void) /* GR1, GH1, GH2 */
{
	enum { HANDLES = 500 };
	open_heap(CAIRN_GC_SEMISPACE, false);
	static cairn_gc_handle *handles[HANDLES];
	for (int i = 0; i < HANDLES; i++) {
		handles[i] = handle_for(make(0));
		EXPECT(handles[i]);
	}
	collect();
	for (int i = 0; i < HANDLES; i++)
		EXPECT_EQ(key_by_handle(handles[i]), 0);
	validate();
	for (int i = 0; i < HANDLES; i += 2)
		cairn_gc_handle_free(heap, handles[i]);
	set_handle(handles[1], make(1));
	cairn_gc_handle_free(heap, NULL);
	cairn_gc_handle *again = cairn_gc_handle_new(mutator, NULL);
	EXPECT(!cairn_gc_handle_get(mutator, again));
	collect();
	EXPECT(lives(1));
	validate();
	cairn_gc_handle_free(heap, handles[1]);
	collect();
	EXPECT(is_gone(1));
	close_heap();
}

static void exact_roots_alone_are_looked_at_where_that_is_wanted(void)
{
	open_heap(CAIRN_GC_SEMISPACE, true);
	uintptr_t before = (uintptr_t)held(), inverted = make(0);
	part *volatile p = part_of(inverted);
	cairn_gc_handle *handle = handle_for(make(1));
	collect();
	EXPECT(is_gone(0) && lives(1));
	EXPECT((uintptr_t)held() != before); /* nothing pins it */
	EXPECT_EQ(key_by_handle(handle), 1);
	(void)p;
	close_heap();
}

static void tables_of_roots_are_as_a_list_of_them(void) /* GR2 */
{
	enum { WORDS = 300, STEPS = 20000 };
	static uintptr_t words[WORDS];
	bool is_in[WORDS] = { 0 };
	uint64_t rnd = test_seed();
	open_heap(CAIRN_GC_MARKSWEEP, false);
	for (int i = 0; i < STEPS; i++) {
		size_t at = test_random(&rnd) % WORDS;
		if (is_in[at])
			cairn_gc_roots_remove(heap, &words[at]);
		else
			EXPECT(cairn_gc_roots_add(heap, &words[at], 1));
		is_in[at] = !is_in[at];
		if (i % 500 == 0)
			cairn_gc_runs_validate(&heap->roots.exact);
	}
	size_t count = 1; /* top */
	for (size_t i = 0; i < WORDS; i++) {
		count += is_in[i];
		EXPECT_EQ(cairn_gc_runs_find(&heap->roots.exact, (uintptr_t)&words[i]) != NULL, is_in[i]);
	}
	EXPECT_EQ(heap->roots.exact.count, count);
	close_heap();
}

static void refused_memory_is_a_value(void)
{
	enum { MANY = 20000 };
	static uintptr_t words[MANY];
	open_heap(CAIRN_GC_MARKSWEEP, false);
	cairn_fault_set("mmap", 1, ENOMEM);
	size_t done = 0;
	while (done < MANY && cairn_gc_roots_add(heap, &words[done], 1))
		done++;
	cairn_fault_set("mmap", 0, 0);
	EXPECT(done < MANY);
	validate();
	EXPECT_EQ(heap->roots.exact.count, done + 1);
	EXPECT(cairn_gc_roots_add(heap, &words[done], 1));
	close_heap();
}

static void *adds_and_removes(void *arg)
{
	static uintptr_t words[64];
	for (int r = 0; r < 200; r++) {
		for (int i = 0; i < 64; i++)
			EXPECT(cairn_gc_roots_add(heap, &words[i], 1) && cairn_gc_range_add(heap, &words[i], 8));
		for (int i = 0; i < 64; i++) {
			cairn_gc_roots_remove(heap, &words[i]);
			cairn_gc_range_remove(heap, &words[i]);
		}
	}
	__atomic_store_n(&waiting, -1, __ATOMIC_SEQ_CST);
	return arg;
}

static void threads_that_are_no_mutators_change_roots_during_collections(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	pthread_t t;
	__atomic_store_n(&waiting, 0, __ATOMIC_SEQ_CST);
	pthread_create(&t, NULL, adds_and_removes, NULL);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) != -1)
		cairn_gc_collect(mutator);
	pthread_join(t, NULL);
	validate();
	close_heap();
}

static void misused(void *how)
{
	static uintptr_t word[2];
	open_heap(CAIRN_GC_MARKSWEEP, false);
	cairn_gc_handle *handle = cairn_gc_handle_new(mutator, NULL);
	switch ((uintptr_t)how) {
	case 0: cairn_gc_roots_remove(heap, word); break;
	case 1: cairn_gc_range_remove(heap, word); break;
	case 2: cairn_gc_unpin(mutator, held()); break;
	case 3: cairn_gc_handle_free(heap, handle); cairn_gc_handle_free(heap, handle); break;
	case 4: cairn_gc_handle_free(heap, handle); cairn_gc_handle_get(mutator, handle); break;
	case 5: cairn_gc_roots_add(heap, word, 1); cairn_gc_roots_add(heap, word, 2); break;
	case 6: cairn_gc_roots_add(heap, (char *)word + 1, 1); break;
	case 8: cairn_gc_roots_add(heap, word, SIZE_MAX / 8); break; /* ends beyond the last address */
	default: cairn_gc_range_add(heap, word, SIZE_MAX); break;
	}
}

static void misuse_of_roots_ends_the_program(void)
{
	for (uintptr_t how = 0; how < 9; how++) {
		int status = child_status(misused, (void *)how);
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

/* ---- Other stacks ---- */

static ucontext_t main_context, other_context;
static char *other_stack;
enum { OTHER_BYTES = 64 * 1024 };

static void on_the_other_stack(void)
{
	part *volatile p = part_of(make(1));
	collect();
	EXPECT(lives(0) && lives(1));
	cairn_gc_stack_switch(mutator, NULL, 0);
	swapcontext(&other_context, &main_context);
	EXPECT(lives(1));
	sink += p->key[0];
	collect();
	cairn_gc_stack_switch(mutator, NULL, 0);
	swapcontext(&other_context, &main_context);
}

__attribute__((noinline)) static void switches_to_it(int expected)
{
	part *volatile p = part_of(make(0));
	EXPECT(cairn_gc_stack_switch(mutator, other_stack, OTHER_BYTES));
	swapcontext(&main_context, &other_context);
	collect(); /* the coroutine waits in the middle */
	EXPECT(lives(0));
	EXPECT_EQ(lives(1), expected);
	sink += p->key[0];
}

static void stacks_that_were_left_keep_until_they_are_removed(void) /* GR4 */
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	other_stack = malloc(OTHER_BYTES);
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = other_stack;
	other_context.uc_stack.ss_size = OTHER_BYTES;
	makecontext(&other_context, on_the_other_stack, 0);
	switches_to_it(true);
	EXPECT(heap->roots.left_stacks && heap->roots.left_stacks->low == (uintptr_t)other_stack);
	validate();
	wipe_stack();
	switches_to_it(true);
	cairn_gc_range_remove(heap, other_stack);
	EXPECT(!heap->roots.left_stacks);
	memset(other_stack, 0, OTHER_BYTES);
	collect();
	EXPECT(is_gone(1));
	free(other_stack);
	close_heap();
}

/* ---- Names ---- */

static void roots_have_names(void)
{
	char name[96];
	open_heap(CAIRN_GC_MARKSWEEP, false);
	cairn_gc_handle *handle = cairn_gc_handle_new(mutator, NULL);
	cairn_gc_root_name(heap, &handle->word, name, sizeof name);
	EXPECT(!strncmp(name, "handle 0x", 9));
	cairn_gc_root_name(heap, &top.cairn_gc_word, name, sizeof name);
	EXPECT(!strncmp(name, "root in ", 8));
	cairn_gc_root_name(heap, &top.cairn_gc_word, name, 5);
	EXPECT(!strcmp(name, "root"));
	naming n = { .object = invert(make(0)) };
	cairn_gc_with_registers(cairn_gc_thread_of(mutator), names_in_a_stop, &n);
	EXPECT(strstr(n.name, " of thread ") || strstr(n.name, "register")); /* it is in n itself */
	NOTE("%s", n.name);
	close_heap();
}

#if IS_SANITIZED
/* Locals of the functions below lie on AddressSanitizer's fake stack. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_stack_use_after_return=1"; }
#endif

__attribute__((noinline)) static void fill(part **p, int i) { *p = part_of(make(i)); }
__attribute__((noinline)) static void local_in_a_fake_frame(int i)
{
	part *p[4];
	fill(&p[2], i);
	wipe_stack();
	collect();
	EXPECT(lives(i));
	sink += p[2]->key[0];
}

static void locals_whose_address_is_taken_keep(void)
{
	open_heap(CAIRN_GC_MARKSWEEP, false);
	local_in_a_fake_frame(0);
	close_heap();
}

int main(void)
{
	RUN(what_nothing_refers_to_dies);
	RUN(a_callee_saved_register_keeps_in_an_own_collection);
	RUN(so_it_does_while_another_collects_and_this_polls_or_is_out);
	RUN(locals_keep_whatever_the_compiler_does_to_them);
	RUN(one_past_the_end_is_the_object_before_and_not_the_next);
	RUN(thread_local_data_keep_in_the_first_thread);
	RUN(a_page_beside_the_record_of_the_first_thread_may_be_closed);
	RUN(and_in_others);
	RUN(a_range_keeps_until_it_is_removed);
	RUN(a_pin_keeps_and_counts);
	RUN(a_handle_keeps_is_read_and_freed);
	RUN(exact_roots_alone_are_looked_at_where_that_is_wanted);
	RUN(tables_of_roots_are_as_a_list_of_them);
	if (CAN_REFUSE)
		RUN(refused_memory_is_a_value);
	RUN(threads_that_are_no_mutators_change_roots_during_collections);
	RUN(misuse_of_roots_ends_the_program);
	RUN(stacks_that_were_left_keep_until_they_are_removed);
	RUN(roots_have_names);
	RUN(locals_whose_address_is_taken_keep);
	DONE();
}
