/* Run in an empty root without /proc and /sys and with descriptors 0 to 2 closed: opens its data as descriptor 0, 1, 2
 * and expects to find in it only what it wrote. */
#include "support.h"

static void *work(void *arg) {
	churn(29, 20000);
	return arg;
}
int main(void) {
	int fds[3];
	for (int i = 0; i < 3; i++) {
		fds[i] = open("data", O_RDWR | O_CREAT | O_APPEND, 0600);
		if (fds[i] != i)
			_exit(10 + i);
	}
	work(NULL);
	pthread_join(thread_start(work, NULL, 0), NULL);
	malloc_trim(0);
	usleep(300000);
	churn(30, 2000);
	for (int i = 0; i < 3; i++)
		if (write(fds[i], "mine\n", 5) != 5)
			_exit(20);
	return 0;
}
