/* wrong_frees.c - the fourteen wrong frees: each case is one crime, and what the malloc made of it.
 *
 * Usage: wrong_frees CASE (0..13); without an argument the names are listed. `wrong-frees` runs it and prints a table.
 * Output: "twice" when the malloc handed the same or an overlapping block to two owners; "ignored" when nothing
 * came of it. A malloc that stops the program does so by a signal: at the faulty free, at a later call, or at exit
 * ("left main" was printed before). */
#include "support.h"

enum { FOLLOWING = 400, OTHERS = 1000 };
static const size_t sizes[] = { 64, 2000, 100000 };
static const char *const kinds[] = {
	"freed twice at once",
	"freed twice, 1000 frees between",
	"freed twice by two threads",
	"freed inside the block",
};
static unsigned char *next[FOLLOWING];

static void *give(void *p) {
	free(p);
	return NULL;
}
/* Does the malloc now hand out memory twice? Blocks of this size, each filled with its number, share no byte. */
static bool shares_bytes(size_t bytes) {
	for (size_t i = 0; i < FOLLOWING; i++) {
		next[i] = malloc(bytes);
		CHECK(next[i]);
	}
	for (size_t i = 0; i < FOLLOWING; i++)
		memset(next[i], (int)(i % 251), bytes);
	for (size_t i = 0; i < FOLLOWING; i++)
		for (size_t k = 0; k < bytes; k++)
			if (next[i][k] != i % 251)
				return true;
	for (size_t i = 0; i < FOLLOWING; i++)
		for (size_t j = i + 1; j < FOLLOWING; j++)
			if (next[i] == next[j])
				return true;
	return false;
}
/* Says so at once: when such blocks are freed, as here, the malloc may still stop the program. */
static bool handed_out_twice(size_t bytes) {
	bool twice = shares_bytes(bytes);
	if (twice)
		NOTE("twice\n");
	for (size_t i = 0; i < FOLLOWING; i++)
		free(next[i]);
	return twice;
}
static void freed_twice(size_t bytes, int others) {
	static void *between[OTHERS];
	for (int i = 0; i < others; i++)
		between[i] = malloc(bytes);
	void *volatile p = malloc(bytes), *volatile neighbour = malloc(bytes);
	CHECK(neighbour);
	free(p);
	for (int i = 0; i < others; i++)
		free(between[i]);
	free(p);
}
static void freed_by_two(size_t bytes) {
	void *volatile p = malloc(bytes), *volatile neighbour = malloc(bytes);
	CHECK(neighbour);
	pthread_join(thread_start(give, p, 0), NULL);
	free(p);
}
static void freed_inside(size_t bytes) {
	unsigned char *volatile p = malloc(bytes), *volatile neighbour = malloc(bytes);
	CHECK(neighbour);
	memset(p, 0, bytes);
	free(p + 16);
}
static void crime(int kind, size_t bytes) {
	if (kind == 0)
		freed_twice(bytes, 0);
	else if (kind == 1)
		freed_twice(bytes, OTHERS);
	else if (kind == 2)
		freed_by_two(bytes);
	else
		freed_inside(bytes);
}
static void foreign(bool of_stack) {
	static unsigned char data[256] __attribute__((aligned(64)));
	unsigned char here[256] __attribute__((aligned(64))) = { 0 };
	void *volatile p = of_stack ? here + 64 : data + 64;
	free(p);
}
int main(int argc, char **argv) {
	if (argc != 2) {
		for (int i = 0; i < 12; i++)
			printf("%s, %zu B\n", kinds[i / 3], sizes[i % 3]);
		puts("not from malloc: on the stack\nnot from malloc: static data");
		return 0;
	}
	int i = atoi(argv[1]);
	/* An ordinary program has allocated before. */
	churn(1, 2000);
	size_t bytes = i < 12 ? sizes[i % 3] : 128;
	if (i < 12)
		crime(i / 3, bytes);
	else
		foreign(i == 12);
	bool twice = handed_out_twice(i >= 9 && i < 12 ? bytes - 16 : bytes) || handed_out_twice(bytes);
	if (!twice)
		NOTE("ignored\n");
	NOTE("left main\n");
	return 0;
}
