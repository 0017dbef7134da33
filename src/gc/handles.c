/* gc/handles.c - handles: roots that stand alone. The contract is in cairn/gc.h, the lock in roots.h.
 *
 * They are cut from pages of records that go with the heap; a freed one is handed out again first.
 *
 * Invariants, checked by cairn_gc_handles_validate(), in a stop:
 *   (GH1) A handle is used, or in the free list and its word is 0; never both.
 *   (GH2) count is the number of used ones.
 * Failure: NULL. Not here: other roots (gc/roots.c). */
#include "gc/managed.h"

#include "base/assert.h"

enum { HANDLE_PAGE_BYTES = 4096 };

struct cairn_gc_handle_page {
	struct cairn_gc_handle_page *next; /* const */
	size_t pad;
	struct cairn_gc_handle handle[(HANDLE_PAGE_BYTES - 16) / sizeof(struct cairn_gc_handle)];
};
enum { HANDLES_OF_PAGE = sizeof ((struct cairn_gc_handle_page *)0)->handle / sizeof(struct cairn_gc_handle) };

static bool handles_more(struct cairn_gc_heap *h)
{
	struct cairn_gc_handle_page *p = cairn_gc_meta_alloc(h, sizeof *p);
	if (!p)
		return false;
	p->next = h->roots.handles.pages;
	h->roots.handles.pages = p;
	for (size_t i = HANDLES_OF_PAGE; i-- > 0;) {
		p->handle[i].next = h->roots.handles.free;
		h->roots.handles.free = &p->handle[i];
	}
	return true;
}

cairn_gc_handle *cairn_gc_handle_new(cairn_gc_mutator *m, void *object)
{
	struct cairn_gc_heap *h = cairn_gc_thread_of(m)->heap;
	cairn_gc_handles *all = &h->roots.handles;
	cairn_gc_roots_take(&h->roots);
	cairn_gc_handle *handle = all->free || handles_more(h) ? all->free : NULL;
	if (handle) {
		all->free = handle->next;
		all->count++;
		handle->next = NULL;
		handle->is_used = true;
	}
	cairn_gc_roots_drop(&h->roots);
	if (handle)
		cairn_gc_store_word(m, &handle->word, object);
	return handle;
}

static void handle_must_be_used(const struct cairn_gc_heap *h, const cairn_gc_handle *handle)
{
	if (!handle || !handle->is_used)
		cairn_gc_misuse(h, "not a handle, or one that was freed", handle);
}

void *cairn_gc_handle_get(cairn_gc_mutator *m, cairn_gc_handle *handle)
{
	handle_must_be_used(cairn_gc_thread_of(m)->heap, handle);
	return (void *)__atomic_load_n(&handle->word, __ATOMIC_ACQUIRE); /* pairs with the store's release */
}

void cairn_gc_handle_set(cairn_gc_mutator *m, cairn_gc_handle *handle, void *object)
{
	handle_must_be_used(cairn_gc_thread_of(m)->heap, handle);
	cairn_gc_store_word(m, &handle->word, object);
}

void cairn_gc_handle_free(cairn_gc_heap *h, cairn_gc_handle *handle)
{
	if (!handle)
		return;
	cairn_gc_roots_take(&h->roots);
	bool is_used = handle->is_used;
	if (is_used) {
		/* release, as any store to a root */
		__atomic_store_n(&handle->word, 0, __ATOMIC_RELEASE);
		handle->is_used = false;
		handle->next = h->roots.handles.free;
		h->roots.handles.free = handle;
		h->roots.handles.count--;
	}
	cairn_gc_roots_drop(&h->roots);
	if (!is_used)
		handle_must_be_used(h, NULL);
}

void cairn_gc_handles_walk(struct cairn_gc_heap *h, void (*visit)(void *arg, uintptr_t *word), void *arg)
{
	for (struct cairn_gc_handle_page *p = h->roots.handles.pages; p; p = p->next)
		for (size_t i = 0; i < HANDLES_OF_PAGE; i++)
			if (p->handle[i].is_used)
				visit(arg, &p->handle[i].word);
}

bool cairn_gc_handle_has(const struct cairn_gc_heap *h, const void *word)
{
	for (const struct cairn_gc_handle_page *p = h->roots.handles.pages; p; p = p->next)
		if ((uintptr_t)word - (uintptr_t)p->handle < sizeof p->handle)
			return true;
	return false;
}

void cairn_gc_handles_close(struct cairn_gc_heap *h)
{
	for (struct cairn_gc_handle_page *p = h->roots.handles.pages, *next; p; p = next) {
		next = p->next;
		cairn_gc_meta_free(h, p, sizeof *p);
	}
	h->roots.handles = (cairn_gc_handles){ 0 };
}

void cairn_gc_handles_validate(struct cairn_gc_heap *h)
{
	size_t used = 0, idle = 0, all = 0;
	for (struct cairn_gc_handle_page *p = h->roots.handles.pages; p; p = p->next, all += HANDLES_OF_PAGE)
		for (size_t i = 0; i < HANDLES_OF_PAGE; i++)
			used += p->handle[i].is_used;
	for (cairn_gc_handle *f = h->roots.handles.free; f; f = f->next, idle++)
		cairn_assert(!f->is_used && !f->word); /* GH1 */
	cairn_assert(used + idle == all);              /* GH1 */
	cairn_assert(used == h->roots.handles.count);  /* GH2 */
}
