/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* A string constant: at the call. */
#include <stdlib.h>
#include <stdint.h>

int main(void)
{
	const char *volatile text = "text";
	void *volatile p = (void *)(uintptr_t)text;
	free(p);
	_Exit(0);
}
