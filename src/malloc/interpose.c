/* malloc/interpose.c - the rest of the family under its public names (the first four are in malloc/malloc.c).
 *
 * A program may bring its own malloc, free, calloc and realloc and still call reallocarray, which then is ours: so
 * what is built on those four here calls them by name, through the dynamic linker, never cairn's directly. */
#if CAIRN_INTERPOSE
#include "cairn/malloc.h"
#include "malloc/family.h"

#include <errno.h>

#define PUBLIC __attribute__((visibility("default")))

/* The public names, whoever defines them. */
extern void *public_realloc(void *p, size_t size) __asm__("realloc");
extern void public_free(void *p) __asm__("free");

PUBLIC void *reallocarray(void *p, size_t count, size_t size);
PUBLIC void *memalign(size_t align, size_t size);
PUBLIC void *aligned_alloc(size_t align, size_t size);
PUBLIC int posix_memalign(void **out, size_t align, size_t size);
PUBLIC void *valloc(size_t size);
PUBLIC void *pvalloc(size_t size);
PUBLIC size_t malloc_usable_size(void *p);
PUBLIC void free_sized(void *p, size_t size);
PUBLIC void free_aligned_sized(void *p, size_t align, size_t size);
PUBLIC int malloc_trim(size_t keep);
PUBLIC void cfree(void *p);

void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return public_realloc(p, bytes);
}

void *memalign(size_t align, size_t size) { return cairn_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return cairn_aligned_alloc(align, size); }
int posix_memalign(void **out, size_t align, size_t size) { return cairn_posix_memalign(out, align, size); }
void *valloc(size_t size) { return cairn_valloc(size); }
void *pvalloc(size_t size) { return cairn_pvalloc(size); }
size_t malloc_usable_size(void *p) { return cairn_malloc_usable_size(p); }
int malloc_trim(size_t keep) { return cairn_malloc_trim(keep); }
void cfree(void *p) { public_free(p); }

void free_sized(void *p, size_t size)
{
	cairn_check_size(p, 0, size, "free_sized");
	public_free(p);
}

void free_aligned_sized(void *p, size_t align, size_t size)
{
	cairn_check_size(p, align, size, "free_aligned_sized");
	public_free(p);
}
#endif
