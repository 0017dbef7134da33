/* EXPECT abort "cairn: realloc: already free: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A freed block is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64), *volatile live = malloc(64);
	free(p);
	void *volatile q = realloc(p, 100);
	free(q);
	free(live);
	_Exit(0);
}
