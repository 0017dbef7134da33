/* EXPECT abort "cairn: realloc: already free: 0x.. (size class 64 B, PROGRAM)" */
/* The block just freed is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64);
	free(p);
	void *volatile q = realloc(p, 1000);
	free(q);
	_Exit(0);
}
