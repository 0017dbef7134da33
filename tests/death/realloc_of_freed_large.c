/* EXPECT abort "cairn: realloc: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block is grown after its free: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(100000), *volatile q = malloc(100000);
	free(p);
	p = realloc(p, 200000);
	free(q);
	_Exit(0);
}
