/* EXPECT exit 0 */
/* ENV CAIRN_CHECK=1 */
/* A program that does nothing wrong is told nothing, also when every call is checked. */
#include <stdlib.h>
#include <string.h>

int main(void)
{
	static char *volatile p[3000];
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 3000; i++) {
			p[i] = i % 3 ? malloc(1 + i * 17) : aligned_alloc(64, 64 + i * 64);
			memset(p[i], 1, 1 + i * 17);
		}
		for (size_t i = 0; i < 3000; i += 2)
			p[i] = realloc(p[i], 1 + i * 29);
		for (size_t i = 0; i < 3000; i++)
			free(p[i]);
	}
	return 0;
}
