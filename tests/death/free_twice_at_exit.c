/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* Five other frees lie between, and the magazine is never full: at exit. */
#include <stdlib.h>

int main(void)
{
	void *volatile p[7]; /* the last stays live */
	for (int i = 0; i < 7; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 6; i++)
		free(p[i]);
	free(p[0]);
	return 0;
}
