/* gc/world.h - mutators, and the stop in which a collection works.
 *
 * A mutator's state is one word:
 *
 *              poll, asked to stop               stop()                    resume()
 *   RUNNING ─────────────────────────▶ STOPPED ──────────(collection)──────────────▶ RUNNING
 *      │  ▲
 *  leave│  │enter                 stop()                          resume()
 *      ▼  │            OUT ─────────────────────▶ OUT_HELD ──────────────────▶ OUT
 *      OUT┘                                       enter waits while HELD
 *
 * A stop: the collecting thread takes the world's lock, sets `poll` of every other mutator of the heap, and waits until
 * each is STOPPED or OUT_HELD. Then it alone touches the heap; at the end it puts all back, and drops the lock.
 *
 * A thread that waits for anything of one heap is OUT of all others it is attached to, so that two heaps' stops cannot
 * wait for each other. What is between leave and enter, or in a stop, of a mutator's stack: [sp, base), and
 * `registers`. A thread's own stop counts as well: before it collects its registers are in its mutator and sp is set.
 *
 * Invariants, checked by cairn_gc_world_validate(), in a stop:
 *   (GW1) Every mutator in the list but the collecting one is STOPPED or OUT_HELD.
 *   (GW2) sp lies in its thread's stack, at or below where it was attached... or in the stack it switched to.
 *   (GW3) A mutator's bumps are empty: what it allocated is in its blocks' `filled` (cairn_gc_mutator_flush).
 * and (GW4) and (GW5) of gc/world.c, which are of its workings.
 * The protocol is model-checked: tests/model/world.c.
 *
 * Locks: world, rank CAIRN_RANK_GC_WORLD: attach, detach, and every stop. A thread that would wait for it and is a
 * mutator is OUT while it waits. Not here: what is on a stack (gc/roots.h). */
#ifndef CAIRN_GC_WORLD_H
#define CAIRN_GC_WORLD_H

#include "base/list.h"
#include "cairn/gc.h"
#include "os/lock.h"

struct cairn_gc_heap;
struct cairn_gc_block;

enum {
	CAIRN_GC_REGISTERS = 20, /* callee-saved ones: 6 on x86-64; 11, and 8 halves of vector ones, on aarch64 */
	CAIRN_GC_FRAMES = 16,
	CAIRN_GC_LEFT_WORDS = 32,
	CAIRN_GC_LATE_NS = 1000000, /* who takes longer to stop is written down */
};

typedef enum cairn_gc_state {
	CAIRN_GC_RUNNING,
	CAIRN_GC_STOPPED,
	CAIRN_GC_OUT,
	CAIRN_GC_OUT_HELD,
} cairn_gc_state;

/* A mutator. The public part comes first; asm writes registers and sp, by their offsets. */
typedef struct cairn_gc_thread {
	cairn_gc_mutator public;
	uintptr_t registers[CAIRN_GC_REGISTERS]; /* sync: its thread while it runs, else the stop */
	uintptr_t sp;            /* likewise: what lies at or above it, up to base, is looked at */
	uint32_t state;          /* cairn_gc_state; sync: atomic, seq_cst: the handshake; a futex */
	uint32_t tid;            /* const, but in the child of a fork */
	struct cairn_gc_heap *heap; /* const */
	cairn_node node;         /* in the heap's list; sync: world lock */
	struct cairn_gc_thread *next_of_thread; /* the thread's next mutator; sync: its thread */
	uintptr_t stack_low, stack_base; /* of the stack it is on; sync: its thread, read in a stop */
	uintptr_t own_low, own_base;     /* of the stack it was attached on; const */
	uintptr_t tls_start, tls_end;    /* its static thread-local data, where that is not on its stack; const */
	cairn_gc_bump small, wide; /* cells of up to 256 bytes; over that. sync: its thread, else the stop */
	struct cairn_gc_hole {
		struct cairn_gc_block *block; /* owned; NULL: none */
		uintptr_t at, end;   /* of its hole, what is not in the bump yet and not cleared */
		uintptr_t start;     /* of the hole */
		size_t allocated;    /* in holes of the block that were left */
	} small_hole, wide_hole; /* sync: as small */
	uint64_t allocated_bytes; /* in large and given up blocks; sync: atomic, relaxed: by its thread, or in a stop */
	uint64_t since_zeal;     /* allocations since the last one forced; sync: its thread */
	uint64_t asked_ns;       /* when it was asked to stop; sync: world lock */
	uint64_t barrier_ns;     /* in slow stores, where a collector has them timed; sync: as allocated_bytes */
	uint64_t stopped_ns;     /* when it did; 0: it was out when it was asked; sync: its thread, else the stop */
	/* The caller's sp in the last cairn_gc_leave, and in the outermost one that no enter has ended: a callback may
	 * enter and leave inside. 0: none. They find scopes that were left by longjmp. sync: its thread */
	uintptr_t left_sp, outer_sp;
	/* The lowest words of the stack when it left: a wrapper that calls cairn_gc_leave and returns has saved
	 * registers of its caller in a frame that is written over meanwhile. sync: its thread, else the stop */
	uintptr_t left_frame[CAIRN_GC_LEFT_WORDS];
	uint32_t left_words;     /* of them; 0: it has not left */
	/* While it is out its bumps look full, so that allocation comes to its slow path: the ends of small and wide.
	 * sync: its thread while it runs, else the stop */
	uintptr_t hidden_end[2];
	bool is_hidden;          /* likewise */
	bool is_asking;          /* it is in on_no_memory; sync: its thread */
	bool is_aside;           /* its thread took it out to wait, and will enter again; sync: its thread */
	void *fake_stack;        /* of AddressSanitizer's, for locals that it moved away; sync: its thread */
	struct cairn_gc_frames { /* return addresses, from the innermost on; sync: its thread */
		uint32_t count;
		const void *at[CAIRN_GC_FRAMES];
	} late;
} cairn_gc_thread;

