/* EXPECT exit 0 */
/* A block in the brk heap, which only libc's own malloc uses, goes to libc's free; nothing is said. */
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t bytes);

int main(void)
{
	for (size_t bytes = 1; bytes < 5000; bytes += 7) {
		char *volatile p = __libc_malloc(bytes);
		memset(p, 1, bytes);
		if (bytes % 2)
			p = realloc(p, bytes + 100);
		if (p[bytes - 1] != 1)
			return 1;
		free(p);
	}
	return 0;
}
