/* gc/rootname.c - says where a root lies, for people.
 *
 * In a stop; no lock is taken but, for the name of an object file, the loader's for its list, which nobody holds while
 * it waits. Failure: the address alone. Not here: what a root refers to. */
#include "gc/managed.h"
#include "gc/stacks.h"

#include "base/line.h"

#include <link.h>
#include <string.h>

typedef struct object_search {
	uintptr_t p, load;
	const char *name; /* borrowed; NULL: not found */
} object_search;

static int object_of_address(struct dl_phdr_info *object, size_t bytes, void *arg)
{
	object_search *s = arg;
	(void)bytes;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + p->p_vaddr;
		if (p->p_type != PT_LOAD || s->p - start >= p->p_memsz)
			continue;
		s->name = object->dlpi_name;
		s->load = object->dlpi_addr;
		return 1;
	}
	return 0;
}

static void name_offset(cairn_line *l, const char *what, uintptr_t base, uintptr_t p)
{
	cairn_line_text(l, what);
	cairn_line_text(l, "+");
	cairn_line_hex(l, p - base);
}

/* "root in prog+0x4010": what addr2line and nm can tell more of. */
static void name_static(cairn_line *l, uintptr_t p)
{
	object_search s = { .p = p };
	dl_iterate_phdr(object_of_address, &s);
	if (!s.name) {
		cairn_line_text(l, "root at ");
		cairn_line_hex(l, p);
		return;
	}
	const char *slash = strrchr(s.name, '/');
	cairn_line_text(l, "root in ");
	name_offset(l, *s.name ? (slash ? slash + 1 : s.name) : "the program", s.load, p);
}

static bool name_of_mutator(cairn_line *l, const cairn_gc_thread *t, uintptr_t p)
{
	bool is_register = p - (uintptr_t)t->registers < sizeof t->registers ||
			   p - (uintptr_t)t->left_frame < sizeof t->left_frame;
	bool is_stack = p >= t->sp && p < t->stack_base, is_tls = p >= t->tls_start && p < t->tls_end;
	uintptr_t from, to;
	bool is_fake = cairn_gc_fake_frame(t->fake_stack, p, &from, &to);
	if (!is_register && !is_stack && !is_tls && !is_fake)
		return false;
	cairn_line_text(l, is_register ? "a register" : is_tls ? "thread-local data" : "stack");
	cairn_line_text(l, " of thread ");
	cairn_line_dec(l, t->tid);
	if (is_stack || is_tls)
		name_offset(l, "", is_stack ? t->sp : t->tls_start, p);
	return true;
}

static bool name_of_threads(cairn_line *l, const struct cairn_gc_heap *h, uintptr_t p)
{
	CAIRN_GC_EACH_MUTATOR(t, &h->world)
		if (name_of_mutator(l, t, p))
			return true;
	for (const cairn_gc_left_stack *s = h->roots.left_stacks; s; s = s->next) {
		bool is_register = p - (uintptr_t)s->registers < sizeof s->registers ||
				   p - (uintptr_t)s->frame < sizeof s->frame;
		if (!is_register && !(p >= s->sp && p < s->base))
			continue;
		cairn_line_text(l, is_register ? "a register on a stack that thread " : "a stack that thread ");
		cairn_line_dec(l, s->of->tid);
		name_offset(l, " left", is_register ? (uintptr_t)s->registers : s->sp, p);
		return true;
	}
	return false;
}

static bool name_of_runs(cairn_line *l, const struct cairn_gc_heap *h, uintptr_t p)
{
	const cairn_gc_runs *ranges = &h->roots.ranges, *pins = &h->roots.pins;
	if (p - (uintptr_t)pins->items < pins->room * sizeof *pins->items) {
		cairn_line_text(l, "a pin");
		return true;
	}
	for (size_t i = 0; i < ranges->room; i++)
		if (ranges->items[i].start && p - ranges->items[i].start < ranges->items[i].count) {
			cairn_line_text(l, "range ");
			cairn_line_hex(l, ranges->items[i].start);
			name_offset(l, "", ranges->items[i].start, p);
			return true;
		}
	return false;
}

void cairn_gc_root_name(struct cairn_gc_heap *h, const void *word, char *to, size_t room)
{
	cairn_line l = { 0 };
	uintptr_t p = (uintptr_t)word;
	if (!room)
		return;
	if (cairn_gc_handle_has(h, word)) {
		cairn_line_text(&l, "handle ");
		cairn_line_hex(&l, p);
	} else if (!name_of_runs(&l, h, p) && !name_of_threads(&l, h, p)) {
		name_static(&l, p);
	}
	size_t n = l.used < room - 1 ? l.used : room - 1;
	memcpy(to, l.text, n);
	to[n] = 0;
}
