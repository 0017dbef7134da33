/* EXPECT abort "cairn: free: already free: 0x.. (size class 64 B, PROGRAM)" */
/* A thousand other frees lie between, and more follow: when the magazine is flushed. */
#include <stdlib.h>

int main(void)
{
	static void *volatile p[6000];
	for (int i = 0; i < 6000; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 1001; i++)
		if (i % 10 != 1)
			free(p[i]);
	free(p[0]);
	for (int i = 1001; i < 6000; i++)
		if (i % 10) /* some stay live */
			free(p[i]);
	_Exit(0);
}
