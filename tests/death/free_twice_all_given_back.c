/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* No block of its slab is live any more, but the books still tell its size: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64);
	free(p);
	free(p);
	_Exit(0);
}
