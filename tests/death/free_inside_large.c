/* EXPECT abort "cairn: free: not the start of a block: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A pointer into a large block, sixteen bytes in: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(100 * 1024);
	free(p + 16);
	_Exit(0);
}
