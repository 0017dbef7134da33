/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A small number: at the call. */
#include <stdlib.h>
#include <stdint.h>

int main(void)
{
	void *volatile p = (void *)(uintptr_t)0x1230;
	free(p);
	_Exit(0);
}
