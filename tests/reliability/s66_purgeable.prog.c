/* Holds 200 MiB of which all but a little can be given back, then goes on to allocate, in other sizes and by threads.
 * With an argument nothing of it stays in use: what a limit on mappings counts is given back with whole spans only. */
#include "support.h"

enum { SMALL = 200, KEEP_EVERY = 64, BLOCKS = 200 * 1024 * 1024 / (SMALL + 8) };

static void **block;

static void fill(void) {
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(SMALL);
		CHECK(block[i]);
		memset(block[i], 1, SMALL);
	}
}
static void *burst(void *unused) {
	void *p[500];
	(void)unused;
	for (int i = 0; i < 500; i++)
		CHECK((p[i] = malloc(16 + (size_t)i * 8)) && memset(p[i], 2, 16 + (size_t)i * 8));
	for (int i = 0; i < 500; i++)
		free(p[i]);
	return NULL;
}
int main(int argc, char **argv) {
	void *large[30];
	pthread_attr_t small;
	(void)argv;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 * KIB); /* stacks are data too */
	block = malloc(BLOCKS * sizeof *block);
	CHECK(block);
	for (int round = 0; round < 4; round++) { /* so much is wanted again and again: a malloc learns to keep it */
		fill();
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
	}
	fill();
	for (int i = 0; i < BLOCKS; i++)
		if (argc > 1 || i % KEEP_EVERY)
			free(block[i]); /* every page but a few is empty, no span is */
	NOTE("%zu MiB resident after the frees\n", rss_bytes() / MIB);
	for (int round = 0; round < 3; round++) {
		pthread_t t[8];
		for (int i = 0; i < 30; i++)
			CHECK((large[i] = malloc(4 * MIB)) && memset(large[i], 3, 4 * MIB));
		for (int i = 0; i < 8; i++)
			CHECK(pthread_create(&t[i], &small, burst, NULL) == 0);
		for (int i = 0; i < 8; i++)
			CHECK(pthread_join(t[i], NULL) == 0);
		NOTE("%zu MiB resident with 120 MiB in large blocks\n", rss_bytes() / MIB);
		for (int i = 0; i < 30; i++)
			free(large[i]);
	}
	return 0;
}
