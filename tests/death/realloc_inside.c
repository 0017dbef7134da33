/* EXPECT abort "cairn: realloc: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* A pointer into a block is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64);
	p = realloc(p + 16, 1000);
	_Exit(0);
}
