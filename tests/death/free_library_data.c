/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* Data of a library: at the call. */
#include <stdlib.h>
#include <stdio.h>

int main(void)
{
	void *volatile p = stdout;
	free(p);
	_Exit(0);
}
