/* EXPECT abort "cairn: free: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* A pointer into a small block: at exit, where its magazine is checked. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64);
	free(p + 16);
	return 0;
}
