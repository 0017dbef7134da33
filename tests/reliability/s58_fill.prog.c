/* Checks that mallopt(M_PERTURB) is taken, and that calloc and realloc keep their promises under it. */
#include "support.h"

int main(int argc, char **argv) {
	CHECK(argc == 2);
	int byte = atoi(argv[1]);
	churn(58, 20000);
	CHECK(mallopt(M_PERTURB, byte) == 1);
	churn(59, 20000);
	for (size_t bytes = 1; bytes < 300000; bytes = bytes * 5 / 4 + 1) {
		unsigned char *p = malloc(bytes), *q;
		memset(p, 0x33, bytes);
		p = realloc(p, bytes * 2);
		for (size_t k = 0; k < bytes; k++)
			CHECK(p[k] == 0x33);
		free(p);
		q = calloc(1, bytes);
		for (size_t k = 0; k < bytes; k++)
			CHECK(q[k] == 0);
		free(q);
	}
	return 0;
}
