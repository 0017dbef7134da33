/* EXPECT abort "cairn: free_sized: wrong size: 0x.. (size class 64 B, asked 4000 B, PROGRAM)" */
/* The size is not the one that was asked for: at the call. */
#include <dlfcn.h>
#include <stdlib.h>

int main(void)
{
	/* C23: not every libc has it. */
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
	void *volatile p = malloc(64);
	free_sized(p, 4000);
	_Exit(0);
}
