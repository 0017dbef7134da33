/* EXPECT abort "cairn: malloc_usable_size: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A freed large block is asked for its size: at the call. */
#include <malloc.h>
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(100000), *volatile q = malloc(100000);
	free(p);
	volatile size_t bytes = malloc_usable_size(p);
	(void)bytes;
	free(q);
	_Exit(0);
}
