/* EXPECT abort "cairn: free: not from malloc: 0x.. (PROGRAM)" */
/* An address where nothing is mapped: at the call. */
#include <stdlib.h>
#include <sys/mman.h>

int main(void)
{
	void *volatile p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p, 4096);
	free(p);
	_Exit(0);
}