typedef struct cairn_gc_world {
	cairn_lock lock;
	uint32_t is_wanted;      /* a stop is asked for or in force; sync: atomic */
	cairn_node mutators;     /* sync: lock */
	size_t count;            /* sync: lock; read without, relaxed, as a hint */
	cairn_gc_thread *collecting; /* sync: lock; NULL: nobody */
	uint64_t stopped_ns;     /* when the last stop was complete; sync: lock */
	char laggard[512];       /* sync: lock; see cairn_gc_stats */
	uint64_t laggard_ns;     /* how late that was; sync: lock; read without, relaxed, as a hint */
} cairn_gc_world;

/* Each mutator of a heap, in a stop, or under the world's lock. The body may take t out of the list and free it. */
#define CAIRN_GC_EACH_MUTATOR(t, world_)                                                                               \
	for (cairn_gc_thread *t = cairn_container((world_)->mutators.next, cairn_gc_thread, node),                     \
		*t##_next = cairn_container(t->node.next, cairn_gc_thread, node);                                      \
		&t->node != &(world_)->mutators;                                                                       \
		t = t##_next, t##_next = cairn_container(t->node.next, cairn_gc_thread, node))

static inline cairn_gc_thread *cairn_gc_thread_of(cairn_gc_mutator *m) { return (cairn_gc_thread *)m; }

void cairn_gc_world_init(struct cairn_gc_heap *h);
/* Before a heap goes: detaches this thread's mutator; others are misuse. */
void cairn_gc_world_close(struct cairn_gc_heap *h);
/* Registers the handlers of fork, and malloc's before them: once a process, at the first heap; may allocate. False: no
 * memory. */
bool cairn_gc_fork_register(void);
/* Stops every mutator of h but t, whose registers and sp are saved already, and returns with the world's lock held and
 * all bumps flushed. False: another collection took place while it waited for the lock, and `unless_other` is set: the
 * world is not stopped. t NULL: a thread that is no mutator of h, and inside cairn_gc_aside where it is one of
 * others. */
bool cairn_gc_world_stop(struct cairn_gc_heap *h, cairn_gc_thread *t, bool unless_other);
void cairn_gc_world_resume(struct cairn_gc_heap *h, cairn_gc_thread *t);
/* Saves the callee-saved registers, as they are in the caller, in t, and calls call(t, arg) with sp set so that the
 * caller's frame and all above are looked at. In asm (gc/registers.c). */
void cairn_gc_with_registers(cairn_gc_thread *t, void (*call)(cairn_gc_thread *t, void *arg), void *arg);
/* How many mutators there are. A hint. */
static inline size_t cairn_gc_world_count(const cairn_gc_world *w)
{
	return __atomic_load_n(&w->count, __ATOMIC_RELAXED); /* a hint */
}
void cairn_gc_world_validate(struct cairn_gc_heap *h);
/* At a safepoint: is something wanted of t? Then does it. Not with a lock held. A mutator that is out, because longjmp
 * went over its enter, is entered first. Misuse: a stop is wanted, and sp is in no stack that is known. */
void cairn_gc_safepoint(cairn_gc_thread *t);
/* Does the calling thread run on a stack that its mutator knows, so that it could be stopped here? */
bool cairn_gc_stack_is_known(cairn_gc_thread *t);

/* What gc/mutators.c, gc/heapfork.c and gc/roots.c need of the protocol: */
/* Runs call(arg) with the calling thread out of all its heaps, and enters again: around whatever waits, or takes a lock
 * that a thread in a stop may hold. */
void cairn_gc_aside(void (*call)(void *arg), void *arg);
/* The calling thread's mutators, linked by next_of_thread. */
cairn_gc_thread *cairn_gc_threads_own(void);
/* Makes t, new and in its heap's list, one of the calling thread, inside cairn_gc_aside; takes it from there. */
void cairn_gc_threads_own_add(cairn_gc_thread *t);
void cairn_gc_threads_own_remove(cairn_gc_thread *t);
/* Flushes t's bumps and takes it out of its heap's list. Its thread is out, or gone. Under the world's lock. */
void cairn_gc_mutator_drop(cairn_gc_thread *t);
/* Frees a mutator that is in no list. */
void cairn_gc_mutator_free(cairn_gc_thread *t);
void cairn_gc_mutators_validate(void);
/* The lowest words of a stack, from sp on, copied: CAIRN_GC_LEFT_WORDS, or as many as there are. How many. */
uint32_t cairn_gc_frame_keep(uintptr_t *to, uintptr_t sp, uintptr_t base);
/* The bounds of the calling thread's stack as libc knows them. False: it does not. */
bool cairn_gc_stack_bounds(uintptr_t *low, uintptr_t *base, uintptr_t *guard_bytes);


/* gc/allocate.c: gives what its bumps hold back to its blocks, and the blocks up. In a stop, or by its thread. */
void cairn_gc_mutator_flush(cairn_gc_thread *t);

#endif
