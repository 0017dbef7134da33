/* s52: every block is aligned to 16 bytes, the smallest too */
#include "support.h"

static void *p[2000];

int main(void) {
	for (size_t bytes = 1; bytes <= 32; bytes++)
		for (int way = 0; way < 3; way++) {
			for (int i = 0; i < 2000; i++) {
				p[i] = way == 0 ? malloc(bytes) : calloc(1, bytes);
				if (way == 2)
					p[i] = realloc(p[i], bytes);
				CHECK_SAY((uintptr_t)p[i] % 16 == 0, "%zu bytes: %p", bytes, p[i]);
			}
			for (int i = 0; i < 2000; i++)
				free(p[i]);
		}
	return 0;
}
