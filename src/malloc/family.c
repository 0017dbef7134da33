/* malloc/family.c - the rest of the C family, with glibc's semantics.
 *
 * Where a program brings its own malloc, what is here must not mix the two: reallocarray calls realloc by its public
 * name (malloc/interpose.c), and malloc_usable_size knows strangers. */
#include "cairn/malloc.h"

#include "base/assert.h"
#include "base/bits.h"
#include "malloc/emergency.h"
#include "malloc/family.h"
#include "malloc/large.h"
#include "malloc/lend.h"
#include "malloc/misuse.h"
#include "malloc/slow.h"
#include "malloc/start.h"
#include "malloc/stats.h"
#include "malloc/tend.h"
#include "malloc/threads.h"
#include "os/vm.h"

#include <errno.h>
#include <stdint.h>

size_t cairn_malloc_usable_size(void *p) { return cairn_slow_usable_bytes(p, "malloc_usable_size"); }

void *cairn_reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return cairn_realloc(p, bytes);
}

/* May malloc serve an aligned request, by its size rounded up to a multiple of align? The class of such a size has
 * slots that are as aligned: its spacing divides align, or align divides its spacing. So has the emergency store
 * (malloc/slow.c). Not where the bytes asked for are counted, nor on the empty cache, where all is slow anyway. */
static bool is_as_malloc(size_t align, size_t size)
{
	return align <= CAIRN_GRANULE_BYTES && size <= CAIRN_SMALL_MAX - align && !cairn_stats_is_counting() &&
	       cairn_thread_cache() != &cairn_cache_empty;
}

/* glibc rounds an alignment that is no power of two up to one, and refuses what cannot be (EINVAL). */
void *cairn_memalign(size_t align, size_t size)
{
	if (align > SIZE_MAX / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	if (align <= 16)
		return cairn_malloc(size);
	if (!cairn_is_power_of_two(align))
		align = (size_t)1 << (cairn_log2(align) + 1);
	if (cairn_likely(is_as_malloc(align, size)))
		return cairn_malloc(cairn_round_up(size ? size : 1, align));
	if (size > PTRDIFF_MAX || align > PTRDIFF_MAX - size) {
		errno = ENOMEM;
		return NULL;
	}
	return cairn_slow_alloc(size, align, NULL);
}

void *cairn_aligned_alloc(size_t align, size_t size) { return cairn_memalign(align, size); }

int cairn_posix_memalign(void **out, size_t align, size_t size)
{
	if (align % sizeof(void *) || !cairn_is_power_of_two(align))
		return EINVAL;
	int saved = errno;
	void *p = cairn_memalign(align, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void *cairn_valloc(size_t size) { return cairn_memalign(cairn_vm_page_bytes(), size); }

void *cairn_pvalloc(size_t size)
{
	size_t page = cairn_vm_page_bytes();
	if (size > SIZE_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return cairn_memalign(page, cairn_round_up(size ? size : 1, page));
}

/* Is size one for which p can have been made, or to which realloc can have shrunk it in place? */
void cairn_check_size(void *p, size_t align, size_t size, const char *who)
{
	if (!p || cairn_emergency_owns(p))
		return; /* there a block may be larger than it need be */
	size_t usable = cairn_slow_usable_bytes(p, who);
	unsigned size_class = align > CAIRN_GRANULE_BYTES ? 0
			      : align > 16                ? cairn_class_of_aligned(size, align)
							  : cairn_class_of(size);
	size_t made = size_class ? cairn_classes[size_class].bytes : cairn_large_usable_bytes(size ? size : 1);
	bool is_right = usable == made || usable == cairn_lend_usable_bytes(size_class, size);
	if (usable && !is_right && !(size <= usable && size > usable - usable / 4))
		cairn_misuse_wrong_size(who, p, size);
}

void cairn_free_sized(void *p, size_t size)
{
	cairn_check_size(p, 0, size, "free_sized");
	cairn_free(p);
}

void cairn_free_aligned_sized(void *p, size_t align, size_t size)
{
	cairn_check_size(p, align, size, "free_aligned_sized");
	cairn_free(p);
}

int cairn_malloc_trim(size_t keep)
{
	cairn_start();
	return cairn_tend_now(keep) > 0;
}
