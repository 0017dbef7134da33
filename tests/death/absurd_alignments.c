/* EXPECT exit 0 */
/* Alignments that cannot be are refused: EINVAL from posix_memalign, which leaves the pointer alone. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

int main(void)
{
	static const size_t wrong[] = { 0, 1, 2, 3, 4, 7, 12, 24, 48, 100, 4095, 4097 };
	void *mine = &mine;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (posix_memalign(&mine, wrong[i], 100) != EINVAL || mine != &mine)
			return 1;
	volatile size_t absurd = ((size_t)1 << 63) + 1;
	errno = 0;
	if (memalign(absurd, 100) != NULL || errno != EINVAL)
		return 2;
	absurd = (size_t)1 << 62;
	errno = 0;
	if (memalign(absurd, 100) != NULL || errno != ENOMEM)
		return 3;
	return posix_memalign(&mine, absurd, 100) != ENOMEM || mine != &mine ? 4 : 0;
}
