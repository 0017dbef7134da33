/* EXPECT abort "cairn: free: already free: 0x.. (its memory was given back, PROGRAM)" */
/* A block of many chunks: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(50000000);
	free(p);
	free(p);
	_Exit(0);
}
