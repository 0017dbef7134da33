/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* One other free lies between: still at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64), *volatile q = malloc(64);
	free(p);
	free(q);
	free(p);
	_Exit(0); /* not at exit */
}
