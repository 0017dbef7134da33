/* gc/stubs.c - TEMPORARY, weak: parts that are not written yet. Removed before this floor is told to anybody. */
#include "gc/managed.h"
#define WEAK __attribute__((weak))
void cairn_gc_tracing_fork_child(struct cairn_gc_heap *h);
void cairn_gc_deaths_fork_child(struct cairn_gc_heap *h);
#define H struct cairn_gc_heap *h
#pragma GCC diagnostic ignored "-Wunused-parameter"
WEAK void cairn_gc_roots_init(H) {}
WEAK void cairn_gc_roots_close(H) {}
WEAK void cairn_gc_roots_ambiguous(H, void (*found)(void *arg, void *object), void *arg) {}
WEAK void cairn_gc_roots_exact(H, void (*visit)(void *arg, uintptr_t *word), void *arg) {}
WEAK void cairn_gc_roots_validate(H) {}
WEAK void cairn_gc_root_name(H, const uintptr_t *word, char *to, size_t room) { *to = 0; }
WEAK bool cairn_gc_roots_add(cairn_gc_heap *h, void *first, size_t n) { return false; }
WEAK void cairn_gc_roots_remove(cairn_gc_heap *h, void *first) {}
WEAK void cairn_gc_deaths_init(H) {}
WEAK void cairn_gc_deaths_close(H) {}
WEAK void cairn_gc_deaths_settle(H) {}
WEAK void cairn_gc_deaths_each_word(H, void (*visit)(void *arg, uintptr_t *word), void *arg) {}
WEAK void cairn_gc_deaths_rehash(H) {}
WEAK bool cairn_gc_deaths_list_drop(H, void *object) { return true; }
WEAK void cairn_gc_deaths_nudge(H) {}
WEAK void cairn_gc_deaths_forget(H, void *object) {}
WEAK void cairn_gc_deaths_key_reached(struct cairn_gc_worker *w, void *object) {}
WEAK void cairn_gc_deaths_validate(H) {}
WEAK size_t cairn_gc_run_cleanups(cairn_gc_mutator *m, uint64_t budget_ns) { return 0; }
WEAK int cairn_gc_sizing_init(H) { h->sizing.limit = 64 << 20; h->sizing.max = 1ull << 30; return 0; }
WEAK size_t cairn_gc_held(const H) { return __atomic_load_n(&h->blocks.held_bytes, __ATOMIC_RELAXED); }
WEAK bool cairn_gc_may_grow(const H, size_t bytes) { return cairn_gc_held(h) + bytes <= h->sizing.limit; }
WEAK bool cairn_gc_may_hold(const H, size_t bytes) { return cairn_gc_held(h) + bytes <= h->sizing.max; }
WEAK void cairn_gc_sizing_after(H, uint64_t pause_ns) { h->sizing.limit = h->looks.stats.live_bytes * 2 + (16 << 20); }
WEAK void cairn_gc_sizing_validate(H) {}
WEAK void cairn_gc_looks_init(H) {}
WEAK void cairn_gc_look_begin(H, int cause) {}
WEAK void cairn_gc_look_phase(H, const char *next, size_t bytes, size_t objects) {}
WEAK void cairn_gc_look_end(H) {}
WEAK void cairn_gc_look_stopped(H, struct cairn_gc_thread *t, uint64_t ns) {}
WEAK void cairn_gc_histogram_add(cairn_gc_histogram *to, uint64_t value) {}
WEAK void cairn_gc_zeal_init(H) {}
WEAK void cairn_gc_zeal_close(H) {}
WEAK uint64_t cairn_gc_chance(H) { return 0; }
WEAK void cairn_gc_zeal_delay(H) {}
WEAK void cairn_gc_zeal_before(H) {}
WEAK void cairn_gc_zeal_after(H) {}
WEAK void cairn_gc_zeal_poison(H, struct cairn_gc_block *b) {}
WEAK void cairn_gc_zeal_unpoison(H, struct cairn_gc_block *b) {}
WEAK void cairn_gc_shadow_store(H, void *object, uintptr_t *field, uintptr_t value) {}
WEAK bool cairn_gc_tracing_init(H) { return true; }
WEAK void cairn_gc_tracing_close(H) {}
WEAK void cairn_gc_trace_begin(H, bool is_copying, uint8_t colour) {}
WEAK void cairn_gc_trace_field(H, uintptr_t *field) {}
WEAK void cairn_gc_trace_pinned(H, void *object) {}
WEAK void cairn_gc_trace_all(H) {}
WEAK void cairn_gc_trace_end(H) {}
WEAK void cairn_gc_trace_validate(H) {}
WEAK void *cairn_gc_reached(H, void *object) { return object; }
WEAK void cairn_gc_each_field(void *object, unsigned which, void (*visit)(void *arg, uintptr_t *field), void *arg) {}
WEAK const cairn_gc_plan cairn_gc_plan_semispace = { 0 }, cairn_gc_plan_markcompact = { 0 };
WEAK size_t cairn_gc_limit(const H) { return h->sizing.limit; }
WEAK size_t cairn_gc_most(const H) { return h->sizing.max; }
WEAK bool cairn_gc_is_hopeless(const H) { return false; }
WEAK void cairn_gc_open_reserve(H) {}
WEAK void cairn_gc_world_close(H) {}
WEAK bool cairn_gc_fork_register(void) { return true; }
WEAK bool cairn_gc_zeal_wants(struct cairn_gc_thread *t) { return false; }
WEAK void cairn_gc_tracing_fork_child(H) {}
WEAK void cairn_gc_deaths_fork_child(H) {}
WEAK void cairn_gc_world_init(H) {}
WEAK bool cairn_gc_world_stop(H, cairn_gc_thread *t, bool u) { return true; }
WEAK void cairn_gc_world_resume(H, cairn_gc_thread *t) {}
WEAK void cairn_gc_with_registers(cairn_gc_thread *t, void (*call)(cairn_gc_thread *t, void *arg), void *arg) { call(t, arg); }
WEAK void cairn_gc_safepoint(cairn_gc_thread *t) {}
WEAK cairn_gc_mutator *cairn_gc_attach(cairn_gc_heap *h)
{
	cairn_gc_thread *t = cairn_gc_meta_alloc(h, sizeof *t);
	t->heap = h;
	for (unsigned i = 0; i < CAIRN_GC_RUNS; i++) t->public.run[i] = &t->small;
	return &t->public;
}
WEAK void cairn_gc_detach(cairn_gc_mutator *m) {}
WEAK void cairn_gc_report(cairn_gc_heap *h, FILE *to) { fprintf(to, "%zu held\n", cairn_gc_held(h)); }
WEAK void cairn_gc_world_validate(H) {}
WEAK void cairn_gc_leave(cairn_gc_mutator *m) {}
WEAK void cairn_gc_enter(cairn_gc_mutator *m) {}
