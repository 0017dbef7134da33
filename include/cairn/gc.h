/* cairn/gc.h - a heap that frees for you: managed heaps, whose collector is chosen when they are opened.
 *
 *   typedef struct node { long key; cairn_ref(struct node) left, right; } node;
 *   CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right));
 *
 *   cairn_gc_heap *h = cairn_gc_open(&(cairn_gc_config){ .max = 1ull << 30 });
 *   cairn_gc_mutator *m = cairn_gc_attach(h);          this thread; its stack holds roots from here on
 *   node *n = cairn_gc_new(m, node);                   zeroed; a local that points to it keeps it
 *   cairn_gc_set(m, n, left, other);                   fields are stored and read through these two
 *   node *l = cairn_gc_get(m, n, left);
 *
 * Words. An *object* is a C struct in a managed heap, from its first byte on; it is described by a *type*. A *field*
 * that refers to an object is declared cairn_ref(T): it cannot be read or assigned directly, that does not compile. A
 * *mutator* is a thread attached to a heap. A *safepoint* is a call in which a mutator may be stopped for a collection:
 * allocation, cairn_gc_external, cairn_gc_poll, cairn_gc_collect, cairn_gc_run_cleanups, leaving and entering a
 * BLOCKING scope, attach, detach, close, whatever is said to work in a stop, and fork(). Nothing else is: between two
 * of them no object moves or dies.
 *
 * What keeps an object: fields of kept objects; roots (cairn_gc_root_add), handles, pins, ambiguous ranges; and any
 * word on a mutator's stack, in its registers or its static thread-local data that points at it, into it, or to its
 * end. What such a word points at is also not moved (it is pinned) by that collection. Not looked into are malloc's
 * blocks, mappings, other stacks and plain static variables: cairn_gc_find_undeclared tells of those.
 *
 * Sizes are bytes. Objects are zeroed, and aligned to 8; those of a type that wants 16 are aligned to that, and never
 * move. An object takes 8 bytes more than its size, rounded up to 8, and one of up to 16 KiB an eighth of that for what
 * is said about it; a larger one takes whole blocks of 64 KiB, of which near max the pages behind it go back and do not
 * count, and 4 to 8 KiB more; one of over 1.75 MiB what it needs.
 * Failure: NULL, false or an errno value, and nothing changed, unless said otherwise; misuse prints one line and
 * aborts. Threads: a mutator may be used by its own thread alone; an object by every thread attached to its heap, with
 * the program's own locking; functions that take a heap, from any thread. Nothing here may be called from a signal
 * handler, and no signal is used.
 *
 * Compressed references: a program all of whose files define CAIRN_GC_COMPRESSED before they include this has fields of
 * 4 bytes, and its heaps, together, at most 32 GiB, in one window of addresses, reserved when the first is opened. The
 * source is the same; what it says of sizes it says by sizeof and offsetof. A bitmap's words are of 4 bytes then, so it
 * reaches over the first 256 bytes. Words that are no cairn_refs, those of stacks, ranges and handles, are as ever. */
#ifndef CAIRN_GC_H
#define CAIRN_GC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct cairn_gc_heap cairn_gc_heap;
typedef struct cairn_gc_mutator cairn_gc_mutator;
typedef struct cairn_gc_visitor cairn_gc_visitor;
typedef struct cairn_gc_handle cairn_gc_handle;
typedef struct cairn_gc_table cairn_gc_table;
typedef struct cairn_gc_guardian cairn_gc_guardian;

/* ---- Types ---- */

/* A field's word. A compressed one: the low 32 bits of an address shifted right by 3. */
#ifdef CAIRN_GC_COMPRESSED
typedef uint32_t cairn_gc_slot;
#define CAIRN_GC_KIND_(symbol) __asm__(symbol "_compressed_") /* what such a program calls by that name */
#else
typedef uintptr_t cairn_gc_slot;
#define CAIRN_GC_KIND_(symbol)
#endif

/* A field that refers to an object of struct T, or to none (NULL): one word. Also in arrays: cairn_ref(node) kids[4].
 * Each use is a type of its own; for extern declarations, or pointers to fields: typedef cairn_ref(node) node_ref. */
#define cairn_ref(T)                                                                                                   \
	union {                                                                                                        \
		cairn_gc_slot cairn_gc_word;                                                                           \
		T *cairn_gc_type_of[0] __attribute__((packed)); /* and no wider alignment by it */                     \
	}

typedef enum cairn_gc_type_flags {
	CAIRN_GC_PINNED = 1,       /* its objects never move */
	/* Every aligned word of its objects is treated as a word on a stack is. To find them each collection of the
	 * young walks through its whole heap: of every heap of the process, once such a type is registered. */
	CAIRN_GC_CONSERVATIVE = 2,
} cairn_gc_type_flags;

/* One for each C struct, static; read at its registration and not after. Written by CAIRN_GC_TYPE. */
typedef struct cairn_gc_type {
	const char *name;    /* borrowed until registration, which copies it */
	size_t size;         /* of the struct, without trailing elements */
	uint64_t refs;       /* bit i: the i-th word is a cairn_ref; CAIRN_GC_REFS makes it */
	uint64_t weak;       /* likewise: one that does not keep its object, and reads NULL once that is gone */
	size_t tail_offset;  /* of the trailing array; 0: there is none */
	size_t tail_stride;  /* of an element, in bytes; whole words where tail_refs is not 0 */
	uint64_t tail_refs;  /* bit i: the i-th word of each element is a cairn_ref */
	/* For what bitmaps cannot say. It is called with any object of the type, in any state its stores can leave, by
	 * any thread, by several at once, with the mutators stopped; it calls cairn_gc_visit for each cairn_ref that is
	 * not in the bitmaps, and does nothing else: no allocation, no lock, no look at what a field refers to. */
	void (*trace)(cairn_gc_visitor *v, void *object);
	/* Called once after the object has died, see cairn_gc_run_cleanups; its references read NULL, weak ones too.
	 * The object's memory is gone when it returns. */
	void (*drop)(void *object); /* by CAIRN_GC_DROP_TYPE alone; not for CONSERVATIVE types */
	unsigned flags;      /* of cairn_gc_type_flags */
	bool is_listed;      /* by the macros alone: has a drop function */
	bool is_aligned;     /* its objects are aligned to 16, for the struct wants it, and never move; by the macros */
	uint64_t header;     /* 0 until it is registered */
} cairn_gc_type;

