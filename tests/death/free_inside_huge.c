/* EXPECT abort "cairn: free: not the start of a block: 0x.. (large block of 64.0 MiB, PROGRAM)" */
/* A pointer into a block of many chunks, far from its start: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64 << 20);
	free(p + (37 << 20));
	_Exit(0);
}
