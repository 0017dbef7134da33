/* s08: a process may end by exit, _exit and quick_exit while its threads allocate */
#include "support.h"

static void *busy(void *arg) {
	for (uint32_t i = 1;; i++)
		churn(i, 1000);
	return arg;
}
static void handler(void) { churn(8, 500); }

static int child(void *arg) {
	int way = *(int *)arg;
	for (int i = 0; i < 4; i++)
		thread_start(busy, NULL, 0);
	atexit(handler);
	at_quick_exit(handler);
	churn((uint32_t)way + 1, 2000);
	usleep(1000u * (unsigned)(way % 7));
	if (way % 3 == 0)
		exit(0);
	if (way % 3 == 1)
		quick_exit(0);
	_exit(0);
}
int main(void) {
	for (int i = 0; i < 100; i++)
		CHECK(ended_well(i % 3 ? i % 3 == 1 ? "quick_exit" : "_exit" : "exit", in_child(child, &i, 10)));
	return 0;
}
