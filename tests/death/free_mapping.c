/* EXPECT exit 0 "cairn: free: not from malloc, left alone: 0x.. (PROGRAM)" */
/* A mapping that is not cairn's may be another libc's heap: said once, and left alone. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(void)
{
	char *volatile p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 7, 65536);
	free(p + 16);
	free(p + 4096);
	for (int i = 0; i < 65536; i++)
		if (p[i] != 7)
			return 1;
	return 0;
}
