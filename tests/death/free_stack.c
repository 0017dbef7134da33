/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A pointer into this thread's stack: at the call. */
#include <stdlib.h>

int main(void)
{
	char here[64];
	char *volatile p = here;
	free(p);
	_Exit(0);
}
