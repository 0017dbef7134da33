/* s61: a monitor thread may allocate and free before it lets a purge of the heap go on */
#include "support.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { COUNT = 20000 };
static void *p[COUNT];
static int uffd, done; /* done: sync: atomic */
static long removed;

static void *monitor(void *arg) {
	struct pollfd f = { .fd = uffd, .events = POLLIN };
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		struct uffd_msg m;
		if (poll(&f, 1, 20) <= 0)
			continue;
		churn((uint32_t)removed + 1, 300); /* while the purging thread hangs in madvise */
		while (read(uffd, &m, sizeof m) == sizeof m)
			removed += m.event == UFFD_EVENT_REMOVE;
	}
	return arg;
}
static void watch_heap(void) {
	uintptr_t low = UINTPTR_MAX, high = 0;
	for (int i = 0; i < COUNT; i++) {
		low = (uintptr_t)p[i] < low ? (uintptr_t)p[i] : low;
		high = (uintptr_t)p[i] > high ? (uintptr_t)p[i] : high;
	}
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], mode[8];
	unsigned long from, to;
	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || strncmp(mode, "rw-p", 4) != 0)
			continue;
		if (to < low || from > high)
			continue;
		struct uffdio_register r = { { from, to - from }, UFFDIO_REGISTER_MODE_WP, 0 };
		ioctl(uffd, UFFDIO_REGISTER, &r); /* not every mapping can be: stacks, files */
	}
	fclose(maps);
}
int main(void) {
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0)
		skip("no userfaultfd here");
	pthread_t thread = thread_start(monitor, NULL, 0);
	alarm(40); /* a hang ends the test */
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			p[i] = malloc(1 + i % 4000);
			CHECK(p[i]);
			memset(p[i], 1, 1 + i % 4000);
		}
		watch_heap();
		for (size_t i = 0; i < COUNT; i++)
			free(p[i]);
		for (double end = now() + 1.5; now() < end; usleep(1000))
			churn(61, 20);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	close(uffd);
	pthread_join(thread, NULL);
	NOTE("%ld purges waited for the monitor\n", removed);
	return 0;
}
