// family [allocations] [threads] - every way to ask: malloc, calloc, aligned_alloc, posix_memalign, memalign,
// reallocarray, strdup's malloc, and C++'s new in all its forms, each freed by what belongs to it.
#include "own_threads.h"

#include <malloc.h>
#include <new>
#include <string.h>

typedef void *(*maker)(own_count *c, size_t size);

static void *by_malloc(own_count *c, size_t size) { return own_malloc(c, size); }

static void *by_calloc(own_count *c, size_t size)
{
	return own_counted(c, calloc(size / 8 + 1, 8), (size / 8 + 1) * 8);
}

static void *by_aligned_alloc(own_count *c, size_t size) { return own_counted(c, aligned_alloc(64, size), size); }
static void *by_memalign(own_count *c, size_t size) { return own_counted(c, memalign(4096, size), size); }

static void *by_array(own_count *c, size_t size)
{
	return own_counted(c, reallocarray(NULL, size + 1, 3), (size + 1) * 3);
}

static void *by_posix_memalign(own_count *c, size_t size)
{
	void *p = NULL;
	if (posix_memalign(&p, 256, size))
		abort();
	return own_counted(c, p, size);
}

static void *by_strdup(own_count *c, size_t size)
{
	static const char text[] = "a string of some length, of which the end is taken";
	const char *s = text + size % (sizeof text - 1);
	return own_counted(c, strdup(s), strlen(s) + 1);
}

static void *by_new(own_count *c, size_t size) { return own_counted(c, ::operator new(size), size); }
static void *by_new_array(own_count *c, size_t size) { return own_counted(c, ::operator new[](size), size); }

static void *by_new_nothrow(own_count *c, size_t size)
{
	return own_counted(c, ::operator new(size, std::nothrow), size);
}

static void *by_new_aligned(own_count *c, size_t size)
{
	return own_counted(c, ::operator new(size, std::align_val_t(128)), size);
}

static void give_back(own_count *c, unsigned kind, void *p, size_t size)
{
	c->frees++;
	switch (kind) {
	case 7: ::operator delete(p); break;
	case 8: ::operator delete[](p); break;
	case 9: ::operator delete(p, size); break;
	case 10: ::operator delete(p, std::align_val_t(128)); break;
	default: free(p);
	}
}

static void family(own_thread *t)
{
	static const maker makers[] = { by_malloc, by_calloc, by_aligned_alloc, by_memalign, by_array, by_posix_memalign,
					by_strdup, by_new, by_new_array, by_new_nothrow, by_new_aligned };
	enum { KINDS = sizeof makers / sizeof *makers, HELD = 50 };
	struct { void *p; size_t size; unsigned kind; } held[HELD] = {};
	for (uint64_t i = 0; i < t->work; i++) {
		auto *h = &held[own_random(&t->count) % HELD];
		if (h->p)
			give_back(&t->count, h->kind, h->p, h->size);
		h->kind = (unsigned)(own_random(&t->count) % KINDS);
		h->size = h->kind == 3 ? own_size(&t->count) % 5000 : own_size(&t->count);
		h->p = makers[h->kind](&t->count, h->size);
	}
	for (auto &h : held)
		if (h.p)
			give_back(&t->count, h.kind, h.p, h.size);
}

int main(int argc, char **argv)
{
	own_count total = own_threads_run(family, own_argument(argc, argv, 1, 10000000),
					  (unsigned)own_argument(argc, argv, 2, 1));
	own_print(&total, "all");
	return 0;
}
