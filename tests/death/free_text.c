/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A function of the program: at the call. */
#include <stdlib.h>
#include <stdint.h>

int main(void)
{
	void *volatile p = (void *)(uintptr_t)main;
	free(p);
	_Exit(0);
}
