/* EXPECT abort "cairn: free: not the start of a block: 0x.. (size class 2.0 KiB, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* One byte past the start: at the call. */
#include <stdlib.h>

int main(void)
{
	char *volatile p = malloc(2000);
	free(p + 1);
	_Exit(0);
}
