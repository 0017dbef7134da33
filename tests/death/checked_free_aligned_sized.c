/* EXPECT abort "cairn: free_aligned_sized: wrong size: 0x.. (size class 64 B, asked 5000 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* The size is wrong: at the call. */
#include <dlfcn.h>
#include <stdlib.h>

int main(void)
{
	/* C23: not every libc has it. */
	void (*free_aligned_sized)(void *, size_t, size_t);
	free_aligned_sized = (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
	void *volatile p = aligned_alloc(64, 64);
	free_aligned_sized(p, 64, 5000);
	_Exit(0);
}
