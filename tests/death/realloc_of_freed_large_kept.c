/* EXPECT abort "cairn: realloc: already free: 0x.. (large block of 100.0 KiB, PROGRAM)" */
/* A large block that its thread keeps at hand is grown: at the call. */
#include <stdlib.h>

int main(void)
{
	for (int i = 0; i < 8; i++) {
		void *volatile warm = malloc(100000);
		free(warm);
	}
	void *volatile p = malloc(100000);
	free(p);
	p = realloc(p, 200000);
	_Exit(0);
}
