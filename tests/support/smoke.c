/* support/smoke.c - the least that shows that a malloc works: 10,000 blocks, filled, grown, checked, freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 10000 };

static unsigned char *blocks[BLOCKS];

static size_t size_of(int i) { return (size_t)(i * 37 % 2000 + 1); }

static int is_filled(const unsigned char *p, size_t bytes, unsigned char with)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != with)
			return 0;
	return 1;
}

int main(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(size_of(i));
		if (!blocks[i])
			return 1;
		memset(blocks[i], i & 255, size_of(i));
	}
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = realloc(blocks[i], size_of(i) * 2);
		if (!blocks[i] || !is_filled(blocks[i], size_of(i), (unsigned char)i))
			return 2;
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	printf("smoke: %d blocks, contents right\n", BLOCKS);
	return 0;
}
