/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* Freed twice with five frees between: at the call. */
#include <stdlib.h>

int main(void)
{
	void *volatile p[7]; /* the last stays live */
	for (int i = 0; i < 7; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 6; i++)
		free(p[i]);
	free(p[0]);
	_Exit(0);
}
