/* EXPECT abort "cairn: free: already free: 0x.. (size class 2.0 KiB, PROGRAM)" */
/* The same for a block of 2000 bytes. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(2000);
	free(p);
	free(p);
	_Exit(0);
}
