/* EXPECT abort "cairn: realloc: not from malloc: 0x.. (PROGRAM)" */
/* A pointer into the stack is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	char here[64];
	char *volatile p = here;
	p = realloc(p, 1000);
	_Exit(0);
}
