/* EXPECT abort "cairn: free: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A pointer into a small block: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64);
	free(p + 16);
	_Exit(0);
}
