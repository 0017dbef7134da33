/* gc/stacks.c - where a thread's stack and its static thread-local data lie. stacks.h says who asks.
 *
 * The stack is what libc says; the first thread's may grow past that, when its limit is raised. Thread-local data of
 * other threads lie on their stacks, above all frames; the first thread's lie in a mapping that the loader made, around
 * the thread pointer: the segments of all loaded objects that are near it, and libc's own record of the thread, in
 * which pthread_setspecific keeps its first 32 values.
 *
 * Locks: none of ours is held, for libc may allocate and take its own. Failure: see stacks.h.
 * Not here: reading what lies there (gc/ambiguous.c). */
#include "gc/stacks.h"

#include "base/bits.h"
#include "os/sys.h"

#include <link.h>
#include <pthread.h>
#include <sys/syscall.h>

enum {
#ifdef __x86_64__ /* libc's struct pthread, of glibc 2.36, begins at the pointer */
	RECORD_BELOW_BYTES = 0,
	RECORD_ABOVE_BYTES = 2304,
#else /* and ends there; aarch64's is smaller */
	RECORD_BELOW_BYTES = 2304,
	RECORD_ABOVE_BYTES = 16,
#endif
	TLS_SURPLUS_BYTES = 64 * 1024, /* of the loader's, for objects loaded later; and alignment */
	MINCORE_PAGES = 64,
};

bool cairn_gc_stack_bounds(uintptr_t *low, uintptr_t *base, uintptr_t *guard_bytes)
{
	pthread_attr_t a;
	void *start = NULL;
	size_t bytes = 0, guard = 0;
	if (pthread_getattr_np(pthread_self(), &a))
		return false;
	bool is_known = !pthread_attr_getstack(&a, &start, &bytes) && !pthread_attr_getguardsize(&a, &guard) && bytes;
	pthread_attr_destroy(&a);
	*low = (uintptr_t)start;
	*base = (uintptr_t)start + bytes;
	*guard_bytes = guard;
	return is_known;
}

bool cairn_gc_is_mapped(uintptr_t start, uintptr_t end)
{
	unsigned char pages[MINCORE_PAGES];
	size_t page = cairn_sys_aux(AT_PAGESZ, 4096);
	for (uintptr_t at = cairn_round_down(start, page); at < end; at += MINCORE_PAGES * page) {
		size_t bytes = end - at < MINCORE_PAGES * page ? end - at : MINCORE_PAGES * page;
		if (cairn_sys(SYS_mincore, (long)at, (long)bytes, (long)pages, 0, 0, 0))
			return false;
	}
	return true;
}

typedef struct tls_search {
	uintptr_t pointer, reach, start, end;
	bool measures; /* the first round: how far from the pointer static data can be at most */
} tls_search;

static int tls_of_object(struct dl_phdr_info *object, size_t bytes, void *arg)
{
	tls_search *s = arg;
	(void)bytes;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type != PT_TLS || !object->dlpi_tls_data)
			continue;
		uintptr_t start = (uintptr_t)object->dlpi_tls_data, end = start + p->p_memsz;
		if (s->measures)
			s->reach += p->p_memsz + p->p_align;
		else if (start + s->reach >= s->pointer && end <= s->pointer + s->reach) {
			s->start = start < s->start ? start : s->start;
			s->end = end > s->end ? end : s->end;
		}
	}
	return 0;
}

/* Reading it must not fault, whatever a loader does: what is not mapped as a whole is cut down to the surroundings of
 * the pointer, then to nothing. Nothing is read but what is libc's: a page beside may be anybody's, and be closed. */
static void tls_find(cairn_gc_thread *t)
{
	tls_search s = { .pointer = (uintptr_t)__builtin_thread_pointer(), .reach = TLS_SURPLUS_BYTES };
	s.measures = true;
	dl_iterate_phdr(tls_of_object, &s);
	s.measures = false;
	s.start = s.pointer - RECORD_BELOW_BYTES;
	s.end = s.pointer + RECORD_ABOVE_BYTES;
	dl_iterate_phdr(tls_of_object, &s);
	if (!cairn_gc_is_mapped(s.start, s.pointer))
		s.start = s.pointer;
	if (!cairn_gc_is_mapped(s.pointer, s.end))
		s.end = s.pointer;
	t->tls_start = s.start;
	t->tls_end = s.end;
}

bool cairn_gc_stacks_find(cairn_gc_thread *t)
{
	uintptr_t guard;
	if (!cairn_gc_stack_bounds(&t->own_low, &t->own_base, &guard))
		return false;
	t->stack_low = t->own_low;
	t->stack_base = t->own_base;
	uintptr_t pointer = (uintptr_t)__builtin_thread_pointer();
	if (pointer < t->own_low || pointer >= t->own_base)
		tls_find(t);
	return true;
}

/* It may be a signal handler that asks, so libc is not asked again: the first thread's stack has grown past what was
 * its limit when all is mapped from here to its base. (The kernel keeps a gap below it.) */
bool cairn_gc_stack_is_known(cairn_gc_thread *t)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if (sp >= t->stack_low && sp < t->stack_base)
		return true;
	if (t->stack_base != t->own_base || !t->tls_end || sp >= t->own_base || !cairn_gc_is_mapped(sp, t->own_base))
		return false;
	t->own_low = t->stack_low = sp;
	return true;
}

/* AddressSanitizer's runtime, where it is in the program. */
void *__asan_get_current_fake_stack(void) __attribute__((weak));
void *__asan_addr_is_in_fake_stack(void *fake, void *p, void **start, void **end) __attribute__((weak));

void *cairn_gc_fake_stack(void)
{
	return __asan_get_current_fake_stack ? __asan_get_current_fake_stack() : NULL;
}

bool cairn_gc_fake_frame(void *fake, uintptr_t p, uintptr_t *start, uintptr_t *end)
{
	void *from = NULL, *to = NULL;
	if (!fake || !__asan_addr_is_in_fake_stack(fake, (void *)p, &from, &to))
		return false;
	*start = (uintptr_t)from;
	*end = (uintptr_t)to;
	return true;
}
