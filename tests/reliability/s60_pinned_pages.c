/* s60: pages that the kernel still holds stay the same pages when their block is freed and had again at once */
#include "support.h"
#include <sys/uio.h>

enum { BYTES = 32768 };

/* A pipe holds the block's pages (vmsplice), as a registered io_uring or device buffer does: what is written through a
 * new block at that address must be what the holder sees. */
int main(void) {
	int seen = 0;
	static char back[BYTES];
	for (int round = 0; round < 100; round++) {
		int ends[2];
		CHECK(pipe(ends) == 0);
		CHECK(fcntl(ends[1], F_SETPIPE_SZ, BYTES * 2) >= BYTES);
		char *p = aligned_alloc(4096, BYTES);
		CHECK(p);
		memset(p, 1, BYTES);
		struct iovec v = { p, BYTES };
		ssize_t n = vmsplice(ends[1], &v, 1, SPLICE_F_NONBLOCK);
		if (n < 0)
			skip("vmsplice is not allowed here");
		free(p); /* too early */
		churn((uint32_t)round + 1, 10);
		char *q = aligned_alloc(4096, BYTES);
		CHECK(q);
		memset(q, 2, BYTES);
		if (q == p) {
			seen++;
			for (ssize_t got = 0, m; got < n; got += m)
				CHECK((m = read(ends[0], back + got, (size_t)(n - got))) > 0);
			for (ssize_t k = 0; k < n; k++)
				CHECK_SAY(back[k] == 2, "round %d: the holder sees old bytes at %zd", round, k);
		}
		close(ends[0]);
		close(ends[1]);
		free(q);
	}
	NOTE("%d of 100 blocks came back at once\n", seen);
	return 0;
}
