/* EXPECT exit 0 */
/* Sizes that cannot be are refused with NULL and ENOMEM, and nothing is said. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#define REFUSED(call) (errno = 0, (call) == NULL && errno == ENOMEM)

int main(void)
{
	volatile size_t most = PTRDIFF_MAX, all = SIZE_MAX, many = (size_t)1 << 33;
	void *volatile p = malloc(64), *mine = NULL;
	if (!REFUSED(malloc(most + 1)) || !REFUSED(malloc(all)) || !REFUSED(malloc(all - 4096)))
		return 1;
	if (!REFUSED(calloc(all, 2)) || !REFUSED(calloc(many, many)) || !REFUSED(calloc(most, 3)))
		return 2;
	if (!REFUSED(reallocarray(p, all, 2)) || !REFUSED(reallocarray(p, many, many)))
		return 3;
	if (!REFUSED(reallocarray(NULL, most, 3)))
		return 3;
	if (!REFUSED(realloc(p, most + 1)) || !REFUSED(realloc(p, all)))
		return 4;
	if (!REFUSED(aligned_alloc(64, all - 63)) || !REFUSED(memalign(4096, most + 1)) || !REFUSED(valloc(all)))
		return 5;
	if (!REFUSED(pvalloc(all)) || posix_memalign(&mine, 64, all) != ENOMEM || mine)
		return 6;
	free(p);
	return 0;
}
