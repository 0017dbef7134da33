/* EXPECT exit 0 */
/* malloc_usable_size of what is not cairn's is 0: the program's own allocator may have made it. */
#include <malloc.h>
#include <sys/mman.h>

static char data[64];

int main(void)
{
	char *volatile p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return malloc_usable_size(p + 16) != 0 || malloc_usable_size(data) != 0 || malloc_usable_size(NULL) != 0;
}
