/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* An odd pointer into static data: at the call. */
#include <stdlib.h>

static char data[64] = "data";

int main(void)
{
	char *volatile p = data + 1;
	free(p);
	_Exit(0);
}
