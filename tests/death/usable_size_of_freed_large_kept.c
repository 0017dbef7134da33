/* EXPECT abort "cairn: malloc_usable_size: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block that its thread keeps at hand is asked for its size: at the call. */
#include <malloc.h>
#include <stdlib.h>

int main(void)
{
	for (int i = 0; i < 8; i++) {
		void *volatile warm = malloc(100000);
		free(warm);
	}
	void *volatile p = malloc(100000);
	free(p);
	volatile size_t bytes = malloc_usable_size(p);
	(void)bytes;
	_Exit(0);
}
