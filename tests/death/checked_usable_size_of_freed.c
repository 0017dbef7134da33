/* EXPECT abort "cairn: malloc_usable_size: already free: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A freed block is asked for its size: at the call. */
#include <malloc.h>
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(64), *volatile live = malloc(64);
	free(p);
	volatile size_t bytes = malloc_usable_size(p);
	(void)bytes;
	free(live);
	_Exit(0);
}
