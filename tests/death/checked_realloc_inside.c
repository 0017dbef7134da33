/* EXPECT abort "cairn: realloc: not the start of a block: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A pointer into a block is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(64);
	void *volatile q = realloc(p + 16, 100);
	free(q);
	_Exit(0);
}
