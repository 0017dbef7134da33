/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* An address that no program can have: at the call. */
#include <stdlib.h>
#include <stdint.h>

int main(void)
{
	void *volatile p = (void *)(uintptr_t)0xffff888000001000;
	free(p);
	_Exit(0);
}
