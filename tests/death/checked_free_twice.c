/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* Freed twice with many frees between: at the call. */
#include <stdlib.h>

int main(void)
{
	static void *volatile p[1000];
	for (int i = 0; i < 1000; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 1000; i++)
		if (i % 10) /* some stay live */
			free(p[i]);
	free(p[501]);
	_Exit(0);
}
