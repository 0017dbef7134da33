/* s20: no helper thread takes a signal that the program waits for */
#include "support.h"
#include <dirent.h>

static void *nothing(void *arg) { return arg; }
static void *p[20000];

/* Every other thread that we did not make blocks the signals a program may wait for. */
static int helpers(void) {
	int count = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *e; (e = readdir(tasks));) {
		char path[300], text[4096];
		if (e->d_name[0] == '.' || atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = 0;
		char *mask = strstr(text, "SigBlk:");
		if (!mask)
			continue; /* it ended meanwhile */
		count++;
		unsigned long long blocked = strtoull(mask + 7, NULL, 16);
		CHECK_SAY(blocked >> (SIGUSR1 - 1) & 1 && blocked >> (SIGTERM - 1) & 1, "thread %s has %llx", e->d_name,
		          blocked);
	}
	closedir(tasks);
	return count;
}
int main(void) {
	sigset_t set;
	pthread_join(thread_start(nothing, NULL, 0), NULL); /* now helpers are allowed */
	for (int i = 0; i < 20000; i++) {
		p[i] = malloc(4000);
		memset(p[i], 1, 4000);
	}
	for (int i = 0; i < 20000; i++)
		free(p[i]);
	usleep(20000);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int seen = 0, most = 0;
	for (double end = now() + budget(2); now() < end; seen++) {
		int got;
		churn((uint32_t)seen + 1, 500);
		if (seen % 20 == 0) {
			int n = helpers();
			most = n > most ? n : most;
		}
		kill(getpid(), SIGUSR1);
		CHECK(sigwait(&set, &got) == 0 && got == SIGUSR1);
	}
	NOTE("%d signals, at most %d helper threads\n", seen, most);
	return 0;
}