/* Describes struct (or typedef) T in this file: CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right)); the
 * types are registered when the program, or the library that holds them, is loaded. */
#define CAIRN_GC_TYPE(T, ...)                                                                                          \
	enum { T##_cairn_gc_is_listed = 0 };                                                                           \
	CAIRN_GC_TYPE_(T, NULL, ##__VA_ARGS__)
/* The same for a type with a drop function; its objects are listed when they are made, which costs some 10 ns. */
#define CAIRN_GC_DROP_TYPE(T, drop_function, ...)                                                                      \
	enum { T##_cairn_gc_is_listed = 1 };                                                                           \
	CAIRN_GC_TYPE_(T, (drop_function), ##__VA_ARGS__)
#define CAIRN_GC_TYPE_(T, drop_function, ...)                                                                          \
	CAIRN_GC_DESCRIBED_(T, drop_function, ##__VA_ARGS__)                                                           \
	__attribute__((constructor(101), used)) static void T##_cairn_gc_register(void)                                \
	{                                                                                                              \
		cairn_gc_register(&T##_cairn_gc_type);                                                                 \
	}                                                                                                              \
	CAIRN_GC_ASSERT_ALIGNED_(T)
#ifndef __cplusplus
#define CAIRN_GC_DESCRIBED_(T, drop_function, ...)                                                                     \
	static cairn_gc_type T##_cairn_gc_type = { .name = #T, .size = sizeof(T), .drop = (drop_function),             \
		.is_listed = T##_cairn_gc_is_listed, .is_aligned = __alignof__(T) > 8,                                 \
		##__VA_ARGS__ };
#define CAIRN_GC_ASSERT_ALIGNED_(T) _Static_assert(_Alignof(T) <= 16, "objects are aligned to 16 at most")
#else /* members are named in the order of their declaration, and warned of where they are not all named */
#define CAIRN_GC_DESCRIBED_(T, drop_function, ...)                                                                     \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")              \
	static cairn_gc_type T##_cairn_gc_type = [] {                                                                  \
		cairn_gc_type cairn_gc_described_ = { __VA_ARGS__ };                                                   \
		cairn_gc_described_.name = #T;                                                                         \
		cairn_gc_described_.size = sizeof(T);                                                                  \
		cairn_gc_described_.drop = drop_function;                                                              \
		cairn_gc_described_.is_listed = T##_cairn_gc_is_listed;                                                \
		cairn_gc_described_.is_aligned = __alignof__(T) > 8;                                                   \
		return cairn_gc_described_;                                                                            \
	}();                                                                                                           \
	_Pragma("GCC diagnostic pop")
#define CAIRN_GC_ASSERT_ALIGNED_(T)                                                                                    \
	static_assert(__cplusplus >= 201703L, "CAIRN_GC_TYPE is for C++17 and later: compile with -std=c++17");        \
	static_assert(alignof(T) <= 16, "objects are aligned to 16 at most")
#endif

/* The bits of fields of T, at most 16 of them, each a cairn_ref or an array of them within the first 64 words. */
#define CAIRN_GC_REFS(T, ...)                                                                                          \
	(CAIRN_GC_PICK_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)(T, __VA_ARGS__))
/* For a trailing array of cairn_ref itself: .tail_stride = sizeof(cairn_gc_slot), .tail_refs = CAIRN_GC_TAIL_REF. */
#define CAIRN_GC_TAIL_REF (sizeof(cairn_gc_slot) == 8 ? UINT64_C(1) : UINT64_C(1) << 63 | 1)

/* Registers a type, once; CAIRN_GC_TYPE calls it. Borrows t, whose header it writes; what it describes is copied, so
 * that the library that holds t may be unloaded while objects live, but for its trace and drop functions. Aborts, with
 * a line, where the description contradicts itself, and where there is no memory. Any thread. */
void cairn_gc_register(cairn_gc_type *t) CAIRN_GC_KIND_("cairn_gc_register");

/* For a type's trace function: this field is a cairn_ref. */
#define cairn_gc_visit(v, field) cairn_gc_visit_((v), &(field)->cairn_gc_word)

/* ---- Heaps ---- */

typedef enum cairn_gc_collector {
	CAIRN_GC_DEFAULT,       /* generational */
	CAIRN_GC_NONE,          /* never frees: the floor that the others are measured against */
	CAIRN_GC_MARKSWEEP,     /* moves nothing */
	CAIRN_GC_SEMISPACE,     /* copies what lives but in dense blocks, needs room for that; what is pinned stays */
	CAIRN_GC_MARKCOMPACT,   /* marks, then moves what is sparse together; what is pinned stays */
	CAIRN_GC_COUNTING_EAGER, /* not built yet: refused with ENOTSUP */
	CAIRN_GC_GENERATIONAL,  /* copies what lives of what is new, by itself; all as MARKCOMPACT, and seldom */
	CAIRN_GC_CONCURRENT,    /* this one and the next are not built yet: likewise */
	CAIRN_GC_COUNTING,
} cairn_gc_collector;

typedef enum cairn_gc_cleanups {
	/* in cairn_gc_poll; where nobody polls from one collection to the next, by a thread */
	CAIRN_GC_CLEANUPS_AUTO,
	CAIRN_GC_CLEANUPS_MANUAL, /* in cairn_gc_run_cleanups alone */
	CAIRN_GC_CLEANUPS_THREAD, /* by a thread of the heap's */
} cairn_gc_cleanups;

/* How collectors that collect the young by itself remember which old objects were stored into: each is written down
 * (a log), or each 128 bytes of the heap (a card) is. */
typedef enum cairn_gc_remember {
	CAIRN_GC_REMEMBER_DEFAULT, /* objects of up to 16 KiB by the log, larger ones by cards */
	CAIRN_GC_REMEMBER_LOG,     /* larger ones, too, by the log, and scanned whole */
	CAIRN_GC_REMEMBER_CARDS,   /* all by cards: then each store into what is old is out of line */
} cairn_gc_remember;

/* Everything may be 0, which is the default. The environment wins over the fields: CAIRN_GC_COLLECTOR, _MAX, _MIN,
 * _SOFT, _RESERVE, _GROWTH, _BALANCE, _PAUSE_GOAL, _REMEMBER, _WORKERS, _EXACT, _ZEAL; CAIRN_GC_LOG=1 says a line a
 * collection. A value there that cannot be read is told and ignored, but for the name of a collector. */
typedef struct cairn_gc_config {
	cairn_gc_collector collector; /* CAIRN_GC_COLLECTOR=marksweep ... */
	size_t min;           /* bytes that the heap may always grow to without a collection; default 4 MiB */
	/* Bytes that it never grows past, all its records, large objects and external bytes included; CAIRN_GC_MAX=1G;
	 * default: a quarter of the tightest of the cgroup, the resource limits and the machine's memory */
	size_t max;
	size_t soft;          /* bytes past which it collects more often, up to half of the CPU; default: none */
	/* percent of what lived by which the heap may grow before the next collection, of all where the young are
	 * collected by themselves; default 100 */
	unsigned growth;
	/* > 0: instead of growth, the memory balancer's rule (Kirisame and others, OOPSLA 2022), with this constant:
	 * larger is smaller and slower; CAIRN_GC_BALANCE= */
	double balance;
	/* of the collectors that collect the young by itself: how long that may stop mutators, in ms, with a part of
	 * what is old and sparse; default 0: as it is best for throughput; CAIRN_GC_PAUSE_GOAL= */
	unsigned pause_goal_ms;
	cairn_gc_remember remember;   /* CAIRN_GC_REMEMBER=log, cards or default */
	/* threads that trace, the collecting one included; CAIRN_GC_WORKERS=; default: as many as there are processors
	 * for this process, up to 4, made after the first collection in which 4 MiB lived; 1 in the child of a fork,
	 * and where the program may have a filter of system calls (it refers to seccomp, prctl or syscall) */
	unsigned workers;
	bool exact_roots;     /* stacks are not looked at: everything is held by handles and roots; CAIRN_GC_EXACT= */
	cairn_gc_cleanups cleanups;
	/* Called where an allocation of an object finds no memory after a full collection (bytes: with its header,
	 * rounded up; not for external bytes, tables and handles), in the allocating thread, with no lock
	 * held. It returns; longjmp out of it is misuse. True: something was let go, try
	 * again. Default, and when it returns false: cairn_gc_new prints a line
	 * and aborts, cairn_gc_try_new returns NULL. */
	bool (*on_no_memory)(cairn_gc_heap *h, size_t bytes, void *arg);
	void *on_no_memory_arg;
	/* bytes under max that are kept back until on_no_memory is called, for what it allocates; under semispace what
	 * the next collection needs for copies goes before it */
	size_t reserve;
	const char *name;     /* in messages and the account; borrowed while the heap lives; default "heap" */
	/* words, parted by commas: collect=N move small pins=N poison delay verify shadow seed=N */
	const char *zeal;
	bool verify;          /* before and after each collection; as zeal "verify" */
} cairn_gc_config;

/* NULL: with errno ENOMEM; EINVAL (max below 1 MiB, min over max, reserve not below max, growth over 100000, workers
 * over 32, balance below 0, no such cleanups or remember); ENOTSUP (a collector that is not built, or of no such name:
 * a line says so). With compressed references also ENOMEM where their window is refused, and EINVAL where max is over
 * 32 GiB: a line says so. Returns owned. config: NULL as all defaults. About 50 KiB where little is allocated; there
 * may be thousands. */
cairn_gc_heap *cairn_gc_open(const cairn_gc_config *config) CAIRN_GC_KIND_("cairn_gc_open");
/* Takes h and all its objects, after every drop function and cleanup that is still listed was run, in this thread;
 * tables, guardians, handles and external bytes go with it. Misuse: mutators other than this thread's are attached. */
void cairn_gc_close(cairn_gc_heap *h);
cairn_gc_collector cairn_gc_collector_of(const cairn_gc_heap *h);
const char *cairn_gc_collector_name(cairn_gc_collector c); /* "marksweep"; NULL: none such */

/* Makes the calling thread a mutator of h; its stack is looked at from now on, from its base. A thread may be attached
 * to several heaps, and to one only once. NULL: no memory, or a stack that libc does not know (ENOMEM), attached
 * already (EBUSY), no key left (EAGAIN). Returns owned. A thread that ends is detached. Misuse: by code compiled for
 * the other kind of references than what opened the heap. */
cairn_gc_mutator *cairn_gc_attach(cairn_gc_heap *h) CAIRN_GC_KIND_("cairn_gc_attach");
/* Takes m. What only this thread's stack held may be gone. */
void cairn_gc_detach(cairn_gc_mutator *m);
cairn_gc_heap *cairn_gc_heap_of(const cairn_gc_mutator *m);
/* The calling thread's mutator of h, or NULL. Returns borrowed. */
cairn_gc_mutator *cairn_gc_mutator_of(const cairn_gc_heap *h);

/* A full collection, now: what is not reachable is gone when it returns, but for what a stack's stale words keep. Under
 * NONE nothing happens. */
void cairn_gc_collect(cairn_gc_mutator *m);
/* A safepoint, and where cleanups run by default. In loops that do not allocate for longer than a pause may last. */
#define cairn_gc_poll(m)                                                                                               \
	((void)(cairn_gc_likely_(!__atomic_load_n(&(m)->poll, __ATOMIC_RELAXED)) || (cairn_gc_poll_slow_(m), 0)))

/* Around code that may wait: CAIRN_GC_BLOCKING(m) { read(fd, bytes, n); } Inside, collections do not wait for this
 * thread; its stack keeps what it held at the beginning, and objects must not be touched, but for external bytes and
 * pinned ones. Leave it by its end, or by longjmp; break leaves it, too; return and goto do not. */
#define CAIRN_GC_BLOCKING(m) CAIRN_GC_BLOCKING_(m, __COUNTER__)
#define CAIRN_GC_BLOCKING_(m, n) CAIRN_GC_BLOCKING_AS_(m, n)
#define CAIRN_GC_BLOCKING_AS_(m, n)                                                                                    \
	for (cairn_gc_mutator *cairn_gc_left_##n = (m), *cairn_gc_in_##n = (cairn_gc_leave(cairn_gc_left_##n),         \
		cairn_gc_left_##n); cairn_gc_in_##n;                                                                   \
		cairn_gc_in_##n = (cairn_gc_enter(cairn_gc_left_##n), (cairn_gc_mutator *)0))                          \
		for (bool cairn_gc_once_##n = true; cairn_gc_once_##n; cairn_gc_once_##n = false)
/* The two ends of it. What registers held is kept from leave to enter; a function that leaves may return before, if its
 * frame is no larger than 200 bytes. Leaving twice, or entering what has not left,
 * is misuse. Inside, a callback may enter, and leave before it returns. After a longjmp out of scopes one enter counts
 * for all that were left deeper on the stack; leaving again at the same depth is taken for what follows one. */
void cairn_gc_leave(cairn_gc_mutator *m);
void cairn_gc_enter(cairn_gc_mutator *m);

/* ---- Objects ---- */

/* An object of type T, zeroed. Aborts, with a line, where the heap is full (see on_no_memory). Safepoint. */
#define cairn_gc_new(m, T)                                                                                             \
	((T *)(T##_cairn_gc_is_listed || __alignof__(T) > 8                                                            \
			? cairn_gc_new_slow_((m), &T##_cairn_gc_type, sizeof(T))                                       \
			: cairn_gc_new_((m), &T##_cairn_gc_type, sizeof(T))))
/* With n elements in its trailing array. */
#define cairn_gc_new_array(m, T, n) ((T *)cairn_gc_new_array_((m), &T##_cairn_gc_type, (n), true))
/* n bytes that hold no references. (Aligned to 8: for more, a type with an _Alignas(16) array at its end.) */
#define cairn_gc_new_bytes(m, n) (cairn_gc_new_bytes_((m), (n), true))
/* The same; NULL where the heap is full. */
#define cairn_gc_try_new(m, T)          ((T *)cairn_gc_new_array_((m), &T##_cairn_gc_type, 0, false))
#define cairn_gc_try_new_array(m, T, n) ((T *)cairn_gc_new_array_((m), &T##_cairn_gc_type, (n), false))
#define cairn_gc_try_new_bytes(m, n)    (cairn_gc_new_bytes_((m), (n), false))

size_t cairn_gc_size(const void *object);        /* as it was asked for */
size_t cairn_gc_length(const void *object);      /* elements in its trailing array; of bytes: their number */
const char *cairn_gc_type_name(const void *object); /* "bytes" for those of new_bytes; returns borrowed */
/* Is p the start of an object of h, reachable or not? Slow; for assertions and debuggers. A stop. */
bool cairn_gc_is_object(cairn_gc_mutator *m, const void *p);

/* Reads a field: NULL or borrowed from the heap. One load, relaxed; what the referent's creator stored before it stored
 * the reference is seen. */
#define cairn_gc_get(m, object, field)                                                                                 \
	((__typeof__((object)->field.cairn_gc_type_of[0]))cairn_gc_load_((m), &(object)->field.cairn_gc_word))
/* Stores to a field of object: value is NULL or an object of the same heap. Release. Not a safepoint. value is
 * evaluated first, then object: each once, here and in the ones below. */
#define cairn_gc_set(m, object, field, value)                                                                          \
	do {                                                                                                           \
		__typeof__((object)->field.cairn_gc_type_of[0]) cairn_gc_value_ = (value);                             \
		__typeof__(&*(object)) cairn_gc_object_ = (object);                                                    \
		cairn_gc_store_((m), cairn_gc_object_, &cairn_gc_object_->field.cairn_gc_word, cairn_gc_value_);       \
	} while (0)
/* A store to a field of an object that this mutator made after its last safepoint: two instructions less. Of one that
 * is older it may be missed by collectors that have old objects: zeal "verify" tells. */
#define cairn_gc_init(m, object, field, value)                                                                         \
	do {                                                                                                           \
		__typeof__((object)->field.cairn_gc_type_of[0]) cairn_gc_value_ = (value);                             \
		__typeof__(&*(object)) cairn_gc_object_ = (object);                                                    \
		cairn_gc_init_((m), cairn_gc_object_, &cairn_gc_object_->field.cairn_gc_word, cairn_gc_value_);        \
	} while (0)
/* Stores value if the field refers to expected; true: it did. seq_cst. */
#define cairn_gc_cas(m, object, field, expected, value)                                                                \
	__extension__({                                                                                                \
		__typeof__((object)->field.cairn_gc_type_of[0]) cairn_gc_expected_ = (expected),                       \
								cairn_gc_value_ = (value);                             \
		__typeof__(&*(object)) cairn_gc_object_ = (object);                                                    \
		cairn_gc_cas_((m), cairn_gc_object_, &cairn_gc_object_->field.cairn_gc_word, cairn_gc_expected_,       \
			cairn_gc_value_);                                                                              \
	})
/* Stores value; what was there before. seq_cst. */
#define cairn_gc_swap(m, object, field, value)                                                                         \
	__extension__({                                                                                                \
		__typeof__((object)->field.cairn_gc_type_of[0]) cairn_gc_value_ = (value);                             \
		__typeof__(&*(object)) cairn_gc_object_ = (object);                                                    \
		(__typeof__((object)->field.cairn_gc_type_of[0])) cairn_gc_swap_((m), cairn_gc_object_,                \
			&cairn_gc_object_->field.cairn_gc_word, cairn_gc_value_);                                      \
	})
/* Copies n fields that lie one after the other, as memmove: from[0..n) of any object to to[0..n) of object. */
#define cairn_gc_copy(m, object, to, from, n)                                                                          \
	cairn_gc_copy_((m), (object), &(to)->cairn_gc_word, &(from)->cairn_gc_word, (n))
/* Reads a weak field: NULL once its object is gone. */
#define cairn_gc_get_weak(m, object, field) cairn_gc_get(m, object, field)

/* The object dies now; nothing may refer to it any more (verify says who does). Its drop function and cleanups do not
 * run, external bytes go; weak fields, tables and guardians must not lead to it any more either. For those who know;
 * the memory comes back at once where the collector can. Misuse: what was freed so already. */
void cairn_gc_free(cairn_gc_mutator *m, void *object);
/* Changes the size in place: true, or false where that is not possible. Shrinking always is; to grow has room for what
 * rounding left over, or, for the newest object, more. What is new is zero. new_size counts as in cairn_gc_size;
 * not below that of the type. What an ambiguous word pointed into is kept only if it points into what is left. */
bool cairn_gc_resize(cairn_gc_mutator *m, void *object, size_t new_size);

/* A number that stays the same while the object lives, wherever it moves; seldom that of another. */
uint64_t cairn_gc_hash(cairn_gc_mutator *m, void *object);

/* Uninterrupted use of a pointer: object is not gone before here, whatever the compiler made of the last use. Behind a
 * loop over object->a[i - bias] with a safepoint in it: a compiler may hold the address of a[-bias] alone. */
static inline void cairn_gc_keep(const void *object) { __asm__ volatile("" : : "r"(object) : "memory"); }

/* ---- Roots ---- */

/* A variable outside the heap that is a root while it is added: static cairn_ref(node) top; cairn_gc_root_add(h, &top).
 * Read and stored by the two below. Exact: what it refers to may move. False: no memory. Misuse: one that was
 * added already. Any thread. */
#define cairn_gc_root_add(h, variable)    cairn_gc_roots_add((h), &(variable)->cairn_gc_word, 1)
#define cairn_gc_root_remove(h, variable) cairn_gc_roots_remove((h), &(variable)->cairn_gc_word)
/* n of them, one after the other. */
bool cairn_gc_roots_add(cairn_gc_heap *h, void *first, size_t n);
void cairn_gc_roots_remove(cairn_gc_heap *h, void *first); /* misuse: was not added */
#define cairn_gc_root_get(m, variable)                                                                                 \
	((__typeof__((variable)->cairn_gc_type_of[0]))cairn_gc_load_((m), &(variable)->cairn_gc_word))
#define cairn_gc_root_set(m, variable, value)                                                                          \
	do {                                                                                                           \
		__typeof__((variable)->cairn_gc_type_of[0]) cairn_gc_value_ = (value);                                 \
		cairn_gc_root_store_((m), &(variable)->cairn_gc_word, cairn_gc_value_);                               \
	} while (0)

/* A root of its own, for other threads, for C libraries' void *arg, for heaps with exact roots. Misuse: one that was
 * freed. No safepoint. */
cairn_gc_handle *cairn_gc_handle_new(cairn_gc_mutator *m, void *object); /* NULL: no memory. Returns owned */
void *cairn_gc_handle_get(cairn_gc_mutator *m, cairn_gc_handle *handle);
void cairn_gc_handle_set(cairn_gc_mutator *m, cairn_gc_handle *handle, void *object);
void cairn_gc_handle_free(cairn_gc_heap *h, cairn_gc_handle *handle);    /* takes handle; NULL is allowed; any thread */

/* Keeps object where it is until as many unpins: for the kernel, for other languages. False: no memory. Misuse: NULL,
 * what is no object of this heap. */
bool cairn_gc_pin(cairn_gc_mutator *m, void *object);
void cairn_gc_unpin(cairn_gc_mutator *m, void *object); /* misuse: is not pinned */

/* Memory whose aligned words are looked at as those of a stack are: what they point at, or into, lives and stays. For
 * structs of other libraries, foreign stacks, thread-local data of libraries loaded later. False: no memory. */
bool cairn_gc_range_add(cairn_gc_heap *h, const void *start, size_t bytes);
void cairn_gc_range_remove(cairn_gc_heap *h, const void *start); /* misuse: was not added */
/* The calling thread runs on another stack of its own (makecontext): [low, low + bytes). NULL: on its own again. The
 * stack that it leaves is looked at until it is back on it, or until cairn_gc_range_remove of its low end. Best called
 * just before the switch, by the function that makes it: then the stack that is left is looked at from here on, with
 * the registers as they are; called after it, all of that stack is, and registers that were saved elsewhere are not. No
 * safepoint may lie between the two. False: no memory. */
bool cairn_gc_stack_switch(cairn_gc_mutator *m, const void *low, size_t bytes);

/* ---- Death ---- */

/* Calls call(arg) after object has died; it must not close the heap. arg must not refer to object, nor to any object
 * unless it is a handle. False: no memory, or max is reached; here and in the rest of this part that does not collect,
 * for it is no safepoint. */
bool cairn_gc_cleanup(cairn_gc_mutator *m, void *object, void (*call)(void *arg), void *arg);
/* Runs drop functions and cleanups that are due, in no order, in this thread, until budget_ns is over (0: all of them);
 * how many ran. They may allocate, must not wait for a lock that this thread holds, and return (no longjmp). An object
 * whose drop is due keeps its memory and its external bytes until that has run. Called by one of them: 0. */
size_t cairn_gc_run_cleanups(cairn_gc_mutator *m, uint64_t budget_ns);

/* A guardian gives objects back that nobody else refers to: once for each time they were put under its guard. */
cairn_gc_guardian *cairn_gc_guardian_new(cairn_gc_heap *h); /* NULL: no memory. Returns owned */
bool cairn_gc_guard(cairn_gc_mutator *m, cairn_gc_guardian *g, void *object); /* false: no memory */
void *cairn_gc_guardian_next(cairn_gc_mutator *m, cairn_gc_guardian *g);      /* NULL: none. Borrowed as any object */
/* Takes g; what it guards is unguarded from now on. NULL is allowed. The heap's end takes what is left of these. */
void cairn_gc_guardian_free(cairn_gc_guardian *g);

/* A table from objects to objects by identity: an entry keeps its value while its key is kept by others (an ephemeron),
 * and is gone with its key. The table is a root; not an object. Any mutator; calls are serialised by the table. A key
 * is not NULL; a value may be. The heap's end takes the tables that are left. */
cairn_gc_table *cairn_gc_table_new(cairn_gc_heap *h); /* NULL: no memory. Returns owned */
bool cairn_gc_table_put(cairn_gc_mutator *m, cairn_gc_table *t, void *key, void *value); /* false: no memory */
void *cairn_gc_table_get(cairn_gc_mutator *m, cairn_gc_table *t, void *key);             /* NULL: not there */
bool cairn_gc_table_remove(cairn_gc_mutator *m, cairn_gc_table *t, void *key);           /* false: was not there */
size_t cairn_gc_table_count(cairn_gc_table *t); /* entries, those of keys that died unnoticed included */
void cairn_gc_table_free(cairn_gc_table *t);    /* takes t; NULL is allowed */

/* n bytes outside the heap that live as long as object: zeroed, aligned to 16, never moved; counted against the heap's
 * max and by its sizing. One for each object. NULL: no memory, there is one. Borrowed; goes with object. A
 * safepoint; object itself neither moves nor dies in it. Up to 8 KiB they take the next power of two, from there on
 * multiples of 16 KiB. */
void *cairn_gc_external(cairn_gc_mutator *m, void *object, size_t n);
void *cairn_gc_external_of(cairn_gc_mutator *m, const void *object, size_t *n); /* NULL: none; n may be NULL */
/* Memory of other libraries that object stands for: counted by the sizing, not against max. */
void cairn_gc_external_add(cairn_gc_mutator *m, ptrdiff_t bytes);

/* ---- Looking ---- */

/* Times in ns. Of values v: bucket 4 * floor(log2 v) + the two bits below the highest (12 % off at most). */
enum { CAIRN_GC_BUCKETS = 160 };
typedef struct cairn_gc_histogram {
	uint64_t count, sum, max;
	uint32_t bucket[CAIRN_GC_BUCKETS];
} cairn_gc_histogram;
uint64_t cairn_gc_percentile(const cairn_gc_histogram *of, double percent); /* 50, 99, 99.9; 0 when empty */

/* Of collections of the young by itself; all 0 where the collector knows no young. lived / made is what survives. */
typedef struct cairn_gc_young_stats {
	uint64_t collections;
	uint64_t made_bytes;       /* allocated before them, since the collection before */
	uint64_t lived_bytes;      /* of that: it is old since */
	uint64_t donated_bytes;    /* of that: it lay in a block with a pin, which became old as it was */
	/* What was made last is left young, and collected by the next one. So of what was collected soonest
	 * (lived - aged) / (made - recent) survives, and aged / recent of what had more time. */
	uint64_t recent_bytes, aged_bytes;
	uint64_t scanned_objects, scanned_cards; /* old objects stored into; cards, likewise */
	/* Sparse blocks of the old, taken with the young under a pause goal; what lived in them, as far as was
	 * known. */
	uint64_t mixed_blocks, mixed_bytes;
	cairn_gc_histogram pause;
} cairn_gc_young_stats;

typedef struct cairn_gc_stats {
	cairn_gc_collector collector;
	const char *name;          /* borrowed while the heap lives */
	uint64_t collections;
	uint64_t allocated_bytes, allocated_objects; /* since it was opened; objects: as of the last collection */
	size_t held_bytes;         /* against max: blocks, large objects, external bytes, records */
	size_t held_peak_bytes;
	size_t live_bytes, live_objects; /* after the last collection; of the young: with all that was old before it */
	size_t free_bytes;         /* of empty blocks whose memory is kept for later, now; with held never over max */
	size_t hole_bytes;         /* in blocks of which something is */
	size_t large_bytes, external_bytes, record_bytes;
	size_t pinned_bytes, pinned_objects; /* in the last collection, for stacks, ranges, and pins */
	size_t moved_bytes, moved_objects;   /* by all collections */
	size_t limit_bytes;        /* that starts the next collection */
	size_t max_bytes;
	uint64_t pending_cleanups;
	uint64_t opened_ns, pause_ns;        /* time since it was opened; the sum of pauses */
	/* CPU of collections, by who paid: in stops; mutators that help; slow stores. The last two are 0 under the
	 * collectors that there are so far. */
	uint64_t cpu_stopped_ns, cpu_assist_ns, cpu_barrier_ns;
	double utilisation[3];     /* the least share of time that mutators had in any 1, 10 and 100 ms (MMU) */
	cairn_gc_histogram pause, time_to_safepoint;
	cairn_gc_young_stats young;
	char laggard[512];         /* a backtrace, one frame a line: who was last to stop, the worst time; "" unknown */
} cairn_gc_stats;
void cairn_gc_stats_get(cairn_gc_heap *h, cairn_gc_stats *to); /* any thread */
void cairn_gc_report(cairn_gc_heap *h, FILE *to);              /* the same, for people */
/* One event of a collection, for a listener: called with the world stopped, in order; it may not call anything here. */
typedef struct cairn_gc_event {
	const char *phase;  /* static: stop sweep frames roots mark copy weak compact update slide turn size */
	uint64_t start_ns, ns;
	uint64_t collection; /* its number, from 1 */
	size_t bytes, objects; /* what the phase did, where that can be said */
} cairn_gc_event;
void cairn_gc_listen(cairn_gc_heap *h, void (*call)(const cairn_gc_event *e, void *arg), void *arg); /* NULL: nobody */

/* ---- Verification ---- */

/* Walks the whole heap in a stop, and prints to `to` each thing that is wrong: a field that refers to no object, with
 * the path to it from a root; a header that is none. How many there are. Any mutator.
 * What the program can break is looked at in every build. Whether cairn's own sums, lists and tables agree is looked at
 * in builds of cairn with assertions (debug, asan, tsan) alone, which end the process where they do not. */
size_t cairn_gc_verify(cairn_gc_mutator *m, FILE *to);
/* In a stop: words in static data, thread-local data and malloc's blocks that hold the address of an object and are
 * declared nowhere, and words of objects outside their type's bitmaps that look like references; each with the line of
 * code that would declare it. How many. Not each is an error: a stale word looks like any other. */
size_t cairn_gc_find_undeclared(cairn_gc_mutator *m, FILE *to);
/* A safepoint. Calls visit for every object in a stop, reachable or not yet swept; it may not call anything here but
 * size, length and type_name. */
void cairn_gc_each(cairn_gc_mutator *m, void (*visit)(void *object, void *arg), void *arg);

/* ---- What the macros stand on: laid out here for their sake, and not to be used directly ---- */

typedef struct cairn_gc_bump {
	uintptr_t at, end; /* [at, end) reads zero; multiples of 8 */
} cairn_gc_bump;

enum {
	CAIRN_GC_RUNS = 33,           /* one for each 8 bytes up to 256, header included; several may be the same */
	CAIRN_GC_BARRIER_NONE = 0,
	CAIRN_GC_BARRIER_CALL = 1,    /* out of line: bit 0 of every header is set */
	CAIRN_GC_BARRIER_WATCHED = 2, /* out of line for objects whose header has bit 1 set */
};

struct cairn_gc_mutator {
	uint32_t poll;    /* sync: atomic, relaxed: a hint that something is wanted; what is, is asked under a lock */
	uint8_t barrier;  /* changed by its own thread, or while that is stopped */
	uint8_t pad[3];
	cairn_gc_bump *run[CAIRN_GC_RUNS]; /* likewise */
	uintptr_t base;   /* of the window of compressed references; 0: they are not; const */
};

/* ThreadSanitizer does not know of that order. */
#if defined __SANITIZE_THREAD__
#define CAIRN_GC_CONSUME_ __ATOMIC_ACQUIRE
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define CAIRN_GC_CONSUME_ __ATOMIC_ACQUIRE
#endif
#endif
#ifndef CAIRN_GC_CONSUME_
#define CAIRN_GC_CONSUME_ __ATOMIC_RELAXED /* the address depends on what is loaded */
#endif

#define cairn_gc_likely_(c) __builtin_expect(!!(c), 1)

void *cairn_gc_new_slow_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t size);
void *cairn_gc_new_array_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t n, bool aborts);
void *cairn_gc_new_bytes_(cairn_gc_mutator *m, size_t n, bool aborts);
void cairn_gc_poll_slow_(cairn_gc_mutator *m);
/* field, to, from: words, of the heap's kind */
void cairn_gc_store_slow_(cairn_gc_mutator *m, void *object, void *field, void *value);
bool cairn_gc_cas_(cairn_gc_mutator *m, void *object, void *field, void *expected, void *value);
void *cairn_gc_swap_(cairn_gc_mutator *m, void *object, void *field, void *value);
void cairn_gc_copy_(cairn_gc_mutator *m, void *object, void *to, const void *from, size_t n);
void cairn_gc_visit_(cairn_gc_visitor *v, void *field);

static inline void *cairn_gc_new_(cairn_gc_mutator *m, const cairn_gc_type *t, size_t size)
{
	size_t cell = (size + 8 + 7) & ~(size_t)7;
	if (cell <= 256) {
		cairn_gc_bump *b = m->run[cell / 8];
		uintptr_t at = b->at, next = at + cell;
		if (cairn_gc_likely_(next <= b->end)) {
			b->at = next;
			*(uint64_t *)at = t->header;
			return (void *)(at + 8);
		}
	}
	return cairn_gc_new_slow_(m, t, size);
}

#ifdef CAIRN_GC_COMPRESSED
/* The window is aligned to its size. */
static inline cairn_gc_slot cairn_gc_slot_of_(const void *object) { return (cairn_gc_slot)((uintptr_t)object >> 3); }

static inline void *cairn_gc_object_of_(const cairn_gc_mutator *m, cairn_gc_slot word)
{
	if (!word)
		return NULL;
	void *object = (void *)(m->base + ((uintptr_t)word << 3));
	/* Here, and not where it is used first: a safepoint in between looks for an address, not for the word. */
	__asm__ volatile("" : "+r"(object));
	if (!object)
		__builtin_unreachable();
	return object;
}
#else
static inline cairn_gc_slot cairn_gc_slot_of_(const void *object) { return (cairn_gc_slot)object; }

static inline void *cairn_gc_object_of_(const cairn_gc_mutator *m, cairn_gc_slot word)
{
	(void)m; /* a collector that moves objects while the program runs will need it */
	return (void *)word;
}
#endif

static inline void cairn_gc_store_(cairn_gc_mutator *m, void *object, cairn_gc_slot *field, void *value)
{
	/* relaxed: the header's low byte changes while this thread is stopped, or under its own barrier */
	if (cairn_gc_likely_(!(m->barrier & __atomic_load_n((uint8_t *)object - 8, __ATOMIC_RELAXED))))
		__atomic_store_n(field, cairn_gc_slot_of_(value), __ATOMIC_RELEASE); /* publishes the referent */
	else
		cairn_gc_store_slow_(m, object, field, value);
}

/* What is new is not watched. */
static inline void cairn_gc_init_(cairn_gc_mutator *m, void *object, cairn_gc_slot *field, void *value)
{
	/* relaxed: who publishes the object does it, too */
	if (cairn_gc_likely_(!(m->barrier & CAIRN_GC_BARRIER_CALL)))
		__atomic_store_n(field, cairn_gc_slot_of_(value), __ATOMIC_RELAXED);
	else
		cairn_gc_store_slow_(m, object, field, value);
}

static inline void cairn_gc_root_store_(cairn_gc_mutator *m, cairn_gc_slot *root, void *value)
{
	if (cairn_gc_likely_(!(m->barrier & CAIRN_GC_BARRIER_CALL)))
		__atomic_store_n(root, cairn_gc_slot_of_(value), __ATOMIC_RELEASE); /* publishes the referent */
	else
		cairn_gc_store_slow_(m, NULL, root, value);
}

static inline void *cairn_gc_load_(cairn_gc_mutator *m, const cairn_gc_slot *field)
{
	/* ordered by the address that depends on it */
	return cairn_gc_object_of_(m, __atomic_load_n(field, CAIRN_GC_CONSUME_));
}

/* The bits of one field, or of an array of them. */
#define CAIRN_GC_BITS_(T, f)                                                                                           \
	((sizeof(((T *)0)->f) == 64 * sizeof(cairn_gc_slot)                                                            \
			? ~UINT64_C(0)                                                                                 \
			: (UINT64_C(1) << sizeof(((T *)0)->f) / sizeof(cairn_gc_slot) % 64) - 1)                       \
			<< offsetof(T, f) / sizeof(cairn_gc_slot) % 64 |                                               \
		CAIRN_GC_WITHIN_(offsetof(T, f) + sizeof(((T *)0)->f)))
/* 0; does not compile where that is more than the bitmap names: for such fields a trace function. */
#define CAIRN_GC_WITHIN_(end) (0 * sizeof(char[(end) <= 64 * sizeof(cairn_gc_slot) ? 1 : -1]))
#define CAIRN_GC_PICK_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, n, ...) CAIRN_GC_REFS_##n
#define CAIRN_GC_REFS_1(T, a)       CAIRN_GC_BITS_(T, a)
#define CAIRN_GC_REFS_2(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_1(T, __VA_ARGS__)
#define CAIRN_GC_REFS_3(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_2(T, __VA_ARGS__)
#define CAIRN_GC_REFS_4(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_3(T, __VA_ARGS__)
#define CAIRN_GC_REFS_5(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_4(T, __VA_ARGS__)
#define CAIRN_GC_REFS_6(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_5(T, __VA_ARGS__)
#define CAIRN_GC_REFS_7(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_6(T, __VA_ARGS__)
#define CAIRN_GC_REFS_8(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_7(T, __VA_ARGS__)
#define CAIRN_GC_REFS_9(T, a, ...)  CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_8(T, __VA_ARGS__)
#define CAIRN_GC_REFS_10(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_9(T, __VA_ARGS__)
#define CAIRN_GC_REFS_11(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_10(T, __VA_ARGS__)
#define CAIRN_GC_REFS_12(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_11(T, __VA_ARGS__)
#define CAIRN_GC_REFS_13(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_12(T, __VA_ARGS__)
#define CAIRN_GC_REFS_14(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_13(T, __VA_ARGS__)
#define CAIRN_GC_REFS_15(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_14(T, __VA_ARGS__)
#define CAIRN_GC_REFS_16(T, a, ...) CAIRN_GC_BITS_(T, a) | CAIRN_GC_REFS_15(T, __VA_ARGS__)

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
