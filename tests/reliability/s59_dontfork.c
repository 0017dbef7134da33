/* s59: pages that the program left marked MADV_DONTFORK are not handed out to hurt a later child */
#include "support.h"

enum { COUNT = 200 };
static char *p[COUNT];

static void use(void) {
	for (size_t i = 0; i < COUNT; i++) {
		p[i] = aligned_alloc(4096, 65536);
		CHECK(p[i]);
		memset(p[i], 1, 65536);
	}
}
static int child(void *arg) {
	(void)arg;
	for (size_t i = 0; i < COUNT; i++)
		memset(p[i], 2, 65536);
	churn(59, 2000);
	return 0;
}
int main(void) {
	use();
	for (size_t i = 0; i < COUNT; i++) /* as an RDMA library does when it registers memory */
		CHECK(madvise(p[i], 65536, MADV_DONTFORK) == 0);
	for (size_t i = 0; i < COUNT; i++)
		free(p[i]);
	sleep(2);
	free(malloc(1));
	use();
	CHECK(ended_well("the child", in_child(child, NULL, 20)));
	return 0;
}
