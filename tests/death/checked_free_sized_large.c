/* EXPECT abort "cairn: free_sized: wrong size: 0x.. (large block of 100.0 KiB, asked 64 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A small size for a large block: at the call. */
#include <dlfcn.h>
#include <stdlib.h>

int main(void)
{
	/* C23: not every libc has it. */
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
	void *volatile p = malloc(100 * 1024);
	free_sized(p, 64);
	_Exit(0);
}
