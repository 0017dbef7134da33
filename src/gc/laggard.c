/* gc/laggard.c - who was last to stop: where the thread was that a collection waited for the longest.
 *
 * The late thread writes its return addresses down itself, before it stops, by frame pointers: each must lie above the
 * last, in the stack, so a caller that keeps other things in that register ends the list and breaks nothing. (This
 * floor is compiled with frame pointers: the address in the program that called it is always there.) Names are looked
 * up when the thread runs again, and out of all heaps: the loader's lock may be held by a thread that waits for a
 * collection.
 *
 * Locks: the world's, for the text. Failure: fewer lines. Not here: the figures (gc/looks.c). */
#include "gc/managed.h"
#include "gc/stacks.h"

#include "base/line.h"

#include <dlfcn.h>
#include <string.h>

__attribute__((no_sanitize("address", "thread", "undefined"))) void cairn_gc_late_note(cairn_gc_thread *t)
{
	const uintptr_t *frame = __builtin_frame_address(0);
	t->late.count = 0;
	while (t->late.count < CAIRN_GC_FRAMES) {
		uintptr_t at = (uintptr_t)frame, end = at + 2 * sizeof *frame;
		if (at % sizeof *frame || at < t->stack_low || end > t->stack_base || end < at)
			break;
		if (!frame[1])
			break;
		t->late.at[t->late.count++] = (const void *)frame[1];
		if (frame[0] <= at)
			break;
		frame = (const uintptr_t *)frame[0];
	}
}

/* "function+0x12 (object)", or what of it is known. */
static void frame_line(cairn_line *l, const void *at)
{
	Dl_info info = { 0 };
	bool is_known = dladdr(at, &info) != 0;
	const char *object = is_known && info.dli_fname ? info.dli_fname : "?";
	const char *slash = strrchr(object, '/');
	bool is_named = is_known && info.dli_sname;
	uintptr_t from = is_named ? (uintptr_t)info.dli_saddr : is_known ? (uintptr_t)info.dli_fbase : 0;
	cairn_line_text(l, is_named ? info.dli_sname : "");
	cairn_line_text(l, is_named ? "+" : "");
	cairn_line_hex(l, (uintptr_t)at - from);
	cairn_line_text(l, " (");
	cairn_line_text(l, slash ? slash + 1 : object);
	cairn_line_text(l, ")");
}

typedef struct late_call {
	cairn_gc_thread *of;
	uint64_t ns;
	char text[sizeof ((cairn_gc_world *)0)->laggard];
} late_call;

static void late_text(late_call *c)
{
	size_t used = 0;
	for (uint32_t i = 0; i < c->of->late.count; i++) {
		cairn_line l = { 0 };
		frame_line(&l, c->of->late.at[i]);
		if (used + l.used + 1 >= sizeof c->text)
			break;
		memcpy(c->text + used, l.text, l.used);
		used += l.used;
		c->text[used++] = '\n';
	}
	c->text[used] = 0;
}

static void late_here(void *arg)
{
	late_call *c = arg;
	cairn_gc_world *w = &c->of->heap->world;
	late_text(c);
	cairn_lock_take(&w->lock, CAIRN_RANK_GC_WORLD);
	if (c->ns > w->laggard_ns) {
		/* relaxed: under the lock; read without as a hint */
		__atomic_store_n(&w->laggard_ns, c->ns, __ATOMIC_RELAXED);
		memcpy(w->laggard, c->text, sizeof w->laggard);
	}
	cairn_lock_drop(&w->lock, CAIRN_RANK_GC_WORLD);
}

void cairn_gc_late_tell(cairn_gc_thread *t, uint64_t late_ns)
{
	late_call c = { t, late_ns, "" };
	/* relaxed: a hint, asked again under the lock */
	if (late_ns > __atomic_load_n(&t->heap->world.laggard_ns, __ATOMIC_RELAXED))
		cairn_gc_aside(late_here, &c);
}
