/* EXPECT abort "cairn: free: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* One byte past the start of a small block: at exit. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64);
	free(p + 1);
	return 0;
}
