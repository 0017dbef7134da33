/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A pointer to static data: at the call. */
#include <stdlib.h>

static char data[64];

int main(void)
{
	char *volatile p = data;
	free(p);
	_Exit(0);
}
