/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* The block just freed is freed again: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64);
	free(p);
	free(p);
	_Exit(0); /* not at exit */
}
