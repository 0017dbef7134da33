/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A pointer into the stack: at the call. */
#include <stdlib.h>

int main(void)
{
	char here[64];
	char *volatile p = here;
	free(p);
	_Exit(0);
}
