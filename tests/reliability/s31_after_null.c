/* s31: when half is freed after the first NULL, malloc works again, for other sizes and for one large block */
#include "limits.h"

enum { LIMIT_MIB = 256, MOST = 400000 };
static void *p[MOST];

static int starve(void *arg) {
	size_t count = 0;
	bool large = *(int *)arg;
	CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){ LIMIT_MIB * MIB, LIMIT_MIB * MIB }) == 0);
	while (count < MOST && (p[count] = malloc(1000)))
		count++;
	CHECK(count > 10000 && count < MOST && errno == ENOMEM);
	for (size_t i = 0; i < count / 2; i++)
		free(p[i]);
	if (large) {
		void *big = malloc(LIMIT_MIB * MIB / 4);
		CHECK_SAY(big, "a block of a quarter of the limit, after %zu MB were freed", count / 2000);
		free(big);
	}
	size_t ok = 0;
	for (size_t i = 0; i < 1000; i++)
		ok += (p[i] = malloc(200)) != NULL;
	CHECK_SAY(ok == 1000, "of 1000 blocks of 200 bytes %zu were had", ok);
	for (size_t i = 0; i < 1000; i++)
		free(p[i]);
	for (size_t i = 0; i < 1000; i++)
		free(malloc(5000 + i));
	churn(31, 20000);
	return 0;
}
int main(void) {
	int other = 0, large = 1;
	bool a = ended_well("another size", in_child(starve, &other, 30));
	bool b = ended_well("a large block", in_child(starve, &large, 30));
	CHECK(a && b);
	return 0;
}
