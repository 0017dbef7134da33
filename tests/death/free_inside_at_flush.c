/* EXPECT abort "cairn: free: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* A pointer into a small block, and many frees after it: when the magazine is flushed. */
#include <stdlib.h>

int main(void)
{
	static char *volatile p[6000];
	for (int i = 0; i < 6000; i++)
		p[i] = malloc(64);
	free(p[0] + 16);
	for (int i = 1; i < 6000; i++)
		free(p[i]);
	_Exit(0);
}
