/* EXPECT abort "cairn: free: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(100000), *volatile q = malloc(100000);
	free(p);
	free(p);
	free(q);
	_Exit(0);
}
